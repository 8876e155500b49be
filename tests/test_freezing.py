from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from helpers import freezing, models


def test_freeze_by_name_and_pattern(tiny):
    model = tiny()
    assert freezing.freeze(model, "bert.embeddings", "*.LayerNorm.*")
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == ("embeddings" not in name and "LayerNorm" not in name)


def test_a_name_stands_for_what_is_below_it_and_no_more(tiny):
    model = tiny(num_hidden_layers=11)
    frozen = freezing.freeze(model, "bert.encoder.layer.1")
    assert frozen
    assert all(name.startswith("bert.encoder.layer.1.") for name in frozen)


def test_freeze_drops_old_gradients(tiny):
    model = tiny()
    model(torch.tensor([[2, 5, 3]]), labels=torch.tensor([1])).loss.backward()
    freezing.freeze(model, "bert")
    assert all(p.grad is None for p in model.bert.parameters())


def test_frozen_modules_are_in_eval_mode_and_the_rest_in_train_mode(tiny):
    model = tiny().train()
    freezing.freeze(model, "bert.encoder.layer.0")
    model.train()
    assert freezing.eval_frozen(model) == ["bert.encoder.layer.0"]
    assert not any(m.training for m in model.bert.encoder.layer[0].modules())
    assert model.bert.encoder.layer[1].training
    assert model.dropout.training


def test_batchnorm_statistics_of_a_frozen_part_hold_still():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    freezing.freeze(model, "0", "1")
    model.train()
    freezing.eval_frozen(model)
    before = model[1].running_mean.clone()
    model(torch.randn(8, 3) + 5)
    assert torch.equal(model[1].running_mean, before)


def test_unfreeze_brings_back_gradient_and_train_mode(tiny):
    model = tiny()
    freezing.freeze(model, "bert")
    freezing.unfreeze(model, "bert.encoder.layer.1")
    assert all(p.requires_grad for p in model.bert.encoder.layer[1].parameters())
    assert model.bert.encoder.layer[1].training
    assert not model.bert.encoder.layer[0].training


def test_mistakes_are_named(tiny):
    with pytest.raises(ValueError, match=r"No parameter matches 'encoder'.*bert.encoder"):
        freezing.freeze(tiny(), "encoder")
    with pytest.raises(ValueError, match="leaves nothing to learn"):
        freezing.freeze(tiny(), "bert", "classifier")
    with pytest.raises(ValueError, match="has no head"):
        freezing.freeze_body(tiny().bert)


@given(st.sets(st.sampled_from(["embeddings", "encoder.layer.0", "encoder.layer.1", "pooler"]), min_size=1))
@settings(max_examples=15, deadline=None)
def test_frozen_parameters_stay_bit_identical(parts):
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8)
    )
    frozen = freezing.freeze(model, *(f"bert.{part}" for part in parts))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(3):
        model(torch.tensor([[2, 5, 3], [2, 6, 3]]), labels=torch.tensor([0, 1])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    for name, parameter in model.named_parameters():
        if name in frozen:
            assert torch.equal(parameter, before[name])
    assert not torch.equal(model.classifier.weight, before["classifier.weight"])


def test_body_is_found_for_other_families():
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    model = DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8)
    )
    freezing.freeze_body(model)
    trainable = models.parameters(model)["trainable"]
    assert set(trainable[trainable > 0].index) == {"pre_classifier", "classifier", "total"}
