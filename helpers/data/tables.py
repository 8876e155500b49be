"""What stands in a file, row by row?

CSV, TSV, JSON, JSON Lines and Parquet become rows with their place in the file, as they stand there: "None" and "NA"
are words and not gaps, and nothing is guessed to be a number. What cannot be read is refused with file and line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
KNOWN = (".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet", ".conll", ".iob", ".bio", ".txt")


@dataclass(frozen=True)
class Row:
    """The values of a row by the names of their columns, and where it stands, as in ``"my.csv, line 3"``."""

    values: dict[str, Any]
    place: str


def rows(file: Path, encoding: str = "utf-8", separator: str | None = None) -> list[Row]:
    """The rows of a table.

    Args:
        separator: between the columns of a CSV file; by default a comma, or a tab where the name ends in ``.tsv``.

    Raises ``OSError`` where there is no such file, ``ValueError`` for an unknown kind of file, a wrong encoding, a row
    that is longer or shorter than the header, repeated column names, and a file without rows.
    """
    kind = checked(file)
    if kind == ".parquet":
        import pandas as pd

        table = pd.read_parquet(file)
        found = [Row(values, f"{file}, row {i}") for i, values in enumerate(table.to_dict("records"))]
    else:
        text = decoded(file, encoding)
        found = list(_json(file, text) if kind in (".json", ".jsonl", ".ndjson") else _csv(file, text, separator))
    if not found:
        raise ValueError(f"{file} has no rows.")
    return found


def checked(file: Path) -> str:
    """The file's kind, by the end of its name; errors for what is no such file."""
    if file.is_dir():
        raise ValueError(f"{file} is a folder. Give its files by split: {{'train': '{file}/train.csv', 'test': …}}.")
    if not file.exists():
        near = [other.name for other in file.parent.glob("*") if other.suffix in KNOWN] if file.parent.is_dir() else []
        raise OSError(f"There is no file {file}." + (f" There are: {', '.join(sorted(near)[:8])}." if near else ""))
    if file.suffix.lower() not in KNOWN:
        raise ValueError(f"{file} is of an unknown kind. Known: {', '.join(KNOWN)}. Save a spreadsheet as CSV first.")
    return file.suffix.lower()


def decoded(file: Path, encoding: str) -> str:
    """The text of a file, without a byte-order mark; ``ValueError`` that names the likely encoding."""
    try:
        return file.read_bytes().decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{file}, line {line}: byte {error.object[error.start]:#04x} is not {encoding}. Say how it was written, "
            f"e.g. "
            "encoding='cp1252' (Windows, Western Europe) or encoding='utf-16'."
        ) from None
    except LookupError:
        raise ValueError(f"Unknown encoding {encoding!r}. Common ones: utf-8, cp1252, latin-1, utf-16.") from None


def _csv(file: Path, text: str, separator: str | None) -> Iterator[Row]:
    separator = separator or SEPARATORS.get(file.suffix.lower(), ",")
    if len(separator) != 1:
        raise ValueError(f"separator must be one character, got {separator!r}.")
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        repeated = sorted({name for name in header if header.count(name) > 1})
        if repeated:
            raise ValueError(f"{file} has two columns called {repeated[0]!r}. Rename one of them.")
        if len(header) == 1 and any(other in header[0] for other in ",;\t|" if other != separator):
            other = next(other for other in ";\t|," if other in header[0])
            raise ValueError(
                f"{file} has one column, {header[0]!r}. Is it separated by {other!r}? separator={other!r}."
            )
        before = reader.line_num
        for values in reader:
            place, before = f"{file}, line {before + 1}", reader.line_num
            if not values:
                continue
            if len(values) != len(header):
                raise ValueError(
                    f"{place}: {len(values)} values for {len(header)} columns ({', '.join(header)}). Is a text with a "
                    f"{separator!r} in it without quotes?"
                )
            yield Row(dict(zip(header, values, strict=True)), place)
    except csv.Error as error:
        raise ValueError(f"{file}, line {reader.line_num}: {error}. Is a quotation mark not closed?") from None


def _json(file: Path, text: str) -> Iterator[Row]:
    try:
        whole = json.loads(text) if file.suffix.lower() == ".json" else None
    except ValueError:
        whole = None  # JSON Lines under the wrong name, or an error whose line is found below
    if isinstance(whole, dict):
        lists = [key for key, value in whole.items() if isinstance(value, list)]
        if len(lists) != 1:
            yield Row(whole, str(file))
            return
        whole = whole[lists[0]]
    if isinstance(whole, list):
        for number, values in enumerate(whole):
            yield _object(values, f"{file}, item {number}")
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield _object(json.loads(line), f"{file}, line {number}")
            except json.JSONDecodeError as error:
                raise ValueError(f"{file}, line {number}: no JSON ({error.msg}).") from None


def _object(values: Any, place: str) -> Row:
    if not isinstance(values, dict):
        raise ValueError(f'{place}: a row must be an object with names, as {{"text": …}}; got {values!r:.60}.')
    return Row(values, place)
