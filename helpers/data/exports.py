"""What do the exports of annotation tools hold?

CoNLL files have a word and its tag on a line. Span exports (doccano, Label Studio, Prodigy) have a text and the
characters of each entity. SQuAD's JSON nests questions in paragraphs. All become plain rows in the book's columns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from helpers.data.tables import Row, decoded

WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def conll(file: Path, encoding: str = "utf-8") -> Iterator[Row]:
    """Sentences of a CoNLL file: a line's first column is the word, its last the tag, a blank line ends a sentence.

    Raises ``ValueError`` for a line without a tag.
    """
    words: list[str] = []
    tags: list[str] = []
    begun = 1
    for number, line in enumerate([*decoded(file, encoding).splitlines(), ""], 1):
        pieces = line.split()
        if pieces and pieces[0] != "-DOCSTART-" and not line.startswith("# "):
            if len(pieces) < 2:
                raise ValueError(
                    f"{file}, line {number}: {line!r} has no tag. A line is a word, blanks or a tab, and a tag."
                )
            words.append(pieces[0])
            tags.append(pieces[-1])
        elif words:
            yield Row({"tokens": words, "ner_tags": tags}, f"{file}, line {begun}")
            words, tags, begun = [], [], number + 1


def spans(value: Any, place: str) -> list[tuple[int, int, str]]:
    """The spans of a text in any of the usual forms: ``[0, 5, "PER"]``, ``{"start": 0, "end": 5, "label": "PER"}``,
    and Label Studio's ``{"value": {"start": …, "end": …, "labels": ["PER"]}}``. Sorted by their start.

    Raises ``ValueError`` for another form.
    """
    found = []
    for span in json.loads(value) if isinstance(value, str) and value.strip() else value or []:
        inner: Any = span.get("value", span) if isinstance(span, dict) else span
        start: Any
        end: Any
        try:
            if isinstance(inner, dict):
                label = inner.get("label", inner.get("labels", inner.get("entity_group", inner.get("type"))))
                label = label[0] if isinstance(label, list) else label
                start, end = inner.get("start", inner.get("start_offset")), inner.get("end", inner.get("end_offset"))
            else:
                start, end, label = inner
            found.append((int(start or 0), int(end), str(label)))
        except (TypeError, ValueError, IndexError):
            raise ValueError(
                f"{place}: the span {span!r:.80} is neither [start, end, label] nor an object with start, end and "
                f"label."
            ) from None
    return sorted(found)


def words_of(text: str, marked: list[tuple[int, int, str]], place: str) -> tuple[list[str], list[str]]:
    """The words of a text and a BIO tag for each, from spans of characters.

    A word is a run of letters and digits, or one other sign; a span's edge inside of a word parts it. Raises
    ``ValueError`` for spans that overlap, hold no word, or lie outside of the text.
    """
    for (start, end, label), after in pairwise([*marked, (len(text), len(text), "")]):
        if not 0 <= start < end <= len(text):
            raise ValueError(f"{place}: the span {start} … {end} ({label}) lies outside of the {len(text)} characters.")
        if end > after[0] and after[2]:
            raise ValueError(f"{place}: the spans {label} and {after[2]} overlap at character {after[0]}; tags cannot.")
    edges = sorted({0, len(text), *(edge for start, end, _ in marked for edge in (start, end))})
    words, tags = [], []
    for begin, end in pairwise(edges):
        inside = next((label for start, stop, label in marked if start <= begin and end <= stop), None)
        pieces = WORD.findall(text[begin:end])
        if inside is not None and not pieces:
            raise ValueError(f"{place}: the span {begin} … {end} ({inside}) holds no word: {text[begin:end]!r}.")
        words += pieces
        tags += ["O" if inside is None else f"{'I' if i else 'B'}-{inside}" for i in range(len(pieces))]
    return words, tags


def squad(file: Path, encoding: str = "utf-8") -> Iterator[Row]:
    """Questions of a file in SQuAD's form, ``{"data": [{"paragraphs": [{"context": …, "qas": [...]}]}]}``."""
    whole = json.loads(decoded(file, encoding))
    for article in whole["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = [] if question.get("is_impossible") else question.get("answers", [])
                yield Row(
                    {
                        "id": str(question.get("id", "")),
                        "context": paragraph["context"],
                        "question": question["question"],
                        "answers": {
                            "text": [answer["text"] for answer in answers],
                            "answer_start": [answer["answer_start"] for answer in answers],
                        },
                    },
                    f"{file}, question {question.get('id', question['question'])!r}",
                )


def is_squad(file: Path, encoding: str = "utf-8") -> bool:
    """Is it a JSON file in SQuAD's form?"""
    if file.suffix.lower() != ".json":
        return False
    try:
        whole = json.loads(decoded(file, encoding))
        return isinstance(whole, dict) and "paragraphs" in whole["data"][0]
    except (ValueError, KeyError, IndexError, TypeError):
        return False
