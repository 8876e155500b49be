"""One vector a text, and what computes the answer from it: against transformers and by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, BertModel, RobertaConfig
from transformers.models.roberta.modeling_roberta import RobertaClassificationHead

from helpers import batching, freezing, heads, models, training
from helpers.heads import PooledClassifier, pool

ALL = [(pooling, classifier) for pooling in heads.POOLINGS for classifier in heads.CLASSIFIERS]


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ({"num_labels": 3}, torch.tensor([0, 2, 1, 1])),
        ({"num_labels": 3, "problem_type": "multi_label_classification"}, torch.eye(4, 3)),
        ({"num_labels": 1}, torch.tensor([1.0, 2.5, 3.0, 5.0])),
        ({"num_labels": 1}, torch.tensor([[1.0], [2.5], [3.0], [5.0]])),
        pytest.param(
            {"num_labels": 1},
            torch.tensor([1, 0, 0, 1]),
            marks=pytest.mark.skipif(torch.__version__ < "2.13", reason="this PyTorch takes only floats there"),
        ),
        ({"num_labels": 2, "problem_type": "regression"}, torch.rand(4, 2)),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_by_default_it_is_the_classifier_of_transformers(tiny, inputs, config, labels, training):
    theirs = tiny(BertForSequenceClassification, **config).train(training)
    ours = tiny(PooledClassifier, seed=1, **config).train(training)
    ours.load_state_dict(theirs.state_dict())  # strict: the names are the same
    outputs = []
    for model in (theirs, ours):
        torch.manual_seed(7)  # of the dropout
        outputs.append(model(**inputs, labels=labels))
        outputs[-1].loss.backward()
    assert torch.equal(outputs[0].logits, outputs[1].logits)
    assert torch.equal(outputs[0].loss, outputs[1].loss)
    for (name, first), second in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        assert torch.equal(first.grad, second.grad), name


def test_same_seed_same_head_as_transformers():
    loaded = []
    for head in ("classification", PooledClassifier):
        torch.manual_seed(3)
        loaded.append(models.load("minilm", head=head, labels=["a", "b"]))
    assert torch.equal(loaded[0].classifier.weight, loaded[1].classifier.weight)


def test_dense_head_is_the_one_of_roberta(tiny, inputs):
    ours = tiny(PooledClassifier, pooling="cls", classifier="dense", num_labels=3).train()
    theirs = RobertaClassificationHead(RobertaConfig(hidden_size=16, num_labels=3)).train()
    theirs.dense.load_state_dict(ours.classifier[0].state_dict())
    theirs.out_proj.load_state_dict(ours.classifier[3].state_dict())
    ours.bert.eval()
    hidden = ours.bert(**inputs).last_hidden_state
    torch.manual_seed(7)
    expected = theirs(hidden)
    torch.manual_seed(7)
    assert torch.equal(ours(**inputs).logits, expected)


def test_batchnorm_head_has_the_layers_it_promises():
    with torch.device("meta"):
        model = PooledClassifier(BertConfig(pooling="cls", classifier="batchnorm"))
    names = [type(layer).__name__ for layer in model.classifier.modules() if not list(layer.children())]
    assert names == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Dropout", "Linear"]
    assert sum(p.numel() for p in model.classifier.parameters()) == 1_185_794
    assert sum(b.numel() for n, b in model.classifier.named_buffers() if "running" in n) == 3072


def test_batchnorm_head_moves_its_statistics_in_training_only(tiny, inputs):
    model = tiny(PooledClassifier, classifier="batchnorm").eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d)]
    assert all((norm.running_mean == 0).all() and (norm.running_var == 1).all() for norm in norms)
    model(**inputs)
    assert all((norm.running_mean == 0).all() for norm in norms)
    model.train()(**inputs)
    assert all((norm.running_mean != 0).any() for norm in norms)
    with pytest.raises(ValueError, match="more than 1 value"):  # no variance in a batch of one
        model(**{name: tensor[:1] for name, tensor in inputs.items()})


@pytest.mark.parametrize(("pooling", "classifier"), ALL)
def test_reload_is_bit_identical(tiny, inputs, tmp_path, pooling, classifier):
    model = tiny(PooledClassifier, pooling=pooling, classifier=classifier, num_labels=3)
    model.train()(**inputs)  # moves BatchNorm's statistics
    model.eval().save_pretrained(tmp_path)
    again, report = PooledClassifier.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    assert (again.config.pooling, again.config.classifier) == (pooling, classifier)
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    # Loaded weights lie elsewhere in memory, and how they are aligned decides the last bit of a sum.
    torch.testing.assert_close(again(**inputs).logits, model(**inputs).logits)


@pytest.mark.parametrize(("pooling", "classifier"), ALL)
def test_every_parameter_gets_a_gradient(tiny, inputs, pooling, classifier):
    model = tiny(PooledClassifier, pooling=pooling, classifier=classifier, num_labels=3)
    model(**inputs, labels=torch.tensor([0, 1, 2, 1])).loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("classifier", heads.CLASSIFIERS)
def test_load_takes_the_settings_and_the_encoder(tiny, inputs, tmp_path, classifier):
    body = tiny(BertModel)
    body.save_pretrained(tmp_path)
    settings = {"labels": ["no", "yes", "so"], "pooling": "mean", "classifier": classifier}
    model = models.load(str(tmp_path), head=PooledClassifier, **settings)
    assert (model.config.num_labels, model.config.id2label[1]) == (3, "yes")
    assert (model.config.pooling, model.config.classifier) == ("mean", classifier)
    assert not model.training
    assert model.bert.pooler is None
    for name, tensor in model.bert.state_dict().items():
        assert torch.equal(body.state_dict()[name], tensor), name
    for module in model.classifier.modules():  # a fresh head, nothing left uninitialised
        if isinstance(module, nn.Linear):
            assert 0.01 < module.weight.std() < 0.03
            assert (module.bias == 0).all()
        if isinstance(module, nn.BatchNorm1d):
            assert (module.weight == 1).all()
            assert (module.running_mean == 0).all()
            assert (module.running_var == 1).all()
    before = model(**inputs).logits
    model.save_pretrained(tmp_path / "tuned")
    again = models.load(str(tmp_path / "tuned"), head=PooledClassifier)
    torch.testing.assert_close(again(**inputs).logits, before)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"pooling": "men"}, "Unknown pooling 'men'. Did you mean 'mean'"),
        ({"classifier": "batch_norm"}, "Unknown classifier 'batch_norm'. Did you mean 'batchnorm'"),
        ({"poling": "mean"}, "Unknown configuration key 'poling'. Did you mean 'pooling'"),
    ],
)
def test_unknown_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        models.load("minilm", head=PooledClassifier, labels=["no", "yes"], **setting)


def test_an_unknown_keyword_is_an_error(tiny, inputs):
    model = tiny(PooledClassifier)
    with pytest.raises(TypeError, match="attention_masks"):
        model(inputs["input_ids"], attention_masks=inputs["attention_mask"])


def test_outputs_on_demand(tiny, inputs):
    model = tiny(PooledClassifier, pooling="mean", attn_implementation="eager").eval()
    output = model(**inputs, output_hidden_states=True, output_attentions=True)
    assert (len(output.hidden_states), len(output.attentions)) == (3, 2)
    assert model(**inputs).hidden_states is None
    assert isinstance(model(**inputs, return_dict=False), tuple)
    ids = inputs["input_ids"]
    embedded = model(inputs_embeds=model.get_input_embeddings()(ids), attention_mask=inputs["attention_mask"])
    torch.testing.assert_close(embedded.logits, output.logits)


HIDDEN = st.integers(0, 2**31).map(lambda seed: torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(seed)))

LENGTHS = st.lists(st.integers(1, 8), min_size=3, max_size=3)


@settings(max_examples=100, deadline=None)
@given(HIDDEN, LENGTHS, st.sampled_from([0.0, 1e4, float("nan"), float("inf")]), st.permutations(range(8)))
def test_mean_is_over_the_tokens_whatever_the_padding_holds(hidden, lengths, padding, order):
    mask = (torch.arange(8) < torch.tensor(lengths)[:, None]).long()
    filled = torch.where(mask.bool()[..., None], hidden, padding)
    expected = torch.stack([row[:length].mean(dim=0) for row, length in zip(hidden, lengths, strict=True)])
    torch.testing.assert_close(pool(filled, mask, "mean"), expected)
    # Neither the place of the padding nor its width matters.
    torch.testing.assert_close(pool(filled[:, list(order)], mask[:, list(order)], "mean"), expected)
    longest = max(lengths)
    torch.testing.assert_close(pool(filled[:, :longest], mask[:, :longest], "mean"), expected)


def test_pooling_by_hand():
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert pool(hidden, mask, "mean").tolist() == [[2.0, 4.0]]
    assert pool(hidden, mask, "cls").tolist() == [[1.0, 2.0]]
    assert pool(hidden[:, :2], None, "mean").tolist() == [[2.0, 4.0]]
    assert pool(hidden, torch.zeros_like(mask), "mean").tolist() == [[0.0, 0.0]]
    with pytest.raises(ValueError, match="Unknown pooling"):
        pool(hidden, mask, "pooler")


def test_mean_counts_more_tokens_than_bfloat16_can():
    hidden = torch.ones(1, 509, 2, dtype=torch.bfloat16)
    pooled = pool(hidden, torch.ones(1, 509, dtype=torch.long), "mean")
    assert pooled.dtype == torch.bfloat16
    assert pooled.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("pooling", heads.POOLINGS)
def test_padding_does_not_change_the_logits(tiny, inputs, pooling):
    model = tiny(PooledClassifier, pooling=pooling).eval()
    alone = model(inputs["input_ids"][1:2, :3], inputs["attention_mask"][1:2, :3]).logits
    torch.testing.assert_close(model(**inputs).logits[1:2], alone)


def test_frozen_body_leaves_the_head_to_learn(tiny, tokenizer, colours):
    model = tiny(PooledClassifier, pooling="mean", classifier="dense")
    freezing.freeze_body(model)
    assert all(name.startswith("classifier.") for name, p in model.named_parameters() if p.requires_grad)
    loader = batching.batches(batching.encode(colours, tokenizer), tokenizer, shuffle=True)
    body = {name: tensor.clone() for name, tensor in model.bert.state_dict().items()}
    history = training.fit(model, loader, epochs=2, learning_rate=1e-2)
    assert all(torch.equal(model.bert.state_dict()[name], tensor) for name, tensor in body.items())
    assert history.epochs[1]["loss"] < history.epochs[0]["loss"]


def test_loss_forgets_the_batch_before(tiny, inputs):
    model = tiny(PooledClassifier, num_labels=3)
    assert model(**inputs, labels=torch.eye(4, 3)).loss.isfinite()
    assert model(**inputs, labels=torch.tensor([0, 1, 2, 0])).loss.isfinite()
    assert model.config.problem_type is None


def test_integers_do_for_several_labels():
    logits, labels = torch.randn(4, 3), torch.eye(4, 3)
    problem = "multi_label_classification"
    assert torch.equal(heads.loss(logits, labels.long(), problem), heads.loss(logits, labels, problem))


@pytest.mark.parametrize(
    ("shape", "labels", "problem", "message"),
    [
        ((4, 3), torch.eye(4, 3).long(), None, r"labels of shape \(4,\), got \(4, 3\)"),
        ((4, 3), torch.zeros(4), None, r"labels of shape \(4, 3\), got \(4,\)"),
        ((4, 1), torch.zeros(3), None, r"regression .* labels of shape \(4, 1\), got \(3,\)"),
        ((4, 3), torch.zeros(4), "regresion", "Did you mean 'regression'"),
    ],
)
def test_labels_that_do_not_fit_are_named(shape, labels, problem, message):
    with pytest.raises(ValueError, match=message):
        heads.loss(torch.zeros(shape), labels, problem)


def test_accumulated_steps_give_the_gradient_of_the_whole_batch(tiny, inputs, tmp_path):
    from transformers import Trainer, TrainingArguments

    norms = []
    rows = [{name: tensor[i] for name, tensor in inputs.items()} | {"labels": i % 2} for i in range(4)]
    for size, steps in ((4, 1), (1, 4)):
        arguments = TrainingArguments(
            str(tmp_path),
            max_steps=1,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=steps,
            logging_steps=1,
            use_cpu=True,
            disable_tqdm=True,
            save_strategy="no",
        )
        model = tiny(PooledClassifier, pooling="mean", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        trainer = Trainer(model, arguments, train_dataset=rows)
        trainer.train()
        norms.append(trainer.state.log_history[0]["grad_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
