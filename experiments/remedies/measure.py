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
from experiments.remedies.setting import SCENARIOS, Setting
from helpers import data, forgetting, runtime


@cache
def load(name: str) -> DatasetDict:
    return data.load(name)


def tasks(setting: Setting) -> list[list[str]]:
    """So many of a data set's labels, without CLINC's out-of-scope one, dealt into tasks by the seed."""
    names = [label for label in data.labels(load(setting.data)["train"]) if label != "oos"]
    order = np.random.default_rng(setting.seed).permutation(len(names))[: setting.classes]
    return [[names[i] for i in part] for part in np.array_split(order, setting.tasks)]


def first_task(setting: Setting) -> tuple[PreTrainedModel, int, float]:
    """The classifier of the first task, which is the same for every remedy, its steps, and the seconds they took."""
    return _first_task(replace(setting, remedy="nothing", strength=0.0, split="train", memory=0, scored=0, lora_rank=0))


@lru_cache(maxsize=1)
def _first_task(setting: Setting) -> tuple[PreTrainedModel, int, float]:
    runtime.start(setting.seed)
    labels = tasks(setting)[0]
    began = clock()
    learner = Learner(setting)
    first = learner.fresh(labels)
    rows = of_labels(load(setting.data)["train"], labels, labels, setting.per_class)
    learner.train(rows, first, setting.learning_rate)
    return first, learner.steps, clock() - began


def measure(setting: Setting) -> dict[str, Any]:
    """One sequence: both accuracy matrices, their measures, training steps, seconds a task and the peak memory."""
    first, steps, seconds_of_first = first_task(setting)
    runtime.start(setting.seed)
    if runtime.device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    splits, sequence = load(setting.data), tasks(setting)
    every = [label for task in sequence for label in task]
    task_of = np.repeat(np.arange(len(sequence)), [len(task) for task in sequence])
    scored = of_labels(splits[setting.split], every, every, setting.scored)
    scored = scored.select(np.argsort([len(text) for text in scored["text"]]))  # less padding
    learner = Learner(setting)
    matrices = [forgetting.AccuracyMatrix([f"task {i + 1}" for i in range(len(sequence))]) for _ in SCENARIOS]
    seconds = []
    for number, labels in enumerate(sequence):
        known = [label for task in sequence[: number + 1] for label in task]
        rows = of_labels(splits["train"], labels, known, setting.per_class)
        if number:
            seconds.append(learner.learn(rows, labels))
        else:
            seconds.append(learner.begin(copy.deepcopy(first), rows) + seconds_of_first * learner.remedy.trains_first)
        for matrix, row in zip(matrices, learner.scores(scored, task_of), strict=True):
            matrix.add(row)
    results: dict[str, Any] = {
        "steps": learner.steps + steps * learner.remedy.trains_first,
        "seconds": [round(took, 2) for took in seconds],
        "peak_mb": peak_memory(),
    }
    for name, matrix in zip(SCENARIOS, matrices, strict=True):
        results[name] = {
            "matrix": [[round(value, 4) for value in row] for row in matrix.to_frame().values.tolist()],
            "average_accuracy": matrix.average_accuracy(),
            "backward_transfer": matrix.backward_transfer(),
            "forgetting": matrix.forgetting(),
        }
    return results
