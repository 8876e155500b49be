"""What keeps the old while the next task is learned? The remedies, as objects with one interface.

A :class:`Learner` goes through the tasks. Before each task after the first it asks its remedy for the ``rows`` to learn
from, the ``loss``, and the way to train; after each it lets the remedy ``remember``. What the chapter on remedies uses
is used here: ``helpers.forgetting`` and ``helpers.freezing``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datasets import Dataset, concatenate_datasets
from torch import nn
from transformers import PreTrainedModel

from experiments.remedies.setting import STRENGTHS, Setting
from helpers import architecture, forgetting, freezing, optimizers
from helpers.errors import choose

if TYPE_CHECKING:
    from experiments.remedies.learner import Learner


class Remedy:
    """Plain fine-tuning, which is no remedy; the others change a part of it."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.strength = setting, setting.strength
        self.past: Dataset | None = None

    def rows(self, new: Dataset) -> Dataset:
        """What to learn the next task from."""
        return new

    def loss(self, model: PreTrainedModel) -> Callable | None:
        """The loss of the next task; ``model`` is still the old one."""
        return None

    def rate(self) -> float:
        """The learning rate of the next task."""
        return self.setting.learning_rate

    def options(self, model: nn.Module) -> dict[str, Any]:
        """How ``fit`` moves ``model``, the one to train on the next task: a learning rate or an optimizer."""
        return {"learning_rate": self.rate()}

    def before(self, model: PreTrainedModel) -> nn.Module:
        """The model to train on the next task; its head has grown already."""
        return model

    def after(self, trained: nn.Module) -> PreTrainedModel:
        """The classifier, when ``trained`` has learned the task."""
        return trained

    def remember(self, learner: Learner, rows: Dataset) -> None:
        """Keep what is needed of a task that is learned."""
        self.past = rows if self.past is None else joined(rows, self.past)


class LowerRate(Remedy):
    """A share of the rate, from the second task on."""

    def rate(self) -> float:
        return self.setting.learning_rate * self.strength


class LayerwiseRates(Remedy):
    """Rates that fall by a factor from one layer to the one below."""

    def options(self, model: nn.Module) -> dict[str, Any]:
        groups = optimizers.layerwise(model, self.rate(), self.strength)
        return {"optimizer": optimizers.adamw(groups, self.rate())}


class FrozenLayers(Remedy):
    """The embeddings and so many of the lowest layers stay as the first task left them."""

    def before(self, model: PreTrainedModel) -> PreTrainedModel:
        freezing.unfreeze_top(model, architecture.depth(model) - int(self.strength))
        return model


class LoRA(Remedy):
    """An adapter for each task, merged into the encoder after it."""

    def rate(self) -> float:
        return self.setting.learning_rate * self.strength

    def before(self, model: PreTrainedModel) -> nn.Module:
        return freezing.lora(model, self.setting.lora_rank, alpha=2 * self.setting.lora_rank)

    def after(self, trained: nn.Module) -> PreTrainedModel:
        return trained.merge_and_unload().requires_grad_(True)


class L2SP(Remedy):
    """A pull towards the weights before the task."""

    def loss(self, model: PreTrainedModel) -> Callable:
        return forgetting.L2SP(model, self.strength)


class EWC(Remedy):
    """A pull towards the weights before the task, by what they were worth to the tasks before."""

    penalty: forgetting.EWC | None = None

    def loss(self, model: PreTrainedModel) -> Callable | None:
        return self.penalty

    def remember(self, learner: Learner, rows: Dataset) -> None:
        self.penalty = forgetting.EWC(learner.model, learner.loader(rows), self.strength, self.penalty)
        super().remember(learner, rows)


class Distillation(Remedy):
    """The old model's answers to the new sentences."""

    def loss(self, model: PreTrainedModel) -> Callable:
        return forgetting.Distillation(model, self.strength)


class Replay(Remedy):
    """A few old sentences of every label."""

    def rows(self, new: Dataset) -> Dataset:
        return forgetting.replay(new, self.past, self.setting.memory, self.setting.seed)


class ReplayAndDistillation(Replay, Distillation):
    """Both."""


class AllAtOnce(Remedy):
    """Every old sentence."""

    def rows(self, new: Dataset) -> Dataset:
        return joined(new, self.past)


REMEDIES: dict[str, type[Remedy]] = {
    "none": Remedy,
    "lower rate": LowerRate,
    "layer-wise rates": LayerwiseRates,
    "frozen layers": FrozenLayers,
    "LoRA": LoRA,
    "L2-SP": L2SP,
    "EWC": EWC,
    "distillation": Distillation,
    "replay": Replay,
    "replay and distillation": ReplayAndDistillation,
    "all at once": AllAtOnce,
}


def make(setting: Setting) -> Remedy:
    """The remedy of a setting. Raises ``ValueError`` for an unknown name, with the nearest known one."""
    return REMEDIES[choose("remedy", setting.remedy, STRENGTHS)](setting)


def joined(new: Dataset, old: Dataset) -> Dataset:
    """Old rows and new ones, by the labels of the new."""
    return concatenate_datasets([old.cast(new.features), new])
