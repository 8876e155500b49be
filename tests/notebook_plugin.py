"""Notebooks as tests: nbval runs the cells, and these hooks decide what counts as the same output.

Active with pytest's ``--nbval``. Beside the tolerance (see tests/tolerance.py):

- A notebook that was never run, or of which nothing would be compared, is an error, not a pass.
- nbval waits five seconds for a cell's outputs once the cell has ended and a minute for a kernel. Both are too short
  on a busy machine, and a timeout that flakes teaches people to ignore red. It waits half an hour for a cell: too long.
- With several pytest workers, the cores are divided between them, unless ``OMP_NUM_THREADS`` says otherwise.
- Before the solution of an exercise runs, its check is tried on the stub that the student's edition has in its place:
  the stub must raise, and with it the check. A check that passes without an answer checks nothing.
- How long each notebook took and how much memory its kernel held goes to ``.cache/times.json``.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, nocolors

from tests.tolerance import Tolerance, difference
from tools import kernels
from tools.editions import stub
from tools.hygiene import compared, tags
from tools.notebooks import CELL_SECONDS, KERNEL_SECONDS, SKIPPED_FOLDERS

OUTPUT_SECONDS = 120
# Runs in the notebook's kernel, in a copy of its names and with the random state put back, so that it leaves no trace.
TRY_THE_STUB = """
def _try_the_stub(stub, check):
    import contextlib, io, random
    import numpy, torch
    names = dict(get_ipython().user_ns)
    states = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(stub, names)
            exec(check, names)
    except NotImplementedError:
        return
    finally:
        random.setstate(states[0]), numpy.random.set_state(states[1]), torch.set_rng_state(states[2])
    raise AssertionError("the check passes on the stub, without any answer")

_try_the_stub({stub!r}, {check!r})
del _try_the_stub
"""


class Notebook(IPyNbFile):
    """A notebook: one kernel, its code cells in order."""

    def collect(self) -> Iterator[NotebookCell]:
        cells = list(super().collect())
        if any(cell.cell.source.strip() and cell.cell.execution_count is None for cell in cells):
            raise self.CollectError(f"{self.path} has cells that were not run: there is nothing to compare with.")
        if not any(compared(cell.cell) for cell in cells):
            raise self.CollectError(f"{self.path} has no compared output: running it would test nothing.")
        sources = [cell.cell for cell in cells]
        for number, cell in enumerate(cells):
            check = None
            if "solution" in tags(cell.cell):
                check = next((after.source for after in sources[number:] if "check" in tags(after)), None)
            yield NotebookCell.from_parent(
                self, name=cell.name, cell_num=number, cell=cell.cell, options=cell.options, of=len(cells), check=check
            )


class NotebookCell(IPyNbCell):
    """A code cell: passes if it runs and its outputs agree with the stored ones."""

    def __init__(self, *, of: int, check: str | None, **arguments: object) -> None:
        super().__init__(**arguments)
        self.output_timeout = OUTPUT_SECONDS
        self.colors = nocolors  # nbval colours its reports even where they go to a file
        self.of = of
        self.check = check

    def compare_outputs(self, test: list, ref: list, skip_compare: object = None) -> bool:
        found = difference(ref, test, Tolerance.of(tags(self.cell)))
        self.comparison_traceback = [found] if found else []
        return found is None

    def runtest(self) -> None:
        try:
            if self.check is not None:
                self.try_the_stub(self.check)
            super().runtest()
        finally:
            peak = _peak_megabytes(self.parent.kernel)
            self.user_properties += [("cells", self.of), ("peak_mb", peak)]

    def try_the_stub(self, check: str) -> None:
        """Fail unless the check raises ``NotImplementedError`` where the stub stands in for the solution."""
        source = TRY_THE_STUB.format(stub=stub(self.cell.source, "?"), check=check)
        reply = self.parent.kernel.kc.execute(
            source, silent=True, allow_stdin=False, stop_on_error=False, reply=True, timeout=CELL_SECONDS
        )["content"]
        if reply["status"] != "ok":
            self.raise_cell_error(f"Its student edition fails: {reply.get('ename')}: {reply.get('evalue')}")


class Times:
    """Collects, in the process that reports, what every notebook cost; keeps those of which every cell passed."""

    def __init__(self, path: Path, kernel: str) -> None:
        self.path = path
        self.kernel = kernel
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.passed: defaultdict[str, int] = defaultdict(int)
        self.properties: dict[str, dict] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        notebook, _, cell = report.nodeid.partition("::")
        if not notebook.endswith(".ipynb") or not cell:
            return
        self.seconds[notebook] += report.duration
        if report.when == "call" and report.passed:
            self.passed[notebook] += 1
            self.properties[notebook] = dict(report.user_properties)

    def pytest_sessionfinish(self) -> None:
        measured = {
            notebook: {"seconds": round(self.seconds[notebook], 1), "peak_mb": properties["peak_mb"]}
            for notebook, properties in self.properties.items()
            if self.passed[notebook] == properties["cells"]
        }
        if not measured:
            return
        known = json.loads(self.path.read_text()) if self.path.exists() else {}
        known[self.kernel] = known.get(self.kernel, {}) | measured
        self.path.parent.mkdir(exist_ok=True)
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        beside.replace(self.path)


def pytest_configure(config: pytest.Config) -> None:
    if not config.option.nbval:
        return
    config.option.nbval_kernel_startup_timeout = max(config.option.nbval_kernel_startup_timeout, KERNEL_SECONDS)
    config.option.nbval_cell_timeout = min(config.option.nbval_cell_timeout, CELL_SECONDS)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(_cores() // workers, 1)))
    kernel = config.option.nbval_kernel_name
    if kernel and not kernels.installed(kernel):
        raise pytest.UsageError(f"There is no kernel {kernel!r} here; python -m tools.kernels install writes them.")
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(Times(config.rootpath / ".cache" / "times.json", kernel or "python3"))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator[None, list, list]:
    collectors = yield
    return [
        Notebook.from_parent(parent, path=file_path) if isinstance(found, IPyNbFile) else found for found in collectors
    ]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path.name in SKIPPED_FOLDERS else None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _peak_megabytes(kernel: object) -> int:
    """The most memory that the kernel has held so far, in MB; what it holds now where the system does not tell."""
    import psutil

    if not kernel.is_alive():
        return 0
    process = psutil.Process(kernel.km.provisioner.pid)
    memory = process.memory_info()
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        kilobytes = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(kilobytes) * 1024 / 1e6)
    return round(memory.rss / 1e6)
