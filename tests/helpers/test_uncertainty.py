"""How far an estimate may be off: against formulas that are known, and by counting how often it holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import uncertainty


@given(st.lists(st.booleans(), min_size=2, max_size=200))
@settings(max_examples=40, deadline=None)
def test_interval_contains_its_estimate(values):
    estimate, low, high = uncertainty.interval(values)
    assert 0 <= low <= estimate <= high <= 1


def test_interval_agrees_with_the_normal_approximation():
    values = np.tile([1, 1, 1, 0], 100)
    _, low, high = uncertainty.interval(values)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.01)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for i in range(200):
        _, low, high = uncertainty.interval(generator.random(150) < 0.7, draws=400, seed=i)
        covered += low <= 0.7 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_difference_is_paired():
    first = np.array([1, 0] * 100)
    second = first.copy()
    second[1:20:2] = 1  # better on ten examples, worse on none
    gap = uncertainty.difference(first, second)
    assert gap.estimate == pytest.approx(0.05)
    assert gap.low > 0
    with pytest.raises(ValueError, match="same examples"):
        uncertainty.difference(first, second[:-1])
    with pytest.raises(ValueError, match="at least one"):
        uncertainty.interval([])


def f1(means: np.ndarray) -> np.ndarray:
    """F1 from mean numbers of correct, predicted and true items."""
    return 2 * means[..., 0] / (means[..., 1] + means[..., 2])


def test_interval_of_a_score_that_is_no_mean():
    generator = np.random.default_rng(0)
    counts = np.stack([generator.binomial(2, 0.7, 300), np.full(300, 2), np.full(300, 2)], axis=1)
    estimate, low, high = uncertainty.interval(counts, score=f1)
    # With constant denominators, F1 is a mean like any other.
    assert (estimate, low, high) == pytest.approx(uncertainty.interval(counts[:, 0] / 2))
    better = counts.copy()
    better[:, 0] = np.minimum(counts[:, 0] + (np.arange(300) % 10 == 0), 2)
    gap = uncertainty.difference(counts, better, score=f1)
    assert gap == pytest.approx(uncertainty.difference(counts[:, 0] / 2, better[:, 0] / 2))
    assert gap.low > 0
    assert uncertainty.difference(counts, counts, score=f1) == (0, 0, 0)
