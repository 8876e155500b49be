"""All claims of the book on one page, and how long each chapter takes: made from the stored notebooks.

    ```{ledger}
    ```

    ```{chapter-times}
    ```

A claim that was printed without the values that it rests on fails the strict build.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tools import outline
from tools.doubt import rows as measured
from tools.doubt import verdict

from .results import chapter_link

_EVIDENCE = re.compile(r"\]\([^)\s]*evidence/(\w+)\.md")


class Outlined(SphinxDirective):
    """A directive that is made of all chapters; its page is rebuilt when one of them changes."""

    def parts(self) -> dict[str, list[outline.Chapter]]:
        """The chapters by part, as ``_toc.yml`` orders them."""
        parts = outline.parts(Path(self.env.srcdir))
        for chapter in (chapter for chapters in parts.values() for chapter in chapters):
            self.env.note_dependency(str(chapter.path))
        return parts

    def link(self, name: str, text: str, section: str = "") -> nodes.paragraph:
        """A paragraph that links to a chapter, or to the section of it with this heading."""
        if section:
            relative = self.env.app.builder.get_relative_uri(self.env.docname, name)
            # The page's typography comes before its anchors: a straight quote would become a dash, a round one nothing.
            anchor = nodes.make_id(section.translate(str.maketrans("'\"", "’”")))
            link = nodes.reference("", text.replace("`", ""), refuri=f"{relative}#{anchor}", internal=True)
            return nodes.paragraph("", "", link)
        return nodes.paragraph("", "", chapter_link(self.env.docname, name, text))

    def section(self, title: str, *content: nodes.Node) -> nodes.section:
        """A section below the directive's own, so that the page has an entry for it."""
        section = nodes.section("", nodes.title("", title), *content, ids=[nodes.make_id(title)])
        self.state.document.note_implicit_target(section, section)
        return section


class Ledger(Outlined):
    """Every claim with its values, its place, when it falls and, where there is one, its measurement at full scale.

    When it falls was measured by tools/doubt; the rows lie beside the ledger.
    """

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / "evidence" / measured.FILE.name
        self.env.note_dependency(str(path))
        felled = verdict.felled(measured.read(path))
        sections, total, seen = [], 0, 0
        for caption, chapters in self.parts().items():
            for chapter in chapters:
                if bare := [claim.text for claim in chapter.claims if not claim.values]:
                    raise self.error(f"{chapter.name}: a claim without a value: {bare[0]}")
                total += len(chapter.claims)
                seen += sum((chapter.name, claim.text) in felled for claim in chapter.claims)
                rows = [
                    [
                        nodes.paragraph("", claim.text),
                        nodes.paragraph("", "", nodes.literal("", claim.values)),
                        self.link(chapter.name, claim.section, claim.section),
                        nodes.paragraph("", verdict.reasons(felled, chapter.name, claim.text)),
                    ]
                    for claim in chapter.claims
                ]
                content = [table(("claim", "measured", "section", "seen failing"), (36, 24, 15, 25), rows)]
                if names := sorted({name for cell in chapter.cells for name in _EVIDENCE.findall(cell.source)}):
                    links = nodes.paragraph("", "At full scale: ")
                    for name in names:
                        links += [*self.link(f"evidence/{name}", "").children, nodes.Text(" ")]
                    content.append(links)
                sections.append(self.section(f"{chapter.title} ({caption})", *content))
        summary = (
            f"{total} claims in {len(sections)} chapters; {seen} of them were seen failing, {total - seen} not yet."
        )
        return [nodes.paragraph("", summary), *sections]


class ChapterTimes(Outlined):
    """How long reading, running and the exercises of each chapter take."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for chapter in (chapter for chapters in self.parts().values() for chapter in chapters):
            values = [
                f"{chapter.reading_minutes} min",
                f"{chapter.seconds} s",
                f"{len(chapter.exercises)}, {chapter.exercise_minutes} min",
                str(len(chapter.claims)),
            ]
            rows.append([self.link(chapter.name, chapter.title), *(nodes.paragraph("", value) for value in values)])
        return [table(("chapter", "reading", "running", "exercises", "claims"), (40, 15, 15, 18, 12), rows)]


def table(heads: tuple[str, ...], widths: tuple[int, ...], rows: Iterable[list[nodes.Node]]) -> nodes.table:
    """A table of ready-made cells."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(heads))

    def row(cells: Iterable[nodes.Node]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", cell) for cell in cells))

    group += nodes.thead("", row(nodes.paragraph("", head) for head in heads))
    group += nodes.tbody("", *(row(cells) for cells in rows))
    return nodes.table("", group, classes=["book-table"])


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("ledger", Ledger)
    app.add_directive("chapter-times", ChapterTimes)
