from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from helpers import batching, evaluation, freezing, training


@pytest.fixture
def loaders(tokenizer, colours):
    encoded = batching.encode(colours, tokenizer)
    return (
        batching.batches(encoded, tokenizer, batch_size=8, shuffle=True),
        batching.batches(encoded, tokenizer, batch_size=8),
    )


@pytest.fixture(autouse=True)
def _fp32(monkeypatch):
    monkeypatch.setenv("HELPERS_PRECISION", "fp32")


def test_fit_learns_and_records(tiny, loaders):
    model = tiny()
    history = training.fit(model, loaders[0], epochs=12, learning_rate=1e-2, validation=loaders[1])
    assert history.epochs[-1]["accuracy"] == 1.0
    assert history.epochs[-1]["loss"] < history.epochs[0]["loss"] / 2
    assert len(history.steps) == 12 * len(loaders[0])
    assert [step["step"] for step in history.steps] == list(range(1, len(history.steps) + 1))
    assert history.steps[0]["learning_rate"] == 0
    assert max(step["learning_rate"] for step in history.steps) == pytest.approx(1e-2)
    assert list(history.to_frame().columns) == ["loss", "seconds", "accuracy"]
    assert not model.training


def test_fit_repeats_exactly(tiny, loaders):
    losses = []
    for _ in range(2):
        model = tiny(seed=1)
        losses.append([step["loss"] for step in training.fit(model, loaders[0], epochs=2).steps])
    assert losses[0] == losses[1]


def test_fit_equals_a_bare_loop(tiny, loaders):
    """Same numbers as ten lines of PyTorch with AdamW, the linear schedule and clipping."""
    train = loaders[0]
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model, twin = tiny(**quiet), tiny(**quiet)
    history = training.fit(model, train, epochs=2, learning_rate=1e-3, weight_decay=0.0, warmup_ratio=0.0)

    optimizer = torch.optim.AdamW(twin.parameters(), lr=1e-3, weight_decay=0.0)
    total, step, losses = 2 * len(train), 0, []
    twin.train()
    for epoch in range(2):
        train.batch_sampler.set_epoch(epoch)
        for batch in train:
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * (1 - step / total)
            loss = twin(**batch).loss
            loss.backward()
            nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            step += 1
    assert [step["loss"] for step in history.steps] == pytest.approx(losses, rel=1e-4)


def test_frozen_body_stays_frozen_and_quiet(tiny, loaders):
    model = tiny()
    freezing.freeze_body(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    training.fit(model, loaders[0], epochs=1, learning_rate=0.1)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_own_loss_and_no_clipping(tiny, loaders):
    calls = []

    def loss(model, batch):
        calls.append(len(batch["labels"]))
        return model(**batch).loss * 100

    history = training.fit(tiny(), loaders[0], epochs=1, loss=loss, max_grad_norm=math.inf)
    assert sum(calls) == 36
    assert history.steps[0]["loss"] > 10


def test_interrupted_training_keeps_what_it_has(tiny, loaders, capsys):
    model, seen = tiny(), []

    def loss(model, batch):
        seen.append(batch)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return model(**batch).loss

    history = training.fit(model, loaders[0], epochs=3, loss=loss)
    assert history.interrupted
    assert len(history.steps) == 3
    assert "Interrupted after 3 steps" in capsys.readouterr().out


def test_nan_loss_stops_with_step_rate_and_hint(tiny, loaders):
    with pytest.raises(training.Diverged, match=r"step 1 .*learning rate of .*Try") as error:
        training.fit(tiny(), loaders[0], epochs=1, loss=lambda model, batch: model(**batch).loss * math.nan)
    assert len(error.value.history.steps) == 1


def test_mistakes_are_named(tiny, tokenizer, colours, loaders):
    unlabelled = batching.encode(colours.remove_columns("label"), tokenizer)
    with pytest.raises(ValueError, match="no loss for a batch with"):
        training.fit(tiny(), batching.batches(unlabelled, tokenizer, shuffle=True), epochs=1)
    with pytest.raises(ValueError, match="nothing to train"):
        training.fit(tiny().requires_grad_(False), loaders[0])
    with pytest.raises(ValueError, match="holds none of the model's"):
        training.fit(tiny(), loaders[0], optimizer=torch.optim.AdamW(tiny().parameters()))
    with pytest.raises(ValueError, match="no batches"):
        training.fit(tiny(), batching.batches(colours.select([]).add_column("input_ids", []), tokenizer))


def test_last_state_is_what_evaluate_sees(tiny, loaders):
    model = tiny()
    history = training.fit(model, loaders[0], epochs=2, learning_rate=1e-2, validation=loaders[1])
    assert evaluation.evaluate(model, loaders[1])["accuracy"] == history.epochs[-1]["accuracy"]


def test_a_trainer_before_does_not_change_the_precision(tiny, loaders, monkeypatch):
    """Trainer(bf16=True) sets accelerate's state for the whole process."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    monkeypatch.setenv("HELPERS_PRECISION", "fp32")
    torch.manual_seed(0)
    alone = training.fit(tiny(), loaders[0], epochs=1)
    AcceleratorState._reset_state()
    Accelerator(cpu=True, mixed_precision="bf16")
    torch.manual_seed(0)
    after = training.fit(tiny(), loaders[0], epochs=1)
    assert [step["loss"] for step in alone.steps] == [step["loss"] for step in after.steps]


def test_a_trainer_on_another_device_does_not_change_the_device(tiny, loaders):
    """Trainer(use_cpu=True) leaves its device in a state that all of accelerate shares; a GPU run then failed."""
    from accelerate.state import PartialState

    PartialState(cpu=True).device = torch.device("cuda")  # for all that follow, as a Trainer on another device would
    history = training.fit(tiny(), loaders[0], epochs=1)
    assert len(history.steps) == len(loaders[0])
    assert PartialState().device.type == training.runtime.device().type


def test_a_frozen_body_has_no_dropout_while_the_head_learns(tiny, loaders):
    """``model.train()`` would switch it on again, and the frozen features would differ from step to step."""
    model, modes = tiny(), []
    freezing.freeze_body(model)

    def loss(model, batch):
        modes.append((model.bert.training, model.classifier.training))
        return model(**batch).loss

    training.fit(model, loaders[0], epochs=2, loss=loss)
    assert modes
    assert set(modes) == {(False, True)}


def test_no_step_is_longer_than_the_clipped_gradient(tiny, loaders):
    """Plain descent at a rate of 1 moves by the gradient itself, so a clipped one cannot go far."""
    model = tiny()
    before = nn.utils.parameters_to_vector(model.parameters()).detach()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    history = training.fit(model, loaders[0], epochs=1, optimizer=optimizer, schedule="constant", max_grad_norm=1e-3)
    assert all(step["grad_norm"] > 1e-2 for step in history.steps)
    moved = (nn.utils.parameters_to_vector(model.parameters()).detach() - before).norm()
    assert 0 < moved <= len(history.steps) * 1e-3 * 1.01
