"""How is a question of the benchmark answered? Every function takes all rows of its question."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase

from experiments.bench.contenders import CONTENDERS, SHARE
from experiments.bench.setting import MAX_LENGTH, WAYS, Setting
from experiments.kit.training import fit
from helpers import batching, data, evaluation, features, freezing, heads, models, optimizers, runtime, uncertainty

Results = dict[str, Any]
MATRIX = 2048  # rows and columns of the product that stands for the machine's peak


@dataclass
class Job:
    """The work that all contenders share: encoded splits, and ``some`` training rows for what is only timed."""

    name: str
    tokenizer: PreTrainedTokenizerBase
    labels: list[str]
    encoded: dict[str, Dataset]
    some: Dataset

    def model(self) -> nn.Module:
        """A fresh classifier, the same in every call."""
        torch.manual_seed(0)
        return models.load("minilm", head="classification", labels=self.labels)


def job(examples: int) -> Job:
    """Real MRPC where ``HF_HOME`` holds it, the book's ``intents`` otherwise."""
    try:
        name = "nyu-mll/glue:mrpc"
        splits = data.load(name)
    except OSError:
        name = "intents"
        splits = data.load(name)
    tokenizer = models.tokenizer("minilm")
    encoded = {split: batching.encode(rows, tokenizer, MAX_LENGTH) for split, rows in splits.items()}
    some = encoded["train"].shuffle(seed=0).select(range(min(examples, len(encoded["train"]))))
    return Job(name, tokenizer, data.labels(splits["train"]), encoded, some)


def speed(job: Job, settings: Sequence[Setting]) -> list[Results]:
    """Examples a second of every contender, a value a round; one after the other in every round."""
    found: list[list[float]] = [[] for _ in settings]
    with tqdm(total=sum(setting.rounds for setting in settings), desc="speed") as bar:
        for _ in range(settings[0].rounds):
            for setting, values in zip(settings, found, strict=True):
                assert setting.contender is not None  # every row of this question has one
                share = SHARE.get(setting.contender, 1)
                part = job.some.select(range(max(2 * setting.batch_size, int(len(job.some) * share))))
                fresh = job.model()
                began = time.perf_counter()
                CONTENDERS[setting.contender](fresh, part, job.tokenizer, 1)
                values.append(len(part) / (time.perf_counter() - began))
                bar.update()
    return [{"examples_per_second": values} for values in found]


def quality(job: Job, settings: Sequence[Setting]) -> list[Results]:
    """Test accuracy, with its interval, after fine-tuning on all rows."""
    test, found = batching.batches(job.encoded["test"], job.tokenizer, 64), []
    for setting in tqdm(settings, desc="quality"):
        fresh = job.model()
        CONTENDERS[setting.contender](fresh, job.encoded["train"], job.tokenizer, setting.epochs)
        predictions = evaluation.predict(fresh, test)
        found.append(uncertainty.interval(predictions.classes == predictions.labels)._asdict())
    return found


def frozen(job: Job, settings: Sequence[Setting]) -> list[Results]:
    """Seconds of an epoch in which everything learns, the head learns, and the head learns from cached features."""
    size, rate = settings[0].batch_size, settings[0].learning_rate
    batches = batching.batches(job.some, job.tokenizer, size, shuffle=True)
    in_order = batching.batches(job.some, job.tokenizer, 64)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in tqdm(range(settings[0].rounds), desc="frozen"):
        for way in ("full", "frozen encoder", "cached features"):
            model = models.load("minilm", head=heads.PooledClassifier, labels=job.labels, pooling="mean")
            learner, source = model, batches
            if way != "full":
                freezing.freeze_body(model)
            if way == "cached features":
                began = time.perf_counter()
                cached = features.cache_features(model, in_order)
                seconds["to cache them"].append(time.perf_counter() - began)
                learner, source = features.HeadOnly(model), cached.batches(size, shuffle=True)
            seconds[way].append(fit(learner, source, epochs=1, learning_rate=rate).seconds)
    return [{"seconds": seconds[str(setting.way)]} for setting in settings]


def peak(job: Job, settings: Sequence[Setting], examples_per_second: float) -> list[Results]:
    """Operations a second: of ``fit``, from its examples a second, and of a large matrix product in the same format.

    A training step takes six operations for every parameter and position, the embedding tables left out, which are
    looked up (Kaplan et al. 2020, section 2.1), and attention's products on top: 12 × layers × width × length more.
    Padding is work, too, so it counts.
    """
    (setting,) = settings
    config = models.load("minilm").config
    layer = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    operations = 0
    for batch in batching.batches(job.some, job.tokenizer, setting.batch_size, shuffle=True):
        positions, length = batch["input_ids"].numel(), batch["input_ids"].shape[1]
        attention = 12 * config.num_hidden_layers * config.hidden_size * length
        operations += positions * (6 * config.num_hidden_layers * layer + attention)
    kind = torch.bfloat16 if runtime.precision() == "bf16" else torch.float32
    a, b = (torch.randn(MATRIX, MATRIX, device=runtime.device(), dtype=kind) for _ in range(2))
    times = []
    for _ in range(4 * setting.rounds):
        began = time.perf_counter()
        (a @ b)[0, 0].item()
        times.append(time.perf_counter() - began)
    fits = examples_per_second * operations / len(job.some)
    return [{"fit": fits, "matrix_product": 2 * MATRIX**3 / min(times)}]


def growth(job: Job, settings: Sequence[Setting]) -> list[Results]:
    """Milliseconds an example for a training step, while one of length, batch and labels grows and the others stay."""
    found = []
    for setting in tqdm(settings, desc="growth"):
        usual = {"length": 64, "batch": 16, "labels": 2}
        length, batch, labels = (usual | {setting.axis: setting.value}).values()
        model = models.load("minilm", head="classification", labels=list(map(str, range(labels))))
        model.to(runtime.device()).train()
        inputs = {
            "input_ids": torch.randint(1000, 2000, (batch, length), device=runtime.device()),
            "labels": torch.zeros(batch, dtype=torch.long, device=runtime.device()),
        }
        optimizer = optimizers.adamw(optimizers.parameter_groups(model), setting.learning_rate)
        times = []
        for _ in range(setting.rounds + 1):
            began = time.perf_counter()
            with runtime.autocast():
                loss = model(**inputs).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            loss.item()
            times.append(time.perf_counter() - began)
        found.append({"milliseconds": 1000 * min(times[1:]) / batch})
    return found
