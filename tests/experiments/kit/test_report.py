"""What several seeds say together."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.kit import report


def test_the_interval_of_shares_stays_between_nought_and_one():
    assert report.share([0.0, 0.0], rows=10).low == 0
    found = report.share([1.0, 1.0, 0.9, 1.0, 0.97], rows=100)
    assert found.mean == pytest.approx(0.974) and found.seeds == 5
    assert 0.8 < found.low < found.mean < found.high < 1
    assert report.spread([1.0, 1.0, 0.9, 1.0, 0.97]).high > 1  # what Student's interval of the shares would say
    assert report.share([0.5], rows=100).mean == 0.5


def test_the_interval_is_students():
    # Two values by hand: t is 12.706 with one degree of freedom, sd / sqrt(2) is 0.1.
    found = report.spread([0.6, 0.8])
    assert found.mean == pytest.approx(0.7)
    assert found.high - found.mean == pytest.approx(1.2706, rel=1e-3)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.floats(-1, 1))
def test_a_spread_moves_with_its_values(values, shift):
    one, two = report.spread(values), report.spread(value + shift for value in values)
    assert two.mean == pytest.approx(one.mean + shift, abs=1e-9)
    assert two.sd == pytest.approx(one.sd, abs=1e-9) == pytest.approx(statistics.stdev(values), abs=1e-9)
    assert two.high - two.low == pytest.approx(one.high - one.low, abs=1e-6)
    assert one.low <= one.mean + 1e-12 and one.mean <= one.high + 1e-12


def test_one_seed_has_no_spread():
    found = report.spread([0.25])
    assert str(found) == "0.250"
    assert math.isnan(found.sd)


def test_methods_are_compared_where_all_seeds_are_there():
    better = {seed: 0.8 + 0.001 * seed for seed in range(5)}
    scores = {"plain": dict.fromkeys(range(5), 0.5), "better": better, "one seed": {0: 0.9}}
    found = report.against(scores, "plain")
    dashes = {"against plain": "–", "verdict": "–"}
    assert found["plain"] == found["one seed"] == dashes
    assert found["better"]["against plain"].startswith("+0.302 [") and found["better"]["verdict"].startswith(
        "better (p "
    )
    assert report.against({"better": better}, "plain") == {"better": dashes}
    assert report.whole(scores).keys() == {"plain", "better"}


def test_a_table_groups_rows_in_order():
    rows = [
        {"settings": {"way": way, "seed": seed}, "results": {"score": seed / 10 + (way == "b")}, "minutes": 1 + seed}
        for seed in (0, 1)
        for way in ("b", "a")
    ]
    table = report.table(report.frame(rows), ["way"], {"accuracy": "score"})
    assert list(table.index.get_level_values(0)) == ["b", "a"]
    assert [cell.mean for cell in table["accuracy"]] == pytest.approx([1.05, 0.05])
    assert list(table["minutes"]) == [1.5, 1.5]
    assert list(table["seeds"]) == [2, 2]


def test_a_setting_and_a_result_of_one_name_are_refused():
    with pytest.raises(ValueError, match="both called 'seed'"):
        report.frame([{"settings": {"seed": 1}, "results": {"seed": 2}}])
