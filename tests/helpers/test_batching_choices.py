"""Prompts with choices: for any texts and any number of choices, none is lost, moved or counted twice."""

from __future__ import annotations

import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import BertForMultipleChoice, DataCollatorForMultipleChoice

from helpers import batching, data, models
from helpers.batching.choices import ChoiceCollator, encode_choices, mask_choices

ODD = ["", " ", "😀", "👩‍👩‍👧", "漢字", "e\u0301", "\u0301", "\u200d", "\0", "[SEP]", "x" * 150, "word " * 600]
TEXT = st.one_of(st.text(max_size=30), st.sampled_from(ODD))
ROW = st.tuples(TEXT, st.lists(TEXT, min_size=2, max_size=5), st.integers(0, 4))
ROWS = st.lists(ROW, min_size=1, max_size=4)


@pytest.fixture(scope="module")
def minilm():
    return models.tokenizer("minilm")


def split_of(*rows):
    prompts, choices, labels = zip(*rows, strict=True)
    return Dataset.from_dict({"prompt": list(prompts), "choices": list(choices), "label": list(labels)})


MIXED = split_of(
    ("the apple", ["runs", "sings very soon"], 1),
    ("the pear", ["sleeps", "runs late", "a plum", "not red"], 3),
)


def test_a_batch_by_hand(tokenizer):
    batch = ChoiceCollator(tokenizer)(list(encode_choices(MIXED, tokenizer)))
    assert batch["input_ids"].shape == (2, 4, 8)
    sequences = [[tokenizer.decode(ids) for ids in row] for row in batch["input_ids"]]
    first = "[CLS] the apple [SEP] runs [SEP] [PAD] [PAD]"
    assert sequences[0] == [first, "[CLS] the apple [SEP] sings very soon [SEP]", first, first]
    assert sequences[1][3] == "[CLS] the pear [SEP] not red [SEP] [PAD]"
    assert batch["token_type_ids"][0, 1].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert batch["attention_mask"].sum(-1).tolist() == [[6, 8, 6, 6], [6, 7, 7, 7]]
    assert batch["labels"].tolist() == [1, 3]
    assert batch["choice_mask"].tolist() == [[True, True, False, False], [True] * 4]


@settings(max_examples=80, deadline=None)
@given(ROWS, st.sampled_from([8, 64, 512]))
def test_no_choice_is_lost_or_moved(minilm, rows, max_length):
    rows = [(prompt, choices, label % len(choices)) for prompt, choices, label in rows]
    encoded = encode_choices(split_of(*rows), minilm, max_length)
    batch = ChoiceCollator(minilm)(list(encoded))
    widest = max(len(choices) for _, choices, _ in rows)
    assert batch["input_ids"].shape[:2] == (len(rows), widest)
    assert batch["input_ids"].is_contiguous()
    assert batch["labels"].tolist() == [label for *_, label in rows]
    mask = batch.get("choice_mask", torch.ones(len(rows), widest, dtype=torch.bool))
    assert mask.sum(1).tolist() == [len(choices) for _, choices, _ in rows]
    assert ("choice_mask" in batch) == (not mask.all())
    assert batch["attention_mask"].any(-1).all()
    for row, (prompt, choices, _) in enumerate(rows):
        for place, choice in enumerate(choices):
            assert mask[row, place]
            # In lists: given alone, an empty second text would count as none.
            expected = minilm([prompt], [choice], truncation=True, max_length=max_length)
            length = len(expected["input_ids"][0])
            assert length <= max_length
            for name, (values,) in expected.items():
                found = batch[name][row, place].tolist()
                assert found[:length] == values
                assert set(found[length:]) <= {minilm.pad_token_id if name == "input_ids" else 0}


def test_equals_the_collator_of_transformers_where_all_rows_have_as_many_choices(minilm):
    encoded = list(encode_choices(data.load("choices")["validation"].select(range(8)), minilm))
    ours = ChoiceCollator(minilm)(encoded)
    theirs = DataCollatorForMultipleChoice(minilm)(encoded)
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_filled_up_row_scores_as_it_does_alone(tiny, tokenizer):
    model = tiny(BertForMultipleChoice).eval()
    encoded = encode_choices(MIXED, tokenizer)
    collate = ChoiceCollator(tokenizer)
    alone = torch.cat([model(**collate([row])).logits[:, :2] for row in encoded])
    batch = collate(list(encoded))
    mask, labels = batch.pop("choice_mask"), batch.pop("labels")
    scores = mask_choices(model(**batch).logits, mask)
    torch.testing.assert_close(scores[:, :2], alone)
    probabilities = scores.softmax(-1)
    assert (probabilities[~mask] == 0).all()
    losses = F.cross_entropy(scores, labels, reduction="none")
    torch.testing.assert_close(losses[0], F.cross_entropy(alone[0], labels[0]))
    losses.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_shuffled_batches_fill_up_little(minilm):
    rows = [("prompt", ["a"] * (2 + i % 4), 0) for i in range(40)]
    encoded = encode_choices(split_of(*rows), minilm)
    batches = batching.batches(encoded, minilm, 10, shuffle=True, collate=ChoiceCollator(minilm))
    assert sorted(batch["input_ids"].shape[1] for batch in batches) == [2, 3, 4, 5]
    assert not any("choice_mask" in batch for batch in batches)


def test_no_mask_leaves_the_scores_alone():
    scores = torch.randn(2, 4)
    assert mask_choices(scores, None) is scores


def test_rows_without_labels(tokenizer):
    encoded = encode_choices(MIXED.remove_columns("label"), tokenizer)
    assert "labels" not in encoded.column_names
    assert "labels" not in ChoiceCollator(tokenizer)(list(encoded))


def test_mistakes_in_the_rows_are_named(tokenizer):
    with pytest.raises(ValueError, match="no rows"):
        encode_choices(MIXED.select([]), tokenizer)
    with pytest.raises(ValueError, match="Row 1 has no choices"):
        encode_choices(split_of(("a", ["b"], 0), ("a", [], 0)), tokenizer)
    with pytest.raises(ValueError, match="must be strings"):
        encode_choices(split_of(("a", ["b", None], 0)), tokenizer)
    for label in (2, -1, None):
        with pytest.raises(ValueError, match="is none of its choices"):
            encode_choices(split_of(("a", ["b", "c"], label)), tokenizer)
