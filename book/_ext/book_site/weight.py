"""What every page would load and only one needs: the theme loads the index of the whole book for a search while one
types, which is switched off here. The search page loads it itself.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx

from . import pages

INDEX = re.compile(r'\s*<script src="[^"]*searchindex\.js"></script>')


def drop_search_index(app: Sphinx, exception: Exception | None) -> None:
    """Take the index out of the pages that were written."""
    pages.rewrite(app, exception, lambda page, text: text if page.name == "search.html" else INDEX.sub("", text))


def setup(app: Sphinx) -> None:
    """Work when all pages are written."""
    app.connect("build-finished", drop_search_index)
