"""Run the chapters, keep their outputs, and keep the files clean.

A chapter's notebook is stored with its outputs: they are what readers see and what the regression compares with. So
nobody saves one by hand:

    python -m tools.notebooks execute [PATH…]    run in a fresh kernel and store the outputs
    python -m tools.notebooks clean [PATH…]      normalise without running, after an edit of the text
    python -m tools.notebooks check [PATH…]      say what is wrong with it (see tools/hygiene.py)

Without paths, all notebooks of the book. A notebook that fails keeps its old file.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

import helpers
from tools import kernels
from tools.hygiene import KERNELSPEC, LANGUAGE_INFO, TIME_LINE, alt_text, pictures, problems, reading_minutes, time_line

BOOK = Path(__file__).resolve().parent.parent / "book"
SKIPPED_FOLDERS = {"_build", ".ipynb_checkpoints"}
CELL_METADATA = ("tags", "mystnb")
CELL_SECONDS = 600
KERNEL_SECONDS = 300
INSTALLS = "google.colab"  # the word by which a chapter's install cell is known
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(Exception):  # noqa: N818  (reads as what happened)
    """A cell of a notebook raised or took too long; the message names the cell and shows code and traceback."""


def chapters(folder: Path = BOOK) -> list[Path]:
    """The notebooks below ``folder`` in reading order."""
    return sorted(path for path in folder.rglob("*.ipynb") if not SKIPPED_FOLDERS & set(path.parts))


def execute(path: Path, kernel: str | None = None) -> int:
    """Run the notebook in a fresh kernel, in its own folder, and store it with its outputs.

    Args:
        kernel: name of the kernel; by default ``helpers-cpu`` where it is installed, else ``python3``.

    Returns the seconds it took, rounded to 5, which are also written into the notebook. Raises
    :class:`NotebookFailed` and leaves the file as it was when a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    _renew_install_cell(notebook)
    seconds = max(round(_run(notebook, path, kernel) / 5) * 5, 5)
    notebook.metadata["helpers"] = {"seconds": seconds}
    normalise(notebook)
    _write(path, nbformat.writes(notebook))
    return seconds


def clean(path: Path) -> bool:
    """Normalise the notebook without running it. Returns whether the file changed."""
    notebook = nbformat.read(path, as_version=4)
    normalise(notebook)
    text = nbformat.writes(notebook)
    changed = text.rstrip("\n") != path.read_text(encoding="utf-8").rstrip("\n")
    if changed:
        _write(path, text)
    return changed


def install_cell() -> str:
    """The first code cell of every chapter, made of the repository's address and the version of ``helpers``."""
    address = yaml.safe_load((BOOK.parent / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    return f"""\
# In Colab, install the book's package. Anywhere, make sure that it is this chapter's version.
import sys

if "{INSTALLS}" in sys.modules:
    %pip install -q "bert-finetuning-book[offline] @ git+{address}@v{helpers.__version__}"

import helpers

helpers.require("{helpers.__version__}")"""


def normalise(notebook: NotebookNode) -> None:
    """Remove, in place, what differs from run to run or from editor to editor, and keep what readers need.

    The install cell and the line on time are written anew. What stays: other sources, tags, standard output, results,
    pictures with their alternative text, the execution counts as the kernel gave them, and the messages of errors that
    are meant to be there, without the library's frames.
    """
    kept = {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    if "helpers" in notebook.metadata:
        kept["helpers"] = notebook.metadata["helpers"]
    notebook.metadata = nbformat.from_dict(kept)
    _name_cells(notebook)
    _renew_install_cell(notebook)
    first = next((cell for cell in notebook.cells if cell.cell_type == "markdown"), None)
    if first is not None and "helpers" in notebook.metadata:
        line = time_line(notebook.metadata["helpers"]["seconds"], reading_minutes(notebook.cells))
        first.source = TIME_LINE.sub(line, first.source, count=1)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata})
        if cell.cell_type == "code":
            cell.outputs = list(_normal_outputs(cell.outputs))
            _pass_on_alt_text(cell)


def _run(notebook: NotebookNode, path: Path, kernel: str | None) -> float:
    """Run every cell in place; return the seconds from the start of the kernel to its last answer."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    current, since, total = 0, time.monotonic(), len(notebook.cells)

    def started(cell: NotebookNode, cell_index: int) -> None:
        nonlocal current, since
        current, since = cell_index, time.monotonic()

    def finished(cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        spent, first_line = time.monotonic() - since, cell.source.strip().splitlines()[0]
        print(f"  {cell_index + 1:3d}/{total}  {spent:6.1f} s  {first_line[:80]}", file=sys.stderr, flush=True)

    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    client = NotebookClient(
        notebook,
        kernel_name=kernel or ("helpers-cpu" if kernels.installed("helpers-cpu") else "python3"),
        timeout=CELL_SECONDS,
        startup_timeout=KERNEL_SECONDS,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.resolve().parent)}},
        on_cell_execute=started,
        on_cell_executed=finished,
    )
    print(path, file=sys.stderr, flush=True)
    begin = time.monotonic()
    try:
        client.execute()
    except CellExecutionError as error:  # its message holds source, printed output and traceback
        raise NotebookFailed(f"{path}, cell {current + 1} of {total}: {error}") from error
    except (CellTimeoutError, DeadKernelError) as error:
        source = notebook.cells[current].source
        raise NotebookFailed(f"{path}, cell {current + 1} of {total}: {error}\n{source}") from error
    return time.monotonic() - begin


def _renew_install_cell(notebook: NotebookNode) -> None:
    first = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    if first is not None and INSTALLS in first.source:
        first.source = install_cell()


def _name_cells(notebook: NotebookNode) -> None:
    """Give every cell an identifier of its own: the one it has, or one made of its source."""
    notebook.nbformat_minor = max(notebook.nbformat_minor, 5)
    taken: set[str] = set()
    for cell in notebook.cells:
        name = cell.get("id") or hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        copies = (f"{name[:56]}-{number}" for number in range(2, len(notebook.cells) + 2))
        cell["id"] = name if name not in taken else next(copy for copy in copies if copy not in taken)
        taken.add(cell["id"])


def _normal_outputs(outputs: list[NotebookNode]) -> Iterator[NotebookNode]:
    """Outputs without standard error, with neighbouring pieces of standard output joined."""
    joined: NotebookNode | None = None
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if joined is not None:
                joined.text += output.text
                continue
            joined = output
        else:
            joined = None
        if output.output_type == "error":
            output.traceback = [frame for frame in output.traceback if not _ANSI.sub("", frame).startswith("File ")]
        yield output


def _pass_on_alt_text(cell: NotebookNode) -> None:
    """Copy a picture's alternative text to the cell's metadata: MyST-NB does not look for it in the output's."""
    alt = next((alt_text(output) for output in cell.outputs if pictures(output)), "")
    options = cell.metadata.get("mystnb", {})
    image = {key: value for key, value in options.get("image", {}).items() if key != "alt"}
    if alt:
        image["alt"] = alt
    options = {key: value for key, value in options.items() if key != "image"} | ({"image": image} if image else {})
    cell.metadata.pop("mystnb", None)
    if options:
        cell.metadata["mystnb"] = nbformat.from_dict(options)


def _write(path: Path, text: str) -> None:
    """Replace the file in one step, so that an interruption leaves the old one or the new one."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    beside.replace(path)


def _execute_all(paths: list[Path], kernel: str | None) -> bool:
    failed = False
    for path in paths:
        try:
            print(f"  {execute(path, kernel)} s", file=sys.stderr)
        except NotebookFailed as error:
            print(error, file=sys.stderr)
            failed = True
    return failed


def _clean_all(paths: list[Path]) -> bool:
    for path in paths:
        print(f"{path}: {'cleaned' if clean(path) else 'was clean'}")
    return False


def _check_all(paths: list[Path]) -> bool:
    found = {path: problems(path) for path in paths}
    for path, sentences in found.items():
        for sentence in sentences:
            print(f"{path}: {sentence}")
    return any(found.values())


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status: 1 where a notebook failed or is not clean."""
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["execute", "clean", "check"])
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks or folders; by default the whole book")
    parser.add_argument("--kernel", help="execute with this kernel instead of helpers-cpu")
    options = parser.parse_args(arguments)
    if options.kernel and options.command != "execute":
        parser.error("--kernel is for execute")
    paths = [found for path in options.paths or [BOOK] for found in (chapters(path) if path.is_dir() else [path])]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        parser.error(f"no such notebook: {', '.join(missing)}" if missing else "found no notebook")
    commands: dict[str, Callable[[], bool]] = {
        "execute": lambda: _execute_all(paths, options.kernel),
        "clean": lambda: _clean_all(paths),
        "check": lambda: _check_all(paths),
    }
    return 1 if commands[options.command]() else 0


if __name__ == "__main__":
    sys.exit(main())
