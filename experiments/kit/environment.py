"""On which machine, with which versions? What a reader needs to judge and to repeat a row."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from typing import TYPE_CHECKING, Any

from helpers import runtime

if TYPE_CHECKING:
    from accelerate import PartialState

VERSIONS = ("torch", "transformers", "datasets", "accelerate", "peft")


def environment() -> dict[str, Any]:
    """Device, number of processes and threads, precision, versions, and the command."""
    import torch

    device = runtime.device()
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {platform.machine()}",
        "processes": launched().num_processes,
        "threads": torch.get_num_threads(),
        "precision": runtime.precision(),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
        "command": command(),
    }


def command() -> str:
    """How this program was started, as ``python -m NAME``; empty where it was not started by a name."""
    started = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {started.name.removesuffix('.__main__')}" if started else ""


def launched() -> PartialState:
    """The processes that `accelerate launch` has started; one without it."""
    from accelerate import PartialState

    return PartialState(cpu=runtime.device().type == "cpu")


def peak_memory() -> int | None:
    """Peak memory in MiB: of the device, or of the process since it began, which on a CPU is at most a hint.

    None on Windows without a GPU.
    """
    import torch

    if runtime.device().type == "cuda":
        return round(torch.cuda.max_memory_allocated() / 2**20)
    try:
        import resource
    except ImportError:  # Windows has no such module
        return None
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(size / (2**20 if sys.platform == "darwin" else 2**10))
