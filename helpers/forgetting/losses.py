"""What all remedies need: a loss that is there, and a strength that makes sense."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers.utils import ModelOutput

Batch = dict[str, torch.Tensor]


def forward(model: nn.Module, batch: Batch) -> ModelOutput:
    """The model's output with its own loss; ``ValueError`` where it computes none."""
    output = model(**batch)
    if output.loss is None:
        raise ValueError(f"The model returned no loss for a batch with {', '.join(batch)}. Does it have labels?")
    return output


def checked(strength: float) -> float:
    """The strength of a remedy; ``ValueError`` for a negative one, NaN or infinity."""
    if not (strength >= 0 and math.isfinite(strength)):
        raise ValueError(f"strength must be a finite number, 0 or more; got {strength}.")
    return strength
