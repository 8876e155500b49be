"""Which faults are there, and which chapters do they touch?

The catalogue is two files beside this one, a fault an entry under its name in words:

- ``library.yml``: a piece of ``helpers`` that is wrong, or code that makes a library beneath it behave otherwise before
  the chapter begins (``first``; it must say which function of ``helpers`` brings it into a chapter).
- ``chapters.yml``: a piece of a chapter's own cells that is wrong, by chapter.

A fault in ``helpers`` touches the chapters that call the broken function when nothing is broken: see
:mod:`tools.doubt.reach`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from nbformat import NotebookNode

from tools.doubt.mutants import count, mutate
from tools.notebooks import BOOK

FOLDER = Path(__file__).parent
ROOT = BOOK.parent


@dataclass(frozen=True)
class Fault:
    """Something that is wrong, by its name in words.

    Either ``right`` is replaced by ``wrong``, in a function of a file of ``helpers`` or in the cells of a chapter, or
    ``first`` runs before the chapter's first cell. ``noticed_by`` are the tests that must turn red. ``harmless`` marks
    what a claim must survive, such as another seed: no reason to fall, but a reason to mend a claim that does.
    """

    name: str
    file: str = ""
    function: str = ""
    chapter: str = ""
    right: str = ""
    wrong: str = ""
    first: str = ""
    noticed_by: tuple[str, ...] = ()
    harmless: bool = False

    @property
    def text(self) -> list[str]:
        """All that decides what it breaks."""
        return [self.file, self.function, self.chapter, self.right, self.wrong, self.first]

    def break_helpers(self, root: Path) -> None:
        """Put the fault into the copy of ``helpers`` below ``root``; nothing for one that is elsewhere."""
        if self.file and self.right:
            path = root / self.file
            path.write_text(
                mutate(path.read_text(encoding="utf-8"), self.function, self.right, self.wrong), encoding="utf-8"
            )

    def break_cells(self, cells: list[NotebookNode]) -> None:
        """Put the fault into a chapter's cells. Raises ``ValueError`` unless they have the right piece exactly once."""
        if not self.chapter:
            return
        code = [cell for cell in cells if cell.cell_type == "code"]
        found = {place: times for place, cell in enumerate(code) if (times := count(cell.source, self.right))}
        if sum(found.values()) != 1:
            raise ValueError(
                f"{self.chapter} has {self.right!r} {sum(found.values())} times instead of once; quote it again."
            )
        (place,) = found
        code[place].source = mutate(code[place].source, "", self.right, self.wrong).rstrip("\n")


NOTHING = Fault("nothing", harmless=True)


@cache
def load(folder: Path = FOLDER) -> dict[str, Fault]:
    """All faults by name, those of the library first. Raises ``ValueError`` for a name that is there twice."""
    library = yaml.safe_load((folder / "library.yml").read_text(encoding="utf-8")) or {}
    chapters = yaml.safe_load((folder / "chapters.yml").read_text(encoding="utf-8")) or {}
    faults = [
        Fault(name=name, **entry | {"noticed_by": tuple(entry.get("noticed_by", ()))})
        for name, entry in library.items()
    ]
    faults += [
        Fault(name=name, chapter=chapter, **entry)
        for chapter, entries in chapters.items()
        for name, entry in entries.items()
    ]
    named = {fault.name: fault for fault in faults}
    if len(named) < len(faults):
        raise ValueError(f"{len(faults) - len(named)} names of faults are there more than once.")
    return named


def touches(fault: Fault, chapter: str, calls: Iterable[str]) -> bool:
    """Can the fault change what this chapter computes? ``calls`` is what the chapter called, from :mod:`.reach`."""
    return f"{fault.file} {fault.function}" in calls if fault.file else fault.chapter in ("", chapter)
