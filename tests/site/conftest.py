"""One browser and one server for all site tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.site.browser import Page, open_browser, visit
from tests.site.server import serve

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

REPOSITORY = Path(__file__).resolve().parents[2]
SITE = REPOSITORY / "_build" / "html"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``path`` on every page; on none, once, so that it can say what is missing."""
    if "path" in metafunc.fixturenames:
        metafunc.parametrize("path", html_files(SITE) or ["index.html"])


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """A headless Chromium; without one, or without axe-core, the tests fail with the way to get it."""
    opened = open_browser()
    try:
        chrome = opened.__enter__()
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    yield chrome
    opened.__exit__(None, None, None)


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of the built book."""
    if not (SITE / "index.html").is_file():
        pytest.fail(f"There is no website in {SITE}: run `make book` first.", pytrace=False)
    with serve(SITE) as address:
        yield address


@pytest.fixture(scope="session")
def see(browser: Chrome) -> Callable[[str], Page]:
    """Visit an address once, however many tests ask."""
    seen: dict[str, Page] = {}

    def once(address: str) -> Page:
        if address not in seen:
            seen[address] = visit(browser, address)
        return seen[address]

    return once


def html_files(site: Path) -> list[str]:
    """The pages of a built site, relative to it; templates among the static files are none."""
    found = (path.relative_to(site) for path in site.rglob("*.html"))
    return sorted(path.as_posix() for path in found if path.parts[0] != "_static")
