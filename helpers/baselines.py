"""What is a score worth?

Less than it seems where a model that never reads gets it, too: one that always says the commonest label, and one that
counts words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.errors import number, with_rows

if TYPE_CHECKING:
    import scipy.sparse
    from datasets import Dataset


def _classes(train: Dataset) -> list[float]:
    """The different labels of the training rows, numbers; ``ValueError`` where they are none."""
    if "label" not in with_rows(train).column_names:
        raise ValueError(f"The split has no column 'label'; it has {', '.join(train.column_names)}.")
    found = sorted(set(train["label"][:]), key=str)
    if not all(isinstance(label, (int, float)) and label >= 0 for label in found):
        raise ValueError(
            f"A baseline needs class ids, 0 and up; the labels are {found[0]!r}, … Read the file: data.read."
        )
    return found


def majority(train: Dataset, test: Dataset) -> np.ndarray:
    """The baseline that always says the commonest training label: predicted class ids for ``test``."""
    _classes(train), with_rows(test)
    return np.full(len(test), np.bincount(train["label"][:]).argmax())


def tfidf(train: Dataset, test: Dataset, strength: float = 10.0, *, balanced: bool = False) -> np.ndarray:
    """The baseline without a neural network: TF-IDF of words and word pairs, logistic regression.

    Args:
        strength: inverse regularisation (``C`` of scikit-learn).
        balanced: weigh rare classes up, for imbalanced data.

    A sentence pair becomes the difference and the product of its two vectors. Returns predicted class ids for ``test``.
    """
    import scipy.sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    classes = _classes(train)
    with_rows(test)
    number("strength", strength, above=0)
    if len(classes) < 2:
        raise ValueError(f"All training rows have the label {classes[0]!r}: there is nothing to tell apart.")
    columns = ["text"] if "text" in train.column_names else ["sentence1", "sentence2"]
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    vectorizer.fit([text for column in columns for text in train[column]])

    def vectors(split: Dataset) -> scipy.sparse.csr_matrix:
        if len(columns) == 1:
            return vectorizer.transform(split["text"])
        first, second = (vectorizer.transform(split[column]) for column in columns)
        product = first.multiply(second)
        return scipy.sparse.hstack([abs(first - second), product, product.sum(axis=1)]).tocsr()

    classifier = LogisticRegression(C=strength, max_iter=2000, class_weight="balanced" if balanced else None)
    return classifier.fit(vectors(train), train["label"][:]).predict(vectors(test))
