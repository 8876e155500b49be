"""How good is the model on these batches?

``predict`` collects its logits, and ``evaluate`` makes numbers of them. How sure they are is a question for
``uncertainty``, and what they are worth one for ``baselines``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from helpers import metrics as scores
from helpers import renamed, runtime
from helpers.batching import IGNORED
from helpers.metrics import Metrics

if TYPE_CHECKING:
    from transformers.utils import ModelOutput

PADDED_LOGIT = -1e4  # where there was nothing to score; finite, so that no softmax divides zero by zero


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """Labels and logits, in the order of the batches.

    ========================  ===========================  ==================
    head                      logits                       labels
    ========================  ===========================  ==================
    classification            (examples, outputs)          (examples,)
    multiple choice           (examples, choices)          (examples,)
    token classification      (examples, longest, labels)  (examples, longest)
    question answering        (examples, 2, longest)       (examples, 2)
    ========================  ===========================  ==================

    ``longest`` is the width of the widest batch. Narrower ones are filled up: logits with ``PADDED_LOGIT``, which is
    below any real one, labels with ``IGNORED``. In question answering the 2 are start and end.
    """

    labels: np.ndarray
    logits: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """The class with the highest logit, per example."""
        return self.logits.argmax(-1)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Logits and labels, as until version 0.1; take them by name."""
        renamed.warn("logits, labels = predictions", "predictions.labels, predictions.logits")
        return iter((self.logits, self.labels))


@renamed.arguments
def predict(model: nn.Module, batches: DataLoader) -> Predictions:
    """Run the model over all batches in eval mode and collect labels and logits (float32); see :class:`Predictions`.

    Labels are a batch's ``labels``, or its ``start_positions`` and ``end_positions``; batches without either give an
    empty label array. Leaves the model in the mode in which it came.
    """
    device, was_training = runtime.device(), model.training
    # Before inference mode begins: a parameter that changes its device inside of it can never be trained again.
    model.to(device).eval()
    logits, labels = [], []
    with torch.inference_mode():
        for batch in batches:
            batch = runtime.to_device(batch, device)
            labels.append(_labels(batch).cpu().numpy())
            with runtime.autocast():
                output = model(**batch)
            logits.append(_logits(output, model).float().cpu().numpy())
    model.train(was_training)
    if not logits:
        raise ValueError("There are no batches, so there is nothing to predict.")
    for place, batch in enumerate(logits):
        if not np.isfinite(batch).all():
            raise ValueError(
                f"The model's logits are not finite, first in batch {place}. Did its training diverge, or are its "
                "weights float16? Its answers mean nothing."
            )
    return Predictions(labels=_concatenate(labels, IGNORED), logits=_concatenate(logits, PADDED_LOGIT))


def _labels(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Take the labels out of a batch, so that the model computes no loss."""
    if "start_positions" in batch:
        return torch.stack([batch.pop("start_positions"), batch.pop("end_positions")], dim=1)
    return batch.pop("labels", torch.empty(0))


def _logits(output: ModelOutput, model: nn.Module) -> torch.Tensor:
    if "start_logits" not in output and getattr(output, "logits", None) is None:
        raise ValueError(
            f"{type(model).__name__} returned no logits. Does it have a head? Load one: models.load(…, head=…)."
        )
    return torch.stack([output.start_logits, output.end_logits], dim=1) if "start_logits" in output else output.logits


def _concatenate(batches: list[np.ndarray], fill: float) -> np.ndarray:
    """Join arrays along their first axis, filling every other axis up to the widest of them."""
    widest = np.max([batch.shape[1:] for batch in batches], axis=0)

    def widen(batch: np.ndarray) -> np.ndarray:
        return np.pad(batch, [(0, 0), *((0, gap) for gap in widest - batch.shape[1:])], constant_values=fill)

    return np.concatenate([widen(batch) for batch in batches])


@renamed.arguments
def evaluate(model: nn.Module, batches: DataLoader, metrics: Metrics | None = None) -> dict[str, float]:
    """Metrics of the model on ``batches``; by default those of its kind of head: ``metrics.of(model)``.

    Raises ``ValueError`` for batches without labels, and for question answering without ``metrics``.
    """
    metrics = renamed.truth_first(metrics or scores.of(model))
    predictions = predict(model, batches)
    if len(predictions.labels) == 0:
        raise ValueError("The batches have no labels to compare with. Did the split have a 'label' column?")
    return metrics(predictions.labels, predictions.logits)


renamed.keep(__name__)
