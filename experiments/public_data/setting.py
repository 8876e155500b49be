"""What identifies a row of the public data sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from experiments.kit.rows import EVIDENCE

ROWS = EVIDENCE / "public_data.json"
SEEDS = (0, 1, 2, 3, 4)
# The shipped set that has the same task, and rate, epochs, longest input and batch size. The rates are those of the
# shipped sets, the epochs are fewer where the rows are more.
FINE_TUNING = {
    "clinc/clinc_oos:small": ("intents", 4e-4, 4, 64, 16),
    "nyu-mll/glue:mrpc": ("paraphrases", 1e-4, 4, 128, 16),
    "nyu-mll/glue:stsb": ("paraphrases:similarity", 1e-4, 3, 96, 16),
    "leondz/wnut_17": ("entities", 5e-4, 4, 64, 16),
    "google/xquad:xquad.en": ("passages", 4e-4, 4, 192, 8),
    "pkavumba/balanced-copa": ("choices", 1e-4, 4, 64, 8),
}


@dataclass(frozen=True)
class Setting:
    """One fine-tuning; ``like`` is the shipped set that has the same task."""

    CODE: ClassVar[int] = 1

    data: str
    seed: int
    like: str
    learning_rate: float
    epochs: int
    max_length: int
    batch_size: int
    encoder: str = "minilm"


def settings(names: Iterable[str], seeds: Iterable[int]) -> list[Setting]:
    names = list(names)
    return [Setting(name, seed, *FINE_TUNING[name]) for seed in seeds for name in names]
