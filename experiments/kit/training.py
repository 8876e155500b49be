"""Was the run whole? ``training.fit`` for what is measured."""

from __future__ import annotations

import time
from typing import Any

from helpers import runtime, training


def fit(*arguments: Any, **options: Any) -> training.History:
    """``training.fit``, of which Ctrl-C is not a way to stop early: half a run is no result.

    Raises ``KeyboardInterrupt`` where the run was interrupted.
    """
    history = training.fit(*arguments, **options)
    if history.interrupted:
        raise KeyboardInterrupt
    return history


def clock() -> float:
    """Seconds, after the device has finished what it was given."""
    if runtime.device().type == "cuda":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()
