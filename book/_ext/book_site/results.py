"""Results on other pages, quoted from the chapters that measured them.

A number or a picture that is copied goes stale. These directives read it out of the stored outputs instead, and warn
when it is gone, which fails the strict build:

    ```{chapter-figure} start/01_two_minutes
    :alt: bars of test accuracy
    ```

    ```{chapter-claims} start/01_two_minutes
    :containing: beats word counting
    ```

``alt`` is a part of the picture's alternative text, ``containing`` a part of the claim; without it, all claims.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import nbformat
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from .cells import TICK


class ChapterDirective(SphinxDirective):
    """A directive whose argument is a chapter, as in ``_toc.yml``, without suffix."""

    required_arguments = 1

    def outputs(self) -> Iterator[nbformat.NotebookNode]:
        """The chapter's stored outputs; the page is rebuilt when they change."""
        path = Path(self.env.srcdir, f"{self.arguments[0]}.ipynb")
        if not path.is_file():
            raise self.error(f"there is no chapter {self.arguments[0]}")
        self.env.note_dependency(str(path))
        for cell in nbformat.read(path, as_version=4).cells:
            yield from cell.get("outputs", [])


class ChapterFigure(ChapterDirective):
    """One picture out of a chapter."""

    option_spec: ClassVar[dict] = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        wanted = self.options.get("alt", "")
        for output in self.outputs():
            png = output.get("data", {}).get("image/png")
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            if png and wanted in alt:
                return [self.figure(base64.b64decode(png), alt)]
        raise self.error(f"no picture of {self.arguments[0]} has {wanted!r} in its alternative text")

    def figure(self, png: bytes, alt: str) -> nodes.container:
        """The picture, and below it the name of its chapter."""
        chapter = chapter_link(self.env.docname, self.arguments[0])
        below = nodes.paragraph("", "From the chapter ", chapter)
        return nodes.container("", picture(self.env, png, alt), below, classes=["chapter-figure"])


def picture(env: BuildEnvironment, png: bytes, alt: str) -> nodes.image:
    """A picture for a page, written to where MyST-NB writes those of the notebooks."""
    folder = Path(env.app.outdir).parent / "jupyter_execute"
    path = folder / f"{hashlib.sha256(png).hexdigest()}.png"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png)
    # To Sphinx, a path that starts with a slash starts in the book's folder.
    return nodes.image(uri=f"/{Path(os.path.relpath(path, env.srcdir)).as_posix()}", alt=alt)


def chapter_link(docname: str, chapter: str, text: str = "") -> addnodes.pending_xref:
    """A link from the page ``docname`` to a chapter; it reads as ``text``, by default as the chapter's title."""
    return addnodes.pending_xref(
        "",
        nodes.inline("", text or chapter),
        refdoc=docname,
        refdomain="std",
        refexplicit=bool(text),
        reftarget=f"/{chapter}",
        reftype="doc",
        refwarn=True,
    )


class ChapterClaims(ChapterDirective):
    """What a chapter claims, in the words and with the values that its cells printed."""

    option_spec: ClassVar[dict] = {"containing": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        wanted = self.options.get("containing", "")
        lines = [line for output in self.outputs() for line in output.get("text", "").splitlines()]
        claims = [line for line in lines if line.startswith(TICK) and wanted in line]
        if not claims:
            raise self.error(f"no claim of {self.arguments[0]} contains {wanted!r}")
        return [nodes.literal_block(claim, claim, language="none", classes=["claim"]) for claim in claims]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("chapter-figure", ChapterFigure)
    app.add_directive("chapter-claims", ChapterClaims)
