from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import SchedulerType, Trainer

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
    schedule = optimizers.schedule("linear", optimizer, steps=10, warmup=warmup)
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
    with pytest.raises(ValueError, match="between 0 and 1"):
        optimizers.schedule("linear", optimizer, 10, warmup=100)
