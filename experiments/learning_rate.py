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
import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from transformers import BertModel, PreTrainedModel

from experiments import pretrain, runner, summary
from helpers import (
    batching,
    data,
    evaluation,
    features,
    figures,
    freezing,
    heads,
    metrics,
    models,
    retrieval,
    runtime,
    training,
)

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


@cache
def task(name: str) -> Task:
    """``intents``, 24 classes, in the pieces of an encoder."""
    splits, tokenizer = data.load("intents"), models.tokenizer(name)
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
ABILITY_NAMES = {"minilm": "Spearman's correlation", "pocket": "masked accuracy"}


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


def build(name: str, regime: str) -> torch.nn.Module:
    """A classifier of the task with a new head, prepared for this way of training."""
    return prepare(models.load(name, head=heads.PooledClassifier, pooling="mean", labels=task(name).labels), regime)


@cache
def vectors(name: str) -> tuple[features.Features, features.Features]:
    """What the frozen encoder says of the train and test texts, computed once for all rows of the head alone."""
    frozen, tokenizer = build(name, "head"), models.tokenizer(name)
    train, test, _ = task(name)
    return tuple(features.cache_features(frozen, batching.loader(rows, tokenizer, 64)) for rows in (train, test))


def measure(model: str, regime: str, rate: float, seed: int, epochs: int, **_identity: str) -> dict[str, Any]:
    """Results of one run: ``accuracy`` on the test split, ``loss`` of the last epoch, ``retained`` and ``before``.

    A run whose loss stops being a number has ``diverged`` and no other result.
    """
    if regime == "head":
        train, test = vectors(model)
        batches, held_out = train.loader(BATCH_SIZE, shuffle=True, seed=seed), test.loader(64)
    else:
        (train, test, _), tokenizer = task(model), models.tokenizer(model)
        batches = batching.loader(train, tokenizer, BATCH_SIZE, shuffle=True, seed=seed)
        held_out = batching.loader(test, tokenizer, 64)
    runtime.start(seed)  # after the vectors: a row depends on its seed, not on what was cached before it
    trained = build(model, regime)
    if regime == "head":
        trained = features.HeadOnly(trained)
    try:
        history = training.fit(trained, batches, epochs=epochs, learning_rate=rate)
    except training.Diverged as error:
        return {"diverged": True, "step": len(error.history.steps)}
    accuracy = evaluation.evaluate(trained, held_out)["accuracy"]
    if regime == "head":  # the encoder was not even there
        retained = ability_before(model)
    else:
        retained = ABILITIES[model](models.body(trained.merge_and_unload() if regime == "lora" else trained))
    return {
        "diverged": False,
        "accuracy": round(accuracy, 4),
        "loss": round(history.epochs[-1]["loss"], 4),
        "retained": retained,
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


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line for every model, regime and rate: task accuracy and what is left of the ability, over the seeds.

    The ability is the masked accuracy of the pocket BERT and Spearman's correlation of MiniLM. A run that diverged
    counts as one that answers nothing right, and is counted besides.
    """
    lines = {}
    for key, group in sorted(summary.groups(rows, "model", "regime", "rate").items()):
        results = [row["results"] for row in group]
        finished = [result for result in results if not result["diverged"]]
        lines[key] = {
            "accuracy": summary.spread(result.get("accuracy", 0.0) for result in results),
            "ability": summary.spread(ability(result["retained"]) for result in finished) if finished else math.nan,
            "ability before": ability(finished[0]["before"]) if finished else math.nan,
            "diverged": len(results) - len(finished),
            "seeds": len(results),
        }
    index = pd.MultiIndex.from_tuples(lines, names=("model", "regime", "rate"))
    return pd.DataFrame(list(lines.values()), index=index)


def ability(scores: dict[str, float]) -> float:
    """The first of the scores of an ability: masked accuracy, or Spearman's correlation."""
    return next(iter(scores.values()))


def picture(rows: Sequence[dict[str, Any]], then: Callable = figures.show) -> None:
    """Task and ability against the rate, one point a run: above, how well the task is learned; below, what is left."""
    names = [name for name in ABILITIES if any(row["settings"]["model"] == name for row in rows)]
    with figures.figure(
        "Full fine-tuning learns best where it has cost part of the old ability",
        "Points, one a run, against the learning rate on a log axis: task accuracy above, pretrained ability below, "
        "for head only, full and LoRA, one column a model. A dashed line marks the ability before training.",
        columns=len(names),
        rows=2,
        size=(8.0, 5.6),
        then=then,
    ) as axes:
        for (upper, lower), name in zip(np.reshape(axes, (2, len(names))).T, names, strict=True):
            for regime, colour in zip(REGIMES, figures.COLOURS, strict=False):
                runs = [row for row in rows if (row["settings"]["model"], row["settings"]["regime"]) == (name, regime)]
                done = [row for row in runs if not row["results"]["diverged"]]
                rates = [row["settings"]["rate"] for row in done]
                upper.plot(rates, [row["results"]["accuracy"] for row in done], ".", color=colour, label=regime)
                lower.plot(rates, [ability(row["results"]["retained"]) for row in done], ".", color=colour)
                for row in done[:1]:
                    lower.axhline(ability(row["results"]["before"]), color="black", linestyle="--", linewidth=0.8)
            upper.set(title=name, xscale="log", ylabel="task accuracy")
            lower.set(xscale="log", xlabel="learning rate", ylabel=ABILITY_NAMES[name])
            upper.legend(frameon=False)


def main(arguments: list[str] | None = None) -> None:
    """Measure the part of the grid that the options choose, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(ABILITIES), choices=list(ABILITIES))
    parser.add_argument("--regimes", nargs="+", default=list(REGIMES), choices=REGIMES)
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES), metavar="RATE")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), metavar="SEED")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--output", type=Path, default=ROWS, help=f"default {ROWS.name} in book/evidence")
    options = parser.parse_args(arguments)
    settings = grid(options.models, options.regimes, options.rates, options.seeds, options.epochs)
    print(table(runner.run(options.output, settings, measure)).map(str).to_string())


if __name__ == "__main__":
    main()
