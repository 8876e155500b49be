"""The finder: every question leads to a place that exists, and says what that place says."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
import yaml

from tools import answers, finder, outline
from tools.notebooks import BOOK

QUESTIONS = [question for asked in finder.questions().values() for question in asked]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.to)
def test_a_question_leads_to_its_answer(question: finder.Question):
    assert any((BOOK / f"{question.page}{ending}").exists() for ending in (".ipynb", ".md"))
    if question.section:
        assert question.section in finder.sections(question.page)
    else:
        assert answers.read(outline.read(question.page).cells[0].source).links
    assert 4 <= len(question.answer.split()) <= finder.WORDS
    assert question.answer.endswith((".", "!", "?"))
    assert question.words


def test_each_chapter_is_asked_for_and_no_question_is_asked_twice():
    chapters = {chapter.name for part in outline.parts().values() for chapter in part}
    assert {question.to for question in QUESTIONS if not question.section} == chapters
    asked = [question.asked for question in QUESTIONS]
    assert len(asked) >= 33
    assert len(set(asked)) == len(asked)
    words = [word.lower() for question in QUESTIONS for word in question.words]
    assert len(set(words)) == len(words)


def test_the_page_shows_every_topic():
    page = (BOOK / "finder.md").read_text(encoding="utf-8")
    for topic in yaml.safe_load((BOOK / finder.PAGE).read_text(encoding="utf-8")):
        assert f"```{{finder}} {topic}\n" in page


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{to: elsewhere, ask: What}", "the page elsewhere, which does not exist"),
        ("{to: page#nowhere, ask: What}", "names the section nowhere"),
        ("{to: page#list, ask: What}", "no sentence can be quoted"),
        ("{to: chapter}", "chapter, which has no short answer"),
    ],
)
def test_a_question_that_leads_nowhere_is_refused(tmp_path: Path, entry: str, complaint: str):
    (tmp_path / "page.md").write_text("# Page\n\nA sentence.\n\n## List\n\n- a\n", encoding="utf-8")
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Chapter\n\n*Why?*")])
    nbformat.write(chapter, tmp_path / "chapter.ipynb")
    (tmp_path / finder.PAGE).write_text(f"topic:\n  - {entry}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        finder.questions(tmp_path)


def test_the_answer_is_read_from_the_page(tmp_path: Path):
    text = (
        "# Page\n\n## Long\n\n> a message\n\nOne [link](a.md) here. And two. [Proof](b.md) · [More](c.md)\n\nThird.\n"
    )
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    (tmp_path / finder.PAGE).write_text("topic:\n  - {to: page#long, ask: What, words: [x]}\n", encoding="utf-8")
    [question] = finder.questions(tmp_path)["topic"]
    assert question == finder.Question("What", "One link here. And two.", "page#long", ("x",))
