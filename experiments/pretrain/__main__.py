"""``python -m experiments.pretrain``: run the recipe with the options of the command line."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import helpers
from experiments import pretrain
from experiments.kit import command, rows
from experiments.kit.environment import command as started_by
from experiments.pretrain import card
from experiments.pretrain.loop import pretrain as train
from experiments.pretrain.recipe import Recipe
from helpers import data, runtime

ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status, 130 for an interrupted run."""
    parser = command.parser(pretrain.__doc__)
    for option in fields(Recipe):
        parser.add_argument(
            f"--{option.name.replace('_', '-')}", type=type(option.default), default=option.default, metavar="N",
            help=f"default {option.default}",
        )  # fmt: skip
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache" / "pretrain", help="checkpoints of the run")
    parser.add_argument("--output", type=Path, default=ROOT / "helpers" / "pocket", help="model, tokenizer and card")
    parser.add_argument("--evidence", type=Path, default=rows.EVIDENCE / "pretrain.json")
    parser.add_argument("--checkpoint-every", type=int, default=100, metavar="STEPS")
    parser.add_argument("--evaluate-every", type=int, default=250, metavar="STEPS")
    options = vars(parser.parse_args(arguments))
    recipe = Recipe(**{option.name: options[option.name] for option in fields(Recipe)})
    runtime.start(recipe.seed)
    corpus = data.load("documentation")
    result = train(
        recipe,
        corpus,
        options["folder"],
        checkpoint_every=options["checkpoint_every"],
        evaluate_every=options["evaluate_every"],
    )
    if result is None:
        return 130
    model, tokenizer, record = result
    model.half().float()  # measure what is exported
    made = card.made(recipe, corpus, model, tokenizer, record)
    identity = {"code": {"experiment": Recipe.CODE, "helpers": helpers.__version__}, "command": started_by()}
    rows.write_json(options["evidence"], made | identity | {"curve": card.thinned(record["curve"])})
    card.export(model.cpu(), tokenizer, options["output"], made)
    print(json.dumps(made["test"]))
    return 0


if __name__ == "__main__":
    command.start(main)
