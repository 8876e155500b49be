"""Which weights should stay?

A remedy is a loss for ``training.fit(..., loss=remedy)``: the new task's own loss plus ``strength`` times what leaving
the old model costs. Here leaving means other weights: all alike (``L2SP``), or each as it mattered (``EWC``). Build a
remedy *before* training: it remembers the weights as it finds them. Strength 0 is plain fine-tuning, number for number.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.utils.data import DataLoader

from helpers import architecture, renamed, runtime
from helpers.errors import number
from helpers.training import Batch, forward

Tensors = dict[str, torch.Tensor]


class L2SP:
    """Stay near the old weights: ``strength/2 · ‖θ − θ_old‖²`` over the weights that the old model has.

    The α-part of L2-SP (Li et al. 2018, section 3). Its β-part shrinks new weights, which AdamW's decay does here. New
    rows of a grown head, and a head that the old model did not have, are free.

    Args:
        model: the old model; a bare encoder will do, to protect the body alone. It may be trained in place afterwards.
        strength: α. Adam divides a gradient by its usual size, so what counts is the pull beside the task's own
            gradient: try powers of ten.
    """

    def __init__(self, model: nn.Module, strength: float) -> None:
        self.strength = number("strength", strength, low=0)
        self.old = _snapshot(model)

    def __call__(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        distance = sum((now - old).square().sum() for _, now, old in _shared(model, self.old))
        return forward(model, batch).loss + self.strength / 2 * distance


class EWC:
    """Elastic weight consolidation: stay near the old weights, each as firmly as it mattered.

    ``strength/2 · Σ F_i (θ_i − θ_old,i)²``, with the :func:`fisher` F of the old task (Kirkpatrick et al. 2017, eq. 3).
    New rows of a grown head are free, as in Avalanche's ``EWCPlugin`` (which leaves out the ½).

    Args:
        model: the old model. It may be trained in place afterwards.
        batches: of the old task, labels included. They are needed once, here, and not while training.
        strength: λ. F is a mean of squared gradients, and small for a model that fits: 10² to 10⁶ are common.
        previous: the remedy used for the task before, in a sequence: its F is added ("online EWC", Schwarz et al.
            2018, with γ = 1), its old weights are dropped.
    """

    @renamed.arguments
    def __init__(self, model: nn.Module, batches: DataLoader, strength: float, previous: EWC | None = None) -> None:
        self.strength = number("strength", strength, low=0)
        self.fisher = fisher(model, batches)
        everything = _snapshot(model)
        self.old = {name: everything[name] for name in self.fisher}
        self.frozen = everything.keys() - self.fisher.keys()
        for name, earlier in (previous.fisher if previous else {}).items():
            self.fisher[name][: len(earlier)] += earlier

    def __call__(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        since = [name for name, _ in _trainable(model) if name in self.frozen]
        if since:
            raise ValueError(
                f"{since[0]} was frozen when EWC was built, so nothing tells how it mattered: unfreeze first."
            )
        leaving = sum((self.fisher[name] * (now - old).square()).sum() for name, now, old in _shared(model, self.old))
        return forward(model, batch).loss + self.strength / 2 * leaving


@renamed.arguments
def fisher(model: nn.Module, batches: DataLoader) -> Tensors:
    """How much each weight matters: the mean over the examples of the squared gradient of the example's loss.

    The diagonal of the *empirical* Fisher information: the labels are the data's, not draws from the model's answers
    (Kunstner et al. 2019 on the difference). Squares are taken example by example: the squared gradient of a batch's
    mean would let gradients of opposite sign cancel. One backward pass an example, in float32, in eval mode.

    Returns a tensor in the parameter's shape for every trainable parameter, by name; those of the body by their names
    in it. Raises ``ValueError`` where there are no batches.
    """
    device, was_training = runtime.device(), model.training
    model.to(device).eval()
    parameters = dict(_trainable(model))
    squares = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    examples = 0
    with torch.random.fork_rng():  # iterating draws a number: what follows shall not depend on it
        for batch in batches:
            for row in range(len(next(iter(batch.values())))):
                one = runtime.to_device({name: tensor[row : row + 1] for name, tensor in batch.items()}, device)
                loss = forward(model, one).loss
                gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
                for name, gradient in zip(parameters, gradients, strict=True):
                    if gradient is not None:
                        squares[name] += gradient.square()
                examples += 1
    model.train(was_training)
    if examples == 0:
        raise ValueError("There are no batches, so there is nothing to tell which weights matter.")
    return {name: square / examples for name, square in squares.items()}


def _trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters that learn, by names that are the same in a bare encoder and in a model with a head over it."""
    return ((name, parameter) for name, parameter in _named(model) if parameter.requires_grad)


def _named(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """All parameters; those of the body by their names in it, whatever it stands in or is wrapped in."""
    model = architecture.unwrapped(model)
    try:
        inside = {id(parameter): name for name, parameter in architecture.body(model).named_parameters()}
    except ValueError:  # no pretrained model, or several: then there is no body to be protected alone
        inside = {}
    return ((inside.get(id(parameter), name), parameter) for name, parameter in model.named_parameters())


def _snapshot(model: nn.Module) -> Tensors:
    """All weights, those of frozen parts as well: they may be unfrozen before training or on the way."""
    return {name: p.detach().clone().to(runtime.device()) for name, p in _named(model)}


def _shared(model: nn.Module, old: Tensors) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """Name, present and old value of the parameters that both have; of a grown one only the old rows.

    Raises ``ValueError`` where none is shared or where one was replaced by one of another shape.
    """
    found = False
    for name, parameter in _trainable(model):
        if name in old:
            rows = parameter[: len(old[name])] if parameter.ndim else parameter
            if rows.shape != old[name].shape:
                raise ValueError(
                    f"{name} has shape {tuple(parameter.shape)} and had {tuple(old[name].shape)}: a head may grow by "
                    "rows at its end, but not change otherwise. Build the remedy from the model that you train."
                )
            found = True
            yield name, rows, old[name]
    if not found:
        raise ValueError("The model shares no trainable parameter with the old one, so there is nothing to stay near.")
