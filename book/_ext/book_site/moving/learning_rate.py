"""What does a learning rate learn, and what does it cost? The slider is the rate; there is a panel for each encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair
import pandas as pd
from experiments.learning_rate import report
from experiments.learning_rate.setting import ENCODERS

from . import style
from .picture import Knob, Moving, Positions

SOURCES = ("evidence/learning_rate.json",)
MESSAGE = "Full fine-tuning learns best where it has cost part of the old ability"
ALT = (
    "Two lines for each model against the learning rate on a log axis: the task accuracy, and the share of the "
    "pretrained ability that is kept. In full fine-tuning the first rises and falls again, and the second falls before "
    "the first does. A vertical line marks the chosen rate."
)
# Parameters in millions, rounded.
NAMES = {"minilm": "MiniLM, 23 million parameters", "pocket": "Pocket BERT, 5 million parameters"}
REGIMES = {"full": "everything", "lora": "LoRA", "head": "the head alone"}
LEARNED, KEPT = "learned", "kept"
COLOURS = {LEARNED: style.BLUE, KEPT: style.ORANGE}
START = 4e-4


def moving(book: Path) -> Moving:
    """The picture of the rows in ``book/evidence``."""
    means = report.by_rate(json.loads((book / SOURCES[0]).read_text(encoding="utf-8")))
    rates = sorted(means["learning_rate"].unique())
    rate = Knob("slider", "rate", "Learning rate", tuple(map(power, rates)), rates.index(START))
    regime = Knob("choice", "regime", "What is trained", tuple(REGIMES.values()))
    points = placed(means, rates)
    return Moving(
        alt=ALT,
        knobs=(rate, regime),
        draw=lambda wide: chart(points, rate, regime, wide),
        says=sentences(means, rates),
    )


def encoders(means: pd.DataFrame) -> list[str]:
    """Those that were measured, in the order of the experiment."""
    found = set(means["encoder"])
    return [name for name in ENCODERS if name in found]


def placed(means: pd.DataFrame, rates: Sequence[float]) -> pd.DataFrame:
    """One line a point of the picture: its ``share`` of ``what``, the numbers of its rate and regime, and its label.

    ``above`` says that its label stands above it, for it is the higher one of two.
    """
    lines: list[dict[str, Any]] = []
    for _, mean in means.iterrows():
        for what, other in ((LEARNED, KEPT), (KEPT, LEARNED)):
            if pd.isna(mean[what]):
                continue
            lines.append(
                {
                    "model": mean["encoder"],
                    "at": rates.index(mean["learning_rate"]),
                    "learning rate": mean["learning_rate"],
                    "trained": list(REGIMES).index(mean["regime"]),
                    "what": what,
                    "share": round(mean[what], 4),
                    "above": bool(pd.isna(mean[other]) or (mean[what], what) >= (mean[other], other)),
                    "label": f"{what} {percent(mean[what])}",
                }
            )
    return pd.DataFrame(lines)


def percent(share: float) -> str:
    """A share for reading, never below nothing: a correlation may be slightly negative where nothing is left."""
    return f"{max(share, 0):.0%}".replace("%", " %")


def power(rate: float) -> str:
    """A rate as the axis writes it.

    >>> power(0.0004)
    '4e-4'
    """
    return f"{rate:.0e}".replace("e-0", "e-")


def sentences(means: pd.DataFrame, rates: Sequence[float]) -> dict[Positions, str]:
    """What is learned and kept, for each rate and each regime."""
    found: dict[Positions, str] = {}
    for place, rate in enumerate(rates):
        for number, (regime, trained) in enumerate(REGIMES.items()):
            own = means[(means["learning_rate"] == rate) & (means["regime"] == regime)].set_index("encoder")
            parts = [
                f"{NAMES[name].partition(',')[0]} has {percent(own.at[name, LEARNED])} of the test sentences right"
                + (
                    "."
                    if pd.isna(own.at[name, KEPT])
                    else f" and keeps {percent(own.at[name, KEPT])} of its old ability."
                )
                for name in encoders(means)
                if name in own.index
            ]
            seeds = f"Means over {own['seeds'].min()} seeds."
            found[place, number] = f"Learning rate {power(rate)}, training {trained}: {' '.join(parts)} {seeds}"
    return found


def chart(points: pd.DataFrame, rate: Knob, regime: Knob, wide: bool) -> altair.TopLevelMixin:
    """The panels, beside one another or below one another."""
    names = [name for name in ENCODERS if name in set(points["model"])]
    each = (style.WIDE - 60 * len(names)) // len(names) if wide else style.NARROW - 70
    panels = [panel(points[points["model"] == name], name, each, wide) for name in names]
    panels[0] = panels[0].add_params(rate.parameter, regime.parameter)
    whole = altair.hconcat(*panels, spacing=16) if wide else altair.vconcat(*panels, spacing=16)
    return style.styled(whole, MESSAGE, wide)


def panel(points: pd.DataFrame, name: str, width: int, wide: bool) -> altair.LayerChart:
    """One encoder: two lines, and at the chosen rate their values."""
    x = altair.X(
        "learning rate:Q",
        scale=altair.Scale(type="log", nice=False),
        axis=altair.Axis(format="~e", values=[1e-6, 1e-5, 1e-4, 1e-3, 1e-2]),
        title="learning rate",
    )
    y = altair.Y(
        "share:Q",
        scale=altair.Scale(domain=[-0.02, 1.15], nice=False),
        axis=altair.Axis(labelExpr="datum.value * 100 + ' %'", values=[0, 0.25, 0.5, 0.75, 1]),
        title="share of test sentences, of ability",
    )
    colour = altair.Color("what:N", scale=altair.Scale(domain=list(COLOURS), range=list(COLOURS.values())), legend=None)
    of_regime = altair.Chart(points).transform_filter("datum.trained == regime")
    here = of_regime.transform_filter("datum.at == rate")
    last = points["at"].max()
    layers = [
        here.mark_rule(color="#666", strokeDash=[4, 3]).encode(x=x),
        of_regime.mark_line(strokeWidth=2.5, clip=True).encode(x=x, y=y, color=colour),
        of_regime.mark_circle(size=24, opacity=1, clip=True).encode(x=x, y=y, color=colour),
        here.mark_circle(size=110, opacity=1).encode(x=x, y=y, color=colour),
    ]
    for left in (True, False):
        for above in (True, False):
            side = f"datum.at {'>' if left else '<='} {last / 2}"
            label = here.transform_filter(f"{side} && datum.above == {str(above).lower()}")
            form = {
                "align": "right" if left else "left",
                "dx": -9 if left else 9,
                "dy": -11 if above else 12,
                "fontWeight": "bold",
                "fontSize": 13,
            }
            # First its white edge, so that it can be read where it crosses a line.
            layers.append(label.mark_text(stroke="white", strokeWidth=4, **form).encode(x=x, y=y, text="label:N"))
            layers.append(label.mark_text(**form).encode(x=x, y=y, color=colour, text="label:N"))
    return altair.layer(*layers).properties(
        width=width, height=260 if wide else 210, title=altair.TitleParams(NAMES[name], fontSize=13, anchor="start")
    )
