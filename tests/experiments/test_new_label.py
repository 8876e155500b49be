"""The experiment on a tiny random BERT: every remedy runs, does what its settings say, and is measured right."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertModel

from experiments import new_label, runner
from helpers import data

SMALL = {"data_set": "intents", "old_labels": 4, "examples": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("new_label")


@pytest.fixture
def measured(tiny, tokenizer, folder, monkeypatch):
    """Measure a remedy by name, with changed settings, in two passes; the old classifier is trained once."""
    monkeypatch.setitem(new_label.OLD, "epochs", 1)
    model = folder / "tiny"
    if not model.exists():
        tiny(BertModel).save_pretrained(model)
        tokenizer.save_pretrained(model)
    remedies = {settings["remedy"]: settings for settings in new_label.REMEDIES}

    def measure(name, **changes):
        settings = remedies[name] | {"epochs": min(2, remedies[name]["epochs"])} | changes
        return new_label.measure(seed=0, model=str(model), **SMALL, **settings, cache=folder / "cache")

    return measure


def test_every_remedy_runs_and_names_differ(measured):
    names = [settings["remedy"] for settings in new_label.REMEDIES]
    assert len(set(names)) == len(names)
    for name in names:
        found = measured(name)
        assert 0 <= found["harmonic_mean"] <= 1 + 1e-9, name
        assert found["old"] <= found["old_among_old"], name
        assert found["old"] + found["claimed"] <= 1 + 1e-9, name


def test_before_training_the_mean_changes_nothing(measured):
    found = measured("before training, mean")
    assert found["old"] == found["old_among_old"] == found["before"]
    assert (found["new"], found["claimed"]) == (0, 0)


def test_new_row_only_moves_no_old_row(measured, monkeypatch):
    seen = []
    monkeypatch.setattr(
        new_label, "copy", SimpleNamespace(deepcopy=lambda model: seen.append(copy.deepcopy(model)) or seen[-1])
    )
    measured("new row only", rate=0.1)
    trained = seen[-1].classifier
    measured("before training, mean")
    untouched = seen[-1].classifier
    for one, other in zip(trained.parameters(), untouched.parameters(), strict=True):
        assert torch.equal(one[:4], other[:4])
        assert not torch.equal(one[4], other[4])


def test_the_old_classifier_is_trained_once(measured, monkeypatch):
    first = measured("plain")
    new_label.case.cache_clear()
    monkeypatch.setattr(new_label.training, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert measured("before training, mean")["before"] == first["before"]


def test_labels_that_are_no_intents_are_left_out(measured, folder, monkeypatch):
    measured("before training, mean")
    monkeypatch.setattr(new_label, "NOT_AN_INTENT", tuple(data.labels(data.load("intents")["train"])[:20]))
    with pytest.raises(ValueError, match="intents has 4 labels; 4 old ones and a new one need more"):
        new_label.case(1, str(folder / "tiny"), **SMALL, split="test", cache=folder / "cache")


def test_rows_are_numbered_by_name():
    splits = data.load("intents")
    names = ["find_hotel", "book_flight"]
    found = new_label.rows(splits["test"], ["find_hotel"], names)
    assert data.labels(found) == names
    assert set(found["label"][:]) == {0}
    assert set(found["text"][:]) == {
        row["text"] for row in splits["test"] if data.labels(splits["test"])[row["label"]] == "find_hotel"
    }


class Grown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(2, 3)
        self.classifier.weight.data = torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 10.0]])
        self.classifier.bias.data = torch.tensor([0.0, 0.0, 7.0])


def test_corrections_by_hand():
    model = Grown()
    new_label.align_rows(model)
    assert model.classifier.weight.tolist() == [[3.0, 4.0], [0.0, 1.0], [0.0, 3.0]]  # norms 5 and 1, mean 3
    # Twenty sentences, of which the new label leads 19 by 1 … 19: one in twenty may stay.
    logits = np.array([[0.0, -1.0, lead] for lead in range(20)])
    new_label.shift(model, logits)
    assert model.classifier.bias[2].item() == pytest.approx(7 - np.quantile(np.arange(20), 0.95))
    before = model.classifier.bias.clone()
    new_label.shift(model, np.array([[0.0, -1.0, -3.0]]))  # nothing is claimed, nothing to correct
    assert torch.equal(model.classifier.bias, before)


def test_rows_survive_in_the_format_of_the_runner(measured, tmp_path):
    settings = [{"seed": 0, **new_label.CASE, **remedy, "split": "test"} for remedy in new_label.REMEDIES]
    rows = runner.run(tmp_path / "rows.json", settings[:1], lambda **_: {"old": 1.0})
    assert rows[0]["settings"] == settings[0]


def test_the_table_has_a_line_a_remedy_and_the_picture_a_point_a_draw():
    def row(remedy, seed, old, new):
        results = {"old": old, "new": new, "harmonic_mean": 0.5, "claimed": 0.1}
        return {"settings": {"remedy": remedy, "seed": seed}, "results": results, "minutes": 2.0}

    rows = [row("plain", 0, 0.2, 1.0), row("new row only", 0, 0.8, 0.9), row("plain", 1, 0.4, 0.9), row("odd", 0, 0, 0)]
    table = new_label.table(rows)
    assert table["old"]["plain"].mean == pytest.approx(0.3) and table["old"]["plain"].seeds == 2
    drawn = []
    new_label.picture(rows, then=lambda figure, alt: drawn.append(figure))
    lines = drawn[0].axes[0].get_lines()
    assert [(line.get_label(), len(line.get_xdata())) for line in lines] == [("plain", 2), ("new row only", 1)]
