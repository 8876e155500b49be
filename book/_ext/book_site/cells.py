"""Cells by their tags: solutions are folded away, claims are recognised.

A cell tagged ``solution`` is folded, input and output, behind a line that opens by click and by keyboard (an HTML
``<details>``, MyST-NB's own for ``hide-cell``). Output that starts with a tick, as ``helpers.claims.claim`` prints it,
gets the class ``claim`` that the style sheet looks for.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

SOLUTION_CLOSED = "Show the solution"
SOLUTION_OPEN = "Hide the solution"
TICK = "✔"


def fold_solutions(app: Sphinx, document: nodes.document) -> None:
    """Ask MyST-NB, which wraps hidden cells when the pages are written, to hide the solutions."""
    for cell in document.findall(nodes.container):
        if cell.get("nb_element") == "cell_code" and "solution" in cell["cell_metadata"].get("tags", []):
            cell.update_basic_atts({"classes": ["solution"]})
            cell["hide_mode"] = "all"
            cell["prompt_show"], cell["prompt_hide"] = SOLUTION_CLOSED, SOLUTION_OPEN


def mark_claims(app: Sphinx, document: nodes.document) -> None:
    """Give printed claims their class."""
    for block in document.findall(nodes.literal_block):
        if "stream" in block["classes"] and block.astext().startswith(TICK):
            block["classes"].append("claim")


def setup(app: Sphinx) -> None:
    """Work on every page once it is read."""
    app.connect("doctree-read", fold_solutions)
    app.connect("doctree-read", mark_claims)
