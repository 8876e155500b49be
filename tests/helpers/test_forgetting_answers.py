"""Weights between old and new, and answers that were stored with kept rows."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from helpers import batching, forgetting, heads

pytestmark = pytest.mark.usefixtures("fp32")


@pytest.fixture
def grown(tiny):
    """A classifier, and a moved copy of it that has one label more."""
    old = tiny()
    new = copy.deepcopy(old)
    with torch.no_grad():
        for parameter in new.parameters():
            parameter += 0.1
    torch.manual_seed(0)
    heads.add_label(new, "later", "random")
    return old, new


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_interpolation_is_linear_and_leaves_new_rows(grown, share):
    old, new = grown
    row = new.classifier.weight[-1].clone()
    kept = {name: value.clone() for name, value in old.state_dict().items()}
    assert forgetting.interpolate(old, new, share) is new
    after = dict(new.named_parameters())
    for name, before in old.named_parameters():
        assert torch.allclose(after[name][: len(before)], before + 0.1 * share, atol=1e-6), name
        assert torch.equal(before, kept[name])
    assert torch.equal(new.classifier.weight[-1], row)


def test_no_weight_moves_where_the_two_do_not_fit(tiny, grown):
    _, new = grown
    before = {name: value.clone() for name, value in new.state_dict().items()}
    with pytest.raises(ValueError, match="share must be a finite number, at least 0 and at most 1"):
        forgetting.interpolate(new, new, 1.5)
    with pytest.raises(ValueError, match=r"has shape .* a head may grow by rows at its end"):
        forgetting.interpolate(tiny(num_labels=new.config.num_labels + 1), new, 0.5)
    with pytest.raises(ValueError, match="is in one of the two models only"):
        forgetting.interpolate(new.bert, new, 0.5)
    assert all(torch.equal(value, before[name]) for name, value in new.state_dict().items())


def loader(encoded, tokenizer, rows):
    return batching.batches(encoded.select(rows), tokenizer, 4)


def test_stored_answers_add_the_mean_squared_distance_of_kept_rows(tiny, encoded, tokenizer):
    """By hand: rows 0 and 2 are kept, 1 and 3 are new; the new model has another bias, so all distances are equal."""
    model = tiny().eval()
    remedy = forgetting.StoredAnswers(strength=0.5)
    remedy.store(model, loader(encoded, tokenizer, [0, 2]))
    (batch,) = loader(encoded, tokenizer, range(4))
    plain = model(**batch).loss
    assert remedy(model, batch).item() == pytest.approx(plain.item(), abs=1e-6)  # nothing has changed yet
    with torch.no_grad():
        model.classifier.bias += 0.2
    moved = model(**batch).loss
    assert remedy(model, batch).item() == pytest.approx(moved.item() + 0.5 * 0.2**2, abs=1e-5)


def test_only_the_labels_of_the_time_are_compared_and_the_first_answers_stay(tiny, encoded, tokenizer):
    model = tiny().eval()
    remedy = forgetting.StoredAnswers(strength=1.0)
    kept = loader(encoded, tokenizer, [0, 1])
    remedy.store(model, kept)
    first = {row: logits.clone() for row, logits in remedy.stored.items()}
    heads.add_label(model, "later", "random")
    (batch,) = kept
    assert remedy(model, batch).item() == pytest.approx(model(**batch).loss.item(), abs=1e-6)
    with torch.no_grad():
        model.classifier.bias += 1
    remedy.store(model, kept)
    assert all(torch.equal(logits, first[row]) for row, logits in remedy.stored.items())


def test_batches_without_kept_rows_have_the_plain_loss_and_padding_does_not_matter(tiny, encoded, tokenizer):
    model = tiny().eval()
    remedy = forgetting.StoredAnswers(strength=1.0)
    remedy.store(model, loader(encoded, tokenizer, [0]))
    (others,) = loader(encoded, tokenizer, [1, 2])
    assert torch.equal(remedy(model, others), model(**others).loss)
    (row,) = remedy.stored
    assert row == tuple(encoded[0]["input_ids"])
    wide = {name: nn.functional.pad(value, (0, 3)) for name, value in others.items() if name != "labels"}
    wide["labels"] = others["labels"]
    with torch.no_grad():
        model.classifier.bias += 1
    assert torch.equal(remedy(model, wide), model(**wide).loss)


@pytest.mark.parametrize("strength", [-1.0, float("nan"), "1"])
def test_a_strength_that_makes_no_sense_is_refused(strength):
    with pytest.raises(ValueError, match="strength must be a finite number, at least 0"):
        forgetting.StoredAnswers(strength)
