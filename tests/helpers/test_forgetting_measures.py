"""What was lost: against the formulas of the papers, and by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import forgetting

# Learned in the order a, b, c. Task a falls and comes back a little; b is best before c is learned.
MATRIX = [[0.9, 0.2, 0.1], [0.5, 0.8, 0.3], [0.6, 0.7, 1.0]]


@pytest.fixture
def matrix():
    return forgetting.AccuracyMatrix(["a", "b", "c"], MATRIX)


def test_measures_of_a_hand_worked_matrix(matrix):
    assert matrix.average_accuracy() == pytest.approx((0.6 + 0.7 + 1.0) / 3)
    assert matrix.backward_transfer() == pytest.approx(((0.6 - 0.9) + (0.7 - 0.8)) / 2)
    assert matrix.forgetting() == pytest.approx(((0.9 - 0.6) + (0.8 - 0.7)) / 2)
    assert matrix.forward_transfer([0.5, 0.15, 0.2]) == pytest.approx(((0.2 - 0.15) + (0.3 - 0.2)) / 2)


def test_measures_look_at_the_tasks_learned_so_far():
    matrix = forgetting.AccuracyMatrix(["a", "b", "c"], MATRIX[:2])
    assert matrix.average_accuracy() == pytest.approx((0.5 + 0.8) / 2)
    assert matrix.backward_transfer() == pytest.approx(0.5 - 0.9)
    assert matrix.forward_transfer([0.0, 0.15, 0.9]) == pytest.approx(0.2 - 0.15)
    matrix.add({"c": 1.0, "a": 0.6, "b": 0.7})
    assert matrix.to_frame().values.tolist() == MATRIX
    assert list(matrix.to_frame().index) == ["after a", "after b", "after c"]


def test_forgetting_is_measured_from_the_best_score_not_from_the_first():
    """Task a is best after b was learned: Chaudhry's measure sees the fall from there, BWT only from the diagonal."""
    matrix = forgetting.AccuracyMatrix(["a", "b", "c"], [[0.5, 0, 0], [0.9, 0.8, 0], [0.5, 0.8, 0.7]])
    assert matrix.forgetting() == pytest.approx(0.4 / 2)
    assert matrix.backward_transfer() == pytest.approx(0.0)


@given(
    st.integers(2, 6).flatmap(
        lambda n: st.lists(st.lists(st.floats(0, 1), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_measures_follow_the_formulas_of_the_papers(rows):
    """With the papers' indices, 1 … T, spelt out."""
    tasks = [str(i) for i in range(len(rows))]
    matrix, size = forgetting.AccuracyMatrix(tasks, rows), len(rows)

    def r(i, j):
        return rows[i - 1][j - 1]

    acc = sum(r(size, j) for j in range(1, size + 1)) / size
    bwt = sum(r(size, i) - r(i, i) for i in range(1, size)) / (size - 1)
    fwt = sum(r(i - 1, i) - 0.25 for i in range(2, size + 1)) / (size - 1)
    lost = sum(max(r(k, j) for k in range(1, size)) - r(size, j) for j in range(1, size)) / (size - 1)
    assert matrix.average_accuracy() == pytest.approx(acc)
    assert matrix.backward_transfer() == pytest.approx(bwt)
    assert matrix.forward_transfer([0.25] * size) == pytest.approx(fwt)
    assert matrix.forgetting() == pytest.approx(lost)
    assert matrix.forgetting() >= -matrix.backward_transfer() - 1e-12


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: forgetting.AccuracyMatrix([]), "different names"),
        (lambda: forgetting.AccuracyMatrix(["a", "a"]), "different names"),
        (lambda: forgetting.AccuracyMatrix(["a", "b"], [[1.0]]), "2 finite numbers"),
        (lambda: forgetting.AccuracyMatrix(["a", "b"], [[1.0, float("nan")]]), "finite"),
        (lambda: forgetting.AccuracyMatrix(["a"], [[1.0], [1.0]]), "have their row"),
        (lambda: forgetting.AccuracyMatrix(["a", "b"]).add({"a": 1.0}), "each of a, b"),
        (lambda: forgetting.AccuracyMatrix(["a", "b"]).average_accuracy(), "1 tasks or more; there are 0"),
        (lambda: forgetting.AccuracyMatrix(["a", "b"], [[1, 1]]).forgetting(), "2 tasks or more; there are 1"),
        (lambda: forgetting.AccuracyMatrix(["a", "b"], [[1, 1], [1, 1]]).forward_transfer([0.5]), "2 numbers"),
        (lambda: forgetting.harmonic_mean(-0.1, 1), "not negative"),
    ],
)
def test_bad_matrices_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_harmonic_mean():
    assert forgetting.harmonic_mean(0.9, 0.3) == pytest.approx(2 / (1 / 0.9 + 1 / 0.3))
    assert forgetting.harmonic_mean(0.7, 0.7) == pytest.approx(0.7)
    assert forgetting.harmonic_mean(0.0, 0.0) == forgetting.harmonic_mean(0.0, 1.0) == 0.0
