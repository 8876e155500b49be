"""The stored evidence: each table's cells, worked out again from the raw rows in another way."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.data_baselines import report as data_baselines
from experiments.data_baselines.setting import sha256
from experiments.frozen_vs_full import report as frozen_vs_full
from experiments.frozen_vs_full.setting import REGIME
from experiments.further_pretraining import report as further_pretraining
from experiments.further_pretraining.setting import WAYS
from experiments.kit.rows import EVIDENCE
from experiments.learning_rate import report as learning_rate
from experiments.new_label import report as new_label
from experiments.new_label.setting import CROSSED
from experiments.public_data import report as public_data
from experiments.remedies import report as remedies
from experiments.remedies.setting import SCENARIOS
from tools.notebooks import BOOK

PAGES = sorted((BOOK / "evidence").glob("*.md"))
SHOWN = re.compile(r"```\{evidence\} (\w+)\n(?::(table|picture): (\w+(?: \w+)*)\n)?")


# What fells the claims is no measurement of models: see tests/tools/test_doubt.py.
FILES = sorted(path for path in EVIDENCE.glob("*.json") if path.stem != "doubt")


def stored(name: str) -> list[dict]:
    """The stored rows of an experiment."""
    rows = json.loads((EVIDENCE / f"{name}.json").read_text(encoding="utf-8"))
    assert len(rows) >= 20
    return rows


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
    rows = stored(name)
    function, *arguments = function.split()
    make = getattr(importlib.import_module(f"experiments.{name}.report"), function)
    if kind == "picture":
        alts = []
        make(rows, then=lambda figure, alt: alts.append(alt))
        assert alts and all(alts)
    else:
        assert len(make(rows, *arguments))


def provenances(path: Path) -> list[dict]:
    """What a file says of where its numbers come from: of every row, or of the one run of the pretraining."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(found, list):
        assert all(row["settings"] and row["results"] and row["whole"] for row in found)
        return found
    assert found["recipe"] and found["date"]
    return [found]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_says_what_it_takes_to_judge_and_repeat_it(path):
    found = provenances(path)
    assert found
    for row in found:
        assert row["minutes"] >= 0
        assert row["device"] and row["precision"] in ("bf16", "fp32", "fp16")
        assert row["command"] == f"python -m experiments.{path.stem}"
        assert {"torch", "transformers", "datasets", "accelerate"} <= row["versions"].keys()
        assert row["code"]["experiment"] >= 1 and row["code"]["helpers"]


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "pretrain"], ids=lambda path: path.stem)
def test_a_stored_row_is_what_its_experiment_would_ask_for(path):
    """Its settings are those of the experiment's dataclass, so a start of the experiment finds it and goes on."""
    setting = importlib.import_module(f"experiments.{path.stem}.setting").Setting
    for row in stored(path.stem):
        assert list(row["settings"]) == [field.name for field in dataclasses.fields(setting)]
        assert row["code"]["experiment"] <= setting.CODE


# One vocabulary: what a file calls by another name would be looked for in vain.
OTHER_NAMES = {
    "model": "encoder", "name": "data", "data_set": "data", "task": "data", "rate": "learning_rate",
    "labels": "per_class", "batch": "batch_size", "length": "max_length", "size": "rows", "lora": "lora_rank",
}  # fmt: skip


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "pretrain"], ids=lambda path: path.stem)
def test_files_speak_one_language(path):
    found = {name for row in stored(path.stem) for name in row["settings"]}
    assert found and not found & OTHER_NAMES.keys()


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "bench"], ids=lambda path: path.stem)
def test_no_row_is_of_half_a_run(path):
    """An interrupted run is short: no run takes less than a third of what its group takes on the same device."""
    found = provenances(path)
    if "settings" not in found[0]:  # the one pretraining: it has all steps of its recipe
        assert found[0]["curve"][-1]["step"] == found[0]["validation"][-1]["step"] == found[0]["recipe"]["steps"]
        return
    groups: dict[str, list[float]] = {}
    for row in found:
        group = json.dumps([row["device"], {k: v for k, v in row["settings"].items() if k != "seed"}])
        groups.setdefault(group, []).append(row["minutes"])
    assert any(len(minutes) >= 3 for minutes in groups.values())
    for group, minutes in groups.items():
        assert min(minutes) > statistics.median(minutes) / 3, group


def test_data_baselines():
    rows = stored("data_baselines")
    table = data_baselines.table(rows)
    assert len(table) == 9
    for name, line in table.iterrows():
        scores = [
            row["results"]["score"]
            for row in rows
            if row["settings"]["data"] == name and row["settings"]["data_sha256"] == sha256(name)
        ]
        assert line["MiniLM, fine-tuned"] == pytest.approx(statistics.fmean(scores))


def test_public_data():
    rows = stored("public_data")
    table = public_data.table(rows)
    for name, runs in flat(rows).groupby("settings.data"):
        check(table["MiniLM, fine-tuned"][name], list(runs["results.score"]))


def test_frozen_vs_full():
    rows = stored("frozen_vs_full")
    table = frozen_vs_full.table(rows)
    for regime, runs in flat(rows).groupby([f"settings.{name}" for name in REGIME]):
        first = runs[runs["settings.seed"] == runs["settings.seed"].min()]
        rate = first.set_index("settings.learning_rate")["results.validation.accuracy"].idxmax()
        best = runs[runs["settings.learning_rate"] == rate]
        name, model, size, *rest = regime
        task = frozen_vs_full.SHORT[name]
        check(table["accuracy"][(task, model, size or "all", *rest, rate)], list(best["results.test.accuracy"]))


def test_learning_rate():
    rows = stored("learning_rate")
    table = learning_rate.table(rows)
    names = {"minilm": "results.retained.spearman", "pocket": "results.retained.masked_accuracy"}
    for (model, regime, rate), runs in flat(rows).groupby(
        ["settings.encoder", "settings.regime", "settings.learning_rate"]
    ):
        line, finished = table.loc[model, regime, rate], runs[~runs["results.diverged"]]
        check(line["accuracy"], list(runs["results.accuracy"].fillna(0.0)))
        assert line["diverged"] == len(runs) - len(finished)
        if len(finished):
            check(line["ability"], list(finished[names[model]]))


def test_lora_and_full_are_compared_where_they_are_equally_accurate():
    rows = stored("learning_rate")
    table = learning_rate.matched(rows)
    assert set(table.index) == {"minilm", "pocket"}
    names = {"minilm": "results.retained.spearman", "pocket": "results.retained.masked_accuracy"}
    for encoder, line in table.iterrows():
        wide = flat(rows)[lambda frame, encoder=encoder: frame["settings.encoder"] == encoder].pivot_table(
            ["results.accuracy", names[encoder]], "settings.seed", ["settings.regime", "settings.learning_rate"]
        )
        keys = ("lora", line["rate of LoRA"]), ("full", line["rate of full"])
        accuracy, ability = (
            wide[(score, *keys[0])] - wide[(score, *keys[1])] for score in ("results.accuracy", names[encoder])
        )
        assert abs(accuracy.mean()) <= 0.03
        assert line["ability, LoRA minus full"].startswith(f"{ability.mean():+.3f} [")


def on_test_rows(rows: list[dict], encoder: str) -> pd.DataFrame:
    runs = flat(rows)
    return runs[(runs["settings.encoder"] == encoder) & (runs["settings.split"] == "test")]


def test_new_label():
    rows = stored("new_label")
    table = new_label.table(rows)
    for remedy, runs in on_test_rows(rows, "minilm").groupby("settings.remedy"):
        for score in ("old", "new", "claimed"):
            check(table[score][remedy], list(runs[f"results.{score}"]))


def test_new_label_draw_by_draw():
    rows = stored("new_label")
    table = new_label.compared(rows)
    wide = on_test_rows(rows, "minilm").pivot_table("results.old", "settings.seed", "settings.remedy")
    for remedy, line in table.iterrows():
        differences = (wide[remedy] - wide["plain"]).dropna()
        assert line["old, against plain"].startswith(f"{differences.mean():+.3f} [")
        agree = int((np.sign(differences) == np.sign(differences.mean())).sum()) if differences.mean() else 0
        assert line["old, against plain"].endswith(f"{agree} of {len(differences)} seeds")


def test_new_label_crossed():
    rows = stored("new_label")
    means = on_test_rows(rows, "minilm").groupby("settings.remedy")[["results.old", "results.new"]].mean()
    for by_kept, (_, line) in zip(CROSSED.values(), new_label.crossed(rows).iterrows(), strict=True):
        assert list(line) == ["{:.3f} / {:.3f}".format(*means.loc[name]) for name in by_kept.values()]


def test_remedies():
    rows = stored("remedies")
    runs = flat(rows)
    for (encoder, remedy), own in runs.groupby(["settings.encoder", "settings.remedy"]):
        searched, final = (own[own["settings.split"] == split] for split in ("validation", "test"))
        for scenario in SCENARIOS:
            best = final
            if len(searched):
                scores = searched.groupby("settings.strength")[f"results.{scenario}.average_accuracy"].mean()
                best = final[final["settings.strength"] == scores.idxmax()]
            means = [statistics.fmean(matrix[-1]) for matrix in best[f"results.{scenario}.matrix"]]
            cell = remedies.table(rows, encoder, scenario)["accuracy"][remedy]
            assert cell.seeds == len(means)
            assert cell.mean == pytest.approx(statistics.fmean(means), abs=1e-3)  # the matrix is stored rounded


def test_further_pretraining():
    rows = stored("further_pretraining")
    table = further_pretraining.table(rows)
    runs = flat(rows)[lambda frame: frame["settings.per_class"] > 0]
    wide = runs.pivot_table("results.accuracy", ["settings.per_class", "settings.seed"], "settings.way")
    for labels, group in wide.groupby(level=0):
        for way in WAYS:
            check(table[way][labels], list(group[way].dropna()))
        check(table["further - full"][labels], list((group["further"] - group["full"]).dropna()))
