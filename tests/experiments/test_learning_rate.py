"""The grid of learning rates, on tiny models."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import BertModel

from experiments import learning_rate
from helpers import batching, heads, models


def test_the_grid_is_whole_seed_by_seed():
    settings = learning_rate.grid(["minilm", "pocket"], ["head", "full"], [1e-5, 1e-3], [0, 1], 4)
    assert len(settings) == 16
    assert [setting["seed"] for setting in settings] == [0] * 8 + [1] * 8
    assert len({json.dumps(setting) for setting in settings}) == 16


@pytest.mark.parametrize(("regime", "learns"), [("head", {"classifier"}), ("full", {"bert", "classifier"})])
def test_head_and_full_train_what_they_say(tiny, regime, learns):
    model = learning_rate.prepare(tiny(heads.PooledClassifier, pooling="mean"), regime)
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == learns


def test_the_adapter_leaves_the_encoder_alone(tiny):
    model = tiny(heads.PooledClassifier, pooling="mean")
    adapted = learning_rate.prepare(model, "lora")
    trained = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert all("lora_" in name or "classifier" in name for name in trained)
    assert sum("lora_" in name for name in trained) == 8  # A and B of query and value in two layers
    assert isinstance(models.body(adapted.merge_and_unload()), BertModel)


@pytest.fixture
def small(tiny, tokenizer, colours, monkeypatch):
    """The experiment with a tiny encoder, a tiny task and an ability that is the size of the first queries' weights."""
    encoded = batching.encode(colours, tokenizer)
    task = learning_rate.Task(encoded, encoded, ["other", "red"])
    monkeypatch.setattr(learning_rate, "task", lambda name: task)
    monkeypatch.setattr(models, "tokenizer", lambda name: tokenizer)

    def load(name, head=None, **config):
        model = tiny(heads.PooledClassifier, pooling="mean")
        return model if head else models.body(model)

    def queries(body):
        return {"query": body.encoder.layer[0].attention.self.query.weight.square().sum().item()}

    monkeypatch.setattr(models, "load", load)
    monkeypatch.setitem(learning_rate.ABILITIES, "pocket", queries)
    remembered = (learning_rate.ability_before, learning_rate.vectors)
    for function in remembered:
        function.cache_clear()
    yield
    for function in remembered:
        function.cache_clear()


@pytest.mark.parametrize("regime", learning_rate.REGIMES)
def test_a_row_has_the_task_and_what_is_retained(small, regime):
    results = learning_rate.measure("pocket", regime, 1e-2, 0, 2, weights="", data="")
    assert results["diverged"] is False
    assert 0 <= results["accuracy"] <= 1
    changed = results["retained"] != results["before"]
    assert changed == (regime != "head")
    assert json.loads(json.dumps(results)) == results


def test_a_run_that_diverges_is_a_row_too(small, monkeypatch):
    def fit(*_, **__):
        raise learning_rate.training.Diverged("nan", learning_rate.training.History(steps=[{"loss": float("nan")}]))

    monkeypatch.setattr(learning_rate.training, "fit", fit)
    assert learning_rate.measure("pocket", "full", 1.0, 0, 1) == {"diverged": True, "step": 1}


def test_what_is_not_a_pocket_bert_has_no_masked_words_to_keep(tiny):
    class Half(torch.nn.Module):
        def state_dict(self):
            return {k: v for k, v in models.load("pocket").state_dict().items() if "layer.0" not in k}

    with pytest.raises(ValueError, match=r"lacks encoder\.layer\.0"):
        learning_rate.masked_words(Half())


def test_options_choose_a_part_and_a_diverged_run_counts_as_wrong(tmp_path, monkeypatch):
    def measure(model, regime, rate, seed, epochs, **_):
        if rate > 1e-3:
            return {"diverged": True, "step": 3}
        return {"diverged": False, "accuracy": seed / 10, "retained": {"spearman": 0.5}, "before": {"spearman": 0.8}}

    monkeypatch.setattr(learning_rate, "measure", measure)
    chosen = ["--models", "minilm", "--regimes", "head", "--rates", "1e-4", "1e-2", "--seeds", "1", "2", "9"]
    learning_rate.main([*chosen, "--output", str(tmp_path / "rows.json")])
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert len(rows) == 6
    table = learning_rate.table(rows)
    low, high = (table.loc["minilm", "head", rate] for rate in (1e-4, 1e-2))
    assert low["accuracy"].mean == pytest.approx(0.4) and low["diverged"] == 0
    assert low["ability"].mean == 0.5 and low["ability before"] == 0.8
    assert high["accuracy"].mean == 0 and high["diverged"] == 3
    drawn = []
    learning_rate.picture(rows, then=lambda figure, alt: drawn.append(figure))
    assert [axes.get_title("left") for axes in drawn[0].axes[:1]] == ["minilm"]
