"""A release goes out only where everything names its version."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import helpers
from tests.samples import code, notebook, write
from tools import release

VERSION = helpers.__version__
CHANGELOG = (
    f"# Changelog\n\n## {VERSION} · 2026-12-01\n\n- Something new.\n\n## 0.0.9 · 2026-01-01\n\n- The beginning.\n"
)
INSTALL = (
    'if "google.colab" in sys.modules:\n    %pip install "book @ git+https://x.org/a@v{0}"\nhelpers.require("{0}")'
)


def ready(root: Path) -> Path:
    """A book of one chapter that is ready to be released."""
    (root / "book" / "start").mkdir(parents=True)
    write(notebook(code(INSTALL.format(VERSION))), root / "book" / "start" / "01.ipynb")
    (root / "CITATION.cff").write_text(f"version: {VERSION}\ndate-released: 2026-12-01\n")
    (root / "CHANGELOG.md").write_text(CHANGELOG)
    return root


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def test_a_book_that_is_ready_has_no_problem(tmp_path: Path):
    assert release.problems(f"v{VERSION}", ready(tmp_path)) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (edit("CITATION.cff", VERSION, "9.9.9"), "CITATION.cff says 9.9.9."),
        (
            edit("CITATION.cff", "2026-12-01", "2026-12-02"),
            "CHANGELOG.md dates it 2026-12-01, CITATION.cff 2026-12-02.",
        ),
        (edit("CHANGELOG.md", "2026-12-01", "unreleased"), f"CHANGELOG.md has no section '## {VERSION} · DATE'."),
        (edit("book/start/01.ipynb", f"@v{VERSION}", "@v9.9.9"), f"book/start/01.ipynb belongs to {VERSION}, 9.9.9."),
    ],
)
def test_what_names_another_version_is_found(change: Callable[[Path], None], says: str, tmp_path: Path):
    change(ready(tmp_path))
    assert release.problems(f"v{VERSION}", tmp_path) == [says]


@pytest.mark.parametrize(
    ("tag", "says"), [("v9.9.9", f"helpers/__init__.py says {VERSION}."), (VERSION, "begin with v")]
)
def test_a_tag_of_another_form_or_version_is_refused(tag: str, says: str, tmp_path: Path):
    assert says in release.problems(tag, ready(tmp_path))[0]


def test_the_release_says_what_the_changelog_says_of_it(tmp_path: Path):
    assert release.notes(VERSION, ready(tmp_path)) == "- Something new.\n"
    assert release.notes("0.0.9", tmp_path) == "- The beginning.\n"
    with pytest.raises(ValueError, match="no section on 3"):
        release.notes("3", tmp_path)


def test_the_stick_is_packed_under_a_name_that_says_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "install.py").write_text("pass")
    packed = release.pack(tmp_path / "stick", tmp_path)
    assert packed.name.startswith("stick-") and "python3." in packed.name
    assert zipfile.ZipFile(packed).namelist() == ["install.py"]
    monkeypatch.setattr(release, "LARGEST_FILE", 10)
    with pytest.raises(ValueError, match="GitHub takes up to"):
        release.pack(tmp_path / "stick", tmp_path)


def test_every_chapter_of_the_book_belongs_to_one_version():
    """The install cell and the line that asks for the version agree, in every chapter."""
    assert {frozenset(release.versions(path)) for path in release.chapters()} == {frozenset({VERSION})}


def test_citation_and_zenodo_say_the_same():
    citation = yaml.safe_load((release.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    zenodo = yaml.safe_load((release.ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    assert citation["version"] == VERSION
    assert (zenodo["title"], zenodo["keywords"]) == (citation["title"], citation["keywords"])
    assert zenodo["description"] == citation["abstract"]
    assert [creator["name"] for creator in zenodo["creators"]] == [author["name"] for author in citation["authors"]]
