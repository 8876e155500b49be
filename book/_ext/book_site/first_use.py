"""The first use of each helper in a chapter's code is a link to its place in the reference.

sphinx-codeautolink does this for all names of all libraries; it takes each code block for plain Python, which the
chapters' first cell is not, and importing what they import doubles the time of the build.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

from sphinx.application import Sphinx
from tools import outline, reference

from .pages import rewrite


def linked(page: str, addresses: Mapping[str, str]) -> str:
    """The page with the first ``room.name`` or ``name(`` of each address, by dotted path, as a link in its code."""
    if '<a class="first-use"' in page:  # a build that did not write this page anew
        return page
    for path, address in addresses.items():
        *_, room, name = path.split(".")
        called = rf'<span class="n">{name}</span>(?=<span class="p">\()'
        dotted = rf'<span class="n">{room}</span><span class="o">\.</span><span class="n">{name}</span>'
        first = re.search(rf'{dotted}|(?<!<span class="o">\.</span>){called}', page)
        if first:
            link = f'<a class="first-use" href="{escape(address)}" title="{escape(path)}">{first[0]}</a>'
            page = page[: first.start()] + link + page[first.end() :]
    return page


def link(app: Sphinx, exception: Exception | None) -> None:
    """Link the pages of all chapters once they are written."""
    objects = app.env.domains["py"].data["objects"]
    chapters = {chapter.name: chapter for part in outline.parts(Path(app.srcdir)).values() for chapter in part}

    def change(page: Path, text: str) -> str:
        name = page.relative_to(app.outdir).with_suffix("").as_posix()
        if name not in chapters:
            return text
        addresses = {}
        for path in sorted(reference.used(chapters[name].cells)):
            place = objects.get(reference.canonical(path))
            if place and place.objtype != "module":
                addresses[path] = f"{app.builder.get_relative_uri(name, place.docname)}#{place.node_id}"
        return linked(text, addresses)

    rewrite(app, exception, change)


def setup(app: Sphinx) -> None:
    """Work when the website is written."""
    app.connect("build-finished", link)
