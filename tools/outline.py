"""What does a chapter say of itself?

Its title, its goals, its exercises, its claims and how long it takes, read out of the stored notebook. The ledger of
claims, the workshop schedules and the instructor's edition are made of this, so none of them can drift from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import nbformat
import yaml

from tools.hygiene import EXERCISE, LEVELS, reading_minutes
from tools.notebooks import BOOK

TICK = "✔ "
_CLAIM = re.compile(r"\bclaim\(")
_QUESTION = re.compile(r"^\*(.+?)\*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,4}) +(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Claim:
    """A claim as its cell printed it: the sentence, the values behind it, and the section it stands in."""

    text: str
    values: str
    section: str


@dataclass(frozen=True)
class Chapter:
    """One notebook. ``name`` is its path in the book without suffix, as in ``_toc.yml``."""

    name: str
    path: Path
    cells: list = field(repr=False)
    seconds: int

    @cached_property
    def title(self) -> str:
        return _found(_HEADING, self._first)[2]

    @cached_property
    def question(self) -> str:
        """The question in italics under the title."""
        return _found(_QUESTION, self._first)[1].replace("\n", " ")

    @cached_property
    def goals(self) -> list[str]:
        """The points of "You will learn to"."""
        block = self._first.partition("**You will learn to**")[2].partition("**Time**")[0]
        return [" ".join(point.split()) for point in re.split(r"^- ", block, flags=re.MULTILINE)[1:]]

    @cached_property
    def builds_on(self) -> str:
        found = re.search(r"\*\*Builds on\*\* · (.+?)(?:\n\n|\Z)", self._first, re.DOTALL)
        return " ".join(found[1].split()) if found else ""

    @cached_property
    def exercises(self) -> list[tuple[int, str]]:
        """Number and level of each exercise."""
        return [(int(number), level) for number, level in EXERCISE.findall(self._prose)]

    @cached_property
    def claims(self) -> list[Claim]:
        """All claims, in order, from the stored outputs."""
        found, section = [], self.title
        for cell in self.cells:
            if cell.cell_type == "markdown":
                section = ([section] + [title for _, title in _HEADING.findall(cell.source)])[-1]
                continue
            if not _CLAIM.search(cell.source):  # other cells tick, too: checks of exercises, rows of a table
                continue
            lines = [line for output in cell.outputs for line in output.get("text", "").splitlines()]
            for line in lines:
                if line.startswith(TICK):
                    text, _, values = line.removeprefix(TICK).partition("   ")
                    found.append(Claim(text, values, section))
        return found

    @property
    def reading_minutes(self) -> int:
        """Minutes to read the prose, at 200 words a minute."""
        return reading_minutes(self.cells)

    @property
    def running_minutes(self) -> float:
        """Minutes that the cells took when the notebook was last stored."""
        return self.seconds / 60

    @property
    def exercise_minutes(self) -> int:
        """Minutes planned for the exercises, by their levels."""
        return sum(LEVELS[level] for _, level in self.exercises)

    @property
    def headings(self) -> list[str]:
        return [title for _, title in _HEADING.findall(self._prose)]

    @property
    def _first(self) -> str:
        return next(cell.source for cell in self.cells if cell.cell_type == "markdown")

    @property
    def _prose(self) -> str:
        return "\n\n".join(cell.source for cell in self.cells if cell.cell_type == "markdown")


def _found(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    """Where the pattern matches; ``ValueError`` that shows the text's beginning where it does not."""
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"{text[:60]!r}… has no {pattern.pattern!r}")
    return found


def read(name: str, book: Path = BOOK) -> Chapter:
    """The chapter of this name; ``FileNotFoundError`` if there is none."""
    path = book / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    return Chapter(name, path, notebook.cells, notebook.metadata.get("helpers", {}).get("seconds", 0))


def parts(book: Path = BOOK) -> dict[str, list[Chapter]]:
    """The chapters in the order of ``_toc.yml``, by part; pages that are no notebooks are left out."""
    toc = yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))
    found = {
        part["caption"]: [
            read(entry["file"], book) for entry in part["chapters"] if (book / f"{entry['file']}.ipynb").exists()
        ]
        for part in toc["parts"]
    }
    return {caption: chapters for caption, chapters in found.items() if chapters}
