"""Does a chapter run in Colab, as it is and alone?

    python -m tools.colab [CHAPTER…] [--all]
    python -m tools.colab --renew FREEZE    take the pins from what Colab publishes of its packages

Makes an environment with Colab's packages, as tools/colab.txt has them with their date, gives its kernel the module by
which notebooks know Colab, and runs each chapter in an empty folder there, its install cell included. The cell fetches
the book by its public address, which git is told to find in this checkout, at its last commit. A chapter fails when a
cell fails, and when its install cell replaced a package that Colab had brought. Colab's Python is 3.13: where there is
one, run the tool with it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import yaml
from packaging.utils import canonicalize_name

import helpers
from tools.notebooks import BOOK, CELL_SECONDS, KERNEL_SECONDS, chapters

ROOT = BOOK.parent
FOLDER = ROOT / ".cache" / "colab"
SOURCE = "# Written by `make colab-pins FREEZE=…` from pip-freeze.txt of https://github.com/googlecolab/backend-info."
PINS = Path(__file__).with_name("colab.txt")
# CI runs these: a chapter that trains, one that only looks, one with formulas and pictures.
DEFAULT = ("start/01_two_minutes", "heads/01_anatomy", "optimization/01_adamw")


class ColabFailed(Exception):  # noqa: N818  (reads as what happened)
    """A chapter did not run there, or changed what Colab had installed."""


def packages(pins: Path = PINS) -> dict[str, str]:
    """What a fresh Colab runtime has, of what the book needs: name to version."""
    lines = pins.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def renew(freeze: Path, day: datetime.date, pins: Path = PINS) -> None:
    """Write the pins anew from Colab's list of all its packages, as ``pip freeze`` prints them.

    Raises ``ValueError`` that names the packages which the list lacks, and leaves the pins as they were.
    """
    found = {}
    for line in freeze.read_text(encoding="utf-8").splitlines():
        # numpy==2.1.3, torch==2.11.0+cu128, torch @ https://…/torch-2.11.0%2Bcpu-cp313-….whl
        if match := re.match(r"([\w.-]+)(?:==| @ \S*/[\w.]+-)(\d[\w.]*)", line):
            found[canonicalize_name(match[1])] = match[2]
    names = packages(pins)
    if lacking := sorted(set(names) - set(found)):
        raise ValueError(f"{freeze} lacks {', '.join(lacking)}: is it a list by `pip freeze`?")
    head = f"# What a fresh Colab runtime had on {day.isoformat()}, of what the book needs."
    lines = [head, SOURCE, *(f"{name}=={found[name]}" for name in names)]
    pins.write_text("\n".join(lines) + "\n", encoding="utf-8")


def environment(folder: Path = FOLDER) -> Path:
    """An environment with Colab's packages, made once for a set of pins; returns its Python."""
    pins = PINS.read_text(encoding="utf-8")
    stamp = folder / "pins.txt"
    python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != pins:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", PINS], check=True)
        stamp.write_text(pins, encoding="utf-8")
    return python


def write_kernel(python: Path, repository: Path, folder: Path = FOLDER) -> None:
    """The kernel ``colab`` in that environment: it knows Colab's module, and git finds the book in ``repository``."""
    stand_in = folder / "stand-in" / "google" / "colab"
    stand_in.mkdir(parents=True, exist_ok=True)
    (stand_in / "__init__.py").touch()
    address = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    specification = {
        "argv": [
            str(python),
            "-m",
            "ipykernel_launcher",
            "--InteractiveShellApp.exec_lines=import google.colab",
            "-f",
            "{connection_file}",
        ],
        "display_name": "Colab's packages",
        "language": "python",
        "env": {
            "PYTHONPATH": str(folder / "stand-in"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": address,
            "HELPERS_DEVICE": "cpu",
        },
    }
    kernel = folder / "share" / "jupyter" / "kernels" / "colab"
    kernel.mkdir(parents=True, exist_ok=True)
    (kernel / "kernel.json").write_text(json.dumps(specification, indent=1), encoding="utf-8")


def publish(folder: Path) -> Path:
    """A bare clone of this checkout, its last commit tagged with the version that the install cells ask for."""
    repository = folder / "book.git"
    subprocess.run(["git", "clone", "-q", "--bare", ROOT, repository], check=True)
    subprocess.run(["git", "-C", repository, "tag", "-f", f"v{helpers.__version__}", "HEAD"], check=True)
    return repository


def run(chapter: Path, python: Path) -> list[str]:
    """Run a chapter in an empty folder; returns what its install cell added. Raises :class:`ColabFailed`."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    before = installed(python)
    with tempfile.TemporaryDirectory() as empty:
        client = NotebookClient(
            nbformat.read(chapter, as_version=4),
            kernel_name="colab",
            timeout=CELL_SECONDS,
            startup_timeout=KERNEL_SECONDS,
            resources={"metadata": {"path": empty}},
        )
        try:
            client.execute()
        except CellExecutionError as error:
            raise ColabFailed(f"{chapter}: {error}") from error
    after = installed(python)
    if replaced := replacements(before, after):
        raise ColabFailed(f"{chapter}: its install cell replaced {', '.join(replaced)}")
    return sorted(set(after) - set(before))


def installed(python: Path) -> dict[str, str]:
    """Name and version of every package in the environment."""
    listed = subprocess.run([python, "-m", "pip", "list", "--format", "json"], check=True, capture_output=True)
    return {package["name"]: package["version"] for package in json.loads(listed.stdout)}


def replacements(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is gone or has another version afterwards.

    >>> replacements({"numpy": "2.1", "torch": "2.11"}, {"numpy": "2.4", "torch": "2.11", "tqdm": "4.6"})
    ['numpy 2.1 by 2.4']
    """
    return [
        f"{name} {version} by {after.get(name, 'nothing')}"
        for name, version in before.items()
        if after.get(name) != version
    ]


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.colab", description=__doc__.splitlines()[0])
    parser.add_argument(
        "chapters", nargs="*", metavar="CHAPTER", help=f"as in _toc.yml; by default {', '.join(DEFAULT)}"
    )
    parser.add_argument("--all", action="store_true", help="every chapter of the book")
    parser.add_argument("--renew", type=Path, metavar="FREEZE", help="only write the pins, from Colab's pip-freeze.txt")
    options = parser.parse_args(arguments)
    if options.renew:
        renew(options.renew, datetime.datetime.now(datetime.UTC).date())
        print(PINS.read_text(encoding="utf-8"))
        return 0
    names = [path.relative_to(BOOK).with_suffix("").as_posix() for path in chapters()]
    if unknown := sorted(set(options.chapters) - set(names)):
        parser.error(f"no such chapter: {', '.join(unknown)}; there are {', '.join(names)}")
    wanted = names if options.all else options.chapters or DEFAULT
    python = environment()
    os.environ["JUPYTER_PATH"] = str(FOLDER / "share" / "jupyter")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        write_kernel(python, publish(Path(folder)))
        # What an earlier run installed has the same version and would be kept.
        subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", "bert-finetuning-book"], check=True)
        for name in wanted:
            try:
                added = run(BOOK / f"{name}.ipynb", python)
                print(f"{name} runs" + (f"; installed {', '.join(added)}" if added else ""), flush=True)
            except ColabFailed as error:
                print(error, file=sys.stderr, flush=True)
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
