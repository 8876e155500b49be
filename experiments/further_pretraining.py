"""Does further pretraining pay? ``python -m experiments.further_pretraining``

One task, three ways to use MiniLM. The task: from which of eight libraries is a sentence of documentation, with 8, 32
or 128 labelled sentences of each? The ways:

- ``frozen``: the encoder stays as it is under a trained head (logistic regression on its mean-pooled output);
- ``full``: everything is fine-tuned under a new head;
- ``further``: masked language modelling on the libraries' unlabelled sentences first, then ``full``.

Every seed draws its own labels, its own head and its own further pretraining. Writes a row for each further pretraining
(masked loss before and after, what it cost in seconds and in general similarity) and for each way, number of labels and
seed, to ``book/evidence/further_pretraining.json``, and prints the table with its intervals. Interrupt it whenever you
like; the same command goes on. The encoders of finished further pretrainings are kept in ``--folder``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import ClassLabel, Dataset, Features, Value

from experiments import runner, summary
from helpers import batching, data, evaluation, figures, heads, models, retrieval, runtime, training
from helpers.batching.language import IGNORED, MaskedLanguageModeling, masked_loss

LIBRARIES = ("matplotlib", "networkx", "numpy", "pandas", "scipy", "sklearn", "sympy", "torch")
WAYS = ("frozen", "full", "further")
LABELS = (8, 32, 128)
TEST_PER_CLASS = 100
MAX_LENGTH = 48
# Shorter sentences ("See also.") name no library, and nobody could tell.
MIN_WORDS = 6
# Rate of the fine-tuning, and its epochs by labels of each class: fewer labels, more often.
RATE, EPOCHS = 3e-4, {8: 10, 32: 5, 128: 3}
FURTHER_RATE, FURTHER_BATCH = 5e-4, 32
ROWS = runner.EVIDENCE / "further_pretraining.json"


def sentences(split: str) -> Dataset:
    """The sentences of the eight libraries in a split of ``documentation``: ``text`` and ``label``."""
    rows = data.load("documentation")[split]
    names = data.labels(rows)
    kept = [
        (text, LIBRARIES.index(names[label]))
        for text, label in zip(rows["text"][:], rows["label"][:], strict=True)
        if names[label] in LIBRARIES and len(text.split()) >= MIN_WORDS
    ]
    return _dataset(kept)


def draw(split: Dataset, per_class: int, seed: int) -> Dataset:
    """``per_class`` rows of every class, or all where there are fewer; ``seed`` decides which."""
    generator, labels = np.random.default_rng(seed), np.array(split["label"][:])
    rows = [generator.permutation(np.flatnonzero(labels == c))[:per_class] for c in range(len(LIBRARIES))]
    return split.select(np.concatenate(rows))


def further_pretrain(model: str, seed: int, steps: int, folder: Path) -> dict[str, Any]:
    """Masked language modelling on the training sentences, without their labels; keeps the model in ``folder``.

    Returns masked loss (nats) and accuracy on the test sentences and Pearson's correlation of the encoder's cosines
    with the similarities of ``paraphrases``, each before and after, and the ``seconds`` of training. Before, the head
    on the masked places is new.
    """
    runtime.start(seed)
    tokenizer = models.tokenizer(model)
    masked = models.load(model, head="masked-lm")
    exam = draw(sentences("test"), TEST_PER_CLASS, 0).remove_columns("label")
    results: dict[str, Any] = {}
    for when in ("before", "after"):
        if when == "after":
            texts = sentences("train").remove_columns("label")
            order = np.random.default_rng(seed).permutation(len(texts))
            # As many passes as the steps need; the masks are new in each.
            rows = texts.select(np.resize(order, steps * FURTHER_BATCH))
            collate = MaskedLanguageModeling(tokenizer, seed=seed)
            train = batching.loader(
                batching.encode(rows, tokenizer, MAX_LENGTH),
                tokenizer,
                FURTHER_BATCH,
                shuffle=True,
                seed=seed,
                collate=collate,
            )
            history = training.fit(masked, train, epochs=1, learning_rate=FURTHER_RATE, loss=masked_loss)
            results["seconds"] = round(history.seconds, 1)
        scores = masked_scores(masked, exam, tokenizer) | {"similarity": similarity(models.body(masked), tokenizer)}
        results |= {f"{name}_{when}": round(score, 4) for name, score in scores.items()}
    new = folder.with_name(f"{folder.name}.new")
    for old in (new, folder):
        shutil.rmtree(old, ignore_errors=True)
    masked.save_pretrained(new)
    tokenizer.save_pretrained(new)
    new.replace(folder)
    return results


def masked_scores(model: torch.nn.Module, texts: Dataset, tokenizer: Any) -> dict[str, float]:
    """Loss (nats) and accuracy at masked places; the same places in every call."""
    model.to(runtime.device()).eval()  # before inference mode begins: see evaluation.predict
    encoded = batching.encode(texts, tokenizer, MAX_LENGTH)
    losses, right = [], []
    for batch in batching.loader(encoded, tokenizer, 64, collate=MaskedLanguageModeling(tokenizer, seed=0)):
        batch = {name: tensor.to(runtime.device()) for name, tensor in batch.items()}
        labels = batch.pop("labels")
        with torch.inference_mode(), runtime.autocast():
            states = models.body(model)(**batch).last_hidden_state[labels != IGNORED]
            logits = model.cls(states).float()
        answers = labels[labels != IGNORED]
        losses.append(torch.nn.functional.cross_entropy(logits, answers, reduction="none"))
        right.append(logits.argmax(-1) == answers)
    return {
        "masked_loss": torch.cat(losses).mean().item(),
        "masked_accuracy": torch.cat(right).float().mean().item(),
    }


def features(body: torch.nn.Module, texts: list[str], tokenizer: Any) -> np.ndarray:
    """Mean-pooled last hidden states, shape (texts, width)."""
    return retrieval.mean_states(body, tokenizer, texts, MAX_LENGTH).numpy()


def similarity(body: torch.nn.Module, tokenizer: Any) -> float:
    """Pearson's correlation of the cosines of sentence pairs with their graded similarity: text of another domain."""
    pairs = data.load("paraphrases:similarity")["test"]
    one, two = (features(body, pairs[column][:], tokenizer) for column in ("sentence1", "sentence2"))
    cosines = (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)
    return float(np.corrcoef(cosines, pairs["label"][:])[0, 1])


def classify(encoder: str, way: str, labels: int, seed: int) -> dict[str, Any]:
    """Learn the task from ``labels`` sentences of each class, in one of the ways, and score the test sentences.

    Args:
        encoder: a name that ``models.load`` knows.

    Returns ``accuracy``, its bootstrap interval over the test sentences (``low``, ``high``), ``right`` (a string with 1
    for every sentence that was right and 0 for the others, so that rows can be compared in pairs), the accuracy of
    TF-IDF on the same labels (``tfidf``), and the ``seconds`` of learning and answering.
    """
    runtime.start(seed)
    tokenizer = models.tokenizer(encoder)
    train, test = draw(sentences("train"), labels, seed), draw(sentences("test"), TEST_PER_CLASS, 0)
    truth = np.array(test["label"][:])
    began = time.perf_counter()
    if way == "frozen":
        predicted = _frozen(encoder, train, test, tokenizer)
    else:
        model = models.load(encoder, head=heads.PooledClassifier, pooling="mean", labels=LIBRARIES)
        encoded = batching.encode(train, tokenizer, MAX_LENGTH)
        batches = batching.loader(encoded, tokenizer, 16, shuffle=True, seed=seed)
        training.fit(model, batches, epochs=EPOCHS.get(labels, 4), learning_rate=RATE)
        loader = batching.loader(batching.encode(test, tokenizer, MAX_LENGTH), tokenizer, 64)
        predicted = evaluation.predict(model, loader).classes
    seconds = time.perf_counter() - began
    right = predicted == truth
    estimate, low, high = evaluation.interval(right)
    return {
        "accuracy": round(estimate, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "right": "".join(map(str, right.astype(int))),
        "tfidf": round(float((evaluation.tfidf(train, test) == truth).mean()), 4),
        "seconds": round(seconds, 1),
    }


def measure(model: str, way: str, seed: int, steps: int, labels: int, folder: Path) -> dict[str, Any]:
    """One row. ``labels`` is 0 for the row of a further pretraining itself."""
    adapted = folder / f"{zlib.crc32(json.dumps([model, seed, steps]).encode()):08x}"
    if not labels:
        return further_pretrain(model, seed, steps, adapted)
    if way == "further" and not adapted.exists():  # its row was measured before, and the folder deleted since
        further_pretrain(model, seed, steps, adapted)
    return classify(str(adapted) if way == "further" else model, way, labels, seed)


def settings(model: str, seeds: int, steps: int, labels: tuple[int, ...] = LABELS) -> list[dict[str, Any]]:
    """All rows; the steps of the further pretraining belong to its rows alone."""
    rows = []
    for seed in range(seeds):
        rows.append({"model": model, "way": "further", "seed": seed, "steps": steps, "labels": 0})
        for way in WAYS:
            steps_of_way = steps if way == "further" else 0
            rows += [
                {"model": model, "way": way, "seed": seed, "steps": steps_of_way, "labels": count} for count in labels
            ]
    return rows


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line a number of labels: the accuracy of each way over the seeds, and the gain of ``further`` over ``full``.

    The gain is between runs of the same seed, with the same labels.
    """
    runs = [row for row in rows if row["settings"]["labels"]]
    lines = {}
    for (labels,), group in sorted(summary.groups(runs, "labels").items()):
        by_way = {
            way: {row["settings"]["seed"]: row["results"]["accuracy"] for row in group if row["settings"]["way"] == way}
            for way in WAYS
        }
        pairs = sorted(by_way["full"].keys() & by_way["further"].keys())
        lines[labels] = {
            **{way: summary.spread(by_way[way].values()) for way in WAYS if by_way[way]},
            "further - full": summary.spread(by_way["further"][seed] - by_way["full"][seed] for seed in pairs),
            "TF-IDF": summary.spread(row["results"]["tfidf"] for row in group if row["settings"]["way"] == "full"),
            "seeds": len(pairs),
        }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("labels a class")


def further_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """What the further pretraining itself changed, over the seeds: before and after, and what it cost."""
    results = [row["results"] for row in rows if not row["settings"]["labels"]]
    measures = {"masked_loss": "masked loss, nats", "masked_accuracy": "masked accuracy", "similarity": "similarity"}
    lines = {
        shown: {when: summary.spread(found[f"{name}_{when}"] for found in results) for when in ("before", "after")}
        for name, shown in measures.items()
    }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("of the encoder")


def picture(rows: Sequence[dict[str, Any]], then: Callable = figures.show) -> None:
    """Accuracy against the number of labels, one point a run."""
    with figures.figure(
        "For MiniLM, further pretraining pays at no number of labels",
        "Points, one a run: accuracy against labels a class on a log axis, for frozen, full and further pretraining.",
        then=then,
    ) as axes:
        for way, colour, shift in zip(WAYS, figures.COLOURS, (0.94, 1.0, 1.06), strict=False):
            runs = [row for row in rows if row["settings"]["way"] == way and row["settings"]["labels"]]
            x = [row["settings"]["labels"] * shift for row in runs]
            axes.plot(x, [row["results"]["accuracy"] for row in runs], ".", color=colour, label=way)
        counts = sorted({row["settings"]["labels"] for row in rows} - {0})
        axes.set_xscale("log")
        axes.set_xticks(counts, list(map(str, counts)))
        axes.set_xticks([], minor=True)
        axes.set(xlabel="labels a class", ylabel="test accuracy")
        axes.legend(frameon=False)


def main(arguments: list[str] | None = None) -> int:
    """Measure all rows that are missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="minilm", help="any name that models.load knows (default minilm)")
    parser.add_argument("--seeds", type=int, default=5, help="default 5")
    parser.add_argument("--steps", type=int, default=600, help="of the further pretraining, 32 sentences each")
    parser.add_argument("--labels", type=int, nargs="+", default=LABELS, help="of each class (default 8 32 128)")
    parser.add_argument("--folder", type=Path, default=Path(".cache/further_pretraining"), help="keeps the encoders")
    parser.add_argument("--output", type=Path, default=ROWS)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    wanted = settings(options.model, options.seeds, options.steps, tuple(options.labels))
    rows = runner.run(options.output, wanted, lambda **row: measure(**row, folder=options.folder))
    print(table(rows).map(str).to_string())
    print(further_table(rows).map(str).to_string())
    return 0


def _frozen(encoder: str, train: Dataset, test: Dataset, tokenizer: Any) -> np.ndarray:
    """Predictions of a logistic regression on the frozen encoder's features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    body = models.load(encoder)
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    head.fit(features(body, train["text"][:], tokenizer), train["label"][:])
    return head.predict(features(body, test["text"][:], tokenizer))


def _dataset(rows: list[tuple[str, int]]) -> Dataset:
    types = Features({"text": Value("string"), "label": ClassLabel(names=list(LIBRARIES))})
    texts, labels = zip(*rows, strict=True) if rows else ((), ())
    return Dataset.from_dict({"text": list(texts), "label": list(labels)}, features=types)


if __name__ == "__main__":
    sys.exit(main())
