"""The loop.

``fit`` is an ordinary PyTorch training loop with what every run of the book wants: mixed precision where the hardware
has it, fused AdamW, warmup and decay, clipping, frozen modules kept in eval mode, a progress bar on stderr, and a
record of every step. It accumulates, stops early, resumes, and shares its batches among the processes of ``accelerate
launch``. Nothing in it is specific to BERT.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from helpers import checkpoints, evaluation, freezing, inspection, optimizers, parallel, renamed, runtime
from helpers.errors import number
from helpers.history import NOTHING_YET, RECORDED, History, better, read
from helpers.history import Diverged as Diverged

if TYPE_CHECKING:
    from transformers.utils import ModelOutput

    from helpers.metrics import Metrics

Batch = dict[str, torch.Tensor]
LEARNING_RATE, WEIGHT_DECAY = 2e-4, 0.01
# A GPU works ahead of Python, and reading a number makes it wait: so losses are read once in so many steps there.
STEPS_A_READING = 20


@renamed.arguments
def fit(
    model: nn.Module,
    train: DataLoader,
    *,
    epochs: int = 3,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    schedule: str = "linear",
    warmup_ratio: float | None = None,
    max_grad_norm: float = 1.0,
    accumulate: int = 1,
    optimizer: torch.optim.Optimizer | None = None,
    validation: DataLoader | None = None,
    metrics: Metrics | None = None,
    patience: int | None = None,
    watch: str | None = None,
    folder: str | Path | None = None,
    loss: Callable[[nn.Module, Batch], torch.Tensor] | None = None,
) -> History:
    """Train ``model`` in place on the batches of ``train`` and return what happened.

    Args:
        train: batches with ``labels``, from ``batching.batches(..., shuffle=True)``.
        learning_rate: the highest rate of the schedule, by default 2e-4, which suits MiniLM; BERT-base wants about
            2e-5.
        weight_decay: by default 0.01; see ``optimizers.parameter_groups`` for what is decayed.
        schedule, warmup_ratio: see ``optimizers.schedule``; the ratio is a share of the steps, by default 0.1.
        max_grad_norm: gradients whose joint norm is larger are scaled down to it; ``math.inf`` switches this off.
        accumulate: batches a step. Their gradients are those of one batch of all their rows.
        optimizer: instead of AdamW over ``optimizers.parameter_groups(model)``; brings its own rate and decay.
        validation, metrics: measure on these batches after every epoch, with ``evaluation.evaluate``.
        patience: stop after so many epochs without a better score, and come back with the weights of the best one.
        watch: the metric that is the score, more being better; with a minus, as in ``"-mae"``, less is.
        folder: keep a checkpoint of each epoch there, and go on from it when it is there; bit for bit, but for a loss
            that has batches of its own.
        loss: computes the mean loss of a batch; by default the model's own, ``model(**batch).loss``.

    Under ``accelerate launch`` the processes share each batch (see ``parallel``), so a run means the same for any
    number of them. In float16 the loss is scaled, and steps whose gradient overflows are skipped while the scale is
    found.

    Ctrl-C ends the run early and keeps what was learned and recorded. The model comes back in eval mode, on
    ``runtime.device()``. Measuring draws no random number: training is the same with and without ``validation``.

    Raises ``ValueError`` for an argument out of range or in contradiction to another, an empty loader, nothing to
    train, a batch without labels or with labels that the model has no output for; ``Diverged`` when loss or gradient
    becomes NaN or infinite, with the step and the learning rate, before that step changes a weight (on a GPU up to
    ``STEPS_A_READING`` steps later). Any error on the way carries the record so far as its ``history``.
    """
    _check_arguments(locals())
    inspection.batches("train", train)
    inspection.weights(model)
    optimizer = optimizer or optimizers.adamw(
        optimizers.parameter_groups(model, WEIGHT_DECAY if weight_decay is None else weight_decay),
        LEARNING_RATE if learning_rate is None else learning_rate,
    )
    held = _held(optimizer, model)
    state, device = parallel.launched(), runtime.device()
    model.to(device)
    parallel.alike(model, state)
    inspection.run(model, train, own_loss=loss is not None)
    if validation is not None:
        inspection.batches("validation", validation)
        _try_metrics(model, validation, metrics)

    steps = -(-len(train) // accumulate)
    scheduler = optimizers.schedule(schedule, optimizer, epochs * steps, warmup_ratio)
    scaler, half = _scaler(device), runtime.precision() == "fp16"
    history, best = History(), copy.copy(NOTHING_YET)
    pieces = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "scaler": scaler}
    kept = None
    if folder is not None:
        told = (epochs, len(train), accumulate, schedule, warmup_ratio, max_grad_norm, patience, watch)
        run = checkpoints.described(model, optimizer, train, *told)
        kept = checkpoints.resume(Path(folder), run, device, **pieces)
    if kept is not None:
        history, best = History(**kept["history"]), kept["best"]
        _set_masks(train, kept["masks"])
    done = len(history.epochs)
    bar = tqdm(total=(epochs - done) * steps, unit="step", file=sys.stderr, leave=False, delay=2)
    bar.disable = bar.disable or not state.is_main_process
    try:
        for epoch in range(done + 1, epochs + 1):
            if patience is not None and epoch - 1 - best["epoch"] >= patience:
                break
            if hasattr(getattr(train, "batch_sampler", None), "set_epoch"):
                train.batch_sampler.set_epoch(epoch - 1)
            model.train()
            freezing.eval_frozen(model)
            began, first, unread = time.perf_counter(), len(history.steps), []
            for group in _groups(train, accumulate):
                value = torch.zeros((), device=device)
                for weight, share in parallel.shares(group, state):
                    batch = runtime.to_device(share, device)
                    with runtime.autocast():
                        part = loss(model, batch) if loss else forward(model, batch).loss
                    part = part if weight == 1 else weight * part
                    scaler.scale(part).backward()
                    value += part.detach()
                parallel.add_up(held, value, state)
                scaler.unscale_(optimizer)
                norm = nn.utils.clip_grad_norm_(held, max_grad_norm)
                history.steps.append(
                    {
                        "step": len(history.steps) + 1,
                        "epoch": epoch,
                        "loss": value,
                        "learning_rate": scheduler.get_last_lr()[0],
                        "grad_norm": norm,
                    }
                )
                unread.append(history.steps[-1])
                if device.type == "cpu" or len(unread) == STEPS_A_READING:
                    read(unread, history, scaler, half)
                scaler.step(optimizer)
                scaler.update()
                scheduler.step()
                model.zero_grad()
                optimizer.zero_grad()
                if not unread:
                    bar.set_postfix_str(f"loss {history.steps[-1]['loss']:.3f}", refresh=False)
                bar.update()
            read(unread, history, scaler, half)
            losses = [step["loss"] for step in history.steps[first:]]
            summary = {"epoch": epoch, "loss": sum(losses) / len(losses), "seconds": time.perf_counter() - began}
            history.epochs.append(summary)
            if validation is not None:
                with inspection.same_random_numbers():
                    summary |= parallel.once(lambda: evaluation.evaluate(model, validation, metrics), state)
            if patience is not None:
                best = better(best, summary, watch, model)
                history.best_epoch = best["epoch"]
            if folder is not None and state.is_main_process:
                progress = {"history": vars(history), "best": best, "masks": _masks(train)}
                checkpoints.save(Path(folder), run, **pieces, **progress)
    except KeyboardInterrupt:
        history.interrupted = True
        print(f"Interrupted after {len(history.steps)} steps; the model keeps what it has learned so far.")
    except Exception as error:
        error.history = history  # type: ignore[attr-defined]
        raise
    finally:
        for step in history.steps[-STEPS_A_READING:]:  # what Ctrl-C left unread
            step |= {"loss": float(step["loss"]), "grad_norm": float(step["grad_norm"])}
        bar.close()
        model.eval()
    if best["weights"] is not None:
        model.load_state_dict(best["weights"])
    return history


def forward(model: nn.Module, batch: Batch) -> ModelOutput:
    """The model's output with its own loss; ``ValueError`` where it computes none."""
    output = model(**batch)
    if getattr(output, "loss", None) is None:
        raise ValueError(
            f"The model returned no loss for a batch with {', '.join(batch)}. Does the batch have labels, "
            "and the model a head?"
        )
    return output


def _groups(train: DataLoader, size: int) -> Iterator[list[Batch]]:
    """The batches of an epoch, ``size`` at a time."""
    group: list[Batch] = []
    for batch in train:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _scaler(device: torch.device) -> torch.amp.GradScaler:
    """Scales the loss in float16. On a GPU it also skips a step whose gradient is no number before Python sees it."""
    if runtime.precision() == "fp16":
        return torch.amp.GradScaler(device.type)
    return torch.amp.GradScaler(device.type, init_scale=1.0, growth_interval=2**31 - 1, enabled=device.type == "cuda")


def _masks(train: DataLoader) -> torch.Tensor | None:
    """Where the generator of a masking collator stands; it moves on with every batch."""
    generator = getattr(getattr(train, "collate_fn", None), "generator", None)
    return None if generator is None else generator.get_state()


def _set_masks(train: DataLoader, state: torch.Tensor | None) -> None:
    if state is not None:
        train.collate_fn.generator.set_state(state)


def _try_metrics(model: nn.Module, validation: DataLoader, metrics: Metrics | None) -> None:
    """Measure one batch before the first epoch, so that a wrong validation set or metric costs nothing."""
    with inspection.same_random_numbers():
        try:
            found = evaluation.evaluate(model, [inspection.first_batch(validation)], metrics)
        except ValueError:
            # One batch may lack a class that the metric needs. If the whole set fails as well, it is the set.
            found = evaluation.evaluate(model, validation, metrics)
        except KeyboardInterrupt:
            return  # a metric that ends the run does so after the epoch, when there is something to keep
    if not isinstance(found, dict) or set(found) & set(RECORDED):
        raise ValueError(
            f"metrics must return a dictionary of numbers with names other than {', '.join(RECORDED)}, which the "
            f"record has already; got {found!r}."
        )


def _check_arguments(given: dict[str, Any]) -> None:
    """Ranges, and what contradicts what."""
    number("epochs", given["epochs"], low=1, whole=True)
    number("accumulate", given["accumulate"], low=1, whole=True, hint="batches a step")
    number("max_grad_norm", given["max_grad_norm"], above=0, finite=False, hint="math.inf switches it off")
    if given["learning_rate"] is not None:
        number("learning_rate", given["learning_rate"], above=0)
    if given["weight_decay"] is not None:
        number("weight_decay", given["weight_decay"], low=0)
    for name in ("learning_rate", "weight_decay"):
        if given[name] is not None and given["optimizer"] is not None:
            raise ValueError(f"{name}={given[name]} beside an optimizer, which has its own. Give one of the two.")
    if given["warmup_ratio"] and given["schedule"] == "constant":
        raise ValueError(
            f"The schedule 'constant' has no warmup, and warmup_ratio={given['warmup_ratio']} would do nothing. Take "
            "schedule='constant_with_warmup', or leave warmup_ratio out."
        )
    if given["metrics"] is not None and given["validation"] is None:
        raise ValueError("metrics without validation: on which batches are they to be measured? Give validation=…")
    if given["patience"] is not None:
        number("patience", given["patience"], low=1, whole=True, hint="epochs without a better score")
        if given["validation"] is None:
            raise ValueError("patience without validation: which score should get better? Give validation=…")
    elif given["watch"] is not None:
        raise ValueError("watch without patience: nothing is stopped by it. Give patience=…")


def _held(optimizer: torch.optim.Optimizer, model: nn.Module) -> list[nn.Parameter]:
    """The trainable parameters that the optimizer moves, in the model's order; ``ValueError`` where it is stale."""
    held = {id(p): p for group in optimizer.param_groups for p in group["params"] if p.requires_grad}
    trainable = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    left = [name for key, name in trainable.items() if key not in held]
    if left or not trainable:
        raise ValueError(
            f"The optimizer holds {'not all' if len(left) < len(trainable) else 'none'} of the model's trainable "
            f"parameters{f' (not {left[0]})' if left else ''}. Was it built before a part of the model was replaced or "
            "unfrozen? Build it again. What should not learn, freeze: freezing.freeze(model, …)."
        )
    own = [held.pop(key) for key in trainable]
    return own + list(held.values())
