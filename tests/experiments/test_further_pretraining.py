"""The three ways to use an encoder, on a tiny scale: what is learned, what is kept, and how the table is made."""

from __future__ import annotations

import json

import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from transformers import BertModel

from experiments import further_pretraining as further
from helpers import data
from tests.conftest import COLOURS, FRUITS, VERBS


@pytest.fixture
def encoder(tiny, tokenizer, tmp_path):
    """The folder of a tiny BERT with its tokenizer."""
    folder = tmp_path / "encoder"
    tiny(BertModel).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def corpus(monkeypatch):
    """Eight libraries and a ninth that is not asked for; the words of a sentence tell its library."""
    names = [*further.LIBRARIES, "stdlib"]

    def split(count, start):
        rows = [
            (f"the {COLOURS[i % 3]} {FRUITS[i // 3]} very very {VERBS[(start + j) % 3]}", names[i])
            for i in range(len(names))
            for j in range(count)
        ]
        rows.append(("too short", names[0]))
        features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
        return Dataset.from_list([{"text": t, "label": names.index(n)} for t, n in rows], features=features)

    pairs = Dataset.from_dict(
        {
            "sentence1": ["red apple", "a plum", "not"],
            "sentence2": ["red pear", "late", "soon"],
            "label": [4.0, 1.0, 2.0],
        }
    )
    known = {
        "documentation": DatasetDict(train=split(6, 0), test=split(3, 1)),
        "paraphrases:similarity": DatasetDict(test=pairs),
    }
    monkeypatch.setattr(data, "load", known.__getitem__)


def test_sentences_are_of_the_eight_libraries_and_long_enough(corpus):
    rows = further.sentences("train")
    assert data.labels(rows) == list(further.LIBRARIES)
    assert len(rows) == 8 * 6
    assert min(len(text.split()) for text in rows["text"]) >= further.MIN_WORDS


def test_every_class_gets_its_labels_and_the_seed_decides_which(corpus):
    rows = further.sentences("train")
    drawn = further.draw(rows, 2, seed=0)
    assert sorted(drawn["label"]) == sorted(list(range(8)) * 2)
    assert drawn["text"][:] == further.draw(rows, 2, seed=0)["text"][:]
    assert drawn["text"][:] != further.draw(rows, 2, seed=1)["text"][:]
    assert len(further.draw(rows, 99, seed=0)) == len(rows)


def test_further_pretraining_changes_the_encoder_and_lowers_the_loss(corpus, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(further, "FURTHER_RATE", 1e-2)
    results = further.measure(encoder, "further", 0, 20, 0, tmp_path)
    assert results["masked_loss_after"] < results["masked_loss_before"]
    assert results["seconds"] > 0
    (folder,) = (path for path in tmp_path.iterdir() if path.name != "encoder")
    before, after = (further.models.load(str(path)).state_dict() for path in (encoder, folder))
    assert not torch.equal(before["embeddings.word_embeddings.weight"], after["embeddings.word_embeddings.weight"])


@pytest.mark.parametrize("way", further.WAYS)
def test_each_way_learns_what_the_words_tell(corpus, encoder, tmp_path, monkeypatch, way):
    monkeypatch.setattr(further, "RATE", 1e-2)
    monkeypatch.setattr(further, "EPOCHS", {6: 12})
    results = further.measure(encoder, way, 0, 2, 6, tmp_path)
    assert results["accuracy"] > 0.3  # chance is one in eight
    assert results["right"].count("1") / len(results["right"]) == pytest.approx(results["accuracy"], abs=1e-3)
    assert results["low"] <= results["accuracy"] <= results["high"]


def test_the_way_decides_which_encoder_is_used(corpus, encoder, tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr(further, "further_pretrain", lambda model, seed, steps, folder: folder.mkdir())
    monkeypatch.setattr(further, "classify", lambda name, way, labels, seed: used.append(name))
    for way in further.WAYS:
        further.measure(encoder, way, 0, 2, 6, tmp_path)
    assert used[:2] == [encoder, encoder]
    assert used[2] != encoder


def test_the_settings_name_every_row_once():
    rows = further.settings("minilm", seeds=2, steps=5, labels=(8, 32))
    assert len(rows) == len({json.dumps(row) for row in rows}) == 2 * (1 + 3 * 2)


def test_the_command_writes_the_rows_and_prints_the_table(corpus, encoder, tmp_path, capsys):
    options = [f"--model={encoder}", "--seeds=2", "--steps=2", "--labels", "2", "4"]
    options += [f"--folder={tmp_path / 'kept'}", f"--output={tmp_path / 'rows.json'}"]
    assert further.main(options) == 0
    assert len(json.loads((tmp_path / "rows.json").read_text())) == 2 * (1 + 3 * 2)
    printed = capsys.readouterr().out
    assert all(way in printed for way in further.WAYS) and "masked accuracy" in printed
    assert further.main(options) == 0  # nothing is measured again
    assert printed.endswith(capsys.readouterr().out)
    drawn = []
    further.picture(json.loads((tmp_path / "rows.json").read_text()), then=lambda figure, alt: drawn.append(figure))
    assert [line.get_label() for line in drawn[0].axes[0].get_lines()] == list(further.WAYS)
