"""How fast is ``fit``? ``python -m experiments.bench`` (or ``make bench``).

The same work, one contender after the other in one process, several rounds, interleaved: examples per second, and from
them ratios. A ratio within one run says something on any machine; seconds say something about one machine only. Real
MRPC where ``HF_HOME`` holds it, the book's ``intents`` otherwise.

Writes ``book/evidence/bench.json``. Contenders:

- ``fit``: the book's loop, with length buckets, bfloat16 where the hardware has it, fused AdamW;
- ``bare loop``: the same ingredients in fifteen lines without accelerate and without records;
- ``Trainer tuned``: ``bf16``, ``train_sampling_strategy="group_by_length"``;
- ``Trainer default``: float32, padding to the longest of a random batch;
- ``pad to 512``: what old recipes do: float32, every example 512 pieces long.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from datasets import Dataset
from torch import nn
from tqdm.auto import tqdm
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

from experiments import runner
from helpers import batching, data, evaluation, models, optimizers, runtime, training

BATCH, RATE, MAX_LENGTH = 16, 2e-4, 128
OUTPUT = Path(__file__).parents[1] / "book" / "evidence" / "bench.json"


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

    speeds: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    with tqdm(total=arguments.rounds * len(CONTENDERS), desc="speed") as bar:
        for _ in range(arguments.rounds):
            for contender, train in CONTENDERS.items():
                part = some.select(range(max(2 * BATCH, int(len(some) * SHARE.get(contender, 1)))))
                model = fresh()
                began = time.perf_counter()
                train(model, part, tokenizer, 1)
                speeds[contender].append(len(part) / (time.perf_counter() - began))
                bar.update()

    test = batching.loader(encoded["test"], tokenizer, 64)
    quality = {}
    for contender in tqdm(("fit", "Trainer tuned", "Trainer default"), desc="quality"):
        model = fresh()
        CONTENDERS[contender](model, encoded["train"], tokenizer, arguments.epochs)
        predictions = evaluation.predict(model, test)
        quality[contender] = evaluation.interval(predictions.classes == predictions.labels)._asdict()

    medians = {contender: statistics.median(values) for contender, values in speeds.items()}
    result = {
        "data": name,
        "examples": len(some),
        "epochs": arguments.epochs,
        "examples_per_second": speeds,
        "times_as_fast_as": {c: medians["fit"] / median for c, median in medians.items()},
        "test_accuracy": quality,
        **runner.environment(),
    }
    runner.write_json(OUTPUT, result)
    print(f"fit on {name}, {result['precision']}, is as fast as")
    for contender, ratio in result["times_as_fast_as"].items():
        accuracy = quality.get(contender)
        print(f"  {ratio:6.2f} × {contender}" + (f"   (test accuracy {accuracy['estimate']:.3f})" if accuracy else ""))
    print(json.dumps({k: round(v, 2) for k, v in medians.items()}), "examples per second")


if __name__ == "__main__":
    main()
