"""What a chapter says of itself, read from its notebook."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat.v4 import new_markdown_cell

from tests.samples import code, notebook, stdout, write
from tools import outline
from tools.hygiene import LEVELS
from tools.outline import Claim

FIRST = """\
# What moves?

*Is it this,
or that?*

Words before.

**You will learn to**

- tell what
  it is;
- do it.

**Time** · about 10 s on two CPU cores

**Builds on** · [Another](../start/01.ipynb)"""


@pytest.fixture
def chapter(tmp_path: Path) -> outline.Chapter:
    source = notebook(
        new_markdown_cell(FIRST),
        code("claim(…)", stdout("✔ One is one   one=1\nloss 0.5\n")),
        new_markdown_cell("## A section\n\ntext\n\n### A part of it"),
        code("claim(…)", stdout("✔ Two is more   two=2  one=1\n")),
        new_markdown_cell("## Exercises\n\n### Exercise 1 · easy\n\n…\n\n### Exercise 2 · open\n\n…"),
        code("…", stdout("✔ Exercise 1: right.\n"), tags=("check",)),
    )
    (tmp_path / "part").mkdir()
    write(source, tmp_path / "part" / "01_what.ipynb")
    return outline.read("part/01_what", tmp_path)


def test_the_head_of_a_chapter(chapter: outline.Chapter):
    assert (chapter.title, chapter.question) == ("What moves?", "Is it this, or that?")
    assert chapter.goals == ["tell what it is;", "do it."]
    assert chapter.builds_on == "[Another](../start/01.ipynb)"
    assert chapter.seconds == 5


def test_claims_with_values_and_section(chapter: outline.Chapter):
    assert chapter.claims == [
        Claim("One is one", "one=1", "What moves?"),
        Claim("Two is more", "two=2  one=1", "A part of it"),
    ]


def test_exercises_and_minutes(chapter: outline.Chapter):
    assert chapter.exercises == [(1, "easy"), (2, "open")]
    assert chapter.exercise_minutes == LEVELS["easy"] + LEVELS["open"]
    assert chapter.reading_minutes == 1


@pytest.mark.parametrize("name", [chapter.name for part in outline.parts().values() for chapter in part])
def test_every_chapter_of_the_book_has_a_full_head(name: str):
    chapter = outline.read(name)
    assert chapter.question.endswith("?")
    assert 3 <= len(chapter.goals) <= 5
    assert chapter.claims
    assert chapter.exercises


def test_an_unknown_chapter():
    with pytest.raises(FileNotFoundError):
        outline.read("nowhere/01")
