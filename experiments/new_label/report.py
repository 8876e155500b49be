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
    runs, columns = report.frame(rows), {}
    for score in ("old", "new"):
        by_seed = report.by_seed(runs, "remedy", score)
        whole = {name: scores for name, scores in by_seed.items() if len(scores) >= protocol.TEST_SEEDS}
        found = protocol.table(whole, "plain")
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
