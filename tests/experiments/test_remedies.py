"""Remedies over five tasks, on the small world."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from experiments.kit.drawing import of_labels
from experiments.remedies import __main__ as command
from experiments.remedies import measure, remedy, report
from experiments.remedies.learner import Learner
from experiments.remedies.setting import STRENGTHS, Setting, grid
from helpers import heads, models
from tests.experiments.conftest import LABELS

# The tiny encoder has two layers.
SMALLER = {"frozen layers": 1}


@pytest.fixture
def small(world):
    """The setting of a remedy in a small case."""
    measure.load.cache_clear()

    def setting(name, strength, seed=0):
        case = {"data": "intents", "encoder": world, "per_class": 4, "epochs": 2, "memory": 2}
        return Setting(name, strength, seed, "test", **case)

    yield setting
    measure.load.cache_clear()


def test_tasks_share_out_every_label_but_the_one_out_of_scope(small):
    dealt = measure.tasks("intents", 3, 5)
    assert [len(task) for task in dealt] == [2, 2, 2, 2, 1]
    assert sorted(label for task in dealt for label in task) == sorted(LABELS)
    assert dealt == measure.tasks("intents", 3, 5) != measure.tasks("intents", 4, 5)


def test_every_remedy_has_strengths_and_the_other_way_round():
    assert list(remedy.REMEDIES) == list(STRENGTHS)


@pytest.mark.parametrize("name", STRENGTHS)
def test_every_remedy_goes_through_the_sequence(small, name):
    found = measure.measure(small(name, SMALLER.get(name, STRENGTHS[name][-1])))
    json.dumps(found)
    assert len(found["seconds"]) == 5
    for scenario in ("class_incremental", "task_incremental"):
        matrix = np.array(found[scenario]["matrix"])
        assert matrix.shape == (5, 5)
        assert (matrix[np.triu_indices(5, 1)] == 0).all()
    told, among_all = (np.array(found[name]["matrix"]) for name in ("task_incremental", "class_incremental"))
    assert (told >= among_all).all()
    assert told[4, 4] == 1  # the last task has one label


def learned(setting):
    """A classifier of two labels before and after it has learned three more with the remedy of a setting."""
    split, known = measure.load("intents")["train"], LABELS[:5]
    torch.manual_seed(0)
    first = models.load(setting.encoder, head=heads.PooledClassifier, labels=LABELS[:2])
    before = {name: value.clone() for name, value in first.state_dict().items()}
    learner = Learner(first, setting)
    learner.remember(of_labels(split, LABELS[:2], LABELS[:2]))
    learner.learn(of_labels(split, LABELS[2:5], known), LABELS[2:5])
    return before, learner.model


def test_the_head_grows_and_lora_leaves_a_plain_model(small):
    _, model = learned(small("LoRA", 2.0))
    assert type(model) is heads.PooledClassifier
    assert model.classifier.weight.shape == (5, 16)
    assert list(model.config.id2label.values()) == LABELS[:5]
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "strength", "stays"),
    [("none", 0.0, ()), ("frozen layers", 1, ("embeddings", "layer.0")), ("frozen layers", 2, ("embeddings", "layer"))],
)
def test_frozen_layers_stay_and_everything_else_learns(small, name, strength, stays):
    before, model = learned(small(name, strength))
    after = model.state_dict()
    for key, value in before.items():
        if key.startswith("bert.") and "pooler" not in key and "position_ids" not in key and "key.bias" not in key:
            same = torch.equal(value, after[key])
            if any(part in key for part in stays):
                assert same, key
            elif key.endswith("weight"):
                assert not same, key


def test_remedies_differ_and_repeat(small):
    def once(name, strength):
        return measure.measure(small(name, strength))["class_incremental"]

    assert once("none", 0.0) == once("none", 0.0) == once("L2-SP", 0.0) == once("EWC", 0.0)
    assert once("all at once", 0.0)["matrix"] != once("none", 0.0)["matrix"]


def test_no_remedy_changes_the_first_task_and_its_seconds_are_counted(small):
    setting = small("none", 0.0)
    first, seconds = measure.first_task(setting)
    before = {name: value.clone() for name, value in first.state_dict().items()}
    found = measure.measure(setting)
    assert measure.first_task(small("LoRA", 2.0))[0] is first
    assert found["seconds"][0] >= round(seconds, 2) - 0.01
    after = first.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_best_strength_of_the_validation_split_is_tested(tmp_path, monkeypatch):
    def measured(setting):
        score = {"L2-SP": -abs(setting.strength - 10.0)}.get(setting.remedy, 0.0) + 0.9
        scenario = {"average_accuracy": score, "forgetting": 0.25, "matrix": [[score, 0.0], [score, setting.seed / 2]]}
        return {"class_incremental": scenario, "task_incremental": scenario}

    monkeypatch.setattr(command, "measure", measured)
    path = tmp_path / "remedies.json"
    words = ["--remedies", "L2-SP", "none", "--seeds", "0", "1", "--output", str(path)]
    command.main(words)
    settings = [row["settings"] for row in json.loads(path.read_text(encoding="utf-8"))]
    assert [row["strength"] for row in settings if row["split"] == "validation"] == [0.1, 1.0, 10.0]
    tested = [(row["remedy"], row["strength"], row["seed"]) for row in settings if row["split"] == "test"]
    assert tested == [("L2-SP", 10.0, 0), ("none", 0.0, 0), ("L2-SP", 10.0, 1), ("none", 0.0, 1)]
    command.main(words)
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert len(rows) == 7  # what has no strength is not tuned
    table = report.table(rows)
    assert list(table.index) == [("none", 0.0), ("L2-SP", 10.0)]
    assert table["forgetting, class-incremental"].iloc[0] == (0.25, 0, 0.25, 0.25, 2)
    drawn = []
    report.picture(rows, then=lambda figure, alt: drawn.append(figure))
    assert [line.get_label() for line in drawn[0].axes[0].get_lines()] == ["none", "L2-SP"]
    assert list(drawn[0].axes[0].get_lines()[0].get_ydata()) == [0, 0.5]


def test_unknown_remedies_are_refused():
    with pytest.raises(ValueError, match="Unknown remedy 'prayer'"):
        grid(["prayer"], [0], "test")
    with pytest.raises(ValueError, match="Did you mean 'replay'"):
        remedy.make(Setting("repaly", 1.0, 0, "test"))
    with pytest.raises(SystemExit, match="Unknown remedy 'prayer'"):
        command.main(["--remedies", "prayer"])
