"""The student's and the instructor's edition of every chapter, from the one source.

    python -m tools.editions [--output FOLDER]

A student's notebook has a stub where the source has a solution, with the same signature and docstring. What the cells
of an exercise print is cleared, and so is what follows a question of the kind "predict before you run"; the short
answer under the title is left out. An instructor's notebook is the chapter with its solutions, and one cell more at the
top: how long the chapter takes, and what ``book/workshop/notes.yml`` says about teaching it. Each edition is also
packed as a zip.
"""

from __future__ import annotations

import argparse
import ast
import copy
import re
import sys
import zipfile
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

from tools import answers, outline
from tools.hygiene import EXERCISE, tags
from tools.notebooks import BOOK

OUTPUT = BOOK.parent / "_build" / "workshop"
NOTES = BOOK / "workshop" / "notes.yml"
PREDICT = "**Predict before you run.**"
_HEADING = re.compile(r"^#+ ", re.MULTILINE)


def stub(solution: str, exercise: str) -> str:
    """The solution with every function reduced to its signature, its docstring and ``NotImplementedError``.

    Statements outside the functions stay: they use the reader's function, and the check cell may need their names.

    >>> print(stub('def half(x: float) -> float:\\n    "Half of it."\\n    return x / 2', "1"))
    def half(x: float) -> float:
        "Half of it."
        raise NotImplementedError("Exercise 1: your code goes here.")

    Raises ``ValueError`` for a solution without a function: there would be nothing to leave out.
    """
    lines = solution.splitlines()
    functions = [node for node in ast.parse(solution).body if isinstance(node, ast.FunctionDef)]
    if not functions:
        raise ValueError(f"The solution of exercise {exercise} defines no function, so it has no stub:\n{solution}")
    for function in reversed(functions):
        has_docstring = ast.get_docstring(function, clean=False) is not None
        body = function.body[1:] if has_docstring else function.body
        first = body[0].lineno if body else _last_line(function.body[0]) + 1
        indent = " " * (function.col_offset + 4)
        lines[first - 1 : function.end_lineno] = [
            f'{indent}raise NotImplementedError("Exercise {exercise}: your code goes here.")'
        ]
        # Comments between the docstring and the first statement belong to the solution.
        after_signature = (_last_line(function.body[0]) if has_docstring else _signature_end(function)) + 1
        del lines[after_signature - 1 : first - 1]
    return "\n".join(lines)


def student(source: NotebookNode) -> NotebookNode:
    """The student's edition; the source stays as it is."""
    notebook = copy.deepcopy(source)
    exercise, predicting = "", False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = answers.remove(cell.source)
            numbers = [number for number, _ in EXERCISE.findall(cell.source)]
            exercise = numbers[-1] if numbers else exercise
            if PREDICT in cell.source:
                predicting = True
            elif _HEADING.search(cell.source):
                predicting = False
            continue
        if "solution" in tags(cell):
            cell.source = stub(cell.source, exercise)
            cell.metadata["tags"] = ["exercise" if tag == "solution" else tag for tag in tags(cell)]
        if predicting or {"exercise", "check"} & set(tags(cell)):
            cell.outputs = []
            cell.execution_count = None
            cell.metadata.get("mystnb", {}).pop("image", None)
    return notebook


def instructor(source: NotebookNode, chapter: outline.Chapter, notes: dict | None) -> NotebookNode:
    """The instructor's edition: the chapter with a cell of notes below its first one; the source stays as it is."""
    notebook = copy.deepcopy(source)
    cell = nbformat.v4.new_markdown_cell(instructor_notes(chapter, notes))
    cell["id"] = "instructor"
    notebook.cells.insert(1, cell)
    return notebook


def instructor_notes(chapter: outline.Chapter, notes: dict | None) -> str:
    """Minutes, talking points, likely misconceptions and questions for the room, as Markdown."""
    exercises = ", ".join(f"{number} ({level})" for number, level in chapter.exercises)
    text = [
        "## For the instructor",
        f"**Minutes** · reading {chapter.reading_minutes}, running {chapter.running_minutes:.1f} (measured), "
        f"exercises {chapter.exercise_minutes} (planned: {exercises})",
    ]
    for key, heading in (
        ("talking_points", "Talking points"),
        ("misconceptions", "Common misconceptions"),
        ("discussion", "Questions for the room"),
    ):
        if points := (notes or {}).get(key):
            text += [f"**{heading}**", "\n".join(f"- {point}" for point in points)]
    for quiz in (notes or {}).get("quiz", []):
        text.append(f"**For the quiz** · {quiz['question']} *{quiz['answer']}*")
    return "\n\n".join(text)


def write(output: Path = OUTPUT, book: Path = BOOK) -> list[Path]:
    """Write both editions of all chapters below ``output``, and a zip of each; return the zips."""
    notes = yaml.safe_load(NOTES.read_text(encoding="utf-8")) if NOTES.exists() else {}
    zips = []
    chapters = [chapter for part in outline.parts(book).values() for chapter in part]
    for edition in ("student", "instructor"):
        packed = output / f"{edition}.zip"
        packed.parent.mkdir(parents=True, exist_ok=True)
        beside = packed.with_suffix(".new")
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            for chapter in chapters:
                source = nbformat.read(chapter.path, as_version=4)
                if edition == "student":
                    notebook = student(source)
                else:
                    notebook = instructor(source, chapter, notes.get(chapter.name))
                path = output / edition / f"{chapter.name}.ipynb"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
                archive.write(path, f"{edition}/{chapter.name}.ipynb")
        beside.replace(packed)
        zips.append(packed)
    return zips


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno  # every parsed statement knows where it ends


def _signature_end(function: ast.FunctionDef) -> int:
    """The last line of ``def …:``."""
    ends = [function.lineno, *(node.end_lineno for node in ast.walk(function.args) if hasattr(node, "end_lineno"))]
    return max([*ends, function.returns.end_lineno if function.returns else 0])


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.editions", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the editions go (default _build/workshop)")
    for packed in write(parser.parse_args(arguments).output):
        print(packed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
