"""The notebook regression is itself tested: what must be green is green, and what must be red turns red."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_output

from tests import notebook_plugin
from tests.notebook_plugin import Notebook
from tests.samples import code, notebook, png, stdout, write

ROOT = Path(__file__).resolve().parent.parent

PRINTED = "print('loss 0.5000 after 3 steps')"
PICTURE = f"display({{'image/png': {png()!r}}}, raw=True)"
ERROR = "raise ValueError('no label 7')"
UNCHANGED = stdout("loss 0.5000 after 3 steps\n")


def error(message: str) -> NotebookNode:
    return new_output("error", ename="ValueError", evalue=message, traceback=[])


def picture(content: str) -> NotebookNode:
    return new_output("display_data", {"image/png": content})


# What a cell is about: the cell with its stored outputs, and whether it must pass when it runs again.
CELLS: dict[str, tuple[NotebookNode, bool]] = {
    "unchanged": (code(PRINTED, UNCHANGED), True),
    "one number altered": (code(PRINTED, stdout("loss 0.5400 after 3 steps\n")), False),
    "one number altered within the default": (code(PRINTED, stdout("loss 0.5004 after 3 steps\n")), True),
    "one number altered within the tag": (code(PRINTED, stdout("loss 0.52 after 3 steps\n"), tags=("tol-0.03",)), True),
    "one number altered beyond the tag": (code(PRINTED, stdout("loss 0.54 after 3 steps"), tags=("tol-0.03",)), False),
    "one integer altered": (code(PRINTED, stdout("loss 0.5000 after 4 steps\n"), tags=("tol-0.9",)), False),
    "one word altered": (code(PRINTED, stdout("loss 0.5000 after 3 epochs\n")), False),
    "one number more": (code(PRINTED, stdout("loss 0.5000\n")), False),
    "not-a-number for a number": (code(PRINTED, stdout("loss nan after 3 steps\n"), tags=("tol-0.9",)), False),
    "an ignored output": (code(PRINTED, stdout("yesterday"), tags=("nbval-ignore-output",)), True),
    "a result instead of nothing": (code("0.5"), False),
    "nothing instead of a result": (code("", new_output("execute_result", {"text/plain": "0.5"})), False),
    "standard error": (code("import sys; print('a warning', file=sys.stderr)"), True),
    "another picture": (code(PICTURE, picture(png(8))), True),
    "a missing picture": (code("pass", picture(png())), False),
    "a missing error": (code("pass", error("no label 7"), tags=("raises-exception",)), False),
    "the error that is meant to be": (code(ERROR, error("no label 7"), tags=("raises-exception",)), True),
    "another error": (code(ERROR, error("no label 8"), tags=("raises-exception",)), False),
    "an error that is not meant to be": (code(ERROR), False),
    "a claim that holds": (
        code("from helpers.claims import claim; claim('Two is more', 2 > 1, two=2)", stdout("✔ Two is more   two=2\n")),
        True,
    ),
    "a claim that fails": (
        code("from helpers.claims import claim; claim('Two is less', 2 < 1, two=2)", stdout("✔ Two is less   two=2\n")),
        False,
    ),
}

DOUBLE = "def double(x):\n    return 2 * x"
CHECK = "from helpers.claims import check_exercise; check_exercise('1', lambda: double(3), 6)"
CELLS |= {
    "a solution": (code(DOUBLE, tags=("solution",)), True),
    "a check that its stub fails": (code(CHECK, stdout("✔ Exercise 1: right.\n"), tags=("check",)), True),
    "a solution whose check asks nothing": (code(DOUBLE, tags=("solution",)), False),
    "a check that asks nothing": (code("None", tags=("check",)), True),
}

THREADS = code(
    "import os\nint(os.environ['OMP_NUM_THREADS']) >= 1", new_output("execute_result", {"text/plain": "True"})
)


def passed(case: ElementTree.Element) -> bool:
    """Did a case of pytest's report pass?"""
    return all(case.find(outcome) is None for outcome in ("failure", "error", "skipped"))


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest with the notebook plugin on the notebooks of a folder, as on a fresh machine."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "OMP_"))}
    command = [sys.executable, "-m", "pytest", "-p", "tests.notebook_plugin", "-p", "no:cacheprovider", "--nbval"]
    command += ["-c", os.devnull, "--rootdir", str(folder), "-o", "junit_family=xunit1", *arguments, str(folder)]
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """One run over two notebooks: every cell of CELLS in one, a notebook without a fault in the other."""
    folder = tmp_path_factory.mktemp("book")
    write(notebook(*(cell for cell, _ in CELLS.values())), folder / "cells.ipynb")
    write(notebook(CELLS["unchanged"][0], THREADS), folder / "green.ipynb")
    for skipped in ("_build", ".ipynb_checkpoints"):
        (folder / skipped).mkdir()
        write(notebook(CELLS["one word altered"][0]), folder / skipped / "copy.ipynb")
    run = run_pytest(folder, "--nbval-current-env", "-n", "2", "--dist", "loadfile", "--junitxml", "results.xml")
    cases = list(ElementTree.parse(folder / "results.xml").iter("testcase"))
    return {
        "run": {"status": run.returncode, "output": run.stdout},
        "cells.ipynb": {case.get("name"): case for case in cases if case.get("file") == "cells.ipynb"},
        "green.ipynb": {case.get("name"): case for case in cases if case.get("file") == "green.ipynb"},
        "times": json.loads((folder / ".cache" / "times.json").read_text())["python3"],
        "collected": {"cases": len(cases)},
    }


@pytest.mark.parametrize("name", CELLS)
def test_cell(name: str, regression: dict[str, dict]):
    case = regression["cells.ipynb"][f"Cell {list(CELLS).index(name)}"]
    assert passed(case) == CELLS[name][1], regression["run"]["output"]


def test_one_red_cell_makes_the_run_red(regression: dict[str, dict]):
    assert regression["run"]["status"] == 1


def test_a_failure_names_number_values_and_tolerance(regression: dict[str, dict]):
    failure = regression["cells.ipynb"]["Cell 1"].find("failure")
    assert failure is not None
    assert "number 1 was 0.5400 and is now 0.5000; they may differ by 0.00064" in (failure.text or "")


def test_a_green_notebook_is_green_and_the_cores_are_divided(regression: dict[str, dict]):
    assert [passed(case) for case in regression["green.ipynb"].values()] == [True, True]


def test_built_and_temporary_copies_are_not_collected(regression: dict[str, dict]):
    assert regression["collected"]["cases"] == len(CELLS) + 2


def test_time_and_memory_of_green_notebooks_are_recorded(regression: dict[str, dict]):
    assert list(regression["times"]) == ["green.ipynb"]
    assert 0 < regression["times"]["green.ipynb"]["seconds"] < 200
    assert 20 < regression["times"]["green.ipynb"]["peak_mb"] < 3000


def test_an_unknown_kernel_is_one_clear_line():
    option = SimpleNamespace(nbval=True, nbval_kernel_name="helpers-tpu", nbval_kernel_startup_timeout=60)
    option.nbval_cell_timeout = 2000
    with pytest.raises(pytest.UsageError, match=r"no kernel 'helpers-tpu' here; python -m tools.kernels install"):
        notebook_plugin.pytest_configure(SimpleNamespace(option=option))


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [code("x = 1")],
        [code("0.5", stdout(" \n"))],
        [code(PRINTED, UNCHANGED, tags=("nbval-ignore-output",))],
        [code(PICTURE, picture(png()))],
    ],
)
def test_a_notebook_that_compares_nothing_is_an_error(cells: list, tmp_path: Path, request: pytest.FixtureRequest):
    path = write(notebook(*cells), tmp_path / "chapter.ipynb")
    with pytest.raises(Notebook.CollectError, match="test nothing"):
        list(Notebook.from_parent(request.session, path=path).collect())


def test_a_notebook_that_was_not_run_is_an_error(tmp_path: Path, request: pytest.FixtureRequest):
    stored = notebook(code(PRINTED, UNCHANGED), code(PRINTED))
    stored.cells[1].execution_count = None
    path = write(stored, tmp_path / "chapter.ipynb")
    with pytest.raises(Notebook.CollectError, match="were not run"):
        list(Notebook.from_parent(request.session, path=path).collect())


class SlowKernel:
    """A kernel whose outputs arrive almost a minute after the cell has ended: too late for nbval, in time for us."""

    def __init__(self) -> None:
        self.messages: Iterator[dict] = iter(
            [self.message("stream", name="stdout", text=UNCHANGED.text), self.message("status", execution_state="idle")]
        )

    def message(self, kind: str, **content: str) -> dict:
        return {"msg_type": kind, "parent_header": {"msg_id": "1"}, "content": content}

    def is_alive(self) -> bool:
        return True

    def execute_cell_input(self, source: str, allow_stdin: bool) -> str:
        return "1"

    def await_reply(self, msg_id: str, timeout: float) -> None:
        assert timeout >= 60

    def get_message(self, stream: str, timeout: float) -> dict:
        assert timeout >= 60, f"waits only {timeout} s for outputs"
        return next(self.messages)


def test_outputs_may_be_late(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notebook_plugin, "_peak_megabytes", lambda kernel: 0)
    stored = Notebook.from_parent(request.session, path=write(notebook(code(PRINTED, UNCHANGED)), tmp_path / "a.ipynb"))
    (cell,) = stored.collect()
    stored.kernel = SlowKernel()
    cell.runtest()
