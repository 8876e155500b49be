"""What Sphinx and its extensions write that a screen reader stumbles over, mended in the finished page.

- MyST-NB labels every folded cell "Toggle hidden content", over the text that says what is hidden;
- the bibliography is announced as a list, and its entries are not list items;
- the arrow that unfolds a chapter of the sidebar has no name;
- a table that is wider than its page scrolls, but not by keyboard.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from .pages import rewrite

MENDED = {
    '<summary aria-label="Toggle hidden content">': "<summary>",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    '<table class="book-table table">': '<table class="book-table table" tabindex="0">',
    '<table class="table">': '<table class="table" tabindex="0">',
}


def mend(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Replace them in the page's text."""
    for wrong, right in MENDED.items():
        if "body" in context:
            context["body"] = context["body"].replace(wrong, right)


ARROW = '<summary><span class="toctree-toggle"'


def name_arrows(app: Sphinx, exception: Exception | None) -> None:
    """The sidebar is no part of a page's text."""
    named = ARROW.replace("<summary>", '<summary aria-label="Its pages">')
    rewrite(app, exception, lambda page, text: text.replace(ARROW, named))


def setup(app: Sphinx) -> None:
    """Work on every page when it is written, and on the sidebar at the end."""
    app.connect("html-page-context", mend)
    app.connect("build-finished", name_arrows)
