"""The pictures that move: what they draw is what was measured, and every position of their knobs has its sentence."""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path

import pytest

from experiments.learning_rate import report
from helpers import models

BOOK = Path(__file__).resolve().parents[2] / "book"
sys.path.insert(0, str(BOOK / "_ext"))

from book_site.moving import learning_rate, page, picture, style  # noqa: E402


@pytest.fixture(scope="module")
def means():
    return report.by_rate(json.loads((BOOK / learning_rate.SOURCES[0]).read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def slider() -> picture.Moving:
    return learning_rate.moving(BOOK)


def knob(**changes) -> picture.Knob:
    return picture.Knob(**{"kind": "slider", "name": "rate", "label": "Rate", "values": ("low", "high")} | changes)


def test_a_knob_starts_at_one_of_its_values():
    with pytest.raises(ValueError, match="'rate' starts at 2 and has 2 values"):
        knob(start=2)


def test_a_picture_has_a_sentence_for_all_positions():
    with pytest.raises(ValueError, match=r"says nothing for its knobs at \(1, 0\)"):
        picture.Moving("", (knob(), knob()), lambda wide: None, {(0, 0): "", (0, 1): ""})


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({}, ['type="range"', 'aria-valuetext="low"', 'aria-label="Rate"', 'max="1"', 'data-knob="rate"']),
        ({"kind": "choice", "start": 1}, ["<select", '<option value="1" selected>high</option>', "Rate"]),
        ({"kind": "switch"}, ['type="checkbox"', "Rate</span></label>"]),
        ({"kind": "switch", "start": 1}, [" checked>"]),
    ],
)
def test_a_knob_is_an_input_of_the_browser_in_its_label(changes, parts):
    text = page.written("some", knob(**changes))
    assert text.startswith("<label>") and text.endswith("</label>")
    assert all(part in text for part in parts)


def test_no_text_of_a_picture_ends_its_script():
    moving = picture.Moving("</script>", (), lambda wide: style.altair.Chart().mark_point(), {(): "</script>"})
    assert page.closing("some", moving).count("</script>") == 1


def test_the_points_are_the_means_of_the_rows(means):
    rates = sorted(means["learning_rate"].unique())
    points = learning_rate.placed(means, rates)
    assert len(points) == 2 * len(means)
    for _, mean in means.iterrows():
        own = points[
            (points["model"] == mean["encoder"])
            & (points["at"] == rates.index(mean["learning_rate"]))
            & (points["trained"] == list(learning_rate.REGIMES).index(mean["regime"]))
        ].set_index("what")
        assert own["share"].to_dict() == pytest.approx({"learned": mean["learned"], "kept": mean["kept"]}, abs=1e-4)
        assert sorted(own["above"]) == [False, True]
        upper = own["above"].idxmax()
        assert own.at[upper, "share"] == own["share"].max()


def test_the_message_holds_for_every_model(means):
    """Full fine-tuning learns most, at a rate where at least a tenth of the ability is gone."""
    for _, own in means.groupby("encoder"):
        best = own.loc[own["learned"].idxmax()]
        assert best["regime"] == "full" and best["kept"] < 0.9


def test_every_position_of_the_slider_has_its_sentence(slider, means):
    rate, regime = slider.knobs
    for at, trained in product(range(len(rate.values)), range(len(regime.values))):
        text = slider.says[at, trained]
        assert f"rate {rate.values[at]}, training {regime.values[trained]}:" in text
        assert text.count("keeps") == means["encoder"].nunique()
    assert [float(value) for value in rate.values] == pytest.approx(sorted(means["learning_rate"].unique()))


@pytest.mark.parametrize(("share", "text"), [(0.914, "91 %"), (1.0, "100 %"), (-0.02, "0 %")])
def test_a_share_is_never_negative_for_readers(share, text):
    assert learning_rate.percent(share) == text


@pytest.mark.parametrize("wide", [True, False])
def test_the_chart_has_a_parameter_for_each_knob_and_asks_for_nothing(slider, wide):
    chart = slider.chart(wide)
    assert {each["name"]: each["value"] for each in chart["params"]} == {"rate": slider.start[0], "regime": 0}
    assert '"url"' not in json.dumps(chart)
    assert slider.still(wide).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", learning_rate.NAMES)
def test_the_sizes_of_the_models_are_right(name):
    millions = sum(parameter.numel() for parameter in models.load(name).parameters()) / 1e6
    assert f", {millions:.0f} million parameters" in learning_rate.NAMES[name]
