"""The loop.

``fit`` is an ordinary PyTorch training loop, on accelerate, with what every run of the book wants: mixed precision
where the hardware has it, fused AdamW, warmup and decay, clipping, frozen modules kept in eval mode, a progress bar on
stderr, and a record of every step. Nothing in it is specific to BERT.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from helpers import evaluation, freezing, optimizers, runtime

if TYPE_CHECKING:
    import pandas as pd
    from transformers.utils import ModelOutput


@dataclass
class History:
    """What happened in a run: one entry a step, one a finished epoch.

    ``steps`` has ``step``, ``epoch``, ``loss`` (mean over the batch), ``learning_rate`` and ``grad_norm`` (before
    clipping); ``epochs`` has ``epoch``, ``loss`` (mean over its steps), ``seconds`` of training, and the validation
    metrics. ``interrupted`` tells a run that Ctrl-C ended early.
    """

    steps: list[dict] = field(default_factory=list)
    epochs: list[dict] = field(default_factory=list)
    interrupted: bool = False

    @property
    def seconds(self) -> float:
        """Seconds of training, measuring on the validation set not counted."""
        return sum(epoch["seconds"] for epoch in self.epochs)

    def to_frame(self) -> pd.DataFrame:
        """The epochs as a table, one row each."""
        import pandas as pd

        return pd.DataFrame(self.epochs).set_index("epoch")


class Diverged(RuntimeError):  # noqa: N818  (says what happened, not what went wrong in the code)
    """The loss is no number any more. Carries the ``history`` so far."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


def fit(
    model: nn.Module,
    train: DataLoader,
    *,
    epochs: int = 3,
    learning_rate: float = 2e-4,
    weight_decay: float = 0.01,
    schedule: str = "linear",
    warmup: float = 0.1,
    max_grad_norm: float = 1.0,
    optimizer: torch.optim.Optimizer | None = None,
    validation: DataLoader | None = None,
    metrics: evaluation.Metrics | None = None,
    loss: Callable[[nn.Module, dict[str, torch.Tensor]], torch.Tensor] | None = None,
) -> History:
    """Train ``model`` in place on the batches of ``train`` and return what happened.

    Args:
        train: batches with ``labels``, from ``batching.loader(..., shuffle=True)``.
        learning_rate: the highest rate of the schedule. 2e-4 suits the default MiniLM; BERT-base wants about 2e-5.
        schedule, warmup: see ``optimizers.schedule``.
        max_grad_norm: gradients whose joint norm is larger are scaled down to it; ``math.inf`` switches this off.
        optimizer: instead of AdamW over ``optimizers.parameter_groups(model)``.
        validation, metrics: measure on these batches after every epoch, with ``evaluation.evaluate``.
        loss: computes the loss of a batch; by default the model's own, ``model(**batch).loss``.

    Under ``accelerate launch`` the processes share each batch, so batch size and learning rate mean the same for any
    number of them; the recorded loss is the mean over the whole batch.

    Ctrl-C ends the run early and keeps what was learned and recorded. The model comes back in eval mode, on
    ``runtime.device()``.

    Raises ``ValueError`` for an empty loader, nothing to train, or a batch without labels; ``Diverged`` when the loss
    becomes NaN or infinite, with the step and the learning rate.
    """
    from accelerate import Accelerator, DataLoaderConfiguration, PartialState
    from accelerate.state import AcceleratorState

    if len(train) == 0:
        raise ValueError("The training loader has no batches.")
    device = runtime.device().type
    on_cpu = device == "cpu"
    state = PartialState(cpu=on_cpu)
    # Several processes share each batch, so that a run means the same however many there are. One of them reads and
    # deals out: accelerate's other way skips a batch that is smaller than the others and not the last.
    several = state.num_processes > 1
    sharing = DataLoaderConfiguration(split_batches=several, dispatch_batches=several)
    # A Trainer leaves its choices in accelerate's shared states: bf16=True in one, the device of use_cpu=True in the
    # other. What `runtime` chose must hold here.
    AcceleratorState._reset_state(reset_partial_state=state.device.type != device)
    accelerator = Accelerator(cpu=on_cpu, dataloader_config=sharing)
    optimizer = optimizer or optimizers.adamw(optimizers.parameter_groups(model, weight_decay), learning_rate)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    _check_optimizer(optimizer, model)
    wrapped, optimizer, batches = accelerator.prepare(model, optimizer, train)
    scheduler = optimizers.schedule(schedule, optimizer.optimizer, epochs * len(batches), warmup)
    history = History()
    quiet = not accelerator.is_main_process
    bar = tqdm(total=epochs * len(batches), unit="step", file=sys.stderr, leave=False, delay=2, disable=quiet)
    try:
        for epoch in range(1, epochs + 1):
            if hasattr(train.batch_sampler, "set_epoch"):
                train.batch_sampler.set_epoch(epoch - 1)
            model.train()
            freezing.eval_frozen(model)
            began, first = time.perf_counter(), len(history.steps)
            for batch in batches:
                with runtime.autocast():
                    value = loss(wrapped, batch) if loss else forward(wrapped, batch).loss
                accelerator.backward(value)
                norm = accelerator.clip_grad_norm_(trainable, max_grad_norm)
                record = {
                    "step": len(history.steps) + 1,
                    "epoch": epoch,
                    "loss": accelerator.gather(value.detach()).mean().item(),
                    "learning_rate": scheduler.get_last_lr()[0],
                    "grad_norm": float(norm),
                }
                history.steps.append(record)
                if not math.isfinite(record["loss"]):
                    raise Diverged(_diverged(record), history)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
                bar.set_postfix_str(f"loss {record['loss']:.3f}", refresh=False)
                bar.update()
            losses = [step["loss"] for step in history.steps[first:]]
            summary = {
                "epoch": epoch,
                "loss": sum(losses) / len(losses),
                "seconds": time.perf_counter() - began,
            }
            if validation is not None:
                summary |= evaluation.evaluate(model, validation, metrics or evaluation.accuracy)
            history.epochs.append(summary)
    except KeyboardInterrupt:
        history.interrupted = True
        print(f"Interrupted after {len(history.steps)} steps; the model keeps what it has learned so far.")
    finally:
        bar.close()
        model.eval()
    return history


def forward(model: nn.Module, batch: dict[str, torch.Tensor]) -> ModelOutput:
    """The model's output with its own loss; ``ValueError`` where it computes none."""
    output = model(**batch)
    if output.loss is None:
        raise ValueError(
            f"The model returned no loss for a batch with {', '.join(batch)}. Does the batch have labels, "
            "and the model a head?"
        )
    return output


def _check_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    own = {id(parameter) for parameter in model.parameters()}
    trainable = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    # An optimizer may leave parts of the model alone, and may hold parameters of a loss. It holds some that the model
    # lacks *and* lacks some that the model trains only where a part was replaced behind its back.
    stale = bool(held - own) and bool(trainable - held)
    if stale or not held & trainable:
        raise ValueError(
            f"The optimizer holds {'not all' if held & trainable else 'none'} of the model's trainable parameters. "
            "Was it built before a part of the model was replaced or unfrozen? Build it again."
        )


def _diverged(record: dict) -> str:
    return (
        f"The loss is {record['loss']} at step {record['step']} (epoch {record['epoch']}), at a learning rate of "
        f"{record['learning_rate']:.2g} and a gradient norm of {record['grad_norm']:.3g}. Try a tenth of the rate or "
        "more warmup; look for labels out of range and for weights in float16."
    )
