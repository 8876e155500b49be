"""How is a task scored?

Accuracy fits few tasks. Each of these scores follows the definition that the field's papers report, so that a number
from here can stand beside theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from helpers import errors
from helpers.answers import answer_scores as answer_scores
from helpers.answers import exact_match as exact_match
from helpers.answers import normalise_answer as normalise_answer
from helpers.answers import span_f1 as span_f1
from helpers.batching import IGNORED
from helpers.errors import listed, number

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

# What ``evaluation.evaluate`` is given: logits and labels to numbers by name.
Metrics = Callable[[np.ndarray, np.ndarray], dict[str, float]]

# One sequence of tags a sentence, e.g. [["B-person", "I-person", "O"], …].
Tags = Sequence[Sequence[str]]


def accuracy(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Share of labels that have the highest logit; labels that are ``IGNORED`` do not count.

    Raises ``ValueError`` for logits that are not finite, shapes that do not fit, and where no label counts.
    """
    logits, labels = checked(logits, labels)
    if logits.ndim < 2 or logits.shape[-1] < 2:
        raise ValueError(
            f"Accuracy needs an output for each class, got logits of shape {logits.shape}. Of one output: "
            "metrics=metrics.regression_metrics for numbers, metrics.binary_metrics() for yes or no."
        )
    if logits.shape[:-1] != labels.shape:
        raise ValueError(
            f"Accuracy compares the highest of the logits with one label: logits of shape {logits.shape} want labels "
            f"of shape {logits.shape[:-1]}, got {labels.shape}."
        )
    counts = labels != IGNORED
    if not counts.any():
        raise ValueError(f"No label counts: all of them are {IGNORED}.")
    return {"accuracy": float((logits.argmax(-1) == labels)[counts].mean())}


def checked(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays; ``ValueError`` where there is nothing, or a logit is no finite number."""
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.size == 0 or labels.size == 0:
        raise ValueError(f"Nothing to score: logits have shape {logits.shape}, labels {labels.shape}.")
    if not np.isfinite(logits).all():
        rows = np.flatnonzero(~np.isfinite(logits).reshape(len(logits), -1).all(axis=1))
        raise ValueError(f"The logits of {len(rows)} of {len(logits)} rows are not finite, first of row {rows[0]}.")
    return logits, labels


def of(model: nn.Module) -> Metrics:
    """The metrics that fit the model's head: of a regression, of several labels a text, else :func:`accuracy`.

    Raises ``ValueError`` for question answering, whose score needs the texts: see :func:`answer_scores`.
    """
    config = getattr(model, "config", None)
    kind = getattr(config, "problem_type", None)
    if "QuestionAnswering" in type(model).__name__:
        raise ValueError(
            "Question answering has no metric that logits alone decide. Give metrics=…, or decode the spans: "
            "metrics.answer_scores(texts of spans.best_spans(…), answers)."
        )
    if kind == "regression" or (kind is None and getattr(config, "num_labels", 2) == 1 and _is_classifier(model)):
        return regression_metrics
    return multi_label_metrics() if kind == "multi_label_classification" else accuracy


def _is_classifier(model: nn.Module) -> bool:
    return "SequenceClassification" in type(model).__name__


# What stands before a tag's type: begins or goes on, and in IOBES and BILOU also ends, or is an entity of one word.
POSITIONS, CONTINUING, CLOSING = "BISUEL", "IEL", "SUEL"


class Entity(NamedTuple):
    """A named stretch of words: its type, its first word, and the word behind its last one."""

    kind: str
    start: int
    end: int


def entity_spans(tags: Sequence[str]) -> list[Entity]:
    """The entities that the tags of one sentence mark, in order.

    ``B-person`` begins an entity, ``I-person`` continues it, ``O`` is outside of any. With ``S-`` or ``U-`` for an
    entity of one word, and ``E-`` or ``L-`` for its last word, they are IOBES or BILOU. Illegal sequences are read as
    the script of the CoNLL-2000 and 2003 tasks and seqeval in its default mode read them: what continues nothing, or an
    entity of another type, begins one itself. Raises ``ValueError`` for another tag.

    >>> entity_spans(["B-person", "I-person", "O", "I-date"])
    [Entity(kind='person', start=0, end=2), Entity(kind='date', start=3, end=4)]
    """
    found: list[Entity] = []
    closed = False
    for place, tag in enumerate(errors.strings("tags", tags)):
        if tag == "O":
            continue
        position, _, kind = tag.partition("-")
        if position not in POSITIONS or not kind:
            raise ValueError(f"Tag {place} is {tag!r}; expected 'O', 'B-…' or 'I-…' (IOBES: 'S-…' and 'E-…' as well).")
        goes_on = found and found[-1].end == place and found[-1].kind == kind and not closed
        if position in CONTINUING and goes_on:
            found[-1] = found[-1]._replace(end=place + 1)
        else:
            found.append(Entity(kind, place, place + 1))
        closed = position in CLOSING
    return found


def entity_counts(truth: Tags, predicted: Tags, kind: str | None = None) -> np.ndarray:
    """Numbers of correct, predicted and true entities in each sentence, of one ``kind`` or all: (sentences, 3).

    An entity is correct if its type and both its ends are. Raises ``ValueError`` where a sentence has a tag too many
    or too few.
    """
    counts = np.zeros((len(listed("truth", truth)), 3), dtype=int)
    listed("predicted", predicted)
    for row, (right, given) in enumerate(zip(truth, predicted, strict=True)):
        if len(right) != len(given):
            raise ValueError(f"Sentence {row} has {len(right)} words and {len(given)} predicted tags.")
        true, found = ({e for e in entity_spans(tags) if kind in (None, e.kind)} for tags in (right, given))
        counts[row] = len(true & found), len(found), len(true)
    return counts


def f1(counts: np.ndarray) -> np.ndarray:
    """F1, the harmonic mean of precision and recall, of counts of shape (…, 3) as in :func:`entity_counts`.

    Sums and means of counts give the same. Nothing predicted and nothing there to predict gives 0.
    """
    correct, predicted, true = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    return _ratio(2 * correct, predicted + true)


def precision(counts: np.ndarray) -> np.ndarray:
    """The share of the predicted that is correct, of counts as in :func:`f1`; 0 where nothing is predicted."""
    correct, predicted, _ = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    return _ratio(correct, predicted)


def recall(counts: np.ndarray) -> np.ndarray:
    """The share of the true that is found, of counts as in :func:`f1`; 0 where nothing is there to find."""
    correct, _, true = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    return _ratio(correct, true)


def entity_f1(truth: Tags, predicted: Tags) -> float:
    """Entity F1 over all types and sentences ("micro"), as CoNLL's script and seqeval report it."""
    return float(f1(entity_counts(truth, predicted).sum(axis=0)))


def entity_scores(truth: Tags, predicted: Tags) -> pd.DataFrame:
    """``precision``, ``recall``, ``f1`` and the number of true ``entities``: a row for each type and one for all."""
    import pandas as pd

    kinds = sorted({entity.kind for tags in (*truth, *predicted) for entity in entity_spans(tags)})
    rows = {}
    for kind in (*kinds, None):
        correct, found, true = counts = entity_counts(truth, predicted, kind).sum(axis=0)
        rows[kind or "all"] = (*(float(_ratio(correct, n)) for n in (found, true)), float(f1(counts)), int(true))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["precision", "recall", "f1", "entities"])


def entity_metrics(names: Sequence[str]) -> Metrics:
    """Metrics for ``training.fit`` and ``evaluation.evaluate``: entity ``f1`` and token ``accuracy``.

    Args:
        names: the tags in the order of their ids.

    Only labelled places are scored, so words that truncation cut off are not: see ``words.word_predictions``.
    """

    def measure(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        classes, kept = logits.argmax(-1), labels != IGNORED
        truth, predicted = (
            [[names[i] for i in row[mask]] for row, mask in zip(ids, kept, strict=True)] for ids in (labels, classes)
        )
        return {"f1": entity_f1(truth, predicted), "accuracy": float((classes == labels)[kept].mean())}

    return measure


def label_counts(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Numbers of correct, predicted and true labels of each text: (texts, 3), for :func:`f1` and its like.

    Args:
        truth, predicted: 1 or true where the label is given; (texts,) for one label, (texts, labels) for several.
    """
    truth, predicted = (np.asarray(values).astype(bool) for values in (truth, predicted))
    if truth.shape != predicted.shape:
        raise ValueError(f"Truth has shape {truth.shape} and prediction {predicted.shape}.")
    return np.stack([c.reshape(len(c), -1).sum(axis=1) for c in (truth & predicted, predicted, truth)], axis=1)


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

    def measure(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        logits, labels = checked(logits, labels)
        yes, labels = margins(logits), labels.reshape(-1)
        predicted = _sigmoid(yes) >= threshold
        counts = label_counts(labels, predicted).sum(axis=0)
        return {
            "accuracy": float((predicted == labels).mean()),
            **{score.__name__: float(score(counts)) for score in (precision, recall, f1)},
            "average_precision": float(average_precision_score(labels, yes)),
        }

    return measure


def best_threshold(logits: np.ndarray, labels: np.ndarray) -> float:
    """The probability from which on "yes" gives the highest F1, halfway between the texts that it parts.

    Choose it on the validation split: on the test split it would flatter the score.
    """
    from sklearn.metrics import precision_recall_curve

    found, complete, thresholds = precision_recall_curve(np.asarray(labels).reshape(-1), _sigmoid(margins(logits)))
    best = int(_ratio(2 * found * complete, found + complete)[:-1].argmax())
    return float((thresholds[best] + (thresholds[best - 1] if best else 0)) / 2)


def multi_label_metrics(threshold: float = 0.5) -> Metrics:
    """Metrics of several labels a text: ``f1`` over all labels ("micro"), ``exact``, the share of texts all right."""
    number("threshold", threshold, low=0, high=1)

    def measure(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        logits, labels = checked(logits, labels)
        predicted, truth = _sigmoid(logits) >= threshold, labels == 1
        return {
            "f1": float(f1(label_counts(truth, predicted).sum(axis=0))),
            "exact": float((predicted == truth).all(axis=-1).mean()),
        }

    return measure


def regression_metrics(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Metrics of a number: ``mae``, the mean absolute error, ``pearson`` and ``spearman`` (rank) correlation.

    A correlation with a constant is NaN.
    """
    from scipy.stats import rankdata

    logits, labels = checked(logits, labels)
    predicted, truth = np.asarray(logits, dtype=float).reshape(-1), np.asarray(labels, dtype=float).reshape(-1)
    if predicted.shape != truth.shape or not np.isfinite(truth).all():
        raise ValueError(
            f"{len(truth)} finite numbers are needed, got {predicted.shape[0]} predictions and {labels!r:.80}."
        )
    return {
        "mae": float(np.abs(predicted - truth).mean()),
        "pearson": float(pearson(moments(predicted, truth).mean(axis=0))),
        "spearman": float(pearson(moments(rankdata(predicted), rankdata(truth)).mean(axis=0))),
    }


def moments(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Columns whose means give Pearson's correlation, (examples, 5): ``interval(moments(x, y), score=pearson)``."""
    x, y = (np.asarray(values, dtype=float) for values in (first, second))
    x, y = ((values - values.mean()) / (values.std() or 1) for values in (x, y))
    return np.stack([x, y, x * x, y * y, x * y], axis=1)


def pearson(means: np.ndarray) -> np.ndarray:
    """Pearson's correlation from means of :func:`moments`, shape (…, 5); NaN where one of the two is constant."""
    x, y, xx, yy, xy = np.moveaxis(np.asarray(means, dtype=float), -1, 0)
    spread = np.sqrt(np.clip((xx - x * x) * (yy - y * y), 0, None))
    return np.divide(xy - x * y, spread, out=np.full(np.shape(spread), np.nan), where=spread > 1e-9)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, dtype=float)))  # does not overflow


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)
