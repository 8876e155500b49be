"""The short answer under a chapter's title: a box on the website, a quotation where the notebook is read elsewhere.

A quotation that begins with the bold words "Short answer." becomes an admonition, so that Colab and GitHub, which do
not know MyST's boxes, show the same text without its marks.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from tools.answers import MARK


class AnswerBoxes(SphinxTransform):
    """Turn the quotation into a box with the class ``answer``."""

    default_priority = 400

    def apply(self, **kwargs: object) -> None:
        for quote in list(self.document.findall(nodes.block_quote)):
            first = next(iter(quote.findall(nodes.strong)), None)
            if first is None or first.astext() != MARK:
                continue
            paragraph = first.parent
            paragraph.remove(first)
            if paragraph.children and isinstance(paragraph[0], nodes.Text):
                paragraph[0] = nodes.Text(paragraph[0].astext().lstrip())
            title = nodes.title("", MARK.rstrip("."))
            quote.replace_self(nodes.admonition("", title, *quote.children, classes=["answer"]))


def setup(app: Sphinx) -> None:
    """Work on every page that is read."""
    app.add_transform(AnswerBoxes)
