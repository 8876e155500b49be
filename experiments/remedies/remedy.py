"""What keeps the old while the next task is learned? The remedies, as objects with one interface.

A :class:`Learner` goes through the tasks. Before each task after the first it asks its remedy for the ``rows`` to learn
from, for the rows of the head, the ``loss``, and the way to train; after each it lets the remedy ``remember``. What the
chapters on forgetting use is used here: ``helpers.forgetting``, ``helpers.freezing`` and ``helpers.heads``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from datasets import Dataset, concatenate_datasets
from torch import nn
from transformers import PreTrainedModel

from experiments.kit import drawing
from experiments.remedies.setting import KEEPS, Setting
from helpers import data, features, forgetting, freezing, heads
from helpers.errors import choose

if TYPE_CHECKING:
    from experiments.remedies.learner import Learner


class Remedy:
    """Plain fine-tuning, which is no remedy; the others change a part of it."""

    trains = True  # the tasks after the first
    trains_first = True

    def __init__(self, setting: Setting) -> None:
        self.setting, self.strength = setting, setting.strength
        self.learned = 0

    def start(self, learner: Learner, trained: PreTrainedModel, rows: Dataset) -> PreTrainedModel:
        """The classifier of the first task; ``trained`` is a copy of the one that all remedies share."""
        return trained

    def rows(self, new: Dataset) -> Dataset:
        """What to learn the next task from."""
        return new

    def grow(self, learner: Learner, labels: Sequence[str], rows: Dataset) -> None:
        """Give the head its rows for the next task's labels."""
        for label in labels:
            heads.add_label(learner.model, label, "random")

    def loss(self, model: PreTrainedModel) -> Callable | None:
        """The loss of the next task; ``model`` is still the old one."""
        return None

    def rate(self) -> float:
        """The learning rate of the next task."""
        return self.setting.learning_rate

    def before(self, model: PreTrainedModel) -> nn.Module:
        """The model to train on the next task; its head has grown already."""
        return model

    def after(self, trained: nn.Module) -> PreTrainedModel:
        """The classifier, when ``trained`` has learned the task."""
        return trained

    def remember(self, learner: Learner, rows: Dataset) -> None:
        """Keep what is needed of a task that is learned."""
        self.learned += 1


class Imprinted(Remedy):
    """The encoder stays as the first task left it, and a new label's row is the mean direction of its sentences."""

    trains = False

    def grow(self, learner: Learner, labels: Sequence[str], rows: Dataset) -> None:
        freezing.freeze_body(learner.model)
        for label in labels:
            vectors = features.cache_features(learner.model, learner.loader(of_label(rows, label))).vectors
            heads.add_label(learner.model, label, "imprint", features=vectors)


class ClassMeans(Imprinted):
    """The nearest class mean on the encoder as it was pretrained: nothing is trained at all.

    With rows of equal length and equal biases, the largest logit is that of the nearest mean direction.
    """

    trains_first = False

    def start(self, learner: Learner, trained: PreTrainedModel, rows: Dataset) -> PreTrainedModel:
        learner.model = learner.fresh(data.labels(rows))
        freezing.freeze_body(learner.model)
        layer = learner.model.classifier
        with torch.no_grad():
            layer.bias.zero_()
            for row, label in enumerate(data.labels(rows)):
                vectors = features.cache_features(learner.model, learner.loader(of_label(rows, label))).vectors
                layer.weight[row] = nn.functional.normalize(nn.functional.normalize(vectors).mean(0), dim=0)
        return learner.model


class LowerRate(Remedy):
    """A share of the rate, from the second task on."""

    def rate(self) -> float:
        return self.setting.learning_rate * self.strength


class LoRA(LowerRate):
    """An adapter for each task, merged into the encoder after it, at a multiple of the rate."""

    def before(self, model: PreTrainedModel) -> nn.Module:
        return freezing.lora(model, self.setting.lora_rank, alpha=2 * self.setting.lora_rank)

    def after(self, trained: nn.Module) -> PreTrainedModel:
        return trained.merge_and_unload().requires_grad_(True)


class Interpolation(Remedy):
    """After each task, go back a part of the way to the weights before it."""

    old: PreTrainedModel

    def share(self) -> float:
        return self.strength

    def before(self, model: PreTrainedModel) -> nn.Module:
        self.old = copy.deepcopy(model)
        return model

    def after(self, trained: nn.Module) -> PreTrainedModel:
        return forgetting.interpolate(self.old, trained, self.share())


class RunningMean(Interpolation):
    """The mean of the weights after each task so far."""

    def share(self) -> float:
        return 1 / (self.learned + 1)


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


class Rehearsal(Remedy):
    """Every old sentence is practised again, or those that are ``drawn``."""

    past: Dataset

    def rows(self, new: Dataset) -> Dataset:
        return joined(new, self.past)

    def drawn(self, rows: Dataset) -> Dataset:
        """What to keep of a task."""
        return rows

    def keep(self, learner: Learner, kept: Dataset) -> None:
        """Put sentences of the task that is learned aside."""
        self.past = joined(kept, self.past) if self.learned > 1 else kept

    def remember(self, learner: Learner, rows: Dataset) -> None:
        super().remember(learner, rows)
        self.keep(learner, self.drawn(rows))


class FewSentences(Rehearsal):
    """A few old sentences of every label."""

    def drawn(self, rows: Dataset) -> Dataset:
        return drawing.some(rows, self.setting.memory, self.setting.seed)


class Replay(FewSentences, LowerRate):
    """A few old sentences, at a share of the rate."""


class StoredAnswers(FewSentences):
    """A few old sentences, and the logits that the model gave them when their task had been learned."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.answers = forgetting.StoredAnswers(self.strength)

    def loss(self, model: PreTrainedModel) -> Callable | None:
        return self.answers

    def keep(self, learner: Learner, kept: Dataset) -> None:
        super().keep(learner, kept)
        self.answers.store(learner.model, learner.loader(kept))


REMEDIES: dict[str, type[Remedy]] = {
    "nothing": Remedy,
    "class means": ClassMeans,
    "frozen, imprinted": Imprinted,
    "lower rate": LowerRate,
    "LoRA": LoRA,
    "interpolation": Interpolation,
    "running mean": RunningMean,
    "L2-SP": L2SP,
    "EWC": EWC,
    "distillation": Distillation,
    "replay": Replay,
    "replay with stored answers": StoredAnswers,
    "all at once": Rehearsal,
}


def make(setting: Setting) -> Remedy:
    """The remedy of a setting. Raises ``ValueError`` for an unknown name, with the nearest known one."""
    return REMEDIES[choose("remedy", setting.remedy, KEEPS)](setting)


def joined(new: Dataset, old: Dataset) -> Dataset:
    """Old rows and new ones, by the labels of the new."""
    return concatenate_datasets([old.cast(new.features), new])


def of_label(rows: Dataset, label: str) -> Dataset:
    """The rows of one label, numbered as before."""
    number = data.labels(rows).index(label)
    return rows.filter(lambda each: each == number, input_columns="label")
