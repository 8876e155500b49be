"""A test suite is worth what it notices: break ``helpers`` in a way that goes wrong in practice, and it must turn red.

Each fault of tools/doubt/library.yml that says who must notice it is applied to a copy of the project in which that
test, or notebook, then runs. How a piece of code is found: tools/doubt/mutants.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.samples import code, notebook, stdout, write
from tools.doubt import catalogue
from tools.doubt.mutants import mutate

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("helpers", "tests", "tools", "book", "conftest.py", "pyproject.toml")


# Each fault of the catalogue with the tests that must notice it; a notebook notices the one that names it.
MUTATIONS = {
    f"{fault.name} ({noticing})": (fault, noticing)
    for fault in catalogue.load().values()
    for noticing in fault.noticed_by
}


# Loading the libraries takes longer than any of these tests, so one process loads them and forks for every copy. It
# reads pairs of a folder and pytest's arguments, and answers with pytest's exit codes.
RUN_ALL = """
import gc, json, os, sys
import accelerate, datasets, hypothesis, nbval.plugin, sklearn.metrics, transformers.models.bert.modeling_bert
import pytest
from transformers import Trainer

gc.freeze()
codes = []
for folder, arguments in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.environ["PYTHONPATH"] = folder
        sys.path.insert(0, folder)
        with open("report.txt", "w") as report:
            os.dup2(report.fileno(), 1)
            os.dup2(report.fileno(), 2)
            code = pytest.main(arguments)
            sys.stdout.flush()
            os._exit(code)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""
UNBROKEN = "nothing"

# What a chapter does, small: measure something with helpers and print it.
SAMPLE = notebook(
    code("import torch\nfrom torch import nn\nfrom helpers import freezing"),
    code(
        "model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))\n"
        "freezing.freeze(model, '0', '1')\n"
        "model(torch.ones(8, 3))\n"
        "print('the running mean has moved:', model[1].running_mean.any().item())",
        stdout("the running mean has moved: False\n"),
    ),
)


def copy_of_the_project(folder: Path) -> Path:
    """Code, tests and notebooks, without anything that was built or compiled, and with the sample notebook."""
    ignore = shutil.ignore_patterns("__pycache__", "_build", ".ipynb_checkpoints")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    write(SAMPLE, folder / "sample.ipynb")
    return folder


def arguments(*tests: str) -> list[str]:
    """What pytest needs to run these tests and notebooks, up to the first failure."""
    notebooks = any(test.endswith(".ipynb") for test in tests)
    nbval = ["--nbval", "--nbval-current-env"] if notebooks else []
    return ["-x", "-q", "-p", "no:cacheprovider", *nbval, *tests]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """pytest's exit code and report, for every mutation and for the unbroken project."""
    runs = {UNBROKEN: arguments(*sorted({noticing for _, noticing in MUTATIONS.values()}))}
    runs |= {name: arguments(noticing) for name, (_, noticing) in MUTATIONS.items()}
    folders = {name: copy_of_the_project(tmp_path_factory.mktemp("project")) for name in runs}
    for name, (fault, _) in MUTATIONS.items():
        fault.break_helpers(folders[name])
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    run = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps([(str(folders[name]), runs[name]) for name in runs]),
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path_factory.mktemp("empty"),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    codes = json.loads(run.stdout.splitlines()[-1])
    reports = [(folder / "report.txt").read_text() for folder in folders.values()]
    return dict(zip(runs, zip(codes, reports, strict=True), strict=True))


def test_the_unbroken_copy_is_green(outcomes: dict[str, tuple[int, str]]):
    code, report = outcomes[UNBROKEN]
    assert code == pytest.ExitCode.OK, report


@pytest.mark.parametrize("name", MUTATIONS)
def test_broken_helpers_turn_the_suite_red(name: str, outcomes: dict[str, tuple[int, str]]):
    code, report = outcomes[name]
    assert code == pytest.ExitCode.TESTS_FAILED, report
    assert "1 failed" in report, report


SOURCE = """
def f(x):  # a comment
    return (x
            / 2)

class A:
    def f(self, x):
        self.g()
        if x / 2: return x
"""


@pytest.mark.parametrize(
    ("function", "right", "wrong", "becomes"),
    [
        ("f", "x/2", "x / 3", "return x / 3"),
        ("f", "return x / 2", "y = x\nreturn y", "    y = x\n    return y"),
        ("A.f", "self.g()", "pass", "        pass\n        if x / 2"),
        ("A.f", "self.g()", "self.h()", "        self.h()\n"),
    ],
)
def test_a_piece_is_found_by_what_it_means(function: str, right: str, wrong: str, becomes: str):
    assert becomes in mutate(SOURCE, function, right, wrong)


@pytest.mark.parametrize(
    ("function", "right", "says"),
    [("f", "x / 4", "0 times"), ("A.f", "x", "times instead of once"), ("A.h", "x", "There is no A.h: h is not there")],
)
def test_a_piece_that_is_not_there_once_is_refused(function: str, right: str, says: str):
    with pytest.raises(ValueError, match=says):
        mutate(SOURCE, function, right, "0")
