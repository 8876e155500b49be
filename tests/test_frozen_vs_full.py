"""The experiment on frozen and full fine-tuning, on a tiny BERT and a few sentences."""

from __future__ import annotations

import json

import pytest
import torch
from datasets import DatasetDict

from experiments import frozen_vs_full, runner
from helpers import data, heads, models


@pytest.fixture
def small(tiny, tokenizer, colours, monkeypatch):
    """Tasks and models replaced by small ones; gives the options for a run."""
    for function in (frozen_vs_full.splits, frozen_vs_full.encoded, frozen_vs_full.cached, frozen_vs_full.depth):
        function.cache_clear()
    rows = colours.train_test_split(test_size=12, seed=0)
    sets = DatasetDict(train=rows["train"], validation=rows["test"], test=rows["test"])
    monkeypatch.setattr(data, "load", lambda name: sets)
    monkeypatch.setattr(models, "tokenizer", lambda name: tokenizer)

    def load(name, head="encoder", pooling="pooler", labels=()):
        return tiny(heads.PooledClassifier, seed=7) if head != "encoder" else tiny().bert

    monkeypatch.setattr(models, "load", load)
    monkeypatch.setenv("HELPERS_PRECISION", "fp32")
    monkeypatch.setattr(frozen_vs_full, "STEPS", 4)
    monkeypatch.setattr(frozen_vs_full, "HEAD_STEPS", 4)
    yield lambda *words: frozen_vs_full.settings(frozen_vs_full.options().parse_args(words))
    for function in (frozen_vs_full.splits, frozen_vs_full.encoded, frozen_vs_full.cached, frozen_vs_full.depth):
        function.cache_clear()


def test_options_choose_parts_and_the_head_has_its_own_rates(small):
    chosen = small("--tasks", "mrpc", "--sizes", "8", "--seeds", "0", "--rates", "0.5", "--head-rates", "0.1", "0.2")
    assert [(row["frozen"], row["rate"]) for row in chosen] == [(0, 0.5), (2, 0.1), (2, 0.2)]
    with pytest.raises(SystemExit, match="--frozen 3: minilm has 2 layers"):
        small("--frozen", "3")


def test_rows_of_every_regime_make_a_table(small, tmp_path):
    path = tmp_path / "rows.json"
    words = ["--tasks", "mrpc", "--sizes", "8", "0", "--frozen", "0", "1", "2", "--seeds", "0", "1", "--rates", "1e-3"]
    rows = runner.run(path, small(*words), frozen_vs_full.measure)
    assert json.loads(path.read_text()) == rows
    table = frozen_vs_full.table(rows)
    assert list(table.index) == [("mrpc", "minilm", size, frozen) for size in (0, 8) for frozen in (0, 1, 2)]
    assert table["trainable"].loc["mrpc", "minilm", 8].is_monotonic_decreasing
    assert table["trainable"].loc["mrpc", "minilm", 8, 2] == 2 * 16 + 2
    assert (table["seeds"] == 2).all()
    assert (table["low"] <= table["mean"]).all() and (table["mean"] <= table["high"]).all()


def test_the_rate_is_chosen_on_the_validation_rows():
    def row(rate, seed, validation, test):
        scores = {"validation": {"accuracy": validation}, "test": {"accuracy": test}, "trainable": 1}
        wanted = {"task": "mrpc", "model": "m", "size": 50, "frozen": 0, "rate": rate, "seed": seed}
        return {"settings": wanted, "results": scores, "minutes": 1.0}

    rows = [row(0.1, 0, 0.9, 0.6), row(0.1, 1, 0.7, 0.8), row(0.2, 0, 0.7, 0.9), row(0.2, 1, 0.7, 0.9)]
    (line,) = frozen_vs_full.table(rows).itertuples()
    assert line.rate == 0.1
    assert line.mean == pytest.approx(0.7)
    # Student's interval of two values, by hand: t = 12.706, sd / sqrt(2) = 0.1
    assert line.high - line.mean == pytest.approx(1.2706, rel=1e-3)


def test_a_training_set_depends_on_its_seed_alone(small):
    first = frozen_vs_full.chosen("mrpc", 8, seed=1)
    torch.manual_seed(123)
    assert frozen_vs_full.chosen("mrpc", 8, seed=1) == first
    assert frozen_vs_full.chosen("mrpc", 8, seed=2) != first
    assert sorted(frozen_vs_full.chosen("mrpc", 0, seed=1)) == list(range(len(frozen_vs_full.splits("mrpc")["train"])))
