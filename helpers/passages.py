"""Which part of a long text is worth reading?

A reader that was trained on few questions finds something like an answer everywhere. Choosing the place is another
task, and an encoder of sentences can do it as it comes: the sentence whose vector is closest to the question's is where
to look::

    looked_up = narrow(split, closest_sentences(encoder, tokenizer, split))
    windows = encode_questions(looked_up, tokenizer)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from helpers.batching.spans import ANSWERS, PASSAGE, QUESTION
from helpers.features import embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Span = tuple[int, int]  # first character and the one behind the last
# Where a sentence ends: space behind a full stop, a question mark or an exclamation mark, and a new beginning.
END = re.compile(r"(?<=[.!?])\s+(?=\W?[A-Z0-9])")


def sentences(text: str) -> list[Span]:
    """First character of each sentence and the one behind its last; a text without an end is one sentence.

    >>> sentences("It rained. Nobody came!")
    [(0, 10), (11, 23)]
    """
    ends = list(END.finditer(text))
    return list(zip([0, *(end.end() for end in ends)], [*(end.start() for end in ends), len(text)], strict=True))


def closest_sentences(encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, split: Dataset) -> list[Span]:
    """For each question the sentence of its passage with the highest cosine, as characters of the passage.

    Args:
        split: rows with ``question`` and ``context``, as in SQuAD.
    """
    questions, passages = split[QUESTION][:], split[PASSAGE][:]
    asked = embed(encoder, tokenizer, questions)
    places = {passage: sentences(passage) for passage in passages}
    told = [passage[first:last] for passage, spans in places.items() for first, last in spans]
    sizes = [len(spans) for spans in places.values()]
    vectors = dict(zip(places, embed(encoder, tokenizer, told).split(sizes), strict=True))
    return [
        places[passage][int((vectors[passage] @ vector).argmax())]
        for passage, vector in zip(passages, asked, strict=True)
    ]


def answer_sentences(split: Dataset) -> list[Span | None]:
    """For each question the sentence that holds the whole of its first answer; ``None`` where there is none."""
    found: list[Span | None] = []
    for passage, answers in zip(split[PASSAGE][:], split[ANSWERS][:], strict=True):
        held = []
        if answers["text"]:
            start = answers["answer_start"][0]
            end = start + len(answers["text"][0])
            held = [span for span in sentences(passage) if span[0] <= start and end <= span[1]]
        found.append(held[0] if held else None)
    return found


def narrow(split: Dataset, spans: Sequence[Span]) -> Dataset:
    """The same questions, each about a stretch of its passage only.

    Args:
        split: rows with ``question``, ``context`` and ``answers``, as in SQuAD.
        spans: first character of the stretch and the one behind its last, for each row in order.

    Answers move along, and those that do not lie whole in the stretch are left out: there, the question has no such
    answer. Raises ``ValueError`` for another number of spans than of rows.
    """
    if len(spans) != len(split):
        raise ValueError(f"There are {len(split)} questions, but {len(spans)} stretches of a passage.")
    rows = []
    for row, (first, last) in zip(split, spans, strict=True):
        given = zip(row[ANSWERS]["text"], row[ANSWERS]["answer_start"], strict=True)
        kept = [(text, start - first) for text, start in given if first <= start and start + len(text) <= last]
        texts, starts = [text for text, _ in kept], [start for _, start in kept]
        rows.append(row | {PASSAGE: row[PASSAGE][first:last], ANSWERS: {"text": texts, "answer_start": starts}})
    return type(split).from_list(rows, features=split.features)
