"""The reference of ``helpers``: every public name has a place, and chapters and reference lead to one another."""

from __future__ import annotations

import importlib
import inspect

import nbformat
import pytest

import helpers
from tests.test_rules import rooms
from tools import reference
from tools.notebooks import BOOK


def test_every_room_has_a_page_and_every_page_a_room():
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (BOOK / "reference").glob("*.md")}
    assert pages.keys() == rooms() - set(reference.OLD) == set(reference.rooms())
    for room, text in pages.items():
        assert text == f"# helpers.{room}\n\n```{{eval-rst}}\n.. reference:: {room}\n```\n"


@pytest.mark.parametrize("room", reference.rooms())
def test_every_public_function_and_class_stands_on_its_page_once_with_words(room):
    found = reference.entries(room)
    values = [getattr(importlib.import_module(entry.module), entry.name) for entry in found]
    assert len({id(value) for value in values}) == len(found)
    assert all(inspect.getdoc(value) for value in values)
    shown = {(value.__module__, value.__name__) for value in values}
    for module in reference.modules(room):
        own = {
            (value.__module__, value.__name__)
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
            and not name.startswith("_")
            and inspect.isroutine(value) | inspect.isclass(value)
        }
        assert own <= shown


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("helpers.forgetting.penalties.EWC", "helpers.forgetting.EWC"),
        ("helpers.forgetting.EWC", "helpers.forgetting.EWC"),
        ("helpers.training.fit", "helpers.training.fit"),
        ("helpers.training.nothing", "helpers.training.nothing"),
    ],
)
def test_a_name_has_one_place(path, expected):
    assert reference.canonical(path) == expected


def test_what_a_notebook_uses_is_read_from_its_code():
    cells = [
        "%pip install x\nfrom helpers import training as t, data",
        "from helpers.claims import claim\n# data.check(x)\nt.fit(data.load('x')['train'])\nother.data.read()",
    ]
    used = reference.used([nbformat.v4.new_markdown_cell("data.card"), *map(nbformat.v4.new_code_cell, cells)])
    names = {name for name in used if name.count(".") == 2}
    assert names == {"helpers.training.fit", "helpers.data.load", "helpers.claims.claim"}


def test_chapters_use_what_is_public():
    assert "forgetting/01_new_label" in reference.uses(BOOK)["helpers.growing.add_label"]
    assert len(reference.uses(BOOK)) > 60


def test_the_first_use_and_no_other_becomes_a_link(book_site):
    def code(*names):
        return '<span class="o">.</span>'.join(f'<span class="n">{name}</span>' for name in names)

    page = code("training", "fit") + code("training", "fit") + code("model", "claim") + '<span class="p">(</span>'
    page += code("claim") + '<span class="p">(</span>' + code("claim") + '<span class="p">(</span>'
    linked = book_site("first_use").linked
    addresses = {"helpers.training.fit": "a.html#f", "helpers.claims.claim": "b.html#c"}
    found = linked(page, addresses)
    assert linked(found, addresses) == found
    assert found.count("<a ") == found.count("</a>") == 2
    assert found.startswith(
        '<a class="first-use" href="a.html#f" title="helpers.training.fit">' + code("training", "fit")
    )
    assert code("model", "claim") in found


def test_the_package_docstring_is_where_the_questions_come_from():
    assert reference.rooms()["freezing"] == "which parameters learn?"
    assert all(f"``{room}``" in helpers.__doc__ for room in reference.rooms())
