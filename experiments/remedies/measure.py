"""How is a row of the remedies measured?"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from datasets import DatasetDict
from transformers import PreTrainedModel

from experiments.kit.drawing import of_labels
from experiments.kit.environment import peak_memory
from experiments.kit.training import clock
from experiments.remedies.learner import Learner
from experiments.remedies.setting import Setting
from helpers import data, forgetting, heads, models, runtime


@cache
def load(name: str) -> DatasetDict:
    return data.load(name)


def tasks(name: str, seed: int, count: int) -> list[list[str]]:
    """The labels of a data set, without CLINC's out-of-scope one, dealt into ``count`` tasks by ``seed``."""
    names = [label for label in data.labels(load(name)["train"]) if label != "oos"]
    order = np.random.default_rng(seed).permutation(len(names))
    return [[names[i] for i in part] for part in np.array_split(order, count)]


def first_task(setting: Setting) -> tuple[PreTrainedModel, float]:
    """The classifier of the first task, which is the same for every remedy, and the seconds of its training."""
    return _first_task(replace(setting, remedy="none", strength=0.0, split="train", memory=0, scored=0, lora_rank=0))


@lru_cache(maxsize=1)
def _first_task(setting: Setting) -> tuple[PreTrainedModel, float]:
    runtime.start(setting.seed)
    labels = tasks(setting.data, setting.seed, setting.tasks)[0]
    began = clock()
    first = models.load(setting.encoder, head=heads.PooledClassifier, pooling="mean", labels=labels)
    learner = Learner(first, setting)
    rows = of_labels(load(setting.data)["train"], labels, labels, setting.per_class)
    learner.train(rows, first, learning_rate=setting.learning_rate)
    return first, clock() - began


def measure(setting: Setting) -> dict[str, Any]:
    """One sequence: both accuracy matrices, their measures, seconds a task and the peak memory."""
    first, seconds_of_first = first_task(setting)
    runtime.start(setting.seed)
    if runtime.device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    splits, sequence = load(setting.data), tasks(setting.data, setting.seed, setting.tasks)
    every = [label for task in sequence for label in task]
    task_of = np.repeat(np.arange(len(sequence)), [len(task) for task in sequence])
    scored = of_labels(splits[setting.split], every, every, setting.scored)
    learner = Learner(copy.deepcopy(first), setting)
    matrices = [forgetting.AccuracyMatrix([f"task {i + 1}" for i in range(len(sequence))]) for _ in range(2)]
    seconds = []
    for number, labels in enumerate(sequence):
        known = [label for task in sequence[: number + 1] for label in task]
        rows = of_labels(splits["train"], labels, known, setting.per_class)
        took = learner.learn(rows, labels) if number else seconds_of_first + learner.remember(rows)
        seconds.append(round(took, 2))
        for matrix, row in zip(matrices, learner.scores(scored, task_of), strict=True):
            matrix.add(row)
    results: dict[str, Any] = {"seconds": seconds, "peak_mb": peak_memory()}
    for name, matrix in zip(("class_incremental", "task_incremental"), matrices, strict=True):
        results[name] = {
            "matrix": [[round(value, 4) for value in row] for row in matrix.to_frame().values.tolist()],
            "average_accuracy": matrix.average_accuracy(),
            "backward_transfer": matrix.backward_transfer(),
            "forgetting": matrix.forgetting(),
        }
    return results
