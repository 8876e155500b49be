"""How much of the encoder to train? ``python -m experiments.frozen_vs_full``

MRPC and SST-2 (from ``HF_HOME`` or the hub), training sizes from 50 rows to all, the lowest 0, 2, 4 … layers frozen,
several seeds. With the first seed every regime runs at several learning rates; the one that does best on the validation
rows is the rate of its other seeds. Each row of ``book/evidence/frozen_vs_full.json`` is one run; the table gives the
scores on the test rows. Interrupt it when you like: it goes on where it stopped. The options choose parts:

    python -m experiments.frozen_vs_full --tasks mrpc --sizes 50 200 --frozen 0 6 --seeds 0 1

Frozen layers are counted from below, the embeddings are frozen with the first of them. As many as the encoder has leave
the head alone to learn; it does so on cached features, which costs one pass over the texts. With ``lora`` above 0 the
encoder is frozen and an adapter of that rank learns beside it, and the head.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset, DatasetDict
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from experiments import runner, summary
from helpers import batching, data, evaluation, features, figures, freezing, heads, models, runtime, training

ROWS = runner.EVIDENCE / "frozen_vs_full.json"
TASKS = {"mrpc": "nyu-mll/glue:mrpc", "sst2": "nyu-mll/glue:sst2"}
SIZES = (50, 100, 200, 500, 1000)
SEEDS = (0, 1, 2, 3, 4)
# What names a regime, beside its rate and seed.
REGIME = ("task", "model", "size", "frozen", "lora")
# What learns decides which rates are worth trying: a new head is far from its goal, a pretrained layer is near.
HEAD_RATES = (1e-3, 1e-2)
RATES = {"minilm": (1e-4, 3e-4), "pocket": (3e-4, 1e-3)}
OTHER_RATES = (2e-5, 5e-5)
LORA_RANK, LORA_RATES = 8, (1e-3, 3e-3)
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


def measure(task: str, model: str, size: int, frozen: int, lora: int, rate: float, seed: int) -> dict[str, Any]:
    """One run: accuracy on validation and test rows (test: F1 of class 1, too), seconds of training, what learned."""
    network, rows = build(task, model, seed), chosen(task, size, seed)
    tokenizer = models.tokenizer(model)
    trained: torch.nn.Module = network
    alone = frozen == depth(model) and not lora
    if alone:
        freezing.freeze_body(network)
        trained, all_rows = features.HeadOnly(network), cached(task, "train", model)
        train = features.Features(all_rows.vectors[rows], all_rows.labels[rows]).loader(BATCH, shuffle=True, seed=seed)
        held_out = {split: cached(task, split, model).loader(64) for split in ("validation", "test")}
    else:
        if lora:
            trained = freezing.lora(network, rank=lora)
        elif frozen:
            freezing.unfreeze_top(network, depth(model) - frozen)
        train = batching.loader(encoded(task, "train", model).select(rows), tokenizer, BATCH, shuffle=True, seed=seed)
        held_out = {s: batching.loader(encoded(task, s, model), tokenizer, 64) for s in ("validation", "test")}
    steps = HEAD_STEPS if alone else STEPS
    torch.manual_seed(seed)  # the dropout of a run depends on its seed, not on what was cached before it
    history = training.fit(trained, train, epochs=epochs(len(rows), steps), learning_rate=rate)
    return {
        "trainable": sum(p.numel() for p in trained.parameters() if p.requires_grad),
        "seconds": round(history.seconds, 2),
        **{split: score(trained, loader) for split, loader in held_out.items()},
    }


def score(model: torch.nn.Module, loader: DataLoader) -> dict[str, float]:
    """Accuracy and F1 of class 1, as GLUE reports MRPC."""
    found = evaluation.predict(model, loader)
    hits = int(((found.classes == 1) & (found.labels == 1)).sum())
    marked = int((found.classes == 1).sum() + (found.labels == 1).sum())
    return {"accuracy": float((found.classes == found.labels).mean()), "f1": 2 * hits / max(marked, 1)}


def best_rate(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of each regime and size at the rate that is best on the validation rows of its first seed."""
    kept = []
    for group in summary.groups(rows, *REGIME).values():
        first = min(row["settings"]["seed"] for row in group)
        tried = [row for row in group if row["settings"]["seed"] == first]
        best = max(tried, key=lambda row: row["results"]["validation"]["accuracy"])["settings"]["rate"]
        kept += [row for row in group if row["settings"]["rate"] == best]
    return sorted(kept, key=_place)


def _place(row: dict[str, Any]) -> tuple:
    """Where a row stands in the table."""
    named = row["settings"] | {"size": _rank(row["settings"]["size"])}
    return tuple(named[name] for name in REGIME)


def _rank(size: int) -> float:
    """Where a size stands among others: all rows (0) behind any number of them."""
    return size or math.inf


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line a task, model, size and regime, at its best rate: test accuracy and F1 of class 1, over the seeds."""
    kept = best_rate(rows)
    scores = {name: lambda results, name=name: results["test"][name] for name in ("accuracy", "f1")}
    shown = summary.table(kept, [*REGIME, "rate"], scores)
    shown.insert(0, "trainable", [group[0]["results"]["trainable"] for group in summary.groups(kept, *REGIME).values()])
    return shown.rename(index={0: "all"}, level="size")


def picture(rows: Sequence[dict[str, Any]], then: Callable = figures.show) -> None:
    """Test accuracy against the number of frozen layers, one point a run, one colour a size; one figure a task."""
    for (task,), runs in summary.groups(best_rate(rows), "task").items():
        sizes = sorted({row["settings"]["size"] for row in runs}, key=_rank)
        with figures.figure(
            f"{task.upper()}: how many labels counts for more than how many layers learn",
            f"Points, one a run: test accuracy on {task.upper()} against the number of frozen layers, one colour a "
            "training size, LoRA to the right of them.",
            then=then,
        ) as axes:
            layers = sorted({row["settings"]["frozen"] for row in runs})
            for place, size in enumerate(sizes):
                own = [row for row in runs if row["settings"]["size"] == size]
                shift = (place - (len(sizes) - 1) / 2) * 0.12
                x = [layers[-1] + 1.5 if r["settings"]["lora"] else r["settings"]["frozen"] for r in own]
                axes.plot(
                    [value + shift for value in x],
                    [row["results"]["test"]["accuracy"] for row in own],
                    ".",
                    color=figures.COLOURS[place],
                    label=f"{size or 'all'} rows",
                )
            axes.set_xticks([*layers, layers[-1] + 1.5], [*map(str, layers), "LoRA"])
            axes.set(xlabel="frozen layers, counted from below", ylabel="test accuracy")
            axes.legend(frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left")


def settings(arguments: argparse.Namespace, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The runs of these seeds, all of a seed before the next, so that an early stop leaves a whole table of fewer."""
    layers = depth(arguments.model)
    levels = arguments.frozen if arguments.frozen is not None else sorted({*range(0, layers, 2), layers})
    if bad := [level for level in levels if not 0 <= level <= layers]:
        raise SystemExit(f"--frozen {bad[0]}: {arguments.model} has {layers} layers.")
    # As (frozen layers, rank of the adapter, rates).
    regimes = [(level, 0, _rates(arguments, alone=level == layers)) for level in levels]
    regimes += [(layers, rank, arguments.lora_rates) for rank in arguments.lora]
    return [
        {
            "task": task,
            "model": arguments.model,
            "size": size,
            "frozen": frozen,
            "lora": rank,
            "rate": rate,
            "seed": seed,
        }
        for seed in seeds
        for task in arguments.tasks
        for size in arguments.sizes
        for frozen, rank, rates in regimes
        for rate in rates
    ]


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the first seed at all rates, and the others at the best of them; the rows of the latter kind."""
    first, *others = arguments.seeds
    tried = runner.run(arguments.output, settings(arguments, [first]), measure)
    named = (*REGIME, "rate")
    best = summary.groups(best_rate(tried), *named)
    rest = [row for row in settings(arguments, others) if tuple(row[name] for name in named) in best]
    return best_rate(tried + runner.run(arguments.output, rest, measure))


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
    parser.add_argument("--lora", nargs="*", type=int, default=[LORA_RANK], help="ranks of adapters; none after --lora")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--rates", nargs="+", type=float, help="learning rates where layers learn")
    parser.add_argument("--head-rates", nargs="+", type=float, default=list(HEAD_RATES), help="and where the head does")
    parser.add_argument("--lora-rates", nargs="+", type=float, default=list(LORA_RATES), help="and where LoRA does")
    parser.add_argument("--output", type=Path, default=ROWS, help="the file that keeps the rows")
    return parser


def main() -> None:
    arguments = options().parse_args()
    runtime.start()
    print(table(run(arguments)).map(str).to_string())


if __name__ == "__main__":
    main()
