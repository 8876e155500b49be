"""The look at a data set before any training: each fault is found, and clean data are called clean."""

from __future__ import annotations

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from helpers import data

NAMES = ["good", "bad", "Good "]
TYPES = Features(text=Value("string"), label=ClassLabel(names=NAMES))
CLEAN = [("red apple", 0), ("green pear", 1), ("the apple", 0), ("a pear", 1)]
OTHER = [("red pear", 0), ("green apple", 1)]


def split(rows):
    return Dataset.from_dict({"text": [text for text, _ in rows], "label": [label for _, label in rows]}, TYPES)


def splits(train, test):
    return DatasetDict(train=split(train), test=split(test))


def test_clean_rows_are_called_clean(tokenizer):
    report = data.check(splits(CLEAN, OTHER), tokenizer)
    assert report.problems == []
    assert "Nothing looks wrong." in str(report)
    assert report.facts["rows"] == {"train": 4, "test": 2}


@pytest.mark.parametrize(
    ("train", "test", "fact", "value", "words"),
    [
        ([*CLEAN, CLEAN[0]], OTHER, "within", {"train": 1, "test": 0}, "1 texts stand in their split more than once"),
        (CLEAN, [*OTHER, ("Red  Apple", 0)], "across", {"train and test": 1}, "stand in train and test"),
        ([*CLEAN, ("red apple", 1)], OTHER, "contradictions", 1, "have more than one label, such as 'red apple'"),
        (CLEAN, [("x", 0)], "missing", {"test": ["bad"]}, "test has no row of 'bad'; they are not measured"),
        ([("x", 0), ("y", 0)], OTHER, "missing", {"train": ["bad"]}, "they cannot be learned"),
        ([*CLEAN, ("z", 2)], [*OTHER, ("w", 2)], "alike", [["Good ", "good"]], "differ by case or blanks only"),
        ([*CLEAN, (" ", 0)], OTHER, "empty", {"train": 1, "test": 0}, "1 texts are empty"),
        ([*[(f"t {i}", 0) for i in range(10)], ("u", 1)], OTHER, "imbalance", 10.0, "accuracy will say little"),
    ],
)
def test_each_fault_is_found_and_says_what_to_do(train, test, fact, value, words):
    report = data.check(splits(train, test))
    assert report.facts[fact] == value
    assert any(words in problem for problem in report.problems), report.problems


def test_unknown_pieces_and_texts_that_lose_their_end(tokenizer):
    report = data.check(splits([("zzz qqq", 0), ("red " * 50, 1)], OTHER), tokenizer, max_length=16)
    assert report.facts["unknown"]["train"] == pytest.approx(2 / 52)
    assert report.facts["cut_off"] == {"train": 0.5, "test": 0.0}
    assert sum("[UNK]" in problem or "lose their end" in problem for problem in report.problems) == 2


@pytest.mark.parametrize("name", ["intents", "entities", "paraphrases", "choices", "reviews:stars"])
def test_the_books_own_sets_have_no_text_in_two_splits(name):
    across = data.check(data.load(name)).facts["across"]
    assert len(across) == 3
    assert sum(across.values()) == 0


@pytest.mark.parametrize("wrong", [None, [], split(CLEAN), {"train": "text"}])
def test_what_are_no_splits_is_refused(wrong):
    with pytest.raises(ValueError, match="split"):
        data.check(wrong)
