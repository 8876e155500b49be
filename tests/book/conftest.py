"""The site's extension, of which each test has a copy of its own."""

from __future__ import annotations

import importlib
import sys

import pytest

from tools.notebooks import BOOK


@pytest.fixture
def book_site(monkeypatch):
    """Gives a part of the extension by its name."""
    pytest.importorskip("myst_nb", reason="the website's packages are not installed: pip install -e '.[book]'")
    monkeypatch.syspath_prepend(str(BOOK / "_ext"))
    yield lambda part: importlib.import_module(f"book_site.{part}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "book_site"]:
        del sys.modules[name]
