"""How far back to the old weights? After training, a mean of the weights before and after it.

No loss, no old example, and no training: only a copy of the old weights. Those before and after one fine-tuning lie
close enough together for their mean to work (Wortsman et al. 2022, "WiSE-FT"; https://arxiv.org/abs/2109.01903).
"""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from helpers.errors import number


@torch.no_grad()
def interpolate(old: PreTrainedModel, new: PreTrainedModel, share: float) -> PreTrainedModel:
    """Move ``new`` back towards ``old``, in place: every weight becomes ``(1 − share) · old + share · new``.

    Args:
        old: the model before training; its head may have fewer rows, and then the further rows of ``new`` stay as they
            are.
        share: of the new weights, 0 to 1; 0 brings back the old model, 1 changes nothing.

    Returns ``new``. Raises ``ValueError`` for a share outside, and for models whose parameters differ otherwise.

    >>> before = copy.deepcopy(model)  # doctest: +SKIP
    >>> training.fit(model, train)  # doctest: +SKIP
    >>> forgetting.interpolate(before, model, 0.5)  # doctest: +SKIP
    """
    number("share", share, low=0, high=1)
    before, after = dict(old.named_parameters()), dict(new.named_parameters())
    if missing := sorted(before.keys() ^ after.keys()):
        raise ValueError(f"{missing[0]} is in one of the two models only: both must have the same parts.")
    pairs = []
    for name, then in before.items():
        now = after[name][: len(then)] if then.ndim else after[name]
        if now.shape != then.shape:
            raise ValueError(
                f"{name} has shape {tuple(after[name].shape)} and had {tuple(then.shape)}: a head may grow by rows at "
                "its end, but not change otherwise."
            )
        pairs.append((now, then))
    for now, then in pairs:
        now.copy_(torch.lerp(then.to(now), now, share))
    return new
