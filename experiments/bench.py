"""How fast is ``fit``? ``python -m experiments.bench`` (or ``make bench``).

The same work, one contender after the other in one process, several rounds, interleaved; from the times, ratios. A
ratio within one run says something on any machine; seconds say something about one machine only. Real MRPC where
``HF_HOME`` holds it, the book's ``intents`` otherwise. Five questions, each with rows in ``book/evidence/bench.json``:

- *speed*: ``fit`` (length buckets, bfloat16 where the hardware has it, fused AdamW) against a bare loop of the same
  ingredients, Trainer tuned (``bf16``, grouping by length), Trainer's default (float32, random batches), and what old
  recipes do (float32, every example padded to 512 pieces);
- *quality*: test accuracy of ``fit`` and the two Trainers after the same epochs;
- *frozen*: an epoch of full fine-tuning, of a frozen encoder, and of a head on cached features;
- *peak*: operations a second in ``fit`` and in one large matrix product;
- *growth*: milliseconds an example for longer texts, larger batches, more labels.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from torch import nn
from tqdm.auto import tqdm
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

from experiments import runner
from helpers import batching, data, evaluation, features, freezing, heads, models, optimizers, runtime, training

BATCH, RATE, MAX_LENGTH = 16, 2e-4, 128
OUTPUT = runner.EVIDENCE / "bench.json"
GROWTH = {"length": (16, 32, 64, 128, 256), "batch": (4, 16, 64), "labels": (2, 32, 512)}
MATRIX = 2048  # rows and columns of the product that stands for the machine's peak


def fit(model: nn.Module, train: Dataset, tokenizer: object, epochs: int) -> None:
    loader = batching.loader(train, tokenizer, BATCH, shuffle=True)
    training.fit(model, loader, epochs=epochs, learning_rate=RATE)


def bare_loop(model: nn.Module, train: Dataset, tokenizer: object, epochs: int) -> None:
    loader = batching.loader(train, tokenizer, BATCH, shuffle=True)
    device = runtime.device()
    model.to(device).train()
    optimizer = optimizers.adamw(optimizers.parameter_groups(model), RATE)
    schedule = optimizers.schedule("linear", optimizer, epochs * len(loader))
    for epoch in range(epochs):
        loader.batch_sampler.set_epoch(epoch)
        for batch in loader:
            batch = {name: tensor.to(device) for name, tensor in batch.items()}
            with runtime.autocast():
                loss = model(**batch).loss
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


def _trainer(model: nn.Module, train: Dataset, tokenizer: object, epochs: int, **options: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            warmup_steps=0.1,
            weight_decay=0.01,
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=runtime.device().type == "cpu",
            **options,
        )
        Trainer(
            model=model, args=arguments, train_dataset=train, data_collator=DataCollatorWithPadding(tokenizer)
        ).train()


def trainer_default(model: nn.Module, train: Dataset, tokenizer: object, epochs: int) -> None:
    _trainer(model, train, tokenizer, epochs)


def trainer_tuned(model: nn.Module, train: Dataset, tokenizer: object, epochs: int) -> None:
    _trainer(
        model,
        train,
        tokenizer,
        epochs,
        bf16=runtime.precision() == "bf16",
        train_sampling_strategy="group_by_length",
    )


def pad_to_512(model: nn.Module, train: Dataset, tokenizer: object, epochs: int) -> None:
    padded = tokenizer.pad(train.to_dict(), padding="max_length", max_length=512)
    _trainer(model, Dataset.from_dict(dict(padded)), tokenizer, epochs)


CONTENDERS: dict[str, Callable[[nn.Module, Dataset, object, int], None]] = {
    "fit": fit,
    "bare loop": bare_loop,
    "Trainer tuned": trainer_tuned,
    "Trainer default": trainer_default,
    "pad to 512": pad_to_512,
}
# Slow contenders get a part of the work; their speed is per example all the same.
SHARE = {"pad to 512": 0.05}


def speed(model: Callable[[], nn.Module], train: Dataset, tokenizer: object, rounds: int) -> list[dict[str, Any]]:
    """Examples a second of every contender, a value a round."""
    found: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    with tqdm(total=rounds * len(CONTENDERS), desc="speed") as bar:
        for _ in range(rounds):
            for contender, fine_tune in CONTENDERS.items():
                part = train.select(range(max(2 * BATCH, int(len(train) * SHARE.get(contender, 1)))))
                fresh = model()
                began = time.perf_counter()
                fine_tune(fresh, part, tokenizer, 1)
                found[contender].append(len(part) / (time.perf_counter() - began))
                bar.update()
    return [
        {"settings": {"measure": "speed", "contender": contender}, "results": {"examples_per_second": values}}
        for contender, values in found.items()
    ]


def quality(
    model: Callable[[], nn.Module], encoded: dict[str, Dataset], tokenizer: object, epochs: int
) -> list[dict[str, Any]]:
    """Test accuracy, with its interval, after fine-tuning on all rows."""
    test, rows = batching.loader(encoded["test"], tokenizer, 64), []
    for contender in tqdm(("fit", "Trainer tuned", "Trainer default"), desc="quality"):
        fresh = model()
        CONTENDERS[contender](fresh, encoded["train"], tokenizer, epochs)
        predictions = evaluation.predict(fresh, test)
        accuracy = evaluation.interval(predictions.classes == predictions.labels)._asdict()
        rows.append({"settings": {"measure": "quality", "contender": contender, "epochs": epochs}, "results": accuracy})
    return rows


def frozen(train: Dataset, tokenizer: object, labels: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    """Seconds of an epoch in which everything learns, the head learns, and the head learns from cached features."""
    batches = batching.loader(train, tokenizer, BATCH, shuffle=True)
    in_order = batching.loader(train, tokenizer, 64)
    seconds: dict[str, list[float]] = {"full": [], "frozen encoder": [], "cached features": [], "to cache them": []}
    for _ in tqdm(range(rounds), desc="frozen"):
        for way in ("full", "frozen encoder", "cached features"):
            model = models.load("minilm", head=heads.PooledClassifier, labels=labels, pooling="mean")
            learner, source = model, batches
            if way != "full":
                freezing.freeze_body(model)
            if way == "cached features":
                began = time.perf_counter()
                cached = features.cache_features(model, in_order)
                seconds["to cache them"].append(time.perf_counter() - began)
                learner, source = features.HeadOnly(model), cached.loader(BATCH, shuffle=True)
            seconds[way].append(training.fit(learner, source, epochs=1, learning_rate=RATE).seconds)
    return [{"settings": {"measure": "frozen", "way": way}, "results": {"seconds": s}} for way, s in seconds.items()]


def peak(rows: list[dict[str, Any]], train: Dataset, tokenizer: object, rounds: int) -> dict[str, Any]:
    """Operations a second: of ``fit``, from its examples a second, and of a large matrix product in the same format.

    A training step takes six operations for every parameter and position, the embedding tables left out, which are
    looked up (Kaplan et al. 2020, section 2.1), and attention's products on top: 12 × layers × width × length more.
    Padding is work, too, so it counts.
    """
    config = models.load("minilm").config
    layer = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    operations = 0
    for batch in batching.loader(train, tokenizer, BATCH, shuffle=True):
        positions, length = batch["input_ids"].numel(), batch["input_ids"].shape[1]
        attention = 12 * config.num_hidden_layers * config.hidden_size * length
        operations += positions * (6 * config.num_hidden_layers * layer + attention)
    (fit_row,) = (row for row in of(rows, "speed") if row["settings"]["contender"] == "fit")
    examples = statistics.median(fit_row["results"]["examples_per_second"])
    kind = torch.bfloat16 if runtime.precision() == "bf16" else torch.float32
    a, b = (torch.randn(MATRIX, MATRIX, device=runtime.device(), dtype=kind) for _ in range(2))
    times = []
    for _ in range(4 * rounds):
        began = time.perf_counter()
        (a @ b)[0, 0].item()
        times.append(time.perf_counter() - began)
    results = {"fit": examples * operations / len(train), "matrix_product": 2 * MATRIX**3 / min(times)}
    return {"settings": {"measure": "peak"}, "results": results}


def growth(rounds: int) -> list[dict[str, Any]]:
    """Milliseconds an example for a training step, while one of length, batch and labels grows and the others stay."""
    rows = []
    for axis, values in GROWTH.items():
        for value in tqdm(values, desc=f"growth of {axis}"):
            length, batch, labels = ({"length": 64, "batch": 16, "labels": 2} | {axis: value}).values()
            model = models.load("minilm", head="classification", labels=list(map(str, range(labels))))
            model.to(runtime.device()).train()
            inputs = {
                "input_ids": torch.randint(1000, 2000, (batch, length), device=runtime.device()),
                "labels": torch.zeros(batch, dtype=torch.long, device=runtime.device()),
            }
            optimizer = optimizers.adamw(optimizers.parameter_groups(model), RATE)
            times = []
            for _ in range(rounds + 1):
                began = time.perf_counter()
                with runtime.autocast():
                    loss = model(**inputs).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                loss.item()
                times.append(time.perf_counter() - began)
            results = {"milliseconds": 1000 * min(times[1:]) / batch}
            rows.append({"settings": {"measure": "growth", "axis": axis, "value": value}, "results": results})
    return rows


def of(rows: Sequence[dict[str, Any]], measure: str) -> list[dict[str, Any]]:
    """The rows of one question."""
    return [row for row in rows if row["settings"]["measure"] == measure]


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """*speed* and *quality*: examples a second, how many times as fast ``fit`` is, and test accuracy."""
    medians = {
        row["settings"]["contender"]: statistics.median(row["results"]["examples_per_second"])
        for row in of(rows, "speed")
    }
    accuracy = {row["settings"]["contender"]: row["results"] for row in of(rows, "quality")}
    return pd.DataFrame(
        {
            "examples a second": medians,
            "fit is so many times as fast": {name: medians["fit"] / median for name, median in medians.items()},
            "test accuracy": {name: found["estimate"] for name, found in accuracy.items()},
            "from": {name: found["low"] for name, found in accuracy.items()},
            "to": {name: found["high"] for name, found in accuracy.items()},
        }
    ).rename_axis("")


def frozen_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """*frozen*: seconds of an epoch, and how many of them fit into one of full fine-tuning."""
    medians = {row["settings"]["way"]: statistics.median(row["results"]["seconds"]) for row in of(rows, "frozen")}
    return pd.DataFrame(
        {
            "seconds": medians,
            "times as cheap as full": {way: medians["full"] / median for way, median in medians.items()},
        }
    ).rename_axis("an epoch")


def peak_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """*peak*: billions of operations a second, and the share of the peak."""
    (found,) = (row["results"] for row in of(rows, "peak"))
    return pd.DataFrame(
        {
            "billion operations a second": {name: value / 1e9 for name, value in found.items()},
            "share of the peak": {name: value / found["matrix_product"] for name, value in found.items()},
        }
    ).rename(index={"matrix_product": "one large matrix product"}).rename_axis("")  # fmt: skip


def growth_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """*growth*: milliseconds an example, one line for each value of each axis."""
    lines = [{**row["settings"], **row["results"]} for row in of(rows, "growth")]
    frame = pd.DataFrame(lines).rename(columns={"milliseconds": "milliseconds an example"})
    return frame[["axis", "value", "milliseconds an example"]].set_index("axis")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=int, default=640, help="examples a round (default 640)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default 3)")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of the quality runs (default 3)")
    arguments = parser.parse_args()

    runtime.start(0)
    try:
        name = "nyu-mll/glue:mrpc"
        splits = data.load(name)
    except OSError:
        name = "intents"
        splits = data.load(name)
    tokenizer = models.tokenizer("minilm")
    labels = data.labels(splits["train"])
    encoded = {split: batching.encode(rows, tokenizer, MAX_LENGTH) for split, rows in splits.items()}
    some = encoded["train"].shuffle(seed=0).select(range(min(arguments.examples, len(encoded["train"]))))

    def fresh() -> nn.Module:
        torch.manual_seed(0)
        return models.load("minilm", head="classification", labels=labels)

    def keep(new: list[dict[str, Any]], seconds: float) -> None:
        """Add rows to the file's; they share the minutes that they took together."""
        for row in new:
            row["settings"] |= {"data": name, "examples": len(some)}
            row |= {"minutes": round(seconds / 60 / len(new), 2), **runner.environment()}
        rows.extend(new)
        runner.write_json(OUTPUT, rows)

    rows: list[dict[str, Any]] = []
    began = time.perf_counter()
    new = speed(fresh, some, tokenizer, arguments.rounds)
    new.append(peak(new, some, tokenizer, arguments.rounds))
    new += frozen(some, tokenizer, labels, arguments.rounds)
    new += growth(arguments.rounds)
    keep(new, time.perf_counter() - began)
    # Half of the time goes into this last question: what is measured already is kept if somebody stops here.
    began = time.perf_counter()
    keep(quality(fresh, encoded, tokenizer, arguments.epochs), time.perf_counter() - began)
    for made in (table, frozen_table, peak_table, growth_table):
        print(f"\n{made(rows).round(3)}")


if __name__ == "__main__":
    main()
