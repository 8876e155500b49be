"""What Sphinx and its extensions write that a screen reader stumbles over, mended in the finished page.

- MyST-NB labels every folded cell "Toggle hidden content", over the text that says what is hidden;
- the bibliography is announced as a list, and its entries are not list items;
- a table that is wider than its page scrolls, but not by keyboard.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

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


def setup(app: Sphinx) -> None:
    """Work on every page when it is written."""
    app.connect("html-page-context", mend)
