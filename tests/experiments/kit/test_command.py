from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import experiments
from experiments.kit import command

NAMES = sorted(path.parent.name for path in Path(experiments.__file__).parent.glob("*/__main__.py"))


def test_seeds_are_named():
    parser = command.parser("What?\n\nMore.", seeds=(0, 1, 2), rows=Path("rows.json"))
    assert parser.description == "What?"
    assert parser.parse_args([]).seeds == [0, 1, 2]
    assert parser.parse_args(["--seeds", "7", "9"]).seeds == [7, 9]
    assert parser.parse_args(["--output", "other.json"]).output == Path("other.json")


def test_names_are_all_or_those_given_and_known():
    assert command.some_of("set", [], ["one", "two"]) == ["one", "two"]
    assert command.some_of("set", ["two"], ["one", "two"]) == ["two"]
    with pytest.raises(SystemExit, match="Unknown set 'three'"):
        command.some_of("set", ["three"], ["one", "two"])


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"experiments.{name}.__main__").main(["--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    first = (importlib.import_module(f"experiments.{name}").__doc__ or "").partition("\n")[0]
    assert first.split("?")[0] in shown
    assert ("--seeds" in shown) == (name not in ("bench", "pretrain")) and ("--seeds SEED" in shown) == (
        "--seeds" in shown
    )


def test_all_experiments_are_here():
    assert len(NAMES) == 9
