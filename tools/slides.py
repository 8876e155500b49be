"""Slides for each part of the book, made from its chapters: python -m tools.slides

A chapter becomes its title and question, and for each section the heading, the predictions to make, the pictures and
the claims; code stays in the notebooks. reveal.js lies beside the slides, so they need no network.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import outline
from tools.editions import OUTPUT, PREDICT
from tools.hygiene import pictures
from tools.outline import TICK

# From the npm registry; the file of each that the slides load.
SCRIPTS = {"reveal.js@4.6.0": "", "requirejs@2.3.7": "require.js", "jquery@3.7.1": "dist/jquery.min.js"}
LEFT_OUT = ("Setup", "Exercises", "At full scale")
_SECTION = re.compile(r"^## +(.+?)\s*$", re.MULTILINE)
_PREDICTION = re.compile(re.escape(PREDICT) + r"(.+?)(?:\n\n|\Z)", re.DOTALL)


def deck(caption: str, chapters: list[outline.Chapter]) -> NotebookNode:
    """A notebook whose cells say where a slide begins; ``nbconvert`` makes the slides of it."""
    cells = [_text(f"# {caption}", "slide")]
    for chapter in chapters:
        goals = "\n".join(f"- {goal}" for goal in chapter.goals)
        cells += [
            _text(f"## {chapter.title}\n\n*{chapter.question}*", "slide"),
            _text(f"You will learn to\n\n{goals}", "subslide"),
        ]
        cells += _sections(chapter)
    return new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


def _sections(chapter: outline.Chapter) -> Iterator[NotebookNode]:
    """The slides of a chapter's sections; a section without anything to show has none."""
    heading, shown = "", 0
    for cell in chapter.cells[1:]:
        if cell.cell_type == "markdown":
            if headings := _SECTION.findall(cell.source):
                heading, shown = headings[-1], 0
            if heading and heading not in LEFT_OUT:
                for question in _PREDICTION.findall(cell.source):
                    yield _text(f"### {heading}\n\n**Predict** ·{question.rstrip()}", "subslide")
                    shown += 1
            continue
        if not heading or heading in LEFT_OUT:
            continue
        for output in cell.outputs:
            claims = [line for line in output.get("text", "").splitlines() if line.startswith(TICK)]
            if pictures(output):
                yield _text(f"### {heading}", "subslide")
                yield _output(output)
            elif claims:
                sentences = "\n".join(f"- {line.removeprefix(TICK).partition('   ')[0]}" for line in claims)
                yield _text(f"### {heading}\n\n{sentences}", "subslide")


def _text(source: str, kind: str) -> NotebookNode:
    return new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}})


def _output(output: NotebookNode) -> NotebookNode:
    picture = new_output("display_data", dict(output.data), metadata=output.metadata)
    return new_code_cell("", outputs=[picture], metadata={"slideshow": {"slide_type": "-"}})


def write(output: Path = OUTPUT / "slides") -> list[Path]:
    """Write the slides of every part to ``output``; return their files, ``1_start.html`` and so on."""
    from nbconvert import SlidesExporter

    reveal, require, jquery = (f"{package.partition('@')[0]}/{file}".rstrip("/") for package, file in SCRIPTS.items())
    exporter = SlidesExporter(
        reveal_theme="white",  # its letters come with it; the default's from another server
        reveal_url_prefix=reveal,
        require_js_url=require,
        jquery_url=jquery,
        mathjax_url="",
        exclude_input=True,
    )
    output.mkdir(parents=True, exist_ok=True)
    files = []
    for number, (caption, chapters) in enumerate(outline.parts().items(), 1):
        html, _ = exporter.from_notebook_node(deck(caption, chapters))
        name = re.sub(r"\W+", "_", caption.lower()).strip("_")
        file = output / f"{number}_{name}.html"
        file.write_text(html, encoding="utf-8")
        files.append(file)
    return files


def fetch_scripts(output: Path) -> None:
    """Put reveal.js and what it needs beside the slides, from the npm registry, once."""
    missing = [package for package in SCRIPTS if not (output / package.partition("@")[0]).exists()]
    if not missing:
        return
    if shutil.which("npm") is None:
        raise SystemExit("npm is missing: the slides need reveal.js, which it fetches (apt-get install npm).")
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *missing]
        subprocess.run(command, check=True)
        for package in missing:
            name = package.partition("@")[0]
            shutil.copytree(Path(folder, "node_modules", name), output / name)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.slides", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT / "slides", help="default _build/workshop/slides")
    output = parser.parse_args(arguments).output
    for file in write(output):
        print(file)
    fetch_scripts(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
