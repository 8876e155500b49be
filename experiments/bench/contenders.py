"""Who competes? Five ways to fine-tune the same model on the same rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

from datasets import Dataset
from torch import nn
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase, Trainer, TrainingArguments

from experiments.bench.setting import BATCH, RATE
from experiments.kit import training
from helpers import batching, optimizers, runtime

# Takes a model, encoded rows, their tokenizer and the number of epochs.
Contender = Callable[[nn.Module, Dataset, PreTrainedTokenizerBase, int], None]


def fit(model: nn.Module, train: Dataset, tokenizer: PreTrainedTokenizerBase, epochs: int) -> None:
    loader = batching.batches(train, tokenizer, BATCH, shuffle=True)
    training.fit(model, loader, epochs=epochs, learning_rate=RATE)


def bare_loop(model: nn.Module, train: Dataset, tokenizer: PreTrainedTokenizerBase, epochs: int) -> None:
    loader = batching.batches(train, tokenizer, BATCH, shuffle=True)
    device = runtime.device()
    model.to(device).train()
    optimizer = optimizers.adamw(optimizers.parameter_groups(model), RATE)
    schedule = optimizers.schedule("linear", optimizer, epochs * len(loader))
    for epoch in range(epochs):
        loader.batch_sampler.set_epoch(epoch)
        for batch in loader:
            batch = runtime.to_device(batch, device)
            with runtime.autocast():
                loss = model(**batch).loss
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


def _trainer(
    model: nn.Module, train: Dataset, tokenizer: PreTrainedTokenizerBase, epochs: int, **options: object
) -> None:
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


def trainer_default(model: nn.Module, train: Dataset, tokenizer: PreTrainedTokenizerBase, epochs: int) -> None:
    _trainer(model, train, tokenizer, epochs)


def trainer_tuned(model: nn.Module, train: Dataset, tokenizer: PreTrainedTokenizerBase, epochs: int) -> None:
    _trainer(
        model,
        train,
        tokenizer,
        epochs,
        bf16=runtime.precision() == "bf16",
        train_sampling_strategy="group_by_length",
    )


def pad_to_512(model: nn.Module, train: Dataset, tokenizer: PreTrainedTokenizerBase, epochs: int) -> None:
    padded = tokenizer.pad(train.to_dict(), padding="max_length", max_length=512)
    _trainer(model, Dataset.from_dict(dict(padded)), tokenizer, epochs)


CONTENDERS: dict[str, Contender] = {
    "fit": fit,
    "bare loop": bare_loop,
    "Trainer tuned": trainer_tuned,
    "Trainer default": trainer_default,
    "pad to 512": pad_to_512,
}
# Slow contenders get a part of the work; their speed is per example all the same.
SHARE = {"pad to 512": 0.05}
