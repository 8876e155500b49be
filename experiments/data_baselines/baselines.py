"""What does a data set give to methods that need no pretrained model?"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict

import numpy as np

from helpers import data, metrics
from helpers.baselines import majority, tfidf


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float((predicted == truth).mean())


def uncivil_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    right = int(((predicted == 1) & (truth == 1)).sum())
    return 2 * right / max(int((predicted == 1).sum() + (truth == 1).sum()), 1)


def pearson(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.corrcoef(truth, predicted)[0, 1])


# Of the tasks with one prediction a row, where it is not accuracy.
SCORES = {"reviews:stars": pearson, "comments": uncivil_f1, "paraphrases:similarity": pearson}


def baselines(name: str, like: str = "") -> dict[str, float]:
    """Scores of what needs no pretrained model; ``like`` is the shipped set that has the same task as a public one."""
    splits = data.load(name)
    train, test = splits["train"], splits["test"]
    like = like or name
    score = SCORES.get(like, accuracy)
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
            "most word overlap": score(truth, np.array(overlap)),
            "longest": score(truth, np.array(longest)),
        }
    if like in ("reviews:stars", "paraphrases:similarity"):
        return {"TF-IDF + ridge": score(truth, _ridge(train, test))}
    return {
        "majority": score(truth, majority(train, test)),
        "TF-IDF": score(truth, tfidf(train, test, balanced=like == "comments")),
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
        return answerable(test, [answer(row) for row in test])["score"]

    return {
        "first sentence": score(first_sentence),
        "sentence with most word overlap": score(most_overlap),
    }


def answerable(test, predicted: list[str]) -> dict[str, float]:
    """Mean span F1, the ``score``, and ``exact_match``, where there is an answer."""
    scores = metrics.answer_scores(test["answers"][:], predicted)
    there = scores[scores["answerable"]]
    return {"score": float(there["f1"].mean()), "exact_match": float(there["exact_match"].mean())}


def _overlap(first: str, second: str) -> float:
    a, b = (set(text.lower().strip(".?!").split()) for text in (first, second))
    return len(a & b) / math.sqrt(max(len(b), 1))
