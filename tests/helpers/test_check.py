"""The check of a reader's environment: it says OK, and it says what is wrong."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import helpers
from helpers import check, models
from helpers.data.corpus import cache_folders


def test_everything_is_well_here():
    run = subprocess.run([sys.executable, "-m", "helpers.check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["OK"] * len(check.CHECKS)
    assert lines[-1] == "All is well."


def test_a_problem_names_itself_and_the_rest_still_runs(capsys: pytest.CaptureFixture[str]):
    def works() -> str:
        """Works."""
        return "one"

    def breaks() -> str:
        """The sky is blue."""
        raise OSError("it is grey; wait a day")

    assert check.main((breaks, works)) == 1
    assert capsys.readouterr().out.splitlines() == [
        "PROBLEM  The sky is blue. No: it is grey; wait a day",
        "OK       one",
        "1 of 2 need mending.",
    ]


def test_an_old_python_is_a_problem(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check, "PYTHON", ((2, 6), (2, 7)))
    with pytest.raises(RuntimeError, match="is not supported"):
        check.python()


def test_a_missing_or_too_old_package_is_a_problem(monkeypatch: pytest.MonkeyPatch):
    wanted = ["torch>=99", "nowhere-to-be-found", "pytest>=99; extra == 'test'"]
    monkeypatch.setattr(check.importlib.metadata, "requires", lambda name: wanted)
    with pytest.raises(RuntimeError) as raised:
        check.packages()
    assert "is not >=99; nowhere-to-be-found is missing. Run: python -m pip install" in str(raised.value)


def test_no_writable_cache_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys.modules[cache_folders.__module__], "cache_folders", lambda: [tmp_path / "file" / "cache"])
    with pytest.raises(RuntimeError, match="HELPERS_CACHE"):
        check.cache()


def test_supported_pythons_are_those_of_the_package():
    low, high = check.PYTHON
    wanted = f">={low[0]}.{low[1]},<{high[0]}.{high[1] + 1}"
    found = check.importlib.metadata.metadata(check.DISTRIBUTION)["Requires-Python"]
    assert set(found.split(",")) == set(wanted.split(","))


def test_a_notebook_of_another_version_is_refused():
    helpers.require(helpers.__version__)
    major, minor, patch = helpers.__version__.split(".")
    helpers.require(f"{major}.{minor}.{int(patch) + 1}")
    with pytest.raises(RuntimeError, match=r"belongs to version 99\.0\.0 of the book, and helpers"):
        helpers.require("99.0.0")


def test_a_python_without_the_installation_is_told_how_to_mend_it(monkeypatch, capsys):
    def unknown(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", unknown)
    assert check.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["OK", "PROBLEM", "1"]
    assert "is not installed in" in lines[1]
    assert "run: python -m pip install -e" in lines[1]


def test_the_pocket_berts_hash_is_that_of_its_file(monkeypatch):
    models.load("pocket")
    models._verify.cache_clear()
    monkeypatch.setattr(models, "POCKET_SHA256", "0" * 64)
    with pytest.raises(RuntimeError, match="damaged"):
        models.load("pocket")
