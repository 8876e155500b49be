"""How does a reader's own file become one of the book's data sets?

``read`` takes CSV, TSV, JSON, JSON Lines, Parquet, CoNLL files, SQuAD's JSON and span exports, told once what *their*
columns are called, and gives the splits, columns and types that the chapters use, with one numbering of the labels for
all splits:

    splits = read("reviews.csv", text="review", label="stars")
    splits = read({"train": "a.csv", "test": "b.csv"}, text="review", label="stars")

A column of classes holds names; ``kind`` says if it holds numbers or several names. See ``data.check`` for a look at
the result before any training.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.data import exports, tables
from helpers.data.splits import SHARES, cut
from helpers.data.tables import Row
from helpers.errors import choose

if TYPE_CHECKING:
    from datasets import DatasetDict

CLASS, NUMBER, CLASSES = "class", "number", "classes"
TASKS = (
    {"text"},
    {"sentence1", "sentence2"},
    {"tokens", "ner_tags"},
    {"text", "spans"},
    {"question", "context"},
    {"prompt", "choices"},
)
COLUMNS = sorted({name for task in TASKS for name in task} | {"label", "answers", "id"})
# More classes than this, and hardly two rows of one, and it is no column of classes.
MANY = 30


def read(
    files: str | Path | Mapping[str, str | Path],
    *,
    kind: str = CLASS,
    blank: str = "refuse",
    group: str | None = None,
    seed: int = 0,
    encoding: str = "utf-8",
    separator: str | None = None,
    label_separator: str | None = None,
    **columns: str | list[str],
) -> DatasetDict:
    """Read files of your own into ``train``, ``validation`` and ``test``.

    Args:
        files: one file, or one for each split. Splits that are not there are cut from the training rows (or from the
            only file): stratified by class, the same on every machine, equal texts and groups never in two splits.
        kind: of the label: ``"class"``, one name; ``"classes"``, several names, as a list or joined by
            ``label_separator``: each row's label is then 0 or 1 for each name; ``"number"``, for a regression.
        blank: rows without a text or without a label: ``"refuse"`` them with the first place, or ``"drop"`` them.
        group: the column whose rows belong together: a person, a document, a product.
        seed: of the cut.
        encoding, separator: of the file; of a CSV file's columns.
        columns: the book's column = your column: ``text=`` or ``sentence1=, sentence2=``, and ``label=``; ``text=,
            spans=`` (characters of entities) or ``tokens=, ner_tags=``; ``question=, context=, answers=``; ``prompt=,
            choices=`` (a list in one column, or a list of columns) and ``label=`` (a number from 0, or a letter from
            A). CoNLL files and SQuAD's JSON need none.

    The result's ``label_names`` are the names in the order of their ids, its ``left_out`` the places of dropped rows.
    Raises ``ValueError`` and ``OSError`` that name file, line and way out.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "own.csv")
    >>> _ = file.write_text("review,mood\\n" + "\\n".join(f"text {i},{'good' if i % 2 else 'None'}" for i in range(20)))
    >>> splits = read(file, text="review", label="mood")
    >>> splits.label_names, {split: len(rows) for split, rows in splits.items()}
    (['None', 'good'], {'train': 14, 'validation': 2, 'test': 4})
    """
    choose("kind of label", kind, (CLASS, NUMBER, CLASSES))
    choose("way with blank rows", blank, ("drop", "refuse"))
    parts = {str(name): Path(file) for name, file in files.items()} if isinstance(files, Mapping) else {"": Path(files)}
    for name in parts:
        if name:
            choose("split", name, SHARES)
    found: dict[str, list[Row]] = {}
    left_out: list[str] = []
    for name, file in parts.items():
        raw, named = _rows(file, columns, encoding, separator)
        kept = [Row(_picked(row, named, group), row.place) for row in raw]
        bad = [row for row in kept if _blank(row)]
        if bad and blank == "refuse":
            raise ValueError(
                f"{len(bad)} of {len(kept)} rows have no text or no label, first {bad[0].place}. Leave them out with "
                "blank='drop', or mend them."
            )
        left_out += [row.place for row in bad]
        found[name] = [Row(_converted(row, kind, label_separator), row.place) for row in kept if not _blank(row)]
        if not found[name]:
            raise ValueError(f"{file} has no row with text and label.")
    names = _names(found, kind)
    splits = _typed(_three(found, seed, group), kind, names, group)
    splits.label_names, splits.left_out = names, left_out
    return splits


def _rows(
    file: Path, columns: dict[str, Any], encoding: str, separator: str | None
) -> tuple[list[Row], dict[str, str | list[str]]]:
    """The rows of a file, and which of its columns stand for which of the book's."""
    kind = tables.checked(file)
    if kind in (".conll", ".iob", ".bio", ".txt") or (kind == ".tsv" and not columns):
        rows, columns = list(exports.conll(file, encoding)), {"tokens": "tokens", "ner_tags": "ner_tags"}
        if not rows:
            raise ValueError(f"{file} has no sentence: lines of a word and its tag, a blank line behind each sentence.")
    elif exports.is_squad(file, encoding):
        rows = list(exports.squad(file, encoding))
        columns = {name: name for name in ("id", "question", "context", "answers")}
    else:
        for name in columns:
            choose("column", name, COLUMNS)
        if not any(task <= set(columns) for task in TASKS):
            there = ", ".join(tables.rows(file, encoding, separator)[0].values)
            raise ValueError(
                f"Say which column holds what: text=…, label=… (or sentence1=, sentence2=; tokens=, ner_tags=; text=, "
                f"spans=; question=, context=, answers=; prompt=, choices=). {file} has the columns: {there}."
            )
        rows = tables.rows(file, encoding, separator)
    return rows, columns


def _picked(row: Row, columns: Mapping[str, Any], group: str | None) -> dict[str, Any]:
    """The values under the book's names; ``ValueError`` for a column that is not there."""

    def value(name: str) -> Any:
        if name not in row.values:
            near = difflib.get_close_matches(name, row.values, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{row.place}: no column {name!r}.{meant} There are: {', '.join(row.values)}.")
        return row.values[name]

    picked = {
        own: [value(name) for name in theirs] if isinstance(theirs, (list, tuple)) else value(theirs)
        for own, theirs in columns.items()
    }
    return picked | ({"group": str(value(group))} if group else {})


def _blank(row: Row) -> bool:
    """Does a text or the label hold nothing? Answers, spans and words may."""

    def empty(value: Any) -> bool:
        gap = value is None or (isinstance(value, float) and math.isnan(value))
        return gap or (isinstance(value, str) and not value.strip())

    read_ = ("text", "sentence1", "sentence2", "question", "context", "prompt", "label")
    return any(empty(value) for name, value in row.values.items() if name in read_) or row.values.get("tokens") == []


def _converted(row: Row, kind: str, label_separator: str | None) -> dict[str, Any]:
    """The values in the book's types, labels as names or numbers; ``ValueError`` with the place."""
    values, place = dict(row.values), row.place
    for name in ("text", "sentence1", "sentence2", "question", "context", "prompt"):
        if name in values and not isinstance(values[name], str):
            raise ValueError(f"{place}: {name} is {values[name]!r:.60}, which is no text. Is it the right column?")
    if "spans" in values:
        marked = exports.spans(values.pop("spans"), place)
        values["tokens"], values["ner_tags"] = exports.words_of(values.pop("text"), marked, place)
    if "tokens" in values:
        for name in ("tokens", "ner_tags"):
            if isinstance(values[name], str):
                values[name] = values[name].split()
        if len(values["tokens"]) != len(values["ner_tags"]):
            raise ValueError(f"{place}: {len(values['tokens'])} words and {len(values['ner_tags'])} tags.")
        values["ner_tags"] = [str(tag) for tag in values["ner_tags"]]
    if "choices" in values:
        values["label"] = _choice(values, place)
    elif "label" in values:
        values["label"] = _label(values["label"], kind, label_separator, place)
    return values


def _choice(values: dict[str, Any], place: str) -> int:
    """The index of the right choice, from 0; a letter counts from A."""
    choices, label = values["choices"], values.get("label")
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise ValueError(f"{place}: choices must be a list of texts, or name one column for each: choices=['a', 'b'].")
    if isinstance(label, str) and len(label.strip()) == 1 and label.strip().isalpha():
        label = ord(label.strip().upper()) - ord("A")
    try:
        index = int(label)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        index = -1
    if not 0 <= index < len(choices):
        raise ValueError(f"{place}: label {values.get('label')!r} is none of the {len(choices)} choices (0 … or A …).")
    return index


def _label(value: Any, kind: str, separator: str | None, place: str) -> Any:
    if kind == NUMBER:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or isinstance(value, bool):
            raise ValueError(f"{place}: label {value!r:.60} is no number. For names of classes leave kind= out.")
        return number
    if kind == CLASSES:
        several = value if isinstance(value, list) else str(value).split(separator) if separator else None
        if several is None:
            raise ValueError(f"{place}: label {value!r:.60} is no list. Say what joins the names: label_separator=';'.")
        return [str(name).strip() for name in several if str(name).strip()]
    if isinstance(value, (list, dict)):
        raise ValueError(
            f"{place}: label {value!r:.60} is more than one name. For several labels a text: kind='classes'."
        )
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas makes floats of whole numbers as soon as one is missing
    return str(value).strip()


def _names(found: Mapping[str, list[Row]], kind: str) -> list[str]:
    """One numbering of the labels for all splits: sorted, numbers by their size."""
    rows = [row for part in found.values() for row in part]
    if "ner_tags" in rows[0].values:
        tags = {tag for row in rows for tag in row.values["ner_tags"]}
        return sorted(tags, key=lambda tag: (tag != "O", tag.partition("-")[2], tag))
    if "label" not in rows[0].values or "choices" in rows[0].values or kind == NUMBER:
        return []
    labels = [row.values["label"] for row in rows]
    counts = Counter(name for label in labels for name in (label if kind == CLASSES else [label]))
    if len(counts) < 2:
        raise ValueError(f"All rows have one label, {next(iter(counts), '')!r}: there is nothing to tell apart.")
    if kind == CLASS and len(counts) > MANY and len(counts) > len(rows) / 2:
        raise ValueError(
            f"The label has {len(counts)} different values in {len(rows)} rows, as in {labels[0]!r:.40}. Is it the "
            f"right "
            "column? For numbers: kind='number'."
        )
    numeric = all(name.lstrip("-").isdigit() for name in counts)
    return sorted(counts, key=int) if numeric else sorted(counts)


def _three(found: dict[str, list[Row]], seed: int, group: str | None) -> dict[str, list[Row]]:
    """All three splits: those that are there, the others cut from the training rows."""
    if set(found) == set(SHARES):
        return {split: found[split] for split in SHARES}
    pool_name = "train" if "train" in found else next(iter(found))
    pool = found[pool_name]
    wanted = {split: share for split, share in SHARES.items() if split == "train" or split not in found}
    cuts = cut(
        [_text(row) for row in pool],
        [str(row.values.get("label", "")) if not isinstance(row.values.get("label"), float) else "" for row in pool],
        [row.values["group"] for row in pool] if group else (),
        {split: share / sum(wanted.values()) for split, share in wanted.items()},
        seed,
    )
    rest = {split: rows for split, rows in found.items() if split != pool_name}
    return {split: [pool[row] for row in cuts[split]] if split in cuts else rest[split] for split in SHARES}


def _text(row: Row) -> str:
    """What two rows must share to be the same text; of a question, its passage."""
    if "tokens" in row.values:
        return " ".join(row.values["tokens"])
    if "context" in row.values:
        return row.values["context"]
    return "\t".join(row.values[name] for name in ("text", "sentence1", "sentence2", "prompt") if name in row.values)


def _typed(splits: dict[str, list[Row]], kind: str, names: list[str], group: str | None) -> Any:
    """The splits as data sets with the book's types."""
    from datasets import ClassLabel, Dataset, Features, List, Value

    from helpers.data import checked_splits

    number = {name: i for i, name in enumerate(names)}
    text = Value("string")
    types: dict[str, Any] = {
        "tokens": List(text),
        "ner_tags": List(ClassLabel(names=names)) if names else List(text),
        "choices": List(text),
        "answers": {"text": List(text), "answer_start": List(Value("int32"))},
    }

    def encoded(values: dict[str, Any]) -> dict[str, Any]:
        if "ner_tags" in values:
            return values | {"ner_tags": [number[tag] for tag in values["ner_tags"]]}
        if "label" in values and "choices" not in values and kind == CLASSES:
            return values | {"label": [float(name in values["label"]) for name in names]}
        if "label" in values and "choices" not in values and kind == CLASS:
            return values | {"label": number[values["label"]]}
        return values

    if "label" in splits["train"][0].values:
        single = Value("int64") if "choices" in splits["train"][0].values else ClassLabel(names=names or ["", " "])
        types["label"] = {CLASS: single, NUMBER: Value("float32"), CLASSES: List(Value("float32"))}[kind]
    columns = list(splits["train"][0].values)
    features = Features({name: types.get(name, text) for name in columns})
    return checked_splits(
        {
            split: Dataset.from_list([encoded(row.values) for row in rows], features=features)
            for split, rows in splits.items()
        }
    )
