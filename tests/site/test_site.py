"""The book's website, page by page, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.site import checks
from tests.site.browser import Page, open_by_keyboard, search
from tests.site.conftest import REPOSITORY, SITE

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.site
SOLUTION = ".cell.tag_solution > details > summary"


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_page(check: Callable[[Page], list[str]], path: str, site: str, see: Callable[[str], Page]) -> None:
    assert not check(see(site + path)), check.__doc__


def test_links(path: str, site: str, see: Callable[[str], Page]) -> None:
    assert not checks.links(see(site + path), SITE)


def test_launch_edit_and_issue_links(path: str, site: str, see: Callable[[str], Page]) -> None:
    page = see(site + path)
    problems = checks.launches(page, REPOSITORY)
    if (REPOSITORY / "book" / path).with_suffix(".ipynb").is_file():
        problems += checks.launchable(page)
    assert not problems


def test_every_chapter_has_a_page(site: str) -> None:
    chapters = (REPOSITORY / "book").rglob("*.ipynb")
    names = [path.relative_to(REPOSITORY / "book") for path in chapters if "_build" not in path.parts]
    assert names
    missing = [name for name in names if not (SITE / name).with_suffix(".html").is_file()]
    assert not missing, "not in book/_toc.yml, or the website is older than the chapter"


def test_search_finds_a_word(site: str, browser: Chrome) -> None:
    assert search(browser, site, "fine-tuning") > 0


def test_a_solution_opens_by_keyboard(site: str, see: Callable[[str], Page], browser: Chrome) -> None:
    chapters = sorted(path for path in SITE.rglob("*.html") if "tag_solution" in path.read_text(encoding="utf-8"))
    assert chapters, "no page has a solution"
    browser.get(site + chapters[0].relative_to(SITE).as_posix())
    assert open_by_keyboard(browser, SOLUTION)
