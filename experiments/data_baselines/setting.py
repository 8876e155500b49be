"""What identifies a row of the book's own data sets, and by which score they are judged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

from experiments.kit.rows import EVIDENCE
from helpers import data

ROWS = EVIDENCE / "data_baselines.json"
SEEDS = (0, 1, 2)
# Rate, epochs, longest input and batch size of the fine-tuning, by data set; chosen on the validation splits.
FINE_TUNING = {
    "intents": (4e-4, 4, 64, 16),
    "reviews": (1e-4, 4, 64, 16),
    "comments": (2e-4, 4, 64, 16),
    "paraphrases": (1e-4, 4, 64, 16),
    "entities": (5e-4, 8, 64, 16),
    "passages": (4e-4, 4, 192, 8),
    "choices": (1e-4, 4, 64, 8),
    "reviews:stars": (1e-4, 4, 64, 16),
    "paraphrases:similarity": (1e-4, 4, 64, 16),
}
METRICS = {
    "intents": "accuracy",
    "reviews": "accuracy",
    "reviews:stars": "Pearson correlation",
    "comments": "F1 of uncivil",
    "paraphrases": "accuracy",
    "paraphrases:similarity": "Pearson correlation",
    "entities": "entity F1",
    "passages": "span F1 where there is an answer",
    "choices": "accuracy",
}


@dataclass(frozen=True)
class Setting:
    """One fine-tuning. The checksum is of the data set's file: after a change of it, its rows are measured anew."""

    CODE: ClassVar[int] = 1

    data: str
    seed: int
    data_sha256: str
    learning_rate: float
    epochs: int
    max_length: int
    batch_size: int
    encoder: str = "minilm"


def current(name: str) -> dict[str, Any]:
    """The fields of the settings of a data set as it is now, but for the seed."""
    rate, epochs, max_length, batch_size = FINE_TUNING[name]
    return {
        "data": name,
        "data_sha256": sha256(name),
        "learning_rate": rate,
        "epochs": epochs,
        "max_length": max_length,
        "batch_size": batch_size,
    }


def sha256(name: str) -> str:
    """Checksum of the file that holds a data set, so that a score can be traced to what it was measured on."""
    return hashlib.sha256((data.SETS / f"{name.partition(':')[0]}.jsonl").read_bytes()).hexdigest()
