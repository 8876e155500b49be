"""What do the rows of one label more say?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from experiments.kit import protocol, report
from experiments.kit.protocol import Chosen
from experiments.kit.rows import Row
from experiments.new_label.setting import CROSSED, REMEDIES, SEEDS, Setting, at, scaled
from helpers import figures

# In the picture, of which one can read so many.
SHOWN = (
    "before training, imprint",
    "plain",
    "plain, 40 passes",
    "the rate of the old training",
    "new row only",
    "replay 5",
)
# What costs no training, beside those that are searched.
UNSEARCHED = ("before training, imprint", "class means", "all old rows, one pass")
OLD_ROWS, NEW_ROWS = 135 * 30, 30  # of the test split


SCORE = "harmonic_mean"


def runs(rows: Sequence[Row], encoder: str, split: str = "test") -> pd.DataFrame:
    """The runs of an encoder on a split."""
    found = report.frame(rows)
    return found[(found["encoder"] == encoder) & (found["split"] == split)]


def table(rows: Sequence[Row], encoder: str = "minilm") -> pd.DataFrame:
    """One line a remedy: old and new accuracy, their harmonic mean, and old sentences claimed by the new label."""
    rows_of = {
        "old": OLD_ROWS,
        "new": NEW_ROWS,
        "harmonic_mean": NEW_ROWS,
        "old_among_old": OLD_ROWS,
        "claimed": OLD_ROWS,
    }
    groups = dict(list(runs(rows, encoder).groupby("remedy", sort=False)))
    cells = {
        score.replace("_", " "): [report.share(group[score], count) for group in groups.values()]
        for score, count in rows_of.items()
    }
    minutes = {"minutes": [group["minutes"].median() for group in groups.values()]}
    index = pd.Index(groups, name="remedy")
    return pd.DataFrame(
        {name: pd.Series(column, index=index, dtype=object) for name, column in (cells | minutes).items()}
    )


def compared(rows: Sequence[Row], encoder: str = "minilm") -> pd.DataFrame:
    """Each remedy against plain fine-tuning, draw by draw: differences of old and of new accuracy, and the verdicts."""
    own, columns = runs(rows, encoder), {}
    for score in ("old", "new"):
        found = protocol.table(report.whole(report.by_seed(own, "remedy", score)), "plain")
        columns[f"{score}, against plain"] = found["against plain"].map(str)
        columns[f"{score}, verdict"] = found["verdict"]
    return pd.DataFrame(columns).rename_axis("remedy")


def trained(remedy: str) -> str:
    """What a remedy trains."""
    return str(REMEDIES[remedy].get("train", Setting.train))


def chosen(rows: Sequence[Row], encoder: str) -> dict[str, Chosen]:
    """Of each searched remedy the rate with the highest harmonic mean of old and new on the validation rows."""
    groups = runs(rows, encoder, "validation").groupby("remedy", sort=False)
    return {str(name): protocol.search(report.by_seed(own, "learning_rate", SCORE), SEEDS) for name, own in groups}


def best(rows: Sequence[Row], encoder: str = "minilm") -> pd.DataFrame:
    """The searched remedies at their best rates, and class means: against plain fine-tuning at its own best rate."""
    own, found = runs(rows, encoder), chosen(rows, encoder)
    lines = {name: at(name, encoder, 0, choice.value).remedy for name, choice in found.items()}
    lines |= {name: name for name in UNSEARCHED}
    rows_of = {name: own[own["remedy"] == line] for name, line in lines.items()}
    against = report.against(
        {name: dict(zip(of["seed"], of[SCORE], strict=True)) for name, of in rows_of.items()}, "plain"
    )
    cells = []
    for name, of in rows_of.items():
        choice = found.get(name)
        cells.append(
            {
                "rate": f"{choice.value:g}" if choice else "–",
                "validation": f"{choice.score:.3f}" if choice else "–",
                "old": report.share(of["old"], OLD_ROWS),
                "new": report.share(of["new"], NEW_ROWS),
                "harmonic mean": report.share(of[SCORE], NEW_ROWS),
                **against[name],
                "minutes": f"{of['minutes'].median():.1f}",
            }
        )
    return pd.DataFrame(cells, index=pd.Index(rows_of, name="remedy")).astype(object)


def crossed(rows: Sequence[Row], encoder: str = "minilm") -> pd.DataFrame:
    """Rate × kept sentences of each old label, from an imprinted row: old and new accuracy, means over the draws."""
    own = runs(rows, encoder)
    cells = {}
    for rate, by_kept in CROSSED.items():
        line = {}
        for kept, name in by_kept.items():
            of = own[own["remedy"] == name]
            line[f"{kept} kept"] = f"{of['old'].mean():.3f} / {of['new'].mean():.3f}"
        cells[f"{scaled([rate], encoder, Setting.train)[0]:g}"] = line
    return pd.DataFrame.from_dict(cells, orient="index").rename_axis("rate")


def picture(rows: Sequence[Row], then: Callable = figures.show) -> None:
    """New against old accuracy, one point a draw."""
    with figures.figure(
        "At the rate of the old training ten sentences cost the old labels most",
        "Points, one a draw: accuracy on the new label against accuracy on the old ones, for plain fine-tuning at a "
        "moderate rate, for four times as long, at the rate of the old training, and for some remedies. The upper "
        "right corner is best.",
        size=(7.0, 4.4),
        then=then,
    ) as axes:
        groups = dict(list(runs(rows, "minilm").groupby("remedy")))
        for place, name in enumerate(name for name in SHOWN if name in groups):
            own = groups[name]
            axes.plot(own["old"], own["new"], "os^Dv*"[place], color=figures.COLOURS[place], label=name)
        axes.set(xlabel="accuracy on the old labels", ylabel="accuracy on the new label")
        axes.legend(frameon=False)
