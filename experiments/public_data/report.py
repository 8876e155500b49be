"""What do the rows of the public data sets say?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from experiments.data_baselines.setting import METRICS
from experiments.kit import report
from experiments.kit.rows import Row
from helpers import figures


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One line a set: its best baseline, and MiniLM over the seeds."""
    firsts: dict[str, Row] = {}
    for row in rows:
        firsts.setdefault(row["settings"]["data"], row)
    best = [max(row["results"]["baselines"].items(), key=lambda found: found[1]) for row in firsts.values()]
    shown = report.table(report.frame(rows), ["data"], {"MiniLM, fine-tuned": "score"}).rename_axis(index=["name"])
    shown.insert(0, "metric", [METRICS[row["settings"]["like"]] for row in firsts.values()])
    shown.insert(1, "best baseline", [f"{name} {score:.3f}" for name, score in best])
    return shown


def picture(rows: Sequence[Row], then: Callable = figures.show) -> None:
    """The test scores on each set, one point a seed, and a stroke for its best baseline."""
    names = list(dict.fromkeys(row["settings"]["data"] for row in rows))
    with figures.figure(
        "Every head beats what hardly reads, but not by the same margin",
        "Points, one a seed: the test score of fine-tuned MiniLM on each public set. A black stroke marks the best "
        "simple baseline.",
        then=then,
    ) as axes:
        for row in rows:
            place = names.index(row["settings"]["data"])
            axes.plot(row["results"]["score"], place, ".", color=figures.COLOURS[0])
            axes.plot(max(row["results"]["baselines"].values()), place, "|", color="black", markersize=16)
        axes.set_yticks(range(len(names)), [name.rpartition("/")[2] for name in names])
        axes.invert_yaxis()
        axes.set(xlabel="test score; the table names its metric", xlim=(0, 1))
