"""The lists in CONTRIBUTING.md name files and names that are there, and what is there is registered as they say."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from helpers import data
from helpers.data.hub import COUNTERPARTS
from tools.notebooks import BOOK, chapters

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = re.search(r"^## Which files a change touches\n(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
CHANGES = dict(re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", SECTION[1] if SECTION else "", re.MULTILINE | re.DOTALL))
# `path` · `name`, `name`
NAMED = re.compile(r"`([\w./-]+(?:/|\.\w+)|Makefile)`(?: · ((?:`\w+`(?:, )?)+))?")
PLACEHOLDER = re.compile(r"(?<![A-Za-z])(NAME|PART|NN)(?![A-Za-z])")
EXPERIMENTS = re.findall(r"^EXPERIMENTS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[
    0
].split()
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (BOOK / "evidence").glob("*.md")}


def defined(path: Path) -> set[str]:
    """The names that a Python file defines at its top."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
    return names


def test_there_are_the_twelve_changes():
    assert len(CHANGES) == 12


@pytest.mark.parametrize("change", CHANGES)
def test_every_file_and_name_of_a_change_is_there(change: str):
    found = NAMED.findall(CHANGES[change])
    assert found
    for path, names in found:
        pattern = PLACEHOLDER.sub("*", path).rstrip("/")
        assert list(ROOT.glob(pattern)), f"{path} is not there"
        wanted = set(re.findall(r"\w+", names))
        if path.endswith(".py") and wanted:
            assert wanted <= defined(ROOT / path), f"{path} does not define {wanted - defined(ROOT / path)}"
        elif wanted:
            assert all(name in (ROOT / path).read_text(encoding="utf-8") for name in wanted)


@pytest.mark.parametrize("name", sorted({view.partition(":")[0] for view in data.VIEWS}))
def test_a_data_set_has_all_its_files(name: str):
    assert (data.SETS / f"{name}.jsonl").is_file()
    card = name if (data.SETS / f"{name}.md").is_file() else name.removesuffix("_later")
    assert (data.SETS / f"{card}.md").is_file()
    measured = json.loads((data.SETS / "measured.json").read_text(encoding="utf-8"))
    assert card in {key.partition(":")[0] for key in measured}
    assert card in {counterpart.view.partition(":")[0] for counterpart in COUNTERPARTS.values()}


def test_no_file_of_a_data_set_is_forgotten():
    named = {view.partition(":")[0] for view in data.VIEWS}
    assert {path.stem for path in data.SETS.glob("*.jsonl")} == named


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_has_all_its_files(name: str):
    assert (ROOT / "experiments" / f"{name}.py").is_file() or (ROOT / "experiments" / name / "__init__.py").is_file()
    assert (BOOK / "evidence" / f"{name}.json").is_file()
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "experiments").glob("test_*.py"))
    # Every table that a page shows is made again from its rows by test_evidence.py.
    assert re.search(rf"\b{name}\b", tests) or any(f"{{evidence}} {name}\n" in page for page in PAGES.values())


def test_every_file_of_rows_belongs_to_an_experiment_and_every_page_to_the_contents():
    assert {path.stem for path in (BOOK / "evidence").glob("*.json")} - {"doubt"} == set(EXPERIMENTS)
    toc = (BOOK / "_toc.yml").read_text(encoding="utf-8")
    assert PAGES
    assert all(f"evidence/{name}" in toc for name in PAGES)


def test_every_chapter_is_in_the_contents_and_has_its_notes():
    names = {path.relative_to(BOOK).with_suffix("").as_posix() for path in chapters()}
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    assert names <= {entry["file"] for part in toc["parts"] for entry in part["chapters"]}
    assert names <= set(yaml.safe_load((BOOK / "workshop" / "notes.yml").read_text(encoding="utf-8")))


def test_the_book_s_own_words_are_links_that_lead_somewhere():
    """Links within CONTRIBUTING and the maintainers' pages: to files that are there, to headings that are there."""
    pages = [ROOT / "CONTRIBUTING.md", ROOT / "README.md", *(ROOT / "maintaining").glob("*.md")]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    ]
    inside = [(page, link) for page, link in links if not link.startswith(("http", "../../"))]
    assert len(inside) > 10
    for page, link in inside:
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name}: {link}"
