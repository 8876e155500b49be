from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import SchedulerType, Trainer, get_scheduler

from helpers import freezing, optimizers


def test_same_parameters_are_decayed_as_in_trainer(tiny):
    model = tiny()
    names = {id(p): name for name, p in model.named_parameters()}
    decayed, kept = optimizers.parameter_groups(model, weight_decay=0.1)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)
    assert {names[id(p)] for p in decayed["params"]} == set(Trainer.get_decay_parameter_names(None, model))
    assert len(decayed["params"]) + len(kept["params"]) == len(names)


def test_frozen_parameters_are_left_out(tiny):
    model = tiny()
    freezing.freeze_body(model)
    assert sum(len(group["params"]) for group in optimizers.parameter_groups(model)) == 2


def test_nothing_to_train_is_an_error(tiny):
    with pytest.raises(ValueError, match="nothing to train"):
        optimizers.parameter_groups(tiny().requires_grad_(False))


@pytest.mark.parametrize(
    ("warmup", "expected"), [(0.5, [0, 1, 2, 3, 4, 5, 4, 3, 2, 1]), (0.0, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1])]
)
def test_linear_schedule_climbs_and_falls(warmup, expected):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = optimizers.schedule("linear", optimizer, steps=10, warmup_ratio=warmup)
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([e / max(expected) for e in expected])


def test_unknown_schedule_and_bad_warmup():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ValueError, match=r"Unknown schedule 'lineal'. Did you mean 'linear'") as error:
        optimizers.schedule("lineal", optimizer, 10)
    assert all(kind.value in str(error.value) for kind in SchedulerType)
    with pytest.raises(ValueError, match=r"warmup_ratio must be .* at most 1"):
        optimizers.schedule("linear", optimizer, 10, warmup_ratio=100)


def rates(schedule, optimizer, steps):
    """The rates with which an optimizer takes its first steps."""
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def sgd(rate=1.0):
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)


def test_options_reach_the_schedule():
    optimizer = sgd()
    found = rates(optimizers.schedule("cosine_with_min_lr", optimizer, 10, 0.0, min_lr_rate=0.25), optimizer, 11)
    assert found[-1] == pytest.approx(0.25)
    optimizer = sgd()
    stable = optimizers.schedule("warmup_stable_decay", optimizer, 10, 0.2, num_decay_steps=4, decay_type="linear")
    assert rates(stable, optimizer, 10) == pytest.approx([0, 0.5, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


@pytest.mark.parametrize("name", [kind.value for kind in SchedulerType])
def test_an_option_that_the_schedule_does_not_have_is_an_error(name):
    with pytest.raises((ValueError, TypeError), match="cicles"):
        optimizers.schedule(name, sgd(), 10, cicles=3)


# The schedules to read, against the library's


@st.composite
def runs(draw):
    """A run's number of steps, a warmup shorter than it, and the share of the rate on which a polynomial ends."""
    steps = draw(st.integers(1, 60))
    return steps, draw(st.integers(0, steps - 1)), draw(st.sampled_from([0.0, 1e-3, 0.2]))


@pytest.mark.parametrize(
    "name", ["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"]
)
@given(run=runs(), rate=st.floats(1e-6, 10), cycles=st.integers(1, 5), power=st.floats(0.25, 4))
@settings(max_examples=60, deadline=None)
def test_closed_forms_equal_the_library_at_every_step_and_behind_the_last(name, run, rate, cycles, power):
    steps, warmup, end = run
    options = {
        "cosine_with_restarts": ({"num_cycles": cycles}, {"cycles": cycles}),
        "polynomial": ({"lr_end": end * rate, "power": power}, {"end": end, "power": power}),
    }
    theirs, ours = options.get(name, ({}, {}))
    optimizer = sgd(rate)
    library = get_scheduler(name, optimizer, warmup, steps, scheduler_specific_kwargs=theirs)
    expected = rates(library, optimizer, steps + 5)
    found = [rate * optimizers.schedule_factor(name, step, steps, warmup, **ours) for step in range(steps + 5)]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12 * rate)


def test_closed_forms_by_hand():
    def factors(name, **options):
        return [optimizers.schedule_factor(name, step, 6, 2, **options) for step in range(7)]

    assert factors("linear") == [0, 0.5, 1, 0.75, 0.5, 0.25, 0]
    assert factors("constant") == [1] * 7
    assert factors("polynomial", power=2, end=0.2)[2:] == pytest.approx([1, 0.65, 0.4, 0.25, 0.2])
    assert factors("cosine_with_restarts", cycles=2)[2:] == pytest.approx([1, 0.5, 1, 0.5, 0])
    with pytest.raises(ValueError, match="Unknown classic schedule 'greedy'"):
        factors("greedy")


# The optimizer to read, against the library's

SETTINGS = st.fixed_dictionaries(
    {
        "learning_rate": st.floats(1e-5, 1e-1),
        "betas": st.tuples(st.floats(0, 0.99), st.floats(0.5, 0.9999)),
        "epsilon": st.sampled_from([1e-8, 1e-6, 1e-3]),
        "weight_decay": st.floats(0, 0.5),
    }
)


def walk(optimizer_of, shapes, steps, seed):
    """Parameters after some steps along gradients that depend on the seed alone."""
    generator = torch.Generator().manual_seed(seed)
    parameters = [nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64)) for shape in shapes]
    optimizer = optimizer_of(parameters)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in parameters])


@given(
    SETTINGS,
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=3),
    st.integers(1, 12),
    st.integers(0, 99),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_own_adam_takes_the_steps_of_the_library(options, shapes, steps, seed, decoupled):
    theirs = torch.optim.AdamW if decoupled else torch.optim.Adam
    library = {"lr": options["learning_rate"], "betas": options["betas"], "eps": options["epsilon"]}
    ours = walk(lambda p: optimizers.Adam(p, **options, decoupled=decoupled), shapes, steps, seed)
    reference = walk(lambda p: theirs(p, **library, weight_decay=options["weight_decay"]), shapes, steps, seed)
    torch.testing.assert_close(ours, reference, rtol=1e-9, atol=1e-12)


def test_without_bias_correction_the_first_step_is_larger_with_the_usual_betas():
    options = {"learning_rate": 1e-3, "weight_decay": 0.0}
    start = walk(lambda p: optimizers.Adam(p, **options), [(5,)], 0, 0)
    corrected = walk(lambda p: optimizers.Adam(p, **options), [(5,)], 1, 0) - start
    biased = walk(lambda p: optimizers.Adam(p, **options, bias_correction=False), [(5,)], 1, 0) - start
    # (1 - beta1) / sqrt(1 - beta2) = 0.1 / sqrt(0.001)
    torch.testing.assert_close(biased / corrected, torch.full((5,), 0.1 / 0.001**0.5).double(), rtol=1e-4, atol=0)


def test_adam_refuses_what_it_can_not_do():
    parameter = nn.Parameter(torch.zeros(1))
    with pytest.raises(ValueError, match="must not be negative"):
        optimizers.Adam([parameter], learning_rate=-1)
    with pytest.raises(ValueError, match="closure"):
        optimizers.Adam([parameter]).step(lambda: None)


def test_layerwise_rates_fall_from_the_head_down(tiny):
    model = tiny()
    names = {id(p): name for name, p in model.named_parameters()}
    groups = optimizers.layerwise(model, 1.0, factor=0.5)
    rates = {names[id(p)]: group["lr"] for group in groups for p in group["params"]}
    assert rates.keys() == set(names.values())
    assert rates["classifier.weight"] == rates["bert.pooler.dense.weight"] == 1.0
    assert rates["bert.encoder.layer.1.output.dense.weight"] == 1.0
    assert rates["bert.encoder.layer.0.output.dense.weight"] == 0.5
    assert rates["bert.embeddings.word_embeddings.weight"] == 0.25
    decays = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
    assert decays["bert.encoder.layer.0.output.dense.bias"] == 0
    assert decays["bert.encoder.layer.0.output.dense.weight"] == 0.01
