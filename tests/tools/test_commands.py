"""Every tool says in one line what it does."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import tools

COMMANDS = sorted(
    path.stem
    for path in Path(tools.__file__).parent.glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_it_does(name: str, capsys: pytest.CaptureFixture[str]):
    module = importlib.import_module(f"tools.{name}")
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    usage, sentence, *_ = capsys.readouterr().out.split("\n\n")
    assert ended.value.code == 0
    assert usage.startswith(f"usage: python -m tools.{name}")
    assert len(" ".join(sentence.split())) > 20
    assert module.__doc__.startswith(" ".join(sentence.split())[:40])


def test_a_tool_without_a_command_line_is_named_by_none():
    """The rest are imported by these; ``python -m`` on one of them would do nothing and say nothing."""
    others = {path.stem for path in Path(tools.__file__).parent.glob("*.py")} - set(COMMANDS)
    makefile = (Path(tools.__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
    assert not [name for name in others if f"tools.{name}" in makefile]
    assert len(COMMANDS) >= 8
