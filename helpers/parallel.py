"""How do several processes share one batch?

Under ``accelerate launch`` every process builds the same batches and takes every n-th row of each. What it computes
counts by its share of the labels, and the gradients are added up. So batch size, learning rate and loss mean the same
for any number of processes and of rows, and a loss function of your own needs to know nothing of it. The model is not
wrapped: there is no ``DistributedDataParallel`` between you and its attributes. For models that do not fit one device
(FSDP) use ``Trainer``; see the chapter on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from helpers import runtime
from helpers.batching import IGNORED

if TYPE_CHECKING:
    from accelerate import PartialState

Batch = dict[str, torch.Tensor]


def launched() -> PartialState:
    """The state that ``accelerate launch`` set up, on the device that ``runtime`` chose; one process without it."""
    from accelerate import PartialState
    from accelerate.state import AcceleratorState

    device = runtime.device().type
    state = PartialState(cpu=device == "cpu")
    # A Trainer leaves its choices in accelerate's shared states: bf16=True in one, the device of use_cpu=True in the
    # other. What `runtime` chose must hold here.
    AcceleratorState._reset_state(reset_partial_state=state.device.type != device)
    return PartialState(cpu=device == "cpu")


def labelled(batch: Batch) -> int:
    """How many labels a batch has that count in its mean loss; its rows where the labels are no class ids."""
    labels = batch.get("labels")
    if labels is None or labels.is_floating_point():
        return len(next(iter(batch.values())))
    return int((labels != IGNORED).sum())


def shares(batches: list[Batch], state: PartialState) -> list[tuple[float, Batch]]:
    """This process's rows of each batch, and how much of the whole step's mean loss they are.

    The weights of all batches and all processes add up to one. A share without labels is left out.
    """
    if len(batches) == 1 and state.num_processes == 1:
        return [(1.0, batches[0])]
    whole = sum(labelled(batch) for batch in batches)
    if state.num_processes > 1:
        rows = slice(state.process_index, None, state.num_processes)
        batches = [{name: tensor[rows] for name, tensor in batch.items()} for batch in batches]
    counts = [labelled(batch) if len(next(iter(batch.values()))) else 0 for batch in batches]
    return [(count / whole, batch) for count, batch in zip(counts, batches, strict=True) if count]


def alike(model: torch.nn.Module, state: PartialState) -> None:
    """Give every process the parameters and buffers of the first one."""
    if state.num_processes > 1:
        for tensor in (*model.parameters(), *model.buffers()):
            torch.distributed.broadcast(tensor.detach(), 0)


def add_up(parameters: Iterable[torch.nn.Parameter], loss: torch.Tensor, state: PartialState) -> None:
    """Replace gradients and loss, in place, by their sums over all processes."""
    if state.num_processes == 1:
        return
    parameters = list(parameters)
    has_one = torch.tensor([float(p.grad is not None) for p in parameters], device=loss.device)
    torch.distributed.all_reduce(has_one)
    for parameter, count in zip(parameters, has_one.tolist(), strict=True):
        if count:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            torch.distributed.all_reduce(parameter.grad)
    torch.distributed.all_reduce(loss)


def once(measure: Any, state: PartialState) -> Any:
    """What ``measure()`` returns, computed by the first process alone and handed to all."""
    if state.num_processes == 1:
        return measure()
    from accelerate.utils import broadcast_object_list

    found = [measure() if state.is_main_process else None]
    broadcast_object_list(found)
    return found[0]
