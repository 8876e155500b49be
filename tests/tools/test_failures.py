"""What an issue says of a run that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import failures

REPORT = """\
<testsuites><testsuite tests="4">
<testcase classname="tests.test_a" name="test_green" />
<testcase classname="book/start/01.ipynb" name="Cell 3"><failure message="short">line 1
``` of code
{lines}</failure></testcase>
<testcase name="tests/test_b.py"><error message="collection failure">ImportError: no peft</error></testcase>
<testcase classname="tests.test_c" name="test_skipped"><skipped message="no make" /></testcase>
</testsuite></testsuites>
"""


def write(folder: Path, lines: int = 2) -> Path:
    report = folder / "report.xml"
    report.write_text(REPORT.format(lines="\n".join(f"more {i}" for i in range(lines))))
    return report


def test_cells_tests_and_collections_that_failed_are_found(tmp_path: Path):
    found = failures.failed(write(tmp_path))
    assert [name for name, _ in found] == ["book/start/01.ipynb::Cell 3", "tests/test_b.py"]
    assert found[1][1] == "ImportError: no peft"


def test_the_issue_shows_versions_names_and_the_first_lines(tmp_path: Path):
    text = failures.text(write(tmp_path, lines=50))
    assert text.startswith("With Python 3.")
    assert "### book/start/01.ipynb::Cell 3\n\n```text\nline 1\n''' of code\nmore 0\n" in text
    assert "more 30" not in text
    assert text.count("```") == 4


def test_the_issue_is_never_longer_than_github_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(failures, "CHARACTERS", 200)
    assert failures.text(write(tmp_path)).endswith("… and more, see the run's log.\n")


def test_a_run_without_tests_is_no_success(tmp_path: Path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="0" /></testsuites>')
    with pytest.raises(ValueError, match="no test in it"):
        failures.failed(report)


def test_a_run_that_ended_before_its_report_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert failures.main([str(tmp_path / "none.xml")]) == 0
    assert "left no report" in capsys.readouterr().out
