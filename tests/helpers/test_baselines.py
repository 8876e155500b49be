"""What gets a score without reading: on rows that words tell apart, and on pairs that only shared words do."""

from __future__ import annotations

import numpy as np

from helpers import baselines


def test_baselines(colours):
    assert set(baselines.majority(colours, colours)) == {int(np.bincount(colours["label"][:]).argmax())}
    assert (baselines.tfidf(colours, colours) == colours["label"][:]).all()


def test_tfidf_sees_whether_two_sentences_share_words():
    from datasets import Dataset

    words = [f"word{chr(97 + i)} thing{chr(97 + i)}" for i in range(20)]
    rows = Dataset.from_dict(
        {"sentence1": words * 2, "sentence2": words + words[1:] + words[:1], "label": [1] * 20 + [0] * 20}
    )
    assert (baselines.tfidf(rows, rows, strength=100) == rows["label"][:]).mean() > 0.9
