"""What must hold for every page of the website. Each check takes what the browser saw and returns the problems.

tests/site/test_site.py runs them on the book, tests/site/test_checks.py on pages that are broken on purpose.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, unquote, urldefrag, urlsplit

import yaml

from tests.site.browser import Page

PAGE_BYTES = 1_500_000
LIGHT = 0.5
LAYOUT_SHIFT = 0.1  # up to here it is good: https://web.dev/articles/cls
HOST = "127.0.0.1"


def console(page: Page) -> list[str]:
    """Nothing goes wrong in the page's scripts."""
    return page.console


def requests(page: Page) -> list[str]:
    """Everything the page asks for arrives."""
    return page.failed


def strangers(page: Page) -> list[str]:
    """The page asks no other host for anything."""
    return [url for url in page.requests if urlsplit(url).hostname != HOST]


def weight(page: Page) -> list[str]:
    """The page, with all it loads, stays below 1.5 MB."""
    total = sum(page.requests.values())
    if total < PAGE_BYTES:
        return []
    largest = sorted(page.requests.items(), key=lambda item: -item[1])[:3]
    return [f"weighs {total / 1e6:.2f} MB, among it {', '.join(f'{url} {size / 1e6:.2f} MB' for url, size in largest)}"]


def steady(page: Page) -> list[str]:
    """What the reader sees does not jump while the page loads."""
    return [f"shifts by {page.shift:.2f} while it loads"] if page.shift > LAYOUT_SHIFT else []


def described(page: Page) -> list[str]:
    """The page says its language, its title and what it is about, and fits its width to the screen."""
    return [f"has no {name}" for name, value in page.head.items() if not value.strip()]


def images(page: Page) -> list[str]:
    """Every picture is there and says in words what it shows."""
    missing = [f"{image['source']} does not load" for image in page.images if not image["loaded"]]
    return missing + [f"{image['source']} has no alternative text" for image in page.images if not image["alt"].strip()]


def stderr(page: Page) -> list[str]:
    """No standard error of a notebook is on the page."""
    return page.stderr


def solutions(page: Page) -> list[str]:
    """Every solution is folded, behind a line that opens by click and by keyboard."""
    return [f"shows {page.solutions - page.folded} solutions unfolded"] if page.folded != page.solutions else []


def narrow(page: Page) -> list[str]:
    """On a phone of 380 px, nothing sticks out."""
    return page.narrow


def figures(page: Page) -> list[str]:
    """In dark mode, figures stand on a light ground: their own axes and letters are dark."""
    return [f"{url} stands on a dark ground" for url, luminance in page.backgrounds.items() if luminance < LIGHT]


def accessible(page: Page) -> list[str]:
    """axe-core finds no serious violation, in light or in dark mode."""
    return page.violations


def links(page: Page, site: Path) -> list[str]:
    """Links within the site lead to a file, and their anchors to a place in it."""
    problems = []
    for link in dict.fromkeys(page.links):
        address, anchor = urldefrag(link)
        parts = urlsplit(address)
        if parts.hostname != HOST:
            continue
        target = site / unquote(parts.path).lstrip("/")
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file():
            problems.append(f"{link} leads to no file")
        elif anchor and target.suffix == ".html" and unquote(anchor) not in anchors(target):
            problems.append(f"{link} leads to no anchor")
    return problems


# Called on every page with nothing but what the browser saw.
CHECKS: list[Callable[[Page], list[str]]] = [
    console,
    requests,
    strangers,
    weight,
    steady,
    described,
    images,
    stderr,
    solutions,
    narrow,
    figures,
    accessible,
]


def launches(page: Page, repository: Path) -> list[str]:
    """The buttons for Colab, Binder, edit and issues name this repository and, where they name a file, one that exists.

    The address they must name is the one in ``_config.yml``.
    """
    address, branch = repository_address(repository)
    owner_and_name = urlsplit(address).path.strip("/")
    problems = []
    for link in dict.fromkeys(page.buttons):
        parts = urlsplit(link)
        expected = _EXPECTED.get(parts.hostname or "")
        if expected is None:
            continue
        if owner_and_name not in parts.path:
            problems.append(f"{link} is not about {owner_and_name}")
        elif (file := expected(link, branch)) and not (repository / file).is_file():
            problems.append(f"{link} opens {file}, which does not exist")
    return problems


def launchable(page: Page) -> list[str]:
    """A chapter offers Colab, Binder and its notebook to download."""
    hosts = {urlsplit(link).hostname for link in page.buttons}
    wanted = {"Colab": "colab.research.google.com", "Binder": "mybinder.org"}
    missing = [f"no {name} button" for name, host in wanted.items() if host not in hosts]
    downloads = any(urlsplit(link).path.endswith(".ipynb") and "/_sources/" in link for link in page.buttons)
    return missing + ([] if downloads else ["no download button"])


@functools.cache
def repository_address(repository: Path) -> tuple[str, str]:
    """Address and branch, from the one place where they stand."""
    config = yaml.safe_load((repository / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"], config["repository"]["branch"]


@functools.cache
def anchors(path: Path) -> frozenset[str]:
    """The places of a page that a link may lead to."""
    parser = _Anchors()
    parser.feed(path.read_text(encoding="utf-8"))
    return frozenset(parser.found)


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {value for name, value in attrs if value and (name == "id" or (tag == "a" and name == "name"))}


def _in_path(link: str, branch: str) -> str | None:
    """The file named by ``…/blob/main/file`` or ``…/edit/main/file``; none for links to the repository as a whole."""
    found = re.search(rf"/(?:blob|edit|tree)/{re.escape(branch)}/(.+)", unquote(urlsplit(link).path))
    return found[1] if found else None


def _in_binder(link: str, branch: str) -> str | None:
    """The file named by Binder's ``?urlpath=lab/tree/file``."""
    paths = parse_qs(urlsplit(link).query).get("urlpath", [""])
    return paths[0].removeprefix("lab/tree/") or None


_EXPECTED: dict[str, Callable[[str, str], str | None]] = {
    "colab.research.google.com": _in_path,
    "github.com": _in_path,
    "mybinder.org": _in_binder,
}
