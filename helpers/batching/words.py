"""How do labels of words become labels of word pieces, and predictions for pieces predictions for words?

People label words, BERT sees pieces. ``encode_words`` carries the labels over and remembers which word each piece came
from; ``word_predictions`` goes the way back. A sentence that is too long for the model loses its end, unless
``windows`` cuts it into overlapping stretches first::

    encoded = encode_words(split, tokenizer, max_length=48)
    batches = batching.batches(encoded, tokenizer, collate=WordCollator(tokenizer))
    classes = word_predictions(evaluation.predict(model, batches).classes, encoded)
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from helpers import renamed
from helpers.batching import IGNORED
from helpers.batching.checks import check_fast, fitting, in_parts, needed
from helpers.errors import number

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

WORDS, TAGS = "tokens", "ner_tags"  # the columns of CoNLL-2003, WNUT-17 and the book's own set
NO_WORD = NO_TAG = -1


def encode_words(
    split: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None, label_all_pieces: bool = False
) -> Dataset:
    """Turn sentences of labelled words into token ids with a label for each piece.

    The first piece of a word gets the word's label. All other pieces and the special tokens get -100, which the loss
    leaves out (Devlin et al. 2019, section 5.3). A word of which the tokenizer leaves nothing, such as an empty string
    or a lone accent, becomes ``[UNK]``, so that its label has a place.

    Args:
        split: rows with ``tokens`` (list of strings) and usually ``ner_tags`` (class ids, one a word).
        max_length: in pieces, ``[CLS]`` and ``[SEP]`` included; longer sentences lose their end: see
            :func:`lost_words` and :func:`windows`. By default 128, or what the model holds, if that is less.
        label_all_pieces: label the other pieces as well, those of a ``B-`` word with the ``I-`` of its type.

    Returns a ``Dataset`` with ``input_ids``, ``token_type_ids``, ``attention_mask``, ``labels`` where there were tags,
    ``word_ids`` (for each piece the index of its word, -1 for special tokens) and ``words`` (how many the row has).
    Where the tags have names and ``O`` is not their first, ``outside`` is its id (-1: there is none).

    Raises ``ValueError`` for an empty split, for a row with more or fewer tags than words, a tag that is no class, and
    a word that is no string.
    """
    needed(split, WORDS)
    check_fast(tokenizer)
    max_length = fitting(tokenizer, max_length)
    tokenizer = _spaced(tokenizer)
    columns = [name for name in (WORDS, TAGS) if name in split.column_names]
    names = getattr(getattr(split.features.get(TAGS), "feature", None), "names", None)
    inside = _inside(names) if label_all_pieces else None
    outside = names.index("O") if names and "O" in names else NO_TAG if names else 0

    def part(rows: dict[str, list], start: int) -> dict[str, list]:
        sentences = rows[WORDS]
        _check_words(sentences, start)
        visible = _visible(sentences, tokenizer)
        inputs = tokenizer(visible, is_split_into_words=True, truncation=True, max_length=max_length)
        word_ids = [[NO_WORD if word is None else word for word in inputs.word_ids(i)] for i in range(len(sentences))]
        encoded = dict(inputs) | {"word_ids": word_ids, "words": [len(words) for words in sentences]}
        if TAGS in rows:
            _check_tags(rows[TAGS], sentences, names, start)
            encoded["labels"] = [_piece_labels(*row, inside) for row in zip(word_ids, rows[TAGS], strict=True)]
        return encoded | ({"outside": [outside] * len(sentences)} if outside else {})

    return in_parts(split, columns, part)


def _spaced(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer, reading each word as one behind a space.

    Byte-level tokenizers (RoBERTa, ModernBERT) have another piece for a word at the beginning of a text, and take each
    word of a list for such a one unless they are told to.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if getattr(backend and backend.pre_tokenizer, "add_prefix_space", True):
        return tokenizer
    tokenizer = copy.deepcopy(tokenizer)
    before = tokenizer.backend_tokenizer.pre_tokenizer
    before.add_prefix_space = True
    tokenizer.backend_tokenizer.pre_tokenizer = before
    tokenizer.add_prefix_space = True
    return tokenizer


def _check_words(sentences: list[Any], start: int = 0) -> None:
    for row, words in enumerate(sentences, start):
        if isinstance(words, str):
            raise ValueError(f"Row {row}: {WORDS!r} must be a list of words, got one string {words!r}.")
        if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"Row {row}: every item of {WORDS!r} must be a string, got {words!r}.")


def _visible(sentences: list[list[str]], tokenizer: PreTrainedTokenizerBase) -> list[list[str]]:
    """The sentences, with ``[UNK]`` for every word of which the tokenizer leaves nothing."""
    words = sorted({word for sentence in sentences for word in sentence})
    pieces = tokenizer(words, add_special_tokens=False)["input_ids"] if words else []
    empty = {word for word, ids in zip(words, pieces, strict=True) if not ids}
    return [[tokenizer.unk_token if word in empty else word for word in sentence] for sentence in sentences]


def _check_tags(tags: list[Any], sentences: list[list[str]], names: Sequence[str] | None, start: int) -> None:
    for row, (given, words) in enumerate(zip(tags, sentences, strict=True), start):
        if not isinstance(given, (list, tuple)):
            raise ValueError(f"Row {row}: {TAGS!r} must be a list with a tag for each word, got {given!r}.")
        if len(given) != len(words):
            raise ValueError(f"Row {row} has {len(words)} words and {len(given)} tags.")
        wrong = [tag for tag in given if not isinstance(tag, int) or isinstance(tag, bool)]
        if wrong:
            raise ValueError(
                f"Row {row}: tag {wrong[0]!r} is no number; name the tags, alike for all splits: "
                f"splits.cast_column({TAGS!r}, List(ClassLabel(names=['O', 'B-…', 'I-…', …])))."
            )
        if names and not all(0 <= tag < len(names) for tag in given):
            raise ValueError(f"Row {row}: tags {given} are not all in 0 … {len(names) - 1}.")
        if not all(tag >= 0 or tag == IGNORED for tag in given):
            raise ValueError(f"Row {row}: tags {given} must be 0 or more, or {IGNORED} where a word does not count.")


def _inside(names: Sequence[str] | None) -> dict[int, int]:
    """For each class ``B-x`` the class ``I-x``, where there is one; every other class stays itself."""
    ids = {name: i for i, name in enumerate(names or ())}
    other = next((name for name in ids if name[:2] in ("S-", "E-", "L-", "U-")), None)
    if other:
        raise ValueError(f"label_all_pieces continues B- with I-; what continues {other!r} is not clear. Leave it off.")
    return {i: ids.get(f"I-{name[2:]}", i) for name, i in ids.items() if name.startswith("B-")}


def _piece_labels(word_ids: list[int], tags: list[int], inside: dict[int, int] | None) -> list[int]:
    labels = []
    for before, word in zip([NO_WORD, *word_ids], word_ids, strict=False):
        if word == NO_WORD:
            labels.append(IGNORED)
        elif word != before:
            labels.append(tags[word])
        else:
            labels.append(IGNORED if inside is None else inside.get(tags[word], tags[word]))
    return labels


class WordCollator:
    """Collator: pads encoded sentences and their labels to a batch, labels with -100.

    Batches have the tokenizer's inputs and ``labels``, each of shape (batch, longest), ``labels`` where there are any.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        from transformers import DataCollatorForTokenClassification

        self.names = (*tokenizer.model_input_names, "labels")
        self.collate = DataCollatorForTokenClassification(tokenizer, label_pad_token_id=IGNORED)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        return dict(self.collate([{name: row[name] for name in self.names if name in row} for row in rows]))


def word_predictions(classes: np.ndarray, encoded: Dataset, unseen: int | None = None) -> list[list[int]]:
    """The class of every word: that of its first piece.

    Args:
        classes: predicted class ids of the pieces, shape (rows, longest or more), in the order of ``encoded``.
        encoded: what :func:`encode_words` returned.
        unseen: class of the words that truncation cut off; by default that of ``O``: its id where the tags have names,
            else 0, which it is in the common data sets.

    Returns a list of class ids for each row, as long as its words. Raises ``ValueError`` for another number of rows,
    and for words that were cut off where none of the tags is ``O``.
    """
    if len(classes) != len(encoded):
        raise ValueError(f"There are {len(encoded)} sentences, but predictions for {len(classes)}.")
    if unseen is None:
        unseen = encoded["outside"][0] if "outside" in encoded.column_names and len(encoded) else 0
    if unseen == NO_TAG and any(lost_words(encoded)):
        raise ValueError("Words were cut off and none of the tags is 'O': say which class they get, unseen=…")
    found = []
    for given, word_ids, words in zip(classes, encoded["word_ids"], encoded["words"], strict=True):
        row = [unseen] * words
        for place in reversed(range(len(word_ids))):  # backwards, so that a word's first piece has the last word
            if word_ids[place] != NO_WORD:
                row[word_ids[place]] = int(given[place])
        found.append(row)
    return found


def lost_words(encoded: Dataset) -> list[int]:
    """For each row, how many words at its end truncation has cut off."""
    return [
        words - 1 - max(word_ids, default=NO_WORD)
        for word_ids, words in zip(encoded["word_ids"], encoded["words"], strict=True)
    ]


def windows(
    split: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None, overlap: int = 8
) -> Dataset:
    """Cut long sentences into stretches of whole words that fit into ``max_length`` pieces.

    Args:
        overlap: how many words a stretch shares with the next; fewer where the next would not get further otherwise.

    Returns rows for :func:`encode_words`, in the order of ``split``: its words and tags, and besides ``row`` (index in
    ``split``) and ``start`` (index of the stretch's first word there). :func:`join_windows` is the way back. A word
    that is longer than a whole stretch loses its end, but keeps its first piece. Raises ``ValueError`` where nothing
    fits beside the special tokens.
    """
    from datasets import Features, Value

    needed(split, WORDS)
    number("overlap", overlap, low=0, whole=True)
    room = fitting(tokenizer, max_length) - tokenizer.num_special_tokens_to_add()
    tokenizer = _spaced(tokenizer)
    _check_words(split[WORDS][:])
    features = {name: feature for name, feature in split.features.items() if name in (WORDS, TAGS)}
    rows: list[dict[str, Any]] = []
    visible = _visible(split[WORDS][:], tokenizer)
    for row, (example, words) in enumerate(zip(split.select_columns(list(features)), visible, strict=True)):
        lengths = [len(ids) for ids in tokenizer(words, add_special_tokens=False)["input_ids"]] if words else []
        for start, end in _stretches(lengths, room, overlap):
            rows.append({name: example[name][start:end] for name in features} | {"row": row, "start": start})
    features |= {"row": Value("int64"), "start": Value("int64")}
    return type(split).from_list(rows, features=Features(features))


def _stretches(lengths: list[int], room: int, overlap: int) -> Iterator[tuple[int, int]]:
    start = end = 0
    while True:
        while end < len(lengths) and (end == start or sum(lengths[start : end + 1]) <= room):
            end += 1
        yield start, end
        if end == len(lengths):
            return
        start = max(end - overlap, start)
        while start < end and sum(lengths[start : end + 1]) > room:  # the next word must fit
            start += 1


def join_windows(parts: Dataset, classes: list[list[int]]) -> list[list[int]]:
    """Put the predictions for the stretches of :func:`windows` together: one list of class ids for each sentence.

    A word in two stretches gets its class from the one in which it lies further from the edge, with more context.
    """
    best: list[dict[int, tuple[int, int]]] = []  # for each row, by word: the margin and the class
    for row, start, given in zip(parts["row"], parts["start"], classes, strict=True):
        if row == len(best):
            best.append({})
        for place, label in enumerate(given):
            margin = min(place, len(given) - 1 - place)
            if margin > best[row].get(start + place, (-1, 0))[0]:
                best[row][start + place] = margin, label
    return [[label for _, label in words.values()] for words in best]


renamed.keep(__name__)
