"""Vectors of a frozen encoder, kept once, are what the whole model would read."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    BertForPreTraining,
    BertForSequenceClassification,
    BertForTokenClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

from helpers import batching, evaluation, freezing, heads, training
from helpers.features import HeadOnly, cache_features


@pytest.fixture(autouse=True)
def _fp32(monkeypatch):
    monkeypatch.setenv("HELPERS_PRECISION", "fp32")


def loader(split, tokenizer, **options):
    return batching.batches(batching.encode(split, tokenizer), tokenizer, **{"batch_size": 5} | options)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("build", "config"),
    [
        (BertForSequenceClassification, {}),
        (heads.PooledClassifier, {"pooling": "mean", "classifier": "batchnorm"}),
        (heads.PooledClassifier, {"pooling": "cls", "classifier": "dense"}),
    ],
)
def test_cached_predictions_are_those_of_the_model_bit_for_bit(
    tiny, tokenizer, colours, monkeypatch, precision, build, config
):
    monkeypatch.setenv("HELPERS_PRECISION", precision)
    model = tiny(build, **config).train()  # the mode must not matter
    freezing.freeze_body(model)
    model.train()
    rows = loader(colours, tokenizer)
    features = cache_features(model, rows)
    assert features.vectors.shape == (len(colours), 16)
    assert model.training
    head = HeadOnly(model)
    training.fit(head, features.batches(8, shuffle=True), epochs=2, learning_rate=1e-2)
    whole, cached = evaluation.predict(model, rows), evaluation.predict(head, features.batches(5))
    assert whole.logits.tobytes() == cached.logits.tobytes()
    assert (whole.labels == cached.labels).all()


def test_training_on_cached_features_is_training_the_head(tiny, tokenizer, colours):
    """Without dropout, a step on stored vectors is a step of the frozen model on the same rows."""
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model, twin = tiny(**quiet), tiny(**quiet)
    freezing.freeze_body(model)
    freezing.freeze_body(twin)
    features = cache_features(model, loader(colours, tokenizer, batch_size=64))
    slow = training.fit(twin, loader(colours, tokenizer, batch_size=64), epochs=5, learning_rate=1e-2)
    fast = training.fit(HeadOnly(model), features.batches(64), epochs=5, learning_rate=1e-2)
    assert [s["loss"] for s in fast.steps] == pytest.approx([s["loss"] for s in slow.steps], rel=1e-5)
    torch.testing.assert_close(model.classifier.weight, twin.classifier.weight, rtol=1e-4, atol=1e-6)


def test_shuffled_features_keep_their_labels(tiny, tokenizer, colours):
    model = tiny()
    freezing.freeze_body(model)
    features = cache_features(model, loader(colours, tokenizer))
    assert (features.labels == torch.tensor(colours["label"][:])).all()
    batches = list(features.batches(8, shuffle=True))
    vectors, labels = torch.cat([b["features"] for b in batches]), torch.cat([b["labels"] for b in batches])
    assert not torch.equal(vectors, features.vectors)
    order = torch.cdist(vectors, features.vectors).argmin(dim=1)
    assert torch.equal(features.labels[order], labels)


def test_features_without_labels_give_batches_without_labels(tiny, tokenizer, colours):
    model = tiny()
    freezing.freeze_body(model)
    features = cache_features(model, loader(colours.remove_columns("label"), tokenizer))
    assert [set(batch) for batch in features.batches(100)] == [{"features"}]


def test_features_that_would_go_stale_or_do_not_fit_are_refused(tiny, tokenizer, colours):
    rows = loader(colours, tokenizer)
    with pytest.raises(ValueError, match=r"still learns \(embeddings.*freeze_body"):
        cache_features(tiny(), rows)
    words = tiny(BertForTokenClassification)
    freezing.freeze_body(words)
    with pytest.raises(ValueError, match="a vector a token"):
        cache_features(words, rows)
    with pytest.raises(ValueError, match="BertForPreTraining has cls"):
        HeadOnly(tiny(BertForPreTraining))
    with pytest.raises(ValueError, match="pre_classifier"):
        HeadOnly(
            DistilBertForSequenceClassification(
                DistilBertConfig(vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8)
            )
        )
