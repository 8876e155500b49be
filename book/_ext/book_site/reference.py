"""The reference of ``helpers``: a page a room, made of its docstrings.

    .. reference:: training

shows the room's module, its public names as Sphinx's autodoc writes them, and for each the chapters that use it;
``.. reference-rooms::`` lists the rooms with their questions. A name links to its source in the repository.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles
from tools import reference

ROOT = Path(__file__).parents[3]


class Written(SphinxDirective):
    """A directive whose content is lines of reStructuredText that it writes itself."""

    def run(self) -> list[nodes.Node]:
        source = StringList(list(self.lines()), source=self.env.doc2path(self.env.docname))
        parent = nodes.container()
        parent.document = self.state.document
        nested_parse_with_titles(self.state, source, parent, self.content_offset)
        return parent.children

    def lines(self) -> Iterator[str]:
        raise NotImplementedError


class Rooms(Written):
    """The rooms of the package and their questions."""

    def lines(self) -> Iterator[str]:
        for room, question in reference.rooms().items():
            yield f"- :doc:`{room} </reference/{room}>`: {question}"


class Room(Written):
    """All that is public in a room."""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        room, book = self.arguments[0], Path(self.env.srcdir)
        found = reference.entries(room)
        for number, module in enumerate(reference.modules(room)):
            self.env.note_dependency(str(module.__file__))
            own = [entry for entry in found if entry.module == module.__name__]
            if number and not own:
                continue
            if number:
                yield from ("", module.__name__, "-" * len(module.__name__))
            # A function of a package may have the name of its module: the package's own is found by it.
            yield from ("", f".. automodule:: {module.__name__}", "   :no-index:" if number else "", "")
            for entry in own:
                yield from (f".. auto{entry.kind}:: {entry.path}", "   :members:" if entry.kind == "class" else "", "")
                if chapters := reference.uses(book).get(entry.path):
                    links = " · ".join(f":doc:`/{name}`" for name in chapters)
                    yield from (".. container:: used-in", "", f"   Used in {links}", "")


def source(repository: str, domain: str, info: dict[str, Any]) -> str | None:
    """Where a name's source stands; ``linkcode_resolve``, once the address of the repository's files is given."""
    value: Any = sys.modules.get(info["module"])
    for part in filter(None, info["fullname"].split(".")):
        value = getattr(value, part, None)
    try:
        value = inspect.unwrap(value)
        path, (lines, first) = Path(str(inspect.getsourcefile(value))), inspect.getsourcelines(value)
    except (TypeError, OSError):  # a number has no source of its own
        return None
    if not path.is_relative_to(ROOT):  # made by a library, like the methods of a dataclass
        return None
    return f"{repository}/{path.relative_to(ROOT).as_posix()}#L{first}-L{first + len(lines) - 1}"


def configure(app: Sphinx, config: Config) -> None:
    """Tell autodoc's neighbours what only the configuration knows."""
    options = config.html_theme_options
    address = "/".join([options.get("repository_url", ""), "blob", options.get("repository_branch", "main")])
    config.linkcode_resolve = functools.partial(source, address)


def setup(app: Sphinx) -> None:
    """Add the directives, and Sphinx's own extensions that they write for."""
    for extension in ("sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.linkcode"):
        app.setup_extension(extension)
    app.add_directive("reference", Room)
    app.add_directive("reference-rooms", Rooms)
    app.connect("config-inited", configure, priority=900)
