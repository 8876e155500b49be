"""How is a row of the grid of learning rates measured?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from transformers import BertModel, PreTrainedModel

from experiments.kit.training import fit
from experiments.learning_rate.setting import Setting
from experiments.pretrain.loop import evaluate
from helpers import batching, data, evaluation, features, freezing, heads, metrics, models, runtime, training


class Task(NamedTuple):
    """The encoded splits of the classification task, and the names of its classes."""

    train: Dataset
    test: Dataset
    labels: list[str]


@cache
def task(name: str, encoder: str, max_length: int) -> Task:
    """A classification task in the pieces of an encoder."""
    splits, tokenizer = data.load(name), models.tokenizer(encoder)
    train, test = (batching.encode(splits[split], tokenizer, max_length) for split in ("train", "test"))
    return Task(train, test, data.labels(splits["train"]))


def masked_words(body: BertModel, setting: Setting) -> dict[str, float]:
    """What the pocket BERT's own heads still do with the last hidden states of ``body``, on unseen documentation."""
    model = models.load("pocket", head="pretraining")
    # The trained body may have no pooler; then the old one stays. Everything else must be there.
    missing = model.bert.load_state_dict(body.state_dict(), strict=False).missing_keys
    if any("pooler" not in name for name in missing):
        raise ValueError(f"This is not the body of a pocket BERT: it lacks {', '.join(missing)}.")
    model.to(runtime.device())
    scores = evaluate(model, models.tokenizer("pocket"), _held_out(), pairs=setting.pairs)
    return {name: round(scores[name], 4) for name in ("masked_accuracy", "masked_loss")}


def similarity(body: BertModel, setting: Setting) -> dict[str, float]:
    """How the cosines of mean-pooled sentence vectors agree with people's judgements of similarity."""
    pairs, tokenizer = data.load("paraphrases:similarity")["test"], models.tokenizer("minilm")
    texts = (pairs[column][:] for column in ("sentence1", "sentence2"))
    one, two = (features.embed(body, tokenizer, column, setting.max_length) for column in texts)
    cosines = (one * two).sum(dim=1).numpy()
    scores = metrics.regression_metrics(pairs["label"][:], cosines)
    return {name: round(scores[name], 4) for name in ("spearman", "pearson")}


# What each encoder was pretrained for, and so what it can forget.
ABILITIES: dict[str, Callable[[BertModel, Setting], dict[str, float]]] = {"minilm": similarity, "pocket": masked_words}


@cache
def _held_out() -> Dataset:
    return data.load("documentation")["test"]


_before: dict[tuple, dict[str, float]] = {}


def ability_before(setting: Setting) -> dict[str, float]:
    """The ability of the encoder as it was pretrained; measured once for all rows that measure it alike."""
    key = (setting.encoder, setting.max_length, setting.pairs)
    if key not in _before:
        _before[key] = ABILITIES[setting.encoder](models.load(setting.encoder), setting)
    return _before[key]


def prepare(model: PreTrainedModel, regime: str, rank: int = Setting.lora_rank) -> torch.nn.Module:
    """Let the parameters learn that this way of training trains: the head, everything, or a low-rank adapter."""
    if regime == "head":
        freezing.freeze_body(model)
    return freezing.lora(model, rank, alpha=2 * rank) if regime == "lora" else model


def build(encoder: str, regime: str, labels: list[str], rank: int = Setting.lora_rank) -> torch.nn.Module:
    """A classifier of the task with a new head, prepared for this way of training."""
    return prepare(models.load(encoder, head=heads.PooledClassifier, pooling="mean", labels=labels), regime, rank)


@cache
def vectors(name: str, encoder: str, max_length: int) -> tuple[features.Features, features.Features]:
    """What the frozen encoder says of the train and test texts, computed once for all rows of the head alone."""
    train, test, labels = task(name, encoder, max_length)
    frozen, tokenizer = build(encoder, "head", labels), models.tokenizer(encoder)
    learned, tested = (features.cache_features(frozen, batching.batches(rows, tokenizer, 64)) for rows in (train, test))
    return learned, tested


def measure(setting: Setting) -> dict[str, Any]:
    """Results of one run: ``accuracy`` on the test split, ``loss`` of the last epoch, ``retained`` and ``before``.

    A run whose loss stops being a number has ``diverged`` and no other result.
    """
    encoder, regime, seed = setting.encoder, setting.regime, setting.seed
    train, test, labels = task(setting.data, encoder, setting.max_length)
    if regime == "head":
        train, test = vectors(setting.data, encoder, setting.max_length)
        batches, held_out = train.batches(setting.batch_size, shuffle=True, seed=seed), test.batches(64)
    else:
        tokenizer = models.tokenizer(encoder)
        batches = batching.batches(train, tokenizer, setting.batch_size, shuffle=True, seed=seed)
        held_out = batching.batches(test, tokenizer, 64)
    runtime.start(seed)  # after the vectors: a row depends on its seed, not on what was cached before it
    trained = build(encoder, regime, labels, setting.lora_rank)
    if regime == "head":
        trained = features.HeadOnly(trained)
    try:
        history = fit(trained, batches, epochs=setting.epochs, learning_rate=setting.learning_rate)
    except training.Diverged as error:
        return {"diverged": True, "step": len(error.history.steps)}
    accuracy = evaluation.evaluate(trained, held_out)["accuracy"]
    if regime == "head":  # the encoder was not even there
        retained = ability_before(setting)
    else:
        body = models.body(trained.merge_and_unload() if regime == "lora" else trained)
        retained = ABILITIES[encoder](body, setting)
    return {
        "diverged": False,
        "accuracy": round(accuracy, 4),
        "loss": round(history.epochs[-1]["loss"], 4),
        "retained": retained,
        "before": ability_before(setting),
    }


def grid(
    encoders: Iterable[str], regimes: Iterable[str], rates: Iterable[float], seeds: Iterable[int], **changes: Any
) -> list[Setting]:
    """The settings of all rows, seed by seed, so that an interrupted run has whole maps of fewer seeds.

    ``changes`` are other fields of the settings.
    """
    files = {"minilm": models.MINILM_SHA256[:12], "pocket": _sha256(models.POCKET_FOLDER / "model.safetensors")}
    text = _sha256(data.SETS / f"{Setting.data}.jsonl")
    return [
        Setting(encoder, regime, rate, seed, files[encoder], text, **changes)
        for seed, encoder, regime, rate in product(seeds, encoders, regimes, rates)
    ]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
