"""Old rows among the new ones: which, how many, and what is refused."""

from __future__ import annotations

import pytest
from datasets import ClassLabel, Dataset

from helpers import forgetting


def rows(labels, names, text="red apple"):
    return Dataset.from_dict({"text": [f"{text} {i}" for i in range(len(labels))], "label": labels}).cast_column(
        "label", ClassLabel(names=names)
    )


def test_replay_adds_so_many_rows_of_every_old_class():
    old, new = rows([0, 1] * 10, ["no", "yes"], "old"), rows([2] * 5, ["no", "yes", "maybe"], "new")
    mixed = forgetting.replay(new, old, per_class=3)
    assert mixed["text"][:5] == new["text"][:]
    assert sorted(mixed["label"][5:]) == [0, 0, 0, 1, 1, 1]
    assert all(text.startswith("old") for text in mixed["text"][5:])
    assert len(set(mixed["text"][5:])) == 6
    assert mixed.features == new.features


def test_replay_depends_on_its_seed_alone():
    old, new = rows([0] * 50, ["no"]), rows([0], ["no"])
    one, same, other = (forgetting.replay(new, old, 5, seed)["text"][:] for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(
    ("new", "old", "per_class", "message"),
    [
        (rows([0], ["no"]), rows([0], ["no"]), -1, "at least 0"),
        (rows([0], ["no"]), rows([0], ["no"]), 2, "Class 'no' has 1 rows"),
        (rows([0], ["yes", "no"]), rows([0], ["no"]), 1, "must begin"),
        (rows([0], ["no"]), rows([0], ["no"]).remove_columns("label"), 1, "same columns"),
    ],
)
def test_bad_replay_is_refused(new, old, per_class, message):
    with pytest.raises(ValueError, match=message):
        forgetting.replay(new, old, per_class)


@pytest.mark.parametrize("value", [-1, 0.5, True, "2", float("nan")])
def test_replay_takes_a_whole_number_of_rows(colours, value):
    with pytest.raises(ValueError, match="per_class must be a whole number"):
        forgetting.replay(colours, colours, value)
