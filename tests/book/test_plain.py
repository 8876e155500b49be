"""Each page as Markdown, and the list of all."""

from __future__ import annotations

import nbformat
import pytest

from tools.notebooks import BOOK

v4 = nbformat.v4


@pytest.fixture
def plain(book_site):
    return book_site("plain")


def test_a_chapter_is_its_text_its_code_and_what_it_prints(plain, tmp_path):
    picture = v4.new_output("display_data", {"image/png": "aGk=", "text/plain": "<a picture>"})
    table = v4.new_output("execute_result", {"text/html": "<table>", "text/plain": "a table"}, execution_count=1)
    cells = [
        v4.new_markdown_cell("# The chapter\n\nSee [it](../part/02_other.ipynb#there) and [this](page.md)."),
        v4.new_code_cell("%pip install", metadata={"tags": ["hide-input"]}),
        v4.new_code_cell(
            "answer = 42", outputs=[v4.new_output("stream", name="stdout", text="✔ Ice is cold"), picture]
        ),
        v4.new_code_cell("table", outputs=[table]),
    ]
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "chapter.ipynb")
    text = plain.page(tmp_path / "chapter.ipynb")
    for wanted in (
        "# The chapter",
        "[it](../part/02_other.md#there)",
        "[this](page.md)",
        "answer = 42",
        "Ice is cold",
        "a table",
    ):
        assert wanted in text
    for other in ("pip", "picture", "<table>", "png"):
        assert other not in text


def test_a_markdown_page_stays_as_it_is_but_for_its_links(plain, tmp_path):
    (tmp_path / "page.md").write_text("# Page\n\n[A](a.ipynb) and `b.ipynb`.\n", encoding="utf-8")
    assert plain.page(tmp_path / "page.md") == "# Page\n\n[A](a.md) and `b.ipynb`.\n"


def test_every_chapter_is_listed_with_its_question(plain):
    from tools import outline

    parts, others = outline.parts(BOOK), {"z": "Last", "a": "First"}
    lines = plain.listing("Book", "About it.", "https://example.org/", parts, others).splitlines()
    assert lines[:3] == ["# Book", "", "> About it."]
    chapters = [chapter for part in parts.values() for chapter in part]
    assert chapters
    for chapter in chapters:
        assert f"- [{chapter.title}](https://example.org/{chapter.name}.md): {chapter.question}" in lines
    optional = lines.index("## Optional")
    assert lines[optional + 2 : optional + 4] == [
        "- [First](https://example.org/a.md)", "- [Last](https://example.org/z.md)",
    ]  # fmt: skip
