"""How much each weight matters: against brute force, and where the answer has a closed form."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from helpers import batching, forgetting

pytestmark = pytest.mark.usefixtures("fp32")


def test_fisher_equals_brute_force(tiny, encoded, tokenizer):
    """Example by example, with plain ``backward`` and the definition of the loss."""
    model = tiny()
    found = forgetting.fisher(model, batching.batches(encoded, tokenizer, batch_size=5))
    wanted = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
    model.eval()
    for row in encoded:
        model.zero_grad()
        inputs = {name: torch.tensor([row[name]]) for name in ("input_ids", "attention_mask", "token_type_ids")}
        (-model(**inputs).logits.log_softmax(-1)[0, row["labels"]]).backward()
        for name, parameter in model.named_parameters():
            wanted[name] += parameter.grad**2 / len(encoded)
    assert {f"bert.{name}" if f"bert.{name}" in wanted else name for name in found} == wanted.keys()
    for name, tensor in found.items():
        brute = wanted.get(f"bert.{name}", wanted.get(name))
        torch.testing.assert_close(tensor, brute, rtol=1e-3, atol=1e-9)


def test_fisher_of_the_last_layer_has_a_closed_form(tiny, encoded, tokenizer):
    """For logits W x the gradient is (p − y) xᵀ, so F of W[c, d] is the mean of (p_c − y_c)² x_d²."""
    model = tiny().eval()
    loader = batching.batches(encoded, tokenizer, batch_size=len(encoded))
    (batch,) = loader
    with torch.no_grad():
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        features = model.bert(**inputs).pooler_output
        error = model(**inputs).logits.softmax(-1) - nn.functional.one_hot(batch["labels"], 2)
    closed = (error[:, :, None] * features[:, None, :]).square().mean(0)
    torch.testing.assert_close(forgetting.fisher(model, loader)["classifier.weight"], closed, rtol=1e-3, atol=1e-9)


def test_fisher_does_not_depend_on_the_batches_and_leaves_the_model_alone(tiny, encoded, tokenizer):
    model = tiny().train()
    before = copy.deepcopy(model.state_dict())
    one, other = (forgetting.fisher(model, batching.batches(encoded, tokenizer, batch_size=size)) for size in (1, 16))
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-3, atol=1e-9)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
