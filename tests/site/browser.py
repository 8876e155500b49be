"""A headless Chromium, and what it sees of a page.

:func:`open_browser` starts it, :func:`visit` opens a page wide, narrow and dark, and returns a :class:`Page`: plain
facts that the checks in ``tests/site/checks.py`` judge.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

WIDE, NARROW, HEIGHT = 1280, 380, 900
QUIET_SECONDS = 0.2
AXE = Path(__file__).resolve().parents[2] / ".cache" / "site" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_SECONDS = 10
SCRIPT_SECONDS = 120  # axe looks at every element of the page

NO_BROWSER = (
    "The site is tested in Chromium, and {missing} is not here. On Debian or Ubuntu:\n"
    "    apt-get install chromium chromium-driver\n"
    "Elsewhere, put chromium (or google-chrome) and a chromedriver of the same version on the PATH."
)

NO_AXE = (
    f"The site's accessibility is tested with axe-core, and {AXE} is not here. `make test-site` fetches it with npm;"
    " on Debian or Ubuntu: apt-get install npm. By hand:\n"
    "    mkdir -p .cache/site && cp tests/site/package.json .cache/site && npm install --prefix .cache/site"
)

# Nothing reaches another host: a page that asks one is found out by its request, not by the reply.
ARGUMENTS = [
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]

# What a reader gets, beside pictures that are decoration and say so.
FACTS = """
const absolute = (value) => new URL(value, document.baseURI).href;
const links = (selector) => [...document.querySelectorAll(selector)].map((a) => absolute(a.getAttribute('href')));
return {
  links: links('a[href]'),
  buttons: links('.article-header-buttons a[href]'),
  images: [...document.images]
    .filter((image) => !image.closest('[aria-hidden=true]') && image.getAttribute('role') !== 'presentation')
    .map((image) => ({source: image.src, alt: image.alt, loaded: image.complete && image.naturalWidth > 0})),
  stderr: [...document.querySelectorAll('.stderr')].map((output) => output.innerText),
  solutions: document.querySelectorAll('.cell.tag_solution').length,
  folded: document.querySelectorAll('.cell.tag_solution > details:not([open]) > summary').length,
  head: {
    language: document.documentElement.lang,
    title: document.title,
    description: document.querySelector('meta[name=description]')?.content ?? '',
    viewport: document.querySelector('meta[name=viewport]')?.content ?? '',
  },
};
"""

# How far what is seen jumped while the page loaded: the cumulative layout shift of web.dev/articles/cls.
LOADING = """
const done = arguments[arguments.length - 1];
let shift = 0;
const add = (entry) => { shift += entry.hadRecentInput ? 0 : entry.value; };
new PerformanceObserver((list) => list.getEntries().forEach(add)).observe({type: 'layout-shift', buffered: true});
setTimeout(() => done(shift), 50);
"""

OVERFLOW = """
const width = arguments[0];
if (document.scrollingElement.scrollWidth <= width) return [];
const scrolls = (element) =>
  element && (getComputedStyle(element).overflowX !== 'visible' || scrolls(element.parentElement));
const wide = [...document.body.querySelectorAll('*')].filter(
  (element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element.parentElement));
return (wide.length ? wide : [document.body]).slice(0, 5).map((element) => element.outerHTML.slice(0, 120));
"""

# Relative luminance (WCAG) of what lies behind each figure, in [0, 1].
FIGURE_BACKGROUNDS = """
document.documentElement.dataset.theme = 'dark';
const behind = (element) => {
  const [red, green, blue, alpha = 1] = getComputedStyle(element).backgroundColor.match(/[\\d.]+/g).map(Number);
  if (alpha > 0.5) return [red, green, blue];
  return element.parentElement ? behind(element.parentElement) : [255, 255, 255];
};
const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
return [...document.querySelectorAll('article img, main img')].map((image) => {
  const [red, green, blue] = behind(image).map(linear);
  return {source: image.src, luminance: 0.2126 * red + 0.7152 * green + 0.0722 * blue};
});
"""


@dataclass(frozen=True)
class Page:
    """What the browser saw of one page.

    ``requests`` maps every address that the page asked for to the bytes it received; ``failed`` says which of them
    failed and how; ``buttons`` are the links above the text (Colab, Binder, edit …); ``narrow`` lists the elements that
    stick out at 380 px; ``backgrounds`` maps the address of a figure to the luminance behind it in dark mode;
    ``violations`` are axe's serious and critical ones, in light and in dark mode; ``head`` is what tells browsers
    and search engines about the page; ``shift`` is the cumulative layout shift of loading.
    """

    address: str
    console: list[str]
    requests: dict[str, int]
    failed: list[str]
    links: list[str]
    buttons: list[str]
    images: list[dict]
    stderr: list[str]
    solutions: int
    folded: int
    narrow: list[str]
    backgrounds: dict[str, float]
    violations: list[str]
    head: dict[str, str]
    shift: float


# The rules of the Web Content Accessibility Guidelines, and what axe's authors hold to be good practice.
VIOLATIONS = """
const done = arguments[arguments.length - 1];
// A colour that is still on its way from light to dark is nobody's colour.
document.head.insertAdjacentHTML('beforeend', '<style>* { transition: none !important }</style>');
axe.run(document, {resultTypes: ['violations']}).then(
  (result) => done(result.violations
    .filter((rule) => ['serious', 'critical'].includes(rule.impact))
    .map((rule) => `${rule.impact}: ${rule.help} (${rule.id}): ` +
      rule.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' … '))),
  (error) => done([`axe failed: ${error}`]));
"""


def find_programs() -> tuple[str, str]:
    """The paths of browser and driver. Raises ``FileNotFoundError`` that says how to get them."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((found for name in names if (found := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        raise FileNotFoundError(NO_BROWSER.format(missing="chromedriver" if browser else "chromium"))
    return browser, driver


@contextmanager
def open_browser() -> Iterator[Chrome]:
    """Start a headless Chromium with a profile of its own, and end it."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    browser, driver = find_programs()
    if not AXE.is_file():
        raise FileNotFoundError(NO_AXE)
    options = ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        sandbox = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        for argument in [*ARGUMENTS, *sandbox, f"--user-data-dir={profile}"]:
            options.add_argument(argument)
        chrome = Chrome(options=options, service=Service(driver))
        try:
            chrome.set_script_timeout(SCRIPT_SECONDS)
            chrome.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
            yield chrome
        finally:
            chrome.quit()


def visit(browser: Chrome, address: str) -> Page:
    """Open a page, wait until it is quiet, and collect what the checks need."""
    _drain(browser)
    _resize(browser, WIDE)
    browser.get(address)
    requests, failed = _traffic(browser, address)
    console = [
        entry["message"]
        for entry in browser.get_log("browser")
        if entry["level"] == "SEVERE" and "Failed to load resource" not in entry["message"]  # these are in `failed`
    ]
    facts = browser.execute_script(FACTS)
    shift = browser.execute_async_script(LOADING)
    violations = _violations(browser)
    figures = browser.execute_script(FIGURE_BACKGROUNDS)  # leaves the page dark
    violations += [f"in dark mode, {found}" for found in _violations(browser) if found not in violations]
    _resize(browser, NARROW)
    return Page(
        address=address,
        console=console,
        requests=requests,
        failed=failed,
        narrow=browser.execute_script(OVERFLOW, NARROW),
        violations=violations,
        shift=shift,
        backgrounds={figure["source"]: figure["luminance"] for figure in figures},
        **facts,
    )


def _violations(browser: Chrome) -> list[str]:
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    return browser.execute_async_script(VIOLATIONS)


def _resize(browser: Chrome, width: int) -> None:
    metrics = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width == NARROW}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def _drain(browser: Chrome) -> None:
    for log in ("browser", "performance"):
        browser.get_log(log)


def _traffic(browser: Chrome, address: str) -> tuple[dict[str, int], list[str]]:
    """Wait until every request has ended; return the bytes of each and the failures."""
    addresses: dict[str, str] = {}
    received: dict[str, int] = {}
    failed: dict[str, str] = {}
    quiet_since = begin = time.monotonic()
    while True:
        now = time.monotonic()
        for message in _network_messages(browser):
            quiet_since = now
            identifier, event = message["params"].get("requestId"), message["method"]
            if event == "Network.requestWillBeSent":
                addresses[identifier] = message["params"]["request"]["url"]
            elif event == "Network.responseReceived" and message["params"]["response"]["status"] >= 400:
                failed[identifier] = f"status {message['params']['response']['status']}"
            elif event == "Network.loadingFinished":
                received[identifier] = int(message["params"]["encodedDataLength"])
            elif event == "Network.loadingFailed" and not message["params"].get("canceled"):
                received[identifier] = 0
                failed.setdefault(identifier, message["params"]["errorText"])
            elif event == "Network.loadingFailed":
                received[identifier] = 0
        waiting = set(addresses) - set(received)
        if not waiting and now - quiet_since > QUIET_SECONDS:
            break
        if now - begin > PATIENCE_SECONDS:
            failed |= dict.fromkeys(waiting, f"no reply in {PATIENCE_SECONDS} s")
            break
        time.sleep(0.02)
    sizes: dict[str, int] = {}
    for identifier, url in addresses.items():
        if not url.startswith(("data:", "blob:")):
            sizes[url] = sizes.get(url, 0) + received.get(identifier, 0)
    reasons = {addresses[identifier]: reason for identifier, reason in failed.items() if identifier in addresses}
    return sizes, [f"{url}: {reason}" for url, reason in reasons.items()]


def _network_messages(browser: Chrome) -> Iterator[dict]:
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"].startswith("Network."):
            yield message


def open_by_keyboard(browser: Chrome, selector: str) -> bool:
    """Put the focus on the first element that matches, press Enter, and say whether the box around it opened."""
    from selenium.webdriver.common.keys import Keys

    summary = browser.find_element("css selector", selector)
    browser.execute_script("arguments[0].focus()", summary)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    return bool(browser.execute_script("return arguments[0].closest('details').open", summary))


def search(browser: Chrome, address: str, words: str) -> int:
    """Search the site for ``words``; the number of results, 0 if none came in time."""
    browser.get(f"{address}search.html?q={words}")
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        results = browser.execute_script("return document.querySelectorAll('#search-results .search li a').length")
        if results:
            return results
        time.sleep(0.05)
    return 0


def found(browser: Chrome, address: str, words: str) -> list[str]:
    """Type ``words`` into the site's search box; the pages that are found, best first, none if none came in time."""
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{address}search.html")
    browser.find_element("css selector", "main form.bd-search input[name=q]").send_keys(words, Keys.ENTER)
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        # The summary is written after the last result.
        if "?q=" in browser.current_url and browser.execute_script(
            "return !!document.querySelector('#search-results .search-summary')?.innerText"
        ):
            links = browser.execute_script(
                "return [...document.querySelectorAll('#search-results .search > li > a')].map(link => link.href)"
            )
            return [link.removeprefix(address).partition("?")[0].partition("#")[0] for link in links]
        time.sleep(0.05)
    return []
