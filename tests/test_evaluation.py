from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import batching, evaluation


def test_predict_keeps_order_and_mode(tiny, tokenizer, colours):
    model = tiny().train()
    encoded = batching.encode(colours, tokenizer)
    by_five = evaluation.predict(model, batching.loader(encoded, tokenizer, batch_size=5))
    at_once = evaluation.predict(model, batching.loader(encoded, tokenizer, batch_size=64))
    assert model.training
    assert by_five.labels.tolist() == colours["label"][:]
    np.testing.assert_allclose(by_five.logits, at_once.logits, atol=2e-2)  # padding differs, bf16 may be on
    assert by_five.classes.shape == (len(colours),)


def test_evaluate_without_labels_says_so(tiny, tokenizer, colours):
    encoded = batching.encode(colours.remove_columns("label"), tokenizer)
    with pytest.raises(ValueError, match="no labels"):
        evaluation.evaluate(tiny(), batching.loader(encoded, tokenizer))


def test_accuracy_by_hand():
    logits = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0], [0.5, 0.1]])
    assert evaluation.accuracy(logits, np.array([1, 0, 0, 0])) == {"accuracy": 0.75}


@given(st.lists(st.booleans(), min_size=2, max_size=200))
@settings(max_examples=40, deadline=None)
def test_interval_contains_its_estimate(values):
    estimate, low, high = evaluation.interval(values)
    assert 0 <= low <= estimate <= high <= 1


def test_interval_agrees_with_the_normal_approximation():
    values = np.tile([1, 1, 1, 0], 100)
    _, low, high = evaluation.interval(values)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.01)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for i in range(200):
        _, low, high = evaluation.interval(generator.random(150) < 0.7, draws=400, seed=i)
        covered += low <= 0.7 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_difference_is_paired():
    first = np.array([1, 0] * 100)
    second = first.copy()
    second[1:20:2] = 1  # better on ten examples, worse on none
    gap = evaluation.difference(first, second)
    assert gap.estimate == pytest.approx(0.05)
    assert gap.low > 0
    with pytest.raises(ValueError, match="same examples"):
        evaluation.difference(first, second[:-1])
    with pytest.raises(ValueError, match="at least one"):
        evaluation.interval([])


def test_baselines(colours):
    assert set(evaluation.majority(colours, colours)) == {int(np.bincount(colours["label"][:]).argmax())}
    assert (evaluation.tfidf(colours, colours) == colours["label"][:]).all()


def test_tfidf_sees_whether_two_sentences_share_words():
    from datasets import Dataset

    words = [f"word{chr(97 + i)} thing{chr(97 + i)}" for i in range(20)]
    rows = Dataset.from_dict(
        {"sentence1": words * 2, "sentence2": words + words[1:] + words[:1], "label": [1] * 20 + [0] * 20}
    )
    assert (evaluation.tfidf(rows, rows, strength=100) == rows["label"][:]).mean() > 0.9


def test_gpu_and_cpu_agree(tiny, tokenizer, colours, monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU to compare with")
    encoded = batching.encode(colours, tokenizer)
    logits = []
    for device in ("cpu", "cuda"):
        monkeypatch.setenv("HELPERS_DEVICE", device)
        logits.append(evaluation.predict(tiny(), batching.loader(encoded, tokenizer)).logits)
    np.testing.assert_allclose(*logits, atol=3e-2)
