"""The student's and the instructor's edition; that stubs fail their checks is proved where the notebooks run."""

from __future__ import annotations

import ast
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell

from tests.samples import code, notebook, stdout
from tools import editions, outline
from tools.hygiene import tags
from tools.notebooks import BOOK, chapters

SOLUTION = '''\
import math


def area(
    radius: float, *, unit: str = "m"
) -> float:
    """Area of a circle."""
    # The formula that everybody knows.
    square = radius**2
    return math.pi * square


def no_docstring(x: int = (1 + 1)) -> int:
    # A comment of the solution.
    y = x + 1
    return y


result = area(2.0)'''
STUB = '''\
import math


def area(
    radius: float, *, unit: str = "m"
) -> float:
    """Area of a circle."""
    raise NotImplementedError("Exercise 3: your code goes here.")


def no_docstring(x: int = (1 + 1)) -> int:
    raise NotImplementedError("Exercise 3: your code goes here.")


result = area(2.0)'''


def functions(source: str) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def chapter() -> nbformat.NotebookNode:
    return notebook(
        new_markdown_cell("# A chapter\n\n*Why?*"),
        code("print(1)", stdout("1\n")),
        new_markdown_cell("**Predict before you run.** What comes out?"),
        code("print(2)", stdout("2\n")),
        new_markdown_cell("So it was two."),
        code("print(3)", stdout("3\n")),
        new_markdown_cell("## The next idea"),
        code("print(4)", stdout("4\n")),
        new_markdown_cell("## Exercises\n\n### Exercise 3 · easy\n\nExpected result: 12.6"),
        code(SOLUTION, stdout("12.6"), tags=("solution",)),
        code("check_exercise('3', result, 12.566)", stdout("✔ Exercise 3: right."), tags=("check",)),
    )


def test_a_stub_keeps_signature_docstring_and_the_rest():
    assert editions.stub(SOLUTION, "3") == STUB


def test_a_solution_without_a_function_has_no_stub():
    with pytest.raises(ValueError, match="exercise 2 defines no function"):
        editions.stub("answer = 42", "2")


def test_the_student_sees_no_output_that_gives_the_answer_away():
    printed = [cell.outputs[0].text for cell in editions.student(chapter()).cells if cell.get("outputs")]
    assert printed == ["1\n", "4\n"]


def test_the_source_stays_as_it_is():
    source = chapter()
    editions.student(source)
    assert source == nbformat.from_dict(_with_ids_of(chapter(), source))


def _with_ids_of(wanted: nbformat.NotebookNode, source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    for cell, other in zip(wanted.cells, source.cells, strict=True):
        cell["id"] = other["id"]
    return wanted


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.relative_to(BOOK).as_posix())
def test_student_edition(path: Path):
    source = nbformat.read(path, as_version=4)
    made = editions.student(source)
    nbformat.validate(made)
    solutions = [cell.source for cell in source.cells if "solution" in tags(cell)]
    stubs = [cell.source for cell in made.cells if "exercise" in tags(cell)]
    assert len(stubs) == len(solutions) >= 3
    # What the chapter itself teaches may come back in a solution; nothing else of it may be in the edition.
    taught = "\n".join(cell.source for cell in source.cells if "solution" not in tags(cell))
    for solution, stub in zip(solutions, stubs, strict=True):
        wanted, found = functions(solution), functions(stub)
        assert wanted.keys() == found.keys()
        for name, function in wanted.items():
            assert ast.unparse(function.args) == ast.unparse(found[name].args)
            assert ast.get_docstring(function) == ast.get_docstring(found[name])
            skip = 1 if ast.get_docstring(function) else 0
            secret = {ast.unparse(statement).strip() for statement in function.body[skip:]}
            everything = "\n".join(cell.source for cell in made.cells)
            for line in (line for statement in secret for line in statement.splitlines() if len(line.strip()) > 20):
                assert line.strip() not in everything or line.strip() in taught
    assert not any(cell.outputs for cell in made.cells if {"exercise", "check"} & set(tags(cell)))


def test_the_instructor_sees_minutes_solutions_and_notes():
    about = outline.read("start/01_two_minutes")
    source = nbformat.read(about.path, as_version=4)
    made = editions.instructor(source, about, {"talking_points": ["Ask who used BERT before."]})
    nbformat.validate(made)
    assert len(made.cells) == len(source.cells) + 1
    assert made.cells[1].source.startswith("## For the instructor\n\n**Minutes** · reading ")
    assert "- Ask who used BERT before." in made.cells[1].source
    assert [c for i, c in enumerate(made.cells) if i != 1] == source.cells


def test_both_editions_are_written_and_packed(tmp_path: Path):
    packed = editions.write(tmp_path)
    names = {f"{chapter.name}.ipynb" for part in outline.parts().values() for chapter in part}
    assert names
    for edition, archive in zip(("student", "instructor"), packed, strict=True):
        with zipfile.ZipFile(archive) as content:
            assert set(content.namelist()) == {f"{edition}/{name}" for name in names}
        assert all((tmp_path / edition / name).is_file() for name in names)
