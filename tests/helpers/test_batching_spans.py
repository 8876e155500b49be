"""Answers and their positions: for any text, an answer that fits is found again exactly, and no offset is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpers import batching, data, evaluation, models
from helpers.batching.spans import NO_ANSWER, NOT_PASSAGE, Answer, SpanCollator, best_spans, encode_questions

# Words that begin and end with something to see.
SEEN = [
    "frog",
    "frogs'",
    "(pond)",
    "unbelievably",
    "e\u0301",
    "cafe\u0301",
    "o\u0302\u0323de",
    "\u00e9t\u00e9",
    "na\u00efve",
    "漢字",
    "東京タワー",
    "한국어",
    "नमस्ते",
    "דָּבָר",
    "😀",
    "👩\u200d👩\u200d👧",
    "❤\ufe0f",
    "🙂!",
    "ﬁn",
    "½",
    "İstanbul",
    "a\u200bb",
    "x\0y",
    "7\ufffd7",
    "[SEP]",
    "[UNK]",
    "$40.50",
    "x" * 150,
]
WORD = st.one_of(st.sampled_from(SEEN), st.text("abcdeßñ漢ʼ019", min_size=1, max_size=9))
SPACE = st.sampled_from([" ", "  ", "\n", "\t", "\u3000", "\u00a0"])
ANY_TEXT = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(list("a \u0301\u200d\ufe0f漢😀.,")))).map(
    lambda text: text[:60]
)
QUESTION = st.one_of(st.just(""), st.text(max_size=6), st.sampled_from(["who?", "누구 \u0301", "😀 漢字"]))


@pytest.fixture(scope="module")
def minilm():
    return models.tokenizer("minilm")


def split_of(*rows):
    """A split of (question, passage, answer's text or None, its first character)."""
    answers = [
        {"text": [], "answer_start": []} if a is None else {"text": [a], "answer_start": [s]} for *_, a, s in rows
    ]
    return Dataset.from_dict({"question": [r[0] for r in rows], "context": [r[1] for r in rows], "answers": answers})


def certain(encoded, width=None):
    """Logits of a model that is sure of the labels, and of nothing else."""
    logits = np.full((len(encoded), 2, width or max(map(len, encoded["input_ids"]))), -10.0)
    for window, positions in enumerate(zip(encoded["start_positions"], encoded["end_positions"], strict=True)):
        logits[window, [0, 1], positions] = 10.0
    return logits


def decoded(encoded, split, **options):
    return best_spans(certain(encoded), encoded, split, **options)


@st.composite
def questions(draw):
    """A row whose answer is a stretch of whole words, and whether the words round it touch nothing else."""
    words = draw(st.lists(st.tuples(WORD, SPACE), min_size=1, max_size=40))
    first = draw(st.integers(0, len(words) - 1))
    last = draw(st.integers(first, min(len(words) - 1, first + 5)))
    starts = np.cumsum([0, *(len(word + space) for word, space in words)])
    passage = "".join(word + space for word, space in words)
    end = starts[last] + len(words[last][0])
    return draw(QUESTION), passage, passage[starts[first] : end], int(starts[first])


def test_positions_by_hand(minilm):
    passage = "Mrs Okonkwo waits."
    encoded = encode_questions(split_of(("Who?", passage, "Okonkwo", 4), ("Why?", passage, None, 0)), minilm)
    pieces = minilm.convert_ids_to_tokens(encoded[0]["input_ids"])
    assert pieces == ["[CLS]", "who", "?", "[SEP]", "mrs", "ok", "##on", "##k", "##wo", "waits", ".", "[SEP]"]
    assert encoded[0]["offsets"][:6] == [[0, 0]] * 4 + [[0, 3], [4, 6]]
    assert encoded["start_positions"][:] == [5, NO_ANSWER]
    assert encoded["end_positions"][:] == [8, NO_ANSWER]
    assert encoded["row"][:] == [0, 1]


def test_windows_by_hand(minilm):
    passage = "one two three four five six seven eight"
    start = passage.index("five")
    encoded = encode_questions(split_of(("who", passage, "five six", start)), minilm, max_length=8, stride=2)
    shown = [minilm.decode(ids) for ids in encoded["input_ids"]]
    # Windows of four words that share two. The second begins with "three", the third with "five".
    assert shown == [
        "[CLS] who [SEP] one two three four [SEP]",
        "[CLS] who [SEP] three four five six [SEP]",
        "[CLS] who [SEP] five six seven eight [SEP]",
    ]
    assert encoded["start_positions"][:] == [NO_ANSWER, 5, 3]
    assert encoded["end_positions"][:] == [NO_ANSWER, 6, 4]
    # An answer of three words at the seam fits in no window of a stride of one.
    lost = encode_questions(split_of(("who", passage, "four five six", 14)), minilm, max_length=8, stride=1)
    assert lost["start_positions"][:] == [0, 3, 0]
    lost = encode_questions(split_of(("who", passage, "three four five", 8)), minilm, max_length=8, stride=1)
    assert set(lost["start_positions"]) == {NO_ANSWER}


@settings(max_examples=80, deadline=None)
@given(st.lists(questions(), min_size=1, max_size=3), st.integers(0, 12), st.integers(1, 20))
def test_an_answer_that_fits_is_found_again_exactly(minilm, rows, stride, step):
    rows = [(minilm.decode(minilm(q, add_special_tokens=False)["input_ids"][:6]), *rest) for q, *rest in rows]
    split = split_of(*rows)
    longest = max(map(len, minilm([q for q, *_ in rows], add_special_tokens=False)["input_ids"]))
    encoded = encode_questions(split, minilm, longest + 3 + stride + step, stride)
    sizes = [len(minilm(answer, add_special_tokens=False)["input_ids"]) for _, _, answer, _ in rows]
    found = decoded(encoded, split, max_pieces=10_000)
    for row, (_, passage, answer, start) in enumerate(rows):
        held = [p for p, r in zip(encoded["start_positions"], encoded["row"], strict=True) if r == row and p]
        if sizes[row] <= stride:
            assert held, "an answer of at most `stride` pieces must lie in a window"
        if held:
            assert found[row].text == answer == passage[found[row].start : found[row].end]
            assert (found[row].start, found[row].margin > 0) == (start, True)
        else:
            assert found[row].margin <= 0


@settings(max_examples=120, deadline=None)
@given(QUESTION, ANY_TEXT, st.data())
def test_offsets_are_right_for_any_text(minilm, question, passage, choose):
    split = split_of((question, passage, None, 0))
    size = len(minilm(question, add_special_tokens=False)["input_ids"])
    encoded = encode_questions(split, minilm, size + 3 + 5, 2)
    normalise = minilm.backend_tokenizer.normalizer.normalize_str
    uncut = minilm(passage, add_special_tokens=False, verbose=False)
    shown = []
    for window, (ids, offsets) in enumerate(zip(encoded["input_ids"], encoded["offsets"], strict=True)):
        inside = [i for i, piece in enumerate(offsets) if tuple(piece) != NOT_PASSAGE]
        assert inside == list(range(size + 2, len(ids) - 1))  # all of the passage's pieces and nothing else
        shown += [ids[i] for i in inside[2 * (window > 0) :]]
        for i in inside:
            start, end = offsets[i]
            assert 0 <= start < end <= len(passage)
            piece = minilm.convert_ids_to_tokens(ids[i]).removeprefix("##")
            assert ids[i] in minilm.all_special_ids or piece in normalise(passage[start:end])
    assert shown == uncut["input_ids"]  # no piece is lost between two windows

    # Any stretch of characters that leaves a piece: what is decoded holds it, and no whole piece more on either side.
    assume(passage)
    start = choose.draw(st.integers(0, len(passage) - 1))
    end = choose.draw(st.integers(start + 1, len(passage)))
    split = split_of((question, passage, passage[start:end], start))
    try:
        encoded = encode_questions(split, minilm, size + 3 + len(shown) + 1, 0)
    except ValueError as error:
        assert "leaves nothing" in str(error)
        return
    (answer,) = decoded(encoded, split, max_pieces=10_000)
    cut = {character for character in passage[start:end] if normalise(character).strip()}
    assert answer.start < end
    assert answer.end > start
    assert cut <= set(answer.text)


def test_accents_behind_a_piece_belong_to_it(minilm):
    for answer in ("cafe\u0301", "o\u0302\u0323de", "❤\ufe0f"):
        split = split_of(("", f"the {answer} is open", answer, 4))
        assert decoded(encode_questions(split, minilm), split)[0].text == answer


def test_long_passages_and_empty_ones(minilm):
    words = [f"word{i}" for i in range(10_000)]
    passage = " ".join(words)
    rows = [("", passage, words[i], passage.index(words[i])) for i in (1, 5_000, 9_999)]
    rows += [("", "", None, 0), ("\u0301", " ", None, 0)]
    split = split_of(*rows)
    encoded = encode_questions(split, minilm, 512, 128)
    assert set(map(len, encoded["input_ids"])) <= set(range(2, 513))
    found = decoded(encoded, split)
    assert [answer.text for answer in found] == [words[1], words[5_000], words[9_999], "", ""]
    assert found[3][:4] == ("", 0, 0, -np.inf)
    assert found[3].margin == -np.inf


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_every_answer_of_the_book_is_found_again(minilm, name):
    split = data.load("passages")[name]
    answers = split["answers"][:]
    for max_length, stride in ((96, 32), (192, 64)):
        found = decoded(encode_questions(split, minilm, max_length, stride), split)
        texts = [answer.text if answer.margin > 0 else "" for answer in found]
        assert texts == [answer["text"][0] if answer["text"] else "" for answer in answers]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(3, 9), st.integers(1, 9))
def test_best_spans_against_trying_all(seed, windows, width, max_pieces):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(windows, 2, width + 2)).round(1)
    passage = "".join(map(chr, range(97, 97 + 40)))
    lengths = generator.integers(1, width + 1, windows)
    offsets = [
        [[0, 0] if generator.random() < 0.3 else [3 * i, 3 * i + 2] for i in range(length)] for length in lengths
    ]
    rows = sorted(generator.integers(0, 2, windows).tolist())
    split = split_of(("", passage, None, 0), ("", passage, None, 0))
    encoded = Dataset.from_dict({"offsets": offsets, "row": rows})
    found = best_spans(logits, encoded, split, max_pieces)
    for row in (0, 1):
        best, null = -np.inf, np.inf
        for window in range(windows):
            if rows[window] != row:
                continue
            null = min(null, logits[window, 0, 0] + logits[window, 1, 0])
            for i in range(lengths[window]):
                for j in range(i, min(lengths[window], i + max_pieces)):
                    if [0, 0] not in (offsets[window][i], offsets[window][j]):
                        best = max(best, logits[window, 0, i] + logits[window, 1, j])
        assert (found[row].score, found[row].null) == (best, null)
        assert found[row].text == passage[found[row].start : found[row].end]


def test_no_answer_must_win_in_every_window():
    split = split_of(("", "ab", None, 0))
    encoded = Dataset.from_dict({"offsets": [[[0, 0], [0, 1]], [[0, 0], [1, 2]]], "row": [0, 0]})
    logits = np.array([[[5.0, 1.0], [5.0, 1.0]], [[2.0, 3.0], [2.0, 3.0]]])
    assert best_spans(logits, encoded, split) == [Answer("b", 1, 2, 6.0, 4.0)]
    assert best_spans(logits, encoded, split)[0].margin == 2.0


def test_batches_train_the_head(tiny, tokenizer, monkeypatch):
    from transformers import BertForQuestionAnswering

    monkeypatch.setenv("HELPERS_PRECISION", "fp32")
    passage = "the red apple sings very very soon"
    split = split_of(("apple", passage, "very very", 20), ("not", passage, None, 0), ("red", "the plum", "plum", 4))
    encoded = encode_questions(split, tokenizer, 9, 2)
    collate = SpanCollator(tokenizer)
    (batch,) = batching.batches(encoded, tokenizer, batch_size=16, collate=collate)
    assert set(batch) == {*tokenizer.model_input_names, "start_positions", "end_positions"}
    assert batch["start_positions"].tolist() == encoded["start_positions"][:]
    model = tiny(BertForQuestionAnswering).eval()
    output = model(**batch)
    by_hand = [
        torch.nn.functional.cross_entropy(output[f"{side}_logits"], batch[f"{side}_positions"])
        for side in ("start", "end")
    ]
    assert output.loss.item() == pytest.approx(sum(by_hand).item() / 2, rel=1e-5)
    found = best_spans(
        evaluation.predict(model, batching.batches(encoded, tokenizer, 2, collate=collate)).logits, encoded, split
    )
    assert len(found) == 3

    (unlabelled,) = batching.batches(
        encode_questions(split.remove_columns("answers"), tokenizer, 9, 2), tokenizer, 16, collate=collate
    )
    assert set(unlabelled) == set(tokenizer.model_input_names)


def test_what_can_not_be_encoded_is_named(minilm):
    with pytest.raises(ValueError, match="no rows"):
        encode_questions(split_of(("a", "b", None, 0)).select([]), minilm)
    with pytest.raises(
        ValueError, match=r"Row 1: the question has 9 pieces. At max_length=16 that leaves 4 .* stride=4"
    ):
        encode_questions(split_of(("a", "b", None, 0), ("a " * 9, "b", None, 0)), minilm, 16, 4)
    with pytest.raises(ValueError, match="stride=-1"):
        encode_questions(split_of(("a", "b", None, 0)), minilm, 16, -1)
    with pytest.raises(ValueError, match=r"Row 0: the answer 'pond' is not at character 3; there is ' pon'"):
        encode_questions(split_of(("where", "the pond", "pond", 3)), minilm)
    for text, start in (("the", -1), ("", 2)):
        with pytest.raises(ValueError, match="is not at character"):
            encode_questions(split_of(("where", "the pond", text, start)), minilm)
    with pytest.raises(ValueError, match="Row 0: the tokenizer leaves nothing of"):
        encode_questions(split_of(("where", "the \u200b pond", "\u200b", 4)), minilm)
    split = split_of(("where", "the pond", "pond", 4))
    encoded = encode_questions(split, minilm)
    with pytest.raises(ValueError, match="There are 1 windows, but logits for 2"):
        best_spans(np.zeros((2, 2, 9)), encoded, split)
