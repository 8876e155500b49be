"""What identifies a row of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from experiments.kit.rows import EVIDENCE

ROWS = EVIDENCE / "bench.json"
BATCH, RATE, MAX_LENGTH = 16, 2e-4, 128
CONTENDERS = ("fit", "bare loop", "Trainer tuned", "Trainer default", "pad to 512")
JUDGED = ("fit", "Trainer tuned", "Trainer default")  # by their test accuracy
WAYS = ("full", "frozen encoder", "cached features", "to cache them")
GROWTH = {"length": (16, 32, 64, 128, 256), "batch": (4, 16, 64), "labels": (2, 32, 512)}


@dataclass(frozen=True)
class Setting:
    """One row of a question; of ``contender``, ``way``, ``axis`` and ``value`` it has those that the question has."""

    CODE: ClassVar[int] = 1

    question: str
    data: str
    examples: int
    rounds: int
    contender: str | None = None
    way: str | None = None
    axis: str | None = None
    value: int | None = None
    epochs: int | None = None
    batch_size: int = BATCH
    learning_rate: float = RATE
    max_length: int = MAX_LENGTH


def questions(data: str, examples: int, rounds: int, epochs: int) -> dict[str, list[Setting]]:
    """The rows of every question, in the order of asking: the longest comes last."""
    shared: dict[str, Any] = {"data": data, "examples": examples, "rounds": rounds}
    return {
        "speed": [Setting("speed", contender=name, **shared) for name in CONTENDERS],
        "peak": [Setting("peak", **shared)],
        "frozen": [Setting("frozen", way=way, **shared) for way in WAYS],
        "growth": [Setting("growth", axis=a, value=v, **shared) for a, values in GROWTH.items() for v in values],
        "quality": [Setting("quality", contender=name, epochs=epochs, **shared) for name in JUDGED],
    }
