"""What does the book's website do beyond Jupyter Book?

It folds solutions, marks claims, boxes short answers, sets formulas without scripts, writes the reference of
``helpers`` and links to it, quotes results from the chapters, shows pictures that move, keeps the ledger of claims, and
makes a preview for links shared elsewhere.

Named in ``_config.yml`` under ``local_extensions``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from sphinx.application import Sphinx

# What the site says of the chapters is read by tools/ and experiments/, which are not installed as packages.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

PARTS = (
    "accessibility",
    "answers",
    "cells",
    "evidence",
    "finder",
    "first_use",
    "head",
    "ledger",
    "mathml",
    "moving",
    "plain",
    "reference",
    "results",
    "sizes",
    "weight",
    "workshop",
)


def setup(app: Sphinx) -> dict[str, object]:
    """Register the parts with Sphinx."""
    for part in PARTS:
        importlib.import_module(f"{__name__}.{part}").setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
