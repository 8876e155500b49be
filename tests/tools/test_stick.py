"""A stick with the book: what is on it. `make test-stick` collects one and installs from it without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import stick
from tools.notebooks import BOOK, chapters


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stick without its wheels, which take an index and minutes."""
    output = tmp_path_factory.mktemp("stick") / "stick"
    with pytest.MonkeyPatch.context() as patch:
        commands: list[list] = []
        patch.setattr(stick.subprocess, "run", lambda command, **how: commands.append(command))
        stick.collect(output)
    ((*_, what),) = commands
    assert what == f"{stick.ROOT}[all]"
    return output


def test_the_chapters_and_both_editions_are_on_it(collected: Path):
    names = {path.relative_to(BOOK).as_posix() for path in chapters()}
    assert {
        path.relative_to(collected / "chapters").as_posix() for path in (collected / "chapters").rglob("*.*")
    } == names
    assert (collected / "workshop" / "student.zip").is_file()
    assert (collected / "workshop" / "instructor.zip").is_file()


def test_the_installer_uses_no_index_and_refuses_another_python(collected: Path):
    installer = collected / "install.py"
    source = installer.read_text()
    assert '"--no-index"' in source
    other = source.replace(repr(tuple(sys.version_info[:2])), "(2, 7)")
    installer.write_text(other)
    run = subprocess.run([sys.executable, installer], capture_output=True, text=True)
    installer.write_text(source)
    assert run.returncode != 0
    assert "These packages are for Python" in run.stderr
    assert not (collected / ".venv").exists()


def test_nothing_is_left_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(command: list, **how: object) -> None:
        raise subprocess.CalledProcessError(1, command)

    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "old").touch()
    monkeypatch.setattr(stick.subprocess, "run", fails)
    with pytest.raises(subprocess.CalledProcessError):
        stick.collect(tmp_path / "stick")
    assert (tmp_path / "stick" / "old").exists()
