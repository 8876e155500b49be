"""Every guard of tools/hygiene.py lets a clean notebook pass, and is shown to fail once."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from tests.samples import clean_notebook, png, stdout, write
from tools import hygiene
from tools.hygiene import problems


def claims_nothing(nb: NotebookNode) -> None:
    nb.cells[1].source = "print('✔ A half is less than one   half=0.500')"


def prints_nothing(nb: NotebookNode) -> None:
    nb.cells[1].outputs = []


def compares_nothing(nb: NotebookNode) -> None:
    nb.cells[1].metadata.tags = ["nbval-ignore-output"]


def ran_out_of_order(nb: NotebookNode) -> None:
    nb.cells[1].execution_count = 7


def was_not_run(nb: NotebookNode) -> None:
    nb.cells[1].execution_count = None


def has_an_empty_cell(nb: NotebookNode) -> None:
    nb.cells.append(new_code_cell(""))


def has_an_error(nb: NotebookNode) -> None:
    nb.cells[1].outputs.append(new_output("error", ename="KeyError", evalue="'x'", traceback=[]))


def has_standard_error(nb: NotebookNode) -> None:
    nb.cells[1].outputs.append(new_output("stream", name="stderr", text="UserWarning"))


def has_widget_state(nb: NotebookNode) -> None:
    nb.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {}}


def shows_a_widget(nb: NotebookNode) -> None:
    nb.cells[1].outputs.append(new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}}))


def has_another_kernel(nb: NotebookNode) -> None:
    nb.metadata.kernelspec = {"display_name": "x", "language": "python", "name": "helpers-cpu"}


def has_editor_metadata(nb: NotebookNode) -> None:
    nb.metadata.colab = {"provenance": []}


def is_too_large(nb: NotebookNode) -> None:
    nb.cells[1].outputs.append(stdout("x" * 400_000))


def has_a_large_picture(nb: NotebookNode) -> None:
    nb.cells[2].outputs[0].data["image/png"] = png(extra_bytes=80_000)


def has_a_mute_picture(nb: NotebookNode) -> None:
    nb.cells[2].outputs[0].metadata = {"image/png": {"alt": " "}}


def has_a_picture_mute_on_the_website(nb: NotebookNode) -> None:
    del nb.cells[2].metadata["mystnb"]


def has_two_pictures_in_a_cell(nb: NotebookNode) -> None:
    nb.cells[2].outputs *= 2


def has_a_misspelt_tag(nb: NotebookNode) -> None:
    nb.cells[1].metadata.tags = ["nbval-ignore-outputs"]


def has_a_misspelt_tolerance(nb: NotebookNode) -> None:
    nb.cells[1].metadata.tags = ["tol-.03"]


def skips_by_comment(nb: NotebookNode) -> None:
    nb.cells[1].source = "# NBVAL_SKIP\n" + nb.cells[1].source


def prints_a_home_folder(nb: NotebookNode) -> None:
    nb.cells[1].outputs = [stdout("saved to /home/me/book/model\n")]


def prints_a_temporary_folder(nb: NotebookNode) -> None:
    nb.cells[1].outputs = [new_output("execute_result", {"text/plain": "PosixPath('/tmp/tmp12ab')"})]


def prints_an_installation_folder(nb: NotebookNode) -> None:
    nb.cells[1].outputs = [new_output("execute_result", {"text/html": "<p>lib/python3.13/site-packages/torch</p>"})]


def has_two_exercises(nb: NotebookNode) -> None:
    del nb.cells[10:13]


def has_no_exercises_heading(nb: NotebookNode) -> None:
    nb.cells[3].source = "## More"


def has_no_solution(nb: NotebookNode) -> None:
    nb.cells[5].metadata.tags = []


def has_no_check(nb: NotebookNode) -> None:
    nb.cells[9].metadata.tags = []


def checks_before_the_solution(nb: NotebookNode) -> None:
    nb.cells[5].metadata.tags, nb.cells[6].metadata.tags = ["check"], ["solution"]


def says_no_level(nb: NotebookNode) -> None:
    nb.cells[4].source = "### Exercise 1\n\nReturn 1."


def solves_without_a_function(nb: NotebookNode) -> None:
    nb.cells[5].source = "answer = 1"


def has_no_measured_time(nb: NotebookNode) -> None:
    del nb.metadata["helpers"]


def has_no_time_line(nb: NotebookNode) -> None:
    nb.cells[0].source = "# A chapter"


def says_another_time(nb: NotebookNode) -> None:
    nb.metadata.helpers.seconds = 65


BROKEN: dict[Callable[[NotebookNode], None], str] = {
    claims_nothing: "claims nothing",
    prints_nothing: "no compared output",
    compares_nothing: "no compared output",
    ran_out_of_order: "not run from top to bottom",
    was_not_run: "not run from top to bottom",
    has_an_empty_cell: "not run from top to bottom",
    has_an_error: "cell 2 stores an error: KeyError: 'x'",
    has_standard_error: "cell 2 stores standard error",
    has_widget_state: "widget state",
    shows_a_widget: "cell 2 shows a widget",
    has_another_kernel: "only python3",
    has_editor_metadata: "unknown metadata: colab",
    is_too_large: "the limit is 400 kB",
    has_a_large_picture: "cell 3 shows a picture of 80 kB",
    has_a_mute_picture: "cell 3 shows a picture without alternative text",
    has_a_picture_mute_on_the_website: "cell 3 does not pass its picture's alternative text",
    has_two_pictures_in_a_cell: "cell 3 shows more than one picture",
    has_a_misspelt_tag: "cell 2 has the unknown tag 'nbval-ignore-outputs'",
    has_a_misspelt_tolerance: "cell 2 has the unknown tag 'tol-.03'",
    skips_by_comment: "cell 2 steers nbval by a comment",
    prints_a_home_folder: "cell 2 prints a path of the machine that ran it: /home/me",
    prints_a_temporary_folder: "path of the machine that ran it: /tmp/",
    prints_an_installation_folder: "path of the machine that ran it: site-packages",
    has_two_exercises: "has 2 exercises",
    has_no_exercises_heading: "has 0 exercises",
    has_no_solution: "exercise 1 needs a cell tagged `solution`",
    has_no_check: "exercise 2 needs a cell tagged `solution` and, after it, a cell tagged `check`",
    checks_before_the_solution: "exercise 1 needs",
    says_no_level: "exercise 1 does not say how hard it is",
    solves_without_a_function: "exercise 1 is solved without a function",
    has_no_measured_time: "was not run by `make notebooks`",
    has_no_time_line: "no line that starts with **Time**",
    says_another_time: "instead of '**Time** · runs about 1 min",
}


def test_a_clean_notebook_passes(tmp_path: Path):
    assert problems(write(clean_notebook(), tmp_path / "chapter.ipynb")) == []


@pytest.mark.parametrize("break_it", BROKEN, ids=lambda function: function.__name__)
def test_a_broken_notebook_does_not(break_it: Callable[[NotebookNode], None], tmp_path: Path):
    notebook = clean_notebook()
    break_it(notebook)
    found = problems(write(notebook, tmp_path / "chapter.ipynb"))
    assert any(BROKEN[break_it] in problem for problem in found), found


def test_every_tag_of_the_list_is_allowed(tmp_path: Path):
    notebook = clean_notebook()
    notebook.cells[2].metadata.tags = [*hygiene.TAGS, "tol-0.03", "tol-1e-6"]
    assert problems(write(notebook, tmp_path / "chapter.ipynb")) == []


@pytest.mark.parametrize("text", ["", "{}", '{"cells": [{"cell_type": "code"}], "nbformat": 4}', "\x00\x01"])
def test_a_damaged_file_is_a_problem_and_no_crash(text: str, tmp_path: Path):
    path = tmp_path / "chapter.ipynb"
    path.write_text(text)
    assert "is not a valid notebook" in problems(path)[0]


def test_examples_in_the_documentation():
    assert doctest.testmod(hygiene).attempted > 0
    assert doctest.testmod(hygiene).failed == 0
