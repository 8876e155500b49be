"""What every experiment needs: rows that survive an interruption.

An experiment is a list of settings and a function that measures one of them. :func:`run` measures those that the result
file does not have yet and writes the file after each, so that a killed run goes on where it stopped.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from helpers import runtime

if TYPE_CHECKING:
    from accelerate import PartialState

EVIDENCE = Path(__file__).parents[1] / "book" / "evidence"
VERSIONS = ("torch", "transformers", "datasets", "accelerate", "peft")


def run(path: Path, settings: Iterable[dict[str, Any]], measure: Callable[..., dict[str, Any]]) -> list[dict]:
    """Measure every setting that ``path`` has no row for, and return all rows of these settings.

    Args:
        path: a JSON file with a list of rows; created where it is missing.
        settings: keyword arguments of ``measure``, JSON values only; together they name the row.
        measure: returns the results of one setting, JSON values only.

    A row holds ``settings``, ``results``, ``minutes`` and :func:`environment`. Rows that no setting asks for stay.
    """
    # Under `accelerate launch` all processes measure together, and the first one writes.
    launched = _launched()
    rows: list[dict] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    launched.wait_for_everyone()
    done = {_key(row["settings"]): row for row in rows}
    wanted = list(settings)
    missing = [setting for setting in wanted if _key(setting) not in done]
    for setting in tqdm(missing, desc=path.stem, unit="row", disable=not launched.is_main_process):
        began = time.perf_counter()
        results = measure(**setting)
        minutes = (time.perf_counter() - began) / 60
        row = {"settings": setting, "results": results, "minutes": round(minutes, 3), **environment()}
        rows.append(row)
        done[_key(setting)] = row
        if launched.is_main_process:
            write_json(path, rows)
    return [done[_key(setting)] for setting in wanted]


def processes() -> int:
    """How many processes `accelerate launch` has started; 1 without it."""
    return _launched().num_processes


def environment() -> dict[str, Any]:
    """Device, precision, versions and command: what a reader needs to judge and to repeat a row."""
    import torch

    device = runtime.device()
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {platform.machine()}",
        "processes": processes(),
        "threads": torch.get_num_threads(),
        "precision": runtime.precision(),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
        "command": f"python -m {sys.modules['__main__'].__spec__.name}"
        if getattr(sys.modules["__main__"], "__spec__", None)
        else "",
    }


def write_json(path: Path, value: object) -> None:
    """Write JSON so that a reader finds the old file or the new one, never half of one."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _launched() -> PartialState:
    from accelerate import PartialState

    return PartialState(cpu=runtime.device().type == "cpu")


def _key(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
