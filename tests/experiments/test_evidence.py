"""The stored evidence: each table's cells, worked out again from the raw rows in another way."""

from __future__ import annotations

import importlib
import json
import re
import statistics

import pandas as pd
import pytest

from experiments import (
    data_baselines,
    frozen_vs_full,
    further_pretraining,
    learning_rate,
    new_label,
    public_data,
    remedies,
    runner,
)
from tools.notebooks import BOOK

PAGES = sorted((BOOK / "evidence").glob("*.md"))
SHOWN = re.compile(r"```\{evidence\} (\w+)\n(?::(table|picture): (\w+)\n)?")


def stored(module) -> list[dict]:
    """The stored rows of an experiment; nothing is measured yet where there are none."""
    if not module.ROWS.exists():
        pytest.skip(f"{module.ROWS.name} has not been measured")
    return json.loads(module.ROWS.read_text(encoding="utf-8"))


def flat(rows: list[dict]) -> pd.DataFrame:
    return pd.json_normalize(rows)


def check(cell, values) -> None:
    assert cell.mean == pytest.approx(statistics.fmean(values))
    assert cell.seeds == len(values)
    if len(values) > 1:
        assert cell.sd == pytest.approx(statistics.stdev(values))
        assert cell.low <= cell.mean <= cell.high


def shown_tables() -> list[tuple[str, str, str]]:
    return [
        (name, kind or "table", function or "table")
        for page in PAGES
        for name, kind, function in SHOWN.findall(page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("name", "kind", "function"), shown_tables())
def test_every_table_and_picture_of_a_page_is_made_of_stored_rows(name, kind, function):
    rows = json.loads((runner.EVIDENCE / f"{name}.json").read_text(encoding="utf-8"))
    make = getattr(importlib.import_module(f"experiments.{name}"), function)
    if kind == "picture":
        alts = []
        make(rows, then=lambda figure, alt: alts.append(alt))
        assert alts and all(alts)
    else:
        assert len(make(rows))


@pytest.mark.parametrize("path", sorted(runner.EVIDENCE.glob("*.json")), ids=lambda path: path.stem)
def test_every_row_says_what_it_takes_to_judge_and_repeat_it(path):
    rows = json.loads(path.read_text(encoding="utf-8"))
    for row in rows if isinstance(rows, list) else []:
        assert row["settings"] and row["results"] and row["minutes"] >= 0
        assert row["device"] and row["precision"] in ("bf16", "fp32") and row["command"].startswith("python -m ")
        assert {"torch", "transformers"} <= row["versions"].keys()


def test_data_baselines():
    rows = stored(data_baselines)
    for name, line in data_baselines.table(rows).iterrows():
        scores = [
            row["results"]["score"]
            for row in rows
            if row["settings"]["name"] == name and row["settings"]["sha256"] == data_baselines.sha256(name)
        ]
        assert line["MiniLM, fine-tuned"] == pytest.approx(statistics.fmean(scores))


def test_public_data():
    rows = stored(public_data)
    table = public_data.table(rows)
    for name, runs in flat(rows).groupby("settings.name"):
        check(table["MiniLM, fine-tuned"][name], list(runs["results.score"]))


def test_frozen_vs_full():
    rows = stored(frozen_vs_full)
    table = frozen_vs_full.table(rows)
    for regime, runs in flat(rows).groupby([f"settings.{name}" for name in frozen_vs_full.REGIME]):
        first = runs[runs["settings.seed"] == runs["settings.seed"].min()]
        rate = first.set_index("settings.rate")["results.validation.accuracy"].idxmax()
        best = runs[runs["settings.rate"] == rate]
        task, model, size, *rest = regime
        check(table["accuracy"][(task, model, size or "all", *rest, rate)], list(best["results.test.accuracy"]))


def test_learning_rate():
    rows = stored(learning_rate)
    table = learning_rate.table(rows)
    names = {"minilm": "results.retained.spearman", "pocket": "results.retained.masked_accuracy"}
    for (model, regime, rate), runs in flat(rows).groupby(["settings.model", "settings.regime", "settings.rate"]):
        line, finished = table.loc[model, regime, rate], runs[~runs["results.diverged"]]
        check(line["accuracy"], list(runs["results.accuracy"].fillna(0.0)))
        assert line["diverged"] == len(runs) - len(finished)
        if len(finished):
            check(line["ability"], list(finished[names[model]]))


def test_new_label():
    rows = stored(new_label)
    table = new_label.table(rows)
    for remedy, runs in flat(rows).groupby("settings.remedy"):
        for score in ("old", "new", "claimed"):
            check(table[score][remedy], list(runs[f"results.{score}"]))


def test_remedies():
    rows = stored(remedies)
    table = remedies.table(rows)
    tested = flat(rows)[lambda frame: frame["settings.split"] == "test"]
    for key, runs in tested.groupby(["settings.remedy", "settings.strength"]):
        final = [statistics.fmean(matrix[-1]) for matrix in runs["results.class_incremental.matrix"]]
        cell = table["average accuracy, class-incremental"][key]
        assert cell.mean == pytest.approx(statistics.fmean(final), abs=1e-3)  # the matrix is stored rounded


def test_further_pretraining():
    rows = stored(further_pretraining)
    table = further_pretraining.table(rows)
    runs = flat(rows)[lambda frame: frame["settings.labels"] > 0]
    wide = runs.pivot_table("results.accuracy", ["settings.labels", "settings.seed"], "settings.way")
    for labels, group in wide.groupby(level=0):
        for way in further_pretraining.WAYS:
            check(table[way][labels], list(group[way].dropna()))
        check(table["further - full"][labels], list((group["further"] - group["full"]).dropna()))
