"""How many of what was named are right, missed and made up?

Entities in a sentence, labels of a text: both are counted the same way, and precision, recall and F1 are made of the
counts. Sums of counts give the score over all rows, and their means an interval of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from helpers import errors
from helpers.errors import listed

# One sequence of tags a sentence, e.g. [["B-person", "I-person", "O"], …].
Tags = Sequence[Sequence[str]]


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


def f1_from_counts(counts: np.ndarray) -> np.ndarray:
    """F1, the harmonic mean of precision and recall, of counts of shape (…, 3) as in :func:`entity_counts`.

    Sums and means of counts give the same. Nothing predicted and nothing there to predict gives 0.
    """
    correct, predicted, true = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    return ratio(2 * correct, predicted + true)


def precision_from_counts(counts: np.ndarray) -> np.ndarray:
    """The share of the predicted that is correct, of counts as in :func:`f1_from_counts`; 0 without a prediction."""
    correct, predicted, _ = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    return ratio(correct, predicted)


def recall_from_counts(counts: np.ndarray) -> np.ndarray:
    """The share of the true that is found, of counts as in :func:`f1_from_counts`; 0 where nothing is there to find."""
    correct, _, true = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    return ratio(correct, true)


def label_counts(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Numbers of correct, predicted and true labels of each text: (texts, 3), for :func:`f1_from_counts` and its like.

    Args:
        truth, predicted: 1 or true where the label is given; (texts,) for one label, (texts, labels) for several.
    """
    truth, predicted = (np.asarray(values).astype(bool) for values in (truth, predicted))
    if truth.shape != predicted.shape:
        raise ValueError(f"Truth has shape {truth.shape} and prediction {predicted.shape}.")
    return np.stack([c.reshape(len(c), -1).sum(axis=1) for c in (truth & predicted, predicted, truth)], axis=1)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, and 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)
