"""Every chapter of the book keeps the rules of tools/hygiene.py; whether it runs is the notebook regression's part."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from tools.hygiene import problems
from tools.notebooks import BOOK, chapters, install_cell


def test_the_book_has_chapters():
    assert chapters()


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.relative_to(BOOK).as_posix())
def test_chapter_is_clean(path: Path):
    assert problems(path) == []


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.relative_to(BOOK).as_posix())
def test_chapter_installs_its_own_version(path: Path):
    cells = nbformat.read(path, as_version=4).cells
    assert next(cell.source for cell in cells if cell.cell_type == "code") == install_cell()


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.relative_to(BOOK).as_posix())
def test_a_chapter_leads_to_the_next_page(path: Path):
    last = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"][-1]
    found = re.search(r"^\*\*Next\*\* · .*?\[.*?\]\(([^)]+)\)", last, re.MULTILINE)
    assert found, "the last text cell has no line **Next** with a link"
    assert (path.parent / found[1]).is_file()
