"""What identifies a row of further pretraining."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from experiments.kit.rows import EVIDENCE

ROWS = EVIDENCE / "further_pretraining.json"
WAYS = ("frozen", "full", "further")
PER_CLASS = (8, 32, 128)
SEEDS, STEPS = (0, 1, 2, 3, 4), 600
# Passes of the fine-tuning by labels of each class: fewer labels, more often.
EPOCHS, OTHER_EPOCHS = {8: 10, 32: 5, 128: 3}, 4


@dataclass(frozen=True)
class Setting:
    """A way of using the encoder, or, with ``per_class`` 0, a further pretraining itself.

    ``steps`` are of the further pretraining, 0 where there is none.
    """

    CODE: ClassVar[int] = 1

    encoder: str
    way: str
    seed: int
    steps: int
    per_class: int
    epochs: int
    learning_rate: float = 3e-4
    batch_size: int = 16
    further_learning_rate: float = 5e-4
    further_batch_size: int = 32
    data: str = "documentation"
    max_length: int = 48
    min_words: int = 6  # shorter sentences ("See also.") name no library, and nobody could tell
    test_per_class: int = 100


def settings(encoder: str, seeds: Iterable[int], steps: int, per_class: Iterable[int]) -> list[Setting]:
    """All rows; the steps of the further pretraining belong to its rows alone."""
    rows, per_class = [], tuple(per_class)
    for seed in seeds:
        rows.append(Setting(encoder, "further", seed, steps, 0, 0))
        for way in WAYS:
            own = steps if way == "further" else 0
            rows += [Setting(encoder, way, seed, own, n, EPOCHS.get(n, OTHER_EPOCHS)) for n in per_class]
    return rows
