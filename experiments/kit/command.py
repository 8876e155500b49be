"""Which part of the grid, and how does the command end?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from helpers.errors import choose


def parser(description: str | None, *, seeds: Sequence[int] = (), rows: Path | None = None) -> argparse.ArgumentParser:
    """A command line that begins like those of all experiments.

    Args:
        description: the docstring of the experiment; its first line is shown.
        seeds: the usual ones. ``--seeds 0 1 2`` names the seeds, in every experiment.
        rows: the usual result file, for ``--output``.
    """
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    if seeds:
        usual = " ".join(map(str, seeds))
        made.add_argument("--seeds", nargs="+", type=int, default=list(seeds), metavar="SEED", help=f"default {usual}")
    if rows:
        made.add_argument(
            "--output", type=Path, default=rows, help=f"keeps the rows; default {rows.name} in book/evidence"
        )
    return made


def some_of(kind: str, names: Iterable[str], known: Iterable[str]) -> list[str]:
    """These names, or all known ones where there are none. Raises ``SystemExit`` for an unknown name."""
    try:
        return [choose(kind, name, list(known)) for name in names] or list(known)
    except ValueError as error:
        raise SystemExit(str(error)) from None


def start(main: Callable[[], int | None]) -> NoReturn:
    """Run a command and end the program; Ctrl-C ends it with the exit status 130, as shells have it."""
    try:
        status = main()
    except KeyboardInterrupt:
        print("Interrupted. What is measured is stored; the same command goes on from there.", file=sys.stderr)
        status = 130
    sys.exit(status)
