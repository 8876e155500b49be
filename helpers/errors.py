"""Errors that name the thing, the place and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def choose(what: str, name: str, known: Iterable[str]) -> str:
    """Return ``name`` if it is one of the ``known`` ones; else raise ``ValueError`` that lists them.

    >>> choose("head", "clasification", ["classification", "regression"])
    Traceback (most recent call last):
    ValueError: Unknown head 'clasification'. Did you mean 'classification'? Known: classification, regression.
    """
    names = sorted(known)
    if name in names:
        return name
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"Unknown {what} {name!r}.{hint} Known: {', '.join(names)}.")
