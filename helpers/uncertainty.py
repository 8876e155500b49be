"""How sure is a score?

A score from a test set is an estimate. ``interval`` says how far another test set of the same size could have moved it,
``difference`` whether two models that were tested on the same examples really differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from helpers import errors, renamed


class Interval(NamedTuple):
    """An estimate and the ends of its interval."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


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


@renamed.arguments
def difference(
    reference: np.ndarray,
    compared: np.ndarray,
    *,
    score: Callable[[np.ndarray], np.ndarray] | None = None,
    **options: Any,
) -> Interval:
    """Interval of ``compared - reference`` where both were measured on the same examples, in the same order.

    Pairing takes out what is hard or easy for both, so it sees smaller differences than two separate intervals do.
    The models differ beyond chance where the interval does not contain 0. Takes the options of :func:`interval`.
    """
    given = {"reference": reference, "compared": compared}
    reference, compared = (errors.finite(name, errors.listed(name, values)) for name, values in given.items())
    if reference.shape != compared.shape:
        raise ValueError(
            f"Both must be measured on the same examples; got shapes {reference.shape} and {compared.shape}."
        )
    if score is None:
        return interval(compared - reference, **options)
    both = np.stack([reference, compared], axis=1)
    return interval(both, score=lambda means: score(means[..., 1, :]) - score(means[..., 0, :]), **options)
