"""What identifies a row of one label more, and which remedies are measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from experiments.kit.rows import EVIDENCE

ROWS = EVIDENCE / "new_label.json"
CACHE = Path(__file__).parents[2] / ".cache" / "new_label"
SEEDS, SEARCH_SEEDS = (0, 1, 2, 3, 4), (100, 101, 102)
INITS = ("imprint", "mean", "random", "zeros")


@dataclass(frozen=True)
class Setting:
    """One draw and one remedy: plain fine-tuning on the new examples from an imprinted row, but for what is said.

    ``train`` is ``"everything"``, ``"head"``, ``"row"`` (the new label's row of the classifier) or ``"means"``: nothing
    is trained, and each label is the mean of its sentences, by the encoder as it was pretrained. ``per_class`` old
    sentences are kept of every label, to train on (``use="replay"``) or to correct by (``use="shift"``).
    """

    CODE: ClassVar[int] = 1

    remedy: str
    seed: int = 0
    split: str = "test"
    init: str = "imprint"
    train: str = "everything"
    learning_rate: float = 1e-4
    epochs: int = 10  # passes over the rows
    batch_size: int = 16
    per_class: int = 0
    use: str = "replay"
    repeat: int = 1  # how often each new sentence stands among the rows to learn from
    share: float = 1.0  # of the new weights; below 1, back a part of the way to the old ones after training
    strength: float = 0.0  # of the distillation
    align: bool = False  # weight alignment after training
    tolerated: float = 0.05  # kept old sentences that the correction may leave to the new label
    # The case, and how the old classifier is trained.
    encoder: str = "minilm"
    data: str = "clinc/clinc_oos:small"
    old_labels: int = 135
    examples: int = 10
    max_length: int = 64
    old_learning_rate: float = 4e-4
    old_epochs: int = 4
    old_batch_size: int = 32


OLD_RATE, THIRD = {"learning_rate": 4e-4}, {"learning_rate": 3e-5}
HEAD: dict[str, Any] = {"train": "head", "learning_rate": 3e-3}
ROW: dict[str, Any] = {"train": "row", "learning_rate": 3e-3}
REMEDIES: dict[str, dict[str, Any]] = {
    **{f"before training, {init}": {"init": init, "epochs": 0} for init in INITS},
    **{f"plain from {init}": {"init": init} for init in ("random", "mean")},
    "plain, 4 passes": {"epochs": 4},
    "plain": {},
    "plain, 40 passes": {"epochs": 40},
    "the rate of the old training": OLD_RATE,
    "a third of the rate": THIRD,
    "head only": HEAD,
    "new row only from mean": ROW | {"init": "mean"},
    "new row only": ROW,
    "distillation": {"strength": 1.0},
    "distillation, strong": {"strength": 10.0},
    **{f"replay {kept}": {"per_class": kept} for kept in (1, 2, 5)},
    "new row only with replay 2": ROW | {"per_class": 2},
    "replay 2 and distillation": {"per_class": 2, "strength": 1.0},
    "plain, aligned": {"align": True},
    "replay 2, aligned": {"per_class": 2, "align": True},
    "plain, bias corrected": {"per_class": 2, "use": "shift"},
    # Rate and rehearsal crossed.
    **{f"a third of the rate, replay {kept}": THIRD | {"per_class": kept} for kept in (2, 5)},
    **{f"the rate of the old training, replay {kept}": OLD_RATE | {"per_class": kept} for kept in (2, 5)},
    # What costs least, and what there is to reach.
    "class means": {"train": "means", "epochs": 0},
    "plain, half-way back": {"share": 0.5},
    "the rate of the old training, half-way back": OLD_RATE | {"share": 0.5},
    "all old rows, one pass": {"per_class": 50, "epochs": 1, "repeat": 5, "batch_size": 32},
    # The reader's own case: a row drawn at random, and the rate that had worked before.
    "the rate of the old training from random": OLD_RATE | {"init": "random"},
    "the rate of the old training from random, replay 5": OLD_RATE | {"init": "random", "per_class": 5},
}
# Rates and kept sentences that were crossed, from an imprinted row: the names of the rows.
CROSSED: dict[float, dict[int, str]] = {
    3e-5: {0: "a third of the rate", 2: "a third of the rate, replay 2", 5: "a third of the rate, replay 5"},
    1e-4: {0: "plain", 2: "replay 2", 5: "replay 5"},
    4e-4: {
        0: "the rate of the old training",
        2: "the rate of the old training, replay 2",
        5: "the rate of the old training, replay 5",
    },
}

# How each encoder learns the old labels. The rates above are MiniLM's; those that train the encoder are multiplied
# by as much as its old rate differs from MiniLM's.
OLD: dict[str, dict[str, float]] = {
    "minilm": {"old_learning_rate": 4e-4, "old_epochs": 4},
    "pocket": {"old_learning_rate": 2e-3, "old_epochs": 6},
}
# Remedies whose rate is searched on validation rows, from START on along the ladder until no winner stands at its end.
# All others have the settings above, which no score has chosen.
BODY = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 4e-4, 1e-3, 3e-3)
TOP = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
START = {BODY: (3e-5, 1e-4, 4e-4), TOP: (1e-3, 3e-3, 1e-2)}
SEARCHED = {
    **dict.fromkeys(("plain", "plain from random", "replay 2", "replay 5"), BODY),
    **dict.fromkeys(("head only", "new row only"), TOP),
}
# What makes one method, whatever its rate.
METHOD = (
    "encoder",
    "init",
    "train",
    "epochs",
    "batch_size",
    "per_class",
    "use",
    "repeat",
    "share",
    "strength",
    "align",
)


def scaled(rates: Iterable[float], encoder: str, train: str) -> tuple[float, ...]:
    """MiniLM's rates as another encoder has them; those of a head or of a row are the same for all."""
    factor = OLD[encoder]["old_learning_rate"] / Setting.old_learning_rate if train == "everything" else 1.0
    return tuple(float(f"{rate * factor:.6g}") for rate in rates)


def of(remedy: str, encoder: str, seed: int, split: str, rate: float | None = None) -> Setting:
    """A remedy on an encoder, at its own rate or at this one."""
    own = Setting(remedy, seed, split, **REMEDIES[remedy], encoder=encoder, **OLD[encoder])  # type: ignore[arg-type]
    return replace(own, learning_rate=rate or scaled([own.learning_rate], encoder, own.train)[0])


def at(remedy: str, encoder: str, seed: int, rate: float) -> Setting:
    """The test of a remedy at a rate: the one above with these settings, or else a line of its own."""
    wanted = of(remedy, encoder, seed, "test", rate)
    for name in REMEDIES:
        if (same := replace(wanted, remedy=name)) == of(name, encoder, seed, "test"):
            return same
    return replace(wanted, remedy=f"{remedy} at {rate:g}")
