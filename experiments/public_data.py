"""Every head on public data. ``python -m experiments.public_data``

The code of ``data_baselines``, that is of the chapters, on the public sets that have the columns of the shipped ones;
five seeds. Rows go to ``book/evidence/public_data.json`` (resumable). Needs the hub, or a cache of it at ``HF_HOME``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pandas as pd

from experiments import data_baselines, runner, summary
from helpers import figures
from helpers.errors import choose

ROWS = runner.EVIDENCE / "public_data.json"
SEEDS = (0, 1, 2, 3, 4)
# The shipped set that has the same task, and rate, epochs and longest input. The rates are those of the shipped sets,
# the epochs are fewer where the rows are more.
SETTINGS = {
    "clinc/clinc_oos:small": ("intents", 4e-4, 4, 64),
    "nyu-mll/glue:mrpc": ("paraphrases", 1e-4, 4, 128),
    "nyu-mll/glue:stsb": ("paraphrases:similarity", 1e-4, 3, 96),
    "leondz/wnut_17": ("entities", 5e-4, 4, 64),
    "google/xquad:xquad.en": ("passages", 4e-4, 4, 192),
    "pkavumba/balanced-copa": ("choices", 1e-4, 4, 64),
}


@cache
def baselines(name: str, like: str) -> dict[str, float]:
    """As :func:`data_baselines.baselines`; once a set, for they depend on no seed."""
    return data_baselines.baselines(name, like)


def measure(name: str, seed: int, settings: Sequence) -> dict[str, Any]:
    """The test ``score`` of fine-tuned MiniLM, and of the ``baselines``."""
    like, *options = settings
    return {**data_baselines.minilm(name, seed, *options, like=like), "baselines": baselines(name, like)}


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line a set: its best baseline, and MiniLM over the seeds."""
    firsts = [group[0] for group in summary.groups(rows, "name").values()]
    best = [max(row["results"]["baselines"].items(), key=lambda found: found[1]) for row in firsts]
    shown = summary.table(rows, ["name"], {"MiniLM, fine-tuned": lambda results: results["score"]})
    shown.insert(0, "metric", [data_baselines.SCORES[row["settings"]["settings"][0]][0] for row in firsts])
    shown.insert(1, "best baseline", [f"{name} {score:.3f}" for name, score in best])
    return shown


def picture(rows: Sequence[dict[str, Any]], then: Callable = figures.show) -> None:
    """The test scores on each set, one point a seed, and a stroke for its best baseline."""
    names = list(dict.fromkeys(row["settings"]["name"] for row in rows))
    with figures.figure(
        "Every head beats what hardly reads, but not by the same margin",
        "Points, one a seed: the test score of fine-tuned MiniLM on each public set. A black stroke marks the best "
        "simple baseline.",
        then=then,
    ) as axes:
        for row in rows:
            place = names.index(row["settings"]["name"])
            axes.plot(row["results"]["score"], place, ".", color=figures.COLOURS[0])
            axes.plot(max(row["results"]["baselines"].values()), place, "|", color="black", markersize=16)
        axes.set_yticks(range(len(names)), [name.rpartition("/")[2] for name in names])
        axes.invert_yaxis()
        axes.set(xlabel="test score; the table names its metric", xlim=(0, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="data sets; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    options = parser.parse_args()
    names = [choose("data set", name, SETTINGS) for name in options.names] or list(SETTINGS)
    rows = runner.run(
        ROWS,
        [{"name": name, "seed": seed, "settings": list(SETTINGS[name])} for seed in options.seeds for name in names],
        measure,
    )
    print(table(rows).map(str).to_string())


if __name__ == "__main__":
    main()
