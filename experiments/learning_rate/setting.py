"""What identifies a row of the grid of learning rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from experiments.kit.rows import EVIDENCE

ROWS = EVIDENCE / "learning_rate.json"
ENCODERS, REGIMES = ("minilm", "pocket"), ("head", "full", "lora")
RATES = (1e-6, 1e-5, 2e-5, 1e-4, 2e-4, 4e-4, 1e-3, 2e-3, 4e-3, 1e-2)
SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Setting:
    """One run. The checksums are of the files it depends on: after a change of them, it is measured anew."""

    CODE: ClassVar[int] = 1

    encoder: str
    regime: str
    learning_rate: float
    seed: int
    encoder_sha256: str
    data_sha256: str
    data: str = "intents"
    epochs: int = 4
    batch_size: int = 16
    max_length: int = 64
    lora_rank: int = 8  # and alpha is twice as much
    pairs: int = 512  # of documentation sentences, for the masked words; about 1,700 masked places
