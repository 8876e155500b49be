"""What the tools say of versions."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from pathlib import Path

from tools import versions


def test_a_row_names_the_day_and_every_watched_library():
    cells = versions.row(datetime.date(2026, 11, 27)).strip("| ").split(" | ")
    assert len(cells) == 3 + len(versions.WATCHED) + 1
    assert cells[0] == "2026-11-27"
    assert cells[2] == platform.python_version()
    assert cells[3 + versions.WATCHED.index("numpy")] == importlib.metadata.version("numpy")


def test_the_lower_ends_of_the_bounds(tmp_path: Path):
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["numpy>=1.26", "a-b.c>=2.0.1,<3", "tokenizers!=0.23.1", "free"]\n')
    assert versions.lowest(project) == ["numpy==1.26", "a-b.c==2.0.1"]


def test_the_book_bounds_every_library_that_it_watches():
    bounded = {line.partition("==")[0] for line in versions.lowest()}
    assert set(versions.WATCHED) - bounded == {"tokenizers"}  # which transformers bounds
