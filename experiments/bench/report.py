"""What do the rows of the benchmark say?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import pandas as pd

from experiments.kit.rows import Row


def of(rows: Sequence[Row], question: str) -> list[Row]:
    """The rows of one question."""
    return [row for row in rows if row["settings"]["question"] == question]


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """*speed* and *quality*: examples a second, how many times as fast ``fit`` is, and test accuracy."""
    medians = {
        row["settings"]["contender"]: statistics.median(row["results"]["examples_per_second"])
        for row in of(rows, "speed")
    }
    accuracy = {row["settings"]["contender"]: row["results"] for row in of(rows, "quality")}
    return pd.DataFrame(
        {
            "examples a second": medians,
            "fit is so many times as fast": {name: medians["fit"] / median for name, median in medians.items()},
            "test accuracy": {name: found["estimate"] for name, found in accuracy.items()},
            "from": {name: found["low"] for name, found in accuracy.items()},
            "to": {name: found["high"] for name, found in accuracy.items()},
        }
    ).rename_axis("")


def frozen_table(rows: Sequence[Row]) -> pd.DataFrame:
    """*frozen*: seconds of an epoch, and how many of them fit into one of full fine-tuning."""
    medians = {row["settings"]["way"]: statistics.median(row["results"]["seconds"]) for row in of(rows, "frozen")}
    return pd.DataFrame(
        {
            "seconds": medians,
            "times as cheap as full": {way: medians["full"] / median for way, median in medians.items()},
        }
    ).rename_axis("an epoch")


def peak_table(rows: Sequence[Row]) -> pd.DataFrame:
    """*peak*: billions of operations a second, and the share of the peak."""
    (found,) = (row["results"] for row in of(rows, "peak"))
    return pd.DataFrame(
        {
            "billion operations a second": {name: value / 1e9 for name, value in found.items()},
            "share of the peak": {name: value / found["matrix_product"] for name, value in found.items()},
        }
    ).rename(index={"matrix_product": "one large matrix product"}).rename_axis("")  # fmt: skip


def growth_table(rows: Sequence[Row]) -> pd.DataFrame:
    """*growth*: milliseconds an example, one line for each value of each axis."""
    lines = [{**row["settings"], **row["results"]} for row in of(rows, "growth")]
    frame = pd.DataFrame(lines).rename(columns={"milliseconds": "milliseconds an example"})
    return frame[["axis", "value", "milliseconds an example"]].set_index("axis")
