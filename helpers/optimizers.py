"""How do the parameters move?

``parameter_groups`` decides what is decayed, ``layerwise`` gives lower layers smaller rates, ``schedule`` lets the rate
change over the steps. ``adamw`` is the optimizer that trains; ``Adam`` is the one to read, as ``schedule_factor`` is
for the schedules.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn

from helpers import architecture, renamed
from helpers.errors import choose, number

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# What get_scheduler gives every schedule anyway; the rest of its parameters are options.
_GIVEN = {"optimizer", "num_warmup_steps", "num_training_steps", "last_epoch"}
# The share of the steps in which the rate climbs, where nothing else is said.
WARMUP_RATIO = 0.1
# Layers whose weights and biases scale or shift their input; shrinking these towards zero changes what the layer does.
NORMS = (nn.LayerNorm, nn.BatchNorm1d, nn.GroupNorm, nn.RMSNorm)


def parameter_groups(model: nn.Module, weight_decay: float = 0.01) -> list[dict]:
    """Split the trainable parameters into those that weight decay shrinks and those that it leaves alone.

    Biases and the parameters of normalisation layers are not decayed, as in ``Trainer.get_decay_parameter_names``;
    here by the type of the layer, so that no naming scheme can be missed. Frozen parameters are left out.

    Returns two groups for ``torch.optim.AdamW``. Raises ``ValueError`` when nothing is trainable.
    """
    number("weight_decay", weight_decay, low=0)
    normed = {id(p) for module in model.modules() if isinstance(module, NORMS) for p in module.parameters()}
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
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
    number("learning_rate", learning_rate, low=0)
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


@renamed.arguments
def schedule(
    name: str, optimizer: torch.optim.Optimizer, steps: int, warmup_ratio: float | None = None, **options: object
) -> torch.optim.lr_scheduler.LRScheduler:
    """A learning-rate schedule of transformers, by name (``"linear"``, ``"cosine"``, ``"constant_with_warmup"``, …).

    Args:
        steps: how many times the optimizer will step in all. The rate reaches its end there, so a wrong number is a
            wrong schedule.
        warmup_ratio: share of the steps (0 … 1) in which the rate climbs from 0, by default 0.1. ``"constant"`` has no
            warmup, nor have the two that follow a metric.
        options: further settings of this schedule, as in ``get_scheduler``: ``num_cycles=3``, ``min_lr_rate=0.1``, …

    Raises ``ValueError`` for an unknown schedule, a ratio that is no share, and an option the schedule does not have.
    """
    from transformers import SchedulerType, get_scheduler
    from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

    choose("schedule", name, [kind.value for kind in SchedulerType])
    warmup_ratio = WARMUP_RATIO if warmup_ratio is None else warmup_ratio
    number("warmup_ratio", warmup_ratio, low=0, high=1, hint="a share of the steps")
    # get_scheduler itself drops the options of the two constant schedules without a word.
    known = inspect.signature(TYPE_TO_SCHEDULER_FUNCTION[SchedulerType(name)]).parameters
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values()):
        for option in options:
            choose(f"option of the schedule {name!r}", option, set(known) - _GIVEN)
    return get_scheduler(
        name,
        optimizer,
        num_warmup_steps=round(warmup_ratio * steps),
        num_training_steps=steps,
        scheduler_specific_kwargs=options,
    )


def schedule_factor(
    name: str,
    step: int,
    steps: int,
    warmup_steps: int = 0,
    *,
    cycles: int = 1,
    power: float = 1.0,
    end: float = 0.0,
) -> float:
    """The share of the highest rate with which a step is taken: the six classic schedules in closed form. For reading.

    Args:
        name: ``"constant"``, ``"constant_with_warmup"``, ``"linear"``, ``"cosine"``, ``"cosine_with_restarts"`` or
            ``"polynomial"``.
        step: 0 for the first one.
        steps: in all, warmup included.
        cycles: how often ``"cosine_with_restarts"`` falls.
        power, end: exponent of ``"polynomial"``, and the share of the rate that it ends on.

    Equals what ``transformers.get_scheduler`` gives, behind the last step too. Raises ``ValueError`` for another name.
    """
    after = max(0, step - warmup_steps) / max(1, steps - warmup_steps)  # 0 at the end of the warmup, 1 at the last step
    left = max(0.0, 1 - after)
    formulas = {
        "constant": 1.0,
        "constant_with_warmup": 1.0,
        "linear": left,
        "cosine": (1 + math.cos(math.pi * after)) / 2,
        "cosine_with_restarts": (1 + math.cos(math.pi * (cycles * after % 1))) / 2 if left else 0.0,
        "polynomial": (1 - end) * left**power + end,
    }
    choose("classic schedule", name, formulas)
    if name != "constant" and step < warmup_steps:
        return step / warmup_steps
    return formulas[name]


class Adam(torch.optim.Optimizer):
    """Adam in plain sight: one parameter after the other, one line a formula. For reading, not for speed.

    Args:
        params: parameters, or groups of them.
        learning_rate: step size η.
        betas: decay rates β₁, β₂ of the two moving averages.
        epsilon: ε, added to the root so that nothing is divided by zero.
        weight_decay: λ.
        decoupled: where the decay acts. True is AdamW: the weight shrinks by ηλ beside Adam's step. False is Adam with
            L2 regularisation: λθ joins the gradient and is then divided by its root like everything else.
        bias_correction: divide the averages by what is missing from them in the first steps. False is the optimizer
            that BERT was published with.

    Source: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2. With the defaults it takes the steps
    of ``torch.optim.AdamW``, with ``decoupled=False`` those of ``torch.optim.Adam``.
    """

    def __init__(
        self,
        params: Iterable[dict] | Iterable[nn.Parameter],
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        decoupled: bool = True,
        bias_correction: bool = True,
    ) -> None:
        if learning_rate < 0 or weight_decay < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(
                "learning_rate and weight_decay must not be negative and betas must lie in [0, 1); "
                f"got {learning_rate}, {weight_decay}, {betas}."
            )
        settings = {"betas": betas, "epsilon": epsilon, "weight_decay": weight_decay}
        super().__init__(
            params, {"lr": learning_rate, **settings, "decoupled": decoupled, "corrected": bias_correction}
        )

    @torch.no_grad()
    def step(self, closure: object = None) -> None:
        """Move every parameter that has a gradient; ``closure`` is not supported."""
        if closure is not None:
            raise ValueError("This optimizer evaluates no closure: call backward() yourself, then step().")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: nn.Parameter, group: dict) -> None:
        rate, decay, (beta1, beta2) = group["lr"], group["weight_decay"], group["betas"]
        gradient, state = parameter.grad, self.state[parameter]
        if not state:
            state.update(step=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
        if group["decoupled"]:
            parameter -= rate * decay * parameter
        else:
            gradient = gradient + decay * parameter
        state["step"] += 1
        state["mean"] = beta1 * state["mean"] + (1 - beta1) * gradient
        state["square"] = beta2 * state["square"] + (1 - beta2) * gradient**2
        mean, square = state["mean"], state["square"]
        if group["corrected"]:
            mean = mean / (1 - beta1 ** state["step"])
            square = square / (1 - beta2 ** state["step"])
        parameter -= rate * mean / (square.sqrt() + group["epsilon"])


def layerwise(
    model: PreTrainedModel, learning_rate: float, factor: float = 0.9, weight_decay: float = 0.01
) -> list[dict]:
    """Parameter groups whose rate falls from the head down: each layer gets ``factor`` times the rate of the one above.

    The head and the pooler get ``learning_rate``, the top layer too, the embeddings the smallest rate: "discriminative
    fine-tuning" of Howard & Ruder 2018, section 3.2 (who use ``factor=1/2.6``). Decay as in :func:`parameter_groups`.
    Raises ``ValueError`` for a rate or factor out of range, and for ALBERT, whose layers are one.
    """
    number("learning_rate", learning_rate, above=0)
    number("factor", factor, above=0, high=1)
    architecture.require_own_layers(model)
    depth, parts = architecture.depth(model), architecture.body_parts(model)
    rates = {f"layer {i}": learning_rate * factor ** (depth - 1 - i) for i in range(depth)}
    rates["embeddings"] = rates["relative positions"] = learning_rate * factor**depth
    part_of = {id(p): parts.get(name, "head") for name, p in model.named_parameters()}
    groups: dict[tuple[float, float], dict] = {}
    for group in parameter_groups(model, weight_decay):
        for parameter in group["params"]:
            rate = rates.get(part_of[id(parameter)], learning_rate)
            key = (rate, group["weight_decay"])
            groups.setdefault(key, {"params": [], "lr": rate, "weight_decay": key[1]})["params"].append(parameter)
    return list(groups.values())
