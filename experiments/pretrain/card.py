"""What came out? The card of the pocket BERT, and the folder that ships."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from experiments.kit import folders
from experiments.pretrain.loop import evaluate, pairs_of
from experiments.pretrain.recipe import Recipe
from helpers import runtime
from helpers.data.corpus import versions

if TYPE_CHECKING:
    from datasets import DatasetDict
    from transformers import BertForPreTraining, PreTrainedTokenizerBase

# Fine-tuning finds the usual dropout in the configuration; a model this small learns more from few epochs without.
DROPOUT_AFTERWARDS = 0.1


def export(model: BertForPreTraining, tokenizer: PreTrainedTokenizerBase, output: Path, card: dict[str, Any]) -> None:
    """Write the model in float16, its tokenizer and its card to ``output``, the folder whole or not at all."""
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = DROPOUT_AFTERWARDS
    with folders.whole(output) as new:
        model.half().save_pretrained(new)
        tokenizer.save_pretrained(new)
        (new / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        (new / "README.md").write_text(describe(card), encoding="utf-8")


def describe(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    recipe, scores, single = card["recipe"], card["test"], card["test_single_sentences"]
    libraries = ", ".join(f"{name} {version}" for name, version in card["corpus"]["versions"].items())
    corpus = card["corpus"]
    return f"""# Pocket BERT

A BERT of {card["parameters"] / 1e6:.1f} million parameters with both heads of the original, pretrained from scratch for
this book: `helpers.models.load("pocket", head="pretraining")`. It is small enough to ship with the book and to
fine-tune in seconds, and it has what the book's default encoder lacks: heads for masked words and the next sentence.

| | |
|---|---|
| architecture | `BertForPreTraining`: {recipe["layers"]} layers, hidden size {recipe["hidden"]}, \
{recipe["heads"]} heads, {recipe["positions"]} positions |
| tokenizer | WordPiece, lower case, {card["vocabulary"]:,} pieces, learned from the training sentences |
| weights | float16 on disk; `models.load` brings them in float32 |

| on held-out documents | pairs of up to {recipe["sentences"]} + {recipe["sentences"]} sentences | pairs of single \
sentences | without learning |
|---|---|---|---|
| masked pieces right | **{scores["masked_accuracy"]:.1%}** of {scores["masked_places"]:,} | \
{single["masked_accuracy"]:.1%} of {single["masked_places"]:,} | {card["commonest_piece_accuracy"]:.1%} (always the \
commonest piece) |
| next sentence right | **{scores["next_sentence_accuracy"]:.1%}** of {scores["pairs"]:,} | \
{single["next_sentence_accuracy"]:.1%} of {single["pairs"]:,} | 50 % (chance) |

## Data

The book's `documentation` corpus: {corpus["train"]:,} sentences for training, {corpus["validation"]:,} for the curve,
{corpus["test"]:,} for the figures above, split by document (the docstring of one object). They are the documentation
strings of {libraries}.
The text belongs to the authors of these libraries, under their licences.

## Training

{recipe["steps"]:,} steps of {recipe["batch_size"]} sentence pairs ({card["epochs"]:.1f} epochs), \
{card["minutes"]:.0f} minutes ({card["cpu_minutes"]:.0f} of processor time) on {card["device"]}, \
{card["precision"]}, seed {recipe["seed"]}, {card["date"]}.

AdamW at {recipe["learning_rate"]:g} (β₂ = {recipe["beta2"]:g}) with linear warm-up and decay; dropout
{recipe["dropout"]:g} while pretraining, {DROPOUT_AFTERWARDS:g} in the configuration for fine-tuning.
{recipe["masking"]:.0%} of the pieces masked, at least one a sequence, 80/10/10 as in BERT's own code; 15% where
measured. Pairs are of single sentences in the first {recipe["short_steps"]:,} steps and of up to
{recipe["sentences"]} on each side afterwards: short sequences are cheap. The second part of a pair follows the first in
the docstring, or is from another docstring, mostly of another library. Again: `python -m experiments.pretrain`. The
curve is in `book/evidence/pretrain.json`.

## Limits

English, and only the English of software documentation. The next-sentence head has learned to tell whether two
sentences are about the same thing more than whether one continues the other. Code, formulas and most symbols are
missing from the training data; sequences longer than {recipe["positions"]} pieces are cut.
"""


def made(
    recipe: Recipe, corpus: DatasetDict, model: BertForPreTraining, tokenizer: PreTrainedTokenizerBase, record: dict
) -> dict[str, Any]:
    """What was pretrained, on what, and how well it does on the test documents."""
    pieces = torch.tensor([i for ids in tokenizer(corpus["test"]["text"][:1000])["input_ids"] for i in ids[1:-1]])
    device = runtime.device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} CPU cores"
    return {
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer),
        "corpus": {split: len(rows) for split, rows in corpus.items()} | {"versions": versions()},
        "epochs": round(recipe.steps * recipe.batch_size / pairs_of(corpus["train"]), 2),
        "minutes": round(record["seconds"] / 60, 1),
        "cpu_minutes": round(record["cpu_seconds"] / 60, 1),
        "device": name,
        "precision": runtime.precision(),
        "date": date.today().isoformat(),
        "versions": {
            "Python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in runtime.REPORTED},
        },
        "commonest_piece_accuracy": round(pieces.bincount().max().item() / len(pieces), 4),
        "test": _rounded(evaluate(model, tokenizer, corpus["test"], sentences=recipe.sentences)),
        "test_single_sentences": _rounded(evaluate(model, tokenizer, corpus["test"])),
        # The package ships the card but not the evidence, and a chapter draws this.
        "validation": [_rounded(scores) for scores in record["validation"]],
    }


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(score, 4) for name, score in scores.items()}


def thinned(curve: list[dict], width: int = 20) -> list[dict]:
    """The curve with one point every ``width`` steps: the mean of these steps."""
    points = []
    for start in range(0, len(curve), width):
        part = curve[start : start + width]
        means = {key: round(sum(point[key] for point in part) / len(part), 6) for key in part[0] if key != "step"}
        points.append({"step": part[-1]["step"], **means})
    return points
