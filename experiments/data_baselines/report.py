"""What is each of the book's data sets worth?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import pandas as pd

from experiments.data_baselines.setting import METRICS, current
from experiments.kit.rows import Row
from helpers import data


def scores(rows: Sequence[Row], name: str) -> list[float]:
    """The test scores on a data set, over the seeds; rows of older files or older settings are left out."""
    wanted = current(name)
    return [row["results"]["score"] for row in rows if wanted.items() <= row["settings"].items()]


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One line a data set: its best baseline, and mean and spread of MiniLM over the seeds."""
    lines = {}
    for name, metric in METRICS.items():
        found = scores(rows, name)
        if found:
            best, score = max(data.measured(name)["baselines"].items(), key=lambda one: one[1])
            lines[name] = {
                "metric": metric,
                "best baseline": f"{best} {score:.3f}",
                "MiniLM, fine-tuned": statistics.mean(found),
                "sd": statistics.stdev(found) if len(found) > 1 else math.nan,
                "seeds": len(found),
            }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("data set")
