"""How is a row of one label more measured?"""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from experiments.kit import drawing, folders
from experiments.kit.training import fit
from experiments.new_label.setting import CACHE, Setting
from helpers import batching, data, evaluation, features, forgetting, freezing, heads, models, runtime

NOT_AN_INTENT = ("oos",)
# What of a setting decides the draw and the old classifier.
OF_THE_CASE = (
    "seed", "split", "encoder", "data", "old_labels", "examples", "max_length",
    "old_learning_rate", "old_epochs", "old_batch_size",
)  # fmt: skip


class Case(NamedTuple):
    """What a seed decides: the old classifier and all the rows that are learned from and measured on."""

    classifier: PreTrainedModel  # its body is frozen
    tokenizer: PreTrainedTokenizerBase
    name: str  # of the new label
    new: Dataset  # its examples to learn from
    old: Dataset  # all training rows of the old labels
    test: Dataset  # rows of old and new labels to measure on
    vectors: features.Features  # of the test rows, by the old encoder


def case(setting: Setting, cache: Path = CACHE) -> Case:
    """Draw labels and examples by the seed and train the old classifier, or take it from ``cache``."""
    return _case(Setting("", **{name: getattr(setting, name) for name in OF_THE_CASE}), cache)


@lru_cache(maxsize=1)
def _case(setting: Setting, cache: Path) -> Case:
    splits, old_labels = data.load(setting.data), setting.old_labels
    draw = np.random.default_rng(setting.seed)
    names = [str(name) for name in draw.permutation(sorted(set(data.labels(splits["train"])) - set(NOT_AN_INTENT)))]
    if len(names) <= old_labels:
        raise ValueError(f"{setting.data} has {len(names)} labels; {old_labels} old ones and a new one need more.")
    old, name = names[:old_labels], names[old_labels]
    known = [*old, name]
    old_train = drawing.of_labels(splits["train"], old, old)
    new_train = drawing.of_labels(splits["train"], [name], known)
    new = new_train.select(draw.permutation(len(new_train))[: setting.examples])
    tokenizer = models.tokenizer(setting.encoder)
    classifier = old_classifier(old_train, tokenizer, setting, cache)
    freezing.freeze_body(classifier)
    test = drawing.of_labels(splits[setting.split], known, known)
    test = test.select(np.argsort([len(text) for text in test["text"]]))  # less padding
    vectors = features.cache_features(classifier, loader(test, tokenizer, setting))
    return Case(classifier, tokenizer, name, new, old_train, test, vectors)


def loader(
    rows: Dataset, tokenizer: PreTrainedTokenizerBase, setting: Setting, size: int = 64, **options: Any
) -> torch.utils.data.DataLoader:
    return batching.batches(batching.encode(rows, tokenizer, setting.max_length), tokenizer, size, **options)


def old_classifier(
    train: Dataset, tokenizer: PreTrainedTokenizerBase, setting: Setting, cache: Path
) -> PreTrainedModel:
    """The classifier of the old labels; trained once and kept, the folder is there whole or not at all."""
    names = data.labels(train)
    data_name = setting.data.replace("/", "-").replace(":", "-")
    old = (setting.old_learning_rate, setting.old_epochs, setting.old_batch_size)
    key = [Path(setting.encoder).name, data_name, str(len(names)), *map(str, old)]
    folder = cache / "_".join([*key, runtime.precision(), f"seed{setting.seed}"])
    if not folder.exists():
        torch.manual_seed(setting.seed)
        classifier = models.load(setting.encoder, head=heads.PooledClassifier, labels=names, pooling="mean")
        batches = loader(train, tokenizer, setting, setting.old_batch_size, shuffle=True, seed=setting.seed)
        fit(classifier, batches, epochs=setting.old_epochs, learning_rate=setting.old_learning_rate)
        with folders.whole(folder) as new:
            classifier.save_pretrained(new)
    classifier = models.load(str(folder), head=heads.PooledClassifier)
    found = [classifier.config.id2label[i] for i in range(classifier.config.num_labels)]
    if found != names:
        raise ValueError(f"{folder} holds a classifier of other labels. Remove it.")
    return classifier


def measure(setting: Setting, cache: Path = CACHE) -> dict[str, Any]:
    """Add the label, apply the remedy, and measure old and new.

    Returns shares of the measured rows: ``old`` and ``new`` accuracy, their ``harmonic_mean``, ``claimed`` (old rows
    that are answered with the new label), ``old_among_old`` (old accuracy where the new label may not be answered) and
    ``before``.
    """
    at, old_labels = case(setting, cache), setting.old_labels
    torch.manual_seed(setting.seed)
    before = scores(evaluation.predict(features.HeadOnly(at.classifier), at.vectors.batches(64)), old_labels)["old"]
    if setting.train == "means":
        return {"label": at.name, "before": before, **scores(class_means(setting, at), old_labels)}
    classifier = learned(setting, at)
    if setting.train == "everything" and setting.epochs:
        found = evaluation.predict(classifier, loader(at.test, at.tokenizer, setting))
    else:  # the encoder is still the old one
        found = evaluation.predict(features.HeadOnly(classifier), at.vectors.batches(64))
    return {"label": at.name, "before": before, **scores(found, old_labels)}


def learned(setting: Setting, at: Case) -> PreTrainedModel:
    """A copy of the old classifier that has learned the new label with the remedy of the setting."""
    classifier = copy.deepcopy(at.classifier)
    vectors = None
    if setting.init == "imprint":
        vectors = features.cache_features(classifier, loader(at.new, at.tokenizer, setting)).vectors
    heads.add_label(classifier, at.name, setting.init, features=vectors)
    if setting.train == "everything":
        freezing.unfreeze(classifier, "*")
    if setting.train == "row":
        old = setting.old_labels
        for parameter in classifier.classifier.parameters():
            parameter.register_hook(lambda gradient: torch.cat([0 * gradient[:old], gradient[old:]]))
    new = concatenate_datasets([at.new] * setting.repeat)
    kept = forgetting.replay(new, at.old, setting.per_class, setting.seed)  # the new rows come first
    before = copy.deepcopy(classifier)
    if setting.epochs:
        rows = kept if setting.use == "replay" else new
        fit(
            classifier,
            loader(rows, at.tokenizer, setting, setting.batch_size, shuffle=True, seed=setting.seed),
            epochs=setting.epochs,
            learning_rate=setting.learning_rate,
            # Decay would move the old rows, gradient or not.
            weight_decay=0.0 if setting.train == "row" else 0.01,
            loss=forgetting.Distillation(at.classifier, setting.strength) if setting.strength else None,
        )
    if setting.share < 1:
        forgetting.interpolate(before, classifier, setting.share)
    if setting.align:
        align_rows(classifier)
    if setting.use == "shift":
        kept = kept.select(range(len(new), len(kept)))
        logits = evaluation.predict(classifier, loader(kept, at.tokenizer, setting)).logits
        shift(classifier, logits, setting.tolerated)
    return classifier


def class_means(setting: Setting, at: Case) -> evaluation.Predictions:
    """Answers of the nearest class mean: cosine with the mean direction of each label's training sentences."""
    pretrained = models.load(setting.encoder, head=heads.PooledClassifier, labels=data.labels(at.test), pooling="mean")
    freezing.freeze_body(pretrained)
    train = concatenate_datasets([at.old.cast(at.new.features), at.new])
    known, asked = (
        features.cache_features(pretrained, loader(rows, at.tokenizer, setting)) for rows in (train, at.test)
    )
    unit = torch.nn.functional.normalize
    means = torch.zeros(setting.old_labels + 1, known.vectors.shape[1])
    means.index_add_(0, known.labels, unit(known.vectors.float()))
    cosines = unit(asked.vectors.float()) @ unit(means).T
    return evaluation.Predictions(logits=cosines.numpy(), labels=asked.labels.numpy())


def scores(found: evaluation.Predictions, old_labels: int) -> dict[str, float]:
    """Shares of the old and of the new rows; see :func:`measure`."""
    is_old, right = found.labels < old_labels, found.classes == found.labels
    old, new = float(right[is_old].mean()), float(right[~is_old].mean())
    among_old = found.logits[is_old, :old_labels].argmax(-1) == found.labels[is_old]
    return {
        "old": old,
        "new": new,
        "harmonic_mean": forgetting.harmonic_mean(old, new),
        "claimed": float((found.classes[is_old] == old_labels).mean()),
        "old_among_old": float(among_old.mean()),
    }


@torch.no_grad()
def align_rows(classifier: PreTrainedModel) -> None:
    """Scale the last row to the mean length of the others: weight alignment (Zhao et al. 2020)."""
    weight = classifier.classifier.weight
    weight[-1] *= weight[:-1].norm(dim=1).mean() / weight[-1].norm()


@torch.no_grad()
def shift(classifier: PreTrainedModel, logits: np.ndarray, tolerated: float = Setting.tolerated) -> None:
    """Lower the last bias until at most ``tolerated`` of these old sentences, given by their logits, are claimed."""
    lead = logits[:, -1] - logits[:, :-1].max(axis=1)
    classifier.classifier.bias[-1] -= max(float(np.quantile(lead, 1 - tolerated)), 0.0)
