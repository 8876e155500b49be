"""Readers' questions with the beginning of their answers, the chapters with their questions, and the words of a search.

    ```{finder} training
    ```

    ```{finder-pitfalls}
    ```

    ```{chapter-list}
    ```

The words by which ``finder.yml`` says that people search are index entries of the page that answers, which is what
Sphinx's search looks for first.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective
from tools import finder, outline


class Written(SphinxDirective):
    """A directive that writes Markdown, so that its links are checked as those of the page are."""

    def parsed(self, lines: list[str]) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(lines))

    def target(self, name: str) -> str:
        """A page's file, as seen from the page that is written."""
        page, _, section = name.partition("#")
        suffix = ".ipynb" if Path(self.env.srcdir, f"{page}.ipynb").exists() else ".md"
        return f"/{page}{suffix}" + (f"#{section}" if section else "")


class Finder(Written):
    """The questions of a topic."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        book = Path(self.env.srcdir)
        self.env.note_dependency(str(book / finder.PAGE))
        try:
            asked = finder.questions(book)[self.arguments[0]]
        except (KeyError, ValueError) as error:
            raise self.error(f"no questions on {self.arguments[0]}: {error}") from error
        return self.parsed([f"[{one.asked}]({self.target(one.to)})\n: {one.answer}\n" for one in asked])


class FinderPitfalls(Written):
    """The symptoms of the page of pitfalls, by its parts."""

    def run(self) -> list[nodes.Node]:
        page = Path(self.env.srcdir, "practice", "pitfalls.md")
        self.env.note_dependency(str(page))
        lines = []
        for mark, title in re.findall(r"^(##|###) (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            link = f"- [{title}](/practice/pitfalls.md#{finder.anchor(title)})"
            lines += [link] if mark == "###" else ["", f"**{title}**", ""]
        return self.parsed(lines)


class ChapterList(Written):
    """All chapters with their questions, by part."""

    def run(self) -> list[nodes.Node]:
        book, lines = Path(self.env.srcdir), []
        toc = yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))
        for part in toc["parts"]:
            lines += ["", f"**{part['caption']}**", ""]
            for entry in part["chapters"]:
                name, path = entry["file"], book / f"{entry['file']}.ipynb"
                if path.exists():
                    self.env.note_dependency(str(path))
                    lines.append(f"- [](/{name}.ipynb) · {outline.read(name, book).question}")
                else:
                    lines.append(f"- [](/{name}.md)")
        return self.parsed(lines)


class SearchWords(SphinxTransform):
    """Give a page the words by which it is searched."""

    default_priority = 420

    def apply(self, **kwargs: object) -> None:
        entries = [
            ("single", word, question.section, "main", None)
            for question in _asked(self.env)
            if question.page == self.env.docname
            for word in question.words
        ]
        if entries:
            self.document.insert(0, addnodes.index(entries=entries))


def _asked(env: BuildEnvironment) -> list[finder.Question]:
    """All questions, read once for each build."""
    if not hasattr(env, "finder_questions"):
        book = Path(env.srcdir)
        listed = finder.questions(book) if (book / finder.PAGE).exists() else {}
        env.finder_questions = [question for topic in listed.values() for question in topic]
    return env.finder_questions


def _read_again(app: Sphinx, env: BuildEnvironment, *_: Any) -> list[str]:
    """A changed page may have changed what the finder quotes."""
    if hasattr(env, "finder_questions"):
        del env.finder_questions
    return []


def _write_all(_app: Sphinx, env: BuildEnvironment) -> set[str]:
    """Sphinx forgets the index entries of pages that it does not write again, and its search then misses them."""
    return env.found_docs


def setup(app: Sphinx) -> None:
    """Register the directives, and work on every page that is read."""
    for name, directive in (("finder", Finder), ("finder-pitfalls", FinderPitfalls), ("chapter-list", ChapterList)):
        app.add_directive(name, directive)
    app.add_transform(SearchWords)
    app.connect("env-get-outdated", _read_again)
    app.connect("env-updated", _write_all)
