"""Which remedy keeps what, over five tasks? ``python -m experiments.remedies``

CLINC's 150 intents become five tasks of 30, in an order that the seed decides. One model learns them one after the
other; its head grows by the new labels each time. After every task it is scored on all tasks so far, twice: among all
labels it knows (*class-incremental*), and among the labels of the sentence's own task (*task-incremental*).

Every remedy that has a strength is first run with each of its grid on the validation split, with a seed of its own, and
then with the best one and five seeds on the test split. Rows go to ``book/evidence/remedies.json`` (resumable).

``--remedies`` and ``--seeds`` do a part; ``--data intents`` does it small.
"""

from __future__ import annotations

import argparse
import copy
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache

import numpy as np
import pandas as pd
import torch
from datasets import ClassLabel, Dataset, DatasetDict, concatenate_datasets
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from experiments import runner, summary
from helpers import (
    batching,
    data,
    evaluation,
    figures,
    forgetting,
    freezing,
    heads,
    models,
    optimizers,
    runtime,
    training,
)
from helpers.errors import choose

ROWS = runner.EVIDENCE / "remedies.json"
SEEDS, TUNING_SEED = (0, 1, 2, 3, 4), 100
TASKS, RATE, EPOCHS, BATCH, MAX_LENGTH = 5, 4e-4, 3, 32, 48
MEMORY = 5  # examples of a class that replay keeps
SCORED = 10  # rows of a class that are scored, after every task again
LORA_RANK = 8

# What is tuned, and its grid. "all at once" keeps every example: no remedy, but what there is to reach.
STRENGTHS: dict[str, tuple[float, ...]] = {
    "none": (0.0,),
    "lower rate": (0.3, 0.1, 0.03),  # share of RATE, from the second task on
    "layer-wise rates": (0.8, 0.5),  # factor from one layer to the one below
    "frozen layers": (2, 4, 6),  # the lowest, and the embeddings
    "LoRA": (2.0, 6.0),  # multiple of RATE
    "L2-SP": (0.1, 1.0, 10.0),
    "EWC": (1e2, 1e4, 1e6),
    "distillation": (0.3, 1.0, 3.0),
    "replay": (0.0,),
    "replay and distillation": (0.3, 1.0, 3.0),
    "all at once": (0.0,),
}


class Learner:
    """A classifier on its way through the tasks, and what its remedy remembers of those behind it."""

    def __init__(self, model: PreTrainedModel, name: str, remedy: str, strength: float, seed: int) -> None:
        self.model, self.remedy, self.strength, self.seed = model, choose("remedy", remedy, STRENGTHS), strength, seed
        self.tokenizer = models.tokenizer(name)
        self.past: Dataset | None = None
        self.ewc: forgetting.EWC | None = None

    def loader(self, rows: Dataset, *, shuffle: bool) -> DataLoader:
        encoded = batching.encode(rows, self.tokenizer, MAX_LENGTH)
        return batching.loader(encoded, self.tokenizer, BATCH, shuffle=shuffle, seed=self.seed)

    def learn(self, rows: Dataset, labels: list[str]) -> float:
        """Learn a task whose new labels are ``labels``; return the seconds that it took, the remedy's own included."""
        began = clock()
        loss = self._loss()
        for label in labels:
            heads.add_label(self.model, label, "random")
        self._learn_next(rows, loss)
        return clock() - began + self.remember(rows)

    def remember(self, rows: Dataset) -> float:
        """Keep what the remedy needs of a task that is learned; return the seconds that it took."""
        began = clock()
        if self.remedy == "EWC":
            self.ewc = forgetting.EWC(self.model, self.loader(rows, shuffle=False), self.strength, self.ewc)
        self.past = rows if self.past is None else _join(rows, self.past)
        return clock() - began

    def _loss(self) -> Callable | None:
        """The remedies that are losses, for the next task; the model is still the old one."""
        if self.remedy == "L2-SP":
            return forgetting.L2SP(self.model, self.strength)
        if "distillation" in self.remedy:
            return forgetting.Distillation(self.model, self.strength)
        return self.ewc

    def _learn_next(self, rows: Dataset, loss: Callable | None) -> None:
        """A task after the first, with the remedy; the head has grown already."""
        model, rate, optimizer = self.model, RATE, None
        if self.remedy.startswith("replay"):
            rows = forgetting.replay(rows, self.past, MEMORY, self.seed)
        elif self.remedy == "all at once":
            rows = _join(rows, self.past)
        elif self.remedy == "lower rate":
            rate = RATE * self.strength
        elif self.remedy == "layer-wise rates":
            optimizer = optimizers.adamw(optimizers.layerwise(model, RATE, self.strength), RATE)
        elif self.remedy == "frozen layers":
            layers = [f"bert.encoder.layer.{layer}" for layer in range(int(self.strength))]
            freezing.freeze(model, "bert.embeddings", *layers)
        elif self.remedy == "LoRA":
            model, rate = get_peft_model(model, _lora()), RATE * self.strength
        self.train(rows, model, rate, optimizer=optimizer, loss=loss)
        if self.remedy == "LoRA":
            self.model = model.merge_and_unload().requires_grad_(True)

    def train(self, rows: Dataset, model: nn.Module | None = None, rate: float = RATE, **options: object) -> None:
        """Fine-tune ``model``, or the classifier itself, on these rows."""
        batches = self.loader(rows, shuffle=True)
        training.fit(model or self.model, batches, epochs=EPOCHS, learning_rate=rate, **options)

    def scores(self, rows: Dataset, task_of: np.ndarray) -> tuple[list[float], list[float]]:
        """Accuracy on each task, among all labels known so far and among the task's own; 0 for tasks to come."""
        known = self.model.config.num_labels
        found = evaluation.predict(
            self.model,
            self.loader(rows.filter(lambda label: label < known, input_columns="label"), shuffle=False),
        )
        tasks = task_of[found.labels]
        own = task_of[:known] == tasks[:, None]
        right = found.classes == found.labels
        told = np.where(own, found.logits, -np.inf).argmax(-1) == found.labels
        last = task_of[known - 1]
        return tuple(
            [float(hits[tasks == task].mean()) if task <= last else 0.0 for task in range(task_of[-1] + 1)]
            for hits in (right, told)
        )


def clock() -> float:
    """Seconds, after the device has finished what it was given."""
    if runtime.device().type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _lora() -> LoraConfig:
    return LoraConfig(
        r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules=["query", "value"], modules_to_save=["classifier"]
    )


def _join(new: Dataset, old: Dataset) -> Dataset:
    return concatenate_datasets([old.cast(new.features), new])


@cache
def load(name: str) -> DatasetDict:
    return data.load(name)


def tasks(name: str, seed: int, count: int = TASKS) -> list[list[str]]:
    """The labels of a data set, without CLINC's out-of-scope one, dealt into ``count`` tasks by ``seed``."""
    names = [label for label in data.labels(load(name)["train"]) if label != "oos"]
    order = np.random.default_rng(seed).permutation(len(names))
    return [[names[i] for i in part] for part in np.array_split(order, count)]


def rows_of(split: Dataset, labels: list[str], known: list[str], per_class: int | None = None) -> Dataset:
    """The rows of ``labels``, at most ``per_class`` of each, with ids that count through ``known``."""
    place = {label: i for i, label in enumerate(known)}
    names, wanted = data.labels(split), set(labels)
    ids = [place[names[i]] if names[i] in wanted else -1 for i in split["label"]]
    seen: dict[int, int] = {}
    kept = []
    for row, label in enumerate(ids):
        if label >= 0 and (per_class is None or seen.get(label, 0) < per_class):
            seen[label] = seen.get(label, 0) + 1
            kept.append(row)
    columns = {"text": [split["text"][row] for row in kept], "label": [ids[row] for row in kept]}
    return Dataset.from_dict(columns).cast_column("label", ClassLabel(names=known))


@lru_cache(maxsize=1)
def first_task(data: str, model: str, seed: int, per_class: int | None) -> tuple[PreTrainedModel, float]:
    """The classifier of the first task, which is the same for every remedy, and the seconds of its training."""
    runtime.start(seed)
    labels = tasks(data, seed)[0]
    began = clock()
    first = models.load(model, head=heads.PooledClassifier, pooling="mean", labels=labels)
    learner = Learner(first, model, "none", 0.0, seed)
    learner.train(rows_of(load(data)["train"], labels, labels, per_class))
    return first, clock() - began


def measure(
    data: str, model: str, remedy: str, strength: float, seed: int, split: str, per_class: int | None
) -> dict[str, object]:
    """One sequence: both accuracy matrices, their measures, seconds a task and the peak memory."""
    first, seconds_of_first = first_task(data, model, seed, per_class)
    runtime.start(seed)
    if runtime.device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    sequence = tasks(data, seed)
    every = [label for task in sequence for label in task]
    task_of = np.repeat(np.arange(len(sequence)), [len(task) for task in sequence])
    scored = rows_of(load(data)[split], every, every, SCORED)
    learner = Learner(copy.deepcopy(first), model, remedy, strength, seed)
    matrices = [forgetting.AccuracyMatrix([f"task {i + 1}" for i in range(len(sequence))]) for _ in range(2)]
    seconds = []
    for number, labels in enumerate(sequence):
        known = [label for task in sequence[: number + 1] for label in task]
        rows = rows_of(load(data)["train"], labels, known, per_class)
        took = learner.learn(rows, labels) if number else seconds_of_first + learner.remember(rows)
        seconds.append(round(took, 2))
        for matrix, row in zip(matrices, learner.scores(scored, task_of), strict=True):
            matrix.add(row)
    results: dict[str, object] = {"seconds": seconds, "peak_mb": round(_peak_mb())}
    for name, matrix in zip(("class_incremental", "task_incremental"), matrices, strict=True):
        results[name] = {
            "matrix": [[round(value, 4) for value in row] for row in matrix.to_frame().values.tolist()],
            "average_accuracy": matrix.average_accuracy(),
            "backward_transfer": matrix.backward_transfer(),
            "forgetting": matrix.forgetting(),
        }
    return results


def _peak_mb() -> float:
    """Peak memory: of the device, or of the process since it began, which on a CPU is at most a hint."""
    if runtime.device().type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def settings(
    data: str, model: str, remedies: Iterable[str], seeds: Iterable[int], split: str, per_class: int | None
) -> list[dict]:
    """Rows to measure: every strength on the validation split; on the test split the best of them (:func:`best`)."""
    return [
        {
            "data": data,
            "model": model,
            "remedy": remedy,
            "strength": strength,
            "seed": seed,
            "split": split,
            "per_class": per_class,
        }
        for seed in seeds
        for remedy in remedies
        for strength in STRENGTHS[choose("remedy", remedy, STRENGTHS)]
    ]


def best(rows: list[dict]) -> dict[str, float]:
    """Of each remedy, the strength with the highest average accuracy among all labels in these rows."""
    found: dict[str, tuple[float, float]] = {}
    for row in rows:
        remedy, strength = row["settings"]["remedy"], row["settings"]["strength"]
        score = row["results"]["class_incremental"]["average_accuracy"]
        found[remedy] = max(found.get(remedy, (-1.0, 0.0)), (score, strength))
    return {remedy: strength for remedy, (_, strength) in found.items()}


def tested(rows: Iterable[dict]) -> list[dict]:
    """The rows of the test split, in the order of the remedies."""
    rows = [row for row in rows if row["settings"]["split"] == "test"]
    return sorted(rows, key=lambda row: (list(STRENGTHS).index(row["settings"]["remedy"]), row["settings"]["seed"]))


def table(rows: Sequence[dict]) -> pd.DataFrame:
    """One line a remedy at its best strength: average accuracy and forgetting in both scenarios."""

    def column(scenario: str, measure: str) -> Callable[[dict], float]:
        return lambda results: results[scenario][measure]

    scores = {
        f"{measure.replace('_', ' ')}, {scenario.replace('_', '-')}": column(scenario, measure)
        for scenario in ("class_incremental", "task_incremental")
        for measure in ("average_accuracy", "forgetting")
    }
    return summary.table(tested(rows), ["remedy", "strength"], scores)


def picture(rows: Sequence[dict], then: Callable = figures.show) -> None:
    """Accuracy on the last task against that on the tasks before it, one point a seed."""
    with figures.figure(
        "Among all labels, only what sees old sentences keeps old and new",
        "Points, one a seed: accuracy on the last task against mean accuracy on the four before, after the whole "
        "sequence, among all labels, for every remedy. The upper right corner is best.",
        size=(7.0, 5.0),
        then=then,
    ) as axes:
        for place, ((name,), group) in enumerate(summary.groups(tested(rows), "remedy").items()):
            last = [row["results"]["class_incremental"]["matrix"][-1] for row in group]
            axes.plot(
                [float(np.mean(scores[:-1])) for scores in last],
                [scores[-1] for scores in last],
                "os^Dv*P"[place % 7],
                color=figures.COLOURS[place % len(figures.COLOURS)],
                fillstyle="full" if place < 7 else "none",
                label=name,
            )
        axes.set(xlabel="mean accuracy on the first four tasks", ylabel="accuracy on the fifth task")
        axes.legend(frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--remedies", nargs="*", default=list(STRENGTHS), help=f"of: {', '.join(STRENGTHS)}")
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--data", default="clinc/clinc_oos:small", help="a data set as 'intents'")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--per-class", type=int, default=20, help="training examples of a label (20); 0 for all")
    options = parser.parse_args(arguments)
    what, per_class = (options.data, options.model), options.per_class or None
    grids = {name: STRENGTHS[choose("remedy", name, STRENGTHS)] for name in options.remedies}
    tunable = [name for name, grid in grids.items() if len(grid) > 1]
    tuned = {name: grid[0] for name, grid in grids.items()}
    tuned |= best(runner.run(ROWS, settings(*what, tunable, [TUNING_SEED], "validation", per_class), measure))
    final = settings(*what, options.remedies, options.seeds, "test", per_class)
    rows = runner.run(ROWS, [row for row in final if row["strength"] == tuned[row["remedy"]]], measure)
    print(table(rows).map(str).to_string())


if __name__ == "__main__":
    main()
