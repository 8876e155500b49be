"""What do the rows of the remedies say?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from experiments.kit import report
from experiments.kit.rows import Row
from experiments.remedies.setting import STRENGTHS
from helpers import figures

SCENARIOS = ("class_incremental", "task_incremental")


def best(rows: Sequence[Row]) -> dict[str, float]:
    """Of each remedy, the strength with the highest average accuracy among all labels in these rows."""
    runs = report.frame(rows)
    if not len(runs):
        return {}
    # Of equal scores the larger strength.
    runs = runs.sort_values(["class_incremental.average_accuracy", "strength"])
    return {str(remedy): float(group["strength"].iloc[-1]) for remedy, group in runs.groupby("remedy")}


def tested(rows: Sequence[Row]) -> pd.DataFrame:
    """The runs on the test split, in the order of the remedies."""
    runs = report.frame(rows)
    place = {name: number for number, name in enumerate(STRENGTHS)}
    return runs[runs["split"] == "test"].sort_values(
        ["remedy", "seed"], key=lambda column: column.map(place) if column.name == "remedy" else column, kind="stable"
    )


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One line a remedy at its best strength: average accuracy and forgetting in both scenarios."""
    scores = {
        f"{measure.replace('_', ' ')}, {scenario.replace('_', '-')}": f"{scenario}.{measure}"
        for scenario in SCENARIOS
        for measure in ("average_accuracy", "forgetting")
    }
    return report.table(tested(rows), ["remedy", "strength"], scores)


def picture(rows: Sequence[Row], then: Callable = figures.show) -> None:
    """Accuracy on the last task against that on the tasks before it, one point a seed."""
    with figures.figure(
        "Among all labels, only what sees old sentences keeps old and new",
        "Points, one a seed: accuracy on the last task against mean accuracy on the four before, after the whole "
        "sequence, among all labels, for every remedy. The upper right corner is best.",
        size=(7.0, 5.0),
        then=then,
    ) as axes:
        for place, (name, group) in enumerate(tested(rows).groupby("remedy", sort=False)):
            last = [matrix[-1] for matrix in group["class_incremental.matrix"]]
            axes.plot(
                [float(np.mean(scores[:-1])) for scores in last],
                [scores[-1] for scores in last],
                "os^Dv*P"[place % 7],
                color=figures.COLOURS[place % len(figures.COLOURS)],
                fillstyle="full" if place < 7 else "none",
                label=name,
            )
        axes.set(xlabel="mean accuracy on the first four tasks", ylabel="accuracy on the fifth task")
        axes.legend(frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left")
