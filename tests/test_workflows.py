"""The workflows of GitHub do what anybody can do here: every step calls a make target, with no right that it can miss.

That they are workflows at all, actionlint says: ``make workflows``, which CI runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Beside make: what installs make, fetches Colab's list, and writes the issue or the release. None of them tests.
AROUND = ("choco install make ", "curl ", "gh issue create ", "gh release create ", "git diff ", "grep ", "echo ")
# What a workflow may write, and which of its jobs.
RIGHTS = {
    ("check", "publish"): {"pages": "write", "id-token": "write"},
    ("release", "publish"): {"contents": "write"},
}
WEEKLY = {"contents": "read", "issues": "write"}


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def commands(workflow: dict) -> Iterator[str]:
    """Every line that a step runs."""
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            yield from (line.strip() for line in step.get("run", "").splitlines())


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def called(command: str) -> set[str]:
    """The targets that ``make -s book test-stick PYTHON=python > file`` calls."""
    words = command.partition(" > ")[0].split()[1:]
    return {word for word in words if "=" not in word and not word.startswith("-")}


def test_there_are_the_three_workflows():
    assert [path.stem for path in WORKFLOWS] == ["check", "release", "weekly"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_step_calls_a_target_that_is_there(path: Path):
    lines = list(commands(load(path)))
    made = [line for line in lines if line.startswith("make ")]
    assert made
    assert not [line for line in lines if line not in made and not line.startswith(AROUND)]
    assert set().union(*map(called, made)) <= targets()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_right_it_does_not_need_and_ends_by_itself(path: Path):
    workflow = load(path)
    assert workflow["permissions"] == (WEEKLY if path.stem == "weekly" else {"contents": "read"})
    assert "group" in workflow["concurrency"]
    for name, job in workflow["jobs"].items():
        assert job.get("permissions") == RIGHTS.get((path.stem, name)), name
        assert 0 < job["timeout-minutes"] <= 120, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_githubs_own_and_of_one_major_version(path: Path):
    used = re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))
    assert used
    assert not [action for action in used if not re.fullmatch(r"actions/[\w-]+@v\d+", action)]


def test_what_strangers_write_is_never_run():
    """Titles and branches of pull requests are data: no expression of them stands in a command."""
    for path in WORKFLOWS:
        assert not [line for line in commands(load(path)) if "${{" in line]


def test_a_push_tests_every_supported_python_on_every_system():
    matrix = load(ROOT / ".github" / "workflows" / "check.yml")["jobs"]["unit"]["strategy"]["matrix"]
    assert matrix == {
        "os": ["ubuntu-latest", "macos-latest", "windows-latest"],
        "python": ["3.11", "3.12", "3.13"],
    }
    supported = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert supported is not None
    assert matrix["python"] == [f"3.{minor}" for minor in range(int(supported[1]), int(supported[2]))]


def test_a_push_runs_what_ci_runs_here():
    made = {target for line in commands(load(WORKFLOWS[0])) if line.startswith("make ") for target in called(line)}
    steps = set(re.findall(r"^step \S+ make (\S+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))
    # The tests in two parts, at the same time; the stick at a release.
    assert made == steps - {"test", "test-stick"} | {"unit", "chapters"}
