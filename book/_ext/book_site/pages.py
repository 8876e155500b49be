"""A change of the finished pages, for what can only be said when all of them are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx


def rewrite(app: Sphinx, exception: Exception | None, change: Callable[[Path, str], str]) -> None:
    """Give each page of a website that was built the text that ``change`` makes of its path and its text."""
    if exception is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        changed = change(page, text)
        if changed != text:
            page.write_text(changed, encoding="utf-8")
