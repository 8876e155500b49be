"""Which rows are there, and which are still to be measured?

An experiment is a list of settings and a function that measures one of them. :func:`run` measures those that the result
file does not have yet and stores each as soon as it is there, so that a stopped run goes on where it stopped, and two
that run at the same time share one file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import filelock
from tqdm.auto import tqdm

Row = dict[str, Any]
EVIDENCE = Path(__file__).parents[2] / "book" / "evidence"


class Setting(Protocol):
    """A frozen dataclass with all that decides a row, beside the machine.

    ``CODE`` is the version of the code that measures: raise it when the same setting would give another result. Rows of
    another version do not count as measured.
    """

    CODE: ClassVar[int]
    __dataclass_fields__: ClassVar[dict[str, Any]]


def run(path: Path, settings: Iterable[Setting], measure: Callable[[Any], Mapping[str, Any]]) -> list[Row]:
    """Measure every setting that ``path`` has no row for, and return the rows of these settings.

    Args:
        path: a JSON file with a list of rows; created where it is missing.
        settings: their fields together name the row; numbers, words, truth values, None, and lists of these.
        measure: returns the results of one setting; numbers of NumPy and PyTorch are converted.

    A row holds ``settings``, ``results``, ``whole``, ``minutes``, ``code`` and what
    :func:`experiments.kit.environment.environment` says. Rows that no setting asks for stay; one of the same setting by
    another version of the code is replaced.

    Ctrl-C ends it, and the row in hand is not stored. Raises ``ValueError`` for a setting or result that JSON does not
    know, with the names of both, and ``OSError`` where a row cannot be written; a row that cannot be stored is printed.
    """
    from experiments.kit.environment import environment, launched

    wanted = list(settings)
    names = [_name(setting) for setting in wanted]  # refuses what is no JSON before anything is measured
    # Under `accelerate launch` all processes measure together, and the first one writes.
    processes = launched()
    done = _named(read(path))
    processes.wait_for_everyone()
    missing = [(name, setting) for name, setting in zip(names, wanted, strict=True) if name not in done]
    for name, setting in tqdm(missing, desc=path.stem, unit="row", disable=not processes.is_main_process):
        if processes.num_processes == 1:  # another command may have measured it meanwhile
            done = _named(read(path))
            if name in done:
                continue
        began = time.perf_counter()
        results = measure(setting)
        minutes = (time.perf_counter() - began) / 60
        row = made(setting, results, minutes) | environment()
        done[name] = row
        if processes.is_main_process:
            store(path, [row])
    if processes.num_processes == 1:
        done |= _named(read(path))
    return [done[name] for name in names]


def known(path: Path, settings: Iterable[Setting]) -> list[Row]:
    """The rows of these settings; none where one of them is missing."""
    done, names = _named(read(path)), [_name(setting) for setting in settings]
    return [done[name] for name in names] if done.keys() >= set(names) else []


def made(setting: Setting, results: Mapping[str, Any], minutes: float) -> Row:
    """A row of a whole run. Raises ``ValueError``, and prints the results, where JSON does not know one of them."""
    import helpers

    wanted = dataclasses.asdict(setting)
    try:
        plain = {key: _plain(value, f"The result {key!r} of {wanted}") for key, value in results.items()}
    except ValueError:
        print(f"Not stored: {dict(results)!r} of {wanted!r}", file=sys.stderr)
        raise
    return {
        "settings": _settings(setting),
        "results": plain,
        "whole": True,
        "minutes": round(minutes, 3),
        "code": {"experiment": setting.CODE, "helpers": helpers.__version__},
    }


def store(path: Path, new: Sequence[Row]) -> None:
    """Add rows to a file, whatever another process has added to it meanwhile.

    A row that is there already, of the same setting and code, stays as it is. Raises ``OSError`` where the file cannot
    be written, after printing the rows; the old file is whole then, and nothing else is left.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f"{path.name}.lock")):
            rows = read(path)
            known = {_identity(row) for row in rows}
            added = [row for row in new if _identity(row) not in known]
            replaced = {json.dumps(row["settings"], sort_keys=True) for row in added}
            kept = [row for row in rows if json.dumps(row["settings"], sort_keys=True) not in replaced]
            write_json(path, kept + added)
    except OSError:
        print(f"{path} cannot be written; measured and not stored:", file=sys.stderr)
        for row in new:
            print(json.dumps(row, ensure_ascii=False), file=sys.stderr)
        raise


def read(path: Path) -> list[Row]:
    """The rows of a result file; none where it is missing."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def write_json(path: Path, value: object) -> None:
    """Write JSON so that a reader finds the old file or the new one, never half of one, and nothing beside it."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        new.write_text(text, encoding="utf-8", newline="\n")
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _named(rows: Iterable[Row]) -> dict[str, Row]:
    return {_identity(row): row for row in rows}


def _identity(row: Row) -> str:
    """What tells a row from others: its settings and the version of the code."""
    return json.dumps([row["code"]["experiment"], row["settings"]], sort_keys=True)


def _name(setting: Setting) -> str:
    return json.dumps([setting.CODE, _settings(setting)], sort_keys=True)


def _settings(setting: Setting) -> dict[str, Any]:
    wanted = dataclasses.asdict(setting)
    return {key: _plain(value, f"The setting {key!r} of {type(setting).__name__}") for key, value in wanted.items()}


def _plain(value: Any, what: str) -> Any:
    """A value as JSON knows it. Raises ``ValueError`` that begins with ``what``."""
    if isinstance(value, dict):
        return {str(key): _plain(part, f"{what}, {key!r},") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, what) for part in value]
    if not isinstance(value, str | int | float | None) and getattr(value, "ndim", None) == 0:
        value = value.item()  # of NumPy or PyTorch
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{what} is {value}, which JSON does not know. Leave it out, or store None.")
    if not isinstance(value, str | bool | int | float | None):
        raise ValueError(
            f"{what} is a {type(value).__name__}, which JSON does not know. Store numbers, words or lists."
        )
    # numpy.float64 is a float, numpy.str_ a str: JSON writes them as such.
    return value
