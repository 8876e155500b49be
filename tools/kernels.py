"""The two kernels that the book is tested on.

``helpers-cpu`` sees no GPU, ``helpers-gpu`` insists on one. The notebooks themselves ask for ``python3``, so that they
open everywhere; the regression and ``make notebooks`` name one of these instead. They are installed into the running
environment, never into the user's home.

    python -m tools.kernels install
    python -m tools.kernels require-gpu
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ENVIRONMENTS = {
    "helpers-cpu": {"CUDA_VISIBLE_DEVICES": "", "HELPERS_DEVICE": "cpu"},
    "helpers-gpu": {"HELPERS_DEVICE": "cuda"},
}


def install(prefix: Path | None = None) -> list[Path]:
    """Write both kernel specifications under ``prefix``, by default the running environment; return their folders."""
    from ipykernel.kernelspec import get_kernel_dict

    folders = []
    for name, environment in ENVIRONMENTS.items():
        folder = (prefix or Path(sys.prefix)) / "share" / "jupyter" / "kernels" / name
        folder.mkdir(parents=True, exist_ok=True)
        device = environment["HELPERS_DEVICE"].upper().replace("CUDA", "GPU")
        specification = get_kernel_dict() | {"display_name": f"Fine-Tuning BERT ({device})", "env": environment}
        (folder / "kernel.json").write_text(json.dumps(specification, indent=1) + "\n", encoding="utf-8")
        folders.append(folder)
    return folders


def installed(name: str) -> bool:
    """Is there a kernel of this name?"""
    from jupyter_client.kernelspec import KernelSpecManager

    return name in KernelSpecManager().find_kernel_specs()


def missing_gpu() -> str | None:
    """Why the GPU kernel cannot run here, in one line; ``None`` if it can."""
    import torch

    if torch.cuda.is_available():
        return None
    return f"No GPU: PyTorch {torch.__version__} sees no CUDA device here, so the GPU kernel cannot be tested."


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.kernels", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["install", "require-gpu"])
    if parser.parse_args(arguments).command == "install":
        for folder in install():
            print(folder)
        return 0
    reason = missing_gpu()
    if reason:
        print(reason, file=sys.stderr)
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
