"""What every page would load and only one needs: the theme loads the index of the whole book for a search while one
types, which is switched off here. The search page loads it itself.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

INDEX = re.compile(r'\s*<script src="[^"]*searchindex\.js"></script>')


def drop_search_index(app: Sphinx, exception: Exception | None) -> None:
    """Take the index out of the pages that were written."""
    if exception is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        if page.name != "search.html":
            text = page.read_text(encoding="utf-8")
            lighter = INDEX.sub("", text)
            if lighter != text:
                page.write_text(lighter, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Work when all pages are written."""
    app.connect("build-finished", drop_search_index)
