"""What happened in a run?

``History`` is the record that ``training.fit`` returns, and ``Diverged`` the error that ends a run whose numbers are
none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    import pandas as pd

# What an epoch's record holds beside the metrics.
RECORDED = ("epoch", "loss", "seconds")
# Below this scale of the loss, float16 does not overflow any more because the scale is too large, but for good.
SMALLEST_SCALE = 1.0


@dataclass
class History:
    """What happened in a run: one entry a step, one a finished epoch.

    ``steps`` has ``step``, ``epoch``, ``loss`` (mean over the batch), ``learning_rate`` and ``grad_norm`` (before
    clipping); ``epochs`` has ``epoch``, ``loss`` (mean over its steps), ``seconds`` of training, and the validation
    metrics. ``interrupted`` tells a run that Ctrl-C ended early, ``best_epoch`` the one whose weights ``patience``
    kept.
    """

    steps: list[dict] = field(default_factory=list)
    epochs: list[dict] = field(default_factory=list)
    interrupted: bool = False
    best_epoch: int | None = None

    @property
    def seconds(self) -> float:
        """Seconds of training, measuring on the validation set not counted."""
        return sum(epoch["seconds"] for epoch in self.epochs)

    def to_frame(self) -> pd.DataFrame:
        """The finished epochs as a table, one row each."""
        import pandas as pd

        table = pd.DataFrame(self.epochs) if self.epochs else pd.DataFrame(columns=list(RECORDED))
        return table.set_index("epoch")


class Diverged(RuntimeError):  # noqa: N818  (says what happened, not what went wrong in the code)
    """The loss or its gradient is no number any more. Carries the ``history`` so far."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


NOTHING_YET: dict[str, Any] = {"epoch": 0, "score": -math.inf, "weights": None}


def better(best: dict[str, Any], summary: dict, watch: str | None, model: nn.Module) -> dict[str, Any]:
    """The best epoch so far, its score and a copy of its weights."""
    names = [name for name in summary if name not in RECORDED]
    watch = watch or (names[0] if len(names) == 1 else "")
    if watch.removeprefix("-") not in names:
        raise ValueError(
            f"patience needs watch=, the metric that is the score: {', '.join(names)}; with a minus where less is "
            "better."
        )
    score = -summary[watch[1:]] if watch.startswith("-") else summary[watch]
    if not score > best["score"]:
        return best
    weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    return {"epoch": summary["epoch"], "score": score, "weights": weights}


def read(unread: list[dict], history: History, scaler: torch.amp.GradScaler, half: bool) -> None:
    """Turn what the device has computed into numbers, and raise ``Diverged`` at the first that is none."""
    if not unread:
        return
    values = torch.stack([value.float() for step in unread for value in (step["loss"], step["grad_norm"])]).tolist()
    skipped = half and scaler.get_scale() > SMALLEST_SCALE
    for step, loss, norm in zip(unread, values[::2], values[1::2], strict=True):
        step["loss"], step["grad_norm"] = loss, norm
        if not math.isfinite(loss) or not (math.isfinite(norm) or skipped):
            raise Diverged(_diverged(step), history)
    unread.clear()


def _diverged(record: dict) -> str:
    what = "loss" if not math.isfinite(record["loss"]) else "gradient's norm"
    value = record["loss"] if what == "loss" else record["grad_norm"]
    return (
        f"The {what} is {value} at step {record['step']} (epoch {record['epoch']}), at a learning rate of "
        f"{record['learning_rate']:.2g} and a gradient norm of {record['grad_norm']:.3g}. Try a tenth of the rate or "
        "more warmup; look for labels out of range and for weights in float16."
    )
