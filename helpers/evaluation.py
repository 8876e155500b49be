"""How good, and how sure?

A score from a test set is an estimate. ``interval`` says how far another test set of the same size could have moved
it, ``difference`` whether two models that were tested on the same examples really differ, and the baselines what the
score is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from helpers import errors, runtime
from helpers import metrics as scores
from helpers.batching import IGNORED
from helpers.errors import number, with_rows
from helpers.metrics import Metrics
from helpers.metrics import accuracy as accuracy

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers.utils import ModelOutput

PADDED_LOGIT = -1e4  # where there was nothing to score; finite, so that no softmax divides zero by zero


class Predictions(NamedTuple):
    """Logits and labels, in the order of the loader.

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

    logits: np.ndarray
    labels: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """The class with the highest logit, per example."""
        return self.logits.argmax(-1)


class Interval(NamedTuple):
    """An estimate and the ends of its interval."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


def predict(model: nn.Module, loader: DataLoader) -> Predictions:
    """Run the model over all batches in eval mode and collect logits (float32) and labels; see :class:`Predictions`.

    Labels are a batch's ``labels``, or its ``start_positions`` and ``end_positions``; batches without either give an
    empty label array. Leaves the model in the mode in which it came.
    """
    device, was_training = runtime.device(), model.training
    # Before inference mode begins: a parameter that changes its device inside of it can never be trained again.
    model.to(device).eval()
    logits, labels = [], []
    with torch.inference_mode():
        for batch in loader:
            batch = {name: tensor.to(device) for name, tensor in batch.items()}
            labels.append(_labels(batch).cpu().numpy())
            with runtime.autocast():
                output = model(**batch)
            logits.append(_logits(output, model).float().cpu().numpy())
    model.train(was_training)
    if not logits:
        raise ValueError("The loader has no batches, so there is nothing to predict.")
    for place, batch in enumerate(logits):
        if not np.isfinite(batch).all():
            raise ValueError(
                f"The model's logits are not finite, first in batch {place}. Did its training diverge, or are its "
                "weights float16? Its answers mean nothing."
            )
    return Predictions(_concatenate(logits, PADDED_LOGIT), _concatenate(labels, IGNORED))


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


def evaluate(model: nn.Module, loader: DataLoader, metrics: Metrics | None = None) -> dict[str, float]:
    """Metrics of the model on the batches of ``loader``; by default those of its kind of head: ``metrics.of(model)``.

    Raises ``ValueError`` for batches without labels, and for question answering without ``metrics``.
    """
    metrics = metrics or scores.of(model)
    predictions = predict(model, loader)
    if len(predictions.labels) == 0:
        raise ValueError("The batches have no labels to compare with. Did the split have a 'label' column?")
    return metrics(*predictions)


def interval(
    values: Sequence[float] | np.ndarray,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    score: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Interval:
    """Bootstrap interval of a mean: resample the examples with replacement and look at the means that come out.

    Args:
        values: one value an example; for an accuracy, 1 where the answer was right and 0 where it was wrong.
        score: for a score that is no mean, such as F1: computes it from means. ``values`` then has several columns,
            such as counts, and ``score`` turns their means, shape (…, columns), into scores of shape (…).

    Percentile method (Efron & Tibshirani 1993, chapter 13). Raises ``ValueError`` without values.
    """
    errors.number("confidence", confidence, above=0, below=1)
    errors.number("draws", draws, low=1, whole=True)
    values = errors.finite("values", errors.listed("values", values))
    if values.size == 0:
        raise ValueError("No values: an interval needs at least one example.")
    if values.ndim > 1 and score is None:
        raise ValueError(f"One value an example is needed, got shape {values.shape}; for more columns, give score=….")
    picks = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    tail = (1 - confidence) / 2
    score = score or (lambda means: means)
    low, high = np.quantile(score(values[picks].mean(axis=1)), [tail, 1 - tail])
    return Interval(float(score(values.mean(axis=0))), float(low), float(high))


def difference(
    first: np.ndarray,
    second: np.ndarray,
    *,
    score: Callable[[np.ndarray], np.ndarray] | None = None,
    **options: Any,
) -> Interval:
    """Interval of ``second - first`` where both were measured on the same examples, in the same order.

    Pairing takes out what is hard or easy for both, so it sees smaller differences than two separate intervals do.
    The models differ beyond chance where the interval does not contain 0. Takes the options of :func:`interval`.
    """
    first, second = (
        errors.finite(name, errors.listed(name, values)) for name, values in (("first", first), ("second", second))
    )
    if first.shape != second.shape:
        raise ValueError(f"Both must be measured on the same examples; got shapes {first.shape} and {second.shape}.")
    if score is None:
        return interval(second - first, **options)
    both = np.stack([first, second], axis=1)
    return interval(both, score=lambda means: score(means[..., 1, :]) - score(means[..., 0, :]), **options)


def _classes(train: Dataset) -> list[float]:
    """The different labels of the training rows, numbers; ``ValueError`` where they are none."""
    if "label" not in with_rows(train).column_names:
        raise ValueError(f"The split has no column 'label'; it has {', '.join(train.column_names)}.")
    found = sorted(set(train["label"][:]), key=str)
    if not all(isinstance(label, (int, float)) and label >= 0 for label in found):
        raise ValueError(
            f"A baseline needs class ids, 0 and up; the labels are {found[0]!r}, … Read the file: data.read."
        )
    return found


def majority(train: Dataset, test: Dataset) -> np.ndarray:
    """The baseline that always says the commonest training label: predicted class ids for ``test``."""
    _classes(train), with_rows(test)
    return np.full(len(test), np.bincount(train["label"][:]).argmax())


def tfidf(train: Dataset, test: Dataset, strength: float = 10.0, *, balanced: bool = False) -> np.ndarray:
    """The baseline without a neural network: TF-IDF of words and word pairs, logistic regression.

    Args:
        strength: inverse regularisation (``C`` of scikit-learn).
        balanced: weigh rare classes up, for imbalanced data.

    A sentence pair becomes the difference and the product of its two vectors. Returns predicted class ids for ``test``.
    """
    import scipy.sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    classes = _classes(train)
    with_rows(test)
    number("strength", strength, above=0)
    if len(classes) < 2:
        raise ValueError(f"All training rows have the label {classes[0]!r}: there is nothing to tell apart.")
    columns = ["text"] if "text" in train.column_names else ["sentence1", "sentence2"]
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    vectorizer.fit([text for column in columns for text in train[column]])

    def vectors(split: Dataset) -> scipy.sparse.csr_matrix:
        if len(columns) == 1:
            return vectorizer.transform(split["text"])
        first, second = (vectorizer.transform(split[column]) for column in columns)
        product = first.multiply(second)
        return scipy.sparse.hstack([abs(first - second), product, product.sum(axis=1)]).tocsr()

    classifier = LogisticRegression(C=strength, max_iter=2000, class_weight="balanced" if balanced else None)
    return classifier.fit(vectors(train), train["label"][:]).predict(vectors(test))
