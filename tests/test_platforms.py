"""What Windows and macOS have otherwise, simulated here: other processors, no Unix, backslashes, code pages."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from helpers import runtime

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("helpers", "experiments", "tools", "book/_ext")

# Hides from the book's own modules what only Unix has, then imports every one that is named.
WITHOUT_UNIX = """
import builtins, importlib, sys
sys.path.append("book/_ext")
theirs = builtins.__import__

def without_unix(name, globals=None, *rest, **options):
    importing = (globals or {}).get("__name__", "").partition(".")[0]
    if importing in ("helpers", "tools", "experiments", "book_site"):
        if name in ("fcntl", "grp", "pwd", "resource", "termios"):
            raise ModuleNotFoundError(f"{importing} imports {name}, which Windows does not have")
    return theirs(name, globals, *rest, **options)

builtins.__import__ = without_unix
for name in sys.argv[1:]:
    importlib.import_module(name)
print(len(sys.argv) - 1, "modules")
"""


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def calls(path: Path) -> Iterator[ast.Call]:
    yield from (n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call))


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def module(path: Path) -> str:
    """The name by which a file of the repository is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[2:] if parts[:2] == ("book", "_ext") else parts
    return ".".join(part for part in parts if part != "__init__")


class Operators:
    """oneDNN's operators; a build without oneDNN, such as macOS's, has none."""

    def __init__(self, bf16: bool | None) -> None:
        if bf16 is not None:
            self._is_mkldnn_bf16_supported = lambda: bf16


@pytest.mark.parametrize(
    ("machine", "bf16", "wanted"),
    [
        ("arm64", None, "fp32"),  # Apple Silicon
        ("ARM64", None, "fp32"),  # Windows on ARM
        ("aarch64", False, "fp32"),  # Linux on ARM, old
        ("aarch64", True, "bf16"),  # and new
    ],
)
def test_the_precision_of_a_processor(machine: str, bf16: bool | None, wanted: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HELPERS_DEVICE", "cpu")
    monkeypatch.delenv("HELPERS_PRECISION", raising=False)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(torch.ops, "mkldnn", Operators(bf16))
    assert runtime.precision() == wanted


@pytest.mark.parametrize(
    ("capability", "wanted"),
    [((7, 0), "fp16"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")],  # V100, T4, A100, H100
)
def test_the_precision_of_a_gpu(capability: tuple[int, int], wanted: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HELPERS_DEVICE", "cuda")
    monkeypatch.delenv("HELPERS_PRECISION", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: capability)
    assert runtime.precision() == wanted


def test_everything_is_imported_where_there_is_no_unix():
    """Windows has no ``resource``, for example: a module that imports it keeps the site and all tests from it."""
    names = [module(path) for path in sources(*FOLDERS) if path.stem != "__main__"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WITHOUT_UNIX, *names]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[-2:] == [str(len(names)), "modules"]
    assert len(names) > 40


@pytest.mark.parametrize("path", sources(*FOLDERS), ids=module)
def test_text_is_read_and_written_as_utf8(path: Path):
    """Without ``encoding=``, Windows takes its code page, and the book's marks and accents are lost."""
    silent = [
        f"line {call.lineno}: {name_of(call)}"
        for call in calls(path)
        if name_of(call) in ("read_text", "write_text")
        or (isinstance(call.func, ast.Name) and call.func.id == "open" and "b" not in ast.unparse(call.args[-1]))
        if not any(keyword.arg == "encoding" for keyword in call.keywords)
    ]
    assert not silent


@pytest.mark.parametrize("path", sources(*FOLDERS, "tests"), ids=module)
def test_a_part_of_a_path_becomes_a_name_with_slashes(path: Path):
    """``str(path.relative_to(…))`` has backslashes on Windows and is then no name of a chapter: ``as_posix()``."""
    backslashes = [
        f"line {call.lineno}: {ast.unparse(call)}"
        for call in calls(path)
        if name_of(call) == "str" and any(name_of(inner) == "relative_to" for inner in calls_in(call))
        if not any(name_of(inner) == "as_posix" for inner in calls_in(call))
    ]
    assert not backslashes


def calls_in(node: ast.AST) -> list[ast.Call]:
    return [inner for inner in ast.walk(node) if isinstance(inner, ast.Call)]
