from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import baselines, batching, evaluation, features, metrics, uncertainty


def test_what_was_measured_can_be_trained_afterwards(tiny, tokenizer, colours, monkeypatch):
    """A parameter that moves to a GPU inside inference mode can never be trained again, so nothing may move there."""
    moved = []

    def to(module, *arguments):
        moved.append(torch.is_inference_mode_enabled())
        return module

    monkeypatch.setattr(torch.nn.Module, "to", to)
    model = tiny()
    evaluation.predict(model, batching.batches(batching.encode(colours, tokenizer), tokenizer))
    features.mean_states(model.bert, tokenizer, ["red apple"])
    assert moved and not any(moved)


def test_predict_keeps_order_and_mode(tiny, tokenizer, colours):
    model = tiny().train()
    encoded = batching.encode(colours, tokenizer)
    by_five = evaluation.predict(model, batching.batches(encoded, tokenizer, batch_size=5))
    at_once = evaluation.predict(model, batching.batches(encoded, tokenizer, batch_size=64))
    assert model.training
    assert by_five.labels.tolist() == colours["label"][:]
    np.testing.assert_allclose(by_five.logits, at_once.logits, atol=2e-2)  # padding differs, bf16 may be on
    assert by_five.classes.shape == (len(colours),)


def test_evaluate_without_labels_says_so(tiny, tokenizer, colours):
    encoded = batching.encode(colours.remove_columns("label"), tokenizer)
    with pytest.raises(ValueError, match="no labels"):
        evaluation.evaluate(tiny(), batching.batches(encoded, tokenizer))


def batches_of(tokenizer, texts, labels_of):
    """One text a batch, so that no two batches need be equally wide; labels from the batch."""
    batches = [dict(tokenizer([text], return_tensors="pt")) for text in texts]
    return [batch | labels_of(batch) for batch in batches]


TEXTS = ["red apple", "the green pear sings very soon", "plum"]


def test_predict_joins_token_labels_of_different_widths(tiny, tokenizer, monkeypatch):
    from transformers import BertForTokenClassification

    monkeypatch.setenv("HELPERS_PRECISION", "fp32")
    model = tiny(BertForTokenClassification, num_labels=3).eval()
    batches = batches_of(tokenizer, TEXTS, lambda batch: {"labels": batch["input_ids"] % 3})
    found = evaluation.predict(model, batches)
    labels, logits = found.labels, found.logits
    assert logits.shape == (3, 8, 3)
    assert labels.shape == (3, 8)
    assert labels.dtype == np.int64
    for row, batch in enumerate(batches):
        width = batch["input_ids"].shape[1]
        assert labels[row, :width].tolist() == batch["labels"][0].tolist()
        assert (labels[row, width:] == batching.IGNORED).all()
        assert (logits[row, width:] == evaluation.PADDED_LOGIT).all()
        with torch.no_grad():
            alone = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
        np.testing.assert_allclose(logits[row, :width], alone.logits[0].cpu(), atol=1e-5)
    right = (logits.argmax(-1) == labels)[labels != batching.IGNORED]
    assert evaluation.evaluate(model, batches) == {"accuracy": pytest.approx(right.sum() / 15)}


def test_predict_stacks_start_and_end_of_spans(tiny, tokenizer, monkeypatch):
    from transformers import BertForQuestionAnswering

    monkeypatch.setenv("HELPERS_PRECISION", "fp32")
    model = tiny(BertForQuestionAnswering).eval()
    position = {"start_positions": torch.tensor([1]), "end_positions": torch.tensor([2])}
    batches = batches_of(tokenizer, TEXTS, lambda batch: position)
    found = evaluation.predict(model, batches)
    labels, logits = found.labels, found.logits
    assert logits.shape == (3, 2, 8)
    assert labels.tolist() == [[1, 2]] * 3
    for row, batch in enumerate(batches):
        with torch.no_grad():
            alone = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
        width = batch["input_ids"].shape[1]
        np.testing.assert_allclose(logits[row, 0, :width], alone.start_logits[0].cpu(), atol=1e-5)
        np.testing.assert_allclose(logits[row, 1, :width], alone.end_logits[0].cpu(), atol=1e-5)
    # What was filled up is never the best position and has no probability.
    assert (found.classes[2] < 3).all()
    assert torch.tensor(logits).softmax(-1)[2, :, 3:].sum() == 0


def test_predict_without_labels(tiny, tokenizer):
    predictions = evaluation.predict(tiny(), batches_of(tokenizer, TEXTS, lambda batch: {}))
    assert predictions.logits.shape == (3, 2)
    assert len(predictions.labels) == 0


def test_accuracy_leaves_ignored_labels_out():
    logits = np.zeros((2, 3, 2))
    logits[..., 1] = 1
    labels = np.array([[1, 0, -100], [1, -100, -100]])
    assert metrics.accuracy(labels, logits) == {"accuracy": pytest.approx(2 / 3)}


def test_accuracy_by_hand():
    logits = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0], [0.5, 0.1]])
    assert metrics.accuracy(np.array([1, 0, 0, 0]), logits) == {"accuracy": 0.75}


@given(st.lists(st.booleans(), min_size=2, max_size=200))
@settings(max_examples=40, deadline=None)
def test_interval_contains_its_estimate(values):
    estimate, low, high = uncertainty.interval(values)
    assert 0 <= low <= estimate <= high <= 1


def test_interval_agrees_with_the_normal_approximation():
    values = np.tile([1, 1, 1, 0], 100)
    _, low, high = uncertainty.interval(values)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.01)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for i in range(200):
        _, low, high = uncertainty.interval(generator.random(150) < 0.7, draws=400, seed=i)
        covered += low <= 0.7 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_difference_is_paired():
    first = np.array([1, 0] * 100)
    second = first.copy()
    second[1:20:2] = 1  # better on ten examples, worse on none
    gap = uncertainty.difference(first, second)
    assert gap.estimate == pytest.approx(0.05)
    assert gap.low > 0
    with pytest.raises(ValueError, match="same examples"):
        uncertainty.difference(first, second[:-1])
    with pytest.raises(ValueError, match="at least one"):
        uncertainty.interval([])


def f1(means: np.ndarray) -> np.ndarray:
    """F1 from mean numbers of correct, predicted and true items."""
    return 2 * means[..., 0] / (means[..., 1] + means[..., 2])


def test_interval_of_a_score_that_is_no_mean():
    generator = np.random.default_rng(0)
    counts = np.stack([generator.binomial(2, 0.7, 300), np.full(300, 2), np.full(300, 2)], axis=1)
    estimate, low, high = uncertainty.interval(counts, score=f1)
    # With constant denominators, F1 is a mean like any other.
    assert (estimate, low, high) == pytest.approx(uncertainty.interval(counts[:, 0] / 2))
    better = counts.copy()
    better[:, 0] = np.minimum(counts[:, 0] + (np.arange(300) % 10 == 0), 2)
    gap = uncertainty.difference(counts, better, score=f1)
    assert gap == pytest.approx(uncertainty.difference(counts[:, 0] / 2, better[:, 0] / 2))
    assert gap.low > 0
    assert uncertainty.difference(counts, counts, score=f1) == (0, 0, 0)


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


def test_gpu_and_cpu_agree(tiny, tokenizer, colours, monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU to compare with")
    encoded = batching.encode(colours, tokenizer)
    logits = []
    for device in ("cpu", "cuda"):
        monkeypatch.setenv("HELPERS_DEVICE", device)
        logits.append(evaluation.predict(tiny(), batching.batches(encoded, tokenizer)).logits)
    np.testing.assert_allclose(*logits, atol=3e-2)
