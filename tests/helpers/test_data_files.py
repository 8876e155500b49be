"""A reader's own files: they become the book's splits, or one line says file, place and way out."""

from __future__ import annotations

import csv
import json
import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import data
from helpers.data.exports import words_of
from helpers.data.splits import cut, same_text

OWN = {"text": "text", "label": "label"}


def write(path, rows, header=("text", "label"), delimiter=",", encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def many(n=30, labels=("good", "bad")):
    return [(f"text number {i}", labels[i % len(labels)]) for i in range(n)]


def everything(splits):
    return {(row["text"], splits.label_names[row["label"]]) for rows in splits.values() for row in rows}


def disjoint(first, second, third):
    return not (first & second or first & third or second & third)


def test_a_csv_becomes_three_splits_with_one_numbering(tmp_path):
    splits = data.read(write(tmp_path / "a.csv", many(), ("review", "mood")), text="review", label="mood")
    assert everything(splits) == set(many())
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 22, "validation": 2, "test": 6}
    assert data.labels(splits["train"]) == data.labels(splits["test"]) == ["bad", "good"]
    with pytest.raises(KeyError, match=r"No split 'dev'. There are: train, validation, test"):
        splits["dev"]


@pytest.mark.parametrize("suffix", ["tsv", "json", "jsonl", "parquet"])
def test_other_formats_give_the_same_rows(tmp_path, suffix):
    rows, path = [{"t": text, "l": label} for text, label in many()], tmp_path / f"a.{suffix}"
    if suffix == "tsv":
        write(path, many(), ("t", "l"), "\t")
    elif suffix == "json":
        path.write_text(json.dumps(rows))
    elif suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        pd.DataFrame(rows).to_parquet(path)
    assert everything(data.read(path, text="t", label="l")) == set(many())


def test_words_that_look_like_gaps_are_classes(tmp_path):
    splits = data.read(write(tmp_path / "a.csv", many(40, ("None", "NA", "nan", "null"))), **OWN)
    assert splits.label_names == ["NA", "None", "nan", "null"]


def test_quoted_newlines_separators_marks_and_numbers_as_classes(tmp_path):
    rows = [(f'line one\nline "{i}", two; é', str(label)) for i, label in enumerate([1, 2, 10] * 8)]
    splits = data.read(write(tmp_path / "a.csv", rows, delimiter=";", encoding="utf-8-sig"), separator=";", **OWN)
    assert splits.label_names == ["1", "2", "10"]
    assert {text for text, _ in everything(splits)} == {text for text, _ in rows}
    windows = write(tmp_path / "b.csv", rows, encoding="cp1252")
    with pytest.raises(ValueError, match=r"b.csv, line 3: byte 0xe9 is not utf-8.*encoding='cp1252'"):
        data.read(windows, **OWN)
    assert everything(data.read(windows, encoding="cp1252", **OWN)) == everything(splits)


def test_a_class_that_one_file_lacks_does_not_move_the_numbers(tmp_path):
    """`class_encode_column` numbers each split for itself: test accuracy 0.0 beside training accuracy 1.0."""
    train = write(tmp_path / "train.csv", many(30, ("a", "b", "c")))
    test = write(tmp_path / "test.csv", [(f"other {i}", "bc"[i % 2]) for i in range(10)])
    splits = data.read({"train": train, "test": test}, **OWN)
    assert data.labels(splits["train"]) == data.labels(splits["test"]) == ["a", "b", "c"]
    assert set(splits["test"]["label"][:]) == {1, 2}
    assert (len(splits["test"]), len(splits["train"]) + len(splits["validation"])) == (10, 30)


def test_blank_rows_are_refused_or_dropped_with_their_places(tmp_path):
    file = write(tmp_path / "a.csv", [*many(), ("no label", " "), ("", "good")])
    with pytest.raises(ValueError, match=r"2 of 32 rows have no text or no label, first .*line 32.*blank='drop'"):
        data.read(file, **OWN)
    splits = data.read(file, blank="drop", **OWN)
    assert [place.rpartition(" ")[2] for place in splits.left_out] == ["32", "33"]
    assert everything(splits) == set(many())


def test_equal_texts_and_groups_stay_together(tmp_path):
    texts = [f"Text {i // 2}" if i % 2 else f"text  {i // 2}" for i in range(100)]
    rows = [(text, "ab"[i // 2 % 2], f"person {i // 10}") for i, text in enumerate(texts)]
    splits = data.read(write(tmp_path / "a.csv", rows, ("text", "label", "who")), group="who", **OWN)
    for column, form in (("group", str), ("text", same_text)):
        assert disjoint(*({form(value) for value in rows[column][:]} for rows in splits.values()))
    assert min(len(rows) for rows in splits.values()) > 0


def test_numbers_and_several_labels_have_the_types_of_the_book(tmp_path):
    numbers = write(tmp_path / "n.csv", [(f"red {i}", str(i / 2)) for i in range(20)])
    assert data.read(numbers, kind="number", **OWN)["train"].features["label"].dtype == "float32"
    several = write(tmp_path / "s.csv", [(f"red {i}", ["a;b", "b", "c"][i % 3]) for i in range(30)])
    splits = data.read(several, kind="classes", label_separator=";", **OWN)
    assert splits.label_names == ["a", "b", "c"]
    assert sorted({tuple(label) for label in splits["train"]["label"][:]}) == [(0, 0, 1), (0, 1, 0), (1, 1, 0)]


def test_word_labels_from_conll_and_from_spans(tmp_path):
    conll = tmp_path / "a.conll"
    conll.write_text("\n\n".join(f"-DOCSTART- O\n\nred{i} NN B-per\napple NN I-per\nruns VB O" for i in range(12)))
    splits = data.read(conll)
    assert splits.label_names == ["O", "B-per", "I-per"]
    assert splits["train"]["ner_tags"][0] == [1, 2, 0]
    doccano = tmp_path / "d.jsonl"
    marked = [{"text": f"Ann{i} saw Bob.", "label": [[0, 3 + len(str(i)), "PER"]]} for i in range(12)]
    doccano.write_text("\n".join(map(json.dumps, marked)))
    splits = data.read(doccano, text="text", spans="label")
    assert splits["train"]["tokens"][0][1:] == ["saw", "Bob", "."]
    assert splits["train"]["ner_tags"][0] == [1, 0, 0, 0]


def test_questions_and_choices(tmp_path):
    answers = [{"text": "Ann", "answer_start": 0}]
    paragraphs = [
        {"context": f"Ann {i} saw Bob.", "qas": [{"id": f"{i}", "question": "Who?", "answers": answers}]}
        for i in range(12)
    ]
    squad = tmp_path / "q.json"
    squad.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    assert data.read(squad)["train"]["answers"][0] == {"text": ["Ann"], "answer_start": [0]}
    rows = [(f"prompt {i}", "one", "two", "AB"[i % 2]) for i in range(12)]
    choices = write(tmp_path / "c.csv", rows, ("p", "a", "b", "right"))
    splits = data.read(choices, prompt="p", choices=["a", "b"], label="right")
    assert set(splits["train"]["label"][:]) == {0, 1}
    assert splits["train"]["choices"][0] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "spans", "words", "tags"),
    [
        ("Ann saw Bob.", [(0, 3, "P"), (8, 11, "P")], ["Ann", "saw", "Bob", "."], ["B-P", "O", "B-P", "O"]),
        ("New York's end", [(0, 8, "L")], ["New", "York", "'", "s", "end"], ["B-L", "I-L", "O", "O", "O"]),
        ("", [], [], []),
    ],
)
def test_spans_of_characters_become_tags_of_words(text, spans, words, tags):
    assert words_of(text, spans, "here") == (words, tags)


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 5, "A"), (3, 8, "B")], "the spans A and B overlap at character 3"),
        ([(0, 99, "A")], "lies outside of the 12 characters"),
        ([(3, 4, "A")], "holds no word"),
        ([(5, 5, "A")], "lies outside"),
    ],
)
def test_spans_that_cannot_be_tags_are_refused(spans, message):
    with pytest.raises(ValueError, match=f"here: .*{message}"):
        words_of("Ann saw Bob.", spans, "here")


TABLE = "text,label\n" + "\n".join(f"text {i},{'ab'[i % 2]}" for i in range(10))
REFUSED = [
    ("a.csv", TABLE, OWN | {"text": "txt"}, r"no column 'txt'. Did you mean 'text'\? There are: text, label"),
    ("a.csv", TABLE, {}, r"Say which column holds what.* has the columns: text, label"),
    ("a.csv", TABLE, {"txt": "text"}, "Unknown column 'txt'. Did you mean 'text'"),
    ("a.csv", TABLE, OWN | {"kind": "clas"}, "Unknown kind of label 'clas'"),
    ("a.csv", TABLE, OWN | {"kind": "number"}, "line 2: label 'a' is no number"),
    ("a.csv", TABLE, OWN | {"kind": "classes"}, "Say what joins the names"),
    ("a.csv", TABLE, OWN | {"encoding": "uft8"}, "Unknown encoding 'uft8'"),
    ("a.csv", TABLE, OWN | {"seed": 0.5}, "seed must be a whole number"),
    ("a.csv", TABLE + "\none,two,three", OWN, "line 12: 3 values for 2 columns"),
    ("a.csv", TABLE + '\n"open,two', OWN, "quotation mark not closed"),
    ("a.csv", TABLE.replace(",", ";"), OWN, "separator=';'"),
    ("a.csv", "text,text\na,b", {"text": "text"}, "two columns called 'text'"),
    ("a.csv", "text,label\n", OWN, "has no rows"),
    ("a.csv", "", OWN, "has no rows"),
    ("a.csv", "text,label\na,x\nb,x\nc,x\nd,x", OWN, "All rows have one label, 'x'"),
    ("a.csv", "text,label\na,x\nb,y", OWN, "cannot be cut into"),
    ("a.csv", "text,label\n" + "\n".join(f"t {i},{i}" for i in range(99)), OWN, "For numbers: kind='number'"),
    ("a.xlsx", "x", {"text": "text"}, "unknown kind. Known: .csv"),
    ("a.jsonl", '{"text": "a"}\n{"text"', {"text": "text"}, "line 2: no JSON"),
    ("a.jsonl", '["a"]\n["b"]', {"text": "text"}, "a row must be an object"),
    ("a.jsonl", '{"text": 3, "label": "a"}\n{"text": 4, "label": "b"}', OWN, "text is 3, which is no text"),
    ("a.conll", "word O\nalone\n", {}, "line 2: 'alone' has no tag"),
    ("a.conll", "\n\n", {}, "has no sentence"),
    ("a.jsonl", '{"text": "ab", "s": [[0, 1]]}', {"text": "text", "spans": "s"}, "neither .start, end, label. nor"),
]


@pytest.mark.parametrize(("name", "content", "options", "message"), REFUSED)
def test_what_cannot_be_read_is_named_in_one_line(tmp_path, name, content, options, message):
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        data.read(file, **options)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    write(tmp_path / "data.csv", many())
    with pytest.raises(OSError, match=r"There is no file .*date.csv. There are: data.csv"):
        data.read(tmp_path / "date.csv", **OWN)
    with pytest.raises(ValueError, match="is a folder"):
        data.read(tmp_path, **OWN)
    with pytest.raises(ValueError, match=r"is a file of your own: read it with data.read\("):
        data.load("my.csv")
    with pytest.raises(ValueError, match="Unknown split 'dev'"):
        data.read({"dev": tmp_path / "data.csv"}, **OWN)


letters = st.characters(
    codec="utf-8", exclude_characters="\0\r\x0b\x0c\x1c\x1d\x1e\x85", exclude_categories=("Cs", "Zl", "Zp")
)
words = st.text(letters, min_size=1).filter(str.strip)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(words, min_size=12, max_size=30, unique_by=same_text), seed=st.integers(0, 99))
def test_any_text_comes_back(tmp_path_factory, texts, seed):
    rows = [(text, f"class {i % 2}") for i, text in enumerate(texts)]
    splits = data.read(write(tmp_path_factory.mktemp("any") / "a.csv", rows), seed=seed, **OWN)
    assert sorted(text for part in splits.values() for text in part["text"][:]) == sorted(texts)


@settings(max_examples=50, deadline=None)
@given(
    groups=st.lists(st.integers(0, 12), min_size=30, max_size=80).filter(lambda groups: len(set(groups)) > 2),
    seed=st.integers(0, 99),
    classes=st.integers(1, 4),
)
def test_no_group_is_divided_and_no_row_is_lost(groups, seed, classes):
    rows = range(len(groups))
    found = cut([f"text {i}" for i in rows], [i % classes for i in rows], groups, seed=seed)
    assert sorted(row for part in found.values() for row in part) == list(rows)
    assert disjoint(*({groups[row] for row in part} for part in found.values()))


def test_the_cut_is_stratified_and_does_not_depend_on_the_order():
    texts = [f"text {i}" for i in range(200)]
    classes = ["rare" if i % 10 == 0 else "common" for i in range(200)]
    found = cut(texts, classes)
    rare = {split: sum(classes[row] == "rare" for row in rows) for split, rows in found.items()}
    assert rare == {"train": 14, "validation": 2, "test": 4}
    order = random.Random(0).sample(range(200), 200)
    shuffled = cut([texts[i] for i in order], [classes[i] for i in order])
    for split, rows in found.items():
        assert {order[row] for row in shuffled[split]} == set(rows)
