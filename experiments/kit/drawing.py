"""Which sentences of which labels?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value

from helpers import data


def of_labels(split: Dataset, wanted: Iterable[str], names: Sequence[str], per_class: int | None = None) -> Dataset:
    """The rows whose label is in ``wanted``, in their order, with ``text`` and ``label``, a number in ``names``.

    Args:
        per_class: the first so many rows of each label; all where it is None.
    """
    own, place, wanted = data.labels(split), {name: i for i, name in enumerate(names)}, set(wanted)
    seen: Counter[str] = Counter()
    texts, labels = [], []
    for text, number in zip(split["text"][:], split["label"][:], strict=True):
        name = own[number]
        if name in wanted and (per_class is None or seen[name] < per_class):
            seen[name] += 1
            texts.append(text)
            labels.append(place[name])
    kinds = Features({"text": Value("string"), "label": ClassLabel(names=list(names))})
    return Dataset.from_dict({"text": texts, "label": labels}, features=kinds)


def some(split: Dataset, per_class: int, seed: int) -> Dataset:
    """``per_class`` rows of every class, or all where there are fewer; ``seed`` decides which."""
    generator, labels = np.random.default_rng(seed), np.array(split["label"][:])
    rows = [generator.permutation(np.flatnonzero(labels == c))[:per_class] for c in range(len(data.labels(split)))]
    return split.select(np.concatenate(rows))
