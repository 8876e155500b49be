"""Which versions is the book tried with? python -m tools.versions [--lowest]

Prints the libraries that are installed here, as a row for maintaining/versions.md; or, with ``--lowest``, the lower
ends of the bounds in pyproject.toml, as constraints to install by. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
# The libraries whose releases have broken chapters, or could.
WATCHED = ("torch", "transformers", "tokenizers", "datasets", "accelerate", "peft", "scikit-learn", "numpy", "pandas")


def installed() -> dict[str, str]:
    """Python and the watched libraries that are installed, with their versions."""
    there = {distribution.name.lower(): distribution.version for distribution in importlib.metadata.distributions()}
    return {"Python": platform.python_version()} | {name: there[name] for name in WATCHED if name in there}


def row(day: datetime.date) -> str:
    """A row of the version page: the day, the system, the versions, and room for what was run."""
    versions = installed()
    cells = [day.isoformat(), f"{platform.system()} {platform.machine()}", versions["Python"]]
    return f"| {' | '.join([*cells, *(versions.get(name, '–') for name in WATCHED), '…'])} |"


def lowest(pyproject: Path = PYPROJECT) -> list[str]:
    """The lower end of every bound of the library, as ``name==version``; the rest stays free."""
    lines = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    bounds = (re.match(r"([\w.-]+)>=([\w.]+)", line) for line in lines)
    return [f"{found[1]}=={found[2]}" for found in bounds if found]


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.versions", description=__doc__.splitlines()[0])
    parser.add_argument("--lowest", action="store_true", help="the lower ends of the bounds, as constraints")
    wanted = parser.parse_args(arguments).lowest
    print("\n".join(lowest()) if wanted else row(datetime.datetime.now(datetime.UTC).date()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
