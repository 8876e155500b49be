"""What was measured: a row for each fault and chapter, in ``book/evidence/doubt.json``.

A row names the claims that ``fell`` and those that were ``missed``, because a cell before them failed; all others held.
Its ``key`` is a checksum of the fault, the chapter's code and its claims: where one of them has changed since, the row
is measured again, and no other.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.doubt.catalogue import Fault
from tools.notebooks import BOOK
from tools.outline import Chapter

Row = dict[str, Any]
FILE = BOOK / "evidence" / "doubt.json"


def key(fault: Fault, chapter: Chapter) -> str:
    """A checksum of all that decides a row, but for the library."""
    code = [cell.source for cell in chapter.cells if cell.cell_type == "code"]
    told = json.dumps([fault.text, code, [claim.text for claim in chapter.claims]])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def read(path: Path = FILE) -> list[Row]:
    """All rows; none where the file is missing."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def store(new: Iterable[Row], path: Path = FILE) -> None:
    """Add rows, in place of those of the same fault and chapter; a reader finds the old file or the new one."""
    write({(row["chapter"], row["fault"]): row for row in [*read(path), *new]}.values(), path)


def write(rows: Iterable[Row], path: Path = FILE) -> None:
    """Replace the file in one step: a line a row, in the order of chapters and faults."""
    lines = [json.dumps(row, ensure_ascii=False) for row in sorted(rows, key=lambda r: (r["chapter"], r["fault"]))]
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    beside.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8", newline="\n")
    beside.replace(path)


def stale(row: Row, faults: dict[str, Fault], claims: dict[str, set[str]]) -> str:
    """Why a row speaks of nothing that is there now; empty where it does.

    Args:
        claims: the sentences of each chapter.
    """
    if row["chapter"] not in claims:
        return f"there is no chapter {row['chapter']}"
    if row["fault"] not in faults:
        return f"there is no fault {row['fault']!r}"
    gone = {*row["fell"], *row["missed"]} - claims[row["chapter"]]
    return f"{row['chapter']} does not claim any more: {min(gone)}" if gone else ""
