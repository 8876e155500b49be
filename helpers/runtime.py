"""Where does the code run?

One place decides on the device, the number format and the seed, so that no chapter has to. ``start`` is the first
call of every notebook; the other functions serve the rooms below. Two environment variables override the choice,
which is how the regression runs one notebook on a CPU and on a GPU kernel:

- ``HELPERS_DEVICE``: ``cpu``, ``cuda`` or ``mps``
- ``HELPERS_PRECISION``: ``fp32``, ``bf16`` or ``fp16``
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

DEVICES = ("cpu", "cuda", "mps")
PRECISIONS = ("fp32", "bf16", "fp16")
REPORTED = ("torch", "transformers", "datasets", "accelerate")


@dataclass(frozen=True)
class Runtime:
    """What ``start`` chose. Printing it gives the line that heads every notebook."""

    device: torch.device
    precision: str
    threads: int
    seed: int

    def __str__(self) -> str:
        versions = " · ".join(f"{name} {importlib.metadata.version(name)}" for name in REPORTED)
        return (
            f"device {self.device.type} · {self.precision} · {self.threads} threads · seed {self.seed}\n"
            f"Python {platform.python_version()} · {versions}"
        )


def start(seed: int = 0) -> Runtime:
    """Seed every random generator, quieten the libraries and say where the code runs.

    Call it once, at the top of a notebook, before any model is built: a head that was created before the seed was
    set is a different head in every run.
    """
    import datasets
    import torch
    import transformers

    transformers.set_seed(seed)
    # Warnings about what the chapters explain anyway would drown the output that matters.
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    runtime = Runtime(device(), precision(), torch.get_num_threads(), seed)
    print(runtime)
    return runtime


def device() -> torch.device:
    """The device that models and batches go to: a CUDA GPU if there is one, else the CPU.

    Raises ``ValueError`` for an unknown ``HELPERS_DEVICE`` and ``RuntimeError`` for one that is not there.
    """
    import torch

    wanted = _choice("HELPERS_DEVICE", DEVICES)
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted and not there[wanted]:
        raise RuntimeError(
            f"HELPERS_DEVICE={wanted}, but PyTorch {torch.__version__} sees no such device here. "
            "Unset HELPERS_DEVICE, or install a PyTorch build for your accelerator."
        )
    return torch.device(wanted or ("cuda" if there["cuda"] else "cpu"))


def to_device(batch: Mapping[str, Any], place: torch.device) -> dict[str, Any]:
    """A batch with its tensors on the device; from pinned memory, without waiting for the copy."""
    from accelerate.utils import send_to_device

    return send_to_device(dict(batch), place, non_blocking=True)


def precision() -> str:
    """The format of the matrix products: ``"bf16"`` where the device multiplies bfloat16 in hardware, ``"fp16"`` on a
    GPU that is too old for it (T4, V100), else ``"fp32"``.

    bfloat16 keeps float32's range with 8 bits of precision. float16 has 11 bits and a small range, so ``training.fit``
    scales the loss. Weights and optimizer stay in float32; only the products inside :func:`autocast` use the format. A
    CPU without the instructions emulates them and is slower than in fp32.
    """
    chosen = _choice("HELPERS_PRECISION", PRECISIONS)
    if chosen:
        return chosen
    place = device()
    if _has_bf16(place):
        return "bf16"
    return "fp16" if place.type == "cuda" else "fp32"


def autocast() -> AbstractContextManager:
    """Context in which matrix products run in :func:`precision`."""
    import torch

    chosen = precision()
    dtype = torch.float16 if chosen == "fp16" else torch.bfloat16
    return torch.autocast(device().type, dtype, enabled=chosen != "fp32")


def _has_bf16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    try:
        if platform.machine().lower() in ("arm64", "aarch64"):
            return torch.ops.mkldnn._is_mkldnn_bf16_supported()
        # oneDNN runs the products; its own limit and ATen's both tell how old a CPU we pretend to have.
        limited = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
        return (
            torch.cpu._is_avx512_bf16_supported()
            and torch.backends.cpu.get_cpu_capability() == "AVX512"
            and (limited in ("ALL", "DEFAULT") or "AMX" in limited or "BF16" in limited)
        )
    except (AttributeError, RuntimeError):
        # PyTorch has no public question for this, and some builds lack the private ones: macOS wheels have no oneDNN.
        return False


def _choice(variable: str, known: tuple[str, ...]) -> str | None:
    value = os.environ.get(variable, "").strip().lower()
    if value and value not in known:
        raise ValueError(f"{variable}={value!r} is unknown. Known: {', '.join(known)}.")
    return value or None
