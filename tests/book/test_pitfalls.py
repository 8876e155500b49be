"""The page of pitfalls: every answer leads to cells that prove it, and quotes only what the library still prints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from tools.finder import anchor
from tools.hygiene import texts
from tools.notebooks import BOOK

PAGE = BOOK / "practice" / "pitfalls.md"
LINK = re.compile(r"\]\(([^)#]+\.ipynb)#([^)]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
LONGEST = 75  # words of an answer


@dataclass(frozen=True)
class Pitfall:
    """One entry: the symptom, the answer, the messages that it quotes, and the sections that prove it."""

    symptom: str
    text: str

    @property
    def links(self) -> list[tuple[str, str]]:
        return LINK.findall(self.text)

    @property
    def messages(self) -> list[str]:
        return [line[2:] for line in self.text.splitlines() if line.startswith("> ")]


def entries(page: str) -> list[Pitfall]:
    """The entries of the page, one a heading of the third level."""
    parts = re.split(r"^### (.+)$", page, flags=re.MULTILINE)[1:]
    return [
        Pitfall(symptom, re.split(r"^## ", text, flags=re.MULTILINE)[0])
        for symptom, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def section_outputs(notebook: Path, wanted: str) -> list[str] | None:
    """What the cells below a heading printed, up to the next heading; ``None`` without such a heading."""
    found, inside = None, False
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            for heading in HEADING.findall(cell.source):
                inside = anchor(heading) == wanted
                found = [] if inside else found
        elif inside:
            found += [text for output in cell.outputs for text in texts(output)]
            found += ["(picture)" for output in cell.outputs if "image/png" in output.get("data", {})]
    return found


PITFALLS = entries(PAGE.read_text(encoding="utf-8"))


def test_there_are_enough_and_none_twice():
    symptoms = [pitfall.symptom for pitfall in PITFALLS]
    assert len(symptoms) >= 33
    assert len(set(symptoms)) == len(symptoms)


@pytest.mark.parametrize("pitfall", PITFALLS, ids=lambda pitfall: pitfall.symptom)
def test_pitfall(pitfall: Pitfall):
    assert pitfall.links, "no link to the cell that proves it"
    printed = ""
    for target, wanted in pitfall.links:
        outputs = section_outputs((PAGE.parent / target).resolve(), wanted)
        assert outputs is not None, f"{target} has no heading with the anchor {wanted}"
        assert outputs, f"nothing is printed below {target}#{wanted}"
        printed += " ".join(outputs)
    for message in pitfall.messages:
        assert " ".join(message.split()) in " ".join(printed.split())
    prose = LINK.sub("", "\n".join(line for line in pitfall.text.splitlines() if not line.startswith("> ")))
    assert len(prose.split()) <= LONGEST


def test_a_missing_proof_is_found(tmp_path: Path):
    notebook = nbformat.v4.new_notebook()
    printed = nbformat.v4.new_output("stream", name="stdout", text="a message")
    notebook.cells = [
        nbformat.v4.new_markdown_cell("## It's here"),
        nbformat.v4.new_code_cell("print('a message')", outputs=[printed]),
        nbformat.v4.new_markdown_cell("## And here is nothing"),
    ]
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert section_outputs(tmp_path / "a.ipynb", "its-here") == ["a message"]
    assert section_outputs(tmp_path / "a.ipynb", "and-here-is-nothing") == []
    assert section_outputs(tmp_path / "a.ipynb", "elsewhere") is None


def test_entries_end_where_the_next_part_begins():
    (first, second) = entries(
        "# Page\n\n### One\n\ntext\n\n> message\n\n## Part\n\nwords\n\n### Two\n\n[a](b.ipynb#c)\n"
    )
    assert (first.symptom, first.messages, first.links) == ("One", ["message"], [])
    assert "words" not in first.text
    assert second.links == [("b.ipynb", "c")]
