"""Words and their pieces: for any words, no label is lost, moved or given to a piece that has none."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import batching, data, evaluation, models
from helpers.batching.words import (
    IGNORED,
    WordCollator,
    encode_words,
    join_windows,
    lost_words,
    windows,
    word_predictions,
)

NAMES = ["O", "B-person", "I-person", "B-date", "I-date"]
ODD = [
    "",
    " ",
    "😀",
    "👩‍👩‍👧",
    "漢字",
    "がぎ",
    "e\u0301",
    "\u0301",
    "\u200d",
    "\ufe0f",
    "\0",
    "[SEP]",
    "[UNK]",
    "don't",
    "x" * 150,
]
WORD = st.one_of(st.text(max_size=12), st.sampled_from(ODD))
LABELLED = st.tuples(WORD, st.integers(0, len(NAMES) - 1))
SENTENCES = st.lists(st.lists(LABELLED, max_size=20), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def minilm():
    return models.tokenizer("minilm")


def split_of(sentences, names=NAMES):
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=names))})
    columns = {"tokens": [[w for w, _ in s] for s in sentences], "ner_tags": [[t for _, t in s] for s in sentences]}
    return Dataset.from_dict(columns, features=features)


def test_alignment_by_hand(minilm):
    encoded = encode_words(split_of([[("Mrs", 1), ("Okonkwo", 2), ("waits", 0)]]), minilm)
    pieces = minilm.convert_ids_to_tokens(encoded[0]["input_ids"])
    assert pieces == ["[CLS]", "mrs", "ok", "##on", "##k", "##wo", "waits", "[SEP]"]
    assert encoded[0]["labels"] == [-100, 1, 2, -100, -100, -100, 0, -100]
    assert encoded[0]["word_ids"] == [-1, 0, 1, 1, 1, 1, 2, -1]
    assert encoded[0]["words"] == 3


def test_all_pieces_carry_on_what_their_word_begins(minilm):
    sentences = [[("Okonkwo", 1), ("Okonkwo", 2), ("Okonkwo", 0), ("1987-88", 3)]]
    encoded = encode_words(split_of(sentences), minilm, label_all_pieces=True)
    assert encoded[0]["labels"] == [-100, *(1, 2, 2, 2), *(2, 2, 2, 2), *(0, 0, 0, 0), *(3, 4, 4), -100]
    # Without an I- class the word's own is repeated.
    encoded = encode_words(split_of([[("Okonkwo", 1)]], ["O", "person"]), minilm, label_all_pieces=True)
    assert encoded[0]["labels"] == [-100, 1, 1, 1, 1, -100]


@settings(max_examples=80, deadline=None)
@given(SENTENCES, st.sampled_from([3, 8, 64, 512]), st.booleans())
def test_no_label_lost_moved_or_invented(minilm, sentences, max_length, label_all_pieces):
    split = split_of(sentences)
    encoded = encode_words(split, minilm, max_length, label_all_pieces)
    assert len(encoded) == len(sentences)
    for row, sentence, lost in zip(encoded, sentences, lost_words(encoded), strict=True):
        assert len(row["input_ids"]) == len(row["labels"]) == len(row["word_ids"]) <= max_length
        word_ids, labels = np.array(row["word_ids"]), np.array(row["labels"])
        seen = len(sentence) - lost
        # The words that are there are the first ones, all of them, in order.
        assert [i for n, i in enumerate(word_ids) if i >= 0 and i != word_ids[n - 1]] == list(range(seen))
        assert lost == 0 or len(row["input_ids"]) == max_length
        # [CLS] and [SEP], and nothing else, belong to no word; they have no label.
        assert np.flatnonzero(word_ids < 0).tolist() == [0, len(word_ids) - 1]
        assert (labels[word_ids < 0] == IGNORED).all()
        for word in range(seen):
            first, *others = labels[word_ids == word].tolist()
            tag = sentence[word][1]
            assert first == tag
            inside = tag + 1 if NAMES[tag].startswith("B-") else tag
            assert set(others) <= {inside if label_all_pieces else IGNORED}
        assert (labels != IGNORED).sum() == ((word_ids >= 0).sum() if label_all_pieces else seen)


@settings(max_examples=40, deadline=None)
@given(SENTENCES, st.sampled_from([3, 8, 64]))
def test_predictions_find_back_to_their_words(minilm, sentences, max_length):
    encoded = encode_words(split_of(sentences), minilm, max_length)
    batch = WordCollator(minilm)(list(encoded))
    # A model that is right wherever it was asked, and says 4 everywhere else.
    classes = batch["labels"].masked_fill(batch["labels"] == IGNORED, 4).numpy()
    expected = [
        [tag for _, tag in sentence][: len(sentence) - lost] + [0] * lost
        for sentence, lost in zip(sentences, lost_words(encoded), strict=True)
    ]
    assert word_predictions(classes, encoded) == expected


@settings(max_examples=60, deadline=None)
@given(SENTENCES, st.sampled_from([3, 5, 10, 30]), st.integers(0, 12))
def test_windows_show_every_word_and_join_again(minilm, sentences, max_length, overlap):
    split = split_of(sentences)
    parts = windows(split, minilm, max_length, overlap)
    encoded = encode_words(parts, minilm, max_length)
    assert lost_words(encoded) == [0] * len(parts)
    for part in parts:
        until = part["start"] + len(part["tokens"])
        assert part["tokens"] == split[part["row"]]["tokens"][part["start"] : until]
    assert join_windows(parts, parts["ner_tags"][:]) == split["ner_tags"][:]
    # Every stretch brings a new word, so there is an end to it.
    for before, after in pairwise(parts):
        if before["row"] == after["row"]:
            end = before["start"] + len(before["tokens"])
            assert before["start"] < after["start"] <= end < after["start"] + len(after["tokens"])
            assert end - after["start"] <= overlap


def test_ten_thousand_words(minilm):
    split = split_of([[(f"word{i}", i % len(NAMES)) for i in range(10_000)], [("short", 1)]])
    encoded = encode_words(split, minilm, max_length=512)
    lost = lost_words(encoded)
    assert 9_700 < lost[0] < 10_000
    assert lost[1] == 0
    predicted = word_predictions(np.full((2, 512), 3), encoded)
    assert [len(row) for row in predicted] == [10_000, 1]
    assert predicted[0].count(0) == lost[0]
    parts = windows(split, minilm, max_length=512, overlap=8)
    assert sum(lost_words(encode_words(parts, minilm, max_length=512))) == 0
    assert join_windows(parts, parts["ner_tags"][:]) == split["ner_tags"][:]


def test_words_of_two_stretches_take_the_class_with_more_context():
    parts = Dataset.from_dict({"row": [0, 0], "start": [0, 3]})
    assert join_windows(parts, [[1] * 6, [2] * 6]) == [[1, 1, 1, 1, 1, 2, 2, 2, 2]]


def test_batches_train_a_token_classifier(minilm, tiny, tokenizer):
    from transformers import BertForTokenClassification

    split = split_of([[("red", 1), ("apple", 0)], [("the", 0), ("green", 3), ("pear", 4), ("sings", 0)]])
    encoded = encode_words(split, tokenizer)
    batch = next(iter(batching.batches(encoded, tokenizer, collate=WordCollator(tokenizer))))
    assert set(batch) == {"input_ids", "token_type_ids", "attention_mask", "labels"}
    assert batch["labels"].tolist() == [[-100, 1, 0, -100, -100, -100], [-100, 0, 3, 4, 0, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0, 0], [1] * 6]
    model = tiny(BertForTokenClassification, num_labels=5).eval()
    output = model(**batch)
    scored = output.logits.flatten(0, 1), batch["labels"].flatten()
    assert output.loss.item() == pytest.approx(torch.nn.functional.cross_entropy(*scored).item())
    predictions = evaluation.predict(model, batching.batches(encoded, tokenizer, 1, collate=WordCollator(tokenizer)))
    assert [len(row) for row in word_predictions(predictions.classes, encoded)] == [2, 4]


def test_sentences_without_tags_can_be_encoded(minilm):
    rows = Dataset.from_dict({"tokens": [["Oslo", "waits"], []]})
    encoded = encode_words(rows, minilm)
    assert "labels" not in encoded.column_names
    assert "labels" not in WordCollator(minilm)(list(encoded))
    assert word_predictions(np.ones((2, 4)), encoded) == [[1, 1], []]
    assert windows(rows, minilm)["tokens"][:] == [["Oslo", "waits"], []]


def test_mistakes_in_the_rows_are_named(minilm):
    good = split_of([[("a", 0)]])
    with pytest.raises(ValueError, match="no rows"):
        encode_words(good.select([]), minilm)
    with pytest.raises(ValueError, match="Row 1 has 2 words and 1 tags"):
        encode_words(Dataset.from_dict({"tokens": [["a"], ["a", "b"]], "ner_tags": [[0], [0]]}), minilm)
    with pytest.raises(ValueError, match="Row 0: tags"):
        encode_words(split_of([[("a", -1)]]), minilm)
    with pytest.raises(ValueError, match="must be a string"):
        encode_words(Dataset.from_dict({"tokens": [["a", None]], "ner_tags": [[0, 0]]}), minilm)
    with pytest.raises(ValueError, match="room"):
        windows(good, minilm, max_length=2)


def test_the_books_own_sentences_fit(minilm):
    for split in data.load("entities").values():
        encoded = encode_words(split, minilm, max_length=48)
        assert sum(lost_words(encoded)) == 0
        labels = [[label for label in row if label != IGNORED] for row in encoded["labels"]]
        assert labels == split["ner_tags"][:]


def test_byte_level_pieces_know_the_space_before_a_word():
    """RoBERTa's and ModernBERT's tokenizers take each word of a list for the beginning of a text, unless told."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, special_tokens=["<pad>", "<unk>"])
    backend.train_from_iterator(["the red apple and the red pear", "see the red apple"] * 5, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>", model_max_length=32
    )
    split = Dataset.from_dict({"tokens": [["see", "the", "red", "apple"]]})
    encoded = encode_words(split, tokenizer)
    words = tokenizer(" see the red apple", add_special_tokens=False)["input_ids"]
    assert encoded["input_ids"][0] == words
    assert encoded["word_ids"][0] == sorted(encoded["word_ids"][0])
    assert not tokenizer.backend_tokenizer.pre_tokenizer.add_prefix_space  # the reader's own stays as it was
