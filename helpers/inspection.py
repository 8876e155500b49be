"""Can this model learn from these batches?

What a GPU answers with a device-side assert that kills the kernel, and a CPU with "index out of range", is found here
before the first step: ids beyond the vocabulary, texts longer than the positions, labels that the head has no output
for, a loader that is none. One look at the rows, one forward pass, no random number drawn.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from helpers import architecture, runtime
from helpers.batching import IGNORED

Batch = dict[str, torch.Tensor]
# The columns of encoded rows whose values are ids of pieces, and of classes.
PIECES, LABELS = "input_ids", "labels"


@contextlib.contextmanager
def same_random_numbers() -> Iterator[None]:
    """What is drawn inside does not count: the generators come out as they went in."""
    device = runtime.device()
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


def batches(name: str, loader: Any) -> None:
    """Raise ``ValueError`` unless ``loader`` gives batches, and at least one."""
    way_out = "batching.batches(encoded, tokenizer)"
    if hasattr(loader, "column_names") or isinstance(loader, (str, dict, torch.Tensor)):
        raise ValueError(f"{name} must be batches, got {type(loader).__name__}. Make them: {way_out}.")
    if not hasattr(loader, "__iter__") or not hasattr(loader, "__len__"):
        raise ValueError(f"{name} must be batches that can be counted and repeated: {way_out}.")
    if len(loader) == 0:
        raise ValueError("The training loader has no batches." if name == "train" else f"{name} has no batches.")


def first_batch(loader: Any) -> Batch:
    """The first batch of a loader, by a copy of its collator: a masking one goes on as if nothing had been asked."""
    if not isinstance(loader, DataLoader) or loader.batch_sampler is None:
        return next(iter(loader))
    rows = next(iter(loader.batch_sampler))
    single = DataLoader(loader.dataset, batch_sampler=[list(rows)], collate_fn=copy.deepcopy(loader.collate_fn))
    return next(iter(single))


def weights(model: nn.Module) -> None:
    """Raise ``ValueError`` for weights that no training may use: float16, or made inside inference mode."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.dtype == torch.float16:
            raise ValueError(
                f"{name} is float16: AdamW on such weights gives NaN within a few steps. Load the model with "
                "dtype=torch.float32 (models.load does), or convert it: model.float()."
            )
        if parameter.requires_grad and parameter.is_inference():
            raise ValueError(
                f"{name} was made or moved inside torch.inference_mode(), so it cannot be trained. Load the model "
                "again, and move it to its device before inference mode begins."
            )


def run(model: nn.Module, loader: Any, own_loss: bool) -> None:
    """Look at the rows of ``loader``, and at the model's answer to its first batch.

    Args:
        own_loss: the loss is a function of the reader's; then the labels are its business.

    Raises ``ValueError`` that names what does not fit.
    """
    with same_random_numbers():
        batch = first_batch(loader)
    if not isinstance(batch, dict) and not hasattr(batch, "items"):
        raise ValueError(f"A batch must be a dictionary of tensors, got {type(batch).__name__}.")
    _pieces(model, loader, batch)
    if own_loss or "labels" not in batch:
        return
    was_training = model.training
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    inputs = runtime.to_device(inputs, runtime.device())
    with same_random_numbers(), torch.no_grad(), runtime.autocast():
        try:
            output = model.eval()(**inputs)
        except (TypeError, RuntimeError):  # a model that insists on labels, or cannot: the first step will say
            return
        finally:
            model.train(was_training)
    logits = getattr(output, "logits", None)
    if logits is not None:
        labels(model, logits.shape, batch["labels"], loader)


def labels(model: nn.Module, shape: torch.Size, first: torch.Tensor, loader: Any) -> None:
    """Raise ``ValueError`` where the labels do not fit logits of this shape, under the model's problem type."""
    config = getattr(model, "config", None)
    kind, outputs, floating = getattr(config, "problem_type", None), shape[-1], first.is_floating_point()
    if kind == "regression" or (kind is None and outputs == 1):
        _finite(loader, first)
        return
    several = kind is None and floating and first.ndim == len(shape)
    if kind == "multi_label_classification" or several:
        if first.shape != shape:
            raise ValueError(
                f"The model has {outputs} outputs for several labels a text, so labels must be 0 or 1 for each: shape "
                f"{tuple(shape)}, got {tuple(first.shape)}."
            )
        return
    if first.ndim == len(shape) and (kind == "single_label_classification" or not floating):
        raise ValueError(
            f"The labels are lists of {first.shape[-1]} numbers for each text, and the model chooses one class. Give "
            "one class id for each, or load the head 'multi-label' (with labels as floats)."
        )
    if floating and first.ndim < len(shape):
        raise ValueError(
            f"The labels are floats ({first.flatten()[0].item():g}), and the model chooses among {outputs} classes. "
            "Give class ids as integers, or load the head 'regression' (one number) or 'multi-label' (0 or 1 for each)."
        )
    if floating or first.ndim >= len(shape):
        return  # a multi-label batch whose model decides by itself; heads.loss and transformers compare the shapes
    column = values_of(loader, LABELS)
    values = first.flatten() if column is None else column
    wrong = (values != IGNORED) & ((values < 0) | (values >= outputs))
    if wrong.any():
        found = values[wrong][0].item()
        hint = (
            " Are they counted from 1? Subtract 1." if found == outputs and values[values != IGNORED].min() > 0 else ""
        )
        raise ValueError(
            f"Label {found} is out of bounds: the model has {outputs} outputs, so labels are 0 … {outputs - 1}, or "
            f"{IGNORED} for none.{hint} {_place(wrong, column, loader)}"
        )


def _pieces(model: nn.Module, loader: Any, batch: Batch) -> None:
    """Compare ids and lengths with the tables of the encoder, where there is one."""
    try:
        body = architecture.body(model)
        table = body.get_input_embeddings().weight.shape[0]
    except (ValueError, AttributeError, NotImplementedError):
        return
    column = values_of(loader, PIECES)
    ids = batch.get(PIECES) if column is None else column
    if ids is None or ids.numel() == 0 or ids.is_floating_point():
        return
    if int(ids.max()) >= table:
        raise ValueError(
            f"Piece {int(ids.max())} is not among the {table} of the model's vocabulary. Was the text encoded with "
            "another model's tokenizer, or were tokens added? Then: model.resize_token_embeddings(len(tokenizer))."
        )
    holds = architecture.max_positions(body.config)
    width = batch[PIECES].shape[-1] if PIECES in batch else 0
    longest = max([width, *_lengths(loader)])
    if holds is not None and longest > holds:
        raise ValueError(
            f"The longest text has {longest} pieces, and the model holds {holds}. Encode again with max_length={holds} "
            "or less."
        )


def values_of(loader: Any, name: str) -> torch.Tensor | None:
    """All values of a column of the loader's rows, flattened; ``None`` where they cannot be had at once."""
    values = _arrow(loader, name)
    if values is None:
        return None
    while "list" in str(values.type):
        values = values.flatten()
    return torch.from_numpy(values.to_numpy(zero_copy_only=False).copy())


def _lengths(loader: Any) -> list[int]:
    """The length of the longest list of pieces; empty where it cannot be had at once."""
    values = _arrow(loader, PIECES)
    if values is None:
        return []
    while "list" in str(values.type.value_type):
        values = values.flatten()
    return [int(values.value_lengths().to_numpy(zero_copy_only=False).max())]


def _arrow(loader: Any, name: str) -> Any:
    """A column of the loader's rows as Arrow holds it; ``None`` where they are no data set, or have no such column."""
    rows = getattr(loader, "dataset", None)
    if rows is None or name not in (getattr(rows, "column_names", None) or ()):
        return None
    return rows.select_columns([name]).with_format("arrow")[:][name].combine_chunks()


def _finite(loader: Any, first: torch.Tensor) -> None:
    column = values_of(loader, LABELS)
    values = (first.flatten() if column is None else column).float()
    if not values.isfinite().all():
        bad = ~values.isfinite()
        raise ValueError(
            f"A label is {values[bad][0].item()}: a regression needs finite numbers. {_place(bad, column, loader)}"
        )


def _place(wrong: torch.Tensor, column: torch.Tensor | None, loader: Any) -> str:
    """Where the first wrong label is: its row, where every row has one label."""
    if column is None:
        return "(In the first batch.)"
    first = f"first in row {int(wrong.nonzero()[0])}, " if len(column) == len(loader.dataset) else ""
    return f"({first}{int(wrong.sum())} in all.)"
