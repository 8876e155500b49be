"""How large each picture is, told to the browser before the picture arrives, so that the text below does not jump."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from sphinx.application import Sphinx

from . import pages

IMAGE = re.compile(r'<img (?![^>]*\b(?:width|height|style)=)([^>]*?src="([^":]+\.png)"[^>]*?)(/?)>')


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG in pixels, from its header (https://www.w3.org/TR/png-3/#11IHDR)."""
    with path.open("rb") as file:
        return struct.unpack(">II", file.read(24)[16:])


def with_sizes(text: str, folder: Path) -> str:
    """The page with the size of every PNG that stands in ``folder`` or is reached from it."""

    def sized(match: re.Match[str]) -> str:
        attributes, source, end = match.groups()
        path = folder / source
        if not path.is_file():
            return match[0]
        width, height = png_size(path)
        return f'<img {attributes.rstrip()} width="{width}" height="{height}"{end}>'

    return IMAGE.sub(sized, text)


def tell_sizes(app: Sphinx, exception: Exception | None) -> None:
    """Write the sizes into all pages."""
    pages.rewrite(app, exception, lambda page, text: with_sizes(text, page.parent))


def setup(app: Sphinx) -> None:
    """Work when all pages are written."""
    app.connect("build-finished", tell_sizes)
