"""What identifies a row of the remedies, and which strengths are tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from experiments.kit.rows import EVIDENCE
from helpers.errors import choose

ROWS = EVIDENCE / "remedies.json"
SEEDS, TUNING_SEEDS = (0, 1, 2, 3, 4), (100,)

# What is tuned, and its grid. "all at once" keeps every example: no remedy, but what there is to reach.
STRENGTHS: dict[str, tuple[float, ...]] = {
    "none": (0.0,),
    "lower rate": (0.3, 0.1, 0.03),  # share of the rate, from the second task on
    "layer-wise rates": (0.8, 0.5),  # factor from one layer to the one below
    "frozen layers": (2, 4, 6),  # the lowest, and the embeddings
    "LoRA": (2.0, 6.0),  # multiple of the rate
    "L2-SP": (0.1, 1.0, 10.0),
    "EWC": (1e2, 1e4, 1e6),
    "distillation": (0.3, 1.0, 3.0),
    "replay": (0.0,),
    "replay and distillation": (0.3, 1.0, 3.0),
    "all at once": (0.0,),
}


@dataclass(frozen=True)
class Setting:
    """One sequence of tasks, with one remedy at one strength."""

    CODE: ClassVar[int] = 1

    remedy: str
    strength: float
    seed: int
    split: str
    data: str = "clinc/clinc_oos:small"
    encoder: str = "minilm"
    per_class: int | None = 20  # training examples of a label
    tasks: int = 5
    learning_rate: float = 4e-4
    epochs: int = 3
    batch_size: int = 32
    max_length: int = 48
    memory: int = 5  # examples of a class that replay keeps
    scored: int = 10  # rows of a class that are scored, after every task again
    lora_rank: int = 8  # and alpha is twice as much


def grid(remedies: Iterable[str], seeds: Iterable[int], split: str, **changes: Any) -> list[Setting]:
    """Every strength of these remedies; ``changes`` are other fields of the settings."""
    return [
        Setting(remedy, strength, seed, split, **changes)
        for seed in seeds
        for remedy in remedies
        for strength in STRENGTHS[choose("remedy", remedy, STRENGTHS)]
    ]
