"""The same run in one process or in several.

    python -m experiments.scaling
    ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 -m experiments.scaling

Fine-tunes the pocket BERT on `intents` for a few steps, without dropout, whose random numbers would differ between the
processes, and writes the loss of every step to ``book/evidence/scaling.json``, one row a number of processes. They
share each batch, so both runs are the same up to rounding. (``--multi_gpu`` asks for several processes; the variable
puts them on the CPU, where they talk through gloo.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from experiments.kit import command, rows
from experiments.kit.environment import launched
from experiments.kit.training import fit
from helpers import batching, data, models

ROWS = rows.EVIDENCE / "scaling.json"


@dataclass(frozen=True)
class Setting:
    """One run; ``processes`` only names the row."""

    CODE: ClassVar[int] = 1

    examples: int
    batch_size: int
    learning_rate: float
    processes: int
    data: str = "intents"
    encoder: str = "pocket"
    max_length: int = 32


def measure(setting: Setting) -> dict[str, Any]:
    """Losses of one epoch over the first ``examples`` training rows."""
    torch.manual_seed(0)
    split = data.load(setting.data)["train"].shuffle(seed=0).select(range(setting.examples))
    tokenizer = models.tokenizer(setting.encoder)
    model = models.load(
        setting.encoder,
        head="classification",
        labels=data.labels(split),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    encoded = batching.encode(split, tokenizer, setting.max_length)
    loader = batching.batches(encoded, tokenizer, setting.batch_size, shuffle=True)
    history = fit(model, loader, epochs=1, learning_rate=setting.learning_rate)
    return {"losses": [step["loss"] for step in history.steps]}


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__, rows=ROWS)
    parser.add_argument("--examples", type=int, default=128, help="training rows (default 128)")
    parser.add_argument("--batch-size", type=int, default=16, help="of all processes together (default 16)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="RATE", help="default 1e-3")
    options = parser.parse_args(arguments)
    setting = Setting(options.examples, options.batch_size, options.learning_rate, launched().num_processes)
    rows.run(options.output, [setting], measure)


if __name__ == "__main__":
    command.start(main)
