"""The pictures that move, in a real browser: by keyboard, on a phone, in the dark, and without scripts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.site import browser as browsers
from tests.site.conftest import SITE

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.site
# A page, and the key that moves the first knob of its picture.
PAGES = {"evidence/learning_rate.html": "\ue014"}
KNOB, LIVE = ".moving [data-knob]", ".moving .moving-live svg"
SHOWN = """
return [...document.querySelectorAll('.moving .moving-still')].filter((image) => image.offsetHeight > 0).length;
"""


def wait(browser: Chrome, script: str, was: object = None) -> object:
    """What the script returns once that is neither nothing nor ``was``; fails where it stays so."""
    end = time.monotonic() + browsers.PATIENCE_SECONDS
    while time.monotonic() < end:
        if (found := browser.execute_script(script)) and found != was:
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing changed in {browsers.PATIENCE_SECONDS} s")


def drawing(browser: Chrome, was: object = None) -> object:
    """The live picture as text, once it is another one."""
    return wait(browser, "return document.querySelector('.moves .moving-live svg')?.outerHTML", was)


def turn(browser: Chrome, key: str) -> None:
    """Focus the first knob and press a key."""
    browser.execute_script(f"document.querySelector('{KNOB}').focus()")
    browser.switch_to.active_element.send_keys(key)


@pytest.fixture(params=PAGES)
def address(request: pytest.FixtureRequest, site: str, browser: Chrome) -> Iterator[str]:
    browsers._resize(browser, browsers.WIDE)
    yield site + request.param
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browsers._resize(browser, browsers.WIDE)


def key_of(address: str) -> str:
    return next(key for page, key in PAGES.items() if address.endswith(page))


def test_every_page_with_a_moving_picture_is_tested_here():
    found = {
        path.relative_to(SITE).as_posix()
        for path in SITE.rglob("*.html")
        if '<figure class="moving"' in path.read_text(encoding="utf-8")
    }
    assert found == set(PAGES)


def test_the_picture_and_its_sentence_follow_the_keyboard(address: str, browser: Chrome):
    browser.get(address)
    said = "return document.querySelector('.moving-says').textContent"
    before = browser.execute_script(said)
    assert browser.execute_script(SHOWN) == 1
    turn(browser, key_of(address))
    first = drawing(browser)
    assert browser.execute_script(SHOWN) == 0  # the live one took its place
    second_sentence = wait(browser, said, before)
    turn(browser, key_of(address))
    drawing(browser, first)
    wait(browser, said, second_sentence)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_live_picture_is_accessible_and_asks_no_stranger(theme: str, address: str, browser: Chrome):
    browsers._drain(browser)
    browser.get(address)
    browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    turn(browser, key_of(address))
    drawing(browser)
    requests, failed = browsers._traffic(browser, address)
    assert not failed
    assert all(url.startswith("http://127.0.0.1:") for url in requests)
    assert any(url.endswith("/vega.js") for url in requests)
    assert not browsers._violations(browser)
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    card = "return getComputedStyle(document.querySelector('.moving .moving-live')).backgroundColor"
    assert theme == "light" or browser.execute_script(card) == "rgb(255, 255, 255)"


def test_on_a_phone_nothing_sticks_out(address: str, browser: Chrome):
    browsers._resize(browser, browsers.NARROW)
    browser.get(address)
    turn(browser, key_of(address))
    drawing(browser)
    assert not browser.execute_script(browsers.OVERFLOW, browsers.NARROW)
    assert browser.execute_script(f"return document.querySelector('{LIVE}').getBoundingClientRect().width") > 280


@pytest.mark.parametrize("width", [browsers.WIDE, browsers.NARROW])
def test_without_scripts_there_is_a_still_picture_and_no_knob(width: int, address: str, browser: Chrome):
    from selenium.webdriver.common.by import By

    browsers._resize(browser, width)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(address)
    stills = browser.find_elements(By.CSS_SELECTOR, ".moving .moving-still")
    assert sum(still.is_displayed() for still in stills) == 1
    assert not browser.find_element(By.CSS_SELECTOR, KNOB).is_displayed()


def test_a_page_is_light_until_a_knob_is_touched(address: str, see: Callable[[str], browsers.Page]):
    assert not [url for url in see(address).requests if "vega.js" in url]
