"""How large each picture is, told to the browser before the picture arrives, so that the text below does not jump."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from sphinx.application import Sphinx

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
    if exception is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        told = with_sizes(text, page.parent)
        if told != text:
            page.write_text(told, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Work when all pages are written."""
    app.connect("build-finished", tell_sizes)
