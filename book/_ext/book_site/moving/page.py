"""How does a page show a moving picture? Still, until a reader reaches for a knob; then Vega draws it."""

from __future__ import annotations

import importlib
import io
import json
from html import escape
from pathlib import Path
from typing import Any

import PIL.Image
import vl_convert
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from ..results import picture
from .picture import Knob, Moving

SCRIPT, LIBRARY = "moving.js", "vega.js"
# Within a function, for the library's many short names would be those of the page.
BUNDLED = "window.bookEmbed = vegaEmbed;"
NAMES = ("learning_rate",)


class MovingPicture(SphinxDirective):
    """The moving picture that the module of that name makes."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in NAMES:
            raise self.error(f"there is no moving picture {name}; there are {', '.join(NAMES)}")
        module = importlib.import_module(f"{__package__}.{name}")
        book = Path(self.env.srcdir)
        for file in (*module.SOURCES, module.__file__):
            self.env.note_dependency(str(book / file))
        moving = module.moving(book)
        shown = moving_picture("", *self.stills(moving), before=opening(), after=closing(name, moving))
        return [nodes.container("", shown, classes=["chapter-figure"])]

    def stills(self, moving: Moving) -> list[nodes.Node]:
        """For a screen and for a phone, of which a style sheet shows one."""
        found = []
        for wide in (True, False):
            image = picture(self.env, few_colours(moving.still(wide)), moving.alt)
            image["classes"] = ["moving-still", "moving-wide" if wide else "moving-phone"]
            found.append(image)
        return list(found)


class moving_picture(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes so
    """Two still pictures, and the HTML ``before`` and ``after`` them that makes them move."""


def few_colours(png: bytes) -> bytes:
    """The same picture in a third of the bytes: a drawing has few colours."""
    file = io.BytesIO()
    PIL.Image.open(io.BytesIO(png)).convert("RGB").quantize(64, dither=PIL.Image.Dither.NONE).save(
        file, "png", optimize=True
    )
    return file.getvalue()


def opening() -> str:
    """What stands before the still pictures."""
    return '<figure class="moving"><div class="moving-drawing">'


def closing(name: str, moving: Moving) -> str:
    """What stands behind the still pictures: the place of the live one, the knobs, the sentence, and the charts."""
    says = {",".join(map(str, positions)): text for positions, text in moving.says.items()}
    charts = {"wide": moving.chart(True), "phone": moving.chart(False), "says": says}
    knobs = "".join(written(name, knob) for knob in moving.knobs)
    stored = json.dumps(charts, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        '<div class="moving-live"></div></div>'
        f'<fieldset disabled><legend class="moving-legend">Change the picture</legend>{knobs}</fieldset>'
        f'<figcaption class="moving-says" aria-live="polite">{escape(moving.says[moving.start])}</figcaption>'
        f'<script type="application/json">{stored}</script></figure>'
    )


def written(name: str, knob: Knob) -> str:
    """A knob as one of the browser's own inputs, within its label."""
    values = escape(json.dumps(knob.values, ensure_ascii=False))
    common = f'id="{name}-{knob.name}" data-knob="{knob.name}" data-values="{values}" autocomplete="off"'
    label = f'<span class="moving-label">{escape(knob.label)}</span>'
    if knob.kind == "switch":
        checked = " checked" if knob.start else ""
        return f'<label><input type="checkbox" {common}{checked}> {label}</label>'
    if knob.kind == "choice":
        options = "".join(
            f'<option value="{place}"{" selected" if place == knob.start else ""}>{escape(value)}</option>'
            for place, value in enumerate(knob.values)
        )
        return f"<label>{label} <select {common}>{options}</select></label>"
    shown = escape(knob.values[knob.start])
    slider = (
        f'<input type="range" {common} min="0" max="{len(knob.values) - 1}" step="1" value="{knob.start}"'
        f' aria-label="{escape(knob.label)}" aria-valuetext="{shown}">'
    )
    return f'<label>{label} {slider}<span class="moving-value" aria-hidden="true">{shown}</span></label>'


def write_scripts(app: Sphinx) -> None:
    """Make the library's script, from the package that carries it, and what follows the knobs files of the site."""
    if app.builder.format != "html":
        return
    folder = Path(app.outdir).parent / "moving"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCRIPT).write_bytes(Path(__file__).with_name(SCRIPT).read_bytes())
    library = f"(() => {{{vl_convert.javascript_bundle(BUNDLED)}\n}})();\n"
    (folder / LIBRARY).write_text(library, encoding="utf-8")
    app.config.html_static_path.append(str(folder))


def load_script(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Load what follows the knobs on a page with a moving picture, and on no other."""
    if doctree is not None and next(doctree.findall(moving_picture), None) is not None:
        app.add_js_file(
            SCRIPT, loading_method="defer", **{"data-library": f"{context['pathto'](f'_static/{LIBRARY}', 1)}"}
        )


def open_html(self: Any, node: moving_picture) -> None:
    self.body.append(node["before"])


def close_html(self: Any, node: moving_picture) -> None:
    self.body.append(node["after"])


def show_the_still(self: Any, node: moving_picture) -> None:
    """Elsewhere there is nothing but the still picture for a wide page."""
    del node[1:]


def nothing(self: Any, node: moving_picture) -> None:
    """Close what was not opened."""


def setup(app: Sphinx) -> None:
    """Register the directive, its node and its script."""
    app.add_directive("moving", MovingPicture)
    still = (show_the_still, nothing)
    app.add_node(moving_picture, html=(open_html, close_html), latex=still, text=still)
    app.connect("builder-inited", write_scripts)
    app.connect("html-page-context", load_script)
