"""What do the rows of frozen against full say?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd

from experiments.frozen_vs_full.setting import REGIME, TASKS
from experiments.kit import report
from experiments.kit.rows import Row
from helpers import figures

SHORT = {name: task for task, name in TASKS.items()}
SHOWN = {"data": "task", "encoder": "model", "rows": "size", "lora_rank": "lora", "learning_rate": "rate"}


def best_rate(rows: Sequence[Row]) -> pd.DataFrame:
    """The runs of each regime at its best rate on the validation rows of the first seed, in the table's order."""
    runs = report.frame(rows)
    kept = []
    for _, group in runs.groupby(list(REGIME), sort=False):
        tried = group[group["seed"] == group["seed"].min()]
        best = tried.loc[tried["validation.accuracy"].idxmax(), "learning_rate"]
        kept.append(group[group["learning_rate"] == best])
    chosen = pd.concat(kept)
    # All rows (0) stand behind any number of them; tasks by their short names.
    place = {"rows": lambda sizes: sizes.replace(0, math.inf), "data": lambda names: names.map(_short)}
    return chosen.sort_values(
        list(REGIME), key=lambda column: place.get(column.name, lambda same: same)(column), kind="stable"
    )


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One line a task, model, size and regime, at its best rate: test accuracy and F1 of class 1, over the seeds."""
    runs = best_rate(rows)
    scores = {name: f"test.{name}" for name in ("accuracy", "f1")}
    shown = report.table(runs, [*REGIME, "learning_rate"], scores)
    learns = runs.groupby(list(REGIME), sort=False)["trainable"].first()
    shown.insert(0, "trainable", pd.Series(learns.tolist(), index=shown.index, dtype=object))
    shown = shown.rename(index=_short, level="data").rename(index={0: "all"}, level="rows")
    return shown.rename_axis(index=SHOWN)


def picture(rows: Sequence[Row], then: Callable = figures.show) -> None:
    """Test accuracy against the number of frozen layers, one point a run, one colour a size; one figure a task."""
    for name, runs in best_rate(rows).groupby("data", sort=False):
        sizes = sorted(runs["rows"].unique(), key=lambda size: size or math.inf)
        task = _short(name).upper()
        with figures.figure(
            f"{task}: how many labels counts for more than how many layers learn",
            f"Points, one a run: test accuracy on {task} against the number of frozen layers, one colour a "
            "training size, LoRA to the right of them.",
            then=then,
        ) as axes:
            layers = sorted(runs["frozen"].unique())
            for place, size in enumerate(sizes):
                own = runs[runs["rows"] == size]
                x = own["frozen"].where(own["lora_rank"] == 0, layers[-1] + 1.5)
                axes.plot(
                    x + (place - (len(sizes) - 1) / 2) * 0.12,
                    own["test.accuracy"],
                    ".",
                    color=figures.COLOURS[place],
                    label=f"{size or 'all'} rows",
                )
            axes.set_xticks([*layers, layers[-1] + 1.5], [*map(str, layers), "LoRA"])
            axes.set(xlabel="frozen layers, counted from below", ylabel="test accuracy")
            axes.legend(frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left")


def _short(name: str) -> str:
    return SHORT.get(name, name)
