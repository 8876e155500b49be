"""Padding must not change what a model computes: the attention mask reaches the model wherever batches do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers import batching, evaluation, training

# At BERT's usual 0.02, a random model of this size hardly looks at its neighbours, and would not notice the padding.
STRONG = {"initializer_range": 0.5, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


pytestmark = pytest.mark.usefixtures("fp32")


def test_predictions_do_not_depend_on_the_padding(tiny, tokenizer, encoded):
    model = tiny(**STRONG)
    alone, padded = (evaluation.predict(model, batching.batches(encoded, tokenizer, batch_size=n)) for n in (1, 64))
    np.testing.assert_allclose(alone.logits, padded.logits, rtol=1e-3, atol=1e-4)


def test_the_loss_in_training_does_not_depend_on_the_padding(tiny, tokenizer, encoded):
    model = tiny(**STRONG)
    with torch.no_grad():
        alone = [model(**batch).loss.item() for batch in batching.batches(encoded, tokenizer, batch_size=1)]
    history = training.fit(model, batching.batches(encoded, tokenizer, batch_size=64, shuffle=True), epochs=1)
    assert history.steps[0]["loss"] == pytest.approx(np.mean(alone), rel=1e-3)
