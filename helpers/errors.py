"""Errors that name the thing, the place and the way out.

What many functions ask of their arguments stands here once: one of some names, a number in a range, a list and not one
string, a split with rows. Each answers with the argument, or with one line, before any work is done.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset

NO_ROWS = "The split has no rows, so there is nothing to learn from or to measure on."


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


def number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
    whole: bool = False,
    finite: bool = True,
    hint: str = "",
) -> Any:
    """Return ``value`` if it is a number in this range; else raise ``ValueError`` that names all three.

    Args:
        low, above: the smallest number allowed, and the one below all that are allowed.
        high, below: the largest number allowed, and the one above all that are allowed.
        whole: no fraction. NumPy's integers are whole numbers, ``True`` and ``False`` are none.
        finite: infinity is refused. NaN always is.
        hint: what else the reader should know, in brackets behind the range.

    >>> number("epochs", 0, low=1, whole=True)
    Traceback (most recent call last):
    ValueError: epochs must be a whole number, at least 1; got 0.
    """
    fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    fits = fits and not math.isnan(value) and not (finite and math.isinf(value))
    fits = fits and (low is None or value >= low) and (above is None or value > above)
    fits = fits and (high is None or value <= high) and (below is None or value < below)
    if fits:
        return value
    bounds = ((low, "at least"), (above, "above"), (high, "at most"), (below, "below"))
    wanted = ["a whole number" if whole else "a finite number" if finite else "a number"]
    ranges = " and ".join(f"{words} {bound:g}" for bound, words in bounds if bound is not None)
    wanted += [ranges] if ranges else []
    raise ValueError(f"{name} must be {', '.join(wanted)}{f' ({hint})' if hint else ''}; got {value!r}.")


def listed(name: str, value: Any) -> Any:
    """Return ``value`` if it is a list, a tuple or the like; a string would be taken letter by letter.

    >>> listed("texts", "hello")
    Traceback (most recent call last):
    ValueError: texts must be a list, got one string 'hello'. Give a list: ['hello'].
    """
    if isinstance(value, (str, bytes)):
        shown = repr(value if len(value) <= 40 else value[:37])
        shown = shown if len(value) <= 40 else f"{shown[:-1]}...{shown[-1]}"
        raise ValueError(f"{name} must be a list, got one string {shown}. Give a list: [{shown}].")
    if isinstance(value, (Mapping, set, frozenset)) or not (isinstance(value, Sequence) or hasattr(value, "__len__")):
        raise ValueError(f"{name} must be a list, got {type(value).__name__}.")
    return value


def strings(name: str, value: Any) -> list[str]:
    """Return the strings of a list as a list; else raise ``ValueError`` that names the first that is none."""
    values = list(listed(name, value))
    for place, item in enumerate(values):
        if not isinstance(item, str):
            raise ValueError(f"{name}[{place}] must be a string, got {item!r}.")
    return values


def finite(name: str, values: Any) -> np.ndarray:
    """Return ``values`` as an array of numbers; else raise ``ValueError`` that names the first that is not finite."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, got {str(values)[:60]!r}.") from None
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        place = ", ".join(map(str, wrong[0]))
        raise ValueError(
            f"{name} must be finite numbers; {len(wrong)} of {array.size} are not, the first at [{place}]."
        )
    return array


def same_length(**values: Any) -> None:
    """Raise ``ValueError`` that names the arguments unless all of them have the same length."""
    lengths = {name: len(value) for name, value in values.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError("Of different lengths: " + ", ".join(f"{name} has {n}" for name, n in lengths.items()) + ".")


def with_rows(split: Any) -> Dataset:
    """Return ``split`` if it is one split of a data set, with rows; else raise ``ValueError`` with the way to one."""
    if isinstance(split, Mapping):
        names = [str(name) for name in split] or ["train"]
        raise ValueError(f"One split is needed, got all of them: {', '.join(names)}. Take one: splits[{names[0]!r}].")
    if hasattr(split, "to_dict") and hasattr(split, "iloc"):
        raise ValueError("One split is needed, got a DataFrame. Make it one: datasets.Dataset.from_pandas(frame).")
    if not hasattr(split, "column_names") or not hasattr(split, "features") or not hasattr(split, "__len__"):
        raise ValueError(
            f"One split of a data set is needed, got {type(split).__name__}. Make it one: "
            "datasets.Dataset.from_list(rows), or read a file: data.read('my.csv', text=…, label=…)."
        )
    if len(split) == 0:
        raise ValueError(NO_ROWS)
    return split
