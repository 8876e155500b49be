"""What do several seeds say together? The cells of the evidence tables.

Every table of ``book/evidence`` is made of raw rows by these functions, so that all of them mean the same by a spread.
Nothing here needs PyTorch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from experiments.kit import protocol


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


def share(values: Iterable[float], rows: int) -> Spread:
    """Like :func:`spread`, for shares of so many rows: Student's interval on the logit scale, which stays in 0 to 1."""
    values = list(values)
    found = spread(values)
    if found.seeds < 2:
        return found
    low, high = protocol.logit_interval(values, rows)
    return found._replace(low=min(low, found.mean), high=max(high, found.mean))  # 0 and 1 are no logits


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table, one line each: a column for every setting, result (``test.accuracy``), and what else they say.

    Raises ``ValueError`` where a setting and a result have the same name.
    """
    flat = pd.json_normalize(list(rows))
    found = flat.rename(columns=lambda name: name.removeprefix("settings.").removeprefix("results."))
    if twice := sorted(set(found.columns[found.columns.duplicated()])):
        raise ValueError(f"A setting and a result are both called {twice[0]!r}. Rename one of them.")
    return found


def by_seed(runs: pd.DataFrame, by: str, score: str) -> dict[Any, dict[int, float]]:
    """Of every value of a column, the score by seed, as :mod:`experiments.kit.protocol` compares them."""
    groups = runs.groupby(by, sort=False)
    return {name: dict(zip(group["seed"], group[score], strict=True)) for name, group in groups}


def whole(scores: Mapping[str, Mapping[int, float]]) -> dict[str, Mapping[int, float]]:
    """The methods that were tested on enough seeds to be compared."""
    return {name: by_seed for name, by_seed in scores.items() if len(by_seed) >= protocol.TEST_SEEDS}


def against(scores: Mapping[str, Mapping[int, float]], reference: str) -> dict[str, dict[str, str]]:
    """Of every method two cells: its difference from ``reference``, seed by seed, and the verdict with its p-value.

    Both are dashes for the reference itself, and for methods that were tested on too few seeds to be compared.
    """
    compared = whole(scores)
    found = protocol.table(compared, reference) if reference in compared else pd.DataFrame()
    heading, cells = f"against {reference}", {}
    for name in scores:
        line = found.loc[name] if name in found.index else None
        cells[name] = {
            heading: "–" if line is None else str(line[heading]),
            "verdict": "–" if line is None else f"{line['verdict']} (p {line['p (Holm)']:.2g})",
        }
    return cells


def table(runs: pd.DataFrame, by: Sequence[str], scores: Mapping[str, str]) -> pd.DataFrame:
    """One line a group of runs with equal ``by``, in the order in which they first appear.

    Args:
        runs: from :func:`frame`.
        scores: the table's column -> the column of ``runs`` that it is the :class:`Spread` of.

    Two more columns: ``seeds``, and ``minutes`` of a run on average.
    """
    groups = list(runs.groupby(list(by), sort=False, dropna=False))
    columns = {
        **{heading: [spread(group[column]) for _, group in groups] for heading, column in scores.items()},
        "seeds": [len(group) for _, group in groups],
        "minutes": [statistics.fmean(group["minutes"]) for _, group in groups],
    }
    index = pd.MultiIndex.from_tuples([key for key, _ in groups], names=by)
    # Columns of objects, for pandas would take a spread for five numbers.
    return pd.DataFrame({name: pd.Series(cells, index=index, dtype=object) for name, cells in columns.items()})
