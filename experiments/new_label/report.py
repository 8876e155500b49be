"""What do the rows of one label more say?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from experiments.kit import protocol, report
from experiments.kit.rows import Row
from helpers import figures

# In the picture, of which one can read so many.
SHOWN = (
    "before training, imprint",
    "plain",
    "plain, 40 passes",
    "the rate of the old training",
    "new row only",
    "replay 5",
)


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One line a remedy: old and new accuracy, their harmonic mean, and old sentences claimed by the new label."""
    scores = ("old", "new", "harmonic_mean", "claimed")
    return report.table(report.frame(rows), ["remedy"], {name.replace("_", " "): name for name in scores})


def compared(rows: Sequence[Row]) -> pd.DataFrame:
    """Each remedy against plain fine-tuning, draw by draw: differences of old and of new accuracy, and the verdicts."""
    groups = dict(list(report.frame(rows).groupby("remedy", sort=False)))
    whole = {name: own for name, own in groups.items() if len(own) >= protocol.TEST_SEEDS}
    tables = {
        score: protocol.table({n: dict(zip(g["seed"], g[score], strict=True)) for n, g in whole.items()}, "plain")
        for score in ("old", "new")
    }
    columns = {}
    for score, found in tables.items():
        columns[f"{score}, against plain"] = found["against plain"].map(str)
        columns[f"{score}, verdict"] = found["verdict"]
    return pd.DataFrame(columns).rename_axis("remedy")


def picture(rows: Sequence[Row], then: Callable = figures.show) -> None:
    """New against old accuracy, one point a draw."""
    with figures.figure(
        "At the rate of the old training ten sentences cost the old labels most",
        "Points, one a draw: accuracy on the new label against accuracy on the old ones, for plain fine-tuning at a "
        "moderate rate, for four times as long, at the rate of the old training, and for some remedies. The upper "
        "right corner is best.",
        size=(7.0, 4.4),
        then=then,
    ) as axes:
        groups = dict(list(report.frame(rows).groupby("remedy")))
        for place, name in enumerate(name for name in SHOWN if name in groups):
            own = groups[name]
            axes.plot(own["old"], own["new"], "os^Dv*"[place], color=figures.COLOURS[place], label=name)
        axes.set(xlabel="accuracy on the old labels", ylabel="accuracy on the new label")
        axes.legend(frameon=False)
