"""The protocol against cases that were worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from experiments.kit import protocol

GRID = {0.1: (0.5, 0.6, 0.7), 1.0: (0.7, 0.8, 0.9), 10.0: (0.9, 0.5, 0.4)}


def by_seed(values, first=0):
    return dict(enumerate(values, first))


def test_the_best_of_a_grid_is_the_best_on_average():
    found = protocol.search({value: by_seed(scores, 100) for value, scores in GRID.items()}, tested=range(5))
    assert found == (1.0, pytest.approx(0.8), 3, False)
    assert str(found) == "1 (validation score 0.800, 3 seeds)"
    # By the first seed alone, 10 would have won.
    wide = {value: by_seed(scores, 100) for value, scores in GRID.items() if value <= 1.0}
    assert protocol.search(wide, tested=[0]).at_end
    assert not protocol.search({1.0: by_seed((1, 1, 1), 100)}, tested=[0]).at_end  # no grid, no end


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({1.0: by_seed((0.5, 0.6))}, "3 seeds or more, not 2"),
        ({1.0: by_seed((0.5, 0.6, 0.7), 4)}, "Seed 4 is searched with and tested"),
        ({1.0: by_seed((1, 2, 3), 100), 2.0: by_seed((1, 2, 3), 101)}, "the same seeds"),
        ({}, "one grid"),
    ],
)
def test_a_search_that_would_not_stand_is_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        protocol.search(scores, tested=[3, 4])


@pytest.mark.parametrize(
    ("tried", "best", "further"),
    [((1, 3, 10), 1, 0.3), ((1, 3, 10), 10, 30), ((1, 3, 10), 3, None), ((0.3, 1), 0.3, None), ((3, 30), 30, None)],
)
def test_a_grid_is_widened_where_the_winner_stands_at_its_end(tried, best, further):
    assert protocol.widened(tried, best, ladder=(0.3, 1, 3, 10, 30)) == further


def test_a_paired_difference_by_hand():
    one, other = by_seed((0.5, 0.6, 0.7, 0.8, 0.9)), by_seed((0.4, 0.6, 0.5, 0.7, 0.8))
    # Differences .1, 0, .2, .1, .1: mean .1, sd .0707, standard error .0316, t(4) = 2.776.
    found = protocol.paired(reference=other, compared=one)
    assert found.difference == pytest.approx(0.1)
    assert (found.low, found.high) == (pytest.approx(0.1 - 0.0878, abs=1e-4), pytest.approx(0.1 + 0.0878, abs=1e-4))
    assert (found.same_sign, found.seeds) == (4, 5)
    assert str(found) == "+0.100 [+0.012, +0.188], 4 of 5 seeds"


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=5, max_size=9))
def test_the_p_value_is_that_of_scipy(pairs):
    one, other = (by_seed(values) for values in zip(*pairs, strict=True))
    found = protocol.paired(reference=other, compared=one)
    differences = {a - b for a, b in pairs}
    if len(differences) > 1 and max(differences) - min(differences) > 1e-6:
        assert found.p == pytest.approx(ttest_rel(list(one.values()), list(other.values())).pvalue, abs=1e-9)


def test_equal_differences_have_no_width():
    one, half = by_seed([1.0] * 5), by_seed([0.5] * 5)
    assert protocol.paired(reference=half, compared=one) == (0.5, 0.5, 0.5, 0.0, 5, 5)
    assert protocol.paired(reference=one, compared=one) == (0, 0, 0, 1.0, 0, 5)


def test_other_seeds_or_too_few_are_refused():
    with pytest.raises(ValueError, match="same seeds"):
        protocol.paired(reference=by_seed([1] * 5), compared=by_seed([1] * 5, 1))
    with pytest.raises(ValueError, match="5 seeds or more, not 4"):
        protocol.paired(reference=by_seed([1] * 4), compared=by_seed([1] * 4))


def test_holm_by_hand():
    # .01 × 4, .02 × 3, .03 × 2 (which may not be below the one before), .5 × 1.
    assert protocol.holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert protocol.holm([0.9, 0.8]) == [1.0, 1.0]
    assert protocol.holm([]) == []


def test_a_table_corrects_for_its_lines_and_says_it_in_words():
    noise = (0.00, 0.01, -0.01, 0.02, -0.02)
    scores = {
        "plain": by_seed(0.5 + n for n in noise),
        "good": by_seed(0.8 - n for n in noise),
        "bad": by_seed(0.2 + 2 * n for n in noise),
        "same": by_seed(0.5 - n for n in noise),
    }
    found = protocol.table(scores, "plain")
    assert dict(found["verdict"]) == {"good": "better", "bad": "worse", "same": "not told apart"}
    assert found["against plain"]["good"].difference == pytest.approx(0.3)
    alone = protocol.paired(reference=scores["plain"], compared=scores["good"])
    assert found["p (Holm)"]["good"] >= 2 * alone.p


def test_equal_is_said_only_of_a_narrow_interval():
    narrow, wide = protocol.Paired(0.0, -0.01, 0.01, 1.0, 0, 5), protocol.Paired(0.0, -0.2, 0.2, 1.0, 0, 5)
    assert protocol.verdict(narrow, 1.0, least=0.02) == "equal within 0.02"
    assert protocol.verdict(wide, 1.0, least=0.02) == protocol.verdict(narrow, 1.0) == "not told apart"


def test_intervals_stay_within_the_range_of_the_score():
    assert protocol.wilson(10, 10) == (pytest.approx(0.7225, abs=1e-4), 1.0)  # 10 / (10 + 1.96²)
    low, high = protocol.logit_interval([0.9, 1.0, 1.0, 0.8, 1.0], rows=30)
    assert 0 < low < 0.94 < high < 1
    same = protocol.logit_interval([0.75, 0.75, 0.75], rows=30)
    assert same == (pytest.approx(0.75), pytest.approx(0.75))
