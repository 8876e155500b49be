"""How does an answer in a passage become two positions, and two rows of logits an answer?

Question and passage share one sequence, ``[CLS] question [SEP] passage [SEP]``, and the model scores every piece of it
as start and as end. ``encode_questions`` cuts long passages into overlapping windows and finds the answer's first and
last piece in each; ``best_spans`` goes the way back, from the scores of all windows to one span of characters::

    encoded = encode_questions(split, tokenizer, max_length=192, stride=64)
    batches = batching.batches(encoded, tokenizer, collate=SpanCollator(tokenizer))
    found = best_spans(evaluation.predict(model, batches).logits, encoded, split)
    texts = [answer.text if answer.margin > 0 else "" for answer in found]
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from helpers import renamed
from helpers.batching.checks import check_fast, check_texts, fitting, in_parts, needed
from helpers.errors import number

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

QUESTION, PASSAGE, ANSWERS = "question", "context", "answers"  # the columns of SQuAD and of the book's own set
NO_ANSWER = 0  # the position of [CLS]
NOT_PASSAGE = (0, 0)  # the offsets of special tokens and of the question; every piece of a passage has a character
Offsets = list[tuple[int, int]]


def encode_questions(
    split: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None, stride: int = 64
) -> Dataset:
    """Turn questions and passages into windows of token ids with the positions of the answer.

    A passage that does not fit is cut into windows; each has the whole question. A window that does not hold the whole
    answer gets ``NO_ANSWER`` for both positions, like a question without an answer: in this window there is none. Of
    several answers the first is taken.

    Args:
        split: rows with ``question``, ``context`` and usually ``answers``, as in SQuAD: ``text`` and ``answer_start``,
            the position of its first character; both empty where there is no answer.
        max_length: of a window in pieces, question and special tokens included. By default 192, or what the model
            holds, if that is less.
        stride: how many pieces a window shares with the next. An answer of at most ``stride`` pieces lies whole in at
            least one window.

    Returns a ``Dataset`` with a row for each window: ``input_ids``, ``token_type_ids``, ``attention_mask``,
    ``start_positions`` and ``end_positions`` (first and last piece, where there was a column of answers), ``row``
    (index of the question in ``split``) and ``offsets`` (for each piece its first character in the passage and the one
    behind its last, ``NOT_PASSAGE`` for pieces that are not of the passage).

    Raises ``ValueError`` for an empty split, a question that leaves no more than ``stride`` pieces to the passage, an
    answer that is not in the passage where it says, and one of which the tokenizer leaves nothing.
    """
    needed(split, QUESTION, PASSAGE)
    check_fast(tokenizer)
    max_length = fitting(tokenizer, max_length, texts=2, usual=192)
    number("stride", stride, whole=True)
    columns = [name for name in (QUESTION, PASSAGE, ANSWERS) if name in split.column_names]

    def part(given: dict[str, list], start: int) -> dict[str, list]:
        questions, passages = given[QUESTION], given[PASSAGE]
        check_texts(QUESTION, questions, start)
        check_texts(PASSAGE, passages, start)
        _check_room(questions, tokenizer, max_length, stride, start)
        inputs = tokenizer(
            questions,
            passages,
            truncation="only_second",
            max_length=max_length,
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        rows = inputs.pop("overflow_to_sample_mapping")
        pieces = inputs.pop("offset_mapping")
        offsets = [
            _passage_offsets(passages[row], pieces[window], inputs.sequence_ids(window))
            for window, row in enumerate(rows)
        ]
        encoded = dict(inputs) | {"row": [start + row for row in rows], "offsets": offsets}
        if ANSWERS in given:
            pairs = enumerate(zip(passages, given[ANSWERS], strict=True), start)
            answers = [_characters(row, *pair) for row, pair in pairs]
            sizes = _sizes(passages, answers, tokenizer, start)
            positions = [_positions(offsets[window], answers[row], sizes[row]) for window, row in enumerate(rows)]
            encoded["start_positions"], encoded["end_positions"] = map(list, zip(*positions, strict=True))
        return encoded

    return in_parts(split, columns, part)


def bad_answers(split: Dataset) -> dict[int, str]:
    """What is wrong with the answers of a split: for each bad row, by its number, what :func:`encode_questions` says.

    >>> from datasets import Dataset
    >>> rows = {"context": ["Ann saw Bob."], "answers": [{"text": ["Bob"], "answer_start": [7]}]}
    >>> bad_answers(Dataset.from_dict(rows))
    {0: "Row 0: the answer 'Bob' is not at character 7; there is ' Bo'."}

    ``split.select(row for row in range(len(split)) if row not in bad)`` leaves them out.
    """
    needed(split, PASSAGE, ANSWERS)
    plain, found = split.with_format(None), {}
    for row, (passage, answers) in enumerate(zip(plain[PASSAGE], plain[ANSWERS], strict=True)):
        try:
            check_texts(PASSAGE, [passage], row)
            _characters(row, passage, answers)
        except ValueError as error:
            found[row] = str(error)
    return found


def _check_room(
    questions: list[str], tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int, start: int
) -> None:
    """The tokenizer's own answer to a lack of room is a panic of its Rust code."""
    special = tokenizer.num_special_tokens_to_add(pair=True)
    for row, ids in enumerate(tokenizer(questions, add_special_tokens=False)["input_ids"], start):
        room = max_length - special - len(ids)
        if not 0 <= stride < room:
            raise ValueError(
                f"Row {row}: the question has {len(ids)} pieces. At max_length={max_length} that leaves {room} to the "
                f"passage; it must be more than stride={stride}, and that not negative."
            )


def _passage_offsets(passage: str, pieces: Offsets, sequences: list[int | None]) -> Offsets:
    """The offsets of the passage's pieces, with the accents that the tokenizer dropped behind them."""

    def whole(start: int, end: int) -> tuple[int, int]:
        while end < len(passage) and unicodedata.category(passage[end]).startswith("M"):
            end += 1
        return start, end

    return [whole(*piece) if kind == 1 else NOT_PASSAGE for piece, kind in zip(pieces, sequences, strict=True)]


def _characters(row: int, passage: str, answers: Any) -> tuple[int, int] | None:
    """First character of the first answer and the one behind its last; ``None`` where there is no answer.

    Args:
        answers: ``{"text": […], "answer_start": […]}``, or a dictionary of ``text`` and ``answer_start`` for each one,
            as SQuAD's own files have it.
    """
    if isinstance(answers, (list, tuple)) and all(isinstance(answer, dict) for answer in answers):
        answers = {name: [answer.get(name) for answer in answers] for name in ("text", "answer_start")}
    lists: list[Any] = [answers.get(name) for name in ("text", "answer_start")] if isinstance(answers, dict) else [None]
    if not all(isinstance(values, (list, tuple)) for values in lists) or len(lists[0]) != len(lists[1]):
        raise ValueError(
            f"Row {row}: answers must be {{'text': […], 'answer_start': […]}}, two lists of one length (both empty "
            f"where there is no answer); got {answers!r}."
        )
    if not lists[0]:
        return None
    text, start = lists[0][0], lists[1][0]
    if not isinstance(text, str) or not isinstance(start, int) or isinstance(start, bool):
        raise ValueError(
            f"Row {row}: an answer is a string and the whole number of its first character; got {text!r} and {start!r}."
        )
    if not text or start < 0 or passage[start : start + len(text)] != text:
        there = passage[max(start, 0) : max(start, 0) + len(text)]
        raise ValueError(f"Row {row}: the answer {text!r} is not at character {start}; there is {there!r}.")
    return start, start + len(text)


def _inside(offsets: Offsets, answer: tuple[int, int]) -> list[int]:
    """The positions of the pieces that share a character with the answer."""
    return [place for place, (start, end) in enumerate(offsets) if start < answer[1] and end > answer[0]]


def _sizes(
    passages: list[str], answers: list[tuple[int, int] | None], tokenizer: PreTrainedTokenizerBase, first: int
) -> list[int]:
    """How many pieces each answer has in its uncut passage."""
    distinct = sorted(set(passages))
    pieces = tokenizer(distinct, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    uncut = {
        passage: _passage_offsets(passage, offsets, [1] * len(offsets))
        for passage, offsets in zip(distinct, pieces, strict=True)
    }
    sizes = [0 if a is None else len(_inside(uncut[p], a)) for p, a in zip(passages, answers, strict=True)]
    for row, (size, answer) in enumerate(zip(sizes, answers, strict=True)):
        if answer and not size:
            raise ValueError(f"Row {first + row}: the tokenizer leaves nothing of {passages[row][slice(*answer)]!r}.")
    return sizes


def _positions(offsets: Offsets, answer: tuple[int, int] | None, size: int) -> tuple[int, int]:
    places = _inside(offsets, answer) if answer else []
    return (places[0], places[-1]) if places and len(places) == size else (NO_ANSWER, NO_ANSWER)


class SpanCollator:
    """Collator: pads windows to a batch and leaves out what only decoding needs.

    Batches have the tokenizer's inputs, each of shape (batch, longest), and ``start_positions`` and ``end_positions``
    of shape (batch,) where there are any.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        from transformers import DataCollatorWithPadding

        self.names = (*tokenizer.model_input_names, "start_positions", "end_positions")
        self.collate = DataCollatorWithPadding(tokenizer)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        return dict(self.collate([{name: row[name] for name in self.names if name in row} for row in rows]))


class Answer(NamedTuple):
    """The best span of a passage: its text and characters, its score, and the score of "no answer"."""

    text: str
    start: int
    end: int
    score: float
    null: float

    @property
    def margin(self) -> float:
        """By how much the span beats "no answer"."""
        return self.score - self.null


def best_spans(logits: np.ndarray, encoded: Dataset, split: Dataset, max_pieces: int = 30) -> list[Answer]:
    """The best legal span of every question, over all windows of its passage.

    A span's score is its start logit plus its end logit. It is legal if it lies in the passage, does not end before it
    starts and has at most ``max_pieces`` pieces. The score of "no answer" is that of ``[CLS]``, the lowest of all
    windows: a passage answers as soon as one of its windows does (as in BERT's ``run_squad.py``).

    Args:
        logits: of start and end, shape (windows, 2, longest or more), in the order of ``encoded``.
        encoded: what :func:`encode_questions` made of ``split``.

    Where no span is legal, the text is empty and the score minus infinity. Raises ``ValueError`` for another number of
    windows.
    """
    if len(logits) != len(encoded):
        raise ValueError(f"There are {len(encoded)} windows, but logits for {len(logits)}.")
    best = [Answer("", 0, 0, -np.inf, np.inf)] * len(split)
    passages = split[PASSAGE][:]
    for (starts, ends), offsets, row in zip(logits, encoded["offsets"], encoded["row"], strict=True):
        null = min(best[row].null, float(starts[NO_ANSWER] + ends[NO_ANSWER]))
        width = len(offsets)
        scores = starts[:width, None] + ends[None, :width]
        passage = np.array([tuple(piece) != NOT_PASSAGE for piece in offsets])
        legal = np.triu(passage[:, None] & passage) & ~np.triu(np.ones_like(scores, dtype=bool), max_pieces)
        first, last = np.unravel_index(np.where(legal, scores, -np.inf).argmax(), scores.shape)
        if legal[first, last] and scores[first, last] > best[row].score:
            start, end = offsets[first][0], offsets[last][1]
            best[row] = Answer(passages[row][start:end], start, end, float(scores[first, last]), null)
        best[row] = best[row]._replace(null=null)
    return best


renamed.keep(__name__)
