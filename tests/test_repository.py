"""What is written down twice says the same: addresses, dependencies, commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.hygiene import TAGS

ROOT = Path(__file__).resolve().parent.parent
# Where an address of a GitHub repository may hide: the site itself, raw files, Colab's and Binder's launch buttons.
ADDRESS = re.compile(
    r"(?:github\.com|githubusercontent\.com|colab\.research\.google\.com/github|mybinder\.org/v2/gh)"
    r"/([\w-]+)/([\w.-]*\w)"
)
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def texts() -> dict[str, str]:
    """The text files of the repository, by name; generated and ignored ones left out."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so it is not known which files belong to the repository")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    found = {}
    for name in filter(None, names):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in content[:4096]:
            found[name] = content.decode("utf-8", errors="replace")
    return found


def requirements() -> dict[str, dict[str, Requirement]]:
    """What pyproject.toml names beside the project itself: requirements by name, for "dependencies" and each extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = {"dependencies": project["dependencies"], **project["optional-dependencies"]}
    found = {
        extra: {canonicalize_name(line.name): line for line in map(Requirement, lines)}
        for extra, lines in lists.items()
    }
    found["all"].pop(canonicalize_name(project["name"]))
    return found


def constraints() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def planned(target: str, program: str) -> str:
    """The command by which `make target` runs `program`, without what only divides the work or quietens it."""
    plan = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (command,) = (line for line in plan.splitlines() if line.startswith(f".venv/bin/{program} "))
    return re.sub(r" -n \d+ --dist loadfile| -q| ; status=.*", "", command)


def test_the_repository_has_one_address():
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    ours = ADDRESS.search(url)
    assert ours is not None, f"_config.yml: {url!r} is not the address of a GitHub repository"
    owner, name = ours.groups()
    others = {
        f"{file}: {found[0]}"
        for file, text in texts().items()
        for found in ADDRESS.finditer(text)
        if (found[1] == owner) != (found[2].removesuffix(".git") == name)
    }
    assert not others


def test_the_conda_environment_lists_nothing_twice():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    named = [canonicalize_name(re.split(r"[=<>]", line)[0]) for line in conda]
    assert sorted(named) == ["pip", "python"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[all]"]}


def test_every_dependency_has_one_tested_version_within_its_bounds():
    pinned = [canonicalize_name(line.name) for line in constraints()]
    assert len(pinned) == len(set(pinned))
    versions = {canonicalize_name(line.name): str(line.specifier).removeprefix("==") for line in constraints()}
    for name, requirement in (pair for extra in requirements().values() for pair in extra.items()):
        assert requirement.specifier.contains(versions[name]), f"{requirement} excludes the tested {versions[name]}"


@needs_make
def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    phony = " ".join(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE))
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    assert targets == set(phony.split())
    command = ["make", "--no-print-directory", "help"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in listed.splitlines()} == targets


@needs_make
@pytest.mark.parametrize(
    ("target", "program"),
    [
        ("test", "pytest"),
        ("unit", "pytest"),
        ("chapters", "pytest"),
        ("test-gpu", "pytest"),
        ("book", "jupyter-book"),
        ("lab", "jupyter"),
    ],
)
def test_the_readme_shows_the_command_behind_the_target(target: str, program: str):
    readme = (ROOT / "README.md").read_text()
    assert f"make {target}" in readme
    assert planned(target, program) in readme


def test_contributors_know_every_tag():
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(f"`{tag}`" in contributing for tag in [*TAGS, "tol-0.03"])


@needs_make
def test_an_old_python_gets_one_clear_line(tmp_path: Path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.10.2\nexit 1\n')
    old.chmod(0o755)
    run = subprocess.run(["make", "-s", "book", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode != 0
    assert run.stderr.splitlines()[0].startswith(f"Python 3.11, 3.12 or 3.13 is needed; {old} is Python 3.10.2.")
    assert not (tmp_path / ".venv").exists()


@needs_make
@pytest.mark.parametrize(("broken", "status"), [(False, 0), (True, 2)])
def test_a_target_that_tests_says_how_long_it_took_and_ends_as_its_tests_ended(
    broken: bool, status: int, tmp_path: Path
):
    shutil.copy(ROOT / "Makefile", tmp_path)
    binaries = tmp_path / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    binaries.mkdir(parents=True)
    (binaries / "pytest").write_text(f"#!/bin/sh\nexit {int(broken)}\n")
    (binaries / "pytest").chmod(0o755)
    command = ["make", "-s", "-o", ".venv/.installed", "unit"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == status
    assert re.fullmatch(r"make unit: 0 min \d+ s\n", run.stdout)
