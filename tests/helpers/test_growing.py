"""A trained classifier gets one label more: what stays, what is new, and what is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from helpers import batching, freezing, heads, training
from helpers.heads import PooledClassifier

SIZES = st.tuples(st.integers(2, 30), st.integers(1, 40))  # labels, width


def classifier_of(size, seed):
    """A model of the form that add_label needs, with rows and features of any scale, and no encoder to wait for."""
    labels, width = size
    torch.manual_seed(seed)
    with torch.device("meta"):
        model = BertForSequenceClassification(
            BertConfig(hidden_size=12, num_hidden_layers=0, vocab_size=9, num_labels=labels)
        )
    scale = 10 ** torch.empty(()).uniform_(-2, 1.5)
    model.classifier = nn.Linear(width, labels)
    nn.init.normal_(model.classifier.weight, std=float(scale))
    nn.init.normal_(model.classifier.bias, std=float(scale))
    return model, torch.randn(7, width)


@settings(max_examples=100, deadline=None)
@given(SIZES, st.integers(0, 2**31), st.sampled_from(heads.INITS))
def test_a_new_label_leaves_the_old_rows_as_they_were(size, seed, init):
    model, features = classifier_of(size, seed)
    layer, before = model.classifier, [p.clone() for p in model.classifier.parameters()]
    logits, names = layer(features), dict(model.config.id2label)
    new = heads.add_label(model, "new", init, features=features if init == "imprint" else None)
    assert new == size[0]
    assert model.classifier is layer
    assert all(torch.equal(old, p[:new]) for old, p in zip(before, layer.parameters(), strict=True))
    # The same sums; how a product of another size rounds them is the library's business.
    torch.testing.assert_close(layer(features)[:, :new], logits, rtol=1e-4, atol=1e-4 * logits.abs().max().item())
    assert layer.weight.shape == (new + 1, size[1])
    assert (model.num_labels, model.config.num_labels, layer.out_features) == (new + 1,) * 3
    assert model.config.id2label == {**names, new: "new"}
    assert model.config.label2id == {label: i for i, label in model.config.id2label.items()}


@settings(max_examples=200, deadline=None)
@given(SIZES, st.integers(0, 2**31))
def test_the_mean_of_the_rows_is_never_likely(size, seed):
    model, features = classifier_of(size, seed)
    best = model.classifier(features).argmax(dim=1)
    heads.add_label(model, "new", "mean")
    logits = model.classifier(features).double()
    assert (logits.softmax(dim=1)[:, -1] <= 1 / logits.shape[1] + 1e-5).all()
    assert torch.equal(logits.argmax(dim=1), best)


def test_new_rows_by_hand(tiny):
    def grown(init, **options):
        model = tiny(PooledClassifier, num_labels=2, hidden_size=2, num_attention_heads=1)
        model.classifier.weight.data = torch.tensor([[3.0, 4.0], [0.0, 1.0]])  # norms 5 and 1
        model.classifier.bias.data = torch.tensor([0.5, 1.5])
        heads.add_label(model, "new", init, **options)
        return model.classifier.weight[2].tolist(), model.classifier.bias[2].item()

    assert grown("mean") == ([1.5, 2.5], 1.0)
    assert grown("zeros") == ([0.0, 0.0], 0.0)
    row, bias = grown("imprint", features=torch.tensor([[10.0, 0.0], [0.0, 0.1]]))  # their lengths do not count
    assert row == pytest.approx([3 / 2**0.5] * 2)
    assert bias == 1.0


def test_a_random_row_is_drawn_as_for_a_fresh_classifier(tiny):
    model = tiny(hidden_size=512)
    torch.manual_seed(3)
    heads.add_label(model, "new", "random")
    assert 0.018 < model.classifier.weight[2].std() < 0.022
    assert model.classifier.bias[2] == 0
    torch.manual_seed(3)
    again = tiny(hidden_size=512)
    torch.manual_seed(3)
    heads.add_label(again, "new", "random")
    assert torch.equal(model.classifier.weight, again.classifier.weight)


@pytest.mark.parametrize("cls", [BertForSequenceClassification, PooledClassifier])
def test_a_grown_classifier_trains_and_reloads(tiny, inputs, tmp_path, cls):
    model = tiny(cls, num_labels=3)
    heads.add_label(model, "a")
    heads.add_label(model, "b", "random")
    model(**inputs, labels=torch.tensor([4, 0, 3, 4])).loss.backward()
    assert (model.classifier.weight.grad.abs().sum(dim=1) > 0).all()
    model.eval().save_pretrained(tmp_path)
    again = cls.from_pretrained(tmp_path)
    assert torch.equal(again.classifier.weight, model.classifier.weight)
    assert (again.config.num_labels, again.config.id2label[4], again.config.label2id["b"]) == (5, "b", 4)


def test_growing_keeps_frozen_what_was_frozen_and_works_without_a_bias(tiny):
    model = tiny(num_labels=3)
    model.classifier.weight.requires_grad_(False)
    heads.add_label(model, "new")
    assert [p.requires_grad for p in model.classifier.parameters()] == [False, True]
    model.classifier.bias = None
    heads.add_label(model, "newer")
    assert model.classifier.bias is None


def test_fit_refuses_an_optimizer_that_holds_the_old_rows(tiny, tokenizer, colours):
    model = tiny()
    stale = torch.optim.AdamW(model.parameters())
    heads.add_label(model, "new")
    loader = batching.batches(batching.encode(colours, tokenizer), tokenizer, shuffle=True)
    with pytest.raises(ValueError, match="holds not all of the model's trainable parameters"):
        training.fit(model, loader, optimizer=stale)
    # Bringing parameters of its own is an optimizer's good right; leaving parts alone is what freezing says.
    training.fit(
        model, loader, epochs=1, optimizer=torch.optim.AdamW([*model.parameters(), nn.Parameter(torch.zeros(1))])
    )
    freezing.freeze_body(model)
    head_only = torch.optim.AdamW(model.classifier.parameters())
    training.fit(model, loader, epochs=1, optimizer=head_only)
    freezing.unfreeze(model, "*")
    with pytest.raises(ValueError, match="Was it built before a part of the model was replaced or unfrozen"):
        training.fit(model, loader, epochs=1, optimizer=head_only)


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({}, {"name": "LABEL_1"}, "already has a label 'LABEL_1', with the id 1"),
        ({}, {"init": "zero"}, "Unknown init 'zero'. Did you mean 'zeros'"),
        ({}, {"init": "imprint"}, "features=… belongs to init='imprint'"),
        ({}, {"features": torch.ones(1, 16)}, "got init='mean'"),
        ({}, {"init": "imprint", "features": torch.ones(2, 3)}, r"shape \(examples, 16\), got \(2, 3\)"),
        ({"classifier": "dense"}, {}, "no linear layer called `classifier`, but Sequential"),
        ({"num_labels": 1}, {}, "1 outputs and the configuration 1 labels"),
        ({"problem_type": "regression"}, {}, "problem type regression"),
    ],
)
def test_what_can_not_grow_is_named_and_left_alone(tiny, config, options, message):
    model = tiny(PooledClassifier, **config)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        heads.add_label(model, **{"name": "new"} | options)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    assert "new" not in model.config.label2id
