"""Each page as plain Markdown, and ``llms.txt``, which lists them: for readers who ask an assistant first.

``llms.txt`` is what https://llmstxt.org proposes: a title, a sentence, and links with a word on each. A chapter's page
holds its text, its code and what the cells print; pictures are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from nbconvert import MarkdownExporter
from sphinx.application import Sphinx
from tools import outline

from .head import description

LIST = "llms.txt"
HIDDEN = {"hide-input", "remove-cell"}  # tags of cells that install or draw, and do not teach


def page(source: Path) -> str:
    """The Markdown of a notebook or a Markdown file."""
    if source.suffix != ".ipynb":
        return _links(source.read_text(encoding="utf-8"))
    notebook = nbformat.read(source, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not HIDDEN & set(cell.metadata.get("tags", []))]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if "image/png" not in output.get("data", {})]
            for output in cell.outputs:
                for kind in output.get("data", {}).keys() - {"text/plain"}:
                    del output.data[kind]
    body, _ = MarkdownExporter().from_notebook_node(notebook)
    return _links(body)


def _links(text: str) -> str:
    """Links to chapters lead to their Markdown."""
    return re.sub(r"\]\(([^)\s]+)\.ipynb(#[^)\s]*)?\)", r"](\1.md\2)", text)


def listing(title: str, about: str, base: str, parts: dict[str, list[outline.Chapter]], others: dict[str, str]) -> str:
    """``llms.txt``: every chapter with its question, part by part, and the other pages.

    Args:
        about: the book in a sentence.
        base: the address of the site, with a slash at its end.
        parts: the chapters, by part.
        others: the titles of further pages, by name.
    """
    lines = [f"# {title}", "", f"> {about}", ""]
    for part, chapters in parts.items():
        if not chapters:
            continue
        lines += [f"## {part}", "", *(f"- [{c.title}]({base}{c.name}.md): {c.question}" for c in chapters), ""]
    lines += ["## Optional", "", *(f"- [{text}]({base}{name}.md)" for name, text in sorted(others.items())), ""]
    return "\n".join(lines)


def write(app: Sphinx, exception: Exception | None) -> None:
    """Beside each page of the website its Markdown, and the list of all."""
    if exception or app.builder.name != "html":
        return
    out, parts = Path(app.outdir), outline.parts(Path(app.srcdir))
    for name in app.env.found_docs:
        target = out / f"{name}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(Path(app.env.doc2path(name))), encoding="utf-8")
    chapters = {chapter.name for part in parts.values() for chapter in part}
    others = {name: node.astext() for name, node in app.env.titles.items() if name not in chapters}
    about = description(app.env.get_doctree(app.config.root_doc))
    text = listing(app.config.html_title, about, app.config.html_baseurl, parts, others)
    (out / LIST).write_text(text, encoding="utf-8")


def advertise(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Say in the head of a page where its Markdown is."""
    if pagename in app.env.found_docs:
        address = f"{app.config.html_baseurl}{pagename}.md"
        link = f'<link rel="alternate" type="text/markdown" href="{address}">'
        context["metatags"] = context.get("metatags", "") + link


def setup(app: Sphinx) -> None:
    """Work when the website is written."""
    app.connect("html-page-context", advertise)
    app.connect("build-finished", write)
