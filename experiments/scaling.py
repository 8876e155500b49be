"""The same run in one process or in several.

    python -m experiments.scaling
    ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 -m experiments.scaling

Fine-tunes the pocket BERT on `intents` for a few steps, without dropout, whose random numbers would differ between the
processes, and writes the loss of every step to ``book/evidence/scaling.json``, one row a number of processes. They
share each batch, so both runs are the same up to rounding. (``--multi_gpu`` asks for several processes; the variable
puts them on the CPU, where they talk through gloo.)
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from experiments import runner
from helpers import batching, data, models, training


def measure(examples: int, batch_size: int, learning_rate: float, processes: int) -> dict[str, Any]:
    """Losses of one epoch over the first ``examples`` training rows; ``processes`` only names the row."""
    torch.manual_seed(0)
    split = data.load("intents")["train"].shuffle(seed=0).select(range(examples))
    tokenizer = models.tokenizer("pocket")
    model = models.load(
        "pocket",
        head="classification",
        labels=data.labels(split),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    loader = batching.loader(batching.encode(split, tokenizer, 32), tokenizer, batch_size, shuffle=True)
    history = training.fit(model, loader, epochs=1, learning_rate=learning_rate)
    return {"losses": [step["loss"] for step in history.steps]}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=int, default=128, help="training rows (default 128)")
    parser.add_argument("--batch-size", type=int, default=16, help="of all processes together (default 16)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="RATE", help="default 1e-3")
    parser.add_argument("--output", type=Path, default=runner.EVIDENCE / "scaling.json")
    options = vars(parser.parse_args(arguments))
    output = options.pop("output")
    runner.run(output, [options | {"processes": runner.processes()}], measure)


if __name__ == "__main__":
    main()
