from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers import batching, evaluation, features, metrics


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


def test_gpu_and_cpu_agree(tiny, tokenizer, colours, monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU to compare with")
    encoded = batching.encode(colours, tokenizer)
    logits = []
    for device in ("cpu", "cuda"):
        monkeypatch.setenv("HELPERS_DEVICE", device)
        logits.append(evaluation.predict(tiny(), batching.batches(encoded, tokenizer)).logits)
    np.testing.assert_allclose(*logits, atol=3e-2)
