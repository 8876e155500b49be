"""Which learning rate, and what does it cost? ``python -m experiments.learning_rate``

For every encoder, way of training, rate and seed: train on ``intents``, then measure two things on held-out text. How
well the task was learned, and what is left of the ability that the encoder was pretrained for: of the pocket BERT its
masked language modelling, with the heads it was pretrained with over the trained body; of MiniLM how its cosines rank
the pairs of ``paraphrases:similarity``.

Writes a row for each to ``book/evidence/learning_rate.json`` (resumable). Choose parts of the grid with the options,
e.g. ``--models pocket --regimes full --rates 2e-5 4e-4``.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from transformers import BertModel, PreTrainedModel, PreTrainedTokenizerBase

from experiments import pretrain, runner
from helpers import batching, data, evaluation, freezing, heads, metrics, models, retrieval, runtime, training

ROWS = runner.EVIDENCE / "learning_rate.json"
REGIMES = ("head", "full", "lora")
RATES = (1e-6, 1e-5, 2e-5, 1e-4, 2e-4, 4e-4, 1e-3, 2e-3, 4e-3, 1e-2)
SEEDS = (0, 1, 2, 3, 4)
EPOCHS, BATCH_SIZE, MAX_LENGTH = 4, 16, 64
PAIRS = 512  # of documentation sentences; about 1,700 masked places


class Task(NamedTuple):
    """The encoded splits of the classification task, and the names of its classes."""

    train: Dataset
    test: Dataset
    labels: list[str]


def task(tokenizer: PreTrainedTokenizerBase) -> Task:
    """``intents``: 24 classes."""
    splits = data.load("intents")
    train, test = (batching.encode(splits[split], tokenizer, MAX_LENGTH) for split in ("train", "test"))
    return Task(train, test, data.labels(splits["train"]))


def masked_words(body: BertModel) -> dict[str, float]:
    """What the pocket BERT's own heads still do with the last hidden states of ``body``, on unseen documentation."""
    model = models.load("pocket", head="pretraining")
    # The trained body may have no pooler; then the old one stays. Everything else must be there.
    missing = model.bert.load_state_dict(body.state_dict(), strict=False).missing_keys
    if any("pooler" not in name for name in missing):
        raise ValueError(f"This is not the body of a pocket BERT: it lacks {', '.join(missing)}.")
    scores = pretrain.evaluate(model.to(runtime.device()), models.tokenizer("pocket"), _held_out(), pairs=PAIRS)
    return {name: round(scores[name], 4) for name in ("masked_accuracy", "masked_loss")}


def similarity(body: BertModel) -> dict[str, float]:
    """How the cosines of mean-pooled sentence vectors agree with people's judgements of similarity."""
    pairs, tokenizer = data.load("paraphrases:similarity")["test"], models.tokenizer("minilm")
    one, two = (retrieval.embed(body, tokenizer, pairs[column][:], MAX_LENGTH) for column in ("sentence1", "sentence2"))
    cosines = (one * two).sum(dim=1).numpy()
    scores = metrics.regression_metrics(cosines, pairs["label"][:])
    return {name: round(scores[name], 4) for name in ("spearman", "pearson")}


# What each encoder was pretrained for, and so what it can forget.
ABILITIES: dict[str, Callable[[BertModel], dict[str, float]]] = {"minilm": similarity, "pocket": masked_words}


@cache
def _held_out() -> Dataset:
    return data.load("documentation")["test"]


@cache
def ability_before(name: str) -> dict[str, float]:
    """The ability of the encoder as it was pretrained."""
    return ABILITIES[name](models.load(name))


def prepare(model: PreTrainedModel, regime: str) -> torch.nn.Module:
    """Let the parameters learn that this way of training trains: the head, everything, or a low-rank adapter."""
    if regime == "head":
        freezing.freeze_body(model)
    return freezing.lora(model) if regime == "lora" else model


def measure(model: str, regime: str, rate: float, seed: int, epochs: int, **_identity: str) -> dict[str, Any]:
    """Results of one run: ``accuracy`` on the test split, ``loss`` of the last epoch, ``retained`` and ``before``.

    A run whose loss stops being a number has ``diverged`` and no other result.
    """
    runtime.start(seed)
    tokenizer = models.tokenizer(model)
    train, test, labels = task(tokenizer)
    trained = prepare(models.load(model, head=heads.PooledClassifier, pooling="mean", labels=labels), regime)
    batches = batching.loader(train, tokenizer, BATCH_SIZE, shuffle=True, seed=seed)
    try:
        history = training.fit(trained, batches, epochs=epochs, learning_rate=rate)
    except training.Diverged as error:
        return {"diverged": True, "step": len(error.history.steps)}
    accuracy = evaluation.evaluate(trained, batching.loader(test, tokenizer, 64))["accuracy"]
    plain = trained.merge_and_unload() if regime == "lora" else trained
    return {
        "diverged": False,
        "accuracy": round(accuracy, 4),
        "loss": round(history.epochs[-1]["loss"], 4),
        "retained": ABILITIES[model](models.body(plain)),
        "before": ability_before(model),
    }


def grid(
    names: Iterable[str], regimes: Iterable[str], rates: Iterable[float], seeds: Iterable[int], epochs: int
) -> list[dict[str, Any]]:
    """The settings of all rows, seed by seed, so that an interrupted run has whole maps of fewer seeds.

    Each names the files it depends on by their checksums: after a change of the data or of the pocket BERT, its rows
    are measured anew.
    """
    files = {"minilm": models.MINILM_SHA256[:12], "pocket": _sha256(models.POCKET_FOLDER / "model.safetensors")}
    text = _sha256(data.SETS / "intents.jsonl")
    return [
        {
            "model": name,
            "regime": regime,
            "rate": rate,
            "seed": seed,
            "epochs": epochs,
            "weights": files[name],
            "data": text,
        }
        for seed, name, regime, rate in product(seeds, names, regimes, rates)
    ]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def summary(rows: Iterable[dict[str, Any]]) -> str:
    """One line for every model, regime and rate: how many runs, and the medians of their scores."""
    groups: dict[tuple[str, str, float], list[dict[str, Any]]] = {}
    for row in rows:
        key = row["settings"]["model"], row["settings"]["regime"], row["settings"]["rate"]
        groups.setdefault(key, []).append(row["results"])
    lines = []
    for (name, regime, rate), results in sorted(groups.items()):
        finished = [result for result in results if not result["diverged"]]
        line = f"{name:8}{regime:6}{rate:<8g}{len(results)} runs, {len(results) - len(finished)} diverged"
        if finished:
            line += f", accuracy {statistics.median(result['accuracy'] for result in finished):.3f}"
            for score in finished[0]["retained"]:
                line += f", {score} {statistics.median(result['retained'][score] for result in finished):.3f}"
        lines.append(line)
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure the part of the grid that the options choose, and print its summary."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(ABILITIES), choices=list(ABILITIES))
    parser.add_argument("--regimes", nargs="+", default=list(REGIMES), choices=REGIMES)
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES), metavar="RATE")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), metavar="SEED")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--output", type=Path, default=ROWS, help=f"default {ROWS.name} in book/evidence")
    options = parser.parse_args(arguments)
    settings = grid(options.models, options.regimes, options.rates, options.seeds, options.epochs)
    print(summary(runner.run(options.output, settings, measure)))


if __name__ == "__main__":
    main()
