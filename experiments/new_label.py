"""What keeps 135 intents when one more is learned from ten examples? ``python -m experiments.new_label``

Every seed draws 135 of CLINC's 150 intents, a new one, and ten of its training sentences. MiniLM learns the 135 first,
once a seed; that classifier is kept under ``.cache/new_label``. Then every remedy starts from it. Rows go to
``book/evidence/new_label.json`` one by one, so that a killed run goes on where it stopped. Offline with ``HF_HOME`` at
a cache that holds CLINC and ``HF_HUB_OFFLINE=1``.

``--validate`` measures other draws on validation rows: to choose settings by.
"""

from __future__ import annotations

import argparse
import copy
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from datasets import ClassLabel, Dataset, Features, Value
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from experiments import runner, summary
from helpers import (
    batching,
    data,
    evaluation,
    features,
    figures,
    forgetting,
    freezing,
    heads,
    models,
    runtime,
    training,
)

ROWS = runner.EVIDENCE / "new_label.json"
CACHE = Path(__file__).parents[1] / ".cache" / "new_label"
LENGTH = 64
# What every row shares, and how the old classifier is trained.
CASE = {"model": "minilm", "data_set": "clinc/clinc_oos:small", "old_labels": 135, "examples": 10}
OLD = {"rate": 4e-4, "epochs": 4, "batch": 32}
NOT_AN_INTENT = ("oos",)
# Kept old sentences that the correction may leave to the new label.
TOLERATED = 0.05


def remedy(name: str, **changes: object) -> dict[str, Any]:
    """The settings of one remedy: plain fine-tuning on the new examples from an imprinted row, but for ``changes``.

    ``epochs``: passes over the rows, in batches of at most 16. ``train``: ``"everything"``, ``"head"`` or ``"row"``
    (the new label's row of the classifier). ``per_class``: old sentences kept of every label, to train on
    (``use="replay"``) or to correct by (``use="shift"``). ``strength``: of the distillation. ``align``: weight
    alignment after training.
    """
    plain = {"init": "imprint", "train": "everything", "rate": 1e-4, "epochs": 10, "per_class": 0, "use": "replay"}
    return {"remedy": name, **plain, "strength": 0.0, "align": False} | changes


HEAD = {"train": "head", "rate": 3e-3}
ROW = {"train": "row", "rate": 3e-3}
REMEDIES = [
    *(remedy(f"before training, {init}", init=init, epochs=0) for init in heads.INITS),
    *(remedy(f"plain from {init}", init=init) for init in ("random", "mean")),
    remedy("plain, 4 passes", epochs=4),
    remedy("plain"),
    remedy("plain, 40 passes", epochs=40),
    remedy("the rate of the old training", rate=4e-4),
    remedy("a third of the rate", rate=3e-5),
    remedy("head only", **HEAD),
    remedy("new row only from mean", **ROW, init="mean"),
    remedy("new row only", **ROW),
    remedy("distillation", strength=1.0),
    remedy("distillation, strong", strength=10.0),
    *(remedy(f"replay {kept}", per_class=kept) for kept in (1, 2, 5)),
    remedy("new row only with replay 2", **ROW, per_class=2),
    remedy("replay 2 and distillation", per_class=2, strength=1.0),
    remedy("plain, aligned", align=True),
    remedy("replay 2, aligned", per_class=2, align=True),
    remedy("plain, bias corrected", per_class=2, use="shift"),
]
# In the picture, of which one can read so many.
SHOWN = (
    "before training, imprint",
    "plain",
    "plain, 40 passes",
    "the rate of the old training",
    "new row only",
    "replay 5",
)


class Case(NamedTuple):
    """What a seed decides: the old classifier and all the rows that are learned from and measured on."""

    classifier: PreTrainedModel  # its body is frozen
    tokenizer: PreTrainedTokenizerBase
    name: str  # of the new label
    new: Dataset  # its examples to learn from
    old: Dataset  # all training rows of the old labels
    test: Dataset  # rows of old and new labels to measure on
    vectors: features.Features  # of the test rows, by the old encoder


@lru_cache(maxsize=1)
def case(seed: int, model: str, data_set: str, old_labels: int, examples: int, split: str, cache: Path) -> Case:
    """Draw labels and examples by ``seed`` and train the old classifier, or take it from ``cache``."""
    splits = data.load(data_set)
    draw = np.random.default_rng(seed)
    names = [str(name) for name in draw.permutation(sorted(set(data.labels(splits["train"])) - set(NOT_AN_INTENT)))]
    if len(names) <= old_labels:
        raise ValueError(f"{data_set} has {len(names)} labels; {old_labels} old ones and a new one need more.")
    old, name = names[:old_labels], names[old_labels]
    known = [*old, name]
    old_train, new_train = rows(splits["train"], old, old), rows(splits["train"], [name], known)
    new = new_train.select(draw.permutation(len(new_train))[:examples])
    tokenizer = models.tokenizer(model)
    classifier = old_classifier(old_train, tokenizer, seed, model, data_set, cache)
    freezing.freeze_body(classifier)
    test = rows(splits[split], known, known)
    test = test.select(np.argsort([len(text) for text in test["text"]]))  # less padding
    vectors = features.cache_features(classifier, loader(test, tokenizer))
    return Case(classifier, tokenizer, name, new, old_train, test, vectors)


def rows(split: Dataset, wanted: Iterable[str], names: list[str]) -> Dataset:
    """The rows of ``split`` whose label is in ``wanted``, with its number in ``names``."""
    own, wanted = data.labels(split), set(wanted)
    kept = [(text, own[label]) for text, label in zip(split["text"][:], split["label"][:], strict=True)]
    kept = [(text, names.index(label)) for text, label in kept if label in wanted]
    return Dataset.from_dict(
        {"text": [text for text, _ in kept], "label": [label for _, label in kept]},
        features=Features({"text": Value("string"), "label": ClassLabel(names=names)}),
    )


def loader(split: Dataset, tokenizer: PreTrainedTokenizerBase, size: int = 64, **options: Any) -> Any:
    return batching.loader(batching.encode(split, tokenizer, LENGTH), tokenizer, size, **options)


def old_classifier(
    train: Dataset, tokenizer: PreTrainedTokenizerBase, seed: int, model: str, data_set: str, cache: Path
) -> PreTrainedModel:
    """The classifier of the old labels; trained once and kept, the folder is there whole or not at all."""
    names = data.labels(train)
    key = [Path(model).name, data_set.replace("/", "-").replace(":", "-"), str(len(names)), *map(str, OLD.values())]
    folder = cache / "_".join([*key, runtime.precision(), f"seed{seed}"])
    if not folder.exists():
        torch.manual_seed(seed)
        classifier = models.load(model, head=heads.PooledClassifier, labels=names, pooling="mean")
        batches = loader(train, tokenizer, OLD["batch"], shuffle=True, seed=seed)
        training.fit(classifier, batches, epochs=OLD["epochs"], learning_rate=OLD["rate"])
        cache.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(dir=cache))
        classifier.save_pretrained(half)
        shutil.rmtree(folder, ignore_errors=True)
        half.rename(folder)
    classifier = models.load(str(folder), head=heads.PooledClassifier)
    found = [classifier.config.id2label[i] for i in range(classifier.config.num_labels)]
    if found != names:
        raise ValueError(f"{folder} holds a classifier of other labels. Remove it.")
    return classifier


def measure(
    seed: int,
    model: str,
    data_set: str,
    old_labels: int,
    examples: int,
    remedy: str,
    init: str,
    train: str,
    rate: float,
    epochs: int,
    per_class: int,
    use: str,
    strength: float,
    align: bool,
    split: str = "test",
    cache: Path = CACHE,
) -> dict[str, Any]:
    """Add the label, apply the remedy, and measure old and new; see :func:`remedy` for the settings.

    Returns shares of the measured rows: ``old`` and ``new`` accuracy, their ``harmonic_mean``, ``claimed`` (old rows
    that are answered with the new label), ``old_among_old`` (old accuracy where the new label may not be answered) and
    ``before``.
    """
    at = case(seed, model, data_set, old_labels, examples, split, cache)
    torch.manual_seed(seed)
    before = scores(evaluation.predict(features.HeadOnly(at.classifier), at.vectors.loader(64)), old_labels)["old"]
    classifier = copy.deepcopy(at.classifier)
    vectors = features.cache_features(classifier, loader(at.new, at.tokenizer)).vectors if init == "imprint" else None
    heads.add_label(classifier, at.name, init, features=vectors)
    if train == "everything":
        freezing.unfreeze(classifier, "*")
    if train == "row":
        for parameter in classifier.classifier.parameters():
            parameter.register_hook(lambda gradient: torch.cat([0 * gradient[:old_labels], gradient[old_labels:]]))
    kept = forgetting.replay(at.new, at.old, per_class, seed)  # the new rows come first
    if epochs:
        training.fit(
            classifier,
            loader(kept if use == "replay" else at.new, at.tokenizer, 16, shuffle=True, seed=seed),
            epochs=epochs,
            learning_rate=rate,
            weight_decay=0.0 if train == "row" else 0.01,  # decay would move the old rows, gradient or not
            loss=forgetting.Distillation(at.classifier, strength) if strength else None,
        )
    if align:
        align_rows(classifier)
    if use == "shift":
        kept = kept.select(range(len(at.new), len(kept)))
        shift(classifier, evaluation.predict(classifier, loader(kept, at.tokenizer)).logits)
    if train == "everything" and epochs:
        found = evaluation.predict(classifier, loader(at.test, at.tokenizer))
    else:  # the encoder is still the old one
        found = evaluation.predict(features.HeadOnly(classifier), at.vectors.loader(64))
    return {"label": at.name, "before": before, **scores(found, old_labels)}


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
def shift(classifier: PreTrainedModel, logits: np.ndarray) -> None:
    """Lower the last bias until at most ``TOLERATED`` of these old sentences, given by their logits, are claimed."""
    lead = logits[:, -1] - logits[:, :-1].max(axis=1)
    classifier.classifier.bias[-1] -= max(float(np.quantile(lead, 1 - TOLERATED)), 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many draws (default 5)")
    parser.add_argument("--validate", action="store_true", help="other draws, validation rows; writes no evidence")
    arguments = parser.parse_args()
    runtime.start(0)
    first, path = (100, CACHE / "validation.json") if arguments.validate else (0, ROWS)
    split = "validation" if arguments.validate else "test"
    # All remedies of a seed together: its classifier is trained once and stays in memory.
    settings = [
        {"seed": seed, **CASE, **settings, "split": split}
        for seed in range(first, first + arguments.seeds)
        for settings in REMEDIES
    ]
    found = runner.run(path, settings, measure)
    print(table(found).map(str).to_string())


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line a remedy: old and new accuracy, their harmonic mean, and old sentences claimed by the new label."""
    scores = ("old", "new", "harmonic_mean", "claimed")
    return summary.table(rows, ["remedy"], {name.replace("_", " "): itemgetter(name) for name in scores})


def picture(rows: Sequence[dict[str, Any]], then: Callable = figures.show) -> None:
    """New against old accuracy, one point a draw."""
    with figures.figure(
        "It is the rate that costs the old labels, not the ten sentences",
        "Points, one a draw: accuracy on the new label against accuracy on the old ones, for plain fine-tuning at a "
        "moderate rate, for four times as long, at the rate of the old training, and for some remedies. The upper "
        "right corner is best.",
        size=(7.0, 4.4),
        then=then,
    ) as axes:
        groups = summary.groups(rows, "remedy")
        for place, name in enumerate(name for name in SHOWN if (name,) in groups):
            results = [row["results"] for row in groups[name,]]
            axes.plot(
                [result["old"] for result in results],
                [result["new"] for result in results],
                "os^Dv*"[place],
                color=figures.COLOURS[place],
                label=name,
            )
        axes.set(xlabel="accuracy on the old labels", ylabel="accuracy on the new label")
        axes.legend(frameon=False)


if __name__ == "__main__":
    main()
