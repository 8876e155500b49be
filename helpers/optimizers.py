"""How do the parameters move?

``parameter_groups`` decides what is decayed, ``schedule`` how the learning rate changes over the steps.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from helpers.errors import choose

# Layers whose weights and biases scale or shift their input; shrinking these towards zero changes what the layer does.
NORMS = (nn.LayerNorm, nn.BatchNorm1d, nn.GroupNorm, nn.RMSNorm)


def parameter_groups(model: nn.Module, weight_decay: float = 0.01) -> list[dict]:
    """Split the trainable parameters into those that weight decay shrinks and those that it leaves alone.

    Biases and the parameters of normalisation layers are not decayed, as in ``Trainer.get_decay_parameter_names``;
    here by the type of the layer, so that no naming scheme can be missed. Frozen parameters are left out.

    Returns two groups for ``torch.optim.AdamW``. Raises ``ValueError`` when nothing is trainable.
    """
    normed = {id(p) for module in model.modules() if isinstance(module, NORMS) for p in module.parameters()}
    decayed, kept = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            alone = id(parameter) in normed or name.split(".")[-1] == "bias"
            (kept if alone else decayed).append(parameter)
    if not decayed and not kept:
        raise ValueError("No parameter has requires_grad: there is nothing to train.")
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def adamw(groups: Iterable[dict] | Iterable[nn.Parameter], learning_rate: float) -> torch.optim.AdamW:
    """``torch.optim.AdamW`` in its fused form: one pass over memory instead of one a formula."""
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def schedule(
    name: str, optimizer: torch.optim.Optimizer, steps: int, warmup: float = 0.1
) -> torch.optim.lr_scheduler.LRScheduler:
    """A learning-rate schedule of transformers, by name (``"linear"``, ``"cosine"``, ``"constant_with_warmup"``, …).

    Args:
        steps: how many times the optimizer will step in all. The rate reaches its end there, so a wrong number is a
            wrong schedule.
        warmup: share of the steps (0 … 1) in which the rate climbs from 0.
    """
    from transformers import SchedulerType, get_scheduler

    choose("schedule", name, [kind.value for kind in SchedulerType])
    if not 0 <= warmup <= 1:
        raise ValueError(f"warmup is a share of the steps, between 0 and 1; got {warmup}.")
    return get_scheduler(name, optimizer, num_warmup_steps=round(warmup * steps), num_training_steps=steps)
