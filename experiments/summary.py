"""What do several seeds say together? The cells of the evidence tables.

Every table of ``book/evidence`` is made of raw rows by these functions, so that all of them mean the same by a spread.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd


class Spread(NamedTuple):
    """Mean over the seeds, their standard deviation, and Student's 95 % interval of the mean.

    ``sd``, ``low`` and ``high`` are NaN where there is one seed only.

    >>> print(spread([0.8, 0.9, 1.0]))
    0.900 ± 0.100 [0.652, 1.148]
    """

    mean: float
    sd: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        if self.seeds < 2:
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} ± {self.sd:.3f} [{self.low:.3f}, {self.high:.3f}]"


def spread(values: Iterable[float]) -> Spread:
    """Sum up one score of several seeds; the interval is for the seeds alone, the test rows are the same in all."""
    from scipy.stats import t

    values = [float(value) for value in values]
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Spread(mean, math.nan, math.nan, math.nan, len(values))
    sd = statistics.stdev(values)
    reach = float(t.ppf(0.975, len(values) - 1)) * sd / math.sqrt(len(values))
    return Spread(mean, sd, mean - reach, mean + reach, len(values))


def groups(rows: Iterable[dict[str, Any]], *settings: str) -> dict[tuple, list[dict[str, Any]]]:
    """The rows by these of their settings, in the order in which they first appear."""
    found: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row["settings"][name] for name in settings), []).append(row)
    return found


def table(
    rows: Iterable[dict[str, Any]], settings: Sequence[str], scores: dict[str, Callable[[dict[str, Any]], float]]
) -> pd.DataFrame:
    """One line a group of rows with equal ``settings``: a :class:`Spread` of every score, seeds, minutes of a run.

    Args:
        scores: a function of a row's results for every column.
    """
    lines = {
        key: {
            **{name: spread(score(row["results"]) for row in group) for name, score in scores.items()},
            "seeds": len(group),
            "minutes": statistics.fmean(row["minutes"] for row in group),
        }
        for key, group in groups(rows, *settings).items()
    }
    index = pd.MultiIndex.from_tuples(lines, names=settings)
    columns = [*scores, "seeds", "minutes"]
    return pd.DataFrame(
        {name: pd.Series([line[name] for line in lines.values()], index=index, dtype=object) for name in columns}
    )
