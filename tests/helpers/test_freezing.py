from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

from helpers import batching, freezing, heads, models, optimizers, training

INPUTS = {
    "input_ids": torch.tensor([[2, 5, 9, 3], [2, 6, 3, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]),
}


@pytest.fixture(autouse=True)
def _fp32(monkeypatch):
    monkeypatch.setenv("HELPERS_PRECISION", "fp32")


def logits(model):
    with torch.no_grad():
        return model.eval()(**INPUTS).logits


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
    with pytest.raises(ValueError, match="at least one"):
        freezing.freeze(tiny())
    with pytest.raises(ValueError, match=r"No parameter matches '\*.biass'"):
        freezing.train_only(tiny(), "*.biass")
    with pytest.raises(ValueError, match=r"from 0 to 2.*got 3"):
        freezing.unfreeze_top(tiny(), 3)
    with pytest.raises(ValueError, match=r"from 0 to 2.*got -1"):
        freezing.reinit_top(tiny(), -1)
    with pytest.raises(ValueError, match="at least 1"):
        next(freezing.gradual(tiny(), 0))


def test_body_is_found_for_other_families():
    model = DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8)
    )
    freezing.freeze_body(model)
    trainable = models.parameter_table(model)["trainable"]
    assert set(trainable[trainable > 0].index) == {"pre_classifier", "classifier", "total"}


def test_train_only_is_bitfit(tiny):
    model = tiny()
    freezing.freeze(model, "classifier")
    learning = freezing.train_only(model, "*.bias", "classifier")
    assert "classifier.weight" in learning
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (name in learning) == (name.endswith(".bias") or "classifier" in name)


def learning_parts(model):
    trainable = models.parameter_table(model)["trainable"].drop("total")
    return set(trainable[trainable > 0].index)


def test_unfreeze_top_counts_from_above(tiny):
    model = tiny(num_hidden_layers=3)
    assert freezing.unfreeze_top(model, 0) == ["classifier.weight", "classifier.bias"]
    freezing.unfreeze_top(model, 2)
    assert learning_parts(model) == {"layer 1", "layer 2", "pooler", "classifier"}
    assert not model.bert.encoder.layer[0].training
    assert model.bert.encoder.layer[1].training
    freezing.unfreeze_top(model, 1)
    assert learning_parts(model) == {"layer 2", "pooler", "classifier"}


def test_gradual_unfreezing_ends_with_everything(tiny):
    model = tiny(num_hidden_layers=3)
    stages = [(layers, learning_parts(model)) for layers in freezing.gradual(model, step=2)]
    top = {"layer 1", "layer 2", "pooler", "classifier"}
    assert stages == [(0, {"classifier"}), (2, top), (3, top | {"layer 0", "embeddings"})]
    assert all(p.requires_grad for p in model.parameters())


def test_reinit_draws_the_top_as_bert_was_drawn(tiny):
    model = tiny(hidden_size=64, num_hidden_layers=3, initializer_range=0.5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7.0)
    named = freezing.reinit_top(model, 2)
    assert {models.part_of(name) for name in named} == {"layer 1", "layer 2", "pooler"}
    for name, parameter in model.named_parameters():
        if name not in named:
            assert (parameter == 7).all()
        elif "LayerNorm.weight" in name:
            assert (parameter == 1).all()
        elif name.endswith("bias"):
            assert (parameter == 0).all()
        else:
            assert parameter.std().item() == pytest.approx(0.5, rel=0.1)


# Each way to train a part: what it does to a model of so many layers, and which parameters it must leave alone.
METHODS = {
    "body frozen": (lambda m, k: freezing.freeze_body(m), lambda name, first: name.startswith("bert.")),
    "embeddings frozen": (
        lambda m, k: freezing.freeze(m, "bert.embeddings"),
        lambda name, first: "embeddings" in name,
    ),
    "top layers": (
        lambda m, k: freezing.unfreeze_top(m, k),
        lambda name, first: "embeddings" in name or any(f"layer.{i}." in name for i in range(first)),
    ),
    "BitFit": (
        lambda m, k: freezing.train_only(m, "*.bias", "classifier"),
        lambda name, first: not name.endswith("bias") and not name.startswith("classifier"),
    ),
    "first stage of gradual unfreezing": (
        lambda m, k: list(itertools.islice(freezing.gradual(m, k), 1)),
        lambda name, first: name.startswith("bert."),
    ),
    "LoRA": (
        lambda m, k: freezing.lora(m, rank=k),
        lambda name, first: not any(part in name for part in ("lora_", "modules_to_save")),
    ),
}


@given(
    method=st.sampled_from(sorted(METHODS)),
    depth=st.integers(1, 3),
    width=st.sampled_from([4, 8, 12]),
    top=st.integers(1, 3),
    classifier=st.sampled_from(heads.CLASSIFIERS),
    steps=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_what_a_method_leaves_alone_stays_bit_identical(method, depth, width, top, classifier, steps, seed):
    torch.manual_seed(seed)
    sizes = {"hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": 2, "intermediate_size": 8}
    model = heads.PooledClassifier(BertConfig(vocab_size=20, classifier=classifier, **sizes))
    top = min(top, depth)
    apply, left_alone = METHODS[method]
    trained = model if method != "LoRA" else apply(model, top)
    if method != "LoRA":
        apply(model, top)
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    learning = {name for name, p in trained.named_parameters() if p.requires_grad}
    assert learning == {name for name, _ in trained.named_parameters() if not left_alone(name, depth - top)}
    optimizer = optimizers.adamw(optimizers.parameter_groups(trained, weight_decay=0.1), 1e-2)
    for _ in range(steps):
        trained.train()
        freezing.eval_frozen(trained)
        ids = torch.randint(5, 20, (4, 5))
        trained(input_ids=ids, labels=torch.randint(0, 2, (4,))).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    for name, tensor in trained.state_dict().items():
        if left_alone(name, depth - top):
            assert torch.equal(tensor, before[name]), name
    assert any(not torch.equal(trained.state_dict()[name], before[name]) for name in learning)


@pytest.mark.parametrize("build", [BertForSequenceClassification, heads.PooledClassifier])
def test_lora_learns_in_fit_and_merges_into_an_ordinary_model(tiny, tokenizer, colours, build):
    model = tiny(build, initializer_range=0.3)  # so that the frozen layers say something of the sentence
    untouched = logits(model)
    adapted = freezing.lora(model, rank=4, targets=["query", "value", "intermediate.dense"])
    assert torch.equal(logits(adapted), untouched)
    train = batching.batches(batching.encode(colours, tokenizer), tokenizer, batch_size=8, shuffle=True)
    history = training.fit(adapted, train, epochs=12, learning_rate=1e-2)
    assert history.epochs[-1]["loss"] < history.epochs[0]["loss"] * 0.7
    learned = logits(adapted)
    merged = adapted.merge_and_unload()
    assert type(merged) is build
    assert {name for name, _ in merged.named_parameters()} == {name for name, _ in tiny(build).named_parameters()}
    torch.testing.assert_close(logits(merged), learned, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(learned, untouched, atol=1e-2)


def test_lora_saves_the_adapter_alone_and_comes_back(tiny, tokenizer, colours, tmp_path):
    from peft import PeftModel

    adapted = freezing.lora(tiny(vocab_size=2000))
    train = batching.batches(batching.encode(colours, tokenizer), tokenizer, batch_size=8, shuffle=True)
    training.fit(adapted, train, epochs=1, learning_rate=1e-2)
    adapted.save_pretrained(tmp_path)
    saved = sum(file.stat().st_size for file in tmp_path.glob("*.safetensors"))
    assert saved < 0.2 * 4 * sum(p.numel() for p in adapted.parameters())
    assert torch.equal(logits(PeftModel.from_pretrained(tiny(vocab_size=2000), tmp_path)), logits(adapted))


def test_a_lora_target_that_is_not_there_is_named(tiny):
    with pytest.raises(ValueError, match=r"called 'values'.*dense, key, query, value\."):
        freezing.lora(tiny(), targets=["query", "values"])
    with pytest.raises(ValueError, match="called 'classifier'"):
        freezing.lora(tiny(), targets=["classifier"])
