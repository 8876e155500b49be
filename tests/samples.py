"""A tiny notebook with nothing wrong, for the tests that break one thing in it."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.hygiene import KERNELSPEC, LANGUAGE_INFO, time_line

ALT = "A single grey point"


def stdout(text: str) -> NotebookNode:
    """A piece of standard output."""
    return new_output("stream", name="stdout", text=text)


def png(extra_bytes: int = 0) -> str:
    """A valid picture of one pixel, in base64, made larger by a comment of so many bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    comment = chunk(b"tEXt", b"Comment\0" + b"x" * extra_bytes)
    picture = chunk(b"IDAT", zlib.compress(b"\0\x80"))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + header + comment + picture + chunk(b"IEND", b"")).decode()


def code(source: str, *outputs: NotebookNode, tags: tuple[str, ...] = ()) -> NotebookNode:
    """A code cell; its execution count is set by :func:`notebook`."""
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)} if tags else {})


def notebook(*cells: NotebookNode) -> NotebookNode:
    """A notebook as `tools.notebooks execute` leaves it: counted cells, reduced metadata."""
    for count, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
    metadata = {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO, "helpers": {"seconds": 5}}
    return new_notebook(cells=list(cells), metadata=metadata)


def clean_notebook() -> NotebookNode:
    """A chapter with a claim, a compared number (cell 2), a picture (cell 3) and three exercises (from cell 4)."""
    claimed = "✔ A half is less than one   half=0.500\n"
    picture = new_output("display_data", {"image/png": png()}, metadata={"image/png": {"alt": ALT}})
    drawn = code(f"from IPython.display import Image\nImage(point, alt={ALT!r})", picture)
    drawn.metadata["mystnb"] = {"image": {"alt": ALT}}
    cells = [
        new_markdown_cell(f"# A chapter\n\nYou will learn to count.\n\n{time_line(5, 1)}"),
        code("from helpers.claims import claim\nclaim('A half is less than one', 0.5 < 1, half=0.5)", stdout(claimed)),
        drawn,
        new_markdown_cell("## Exercises"),
    ]
    for number in (1, 2, 3):
        cells += [
            new_markdown_cell(f"### Exercise {number} · easy\n\nReturn {number}. You should see **{number}**."),
            code(f"def answer():\n    return {number}", tags=("solution",)),
            code(f"assert answer() == {number}", tags=("check",)),
        ]
    return notebook(*cells, new_markdown_cell("## Summary\n\nCounting works."))


def write(notebook: NotebookNode, path: Path) -> Path:
    """Store the notebook and return its path."""
    nbformat.write(notebook, path)
    return path
