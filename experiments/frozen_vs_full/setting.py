"""What identifies a row of frozen against full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from experiments.kit.rows import EVIDENCE

ROWS = EVIDENCE / "frozen_vs_full.json"
TASKS = {"mrpc": "nyu-mll/glue:mrpc", "sst2": "nyu-mll/glue:sst2"}
SIZES = (50, 100, 200, 500, 1000)
SEEDS = (0, 1, 2, 3, 4)
# What learns decides which rates are worth trying: a new head is far from its goal, a pretrained layer is near.
HEAD_RATES = (1e-3, 1e-2)
RATES = {"minilm": (1e-4, 3e-4), "pocket": (3e-4, 1e-3)}
OTHER_RATES = (2e-5, 5e-5)
LORA_RANK, LORA_RATES = 8, (1e-3, 3e-3)
# What names a regime, beside its rate and seed.
REGIME = ("data", "encoder", "rows", "frozen", "lora_rank")


@dataclass(frozen=True)
class Setting:
    """One run. ``rows`` 0 is all of them, ``lora_rank`` 0 no adapter, ``frozen`` the number of lowest layers."""

    CODE: ClassVar[int] = 1

    data: str
    encoder: str
    rows: int
    frozen: int
    lora_rank: int
    learning_rate: float
    seed: int
    # Few rows need many epochs: a run has at least so many steps. The head alone is cheap, and gets more.
    steps: int = 60
    epochs: int = 3
    batch_size: int = 16
    max_length: int = 128
    lora_alpha: float = 16
    validation_rows: int = 500  # at most; the rate is chosen on them


HEAD_STEPS = 600
