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


@pytest.fixture
def inputs():
    """Four texts of 3 to 9 tokens, padded to 9."""
    torch.manual_seed(1)
    lengths = torch.tensor([9, 3, 5, 7])
    mask = (torch.arange(9) < lengths[:, None]).long()
    return {"input_ids": torch.randint(5, 20, (4, 9)) * mask, "attention_mask": mask}


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
