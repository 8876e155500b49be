"""Every check of the website is shown to fail: each of these pages is broken in one way, and its check says so."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.site import browser as browsing
from tests.site import checks
from tests.site.browser import Page, open_by_keyboard, search
from tests.site.server import serve

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.site

# A red square of 8 × 8 pixels.
DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9h"
    "AAAAAElFTkSuQmCC"
)
HEAD = (
    '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
    '<meta name="description" content="A page to test with.">'
)
GOOD = f'<h1 id="top">Fine</h1><a href="#top">up</a> <a href="good.html#top">here</a><img src="{DOT}" alt="A dot.">'
ADDRESS = "https://github.com/someone/somewhere"

BROKEN = {
    "console": "<script>nobody.home()</script>",
    "requests": '<script src="missing.js"></script>',
    "strangers": '<link rel="stylesheet" href="https://fonts.example.org/font.css">',
    "weight": '<img src="heavy.svg" alt="A heavy picture.">',
    "steady": (
        "<p>Read this.</p><script>setTimeout(() => document.body.insertAdjacentHTML('afterbegin', "
        "'<div style=\"height: 500px\">An advertisement.</div>'), 100)</script>"
    ),
    "described": "<script>document.querySelector('meta[name=description]').remove()</script>",
    "images": f'<img src="{DOT}">',
    "images-missing": '<img src="missing.png" alt="A picture that is not there.">',
    "stderr": '<div class="output stderr">Downloading…</div>',
    "solutions": '<div class="cell tag_solution"><pre>answer = 42</pre></div>',
    "narrow": '<table><tr><td style="min-width: 600px">wide</td></tr></table>',
    "figures": f'<article style="background: #111"><img src="{DOT}" alt="A dot."></article>',
    "accessible": '<p style="color: #999; background: #fff">Grey letters that few can read.</p>',
    "accessible-button": "<button></button>",
}
LINKS = {
    "leads to no file": '<a href="missing.html">gone</a>',
    "leads to no anchor": '<a href="good.html#gone">gone</a>',
}
LAUNCHES = {
    "is not about": "https://colab.research.google.com/github/stranger/other/blob/main/book/a.ipynb",
    "opens book/gone.ipynb": f"{ADDRESS}/edit/main/book/gone.ipynb",
    "opens book/lost.ipynb": "https://mybinder.org/v2/gh/someone/somewhere/main?urlpath=lab/tree/book/lost.ipynb",
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A site of one good and many broken pages: its folder and its address."""
    folder = tmp_path_factory.mktemp("broken")
    buttons = {name: f'<p class="article-header-buttons"><a href="{to}">go</a></p>' for name, to in LAUNCHES.items()}
    pages = {"good": GOOD} | BROKEN | LINKS | buttons
    for name, body in pages.items():
        (folder / f"{_file(name)}.html").write_text(f"{HEAD}<title>{name}</title><body>{body}", encoding="utf-8")
    (folder / "heavy.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg"><!-- {"x" * checks.PAGE_BYTES} --></svg>'
    )
    with serve(folder) as address:
        yield folder, address


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with an address and one chapter."""
    (tmp_path / "_config.yml").write_text(f"repository: {{url: {ADDRESS}, branch: main}}\n")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "a.ipynb").write_text("{}")
    return tmp_path


def _file(name: str) -> str:
    return name.replace(" ", "-").replace("/", "-")


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_a_good_page_passes(check: Callable, broken: tuple[Path, str], see: Callable[[str], Page]) -> None:
    assert check(see(f"{broken[1]}good.html")) == []


@pytest.mark.parametrize("name", BROKEN)
def test_the_broken_page_is_found(name: str, broken: tuple[Path, str], see: Callable[[str], Page]) -> None:
    check = getattr(checks, name.partition("-")[0])
    assert check(see(f"{broken[1]}{name}.html"))


def test_every_check_has_a_broken_page() -> None:
    assert {check.__name__ for check in checks.CHECKS} <= {name.partition("-")[0] for name in BROKEN}


@pytest.mark.parametrize("problem", LINKS)
def test_a_broken_link_is_found(problem: str, broken: tuple[Path, str], see: Callable[[str], Page]) -> None:
    folder, address = broken
    (found,) = checks.links(see(f"{address}{_file(problem)}.html"), folder)
    assert problem in found
    assert checks.links(see(f"{address}good.html"), folder) == []


@pytest.mark.parametrize("problem", LAUNCHES)
def test_a_wrong_launch_button_is_found(
    problem: str, broken: tuple[Path, str], repository: Path, see: Callable[[str], Page]
) -> None:
    page = see(f"{broken[1]}{_file(problem)}.html")
    (found,) = checks.launches(page, repository)
    assert problem in found
    assert len(checks.launchable(page)) >= 2  # a chapter needs all three buttons


def test_a_search_without_results_is_found(
    broken: tuple[Path, str], browser: Chrome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "PATIENCE_SECONDS", 0.2)
    (broken[0] / "search.html").write_text('<div id="search-results"></div>')
    assert search(browser, broken[1], "fine-tuning") == 0


@pytest.mark.parametrize(("handler", "opens"), [("", True), (' onkeydown="return false"', False)])
def test_a_box_deaf_to_the_keyboard_is_found(
    handler: str, opens: bool, broken: tuple[Path, str], browser: Chrome
) -> None:
    page = f"<!doctype html><details{handler}><summary>Show the solution</summary>42</details>"
    (broken[0] / "box.html").write_text(page)
    browser.get(f"{broken[1]}box.html")
    assert open_by_keyboard(browser, "summary") is opens


def test_without_a_browser_the_way_to_get_one_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing.shutil, "which", functools.partial(lambda name: None))
    with pytest.raises(FileNotFoundError, match="apt-get install chromium chromium-driver"):
        browsing.find_programs()
