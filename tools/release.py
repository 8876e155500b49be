"""Is everything ready for a release of this tag, and what does the release say?

    python -m tools.release TAG

Compares the tag with every place that names a version: ``helpers``, CITATION.cff, the chapters' install cells and the
changelog, whose section becomes the release's text, ``_build/release/notes.md``. A stick in ``_build/stick`` is packed
beside it.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import sys
from pathlib import Path

import nbformat
import yaml

import helpers
from tools.notebooks import BOOK, INSTALLS, chapters

ROOT = BOOK.parent
OUTPUT = ROOT / "_build" / "release"
# GitHub takes files of up to 2 GiB with a release.
LARGEST_FILE = 2 * 2**30
_SECTION = re.compile(r"^## (\S+) · (\S+)$", re.MULTILINE)
_PINNED = re.compile(r"@v([\w.]+)|helpers\.require\(\"([\w.]+)\"\)")


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """What names another version than the tag, one sentence each; empty if the release is ready."""
    version = tag.removeprefix("v")
    found = []
    if not tag.startswith("v"):
        found.append(f"The tag {tag!r} does not begin with v: the chapters install v{helpers.__version__}.")
    if version != helpers.__version__:
        found.append(f"helpers/__init__.py says {helpers.__version__}.")
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    if str(citation["version"]) != version:
        found.append(f"CITATION.cff says {citation['version']}.")
    for path in chapters(root / "book"):
        if (pinned := versions(path)) != {version}:
            found.append(f"{path.relative_to(root).as_posix()} belongs to {', '.join(sorted(pinned)) or 'no version'}.")
    sections = dict(_SECTION.findall((root / "CHANGELOG.md").read_text(encoding="utf-8")))
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", sections.get(version, "")):
        found.append(f"CHANGELOG.md has no section '## {version} · DATE'.")
    elif sections[version] != str(citation["date-released"]):
        found.append(f"CHANGELOG.md dates it {sections[version]}, CITATION.cff {citation['date-released']}.")
    return found


def versions(chapter: Path) -> set[str]:
    """The versions that a chapter's install cell installs and asks for: one, in a chapter that is as it should be."""
    cells = nbformat.read(chapter, as_version=4).cells
    source = next((cell.source for cell in cells if cell.cell_type == "code" and INSTALLS in cell.source), "")
    return {version for pair in _PINNED.findall(source) for version in pair if version}


def notes(version: str, root: Path = ROOT) -> str:
    """The changelog's section on this version, without its heading; ``ValueError`` if there is none."""
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = list(_SECTION.finditer(changelog))
    for section, after in zip(sections, [*sections[1:], None], strict=True):
        if section[1] == version:
            return changelog[section.end() : after.start() if after else None].strip() + "\n"
    raise ValueError(f"CHANGELOG.md has no section on {version}; it has {', '.join(s[1] for s in sections)}.")


def pack(stick: Path, output: Path) -> Path:
    """The stick as one zip that says for which system and Python it is; ``ValueError`` if GitHub would refuse it."""
    python = ".".join(platform.python_version_tuple()[:2])
    name = f"stick-{platform.system()}-{platform.machine()}-python{python}".lower()
    packed = Path(shutil.make_archive(str(output / name), "zip", stick))
    if (size := packed.stat().st_size) >= LARGEST_FILE:
        raise ValueError(f"{packed} has {size / 1e9:.1f} GB; GitHub takes up to {LARGEST_FILE / 1e9:.1f} GB a file.")
    return packed


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status: 1 where the release is not ready."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__.splitlines()[0])
    parser.add_argument("tag", metavar="TAG", help=f"for example v{helpers.__version__}")
    tag = parser.parse_args(arguments).tag
    if found := problems(tag):
        print(f"Not ready for {tag}:", *found, sep="\n  ", file=sys.stderr)
        return 1
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "notes.md").write_text(notes(tag.removeprefix("v")), encoding="utf-8")
    print(OUTPUT / "notes.md")
    if (stick := ROOT / "_build" / "stick").is_dir():
        print(pack(stick, OUTPUT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
