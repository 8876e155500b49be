"""What all remedies need: a strength that makes sense."""

from __future__ import annotations

import math
from numbers import Real

import torch

Batch = dict[str, torch.Tensor]


def checked(strength: float) -> float:
    """The strength of a remedy; ``ValueError`` for a negative one, NaN, infinity, or what is no number."""
    fits = isinstance(strength, Real) and not isinstance(strength, bool)
    if not (fits and strength >= 0 and math.isfinite(strength)):
        raise ValueError(f"strength must be a finite number, 0 or more; got {strength!r}.")
    return strength
