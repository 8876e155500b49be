"""The five-task experiment, on a tiny scale."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict

from experiments import remedies
from helpers import heads
from tests.conftest import COLOURS, FRUITS, VERBS

LABELS = [f"{colour} {fruit}" for colour in COLOURS for fruit in FRUITS]


@pytest.fixture
def small(monkeypatch, tmp_path, tiny, tokenizer):
    """Nine labels and one that is out of scope, in five tasks; a tiny random BERT; its own result file."""
    names = [*LABELS, "oos"]
    rows = [
        {"text": f"{label} {verb}", "label": i} for i, label in enumerate(names) for verb in (*VERBS, "soon", "late")
    ]
    split = Dataset.from_list(rows).cast_column("label", ClassLabel(names=names))

    def build(name, head, labels, **config):
        names = dict(enumerate(labels))
        return tiny(head, id2label=names, label2id={name: i for i, name in names.items()}, **config)

    monkeypatch.setenv("HELPERS_PRECISION", "fp32")
    monkeypatch.setattr(remedies, "load", lambda name: DatasetDict(train=split, validation=split, test=split))
    monkeypatch.setattr(remedies.models, "load", build)
    monkeypatch.setattr(remedies.models, "tokenizer", lambda name: tokenizer)
    monkeypatch.setattr(remedies, "EPOCHS", 2)
    monkeypatch.setattr(remedies, "MEMORY", 2)
    monkeypatch.setitem(remedies.STRENGTHS, "frozen layers", (1, 2))
    monkeypatch.setattr(remedies, "ROWS", tmp_path / "remedies.json")
    remedies.first_task.cache_clear()
    yield tmp_path / "remedies.json"
    remedies.first_task.cache_clear()


def test_tasks_share_out_every_label_but_the_one_out_of_scope(small):
    dealt = remedies.tasks("any", seed=3)
    assert [len(task) for task in dealt] == [2, 2, 2, 2, 1]
    assert sorted(label for task in dealt for label in task) == sorted(LABELS)
    assert dealt == remedies.tasks("any", seed=3) != remedies.tasks("any", seed=4)


def test_rows_are_numbered_by_the_labels_known_so_far(small):
    split = remedies.load("any")["train"]
    known = [LABELS[4], LABELS[0], LABELS[8]]
    rows = remedies.rows_of(split, known[1:], known, per_class=2)
    assert rows["label"][:] == [1, 1, 2, 2]
    assert [text.rsplit(" ", 1)[0] for text in rows["text"]] == [LABELS[0]] * 2 + [LABELS[8]] * 2


@pytest.mark.parametrize("remedy", remedies.STRENGTHS)
def test_every_remedy_goes_through_the_sequence(small, remedy):
    strength = remedies.STRENGTHS[remedy][-1]
    found = remedies.measure("any", "tiny", remedy, strength, seed=0, split="test", per_class=4)
    json.dumps(found)
    assert len(found["seconds"]) == 5
    for scenario in ("class_incremental", "task_incremental"):
        matrix = np.array(found[scenario]["matrix"])
        assert matrix.shape == (5, 5)
        assert (matrix[np.triu_indices(5, 1)] == 0).all()
    told, open_ = (np.array(found[name]["matrix"]) for name in ("task_incremental", "class_incremental"))
    assert (told >= open_).all()
    assert told[4, 4] == 1  # the last task has one label


def test_the_head_grows_and_lora_leaves_a_plain_model(small):
    split, known = remedies.load("any")["train"], LABELS[:5]
    first = remedies.models.load("tiny", head=heads.PooledClassifier, labels=LABELS[:2])
    learner = remedies.Learner(first, "tiny", "LoRA", 2.0, 0)
    learner.learn(remedies.rows_of(split, LABELS[2:5], known), LABELS[2:5])
    assert type(learner.model) is heads.PooledClassifier
    assert learner.model.classifier.weight.shape == (5, 16)
    assert list(learner.model.config.id2label.values()) == known
    assert all(parameter.requires_grad for parameter in learner.model.parameters())


def test_remedies_differ_and_repeat(small):
    def once(remedy, strength):
        return remedies.measure("any", "tiny", remedy, strength, 0, "test", None)["class_incremental"]

    assert once("none", 0.0) == once("none", 0.0) == once("L2-SP", 0.0) == once("EWC", 0.0)
    assert once("all at once", 0.0)["matrix"] != once("none", 0.0)["matrix"]


def test_the_first_task_is_learned_once_and_no_remedy_changes_it(small, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(remedies, "clock", lambda: next(ticks))
    first, seconds = remedies.first_task("any", "tiny", 0, 4)
    before = {name: value.clone() for name, value in first.state_dict().items()}
    found = remedies.measure("any", "tiny", "none", 0.0, 0, "test", 4)
    assert remedies.first_task("any", "tiny", 0, 4)[0] is first
    assert found["seconds"][0] == seconds + 1  # a tick to remember it
    after = first.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_best_strength_of_the_validation_split_is_tested(small, monkeypatch):
    def measure(data, model, remedy, strength, seed, split, per_class):
        score = {"L2-SP": -abs(strength - 10.0)}.get(remedy, 0.0) + 0.9
        scenario = {"average_accuracy": score, "forgetting": 0.25, "matrix": [[score, 0.0], [score, seed / 2]]}
        return {"class_incremental": scenario, "task_incremental": scenario}

    monkeypatch.setattr(remedies, "measure", measure)
    remedies.main(["--remedies", "L2-SP", "none", "--seeds", "0", "1"])
    rows = [row["settings"] for row in json.loads(small.read_text())]
    assert [row["strength"] for row in rows if row["split"] == "validation"] == [0.1, 1.0, 10.0]
    tested = [(row["remedy"], row["strength"], row["seed"]) for row in rows if row["split"] == "test"]
    assert tested == [("L2-SP", 10.0, 0), ("none", 0.0, 0), ("L2-SP", 10.0, 1), ("none", 0.0, 1)]
    remedies.main(["--remedies", "L2-SP", "none", "--seeds", "0", "1"])
    rows = json.loads(small.read_text())
    assert len(rows) == 7  # what has no strength is not tuned
    table = remedies.table(rows)
    assert list(table.index) == [("none", 0.0), ("L2-SP", 10.0)]
    assert table["forgetting, class-incremental"].iloc[0] == (0.25, 0, 0.25, 0.25, 2)
    drawn = []
    remedies.picture(rows, then=lambda figure, alt: drawn.append(figure))
    assert [line.get_label() for line in drawn[0].axes[0].get_lines()] == ["none", "L2-SP"]
    assert list(drawn[0].axes[0].get_lines()[0].get_ydata()) == [0, 0.5]


def test_unknown_remedies_are_refused(small):
    with pytest.raises(ValueError, match="Unknown remedy 'prayer'"):
        remedies.settings("any", "tiny", ["prayer"], [0], "test", None)
    with pytest.raises(ValueError, match="Did you mean 'replay'"):
        remedies.Learner(None, "tiny", "repaly", 1.0, 0)
