"""How is it pretrained? The loop, which goes on from its last checkpoint, and what it is measured by."""

from __future__ import annotations

import itertools
import signal
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from experiments.kit import folders
from experiments.pretrain.recipe import Recipe, build, learn_tokenizer
from helpers import optimizers, runtime
from helpers.batching import BucketBatches, batches, encode
from helpers.batching.language import IGNORED, PretrainingCollator, sentence_pairs

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from transformers import BertForPreTraining, PreTrainedTokenizerBase


def predict(model: BertForPreTraining, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the masked places, shape (places, vocabulary), and of the sentence relation, shape (batch, 2).

    The projection onto the vocabulary is the largest product of a small model; here it is computed at the masked
    places only, a seventh of all.
    """
    masked = batch["labels"] != IGNORED
    inputs = {name: tensor for name, tensor in batch.items() if name not in ("labels", "next_sentence_label")}
    with runtime.autocast():
        output = model.bert(**inputs)
        words = model.cls.predictions(output.last_hidden_state[masked])
        relation = model.cls.seq_relationship(output.pooler_output)
    return words.float(), relation.float()


@torch.inference_mode()
def evaluate(
    model: BertForPreTraining,
    tokenizer: PreTrainedTokenizerBase,
    split: Dataset,
    pairs: int | None = None,
    sentences: int = 1,
    seed: int = 12_345,
) -> dict[str, float]:
    """Measure both tasks on sentences that the model has not seen.

    Args:
        split: rows of the ``documentation`` corpus, in document order.
        pairs: how many sentence pairs to take, mixed; all by default.
        sentences: at most so many on each side of a pair.
        seed: decides the pairs and the masks.

    Returns ``masked_accuracy``, ``masked_loss`` (cross-entropy in nats), ``next_sentence_accuracy`` (chance is 0.5),
    and over how many ``masked_places`` and ``pairs`` they were measured.
    """
    examples = sentence_pairs(split, seed, sentences)
    if pairs is not None:
        order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed))
        examples = examples.select(order[:pairs].tolist())
    encoded = encode(examples, tokenizer, model.config.max_position_embeddings)
    collate = PretrainingCollator(tokenizer, seed=seed)
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    loss = right = places = related = 0
    for batch in batches(encoded, tokenizer, 64, shuffle=True, seed=seed, collate=collate):
        batch = runtime.to_device(batch, device)
        words, relation = predict(model, batch)
        answers = batch["labels"][batch["labels"] != IGNORED]
        loss += F.cross_entropy(words, answers, reduction="sum").item()
        right += (words.argmax(-1) == answers).sum().item()
        places += len(answers)
        related += (relation.argmax(-1) == batch["next_sentence_label"]).sum().item()
    model.train(was_training)
    return {
        "masked_accuracy": right / places,
        "masked_loss": loss / places,
        "next_sentence_accuracy": related / len(encoded),
        "masked_places": places,
        "pairs": len(encoded),
    }


def pretrain(
    recipe: Recipe,
    corpus: DatasetDict,
    folder: Path,
    *,
    checkpoint_every: int = 100,
    evaluate_every: int = 250,
    stop_after: int | None = None,
) -> tuple[BertForPreTraining, PreTrainedTokenizerBase, dict[str, Any]] | None:
    """Train by the recipe, from the checkpoint in ``folder`` where there is one.

    Args:
        corpus: ``data.load("documentation")``, or splits with the same columns.
        folder: keeps the tokenizer and the last checkpoint.
        checkpoint_every, evaluate_every: in steps. The validation scores are measured on 512 pairs of
            single sentences.
        stop_after: stop at this step as if interrupted.

    Returns the model, its tokenizer and the run's record (``curve``, ``validation``, ``seconds``), or ``None`` when it
    was interrupted. Raises ``ValueError`` when the checkpoint is from another recipe or another corpus.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(recipe, corpus["train"], folder)
    model = build(recipe, tokenizer).to(runtime.device()).train()
    if model.device.type == "cpu":
        # For sequences this short, plain matrix products take a fifth less time than PyTorch's fused attention.
        model.set_attn_implementation("eager")
    optimizer = optimizers.adamw(optimizers.parameter_groups(model, recipe.weight_decay), recipe.learning_rate)
    for group in optimizer.param_groups:
        group["betas"] = (0.9, recipe.beta2)
    scheduler = optimizers.schedule("linear", optimizer, recipe.steps, recipe.warmup)
    identity = {"recipe": asdict(recipe), "corpus": zlib.crc32("\n".join(corpus["train"]["text"][:]).encode())}
    record: dict[str, Any] = {"curve": [], "validation": [], "seconds": 0.0, "cpu_seconds": 0.0}
    step = 0
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        if state["identity"] != identity:
            raise ValueError(
                f"{checkpoint} belongs to another run:\n  {state['identity']}\ninstead of\n  {identity}\n"
                "Give this run another --folder, or delete that one."
            )
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        step, record = state["step"], state["record"]

    def save() -> None:
        state = {
            "identity": identity,
            "step": step,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "record": record,
        }
        torch.save(state, checkpoint.with_suffix(".new"))
        checkpoint.with_suffix(".new").replace(checkpoint)

    bar = tqdm(total=recipe.steps, initial=step, unit="step", file=sys.stderr, mininterval=5)
    with _Interruptible() as interruption:
        began, began_cpu = time.perf_counter(), time.process_time()
        for batch in _batches(recipe, corpus["train"], tokenizer, step):
            # Every step draws its dropout from a seed of its own, on any device; so no generator needs to be saved.
            torch.manual_seed(recipe.seed * 1_000_000 + step)
            batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
            words, relation = predict(model, batch)
            answers = batch["labels"][batch["labels"] != IGNORED]
            masked_loss = F.cross_entropy(words, answers)
            next_loss = F.cross_entropy(relation, batch["next_sentence_label"])
            (masked_loss + next_loss).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            step += 1
            record["curve"].append(
                {
                    "step": step,
                    "masked_loss": round(masked_loss.item(), 4),
                    "masked_accuracy": round((words.argmax(-1) == answers).float().mean().item(), 4),
                    "next_sentence_loss": round(next_loss.item(), 4),
                    "learning_rate": scheduler.get_last_lr()[0],
                }
            )
            record["seconds"] += time.perf_counter() - began
            record["cpu_seconds"] += time.process_time() - began_cpu
            bar.set_postfix_str(f"masked {masked_loss:.2f}, next {next_loss:.2f}", refresh=False)
            bar.update()
            if step % evaluate_every == 0 or step == recipe.steps:
                scores = {"step": step, "seconds": round(record["seconds"], 1)}
                scores |= evaluate(model, tokenizer, corpus["validation"], pairs=512)
                record["validation"].append(scores)
                bar.write(
                    f"step {step}, {record['seconds'] / 60:.1f} min: masked accuracy {scores['masked_accuracy']:.3f}, "
                    f"next sentence {scores['next_sentence_accuracy']:.3f}",
                    file=sys.stderr,
                )
            interrupted = step < recipe.steps and (interruption.requested or step == stop_after)
            if step % checkpoint_every == 0 or step == recipe.steps or interrupted:
                save()
            if interrupted:
                bar.close()
                print(f"Interrupted after step {step} of {recipe.steps}; the same command goes on from there.")
                return None
            began, began_cpu = time.perf_counter(), time.process_time()
    bar.close()
    return model, tokenizer, record


class _Interruptible:
    """Within this context Ctrl-C and SIGTERM only set ``requested``: the step in hand is finished first."""

    def __enter__(self) -> _Interruptible:
        self.requested = False
        try:
            self.before = {s: signal.signal(s, self._request) for s in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # only the main thread may do this
            self.before = {}
        return self

    def _request(self, *_: object) -> None:
        self.requested = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


def _tokenizer(recipe: Recipe, train: Dataset, folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    if not (folder / "tokenizer").exists():
        with folders.whole(folder / "tokenizer") as new:
            learn_tokenizer(train["text"][:], recipe).save_pretrained(new)
    return AutoTokenizer.from_pretrained(folder / "tokenizer")


def _batches(
    recipe: Recipe, train: Dataset, tokenizer: PreTrainedTokenizerBase, done: int
) -> Iterator[dict[str, torch.Tensor]]:
    """The batches of all steps after the first ``done``. Pairs are drawn anew in every epoch, masks in every step."""
    # As many pairs in every epoch, so whole epochs can be left out without building them.
    length = -(-pairs_of(train) // recipe.batch_size)
    step = epoch = 0
    for sentences, end in ((1, min(recipe.short_steps, recipe.steps)), (recipe.sentences, recipe.steps)):
        while step < end:
            if step + length > done:
                pairs = sentence_pairs(train, recipe.seed * 1000 + epoch, sentences)
                encoded = encode(pairs, tokenizer, recipe.positions)
                order = BucketBatches([len(ids) for ids in encoded["input_ids"]], recipe.batch_size, recipe.seed)
                order.set_epoch(epoch)
                for position, rows in enumerate(order, step):
                    if done <= position < end:
                        collate = PretrainingCollator(tokenizer, recipe.masking, recipe.seed * 1_000_000 + position)
                        columns = encoded[rows]
                        examples = zip(*columns.values(), strict=True)
                        yield collate([dict(zip(columns, example, strict=True)) for example in examples])
            step = min(step + length, end)
            epoch += 1


def pairs_of(split: Dataset) -> int:
    """How many pairs ``sentence_pairs`` makes."""
    return sum(a == b for a, b in itertools.pairwise(split["document"][:]))
