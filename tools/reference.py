"""What does the reference of ``helpers`` show, and where?

A page of ``book/reference`` is a room of ``helpers``: a module, or a package with its modules. What stands on it is
read from the code, and the chapters that use a name are read from the chapters, so neither can drift.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import nbformat

import helpers

# They hold old names alone, which warn.
OLD = ("renamed", "retrieval")


class Entry(NamedTuple):
    """A public name: the module that it is imported from, and what it is: ``function`` or ``class``."""

    module: str
    name: str
    kind: str

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


def rooms() -> dict[str, str]:
    """Of every room that has a page, its question, in the order of the package's docstring."""
    found = re.findall(r"^- ``(\w+)``: (.+)$", helpers.__doc__ or "", re.MULTILINE)
    return {room: question for room, question in found if room not in OLD}


def modules(room: str) -> list[ModuleType]:
    """The room's module, and where it is a package, its public modules."""
    first = importlib.import_module(f"helpers.{room}")
    if not hasattr(first, "__path__"):
        return [first]
    inside = sorted(part.name for part in pkgutil.iter_modules(first.__path__) if not part.name.startswith("_"))
    return [first, *(importlib.import_module(f"{first.__name__}.{name}") for name in inside)]


def entries(room: str) -> list[Entry]:
    """The functions and classes of a room, each once: where a package offers a name of its modules, it stands there."""
    found: list[Entry] = []
    seen: set[int] = set()
    for module in modules(room):
        for name, value in vars(module).items():
            if name.startswith("_") or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            home = str(value.__module__)
            if id(value) not in seen and (home == module.__name__ or home.startswith(f"{module.__name__}.")):
                seen.add(id(value))
                found.append(Entry(module.__name__, name, "class" if inspect.isclass(value) else "function"))
    return found


def used(cells: Iterable[nbformat.NotebookNode]) -> set[str]:
    """What of ``helpers`` the code of a notebook's cells names, as dotted paths: ``helpers.training.fit``."""
    source = "\n".join(
        re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE)
        for cell in cells
        if cell.cell_type == "code"
    )
    tree = ast.parse(source)
    known: dict[str, str] = {}  # a name in the notebook: what it stands for
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                found.add(f"{node.module}.{alias.name}")
    for node in ast.walk(tree):
        path = dotted(node)
        if path and path[0] in known and len(path) > 1:
            found.add(".".join([known[path[0]], *path[1:]]))
    return found


def dotted(node: ast.AST) -> list[str]:
    """``a.b.c`` as its parts; none where the node is something else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def canonical(path: str) -> str:
    """Where a name that a chapter uses stands in the reference; the path itself where it does not stand there."""
    return _canonical().get(path, path)


@lru_cache
def _canonical() -> dict[str, str]:
    """Of every path under which a public name can be had, the one of its entry."""
    places = {}
    for entry in (entry for room in rooms() for entry in entries(room)):
        places[id(getattr(importlib.import_module(entry.module), entry.name))] = entry.path
    return {
        f"{module.__name__}.{name}": places[id(value)]
        for room in rooms()
        for module in modules(room)
        for name, value in vars(module).items()
        if id(value) in places
    }


@lru_cache
def uses(book: Path) -> dict[str, list[str]]:
    """Of every public name, the chapters whose code has it, in the order of the table of contents."""
    from tools import outline

    found: dict[str, list[str]] = {}
    for chapter in (chapter for part in outline.parts(book).values() for chapter in part):
        for path in sorted({canonical(path) for path in used(chapter.cells)}):
            found.setdefault(path, []).append(chapter.name)
    return found
