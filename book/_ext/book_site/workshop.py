"""Pages for instructors, made from the chapters and from ``book/workshop``.

    ```{schedule} half-day
    ```

    ```{teaching-notes}
    ```

    ```{quiz}
    ```

``schedule`` lays the plan of that name in ``schedules.yml`` over the minutes that the chapters take; a plan that does
not fill its hours, or overflows them, warns, which fails the strict build. The other two show ``notes.yml``, chapter by
chapter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from tools import outline

from .ledger import Outlined, table

NOTES = (("misconceptions", "Common misconceptions"), ("talking_points", "Talking points"), ("discussion", "Questions"))


class FromFile(Outlined):
    """A directive that also reads one of the YAML files of ``book/workshop``."""

    def content_of(self, name: str) -> dict[str, Any]:
        """The file's content; the page is rebuilt when it changes."""
        path = Path(self.env.srcdir, "workshop", name)
        self.env.note_dependency(str(path))
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    def points(self, lines: list[str]) -> nodes.bullet_list:
        """Bullet points of Markdown lines."""
        return nodes.bullet_list("", *(nodes.list_item("", self.line(line)) for line in lines))

    def line(self, markdown: str) -> nodes.paragraph:
        """One line of Markdown as a paragraph."""
        inline, messages = self.state.inline_text(markdown, self.lineno)
        return nodes.paragraph("", "", *inline, *messages)


class Schedule(FromFile):
    """A plan with the minute at which each block begins."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        plans = self.content_of("schedules.yml")
        if self.arguments[0] not in plans:
            raise self.error(f"there is no plan {self.arguments[0]}; there are {', '.join(plans)}")
        chapters = {chapter.name: chapter for part in self.parts().values() for chapter in part}
        plan, rows, minute, total = plans[self.arguments[0]], [], 0, 0.0
        for block in plan["blocks"]:
            if "day" in block:
                minute = 0
                rows.append([nodes.paragraph("", ""), nodes.paragraph("", f"Day {block['day']}"), nodes.paragraph()])
                continue
            if "break" in block:
                length, what, about = block["break"], nodes.paragraph("", "Break"), ""
            else:
                chapter = chapters.get(block["chapter"])
                if chapter is None:
                    raise self.error(f"the plan {self.arguments[0]} names {block['chapter']}, which is no chapter")
                length = block_minutes(chapter, block["exercises"])
                what = self.link(chapter.name, chapter.title)
                about = f"exercises {', '.join(map(str, block['exercises']))}"
            rows.append([nodes.paragraph("", f"{minute // 60}:{minute % 60:02d}"), what, nodes.paragraph("", about)])
            minute, total = minute + length, total + length
        if not FULL <= total / 60 / plan["hours"] <= 1:
            raise self.error(f"the plan {self.arguments[0]} takes {total / 60:.1f} hours, not {plan['hours']}")
        end = f"{total / 60:.1f} hours with breaks, of {plan['hours']} planned."
        return [table(("from", "block", ""), (12, 58, 30), rows), nodes.paragraph("", end)]


class TeachingNotes(FromFile):
    """Goals, prerequisites and what to say and to expect, for each chapter."""

    def run(self) -> list[nodes.Node]:
        notes, sections = self.content_of("notes.yml"), []
        for chapter in (chapter for part in self.parts().values() for chapter in part):
            found = notes.get(chapter.name)
            if found is None:
                raise self.error(f"workshop/notes.yml says nothing of {chapter.name}")
            content: list[nodes.Node] = [
                self.link(chapter.name, chapter.question),
                nodes.paragraph("", "", nodes.strong("", "Goals")),
                self.points(chapter.goals),
            ]
            for key, heading in NOTES:
                if key in found:
                    content += [nodes.paragraph("", "", nodes.strong("", heading)), self.points(found[key])]
            sections.append(self.section(chapter.title, *content))
        return sections


class Quiz(FromFile):
    """A question for each chapter, with its answer in a box that opens."""

    def run(self) -> list[nodes.Node]:
        notes, items = self.content_of("notes.yml"), []
        for chapter in (chapter for part in self.parts().values() for chapter in part):
            for question in notes.get(chapter.name, {}).get("quiz", []):
                answer = self.line(question["answer"])
                box = [nodes.raw("", "<details><summary>Answer</summary>", format="html"), answer]
                box.append(nodes.raw("", "</details>", format="html"))
                items.append(nodes.list_item("", self.line(question["question"]), *box))
        return [nodes.enumerated_list("", *items, enumtype="arabic", prefix="", suffix=".")]


# A page that is taught, with predictions, questions and people who come late, takes longer than one that is read.
TAUGHT = 2.5
# What a plan must at least fill of its hours.
FULL = 0.75


def block_minutes(chapter: outline.Chapter, exercises: list[int]) -> int:
    """Minutes for a chapter in a workshop: going through it together, running it, and these of its exercises."""
    levels = dict(chapter.exercises)
    planned = sum(outline.LEVELS[levels[number]] for number in exercises)
    return round(TAUGHT * chapter.reading_minutes + chapter.running_minutes + planned)


def setup(app: Sphinx) -> None:
    """Register the directives."""
    for name, directive in (("schedule", Schedule), ("teaching-notes", TeachingNotes), ("quiz", Quiz)):
        app.add_directive(name, directive)
