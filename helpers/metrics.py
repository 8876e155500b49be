"""How is a task scored?

Accuracy fits few tasks. Each of these scores follows the definition that the field's papers report, so that a number
from here can stand beside theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers import renamed
from helpers.answers import answer_scores as answer_scores
from helpers.answers import exact_match as exact_match
from helpers.answers import normalise_answer as normalise_answer
from helpers.answers import span_f1 as span_f1
from helpers.batching import IGNORED
from helpers.counts import Entity as Entity
from helpers.counts import Tags, ratio
from helpers.counts import entity_counts as entity_counts
from helpers.counts import entity_spans as entity_spans
from helpers.counts import f1_from_counts as f1_from_counts
from helpers.counts import label_counts as label_counts
from helpers.counts import precision_from_counts as precision_from_counts
from helpers.counts import recall_from_counts as recall_from_counts
from helpers.errors import number

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

# What ``evaluation.evaluate`` is given: labels and logits, the truth first as in scikit-learn, to numbers by name.
Metrics = Callable[[np.ndarray, np.ndarray], dict[str, float]]


def accuracy(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Share of labels that have the highest logit; labels that are ``IGNORED`` do not count.

    Raises ``ValueError`` for logits that are not finite, shapes that do not fit, and where no label counts.
    """
    labels, logits = checked(labels, logits)
    if logits.ndim < 2 or logits.shape[-1] < 2:
        raise ValueError(
            f"Accuracy needs an output for each class, got logits of shape {logits.shape}. (Labels come first, then "
            "logits.) Of one output: metrics.regression_metrics for numbers, metrics.binary_metrics() for yes or no."
        )
    if logits.shape[:-1] != labels.shape:
        raise ValueError(
            f"Accuracy compares the highest of the logits with one label: logits of shape {logits.shape} want labels "
            f"of shape {logits.shape[:-1]}, got {labels.shape}. Labels come first."
        )
    counts = labels != IGNORED
    if not counts.any():
        raise ValueError(f"No label counts: all of them are {IGNORED}.")
    return {"accuracy": float((logits.argmax(-1) == labels)[counts].mean())}


def checked(labels: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays; ``ValueError`` where there is nothing, or a logit is no finite number."""
    labels, logits = np.asarray(labels), np.asarray(logits)
    if logits.size == 0 or labels.size == 0:
        raise ValueError(f"Nothing to score: logits have shape {logits.shape}, labels {labels.shape}.")
    if not np.isfinite(logits).all():
        rows = np.flatnonzero(~np.isfinite(logits).reshape(len(logits), -1).all(axis=1))
        raise ValueError(f"The logits of {len(rows)} of {len(logits)} rows are not finite, first of row {rows[0]}.")
    return labels, logits


def of(model: nn.Module) -> Metrics:
    """The metrics that fit the model's head: of a regression, of several labels a text, else :func:`accuracy`.

    Raises ``ValueError`` for question answering, whose score needs the texts: see :func:`answer_scores`.
    """
    config = getattr(model, "config", None)
    kind = getattr(config, "problem_type", None)
    if "QuestionAnswering" in type(model).__name__:
        raise ValueError(
            "Question answering has no metric that logits alone decide. Give metrics=…, or decode the spans: "
            "metrics.answer_scores(answers, texts of spans.best_spans(…))."
        )
    if kind == "regression" or (kind is None and getattr(config, "num_labels", 2) == 1 and _is_classifier(model)):
        return regression_metrics
    return multi_label_metrics() if kind == "multi_label_classification" else accuracy


def _is_classifier(model: nn.Module) -> bool:
    return "SequenceClassification" in type(model).__name__


def entity_f1(truth: Tags, predicted: Tags) -> float:
    """Entity F1 over all types and sentences ("micro"), as CoNLL's script and seqeval report it."""
    return float(f1_from_counts(entity_counts(truth, predicted).sum(axis=0)))


def entity_scores(truth: Tags, predicted: Tags) -> pd.DataFrame:
    """``precision``, ``recall``, ``f1`` and the number of true ``entities``: a row for each type and one for all."""
    import pandas as pd

    kinds = sorted({entity.kind for tags in (*truth, *predicted) for entity in entity_spans(tags)})
    rows = {}
    for kind in (*kinds, None):
        correct, found, true = counts = entity_counts(truth, predicted, kind).sum(axis=0)
        shares = (ratio(correct, found), ratio(correct, true), f1_from_counts(counts))
        rows[kind or "all"] = (*map(float, shares), int(true))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["precision", "recall", "f1", "entities"])


def entity_metrics(names: Sequence[str]) -> Metrics:
    """Metrics for ``training.fit`` and ``evaluation.evaluate``: entity ``f1`` and token ``accuracy``.

    Args:
        names: the tags in the order of their ids.

    Only labelled places are scored, so words that truncation cut off are not: see ``words.word_predictions``.
    """

    def measure(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        labels, logits = checked(labels, logits)
        if logits.shape[:-1] != labels.shape:
            raise ValueError(
                f"Labels are one a piece, of shape {logits.shape[:-1]}; got {labels.shape}. They come first: "
                "measure(labels, logits)."
            )
        classes, kept = logits.argmax(-1), labels != IGNORED
        truth, predicted = (
            [[names[i] for i in row[mask]] for row, mask in zip(ids, kept, strict=True)] for ids in (labels, classes)
        )
        return {"f1": entity_f1(truth, predicted), "accuracy": float((classes == labels)[kept].mean())}

    return measure


def margins(logits: np.ndarray) -> np.ndarray:
    """The logit of "yes" of each text, shape (texts,), from one output, or from two, "no" and "yes": their difference.

    Its sigmoid is the probability of "yes". Raises ``ValueError`` for more outputs.
    """
    if logits.shape[-1] not in (1, 2):
        raise ValueError(f"A yes-or-no question has one output or two, got {logits.shape[-1]}.")
    return logits[:, 0] if logits.shape[-1] == 1 else logits[:, 1] - logits[:, 0]


def binary_metrics(threshold: float = 0.5) -> Metrics:
    """Metrics of a yes-or-no question: ``accuracy``, and ``precision``, ``recall``, ``f1`` of "yes" (label 1).

    Args:
        threshold: the lowest probability that counts as "yes". ``average_precision``, the area under the
            precision–recall curve, does not depend on it.
    """
    from sklearn.metrics import average_precision_score

    number("threshold", threshold, low=0, high=1)

    def measure(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        labels, logits = checked(labels, logits)
        yes, labels = margins(logits), labels.reshape(-1)
        predicted = _sigmoid(yes) >= threshold
        counts = label_counts(labels, predicted).sum(axis=0)
        return {
            "accuracy": float((predicted == labels).mean()),
            "precision": float(precision_from_counts(counts)),
            "recall": float(recall_from_counts(counts)),
            "f1": float(f1_from_counts(counts)),
            "average_precision": float(average_precision_score(labels, yes)),
        }

    return measure


def best_threshold(labels: np.ndarray, logits: np.ndarray) -> float:
    """The probability from which on "yes" gives the highest F1, halfway between the texts that it parts.

    Choose it on the validation split: on the test split it would flatter the score.
    """
    from sklearn.metrics import precision_recall_curve

    found, complete, thresholds = precision_recall_curve(np.asarray(labels).reshape(-1), _sigmoid(margins(logits)))
    best = int(ratio(2 * found * complete, found + complete)[:-1].argmax())
    return float((thresholds[best] + (thresholds[best - 1] if best else 0)) / 2)


def multi_label_metrics(threshold: float = 0.5) -> Metrics:
    """Metrics of several labels a text: ``f1`` over all labels ("micro"), ``exact``, the share of texts all right."""
    number("threshold", threshold, low=0, high=1)

    def measure(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        labels, logits = checked(labels, logits)
        if labels.shape != logits.shape or not np.isin(labels, (0, 1)).all():
            raise ValueError(
                f"Labels are 0 or 1 for each output, of shape {logits.shape}; got shape {labels.shape}, such as "
                f"{labels.flat[0]}. They come first: measure(labels, logits)."
            )
        truth, predicted = labels == 1, _sigmoid(logits) >= threshold
        return {
            "f1": float(f1_from_counts(label_counts(truth, predicted).sum(axis=0))),
            "exact": float((predicted == truth).all(axis=-1).mean()),
        }

    return measure


def regression_metrics(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Metrics of a number: ``mae``, the mean absolute error, ``pearson`` and ``spearman`` (rank) correlation.

    A correlation with a constant is NaN.
    """
    from scipy.stats import rankdata

    labels, logits = checked(labels, logits)
    predicted, truth = np.asarray(logits, dtype=float).reshape(-1), np.asarray(labels, dtype=float).reshape(-1)
    if predicted.shape != truth.shape or not np.isfinite(truth).all():
        raise ValueError(
            f"{len(truth)} finite numbers are needed, got {predicted.shape[0]} predictions and {labels!r:.80}."
        )
    return {
        "mae": float(np.abs(predicted - truth).mean()),
        "pearson": float(pearson_from_moments(moments(truth, predicted).mean(axis=0))),
        "spearman": float(pearson_from_moments(moments(rankdata(truth), rankdata(predicted)).mean(axis=0))),
    }


def moments(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Columns whose means give Pearson's correlation, (examples, 5); ``score=pearson_from_moments`` makes it."""
    x, y = (np.asarray(values, dtype=float) for values in (truth, predicted))
    x, y = ((values - values.mean()) / (values.std() or 1) for values in (x, y))
    return np.stack([x, y, x * x, y * y, x * y], axis=1)


def pearson_from_moments(means: np.ndarray) -> np.ndarray:
    """Pearson's correlation from means of :func:`moments`, shape (…, 5); NaN where one of the two is constant."""
    x, y, xx, yy, xy = np.moveaxis(np.asarray(means, dtype=float), -1, 0)
    spread = np.sqrt(np.clip((xx - x * x) * (yy - y * y), 0, None))
    return np.divide(xy - x * y, spread, out=np.full(np.shape(spread), np.nan), where=spread > 1e-9)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, dtype=float)))  # does not overflow


renamed.keep(__name__)
