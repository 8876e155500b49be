"""Which page answers a reader's question, and in which words do people ask?

``book/finder.yml`` lists questions by topic. Each names the page or the section that answers it, and the words that
people type into a search box. What the finder says is read from there: the short answer of a chapter, or the first
sentences below a heading, of the section itself or of the pitfall that leads to it. So it cannot say other things than
the page does. Only where a section begins with an example does the entry bring an ``answer`` of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

from tools import answers, outline
from tools.notebooks import BOOK

PAGE = "finder.yml"
PITFALLS = "practice/pitfalls"
WORDS = 40  # of an answer: two lines
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_FENCE = re.compile(r"^(`{3,}|:{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]+\)")
_PROOFS = re.compile(r"(?<=[.?!]) \[[^\]]*\]\([^)]+\)(?: · \[[^\]]*\]\([^)]+\))*$")  # links after the last sentence


@dataclass(frozen=True)
class Question:
    """A question as it is asked, its answer, where that stands (``page#section``), and the words of a search."""

    asked: str
    answer: str
    to: str
    words: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        return self.to.partition("#")[0]

    @property
    def section(self) -> str:
        return self.to.partition("#")[2]


def questions(book: Path = BOOK) -> dict[str, list[Question]]:
    """All questions by topic.

    Raises ``ValueError`` for an entry whose page or section does not exist, or has no sentence to quote.
    """
    listed = yaml.safe_load((book / PAGE).read_text(encoding="utf-8"))
    return {topic: [_question(entry, book) for entry in entries] for topic, entries in listed.items()}


def anchor(heading: str) -> str:
    """The anchor by which MyST knows a heading; GitHub's is the same.

    >>> anchor("`model.parameters()` froze the head too")
    'modelparameters-froze-the-head-too'
    """
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def sections(page: str, book: Path = BOOK) -> dict[str, str]:
    """The text below each heading of a page, by the heading's anchor; ``ValueError`` without such a page."""
    notebook, text = book / f"{page}.ipynb", book / f"{page}.md"
    if notebook.exists():
        cells = nbformat.read(notebook, as_version=4).cells
        source = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    elif text.exists():
        source = text.read_text(encoding="utf-8")
    else:
        raise ValueError(f"{PAGE} names the page {page}, which does not exist")
    _, *parts = _HEADING.split(_FENCE.sub("", source))
    return {anchor(heading): below for heading, below in zip(parts[::2], parts[1::2], strict=True)}


def _question(entry: dict, book: Path) -> Question:
    to, words = entry["to"], tuple(entry.get("words", ()))
    page, _, section = to.partition("#")
    below = sections(page, book)
    if section:
        if section not in below:
            raise ValueError(f"{PAGE} names the section {section}, and {page} has none")
        quoted = _beginning(sections(PITFALLS, book)[entry["pitfall"]] if "pitfall" in entry else below[section], to)
        return Question(entry["ask"], entry.get("answer", quoted), to, words)
    chapter = outline.read(page, book)
    answer = answers.read(chapter.cells[0].source)
    if answer is None:
        raise ValueError(f"{PAGE} names {page}, which has no short answer")
    return Question(entry.get("ask", chapter.question), answer.beginning, to, words)


def _beginning(text: str, to: str) -> str:
    """The first two sentences of a section, or the first alone if the two are long."""
    for paragraph in text.split("\n\n"):
        plain = _LINK.sub(r"\1", _PROOFS.sub("", " ".join(paragraph.split())))
        if plain and plain[0] not in "*>|<-(":
            first, *rest = re.split(r"(?<=[.?!]) +(?=[A-Z`*])", plain)
            both = " ".join([first, *rest[:1]])
            return both if len(both.split()) <= WORDS else first
    raise ValueError(f"{PAGE} names {to}, where no sentence can be quoted")
