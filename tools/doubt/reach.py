"""Which functions of ``helpers`` does a chapter call?

Nobody types that in. In the run without a fault, every function of the copied ``helpers`` writes its name into a file
when it is called for the first time, in the chapter's kernel or in a process that the chapter starts.
"""

from __future__ import annotations

import ast
from pathlib import Path

CALLS = "calls.txt"
_REPORT = """
_CALLED = set()

def _called(name):
    if name not in _CALLED:
        _CALLED.add(name)
        with open({path!r}, "a", encoding="utf-8") as file:
            file.write(name + "\\n")
"""


def watch(root: Path) -> None:
    """Change the copy of ``helpers`` below ``root`` so that its functions tell when they are called."""
    for path in sorted((root / "helpers").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        _mark(tree, path.relative_to(root).as_posix(), "")
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)) + "\n", encoding="utf-8")
    top = root / "helpers" / "__init__.py"
    report = _REPORT.format(path=str(root / CALLS))
    top.write_text(top.read_text(encoding="utf-8") + report, encoding="utf-8")


def called(root: Path) -> list[str]:
    """The functions that were called since, as file and dotted name: ``helpers/training.py fit``."""
    path = root / CALLS
    return sorted(set(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


def _mark(scope: ast.AST, file: str, outer: str) -> None:
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.ClassDef):
            _mark(node, file, f"{outer}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            first = ast.parse(f'__import__("helpers")._called({f"{file} {outer}{node.name}"!r})').body
            # A docstring stays in its place, in front.
            node.body[int(ast.get_docstring(node) is not None) : 0] = first
