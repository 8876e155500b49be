"""Does a comparison stand? What a referee would ask, once for all experiments.

Each method is tested at its own best setting, which is searched on validation rows with seeds that are never tested, on
a grid at whose end no winner stands (:func:`search`); methods are compared seed by seed (:func:`paired`), many of them
at once with Holm's correction (:func:`table`). Nothing here needs PyTorch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

SEARCH_SEEDS, TEST_SEEDS = 3, 5  # so many at least


class Chosen(NamedTuple):
    """The setting that a search has chosen, and by what."""

    value: float
    score: float
    seeds: int
    at_end: bool

    def __str__(self) -> str:
        end = ", at the end of its grid" if self.at_end else ""
        return f"{self.value:g} (validation score {self.score:.3f}, {self.seeds} seeds{end})"


def search(scores: Mapping[float, Mapping[int, float]], tested: Sequence[int]) -> Chosen:
    """The value of a grid with the highest mean validation score; of equal ones the smallest.

    Args:
        scores: of every value, the validation score by seed.
        tested: the seeds of the test, which must be others.

    ``at_end`` tells that the winner is the smallest or largest of several values: widen the grid there. Raises
    ``ValueError`` for fewer than three seeds, values with different seeds, or a seed that is tested, too.
    """
    seeds = {value: frozenset(found) for value, found in scores.items()}
    if not seeds or len(set(seeds.values())) > 1:
        raise ValueError("A search needs one grid and the same seeds at each of its values.")
    (own,) = set(seeds.values())
    if len(own) < SEARCH_SEEDS:
        raise ValueError(f"A search needs {SEARCH_SEEDS} seeds or more, not {len(own)}: one may be an outlier.")
    if both := sorted(own & set(tested)):
        raise ValueError(f"Seed {both[0]} is searched with and tested. Search with others.")
    means = {value: statistics.fmean(found.values()) for value, found in sorted(scores.items())}
    best = max(means, key=means.__getitem__)
    return Chosen(best, means[best], len(own), len(means) > 1 and best in (min(means), max(means)))


def widened(tried: Sequence[float], best: float, ladder: Sequence[float]) -> float | None:
    """The next value to try where ``best`` stands at an end of those ``tried``: its neighbour on the ladder.

    None where ``best`` stands inside, or where the ladder itself ends.
    """
    steps = sorted(ladder)
    place = steps.index(best)
    if best == min(tried) and place > 0:
        return steps[place - 1]
    if best == max(tried) and place < len(steps) - 1:
        return steps[place + 1]
    return None


class Paired(NamedTuple):
    """The mean of the differences by seed, Student's 95 % interval of it, and its two-sided p-value.

    ``same_sign`` counts the seeds whose difference has the sign of the mean.
    """

    difference: float
    low: float
    high: float
    p: float
    same_sign: int
    seeds: int

    def __str__(self) -> str:
        return f"{self.difference:+.3f} [{self.low:+.3f}, {self.high:+.3f}], {self.same_sign} of {self.seeds} seeds"


def paired(*, reference: Mapping[int, float], compared: Mapping[int, float]) -> Paired:
    """``compared`` minus ``reference``, seed by seed: Student's t for the differences.

    Raises ``ValueError`` where the seeds are not the same, or fewer than five.
    """
    from scipy.stats import t

    if reference.keys() != compared.keys():
        seeds = f"{sorted(reference)} and {sorted(compared)}"
        raise ValueError(f"Compared by seed, both need the same seeds, not {seeds}.")
    if len(reference) < TEST_SEEDS:
        raise ValueError(f"A comparison needs {TEST_SEEDS} seeds or more, not {len(reference)}.")
    differences = [compared[seed] - reference[seed] for seed in sorted(reference)]
    mean, sd, count = statistics.fmean(differences), statistics.stdev(differences), len(differences)
    same = sum(math.copysign(1, value) == math.copysign(1, mean) and value != 0 for value in differences)
    if sd == 0:
        return Paired(mean, mean, mean, 1.0 if mean == 0 else 0.0, same, count)
    error = sd / math.sqrt(count)
    reach = float(t.ppf(0.975, count - 1)) * error
    return Paired(mean, mean - reach, mean + reach, 2 * float(t.sf(abs(mean) / error, count - 1)), same, count)


def holm(p: Sequence[float]) -> list[float]:
    """P-values of several comparisons, corrected for their number (Holm 1979), in the order in which they come."""
    corrected, highest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = highest
    return corrected


def verdict(found: Paired, p: float, least: float = 0.0) -> str:
    """What a comparison says in words: ``"better"``, ``"worse"``, ``"equal within …"``, or ``"not told apart"``.

    Args:
        p: the corrected p-value; by itself ``found.p`` where there is one comparison only.
        least: differences that are smaller do not matter.
    """
    if p < 0.05:
        return "better" if found.difference > 0 else "worse"
    if least and -least < found.low and found.high < least:
        return f"equal within {least:g}"
    return "not told apart"


def table(scores: Mapping[str, Mapping[int, float]], reference: str) -> pd.DataFrame:
    """One line a method, each against ``reference``: the paired difference, the corrected p-value and the verdict."""
    others = [name for name in scores if name != reference]
    found = {name: paired(reference=scores[reference], compared=scores[name]) for name in others}
    p = dict(zip(others, holm([found[name].p for name in others]), strict=True))
    lines = {name: {f"against {reference}": found[name], "p (Holm)": p[name]} for name in others}
    for name in others:
        lines[name]["verdict"] = verdict(found[name], p[name])
    index = pd.Index(others, name="method")
    columns = (f"against {reference}", "p (Holm)", "verdict")
    return pd.DataFrame({c: pd.Series([lines[n][c] for n in others], index=index, dtype=object) for c in columns})


def wilson(right: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share of rows, which stays between 0 and 1 (Wilson 1927)."""
    from scipy.stats import binomtest

    found = binomtest(right, rows).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def logit_interval(shares: Sequence[float], rows: int) -> tuple[float, float]:
    """Student's 95 % interval of a mean share over seeds, on the logit scale, so that it stays between 0 and 1.

    Args:
        rows: over how many rows each share was measured; 0 and 1 count as half a row from the end.
    """
    from scipy.stats import t

    edge = 0.5 / rows
    inside = [min(max(share, edge), 1 - edge) for share in shares]
    logits = [math.log(share / (1 - share)) for share in inside]
    reach = float(t.ppf(0.975, len(logits) - 1)) * statistics.stdev(logits) / math.sqrt(len(logits))
    low, high = (1 / (1 + math.exp(-(statistics.fmean(logits) + side * reach))) for side in (-1, 1))
    return low, high
