"""What do the rows of the remedies say?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from experiments.kit import protocol, report
from experiments.kit.protocol import Chosen
from experiments.kit.rows import Row
from experiments.remedies.setting import KEEPS, SCENARIOS, SEEDS
from helpers import figures

REFERENCE = "nothing"
# What is compared beside, named before it was measured.
PAIRS = (
    ("class means", "frozen, imprinted"),
    ("replay", "class means"),
    ("replay", "lower rate"),
    ("replay", "all at once"),
    ("interpolation", "lower rate"),
    ("replay with stored answers", "replay"),
)
WHICH = {"class": "all tasks", "task": "its own task"}
ENCODERS = {"minilm": "MiniLM", "pocket": "pocket BERT"}


def chosen(rows: Sequence[Row], scenario: str) -> dict[str, Chosen]:
    """Of each remedy that has a strength, the one with the highest mean average accuracy on the validation rows."""
    runs = report.frame(rows)
    runs = runs[runs["split"] == "validation"]
    score = f"{scenario}.average_accuracy"
    found = {}
    for remedy, group in runs.groupby("remedy"):
        found[str(remedy)] = protocol.search(report.by_seed(group, "strength", score), SEEDS)
    return found


def tested(rows: Sequence[Row], encoder: str, scenario: str) -> pd.DataFrame:
    """The runs on the test split at the strengths chosen for a scenario, in the order of the remedies."""
    own = [row for row in rows if row["settings"]["encoder"] == encoder]
    best = chosen(own, scenario)
    runs = report.frame(own)
    runs = runs[runs["split"] == "test"]
    keep = [best[r].value == s if r in best else True for r, s in zip(runs["remedy"], runs["strength"], strict=True)]
    place = {name: number for number, name in enumerate(KEEPS)}
    return runs[keep].sort_values(
        ["remedy", "seed"], key=lambda column: column.map(place) if column.name == "remedy" else column, kind="stable"
    )


def table(rows: Sequence[Row], encoder: str = "minilm", scenario: str = SCENARIOS[0]) -> pd.DataFrame:
    """One line a remedy: accuracy over the five tasks, its difference from plain fine-tuning, what it had and cost."""
    runs = tested(rows, encoder, scenario)
    best = chosen([row for row in rows if row["settings"]["encoder"] == encoder], scenario)
    groups = dict(list(runs.groupby("remedy", sort=False)))
    score = f"{scenario}.average_accuracy"
    against = report.against(report.by_seed(runs, "remedy", score), REFERENCE)
    lines = []
    for name, group in groups.items():
        last = np.array([matrix[-1] for matrix in group[f"{scenario}.matrix"]])
        measured = int(group["classes"].iloc[0] * group["scored"].iloc[0])  # rows
        of_last = measured // last.shape[1]
        lines.append(
            {
                "keeps": KEEPS[name] or "–",
                "strength": f"{best[name].value:g}" if name in best else "–",
                "accuracy": report.share(group[score], measured),
                "tasks before": report.share(last[:, :-1].mean(axis=1), measured - of_last),
                "last task": report.share(last[:, -1], of_last),
                **against[name],
                "steps": int(group["steps"].median()),
                "minutes": f"{group['minutes'].median():.1f}",
                "seeds": len(group),
            }
        )
    return pd.DataFrame(lines, index=pd.Index(groups, name="remedy")).astype(object)


def pairs(rows: Sequence[Row], encoder: str) -> pd.DataFrame:
    """The comparisons that the page's sentences need, beside those with plain fine-tuning, in both scenarios."""
    found = []
    for scenario in SCENARIOS:
        by_seed = report.by_seed(tested(rows, encoder, scenario), "remedy", f"{scenario}.average_accuracy")
        for compared, reference in PAIRS:
            if by_seed.keys() >= {compared, reference}:
                difference = protocol.paired(reference=by_seed[reference], compared=by_seed[compared])
                found.append((f"{compared}, against {reference}", scenario.partition("_")[0], difference))
    p = protocol.holm([difference.p for *_, difference in found])
    lines = [
        {"compared": what, "labels of": WHICH[scenario], "difference": str(difference), "p (Holm)": f"{value:.3g}",
         "verdict": protocol.verdict(difference, value)}
        for (what, scenario, difference), value in zip(found, p, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(lines).set_index("compared")


def picture(rows: Sequence[Row], then: Callable = figures.show) -> None:
    """Accuracy on the last task against that on the tasks before it: means, one panel an encoder."""
    encoders = [name for name in ENCODERS if any(row["settings"]["encoder"] == name for row in rows)]
    with figures.figure(
        "Replay and class means keep most, on either encoder",
        "Points, one a remedy: accuracy on the last task against mean accuracy on the four before, after the whole "
        "sequence, among all labels; means over the seeds. The upper right corner is best.",
        columns=len(encoders),
        size=(3.4 + 3.4 * len(encoders), 4.6),
        then=then,
    ) as panels:
        for axes, encoder in zip(np.atleast_1d(panels), encoders, strict=True):
            for place, (name, group) in enumerate(tested(rows, encoder, SCENARIOS[0]).groupby("remedy", sort=False)):
                last = np.array([matrix[-1] for matrix in group[f"{SCENARIOS[0]}.matrix"]])
                x, y = last[:, :-1].mean(), last[:, -1].mean()
                axes.plot(x, y, "os^Dv*P"[place % 7], color=figures.COLOURS[place % len(figures.COLOURS)], label=name)
                axes.annotate(name, (x, y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)
            axes.set(xlabel=f"accuracy on the tasks before, {ENCODERS[encoder]}", xlim=(-0.03, 1), ylim=(-0.03, 1))
        np.atleast_1d(panels)[0].set_ylabel("accuracy on the last task")
