"""What do the rows of the grid of learning rates say?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from experiments.kit import protocol, report
from experiments.kit.rows import Row
from experiments.learning_rate.setting import ENCODERS, REGIMES
from helpers import figures

# What an encoder was pretrained for, and the score that stands for it.
ABILITIES = {"minilm": ("Spearman's correlation", "spearman"), "pocket": ("masked accuracy", "masked_accuracy")}

LEARNED, EQUAL = 0.4, 0.03  # of accuracy: what counts as learned, and as equally well


def runs_of(rows: Sequence[Row]) -> pd.DataFrame:
    """One line a run, with ``ability`` and ``ability_before`` beside its settings and results.

    A run that diverged counts as one that answers nothing right; it has no ability.
    """
    runs = report.frame(rows).reindex(columns=_columns(rows))
    for name, when in (("ability", "retained"), ("ability_before", "before")):
        runs[name] = [line[f"{when}.{ABILITIES[line['encoder']][1]}"] for _, line in runs.iterrows()]
    runs["accuracy"] = runs["accuracy"].fillna(0.0)
    return runs


def _columns(rows: Sequence[Row]) -> list[str]:
    """The columns of the rows, and those of abilities and accuracy, which a part of the grid may lack."""
    wanted = ["accuracy", *(f"{when}.{score}" for when in ("retained", "before") for _, score in ABILITIES.values())]
    return list(dict.fromkeys([*report.frame(rows).columns, *wanted]))


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One line for every encoder, regime and rate: task accuracy and what is left of the ability, over the seeds.

    The ability is the masked accuracy of the pocket BERT and Spearman's correlation of MiniLM. A run that diverged
    counts as one that answers nothing right, and is counted besides.
    """
    lines = {}
    for key, group in runs_of(rows).groupby(["encoder", "regime", "learning_rate"]):
        finished = group[group["diverged"] == False]  # noqa: E712
        lines[key] = {
            "accuracy": report.spread(group["accuracy"]),
            "ability": report.spread(finished["ability"]) if len(finished) else math.nan,
            "ability before": finished["ability_before"].iloc[0] if len(finished) else math.nan,
            "diverged": len(group) - len(finished),
            "seeds": len(group),
        }
    index = pd.MultiIndex.from_tuples(lines, names=("model", "regime", "rate"))
    return pd.DataFrame(list(lines.values()), index=index)


def matched(rows: Sequence[Row]) -> pd.DataFrame:
    """LoRA against full fine-tuning where both learn the task equally well: what is left of the ability, seed by seed.

    One line for each rate of LoRA that learns the task (``LEARNED``) and for which some rate of full fine-tuning has a
    mean accuracy within ``EQUAL`` of it; of several up to its best one, the smallest.
    """
    runs = runs_of(rows)
    lines, found = [], []
    for encoder, own in runs.groupby("encoder"):
        means = own.groupby(["regime", "learning_rate"])["accuracy"].mean()
        for rate, accuracy in means.get("lora", pd.Series(dtype=float)).items():
            rising = means["full"][: means["full"].idxmax()]  # beyond its best rate, full training only breaks
            near = rising[(rising - accuracy).abs() <= EQUAL]
            if accuracy < LEARNED or near.empty:
                continue
            full = near.index.min()
            by_seed = {
                (regime, score): own[(own["regime"] == regime) & (own["learning_rate"] == at)].set_index("seed")[score]
                for regime, at in (("lora", rate), ("full", full))
                for score in ("accuracy", "ability")
            }
            differences = {
                score: protocol.paired(
                    reference=by_seed["full", score].to_dict(), compared=by_seed["lora", score].to_dict()
                )
                for score in ("accuracy", "ability")
            }
            found.append(differences["ability"])
            lines.append(
                {
                    "encoder": encoder,
                    "rate of LoRA": rate,
                    "rate of full": full,
                    "accuracy, LoRA minus full": str(differences["accuracy"]),
                    "ability, LoRA minus full": str(differences["ability"]),
                }
            )
    for line, difference, p in zip(lines, found, protocol.holm([each.p for each in found]), strict=True):
        line["verdict"] = f"{protocol.verdict(difference, p)} (p {p:.2g})"
    return pd.DataFrame(lines).set_index("encoder")


def by_rate(rows: Sequence[Row]) -> pd.DataFrame:
    """One line for every encoder, regime and rate: the means of what is learned and of what is kept.

    ``learned`` is the task accuracy, ``kept`` the ability after training as a share of the ability before; it is NaN
    where every run diverged.
    """
    runs = runs_of(rows)
    runs["kept"] = runs["ability"] / runs["ability_before"]
    by = ["encoder", "regime", "learning_rate"]
    means = runs.groupby(by).agg(learned=("accuracy", "mean"), kept=("kept", "mean"), seeds=("seed", "nunique"))
    return means.reset_index()


def picture(rows: Sequence[Row], then: Callable = figures.show) -> None:
    """Task and ability against the rate, one point a run: above, how well the task is learned; below, what is left."""
    runs = runs_of(rows)
    done = runs[runs["diverged"] == False]  # noqa: E712
    names = [name for name in ENCODERS if (runs["encoder"] == name).any()]
    with figures.figure(
        "Full fine-tuning learns best where it has cost part of the old ability",
        "Points, one a run, against the learning rate on a log axis: task accuracy above, pretrained ability below, "
        "for head only, full and LoRA, one column a model. A dashed line marks the ability before training.",
        columns=len(names),
        rows=2,
        size=(8.0, 5.6),
        then=then,
    ) as axes:
        for (upper, lower), name in zip(np.reshape(axes, (2, len(names))).T, names, strict=True):
            for regime, colour in zip(REGIMES, figures.COLOURS, strict=False):
                own = done[(done["encoder"] == name) & (done["regime"] == regime)]
                upper.plot(own["learning_rate"], own["accuracy"], ".", color=colour, label=regime)
                lower.plot(own["learning_rate"], own["ability"], ".", color=colour)
                for before in own["ability_before"][:1]:
                    lower.axhline(before, color="black", linestyle="--", linewidth=0.8)
            upper.set(title=name, xscale="log", ylabel="task accuracy")
            lower.set(xscale="log", xlabel="learning rate", ylabel=ABILITIES[name][0])
            upper.legend(frameon=False)
