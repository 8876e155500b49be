from __future__ import annotations

from experiments.kit import drawing
from helpers import data
from tests.experiments.conftest import LABELS


def test_rows_are_numbered_by_the_names_that_are_given(sets):
    known = [LABELS[4], LABELS[0], LABELS[8]]
    rows = drawing.of_labels(sets["intents"]["train"], known[1:], known, per_class=2)
    assert data.labels(rows) == known
    assert rows["label"][:] == [1, 1, 2, 2]
    assert [text.rsplit(" ", 1)[0] for text in rows["text"]] == [LABELS[0]] * 2 + [LABELS[8]] * 2
    assert len(drawing.of_labels(sets["intents"]["train"], known[:1], known)) == 5


def test_every_class_gets_its_rows_and_the_seed_decides_which(sets):
    rows = sets["intents"]["train"]
    drawn = drawing.some(rows, 2, seed=0)
    assert sorted(drawn["label"]) == sorted(list(range(10)) * 2)
    assert drawn["text"][:] == drawing.some(rows, 2, seed=0)["text"][:]
    assert drawn["text"][:] != drawing.some(rows, 2, seed=1)["text"][:]
    assert len(drawing.some(rows, 99, seed=0)) == len(rows)
