from __future__ import annotations

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import batching, models


def test_encode_keeps_text_and_label(tokenizer, colours):
    encoded = batching.encode(colours, tokenizer)
    assert len(encoded) == len(colours)
    assert encoded["labels"][:] == colours["label"][:]
    assert tokenizer.convert_ids_to_tokens(encoded[0]["input_ids"]) == ["[CLS]", "red", "apple", "runs", "[SEP]"]


def test_encode_packs_pairs_with_token_types(tokenizer):
    pair = Dataset.from_dict({"sentence1": ["red apple"], "sentence2": ["the plum"]})
    encoded = batching.encode(pair, tokenizer)[0]
    assert encoded["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]
    assert "labels" not in encoded


def test_encode_truncates(tokenizer, colours):
    assert {len(ids) for ids in batching.encode(colours, tokenizer, max_length=4)["input_ids"]} == {4}


@pytest.mark.parametrize("bad", [None, 7])
def test_text_that_is_no_string_is_found(tokenizer, bad):
    rows = Dataset.from_dict({"text": [bad, bad]})
    with pytest.raises(ValueError, match=r"Row 0: column 'text'"):
        batching.encode(rows, tokenizer)


def test_empty_split_and_missing_text_are_named(tokenizer):
    with pytest.raises(ValueError, match="no rows"):
        batching.encode(Dataset.from_dict({"text": []}), tokenizer)
    with pytest.raises(ValueError, match="sentence1"):
        batching.encode(Dataset.from_dict({"body": ["a"]}), tokenizer)


def test_label_out_of_range_is_found(tokenizer):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["a", "b"])})
    rows = Dataset.from_dict({"text": ["red", "blue"], "label": [0, -1]}, features=features)
    with pytest.raises(ValueError, match=r"Row 1: label -1.*0 … 1 \(a … b\)"):
        batching.encode(rows, tokenizer)


def test_batches_are_padded_to_their_longest(tokenizer, colours):
    for batch in batching.batches(batching.encode(colours, tokenizer), tokenizer, batch_size=5):
        width = batch["attention_mask"].sum(1).max()
        assert batch["input_ids"].shape[1] == width
        assert batch["labels"].dtype == torch.int64


def test_unshuffled_loader_keeps_the_order(tokenizer, colours):
    loader = batching.batches(batching.encode(colours, tokenizer), tokenizer, batch_size=7)
    assert torch.cat([batch["labels"] for batch in loader]).tolist() == colours["label"][:]


def test_number_labels_become_float(tokenizer):
    rows = Dataset.from_dict({"text": ["red", "blue"], "label": [1.5, 2.0]})
    (batch,) = batching.batches(batching.encode(rows, tokenizer), tokenizer)
    assert batch["labels"].dtype == torch.float32


def test_the_seed_of_the_batches_decides_their_order(tokenizer, colours):
    encoded = batching.encode(colours, tokenizer)

    def order(seed):
        batches = batching.batches(encoded, tokenizer, batch_size=4, shuffle=True, seed=seed)
        return [row for batch in batches for row in batch["input_ids"].flatten().tolist()]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_batch_size_below_one_is_refused(tokenizer, colours):
    with pytest.raises(ValueError, match="batch_size"):
        batching.batches(batching.encode(colours, tokenizer), tokenizer, batch_size=0)


LENGTHS = st.lists(st.integers(1, 512), min_size=1, max_size=300)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 99), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_every_row_once_an_epoch_in_an_order_that_repeats(lengths, batch_size, seed, epoch):
    batches = batching.BucketBatches(lengths, batch_size, seed)
    batches.set_epoch(epoch)
    first, again = list(batches), list(batches)
    assert first == again
    assert len(first) == len(batches)
    assert sorted(i for batch in first for i in batch) == list(range(len(lengths)))
    assert max(map(len, first)) <= batch_size


def test_epochs_and_seeds_differ_and_buckets_save_padding():
    lengths = torch.randint(1, 200, (640,), generator=torch.Generator().manual_seed(0)).tolist()

    def order(seed, epoch):
        batches = batching.BucketBatches(lengths, 16, seed)
        batches.set_epoch(epoch)
        return list(batches)

    assert order(0, 0) != order(0, 1) != order(1, 1)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in order(0, 0))
    assert padded < 1.15 * sum(lengths)  # random batches of 16 would be padded to almost twice the words


@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_any_text_can_be_encoded(texts):
    encoded = batching.encode(Dataset.from_dict({"text": texts}), models.tokenizer("minilm"), max_length=16)
    assert len(encoded) == len(texts)
    assert all(2 <= len(ids) <= 16 for ids in encoded["input_ids"])
