"""A classifier on its way through the tasks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from datasets import Dataset
from torch import nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from experiments.kit.training import clock, fit
from experiments.remedies import remedy
from experiments.remedies.setting import Setting
from helpers import batching, evaluation, heads, models


class Learner:
    """The classifier, its remedy, and how both go from one task to the next."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.remedy, self.steps = setting, remedy.make(setting), 0
        self.tokenizer = models.tokenizer(setting.encoder)
        self.model: PreTrainedModel

    def fresh(self, labels: list[str]) -> PreTrainedModel:
        """A classifier of these labels over the pretrained encoder."""
        return models.load(self.setting.encoder, head=heads.PooledClassifier, pooling="mean", labels=labels)

    def loader(self, rows: Dataset, *, shuffle: bool = False) -> DataLoader:
        encoded = batching.encode(rows, self.tokenizer, self.setting.max_length)
        size, seed = self.setting.batch_size, self.setting.seed
        return batching.batches(encoded, self.tokenizer, size, shuffle=shuffle, seed=seed)

    def begin(self, trained: PreTrainedModel, rows: Dataset) -> float:
        """Take over the first task; return the seconds that the remedy took for it."""
        began = clock()
        self.model = self.remedy.start(self, trained, rows)
        self.remedy.remember(self, rows)
        return clock() - began

    def learn(self, rows: Dataset, labels: list[str]) -> float:
        """Learn a task whose new labels are ``labels``; return the seconds that it took, the remedy's own included."""
        began = clock()
        loss = self.remedy.loss(self.model)
        self.remedy.grow(self, labels, rows)
        if self.remedy.trains:
            model = self.remedy.before(self.model)
            self.train(self.remedy.rows(rows), model, self.remedy.rate(), loss)
            self.model = self.remedy.after(model)
        self.remedy.remember(self, rows)
        return clock() - began

    def train(self, rows: Dataset, model: nn.Module, rate: float, loss: Callable | None = None) -> None:
        batches = self.loader(rows, shuffle=True)
        history = fit(model, batches, epochs=self.setting.epochs, learning_rate=rate, loss=loss)
        self.steps += len(history.steps)

    def scores(self, rows: Dataset, task_of: np.ndarray) -> tuple[list[float], list[float]]:
        """Accuracy on each task, among all labels known so far and among the task's own; 0 for tasks to come.

        Args:
            task_of: the task of every label, shape (labels,).
        """
        known = self.model.config.num_labels
        found = evaluation.predict(
            self.model, self.loader(rows.filter(lambda label: label < known, input_columns="label"))
        )
        tasks = task_of[found.labels]
        own = task_of[:known] == tasks[:, None]
        right = found.classes == found.labels
        told = np.where(own, found.logits, -np.inf).argmax(-1) == found.labels
        last = task_of[known - 1]
        among_all, among_own = (
            [float(hits[tasks == task].mean()) if task <= last else 0.0 for task in range(task_of[-1] + 1)]
            for hits in (right, told)
        )
        return among_all, among_own
