"""Masking and sentence pairs: what BERT's pretraining tasks promise, for any text and any corpus."""

from __future__ import annotations

import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertForMaskedLM, BertForPreTraining

from helpers import models
from helpers.batching import batches, encode
from helpers.batching.language import (
    IGNORED,
    MaskingCollator,
    PretrainingCollator,
    mask_tokens,
    masked_loss,
    sentence_pairs,
)


@pytest.fixture(scope="module")
def minilm():
    return models.tokenizer("minilm")


ANY_TEXT = st.one_of(
    st.text(max_size=40), st.sampled_from(["", "😀", "漢字とかな", "naïve 👩‍👩‍👧 test", "[MASK] [SEP]", "\0"])
)


def ids_of(tokenizer, texts):
    return tokenizer(texts, padding=True, return_tensors="pt", truncation=True, max_length=32)["input_ids"]


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_TEXT, min_size=1, max_size=6), st.floats(0.01, 1.0), st.integers(0, 9))
def test_masking_of_any_text(minilm, texts, probability, seed):
    ids = ids_of(minilm, texts)
    before = ids.clone()
    hidden, labels = mask_tokens(ids, minilm, probability, torch.Generator().manual_seed(seed))
    special = torch.isin(ids, torch.tensor(minilm.all_special_ids))
    chosen = labels != IGNORED
    assert torch.equal(ids, before)
    assert torch.equal(hidden[~chosen], ids[~chosen])
    assert torch.equal(labels[chosen], ids[chosen])
    assert not (chosen & special).any()
    # Only [MASK] or an ordinary piece is put in.
    assert (
        not torch.isin(hidden[chosen], torch.tensor(minilm.all_special_ids))
        .logical_and(hidden[chosen] != minilm.mask_token_id)
        .any()
    )
    for row, count in enumerate((~special).sum(1).tolist()):
        expected = min(count, max(1, round(probability * count)))
        # Halves may round either way in float32.
        assert abs(int(chosen[row].sum()) - expected) <= (1 if 0.4 < probability * count % 1 < 0.6 else 0)


def test_eight_of_ten_become_mask_one_is_random_one_stays(minilm):
    ids = torch.full((400, 100), minilm.convert_tokens_to_ids("word"))
    hidden, labels = mask_tokens(ids, minilm, 0.15, torch.Generator().manual_seed(0))
    chosen = labels != IGNORED
    assert chosen.sum() == 400 * 15
    now = hidden[chosen]
    assert (now == minilm.mask_token_id).float().mean() == pytest.approx(0.8, abs=0.02)
    assert (now == ids[chosen]).float().mean() == pytest.approx(0.1, abs=0.015)
    assert len(now.unique()) > 500
    # Every place has the same chance.
    assert chosen.float().mean(0).std() < 0.03


def test_a_seed_decides_the_masks_and_every_batch_has_new_ones(minilm):
    rows = [{"input_ids": ids} for ids in minilm(["a sentence of some words that can be hidden"] * 3)["input_ids"]]
    one, two = MaskingCollator(minilm, seed=1), MaskingCollator(minilm, seed=1)
    first, second = one(rows), one(rows)
    torch.rand(5)  # PyTorch's own generator has no say
    assert all(torch.equal(first[name], batch) for name, batch in two(rows).items())
    assert not torch.equal(first["labels"], second["labels"])


@pytest.mark.parametrize("probability", [0, -0.1, 1.5])
def test_a_probability_outside_its_range_is_refused(tokenizer, probability):
    with pytest.raises(ValueError, match="probability"):
        mask_tokens(torch.tensor([[2, 7, 3]]), tokenizer, probability)


def test_an_empty_text_has_nothing_to_hide(tokenizer):
    _, labels = mask_tokens(ids_of(tokenizer, ["", "red apple"]), tokenizer)
    assert (labels[0] == IGNORED).all()
    assert (labels[1] != IGNORED).sum() == 1


# A corpus: for each document, its sentences. Sentences may repeat within and across documents.
CORPORA = st.lists(st.lists(ANY_TEXT, min_size=1, max_size=6), min_size=2, max_size=8)


def corpus_of(documents):
    rows = [(text, f"document {i}") for i, sentences in enumerate(documents) for text in sentences]
    return Dataset.from_dict({"text": [row[0] for row in rows], "document": [row[1] for row in rows]})


@settings(max_examples=60, deadline=None)
@given(CORPORA, st.integers(0, 9), st.integers(1, 4))
def test_pairs_of_any_corpus(documents, seed, most):
    firsts = [(i, j) for i, sentences in enumerate(documents) for j in range(len(sentences) - 1)]
    try:
        pairs = sentence_pairs(corpus_of(documents), seed, most)
    except ValueError:
        # Somewhere every other document continues with the very same sentences, or there is none.
        followers = [set(sentences[1:]) for sentences in documents]
        assert any(
            not set().union(*(f for k, f in enumerate(followers) if k != i)) - {documents[i][j + 1]} for i, j in firsts
        )
        return
    assert pairs["sentence1"][:] == [" ".join(documents[i][max(0, j + 1 - most) : j + 1]) for i, j in firsts]
    assert sum(pairs["label"]) == len(pairs) // 2
    for (i, j), second, label in zip(firsts, pairs["sentence2"], pairs["label"], strict=True):
        if label == 0:
            assert second == " ".join(documents[i][j + 1 : j + 1 + most])
        else:
            others = [(k, m) for k, other in enumerate(documents) if k != i for m in range(1, len(other))]
            others = [(k, m) for k, m in others if documents[k][m] != documents[i][j + 1]]
            assert second in {" ".join(documents[k][m : m + most]) for k, m in others}
    assert sentence_pairs(corpus_of(documents), seed, most)["sentence2"][:] == pairs["sentence2"][:]


def test_random_partners_come_from_other_documents_and_change_with_the_seed():
    documents = [[f"{name} {i}" for i in range(10)] for name in "abcdefgh"]
    pairs = sentence_pairs(corpus_of(documents), seed=0)
    for first, second, label in zip(*pairs[:].values(), strict=True):
        assert (first[0] == second[0]) == (label == 0)
        assert not second.endswith(" 0")
    assert sentence_pairs(corpus_of(documents), seed=1)["sentence2"][:] != pairs["sentence2"][:]


def test_a_corpus_without_pairs_gives_none_and_a_single_document_is_refused():
    assert len(sentence_pairs(corpus_of([["alone"], ["too"]]))) == 0
    with pytest.raises(ValueError, match="two different documents"):
        sentence_pairs(corpus_of([["first", "second", "third"], ["alone"]]))
    with pytest.raises(ValueError, match="at least 1"):
        sentence_pairs(corpus_of([["alone"]]), sentences=0)


def test_batches_fit_the_pretraining_heads(tokenizer, tiny):
    documents = [["red apple runs", "the apple sings", "a plum"], ["green pear", "not very soon", "blue plum sleeps"]]
    pairs = sentence_pairs(corpus_of(documents), seed=3)
    encoded = encode(pairs, tokenizer)
    (batch,) = batches(encoded, tokenizer, 8, collate=PretrainingCollator(tokenizer))
    assert batch["next_sentence_label"].tolist() == pairs["label"][:]
    assert batch["labels"].shape == batch["input_ids"].shape == batch["token_type_ids"].shape
    assert set(batch["token_type_ids"].unique().tolist()) == {0, 1}
    assert torch.isfinite(tiny(BertForPreTraining)(**batch).loss)


def test_the_loss_at_hidden_places_is_the_model_s_own_with_its_gradients(tokenizer, tiny):
    texts = Dataset.from_dict({"text": ["red apple runs", "the very very green pear sleeps", "a plum"]})
    (batch,) = batches(encode(texts, tokenizer), tokenizer, 8, collate=MaskingCollator(tokenizer))
    model = tiny(BertForMaskedLM).eval()
    own = model(**batch).loss
    own.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    ours = masked_loss(model, batch)
    ours.backward()
    torch.testing.assert_close(ours, own)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.grad, gradients[name], atol=1e-6, rtol=1e-4)


def test_a_batch_with_nothing_hidden_is_refused(tokenizer, tiny):
    ids = ids_of(tokenizer, ["red apple"])
    with pytest.raises(ValueError, match="hidden"):
        masked_loss(tiny(BertForMaskedLM), {"input_ids": ids, "labels": torch.full_like(ids, IGNORED)})
