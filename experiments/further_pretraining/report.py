"""What do the rows of further pretraining say?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from experiments.further_pretraining.setting import WAYS
from experiments.kit import report
from experiments.kit.rows import Row
from helpers import figures


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One line a number of labels: the accuracy of each way over the seeds, and the gain of ``further`` over ``full``.

    The gain is between runs of the same seed, with the same labels.
    """
    runs = report.frame(rows)
    lines = {}
    for per_class, group in runs[runs["per_class"] > 0].groupby("per_class"):
        by_seed = group.pivot(index="seed", columns="way", values="accuracy")
        gains = (by_seed["further"] - by_seed["full"]).dropna()
        lines[per_class] = {
            **{way: report.spread(by_seed[way].dropna()) for way in WAYS if way in by_seed},
            "further - full": report.spread(gains),
            "TF-IDF": report.spread(group[group["way"] == "full"]["tfidf"]),
            "seeds": len(gains),
        }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("labels a class")


def further_table(rows: Sequence[Row]) -> pd.DataFrame:
    """What the further pretraining itself changed, over the seeds: before and after, and what it cost."""
    runs = report.frame(rows)
    runs = runs[runs["per_class"] == 0]
    measures = {"masked_loss": "masked loss, nats", "masked_accuracy": "masked accuracy", "similarity": "similarity"}
    lines = {
        shown: {when: report.spread(runs[f"{name}_{when}"]) for when in ("before", "after")}
        for name, shown in measures.items()
    }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("of the encoder")


def picture(rows: Sequence[Row], then: Callable = figures.show) -> None:
    """Accuracy against the number of labels, one point a run."""
    runs = report.frame(rows)
    runs = runs[runs["per_class"] > 0]
    with figures.figure(
        "For MiniLM, further pretraining pays at no number of labels",
        "Points, one a run: accuracy against labels a class on a log axis, for frozen, full and further pretraining.",
        then=then,
    ) as axes:
        for way, colour, shift in zip(WAYS, figures.COLOURS, (0.94, 1.0, 1.06), strict=False):
            own = runs[runs["way"] == way]
            axes.plot(own["per_class"] * shift, own["accuracy"], ".", color=colour, label=way)
        counts = sorted(runs["per_class"].unique())
        axes.set_xscale("log")
        axes.set_xticks(counts, list(map(str, counts)))
        axes.set_xticks([], minor=True)
        axes.set(xlabel="labels a class", ylabel="test accuracy")
        axes.legend(frameon=False)
