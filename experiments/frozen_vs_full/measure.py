"""How is a row of frozen against full measured?"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from experiments.frozen_vs_full.setting import Setting
from experiments.kit.training import fit
from helpers import batching, data, evaluation, features, freezing, heads, models


@cache
def splits(name: str, validation_rows: int) -> DatasetDict:
    """The three splits of a task; at most ``validation_rows`` rows to choose the rate on."""
    loaded = data.load(name)
    rows = min(validation_rows, len(loaded["validation"]))
    return DatasetDict(loaded | {"validation": loaded["validation"].shuffle(seed=0).select(range(rows))})


@cache
def encoded(split: str, name: str, validation_rows: int, encoder: str, max_length: int) -> Dataset:
    """Token ids of a split; what is only measured on comes sorted by length, so that little is padded."""
    rows = batching.encode(splits(name, validation_rows)[split], models.tokenizer(encoder), max_length)
    if split == "train":
        return rows
    lengths = [len(ids) for ids in rows["input_ids"]]
    return rows.select(sorted(range(len(rows)), key=lengths.__getitem__))


@cache
def depth(encoder: str) -> int:
    return models.load(encoder).config.num_hidden_layers


def build(labels: list[str], encoder: str, seed: int) -> PreTrainedModel:
    """A new head over the encoder. MiniLM is made to be read by the mean of its last hidden states."""
    torch.manual_seed(seed)
    pooling = "mean" if encoder == "minilm" else "pooler"
    return models.load(encoder, head=heads.PooledClassifier, pooling=pooling, labels=labels)


@cache
def cached(split: str, name: str, validation_rows: int, encoder: str, max_length: int) -> features.Features:
    """What the frozen encoder says of every text of a split, computed once for all rows of the table."""
    frozen = build(data.labels(splits(name, validation_rows)["train"]), encoder, 0)
    freezing.freeze_body(frozen)
    rows = batching.batches(encoded(split, name, validation_rows, encoder, max_length), models.tokenizer(encoder), 64)
    return features.cache_features(frozen, rows)


def chosen(total: int, rows: int, seed: int) -> list[int]:
    """Row numbers of a random training set out of ``total``; other seeds draw other rows. ``rows`` 0 is all of them."""
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed)).tolist()
    return order[: rows or total]


def epochs(rows: int, setting: Setting) -> int:
    return max(setting.epochs, math.ceil(setting.steps / math.ceil(rows / setting.batch_size)))


def measure(setting: Setting) -> dict[str, Any]:
    """One run: accuracy on validation and test rows (test: F1 of class 1, too), seconds of training, what learned."""
    encoder, seed, size = setting.encoder, setting.seed, setting.batch_size
    where = (setting.data, setting.validation_rows, encoder, setting.max_length)
    all_rows = splits(*where[:2])["train"]
    network, rows = build(data.labels(all_rows), encoder, seed), chosen(len(all_rows), setting.rows, seed)
    tokenizer, measured_on = models.tokenizer(encoder), ("validation", "test")
    trained: torch.nn.Module = network
    if setting.frozen == depth(encoder) and not setting.lora_rank:
        freezing.freeze_body(network)
        trained, vectors = features.HeadOnly(network), cached("train", *where)
        train = features.Features(vectors.vectors[rows], vectors.labels[rows]).batches(size, shuffle=True, seed=seed)
        held_out = {split: cached(split, *where).batches(64) for split in measured_on}
    else:
        if setting.lora_rank:
            trained = freezing.lora(network, rank=setting.lora_rank, alpha=setting.lora_alpha)
        elif setting.frozen:
            freezing.unfreeze_top(network, depth(encoder) - setting.frozen)
        own = encoded("train", *where).select(rows)
        train = batching.batches(own, tokenizer, size, shuffle=True, seed=seed)
        held_out = {split: batching.batches(encoded(split, *where), tokenizer, 64) for split in measured_on}
    torch.manual_seed(seed)  # the dropout of a run depends on its seed, not on what was cached before it
    history = fit(trained, train, epochs=epochs(len(rows), setting), learning_rate=setting.learning_rate)
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
