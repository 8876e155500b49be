"""Which sentence, which window: against hand-worked places and a plain computation of the cosine."""

from __future__ import annotations

import itertools

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from helpers import data, features, models, passages


def split_of(*pairs):
    return Dataset.from_dict({"question": [q for q, _ in pairs], "context": [c for _, c in pairs]})


@pytest.fixture(scope="module")
def minilm():
    return models.load("minilm"), models.tokenizer("minilm")


@given(st.lists(st.text("aB .!?1\n“", max_size=8), max_size=6).map("".join))
def test_sentences_cover_the_text_in_order(text):
    spans = passages.sentences(text)
    assert spans[0][0] == 0 and spans[-1][1] == len(text)
    assert all(text[end:start].isspace() for (_, end), (start, _) in itertools.pairwise(spans))


def test_embed_is_the_mean_without_padding_at_length_one(minilm):
    encoder, tokenizer = minilm
    texts = ["A frog.", "The pond was cold and nobody wanted to swim in it."]
    vectors = features.embed(encoder, tokenizer, texts)
    with torch.no_grad():
        alone = [encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state.mean(1)[0] for text in texts]
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(2), atol=1e-5)
    assert all(torch.cosine_similarity(v, a, dim=0) > 0.999 for v, a in zip(vectors, alone, strict=True))
    with pytest.raises(ValueError, match="no rows"):
        features.embed(encoder, tokenizer, [])


def test_closest_sentences_finds_the_one_that_speaks_of_it(minilm):
    passage = "The baker opens at six. Frogs live in the pond behind the mill. Tickets cost four pounds."
    questions = ["Which animals are there in the water?", "How much do I have to pay to get in?"]
    found = passages.closest_sentences(*minilm, split_of(*((question, passage) for question in questions)))
    assert [passage[a:b][:7] for a, b in found] == ["Frogs l", "Tickets"]


def test_narrow_moves_answers_and_leaves_out_what_is_not_whole():
    passage = "It rained. Nobody came! The frogs sang."
    answers = {"text": ["Nobody", "came! The frogs", "frogs"], "answer_start": [11, 18, 28]}
    split = Dataset.from_list([{"question": "who?", "context": passage, "answers": answers}])
    (row,) = passages.narrow(split, [(11, 23)])
    assert row == {
        "question": "who?",
        "context": "Nobody came!",
        "answers": {"text": ["Nobody"], "answer_start": [0]},
    }
    (row,) = passages.narrow(split, [(24, 39)])
    assert row["answers"] == {"text": ["frogs"], "answer_start": [4]}
    assert row["context"][4:9] == "frogs"
    with pytest.raises(ValueError, match="1 questions, but 0"):
        passages.narrow(split, [])


def test_answer_sentences_hold_the_whole_first_answer():
    passage = "It rained. Nobody came! The frogs sang."
    answers = [(["Nobody"], [11]), (["came! The frogs"], [18]), ([], [])]
    rows = [
        {"question": "who?", "context": passage, "answers": {"text": texts, "answer_start": starts}}
        for texts, starts in answers
    ]
    assert passages.answer_sentences(Dataset.from_list(rows)) == [(11, 23), None, None]


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_narrowed_questions_of_the_book_still_point_at_their_answers(name):
    split = data.load("passages")[name]
    held = passages.answer_sentences(split)
    whole = [span or (0, len(passage)) for span, passage in zip(held, split["context"], strict=True)]
    for row, before in zip(passages.narrow(split, whole), split["answers"], strict=True):
        places = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
        found = [row["context"][start : start + len(text)] for text, start in places]
        assert found == row["answers"]["text"]
        assert row["answers"]["text"][:1] == before["text"][:1]
    answered = sum(bool(answers["text"]) for answers in split["answers"])
    assert sum(span is not None for span in held) > 0.95 * answered
