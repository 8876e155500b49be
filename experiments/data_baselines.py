"""What is each of the book's data sets worth? ``python -m experiments.data_baselines``

For every set: simple baselines, and full fine-tuning of MiniLM with three seeds, scored on the test split. Writes the
rows to ``book/evidence/data_baselines.json`` (resumable) and the summary, with a checksum of each set's file, to
``helpers/data/sets/measured.json``, which the cards and ``python -m helpers.data`` show.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments import runner
from helpers import batching, data, evaluation, heads, metrics, models, retrieval, runtime, training
from helpers.batching import choices, spans, words
from helpers.errors import choose

SEEDS = (0, 1, 2)
ROWS = runner.EVIDENCE / "data_baselines.json"
MEASURED = data.SETS / "measured.json"
# Rate, epochs and longest input of the fine-tuning, by data set; chosen on the validation splits.
SETTINGS = {
    "intents": (4e-4, 4, 64),
    "reviews": (1e-4, 4, 64),
    "comments": (2e-4, 4, 64),
    "paraphrases": (1e-4, 4, 64),
    "entities": (5e-4, 8, 64),
    "passages": (4e-4, 4, 192),
    "choices": (1e-4, 4, 64),
    "reviews:stars": (1e-4, 4, 64),
    "paraphrases:similarity": (1e-4, 4, 64),
}


def accuracy(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float((predicted == truth).mean())


def uncivil_f1(predicted: np.ndarray, truth: np.ndarray) -> float:
    right = int(((predicted == 1) & (truth == 1)).sum())
    return 2 * right / max(int((predicted == 1).sum() + (truth == 1).sum()), 1)


def pearson(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float(np.corrcoef(predicted, truth)[0, 1])


SCORES = {
    "intents": ("accuracy", accuracy),
    "reviews": ("accuracy", accuracy),
    "reviews:stars": ("Pearson correlation", pearson),
    "comments": ("F1 of uncivil", uncivil_f1),
    "paraphrases": ("accuracy", accuracy),
    "paraphrases:similarity": ("Pearson correlation", pearson),
    "entities": ("entity F1", None),
    "passages": ("span F1 where there is an answer", None),
    "choices": ("accuracy", accuracy),
}


def baselines(name: str, like: str = "") -> dict[str, float]:
    """Scores of what needs no pretrained model; ``like`` is the shipped set that has the same task as a public one."""
    splits = data.load(name)
    train, test = splits["train"], splits["test"]
    like = like or name
    _, score = SCORES[like]
    if like == "entities":
        return _tag_baselines(train, test)
    if like == "passages":
        return _span_baselines(test)
    truth = np.array(test["label"][:])
    if like == "choices":
        overlap = [np.argmax([_overlap(row["prompt"], choice) for choice in row["choices"]]) for row in test]
        longest = [np.argmax([len(choice) for choice in row["choices"]]) for row in test]
        return {
            "random": statistics.fmean(1 / len(choices) for choices in test["choices"]),
            "most word overlap": score(np.array(overlap), truth),
            "longest": score(np.array(longest), truth),
        }
    if like in ("reviews:stars", "paraphrases:similarity"):
        return {"TF-IDF + ridge": score(_ridge(train, test), truth)}
    return {
        "majority": score(evaluation.majority(train, test), truth),
        "TF-IDF": score(evaluation.tfidf(train, test, balanced=like == "comments"), truth),
    }


def _ridge(train, test) -> np.ndarray:
    """TF-IDF and ridge regression; a pair counts by its shared and its different words."""
    import scipy.sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    columns = ["text"] if "text" in train.column_names else ["sentence1", "sentence2"]
    vectorizer = TfidfVectorizer(sublinear_tf=True).fit([text for column in columns for text in train[column]])

    def vectors(split):
        parts = [vectorizer.transform(split[column]) for column in columns]
        if len(parts) == 1:
            return parts[0]
        product = parts[0].multiply(parts[1])
        return scipy.sparse.hstack([abs(parts[0] - parts[1]), product, product.sum(axis=1)]).tocsr()

    return Ridge(1.0).fit(vectors(train), train["label"][:]).predict(vectors(test))


def _tag_baselines(train, test) -> dict[str, float]:
    names = data.labels(train, "ner_tags")
    seen: dict[str, Counter] = defaultdict(Counter)
    for row in train:
        for word, tag in zip(row["tokens"], row["ner_tags"], strict=True):
            seen[word.lower()][tag] += 1
    truth = [[names[tag] for tag in row["ner_tags"]] for row in test]
    usual = [
        [names[seen[word.lower()].most_common(1)[0][0]] if word.lower() in seen else "O" for word in row["tokens"]]
        for row in test
    ]
    return {"all O": 0.0, "each word's usual tag": metrics.entity_f1(truth, usual)}


def _span_baselines(test) -> dict[str, float]:
    def first_sentence(row: dict) -> str:
        return row["context"].split(". ")[0]

    def most_overlap(row: dict) -> str:
        return max(row["context"].split(". "), key=lambda sentence: _overlap(row["question"], sentence))

    def score(answer) -> float:
        return _answerable([answer(row) for row in test], test)["score"]

    return {
        "first sentence": score(first_sentence),
        "sentence with most word overlap": score(most_overlap),
    }


def _answerable(predicted: list[str], test) -> dict[str, float]:
    """Mean span F1, the ``score``, and ``exact_match``, where there is an answer."""
    scores = metrics.answer_scores(predicted, test["answers"][:])
    answerable = scores[scores["answerable"]]
    return {"score": float(answerable["f1"].mean()), "exact_match": float(answerable["exact_match"].mean())}


def _overlap(first: str, second: str) -> float:
    a, b = (set(text.lower().strip(".?!").split()) for text in (first, second))
    return len(a & b) / math.sqrt(max(len(b), 1))


def minilm(name: str, seed: int, rate: float, epochs: int, length: int, like: str = "") -> dict[str, float]:
    """Test ``score`` of MiniLM, fully fine-tuned on the training split; of ``passages``, ``exact_match``, too.

    ``like`` is the shipped set that has the same task as a public one.
    """
    runtime.start(seed)
    splits = data.load(name)
    like = like or name
    tokenizer = models.tokenizer("minilm")
    test = splits["test"]

    if like == "passages":
        return _reader(splits, tokenizer, seed, rate, epochs, length)

    def run(head, encode, batches=None, size=16, **config):
        model = models.load("minilm", head=head, **config)
        encoded = {split: encode(splits[split]) for split in ("train", "test")}
        train = batching.loader(encoded["train"], tokenizer, size, shuffle=True, seed=seed, collate=batches)
        training.fit(model, train, epochs=epochs, learning_rate=rate)
        loader = batching.loader(encoded["test"], tokenizer, 32, collate=batches)
        return evaluation.predict(model, loader), encoded["test"]

    if like == "entities":
        names = data.labels(test, "ner_tags")
        found, encoded = run(
            "token-classification",
            lambda s: words.encode_words(s, tokenizer, length),
            words.WordBatches(tokenizer),
            labels=names,
        )
        tags = [[names[i] for i in row] for row in words.word_predictions(found.classes, encoded)]
        return {"score": metrics.entity_f1([[names[i] for i in row] for row in test["ner_tags"]], tags)}
    if like == "choices":
        found, _ = run(
            "multiple-choice",
            lambda s: choices.encode_choices(s, tokenizer, length),
            choices.ChoiceBatches(tokenizer),
            size=8,
        )
        return {"score": accuracy(found.classes, found.labels)}
    # MiniLM was pretrained to be read by the mean of its last hidden states.
    head, encode = heads.PooledClassifier, lambda s: batching.encode(s, tokenizer, length)
    if like in ("reviews:stars", "paraphrases:similarity"):
        found, _ = run(head, encode, pooling="mean", num_labels=1, problem_type="regression")
        return {"score": pearson(found.logits.squeeze(-1), found.labels)}
    found, _ = run(head, encode, pooling="mean", labels=data.labels(test))
    return {"score": SCORES[like][1](found.classes, found.labels)}


def _reader(splits, tokenizer, seed: int, rate: float, epochs: int, length: int) -> dict[str, float]:
    """Span F1 of MiniLM twice: as it comes it finds the sentence closest to the question; fine-tuned it reads it."""
    held = retrieval.answer_sentences(splits["train"])
    rows = [row for row, sentence in enumerate(held) if sentence]
    train = retrieval.narrow(splits["train"].select(rows), [held[row] for row in rows])
    closest = retrieval.closest_sentences(models.load("minilm"), tokenizer, splits["test"])
    test = retrieval.narrow(splits["test"], closest)
    collate = spans.SpanBatches(tokenizer)
    # No dropout in the attention: with it, PyTorch can not use its fast attention on a CPU.
    model = models.load("minilm", head="question-answering", attention_probs_dropout_prob=0.0)
    encoded = {
        name: spans.encode_questions(split, tokenizer, length) for name, split in (("train", train), ("test", test))
    }
    batches = batching.loader(encoded["train"], tokenizer, 8, shuffle=True, seed=seed, collate=collate)
    training.fit(model, batches, epochs=epochs, learning_rate=rate)
    found = evaluation.predict(model, batching.loader(encoded["test"], tokenizer, 32, collate=collate))
    answers = spans.best_spans(found.logits, encoded["test"], test)
    return _answerable([answer.text for answer in answers], splits["test"])


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line a data set: its best baseline, and mean and spread of MiniLM over the seeds.

    Rows of older files or older settings are left out.
    """
    lines = {}
    for name, (metric, _) in SCORES.items():
        current = {"name": name, "sha256": sha256(name), "settings": list(SETTINGS[name])}
        scores = [r["results"]["score"] for r in rows if {k: r["settings"][k] for k in current} == current]
        if scores:
            best, score = max(baselines(name).items(), key=lambda found: found[1])
            lines[name] = {
                "metric": metric,
                "best baseline": f"{best} {score:.3f}",
                "MiniLM, fine-tuned": statistics.mean(scores),
                "sd": statistics.stdev(scores) if len(scores) > 1 else math.nan,
                "seeds": len(scores),
            }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("data set")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="data sets to measure; all by default")
    arguments = parser.parse_args()
    arguments.names = [choose("data set", name, SETTINGS) for name in arguments.names] or list(SETTINGS)
    rows = runner.run(
        ROWS,
        [
            {"name": name, "seed": seed, "sha256": sha256(name), "settings": list(SETTINGS[name])}
            for seed in SEEDS
            for name in arguments.names
        ],
        lambda name, seed, sha256, settings: minilm(name, seed, *settings),
    )
    summary = {name: found for name in SETTINGS if (found := data.measured(name))}
    for name in arguments.names:
        scores = [row["results"]["score"] for row in rows if row["settings"]["name"] == name]
        summary[name] = {
            "metric": SCORES[name][0],
            "baselines": baselines(name),
            "minilm": {"mean": statistics.mean(scores), "sd": statistics.stdev(scores), "seeds": len(scores)},
            "sha256": sha256(name),
        }
    runner.write_json(MEASURED, summary)


def sha256(name: str) -> str:
    """Checksum of the file that holds a data set, so that a score can be traced to what it was measured on."""
    return hashlib.sha256((data.SETS / f"{name.partition(':')[0]}.jsonl").read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
