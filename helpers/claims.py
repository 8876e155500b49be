"""Is it true?

A chapter states what it found as a ``claim`` with the values it rests on. The claim prints both, or stops the notebook
when it does not hold: this is what makes the book a test suite. Claims are orderings and bounds that survive another
CPU, a GPU and another seed, so they are written with a margin.
"""

from __future__ import annotations

from enum import Enum
from numbers import Real
from typing import Any

import numpy as np


class ClaimFailed(AssertionError):  # noqa: N818  (reads as what happened)
    """A claim of the book does not hold here. The message carries the measured values."""


def claim(text: str, holds: bool, /, **measured: object) -> None:
    """State a finding with the values that it rests on.

    >>> share = 770 / 22_713_986
    >>> claim("The head holds less than 0.1 % of the parameters", share < 1e-3, share=share)
    ✔ The head holds less than 0.1 % of the parameters   share=3.39e-05

    Raises ``ClaimFailed`` with text and values when it does not hold, and ``ValueError`` without any value: a claim
    that measured nothing proves nothing. Raises ``TypeError`` for a ``holds`` that is no truth value (a list, a number,
    a function that was not called: Python takes most of them for true), and for a ``text`` that is no string.
    """
    if not isinstance(text, str):
        raise TypeError(f"A claim begins with its text: claim('…', holds, value=…); got {_short(text)} as the text.")
    if not _is_truth_value(holds):
        raise TypeError(f"holds must be True or False, got {_short(holds)}, in the claim {text!r}.")
    if not measured:
        raise ValueError(f"The claim {text!r} needs the values that it rests on, e.g. accuracy=0.97.")
    values = "  ".join(f"{name}={_show(value)}" for name, value in measured.items())
    if not bool(holds):
        raise ClaimFailed(f"✘ {text}   {values}")
    print(f"✔ {text}   {values}")


def check_exercise(name: str, answer: object, expected: object, *, tolerance: float = 1e-6, hint: str = "") -> None:
    """Compare the reader's answer with the expected result and say so kindly.

    Args:
        answer: a value, or a function that takes no argument and returns one.
        expected: a value to compare with (numbers and arrays within ``tolerance``), or a predicate of the answer.

    Raises ``AssertionError`` with the hint when the answer is not right, ``NotImplementedError`` when there is none.
    """
    if callable(answer):
        answer = answer()
    if answer is None or answer is Ellipsis:
        raise NotImplementedError(f"Exercise {name}: no answer yet. Replace the stub, then run this cell again.")
    right = bool(expected(answer)) if callable(expected) else _equal(answer, expected, tolerance)
    if not right:
        # The expected value is in the text above the exercise; what the reader needs here is their own.
        raise AssertionError(f"Exercise {name}: not yet. Your answer is {_show(answer)}." + (f" {hint}" * bool(hint)))
    print(f"✔ Exercise {name}: right.")


def _is_truth_value(value: Any) -> bool:
    """Python's own, NumPy's, and an array or tensor of one without axes."""
    single = getattr(value, "ndim", None) == 0 and str(getattr(value, "dtype", "")) in ("bool", "torch.bool")
    return isinstance(value, bool) or single


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _plain(value: Any) -> Any:
    """Lists for arrays and tensors, and the values of enumerations: ``IntervalStrategy.STEPS`` is ``"steps"``."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _equal(answer: Any, expected: Any, tolerance: float) -> bool:
    """The same kind of thing, the same shape, and the same values; only numbers may be a little off."""
    try:
        given, wanted = (np.asarray(_plain(v)) for v in (answer, expected))
    except ValueError:  # lists of different lengths
        return bool(answer == expected)
    if given.dtype.kind == "O" or wanted.dtype.kind == "O":
        return bool(answer == expected)
    numbers = "iuf"
    if (given.dtype.kind in numbers) != (wanted.dtype.kind in numbers) or given.shape != wanted.shape:
        return False
    if wanted.dtype.kind in numbers:
        return bool(np.allclose(given, wanted, atol=tolerance, rtol=tolerance, equal_nan=True))
    return given.dtype.kind == wanted.dtype.kind and bool((given == wanted).all())


def _show(value: Any) -> str:
    """Three significant digits for numbers that are not whole, everything else as it is.

    >>> _show(0.123456), _show(1843200), _show([0.5, 2]), _show("cpu")
    ('0.123', '1843200', '[0.500, 2]', 'cpu')
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_show(v) for v in value) + "]"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        return str(value)
    if float(value).is_integer():
        return f"{int(value)}" if isinstance(value, (int, np.integer)) else f"{float(value):.1f}"
    return f"{float(value):#.3g}" if abs(float(value)) < 1000 else f"{float(value):.1f}"
