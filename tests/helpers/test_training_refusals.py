"""What `fit` refuses, before it trains: numbers out of range, contradictions, rows that the model cannot learn from."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from datasets import Dataset

from helpers import batching, evaluation, forgetting, inspection, metrics, models, training

NAN, INF = math.nan, math.inf
RANGES = {
    "epochs": (0, -1, 1.5, True, "3", None),
    "accumulate": (0, 0.5, True),
    "learning_rate": (0, -1e-3, NAN, INF, "1e-3", True),
    "weight_decay": (-0.1, NAN, INF, "0"),
    "max_grad_norm": (0, -1, NAN, None),
    "warmup_ratio": (-0.1, 1.1, 100),
    "patience": (0, 1.5, True),
    "schedule": ("linaer",),
}


@pytest.fixture(autouse=True)
def _fp32(monkeypatch):
    monkeypatch.setenv("HELPERS_PRECISION", "fp32")


@pytest.fixture
def loader(tokenizer, colours):
    return batching.batches(batching.encode(colours, tokenizer), tokenizer, 8)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in RANGES.items() for value in values])
def test_a_number_out_of_range_is_named_with_its_range(tiny, loader, name, value):
    model = tiny()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=name) as error:
        training.fit(model, loader, **{"validation": loader, name: value})
    assert "\n" not in str(error.value)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "own", "learning_rate": 1e-3}, "learning_rate=0.001 beside an optimizer"),
        ({"optimizer": "own", "weight_decay": 0.0}, "weight_decay=0.0 beside an optimizer"),
        ({"metrics": metrics.accuracy}, "metrics without validation"),
        ({"patience": 1}, "patience without validation"),
        ({"watch": "accuracy"}, "watch without patience"),
        ({"schedule": "constant", "warmup_ratio": 0.1}, "'constant' has no warmup"),
    ],
)
def test_arguments_that_contradict_each_other(tiny, loader, options, message):
    model = tiny()
    if "optimizer" in options:
        options = options | {"optimizer": torch.optim.AdamW(model.parameters())}
    with pytest.raises(ValueError, match=message):
        training.fit(model, loader, **options)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2, 2, 1], r"Label 2 is out of bounds: the model has 2 outputs, so labels are 0 … 1.* counted from 1\?"),
        ([0, 1, 7, 1], r"Label 7 is out of bounds.*first in row 2, 1 in all"),
        ([0.0, 1.0, 1.0, 0.0], "The labels are floats"),
        ([[0, 1, 0]] * 4, r"The model has 2 outputs for several labels a text.* got \(2, 3\)"),
    ],
)
def test_labels_that_the_head_has_no_output_for(tiny, tokenizer, labels, message):
    rows = Dataset.from_dict({"text": ["red", "apple", "the", "a"], "label": labels})
    loader = batching.batches(batching.encode(rows, tokenizer), tokenizer, 2)
    with pytest.raises(ValueError, match=message):
        training.fit(tiny(), loader)


def test_pieces_and_lengths_that_the_model_does_not_hold(tiny, loader):
    with pytest.raises(ValueError, match=r"Piece \d+ is not among the 8 of the model's vocabulary"):
        training.fit(tiny(vocab_size=8), loader)
    with pytest.raises(ValueError, match=r"longest text has \d+ pieces, and the model holds 3"):
        training.fit(tiny(max_position_embeddings=3), loader)


@pytest.mark.parametrize("wrong", ["rows", "encoded", "list"])
def test_what_is_no_loader(tiny, tokenizer, colours, wrong):
    given = {"rows": colours, "encoded": batching.encode(colours, tokenizer), "list": {"input_ids": [1]}}[wrong]
    with pytest.raises(ValueError, match=r"train must be batches, got .*batching.batches\(encoded, tokenizer\)"):
        training.fit(tiny(), given)


def test_half_precision_and_inference_weights(tiny, loader):
    with pytest.raises(ValueError, match=r"is float16: .*dtype=torch.float32"):
        training.fit(tiny().half(), loader)
    with torch.inference_mode():
        frozen = tiny()
    with pytest.raises(ValueError, match=r"inside torch.inference_mode\(\), so it cannot be trained"):
        training.fit(frozen, loader)


def test_a_model_without_a_head_is_told_so_everywhere(tiny, loader):
    body = models.body(tiny())
    for ask in (
        lambda: training.fit(body, loader, epochs=1),
        lambda: evaluation.predict(body, loader),
        lambda: forgetting.EWC(body, loader, 1.0),
    ):
        with pytest.raises(ValueError, match="a head"):
            ask()


def test_a_gradient_that_is_no_number_stops_before_the_step(tiny, loader):
    def loss(model, batch):
        output = model(**batch)
        distance = output.logits - output.logits.detach()
        return output.loss + distance.square().sum(1).sqrt().mean()  # finite, but the root's slope at 0 times 0 is NaN

    model = tiny()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(training.Diverged, match="The gradient's norm is nan at step 1") as error:
        training.fit(model, loader, loss=loss)
    assert len(error.value.history.steps) == 1
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_a_wrong_validation_set_costs_nothing_and_a_late_error_keeps_the_history(tiny, tokenizer, colours, loader):
    unlabelled = batching.batches(batching.encode(colours.remove_columns("label"), tokenizer), tokenizer, 8)
    seen = []

    def loss(model, batch):
        seen.append(1)
        return model(**batch).loss

    with pytest.raises(ValueError, match="no labels to compare with"):
        training.fit(tiny(), loader, validation=unlabelled, loss=loss)
    with pytest.raises(ValueError, match="names other than epoch, loss, seconds"):
        training.fit(tiny(), loader, validation=loader, metrics=lambda labels, logits: {"loss": 1.0}, loss=loss)
    assert seen == []

    def late(labels, logits):
        if len(labels) == len(colours):
            raise ZeroDivisionError
        return {"fine": 1.0}

    with pytest.raises(ZeroDivisionError) as error:
        training.fit(tiny(), loader, validation=loader, metrics=late)
    assert len(error.value.history.epochs) == 1


def test_interrupted_while_measuring_the_epoch_is_kept(tiny, loader, capsys):
    def stop(labels, logits):
        raise KeyboardInterrupt

    history = training.fit(tiny(), loader, epochs=3, validation=loader, metrics=stop)
    assert history.interrupted
    assert [epoch["epoch"] for epoch in history.epochs] == [1]
    assert list(training.History().to_frame().columns) == ["loss", "seconds"]


def test_measuring_does_not_change_training(tiny, tokenizer, colours):
    def losses(**options):
        loader = batching.batches(batching.encode(colours, tokenizer), tokenizer, 8, shuffle=True)
        torch.manual_seed(0)
        return [step["loss"] for step in training.fit(tiny(), loader, epochs=3, **options).steps]

    other = batching.batches(batching.encode(colours, tokenizer), tokenizer, 8)
    assert losses() == losses(validation=other)


def test_what_the_optimizer_does_not_hold_neither_piles_up_nor_counts(tiny, loader):
    """Here a parameter of the loss: it gets gradients, and no optimizer moves it."""
    extra = torch.nn.Parameter(torch.ones(1))
    norms = [
        [step["grad_norm"] for step in training.fit(tiny(), loader, epochs=1, loss=loss).steps]
        for loss in (None, lambda model, batch: model(**batch).loss + 100 * (extra - extra.detach()).sum())
    ]
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)


def test_looking_at_the_rows_draws_no_random_number(tiny, loader):
    torch.manual_seed(3)
    inspection.run(tiny(seed=0), loader, own_loss=False)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    model = tiny(seed=0)
    torch.manual_seed(3)
    inspection.run(model, loader, own_loss=False)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), 0.5])
def test_numbers_of_numpy_are_numbers(tiny, loader, value):
    training.fit(tiny(), loader, epochs=np.int64(1), max_grad_norm=value)
