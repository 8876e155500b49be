"""What a page says about itself to other programs: the preview that a messenger or a search engine shows of a link."""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

PREVIEW = "_static/preview.png"
DESCRIPTION_LENGTH = 200


def description(document: nodes.document | None) -> str:
    """The first paragraph of a page that is a sentence, shortened; empty for pages without text."""
    if document is None:
        return ""
    for paragraph in document.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) > DESCRIPTION_LENGTH:
            text = text[: DESCRIPTION_LENGTH + 1].rpartition(" ")[0] + " …"
        if text.endswith((".", "?", "!", "…")):
            return text
    return ""


def add_preview(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Add title, description and picture to the page's head. https://ogp.me"""
    base = app.config.html_baseurl
    # A page that is not written by us, like the search, is described as the book is.
    about = description(doctree) or description(app.env.get_doctree(app.config.root_doc))
    titles = app.env.titles
    properties = {
        "og:type": "website",
        "og:site_name": app.config.html_title,
        "og:title": titles[pagename].astext() if pagename in titles else app.config.html_title,
        "og:description": about,
        "og:url": f"{base}{app.builder.get_target_uri(pagename)}",
        "og:image": f"{base}{PREVIEW}",
    }
    tags = [f'<meta property="{name}" content="{escape(text)}">' for name, text in properties.items() if text]
    if properties["og:description"]:
        tags.append(f'<meta name="description" content="{escape(properties["og:description"])}">')
    tags.append('<meta name="twitter:card" content="summary_large_image">')
    context["metatags"] = context.get("metatags", "") + "\n".join(tags)


def setup(app: Sphinx) -> None:
    """Work on every page when it is written."""
    app.connect("html-page-context", add_preview)
