"""Run one chapter under one fault, and see which of its claims fall.

The chapter runs from beginning to end, in a kernel that imports a copy of ``helpers`` with the fault in it. In that
copy ``claim`` prints a claim that does not hold instead of raising, and a cell that fails does not end the run: so one
claim that falls hides no other. A claim falls, too, where a comparison before it in its own cell does: often a cell
asserts that many numbers are equal, and then claims it in words.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from tools import kernels, outline
from tools.doubt import reach, rows
from tools.doubt.catalogue import NOTHING, ROOT, Fault
from tools.notebooks import KERNEL_SECONDS
from tools.outline import TICK, Chapter

CROSS = "✘ "
RECORDING = Fault(
    "claims are printed",
    file="helpers/claims.py",
    function="claim",
    right='raise ClaimFailed(f"✘ {text}   {values}")',
    wrong='print(f"✘ {text}   {values}")\nreturn',
)
PATIENCE = 10  # a chapter's usual time, as many times, is enough for each of its cells
LEAST_SECONDS = 120

Task = tuple[Fault, str, Path, str]  # what is broken, the chapter's name, the book, and where copies may lie


def of_task(task: Task) -> rows.Row:
    """:func:`attempt` for a pool of processes: each reads the chapter itself, and cleans up behind itself."""
    fault, name, book, folder = task
    with tempfile.TemporaryDirectory(dir=folder) as own:
        return attempt(fault, outline.read(name, book), Path(own))


def attempt(fault: Fault, chapter: Chapter, folder: Path, root: Path = ROOT) -> rows.Row:
    """Run the chapter under the fault and return the row; without a fault also with what the chapter ``calls``.

    Args:
        folder: an empty one, for the copy of ``helpers`` below ``root`` and for what the chapter writes.
    """
    shutil.copytree(root / "helpers", folder / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    RECORDING.break_helpers(folder)
    fault.break_helpers(folder)
    if fault == NOTHING:
        reach.watch(folder)
    place = (folder / "book" / chapter.name).parent
    place.mkdir(parents=True)
    stored = [cell for cell in chapter.cells if cell.cell_type == "code"]
    cells = copy.deepcopy(stored)
    fault.break_cells(cells)
    if fault.first:
        cells.insert(0, nbformat.v4.new_code_cell(fault.first))
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    began = time.monotonic()
    _run(nbformat.v4.new_notebook(cells=cells), place, folder, max(PATIENCE * chapter.seconds, LEAST_SECONDS))
    held, fell = (_printed(cells, mark) for mark in (TICK, CROSS))
    fell |= _stopped(stored, cells[-len(stored) :]) - held
    texts = [claim.text for claim in chapter.claims]
    calls = {"calls": reach.called(folder)} if fault == NOTHING else {}
    return {
        "chapter": chapter.name,
        "fault": fault.name,
        "key": rows.key(fault, chapter),
        "fell": [text for text in texts if text in fell],
        "missed": [text for text in texts if text not in held | fell],
        "seconds": round(time.monotonic() - began, 1),
        **calls,
    }


def _run(notebook: nbformat.NotebookNode, place: Path, folder: Path, seconds: int) -> None:
    """Run all cells in place. A cell that takes too long is interrupted; a kernel that dies ends it."""
    client = NotebookClient(
        notebook,
        kernel_name="helpers-cpu" if kernels.installed("helpers-cpu") else "python3",
        timeout=seconds,
        startup_timeout=KERNEL_SECONDS,
        interrupt_on_timeout=True,
        allow_errors=True,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(place)}},
    )
    with contextlib.suppress(DeadKernelError):  # what was not reached is missed
        client.execute(env=os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"})


def _printed(cells: list[nbformat.NotebookNode], mark: str) -> set[str]:
    """The sentences of all claims that were printed with this mark."""
    lines = [line for cell in cells for out in cell.outputs for line in out.get("text", "").splitlines()]
    return {line.removeprefix(mark).partition("   ")[0] for line in lines if line.startswith(mark)}


def _stopped(stored: list[nbformat.NotebookNode], cells: list[nbformat.NotebookNode]) -> set[str]:
    """The sentences of claims that a comparison before them, in the same cell, did not let come to word."""
    failed = [any(out.get("ename") == "AssertionError" for out in cell.outputs) for cell in cells]
    return _printed([cell for cell, red in zip(stored, failed, strict=True) if red], TICK)
