"""What identifies a row of the remedies, and which strengths are tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from experiments.kit.rows import EVIDENCE

ROWS = EVIDENCE / "remedies.json"
SEEDS, SEARCH_SEEDS = (0, 1, 2, 3, 4), (100, 101, 102)
SCENARIOS = ("class_incremental", "task_incremental")


def tens(low: int, high: int) -> tuple[float, ...]:
    """1 and 3 times the powers of ten from ``10**low`` to ``10**high``."""
    return tuple(float(f"{digit}e{power}") for power in range(low, high + 1) for digit in (1, 3))


# What one number of a remedy is searched, and among which values. The search begins with those of START and goes on
# along the ladder until no winner stands at its end.
LADDERS: dict[str, tuple[float, ...]] = {
    "lower rate": tens(-4, 0),  # share of the rate, from the second task on
    "LoRA": tens(-1, 2),  # multiple of the rate
    "L2-SP": tens(-4, 3),
    "EWC": tens(0, 8),
    "distillation": tens(-2, 3),
    "interpolation": (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95),  # share of the new weights
    "replay": tens(-3, 1),  # share of the rate
    "replay with stored answers": tens(-4, 2),
}
START: dict[str, tuple[float, ...]] = {
    "lower rate": (0.03, 0.1, 0.3),
    "LoRA": (1.0, 3.0, 10.0),
    "L2-SP": (0.1, 1.0, 10.0),
    "EWC": (1e3, 1e4, 1e5),
    "distillation": (1.0, 3.0, 10.0),
    "interpolation": (0.3, 0.5, 0.7),
    "replay": (0.3, 1.0, 3.0),
    "replay with stored answers": (0.03, 0.1, 0.3),
}
# What each keeps of the tasks before, beside the model. "nothing" is no remedy, "all at once" what there is to reach.
KEEPS: dict[str, str] = {
    "nothing": "",
    "class means": "",
    "frozen, imprinted": "",
    "lower rate": "",
    "LoRA": "",
    "interpolation": "old weights",
    "running mean": "old weights",
    "L2-SP": "old weights",
    "EWC": "old weights, their worth",
    "distillation": "old model",
    "replay": "5 sentences a label",
    "replay with stored answers": "5 sentences a label, logits",
    "all at once": "every sentence",
}
# Each encoder's own rate and passes, by which it learns all labels at once.
TRAINING: dict[str, dict[str, float]] = {
    "minilm": {"learning_rate": 4e-4, "epochs": 3},
    "pocket": {"learning_rate": 2e-3, "epochs": 5},
}


@dataclass(frozen=True)
class Setting:
    """One sequence of tasks, with one remedy at one strength."""

    CODE: ClassVar[int] = 2

    remedy: str
    strength: float
    seed: int
    split: str
    data: str = "clinc/clinc_oos:small"
    encoder: str = "minilm"
    classes: int = 50  # of the data set, drawn by the seed
    tasks: int = 5
    per_class: int | None = 20  # training examples of a label
    learning_rate: float = 4e-4
    epochs: int = 3
    batch_size: int = 16
    max_length: int = 48
    memory: int = 5  # sentences of a label that replay keeps
    scored: int = 10  # rows of a label that are scored, after every task again
    lora_rank: int = 8  # and alpha is twice as much


def grid(remedy: str, strengths: Iterable[float], seeds: Iterable[int], split: str, **changes: Any) -> list[Setting]:
    """A remedy at these strengths; ``changes`` are other fields of the settings."""
    return [Setting(remedy, strength, seed, split, **changes) for seed in seeds for strength in strengths]
