"""The book's website, page by page, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.site import checks
from tests.site.browser import Page, found, open_by_keyboard, search
from tests.site.conftest import REPOSITORY, SITE

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.site
# What readers type, and the page that they want among the first three.
SEARCHES = {
    "CSV": "start/03_your_own_data",
    "my own dataset": "start/03_your_own_data",
    "overfitting": "optimization/03_learning_rate_and_seeds",
    "long documents": "start/02_text_to_tensors",
    "inference": "practice/04_serving",
    "multilingual": "start/03_your_own_data",
    "catastrophic forgetting": "forgetting/01_new_label",
    "CUDA out of memory": "practice/03_scaling",
    "imbalanced": "heads/02_classification",
    "freeze layers": "freezing/01_what_moves",
    "learning rate": "optimization/03_learning_rate_and_seeds",
    "LoRA": "freezing/03_in_between",
    "add a class": "forgetting/01_new_label",
    "from scratch": "pretraining/01_from_scratch",
    "domain adaptation": "pretraining/02_further_pretraining",
    "named entity recognition": "heads/05_token_classification",
    "sentence embeddings": "start/02_text_to_tensors",
    "multi-label": "heads/02_classification",
    "gradient accumulation": "practice/02_trainer_v5",
    "random seed": "optimization/03_learning_rate_and_seeds",
    "quantization": "practice/04_serving",
    "warmup": "optimization/02_warmup_and_schedules",
    "early stopping": "practice/02_trainer_v5",
    "save_pretrained": "practice/01_saving",
}
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


@pytest.mark.parametrize("words", SEARCHES)
def test_what_readers_type_finds_their_page(words: str, site: str, browser: Chrome) -> None:
    assert f"{SEARCHES[words]}.html" in found(browser, site, words)[:3]


def test_a_solution_opens_by_keyboard(site: str, see: Callable[[str], Page], browser: Chrome) -> None:
    chapters = sorted(path for path in SITE.rglob("*.html") if "tag_solution" in path.read_text(encoding="utf-8"))
    assert chapters, "no page has a solution"
    browser.get(site + chapters[0].relative_to(SITE).as_posix())
    assert open_by_keyboard(browser, SOLUTION)
