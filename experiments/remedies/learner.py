"""A classifier on its way through the tasks."""

from __future__ import annotations

from typing import Any

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

    def __init__(self, model: PreTrainedModel, setting: Setting) -> None:
        self.model, self.setting, self.remedy = model, setting, remedy.make(setting)
        self.tokenizer = models.tokenizer(setting.encoder)

    def loader(self, rows: Dataset, *, shuffle: bool = False) -> DataLoader:
        encoded = batching.encode(rows, self.tokenizer, self.setting.max_length)
        size, seed = self.setting.batch_size, self.setting.seed
        return batching.batches(encoded, self.tokenizer, size, shuffle=shuffle, seed=seed)

    def learn(self, rows: Dataset, labels: list[str]) -> float:
        """Learn a task whose new labels are ``labels``; return the seconds that it took, the remedy's own included."""
        began = clock()
        loss = self.remedy.loss(self.model)
        for label in labels:
            heads.add_label(self.model, label, "random")
        rows_of_all, model = self.remedy.rows(rows), self.remedy.before(self.model)
        self.train(rows_of_all, model, loss=loss, **self.remedy.options(model))
        self.model = self.remedy.after(model)
        return clock() - began + self.remember(rows)

    def remember(self, rows: Dataset) -> float:
        """Keep what the remedy needs of a task that is learned; return the seconds that it took."""
        began = clock()
        self.remedy.remember(self, rows)
        return clock() - began

    def train(self, rows: Dataset, model: nn.Module, **options: Any) -> None:
        """Fine-tune ``model`` on these rows; ``options`` are those of ``fit``."""
        fit(model, self.loader(rows, shuffle=True), epochs=self.setting.epochs, **options)

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
