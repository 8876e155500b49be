"""How does a run go on where it was stopped?

A run has more pieces than its weights: optimizer, schedule, random numbers, what was recorded. ``save`` writes all of
them into one file at the end of an epoch, whole or not at all, and ``resume`` puts them back, so that the run ends bit
for bit where it would have ended. The chapter on saving does it by hand.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers.inspection import first_batch, values_of

FILE = "run.pt"


def save(folder: Path, run: str, **pieces: Any) -> None:
    """Write the pieces of a run; those with a ``state_dict`` by it, others as they are.

    Args:
        run: the run's settings in words; :func:`resume` refuses another run's file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    states = {name: piece.state_dict() if hasattr(piece, "state_dict") else piece for name, piece in pieces.items()}
    kept = {"run": run, "random": _random(), **states}
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            torch.save(kept, file)
        temporary.replace(folder / FILE)
    except BaseException:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise


def described(model: nn.Module, optimizer: torch.optim.Optimizer, train: Any, *settings: object) -> str:
    """A run in words: what is trained, how, on which rows and in which order. A checkpoint belongs to one run."""
    trained = [(name, tuple(p.shape)) for name, p in model.named_parameters() if p.requires_grad]
    how = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    sampler = getattr(train, "batch_sampler", None)
    order = (type(sampler).__name__, getattr(sampler, "seed", None), getattr(sampler, "batch_size", None))
    told = repr((trained, type(optimizer).__name__, how, order, rows_digest(train)))
    return f"{' · '.join(map(str, settings))} · {hashlib.sha256(told.encode()).hexdigest()[:16]}"


def rows_digest(train: Any) -> str:
    """What the rows are: a checksum of their pieces and labels, or of the first batch where they are no data set."""
    digest = hashlib.sha256()
    for name in ("input_ids", "labels"):
        values = values_of(train, name)
        digest.update(b"" if values is None else values.numpy().tobytes())
    if getattr(train, "dataset", None) is None or values_of(train, "input_ids") is None:
        for tensor in first_batch(train).values():
            digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def resume(folder: Path, run: str, device: torch.device, **pieces: Any) -> dict[str, Any] | None:
    """Fill the pieces that have a ``state_dict`` and the random generators; return the rest, ``None`` without a file.

    Raises ``ValueError`` for the file of another run.
    """
    file = folder / FILE
    if not file.exists():
        return None
    kept = torch.load(file, map_location="cpu", weights_only=True)
    if kept["run"] != run:
        raise ValueError(
            f"{file} belongs to another run:\n  there: {kept['run']}\n  here:  {run}\n"
            "Choose another folder=, or remove the file."
        )
    for name, piece in pieces.items():
        piece.load_state_dict(kept.pop(name))
    _restore(kept.pop("random"), device)
    return kept


def _random() -> dict[str, Any]:
    """The states of all generators that a run may draw from."""
    version, state, gauss = random.getstate()
    kind, keys, place, has_gauss, cached = np.random.get_state()
    states: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "python": (version, list(state), gauss),
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), place, has_gauss, cached),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def _restore(states: dict[str, Any], device: torch.device) -> None:
    torch.set_rng_state(states["torch"])
    version, state, gauss = states["python"]
    random.setstate((version, tuple(state), gauss))
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state_all(states["cuda"])
