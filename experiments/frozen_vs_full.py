"""How much of the encoder to train? ``python -m experiments.frozen_vs_full``

MRPC and SST-2 (from ``HF_HOME`` or the hub), training sizes from 50 rows to all, the lowest 0, 2, 4 … layers frozen,
several seeds, every regime at several learning rates. Each row of ``book/evidence/frozen_vs_full.json`` is one run. The
table takes, for each task, size and number of frozen layers, the rate with the best mean on the validation rows, and
gives its scores on the test rows. Interrupt it when you like: it goes on where it stopped. The options choose parts:

    python -m experiments.frozen_vs_full --tasks mrpc --sizes 50 200 --frozen 0 6 --seeds 0 1

Frozen layers are counted from below, the embeddings are frozen with the first of them. As many as the encoder has leave
the head alone to learn; it does so on cached features, which costs one pass over the texts.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset, DatasetDict
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from experiments import runner
from helpers import batching, data, evaluation, features, freezing, heads, models, runtime, training

ROWS = runner.EVIDENCE / "frozen_vs_full.json"
TASKS = {"mrpc": "nyu-mll/glue:mrpc", "sst2": "nyu-mll/glue:sst2"}
SIZES = (50, 100, 200, 500, 1000)
SEEDS = (0, 1, 2, 3, 4)
# What learns decides which rates are worth trying: a new head is far from its goal, a pretrained layer is near.
HEAD_RATES = (1e-3, 1e-2)
RATES = {"minilm": (1e-4, 3e-4), "pocket": (3e-4, 1e-3)}
OTHER_RATES = (2e-5, 5e-5)
BATCH, MAX_LENGTH = 16, 128
# Few rows need many epochs: a run has at least so many steps. The head alone is cheap, and gets more.
EPOCHS, STEPS, HEAD_STEPS = 3, 60, 600
VALIDATION_ROWS = 500


@cache
def splits(task: str) -> DatasetDict:
    """The three splits of a task; at most ``VALIDATION_ROWS`` rows to choose the rate on."""
    loaded = data.load(TASKS[task])
    rows = min(VALIDATION_ROWS, len(loaded["validation"]))
    return DatasetDict(loaded | {"validation": loaded["validation"].shuffle(seed=0).select(range(rows))})


@cache
def encoded(task: str, split: str, model: str) -> Dataset:
    """Token ids of a split; what is only measured on comes sorted by length, so that little is padded."""
    rows = batching.encode(splits(task)[split], models.tokenizer(model), MAX_LENGTH)
    if split == "train":
        return rows
    lengths = [len(ids) for ids in rows["input_ids"]]
    return rows.select(sorted(range(len(rows)), key=lengths.__getitem__))


@cache
def depth(model: str) -> int:
    return models.load(model).config.num_hidden_layers


def build(task: str, model: str, seed: int) -> PreTrainedModel:
    """A new head over the encoder. MiniLM is made to be read by the mean of its last hidden states."""
    torch.manual_seed(seed)
    return models.load(
        model,
        head=heads.PooledClassifier,
        pooling="mean" if model == "minilm" else "pooler",
        labels=data.labels(splits(task)["train"]),
    )


@cache
def cached(task: str, split: str, model: str) -> features.Features:
    """What the frozen encoder says of every text of a split, computed once for all rows of the table."""
    frozen = build(task, model, 0)
    freezing.freeze_body(frozen)
    rows = batching.loader(encoded(task, split, model), models.tokenizer(model), 64)
    return features.cache_features(frozen, rows)


def chosen(task: str, size: int, seed: int) -> list[int]:
    """Row numbers of a random training set; other seeds draw other rows. ``size`` 0 is all of them."""
    rows = len(splits(task)["train"])
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed)).tolist()
    return order[: size or rows]


def epochs(rows: int, steps: int) -> int:
    return max(EPOCHS, math.ceil(steps / math.ceil(rows / BATCH)))


def measure(task: str, model: str, size: int, frozen: int, rate: float, seed: int) -> dict[str, Any]:
    """One run: accuracy on validation and test rows (test: F1 of class 1, too), seconds of training, what learned."""
    network, rows = build(task, model, seed), chosen(task, size, seed)
    tokenizer = models.tokenizer(model)
    trained: torch.nn.Module = network
    if frozen == depth(model):
        freezing.freeze_body(network)
        trained, all_rows = features.HeadOnly(network), cached(task, "train", model)
        train = features.Features(all_rows.vectors[rows], all_rows.labels[rows]).loader(BATCH, shuffle=True, seed=seed)
        held_out = {split: cached(task, split, model).loader(64) for split in ("validation", "test")}
    else:
        if frozen:
            freezing.unfreeze_top(network, depth(model) - frozen)
        train = batching.loader(encoded(task, "train", model).select(rows), tokenizer, BATCH, shuffle=True, seed=seed)
        held_out = {s: batching.loader(encoded(task, s, model), tokenizer, 64) for s in ("validation", "test")}
    steps = HEAD_STEPS if frozen == depth(model) else STEPS
    torch.manual_seed(seed)  # the dropout of a run depends on its seed, not on what was cached before it
    history = training.fit(trained, train, epochs=epochs(len(rows), steps), learning_rate=rate)
    return {
        "trainable": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "seconds": round(history.seconds, 2),
        **{split: score(trained, loader) for split, loader in held_out.items()},
    }


def score(model: torch.nn.Module, loader: DataLoader) -> dict[str, float]:
    """Accuracy and F1 of class 1, as GLUE reports MRPC."""
    found = evaluation.predict(model, loader)
    hits = int(((found.classes == 1) & (found.labels == 1)).sum())
    marked = int((found.classes == 1).sum() + (found.labels == 1).sum())
    return {"accuracy": float((found.classes == found.labels).mean()), "f1": 2 * hits / max(marked, 1)}


def table(rows: Sequence[dict[str, Any]], score: str = "accuracy") -> pd.DataFrame:
    """One line a task, model, size and number of frozen layers: mean, sd and 95 % interval of the mean over the seeds.

    The rate is the one with the best mean on the validation rows. The interval is Student's, so it needs two seeds.
    """
    from scipy.stats import t

    frame = pd.DataFrame(
        {
            **row["settings"],
            "validation": row["results"]["validation"][score],
            "test": row["results"]["test"][score],
            "trainable": row["results"]["trainable"],
            "minutes": row["minutes"],
        }
        for row in rows
    )
    lines = []
    keys = ["task", "model", "size", "frozen"]
    for key, group in frame.groupby(keys):
        rate = group.groupby("rate")["validation"].mean().idxmax()
        runs = group[group["rate"] == rate]
        mean, sd, seeds = runs["test"].mean(), runs["test"].std(), len(runs)
        reach = t.ppf(0.975, seeds - 1) * sd / math.sqrt(seeds) if seeds > 1 else math.nan
        lines.append(
            {
                **dict(zip(keys, key, strict=True)),
                "rate": rate,
                "trainable": int(runs["trainable"].iloc[0]),
                "mean": mean,
                "sd": sd,
                "low": mean - reach,
                "high": mean + reach,
                "seeds": seeds,
                "minutes": runs["minutes"].mean(),
            }
        )
    return pd.DataFrame(lines).set_index(keys)


def settings(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The runs to make, all of a seed before the next, so that an early stop leaves a whole table of fewer seeds."""
    layers = depth(arguments.model)
    levels = arguments.frozen if arguments.frozen is not None else sorted({*range(0, layers, 2), layers})
    if bad := [level for level in levels if not 0 <= level <= layers]:
        raise SystemExit(f"--frozen {bad[0]}: {arguments.model} has {layers} layers.")
    return [
        {"task": task, "model": arguments.model, "size": size, "frozen": frozen, "rate": rate, "seed": seed}
        for seed in arguments.seeds
        for task in arguments.tasks
        for size in arguments.sizes
        for frozen in levels
        for rate in _rates(arguments, alone=frozen == layers)
    ]


def _rates(arguments: argparse.Namespace, *, alone: bool) -> Sequence[float]:
    if alone:
        return arguments.head_rates
    return arguments.rates or RATES.get(arguments.model, OTHER_RATES)


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="minilm", help="any name that helpers.models.load takes")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[*SIZES, 0], help="training rows; 0 is all of them")
    parser.add_argument(
        "--frozen", nargs="+", type=int, help="lowest layers that do not learn; by default every second"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--rates", nargs="+", type=float, help="learning rates where layers learn")
    parser.add_argument("--head-rates", nargs="+", type=float, default=list(HEAD_RATES), help="and where the head does")
    parser.add_argument("--output", type=Path, default=ROWS, help="the file that keeps the rows")
    return parser


def main() -> None:
    arguments = options().parse_args()
    runtime.start()
    rows = runner.run(arguments.output, settings(arguments), measure)
    print(table(rows).to_string(float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
