"""The grid of learning rates, on the small world."""

from __future__ import annotations

import json
import math

import pytest
import torch
from transformers import BertModel

from experiments.learning_rate import __main__ as command
from experiments.learning_rate import measure, report
from experiments.learning_rate.setting import REGIMES, Setting
from helpers import heads, models


def test_the_grid_is_whole_seed_by_seed():
    settings = measure.grid(["minilm", "pocket"], ["head", "full"], [1e-5, 1e-3], [0, 1], epochs=2)
    assert len(set(settings)) == len(settings) == 16
    assert [setting.seed for setting in settings] == [0] * 8 + [1] * 8
    assert {setting.epochs for setting in settings} == {2}


@pytest.mark.parametrize(("regime", "learns"), [("head", {"classifier"}), ("full", {"bert", "classifier"})])
def test_head_and_full_train_what_they_say(tiny, regime, learns):
    model = measure.prepare(tiny(heads.PooledClassifier, pooling="mean"), regime)
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == learns


def test_the_adapter_leaves_the_encoder_alone(tiny):
    adapted = measure.prepare(tiny(heads.PooledClassifier, pooling="mean"), "lora")
    trained = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert all("lora_" in name or "classifier" in name for name in trained)
    assert sum("lora_" in name for name in trained) == 8  # A and B of query and value in two layers
    assert isinstance(models.body(adapted.merge_and_unload()), BertModel)


def queries(body, setting):
    """An ability that is the size of the first queries' weights."""
    return {"query": body.encoder.layer[0].attention.self.query.weight.square().sum().item()}


@pytest.mark.parametrize("regime", REGIMES)
def test_a_row_has_the_task_and_what_is_retained(world, monkeypatch, regime):
    monkeypatch.setitem(measure.ABILITIES, world, queries)
    results = measure.measure(Setting(world, regime, 1e-2, 0, "", "", epochs=2))
    assert results["diverged"] is False
    assert 0 <= results["accuracy"] <= 1
    assert (results["retained"] != results["before"]) == (regime != "head")
    assert json.loads(json.dumps(results)) == results


def test_a_run_that_diverges_is_a_row_too(world, monkeypatch):
    monkeypatch.setitem(measure.ABILITIES, world, queries)
    results = measure.measure(Setting(world, "full", 1e30, 0, "", "", epochs=2))
    assert results["diverged"] is True and results["step"] >= 1 and results.keys() == {"diverged", "step"}


def test_what_is_not_a_pocket_bert_has_no_masked_words_to_keep():
    class Half(torch.nn.Module):
        def state_dict(self):
            return {k: v for k, v in models.load("pocket").state_dict().items() if "layer.0" not in k}

    with pytest.raises(ValueError, match=r"lacks encoder\.layer\.0"):
        measure.masked_words(Half(), Setting("pocket", "full", 1e-3, 0, "", ""))


def test_options_choose_a_part_and_a_diverged_run_counts_as_wrong(tmp_path, monkeypatch):
    def measured(setting):
        if setting.learning_rate > 1e-3:
            return {"diverged": True, "step": 3}
        scores = {"retained": {"spearman": 0.5}, "before": {"spearman": 0.8}}
        return {"diverged": False, "accuracy": setting.seed / 10, **scores}

    monkeypatch.setattr(measure, "measure", measured)
    chosen = ["--encoders", "minilm", "--regimes", "head", "--rates", "1e-4", "1e-2", "--seeds", "1", "2", "9"]
    command.main([*chosen, "--output", str(tmp_path / "rows.json")])
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert len(rows) == 6
    table = report.table(rows)
    low, high = (table.loc["minilm", "head", rate] for rate in (1e-4, 1e-2))
    assert low["accuracy"].mean == pytest.approx(0.4) and low["diverged"] == 0
    assert low["ability"].mean == 0.5 and low["ability before"] == 0.8
    assert high["accuracy"].mean == 0 and high["diverged"] == 3 and math.isnan(high["ability"])
    low, high = report.by_rate(rows).to_dict("records")
    assert (low["learned"], low["kept"], low["seeds"]) == pytest.approx((0.4, 0.625, 3))
    assert high["learned"] == 0 and math.isnan(high["kept"])
    drawn = []
    report.picture(rows, then=lambda figure, alt: drawn.append(figure))
    assert [axes.get_title("left") for axes in drawn[0].axes[:1]] == ["minilm"]
