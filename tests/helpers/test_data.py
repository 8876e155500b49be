from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from sklearn.feature_extraction.text import TfidfVectorizer

from helpers import data
from helpers.data import hub

WRITTEN = [name for name in data.VIEWS if ":" not in name]


def rows_of(name: str) -> list[dict]:
    return [row | {"split": split} for split, rows in data.load(name).items() for row in rows]


def text_of(row: dict) -> str:
    """Everything of a row that a reader would call its text; a passage's question stands for the passage."""
    if "tokens" in row:
        return " ".join(row["tokens"])
    parts = [row[c] for c in ("text", "sentence1", "sentence2", "prompt", "question") if c in row]
    return " ".join(parts + row.get("choices", []))


@pytest.mark.parametrize("name", data.VIEWS)
def test_every_set_loads_with_three_splits(name):
    splits = data.load(name)
    assert list(splits) == ["train", "validation", "test"]
    assert all(len(rows) > 0 for rows in splits.values())
    assert list(splits["train"].features) == list(data.VIEWS[name])


@pytest.mark.parametrize(
    ("name", "at_least"),
    [("intents", 960), ("intents_later", 120), ("reviews", 700), ("comments", 800), ("paraphrases", 500),
     ("entities", 400), ("passages", 400), ("choices", 350)],
)  # fmt: skip
def test_sizes(name, at_least):
    assert len(rows_of(name)) >= at_least


@pytest.mark.parametrize("name", WRITTEN)
def test_texts_are_clean_and_no_two_are_alike(name):
    rows = rows_of(name)
    texts = [text_of(row) for row in rows]
    assert all(text == text.strip() and len(text) > 3 for text in texts)
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    similarity = np.triu((vectors @ vectors.T).toarray(), k=1)
    alike = [(texts[i], texts[j]) for i, j in zip(*np.where(similarity > 0.9), strict=True)]
    assert alike == []
    held_out = np.array([row["split"] == "test" for row in rows])
    leaks = (similarity > 0.8) & (held_out[:, None] != held_out[None, :])
    assert [(texts[i], texts[j]) for i, j in zip(*np.where(leaks), strict=True)] == []


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in ("entities", "passages")])
def test_every_class_in_every_split_in_about_the_same_share(name):
    shares = []
    for rows in data.load(name).values():
        counts = Counter(rows["label"][:])
        shares.append({label: count / len(rows) for label, count in counts.items()})
    for split in shares[1:]:
        assert split.keys() == shares[0].keys()
        assert all(abs(share - shares[0][label]) < 0.05 for label, share in split.items())


def test_intents_have_their_forty_and_their_groups():
    counts = {split: Counter(rows["label"][:]) for split, rows in data.load("intents").items()}
    assert [set(counts[split].values()) for split in data.SPLITS] == [{24}, {6}, {10}]
    groups = data.groups("intents")
    assert sorted(name for members in groups.values() for name in members) == data.labels(data.load("intents")["train"])
    assert {len(members) for members in groups.values()} == {6}
    assert not set(data.labels(data.load("intents_later")["train"])) & set(data.labels(data.load("intents")["train"]))


def test_comments_are_imbalanced_one_to_eight():
    labels = np.array(data.load("comments")["train"]["label"][:])
    assert (labels == 0).sum() / (labels == 1).sum() == pytest.approx(8, rel=0.1)


def test_stars_and_sentiment_agree():
    sentiment, stars = data.load("reviews"), data.load("reviews:stars")
    for split in data.SPLITS:
        assert sentiment[split]["text"][:] == stars[split]["text"][:]
        for label, star in zip(sentiment[split]["label"][:], stars[split]["label"][:], strict=True):
            assert star in (1, 2, 3, 4, 5)
            assert star == 3 or (star > 3) == (label == 1)


def test_similarity_and_label_agree():
    binary, graded = data.load("paraphrases"), data.load("paraphrases:similarity")
    for split in data.SPLITS:
        for label, similarity in zip(binary[split]["label"][:], graded[split]["label"][:], strict=True):
            assert 0 <= similarity <= 5
            assert (similarity >= 4) == (label == 1)


def test_tags_are_valid_bio():
    for split, rows in data.load("entities").items():
        names = data.labels(rows, "ner_tags")
        for row in rows:
            assert len(row["tokens"]) == len(row["ner_tags"]), (split, row)
            previous = "O"
            for tag in (names[i] for i in row["ner_tags"]):
                assert not tag.startswith("I-") or previous[2:] == tag[2:], (split, row)
                previous = tag


def test_spans_equal_the_text_at_their_offsets():
    unanswerable = 0
    contexts: dict[str, str] = {}
    for split, rows in data.load("passages").items():
        for row in rows:
            assert contexts.setdefault(row["context"], split) == split, "a passage stands in two splits"
            unanswerable += not row["answers"]["text"]
            for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
                assert text
                assert row["context"][start : start + len(text)] == text
    assert 0.1 < unanswerable / len(rows_of("passages")) < 0.2
    assert len(contexts) >= 80


def test_choices_are_four_and_their_order_says_nothing():
    for rows in data.load("choices").values():
        assert all(len(set(row["choices"])) == 4 for row in rows)
        lengths = np.array([[len(choice) for choice in row["choices"]] for row in rows])
        assert 0.1 < (lengths.argmax(1) == np.array(rows["label"][:])).mean() < 0.45


@pytest.mark.parametrize("name", WRITTEN)
def test_every_set_has_a_card(name):
    card = data.card(name)
    assert all(part in card for part in ("## What it is", "## How it was written", "## Limits", "CC BY 4.0"))


# Bad input


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"Unknown data set 'intent'. Did you mean 'intents'"):
        data.load("intent")
    with pytest.raises(ValueError, match="Unknown data set 'nobody/nothing'"):
        data.load("nobody/nothing")
    with pytest.raises(KeyError, match=r"No split 'dev'. There are: train, validation, test"):
        data.load("intents")["dev"]
    with pytest.raises(ValueError, match="groups"):
        data.groups("reviews")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a", "intent": ', "line 2: "),
        ('{"text": "a", "split": "train"}', "line 2: no 'intent'"),
        ('{"text": null, "intent": "x", "split": "train"}', "line 2: 'text' must hold str, got None"),
        ('{"text": "a", "intent": "x", "split": "dev"}', "line 2: no 'dev'"),
    ],
)
def test_a_damaged_line_is_named(line, message, tmp_path, monkeypatch):
    good = json.dumps({"text": "fine", "intent": "x", "split": "train"})
    (tmp_path / "intents.jsonl").write_text(f"{good}\n{line}\n", encoding="utf-8")
    monkeypatch.setattr(data, "SETS", tmp_path)
    with pytest.raises(ValueError, match=f"intents.jsonl, {message}"):
        data.load("intents")


def test_unknown_label_is_named_with_the_known_ones(tmp_path, monkeypatch):
    row = {"text": "a", "sentiment": "meh", "split": "train"}
    (tmp_path / "reviews.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    monkeypatch.setattr(data, "SETS", tmp_path)
    with pytest.raises(ValueError, match=r"line 1: .*'meh'. Known: negative, positive"):
        data.load("reviews")


# Public counterparts


def test_offline_with_a_hub_name_says_what_to_set(monkeypatch):
    def unreachable(*_):
        raise ConnectionError("no network")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    with pytest.raises(OSError, match=r"HF_HOME.*data.load\('intents'\)"):
        data.load("clinc/clinc_oos:small")


def test_columns_that_do_not_fit_the_map_are_named(monkeypatch):
    raw = DatasetDict({"train": Dataset.from_dict({"utterance": ["a"], "label": [0]})})
    monkeypatch.setattr("datasets.load_dataset", lambda *_: raw)
    with pytest.raises(ValueError, match=r"has no column sentence; it has .*utterance"):
        data.load("nyu-mll/glue:sst2")


def test_missing_splits_are_cut_by_group():
    rows = Dataset.from_dict({"context": [f"passage {i // 5}" for i in range(500)], "question": list(range(500))})
    splits = hub.three_splits(DatasetDict({"validation": rows}), "context")
    again = hub.three_splits(DatasetDict({"validation": rows}), "context")
    where = {}
    for split, part in splits.items():
        assert part["question"][:] == again[split]["question"][:]
        for context in part["context"]:
            assert where.setdefault(context, split) == split
    assert len(splits["test"]) / 500 == pytest.approx(0.2, abs=0.1)
    assert sum(map(len, splits.values())) == 500


def test_validation_serves_for_testing_where_there_are_no_test_labels():
    rows = Dataset.from_dict({"sentence": ["a"] * 200, "number": list(range(200))})
    splits = hub.three_splits(DatasetDict({"train": rows, "validation": rows.select(range(30))}))
    assert len(splits["test"]) == 30
    assert len(splits["train"]) + len(splits["validation"]) == 200
    assert len(splits["validation"]) > 5


@pytest.mark.parametrize("name", hub.COUNTERPARTS)
def test_counterpart_has_the_columns_and_types_of_the_book(name):
    path, _, config = name.partition(":")
    cache = Path(os.environ.get("HF_HOME", "no such folder"), "datasets", path.replace("/", "___"), config)
    if not cache.is_dir():
        pytest.skip(f"HF_HOME holds no {name}; set it to a cache that does to run this test")
    ours, theirs = data.load(hub.COUNTERPARTS[name].view), data.load(name)
    assert list(theirs) == list(ours)
    for split in data.SPLITS:
        assert len(theirs[split]) > 0
        assert {c: _kind(f) for c, f in theirs[split].features.items()} == {
            c: _kind(f) for c, f in ours[split].features.items()
        }


def _kind(feature: object) -> object:
    """A feature without its class names, which are the public set's own."""
    if isinstance(feature, dict):
        return {key: _kind(value) for key, value in feature.items()}
    inner = getattr(feature, "feature", None)
    return (type(feature).__name__, _kind(inner) if inner is not None else getattr(feature, "dtype", None))


# What the sets must show, as measured by experiments.data_baselines


@pytest.mark.parametrize("name", ["intents", "reviews", "comments", "paraphrases"])
def test_fine_tuning_beats_word_counting_and_leaves_room(name):
    found = data.measured(name)
    best = max(found["baselines"].values())
    assert found["minilm"]["mean"] >= best + 0.05
    assert found["minilm"]["mean"] + found["minilm"]["sd"] < 1
    assert found["minilm"]["seeds"] >= 3


@pytest.mark.parametrize(("name", "lead"), [("entities", 0.3), ("passages", 0.1), ("choices", 0.1)])
def test_fine_tuning_is_clearly_above_what_hardly_reads(name, lead):
    """Entity F1 above each word's usual tag, span F1 above a whole sentence."""
    found = data.measured(name)
    best = max(found["baselines"].values())
    assert found["minilm"]["mean"] - found["minilm"]["sd"] > best + lead
    assert found["minilm"]["mean"] + found["minilm"]["sd"] < 1
    assert found["minilm"]["seeds"] >= 3


def test_measured_scores_belong_to_the_files_as_they_are():
    """A changed file needs new scores: ``python -m experiments.data_baselines NAME``."""
    from experiments.data_baselines import baselines, report, setting

    names = json.loads((data.SETS / "measured.json").read_text(encoding="utf-8"))
    assert names
    stored = json.loads(setting.ROWS.read_text(encoding="utf-8"))
    for name in names:
        found = data.measured(name)
        assert found["sha256"] == setting.sha256(name), f"{name} was changed after it was measured"
        assert baselines.baselines(name) == pytest.approx(found["baselines"], abs=0.01)
        assert np.mean(report.scores(stored, name)) == pytest.approx(found["minilm"]["mean"])


def test_overview_and_cards_show_what_was_measured():
    from helpers.data.__main__ import overview

    table = overview()
    assert list(table.index) == list(data.VIEWS)
    assert "TF-IDF" in table.loc["intents", "baselines"]
    assert "MiniLM, fully fine-tuned" in data.card("intents")
