"""Labels, masks and features that would go wrong in silence, or with words that do not help."""

from __future__ import annotations

import math

import pytest
import torch

from helpers import heads, models
from helpers.settings import PROBLEM_TYPES

SINGLE, SEVERAL, NUMBER = (PROBLEM_TYPES[head] for head in ("classification", "multi-label", "regression"))


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        ([0, 3], SINGLE, "Label 3 does not fit 3 outputs; allowed: 0 … 2, or -100"),
        ([0, -1], SINGLE, "Label -1 does not fit"),
        ([0.0, 1.0], SINGLE, "Class ids are integers"),
        ([[0.0, 1.0, 2.0]] * 2, SEVERAL, "Label 2 does not fit 3 outputs; allowed: from 0 to 1"),
        ([[0.0, 1.0, math.nan]] * 2, SEVERAL, "Label nan"),
        ([[0.0, 1.0, math.inf]] * 2, NUMBER, "allowed: finite numbers"),
    ],
)
def test_labels_that_the_loss_cannot_use(labels, kind, message):
    with pytest.raises(ValueError, match=message):
        heads.loss(torch.zeros(2, 3), torch.tensor(labels), kind)


def test_ignored_labels_are_left_out():
    logits = torch.tensor([[1.0, 0.0], [0.0, 9.0]])
    kept = heads.loss(logits[:1], torch.tensor([0]), SINGLE)
    assert torch.equal(heads.loss(logits, torch.tensor([0, -100]), SINGLE), kept)


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 4, 1), (1, 4), (2, 1)])
def test_a_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"The mask must have shape \(2, 4\)"):
        heads.pool(torch.zeros(2, 4, 8), torch.ones(shape), "mean")


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (torch.full((2, 16), math.nan), "2 of 2 examples hold NaN"),
        (torch.ones(2, 16, dtype=torch.long), "features must be floats"),
    ],
)
def test_features_that_would_spoil_the_new_row(tiny, features, message):
    with pytest.raises(ValueError, match=message):
        heads.add_label(tiny(), "new", "imprint", features)


@pytest.mark.parametrize(
    ("saved", "asked"), [("classification", "token-classification"), ("token-classification", "classification")]
)
def test_a_classifier_of_another_task_is_not_taken_over(tmp_path, saved, asked):
    models.load("pocket", head=saved, labels=["a", "b"]).save_pretrained(tmp_path)
    for labels in ((), ["a", "b"]):
        with pytest.raises(ValueError, match="trained classifier of another task"):
            models.load(tmp_path, head=asked, labels=labels)
