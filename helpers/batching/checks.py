"""What every encoder asks of its split, its tokenizer and its lengths, and how it works in constant memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from helpers.errors import number, with_rows

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

LABEL = "label"
# Which columns of a data set are its text, in the order in which they are packed into one sequence.
TEXT_COLUMNS = (("text",), ("sentence1", "sentence2"))
# How others name the column of labels. A split that has one of these and no `label` was meant to have labels.
LABEL_ALIKE = ("label", "labels", "label_id", "label_ids", "target", "targets")
USUAL = 128  # pieces of a text, where nothing else is asked for
PART = 1000  # rows encoded at once: Python's lists of integers need twenty times the memory of the finished columns


def in_parts(split: Dataset, columns: Sequence[str], encode: Callable[[dict[str, list], int], dict]) -> Dataset:
    """Encode ``PART`` rows at a time, so that memory does not grow with the split beyond the result.

    Args:
        encode: makes columns of the ``columns`` of some rows and the number of the first of these rows.
    """
    from datasets import concatenate_datasets

    read = split.with_format(None).select_columns(list(columns))
    starts = range(0, len(split), PART)
    parts = [type(split).from_dict(encode(read[start : start + PART], start)) for start in starts]
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts)


def needed(split: Dataset, *columns: str) -> Dataset:
    """Return ``split`` if it has rows and these columns; else raise ``ValueError`` that names what it has."""
    with_rows(split)
    missing = [name for name in columns if name not in split.column_names]
    if missing:
        raise ValueError(
            f"The split has no column {missing[0]!r}; it has {', '.join(split.column_names)}. Rename the one that is "
            f"meant: split.rename_column('…', {missing[0]!r})."
        )
    return split


def text_columns(split: Dataset) -> tuple[str, ...]:
    """The names of the split's columns of text: one, or two for pairs."""
    with_rows(split)
    columns = next((names for names in TEXT_COLUMNS if set(names) <= set(split.column_names)), None)
    if columns is None:
        raise ValueError(
            f"Found no text to encode in the columns {split.column_names}; looked for "
            + " or ".join("+".join(names) for names in TEXT_COLUMNS)
        )
    return columns


def check_texts(column: str, values: Sequence[Any], start: int = 0) -> None:
    """Raise ``ValueError`` for the first text that is no string; ``start`` is the row of the first."""
    for row, value in enumerate(values, start):
        if not isinstance(value, str):
            raise ValueError(f"Row {row}: column {column!r} holds {value!r}, which is not a string.")


def fitting(tokenizer: PreTrainedTokenizerBase, max_length: int | None, texts: int = 1, usual: int = USUAL) -> int:
    """The length to cut to: ``max_length``, by default the ``usual`` one or what the model holds, if that is less.

    Raises ``ValueError`` where ``max_length`` leaves no room for a piece, or is more than the tokenizer says that the
    model holds.
    """
    holds = tokenizer.model_max_length
    max_length = min(usual, holds) if max_length is None else max_length
    special = tokenizer.num_special_tokens_to_add(pair=texts == 2)
    hint = f"room for {special} special tokens and a piece"
    number("max_length", max_length, low=special + 1, whole=True, hint=hint)
    number("max_length", max_length, high=holds, whole=True, hint="the tokenizer says that the model holds no more")
    if tokenizer.pad_token is None:
        raise ValueError("The tokenizer has no padding token for batches. tokenizer.pad_token = tokenizer.eos_token")
    return max_length


def check_fast(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ``ValueError`` for a tokenizer that cannot tell which word or character a piece came from."""
    if not tokenizer.is_fast:
        raise ValueError(
            f"{type(tokenizer).__name__} cannot tell where its pieces come from: a tokenizer with a tokenizer.json "
            "(a fast one) is needed."
        )


def label_values(split: Dataset) -> list[Any] | None:
    """The labels of a split, checked: integers for classes, floats for numbers, lists of 0.0 and 1.0 for several.

    ``None`` where there is no column of labels. Raises ``ValueError`` with the row and the way out.
    """
    if LABEL not in split.column_names:
        meant = next((name for name in split.column_names if name.lower() in LABEL_ALIKE), None)
        if meant:
            raise ValueError(
                f"The labels seem to be in {meant!r}, and {LABEL!r} is looked for: "
                f"split.rename_column({meant!r}, {LABEL!r}), or split.remove_columns({meant!r})."
            )
        return None
    values, names = split.with_format(None)[LABEL][:], getattr(split.features[LABEL], "names", None)
    if any(isinstance(label, (list, tuple)) for label in values):
        return _several(values)
    for row, label in enumerate(values):
        _check_label(row, label, names, values)
    return [int(label) if isinstance(label, bool) else label for label in values]


def _check_label(row: int, label: Any, names: Sequence[str] | None, values: Sequence[Any]) -> None:
    if label is not None and not isinstance(label, (bool, int, float)):
        raise ValueError(f"Row {row}: label {label!r} is no number; name the classes: {_naming(values)}")
    if label is None or math.isnan(label) or math.isinf(label) or (names and not 0 <= label < len(names)):
        allowed = f"0 … {len(names) - 1} ({names[0]} … {names[-1]})" if names else "a number"
        raise ValueError(f"Row {row}: label {label!r} is not allowed here; expected {allowed}.")
    if isinstance(label, int) and label < 0:
        raise ValueError(
            f"Row {row}: label {label} is not allowed here; classes are numbered from 0. Is it a quantity? Then "
            f"split.cast_column({LABEL!r}, Value('float32'))."
        )


def _naming(values: Sequence[Any]) -> str:
    """How to number classes that are given by name. ``class_encode_column`` numbers each split for itself."""
    names = sorted({str(value) for value in values if value is not None})
    shown = ", ".join(map(repr, names[:4])) + (", …" if len(names) > 4 else "")
    return (
        f'split.class_encode_column("{LABEL}"), or alike for several splits: '
        f'splits.cast_column("{LABEL}", ClassLabel(names=[{shown}])).'
    )


def _several(values: Sequence[Any]) -> list[list[float]]:
    """Several labels a row, 0 or 1 for each class, as the floats that the loss wants."""
    width = next(len(label) for label in values if isinstance(label, (list, tuple)))
    for row, label in enumerate(values):
        fits = isinstance(label, (list, tuple)) and len(label) == width > 0
        if not fits or not all(isinstance(mark, (bool, int, float)) and mark in (0, 1) for mark in label):
            raise ValueError(
                f"Row {row}: label {label!r} is not allowed here; several labels are a list with 0 or 1 for each "
                f"class, and as long in every row (the first has {width})."
            )
    return [[float(mark) for mark in label] for label in values]
