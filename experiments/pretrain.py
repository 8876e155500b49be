"""Pretrains the pocket BERT: ``python -m experiments.pretrain``.

A WordPiece tokenizer and a small ``BertForPreTraining``, both learned from the ``documentation`` corpus, with masked
language modelling and next-sentence prediction. Interrupt the run whenever you like (Ctrl-C, or kill it): the same
command goes on from its last checkpoint and ends with the weights that it would have had without the interruption.

Writes the model with its card to ``--output`` and the curve to ``--evidence``. See ``--help`` for the size, the number
of steps and the seed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import platform
import shutil
import signal
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from helpers import data, optimizers, runtime
from helpers.batching import BucketBatches, encode, loader
from helpers.batching.language import IGNORED, PretrainingBatches, sentence_pairs
from helpers.data.documentation import versions

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from transformers import BertForPreTraining, PreTrainedTokenizerBase

ROOT = Path(__file__).parents[1]
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Fine-tuning finds the usual dropout in the configuration; a model this small learns more from few epochs without.
DROPOUT_AFTERWARDS = 0.1


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what the run produces, apart from the corpus and the device."""

    steps: int = 12_000
    seed: int = 0
    layers: int = 4
    hidden: int = 256
    heads: int = 4
    vocabulary: int = 8000
    positions: int = 128
    batch_size: int = 128
    learning_rate: float = 2e-3
    warmup: float = 0.08
    weight_decay: float = 0.01
    dropout: float = 0.0
    # RoBERTa's value, for stability (Liu et al. 2019, section 3.1).
    beta2: float = 0.98
    # Twice BERT's share: more to learn from every pair (Wettig et al. 2023, "Should You Mask 15% in MLM?").
    masking: float = 0.3
    # As BERT's authors did: short sequences first, which are cheap, then long ones.
    short_steps: int = 7000  # so many steps on pairs of single sentences
    sentences: int = 3  # then pairs of up to so many on each side


def learn_tokenizer(texts: list[str], recipe: Recipe) -> PreTrainedTokenizerBase:
    """A lower-casing WordPiece tokenizer with ``recipe.vocabulary`` pieces, learned from ``texts``."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.trainers import WordPieceTrainer
    from transformers import BertTokenizer

    learned = Tokenizer(WordPiece(unk_token="[UNK]"))
    learned.normalizer = BertNormalizer(lowercase=True)
    learned.pre_tokenizer = BertPreTokenizer()
    # The trainer numbers the letters inside words as it meets them, in an order that changes from run to run, and
    # breaks ties by these numbers. Announced as special tokens they have a fixed order, and so has the vocabulary.
    letters = sorted({letter for text in texts for letter in learned.normalizer.normalize_str(text)})
    inside = [f"##{x}" for x in letters if len(learned.pre_tokenizer.pre_tokenize_str(f"a{x}")) == 1 and x.strip()]
    trainer = WordPieceTrainer(
        vocab_size=recipe.vocabulary, special_tokens=[*SPECIAL_TOKENS, *inside], show_progress=False, min_frequency=2
    )
    learned.train_from_iterator(texts, trainer)
    return BertTokenizer(vocab=learned.get_vocab(), model_max_length=recipe.positions)


def build(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> BertForPreTraining:
    """The model with random weights, drawn from ``recipe.seed``."""
    from transformers import BertConfig, BertForPreTraining

    torch.manual_seed(recipe.seed)
    return BertForPreTraining(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            intermediate_size=4 * recipe.hidden,
            max_position_embeddings=recipe.positions,
            hidden_dropout_prob=recipe.dropout,
            attention_probs_dropout_prob=recipe.dropout,
        )
    )


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
    batches = loader(encoded, tokenizer, 64, shuffle=True, seed=seed, collate=PretrainingBatches(tokenizer, seed=seed))
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    loss = right = places = related = 0
    for batch in batches:
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
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


def export(model: BertForPreTraining, tokenizer: PreTrainedTokenizerBase, output: Path, card: dict[str, Any]) -> None:
    """Write the model in float16, its tokenizer and its card to ``output``, every file whole or not at all."""
    workshop = output.with_name(f".{output.name}.new")
    shutil.rmtree(workshop, ignore_errors=True)
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = DROPOUT_AFTERWARDS
    model.half().save_pretrained(workshop)
    tokenizer.save_pretrained(workshop)
    (workshop / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (workshop / "README.md").write_text(describe(card), encoding="utf-8")
    output.mkdir(parents=True, exist_ok=True)
    for file in workshop.iterdir():
        file.replace(output / file.name)
    workshop.rmdir()


def describe(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    recipe, scores, single = card["recipe"], card["test"], card["test_single_sentences"]
    libraries = ", ".join(f"{name} {version}" for name, version in card["corpus"]["versions"].items())
    corpus = card["corpus"]
    return f"""# Pocket BERT

A BERT of {card["parameters"] / 1e6:.1f} million parameters with both heads of the original, pretrained from scratch for
this book: `helpers.models.load("pocket", head="pretraining")`. It is small enough to ship with the book and to
fine-tune in seconds, and it has what the book's default encoder lacks: heads for masked words and the next sentence.

| | |
|---|---|
| architecture | `BertForPreTraining`: {recipe["layers"]} layers, hidden size {recipe["hidden"]}, \
{recipe["heads"]} heads, {recipe["positions"]} positions |
| tokenizer | WordPiece, lower case, {card["vocabulary"]:,} pieces, learned from the training sentences |
| weights | float16 on disk; `models.load` brings them in float32 |

| on held-out documents | pairs of up to {recipe["sentences"]} + {recipe["sentences"]} sentences | pairs of single \
sentences | without learning |
|---|---|---|---|
| masked pieces right | **{scores["masked_accuracy"]:.1%}** of {scores["masked_places"]:,} | \
{single["masked_accuracy"]:.1%} of {single["masked_places"]:,} | {card["commonest_piece_accuracy"]:.1%} (always the \
commonest piece) |
| next sentence right | **{scores["next_sentence_accuracy"]:.1%}** of {scores["pairs"]:,} | \
{single["next_sentence_accuracy"]:.1%} of {single["pairs"]:,} | 50 % (chance) |

## Data

The book's `documentation` corpus: {corpus["train"]:,} sentences for training, {corpus["validation"]:,} for the curve,
{corpus["test"]:,} for the figures above, split by document (the docstring of one object). They are the documentation
strings of {libraries}.
The text belongs to the authors of these libraries, under their licences.

## Training

{recipe["steps"]:,} steps of {recipe["batch_size"]} sentence pairs ({card["epochs"]:.1f} epochs), \
{card["minutes"]:.0f} minutes ({card["cpu_minutes"]:.0f} of processor time) on {card["device"]}, \
{card["precision"]}, seed {recipe["seed"]}, {card["date"]}.

AdamW at {recipe["learning_rate"]:g} (β₂ = {recipe["beta2"]:g}) with linear warm-up and decay; dropout
{recipe["dropout"]:g} while pretraining, {DROPOUT_AFTERWARDS:g} in the configuration for fine-tuning.
{recipe["masking"]:.0%} of the pieces masked, at least one a sequence, 80/10/10 as in BERT's own code; 15% where
measured. Pairs are of single sentences in the first {recipe["short_steps"]:,} steps and of up to
{recipe["sentences"]} on each side afterwards: short sequences are cheap. The second part of a pair follows the first in
the docstring, or is from another docstring, mostly of another library. Again: `python -m experiments.pretrain`. The
curve is in `book/evidence/pretrain.json`.

## Limits

English, and only the English of software documentation. The next-sentence head has learned to tell whether two
sentences are about the same thing more than whether one continues the other. Code, formulas and most symbols are
missing from the training data; sequences longer than {recipe["positions"]} pieces are cut.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the recipe with the options of the command line; returns the exit status, 130 for an interrupted run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for option in fields(Recipe):
        parser.add_argument(
            f"--{option.name.replace('_', '-')}", type=type(option.default), default=option.default, metavar="N",
            help=f"default {option.default}",
        )  # fmt: skip
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache" / "pretrain", help="checkpoints of the run")
    parser.add_argument("--output", type=Path, default=ROOT / "helpers" / "pocket", help="model, tokenizer and card")
    parser.add_argument("--evidence", type=Path, default=ROOT / "book" / "evidence" / "pretrain.json")
    parser.add_argument("--checkpoint-every", type=int, default=100, metavar="STEPS")
    parser.add_argument("--evaluate-every", type=int, default=250, metavar="STEPS")
    options = vars(parser.parse_args(arguments))
    recipe = Recipe(**{option.name: options[option.name] for option in fields(Recipe)})
    runtime.start(recipe.seed)
    corpus = data.load("documentation")
    result = pretrain(
        recipe,
        corpus,
        options["folder"],
        checkpoint_every=options["checkpoint_every"],
        evaluate_every=options["evaluate_every"],
    )
    if result is None:
        return 130
    model, tokenizer, record = result
    model.half().float()  # measure what is exported
    card = _card(recipe, corpus, model, tokenizer, record)
    _write(options["evidence"], card | {"curve": _thinned(record["curve"])})
    export(model.cpu(), tokenizer, options["output"], card)
    print(json.dumps(card["test"]))
    return 0


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

    if (folder / "tokenizer").exists():
        return AutoTokenizer.from_pretrained(folder / "tokenizer")
    tokenizer = learn_tokenizer(train["text"][:], recipe)
    shutil.rmtree(folder / "tokenizer.new", ignore_errors=True)
    tokenizer.save_pretrained(folder / "tokenizer.new")
    (folder / "tokenizer.new").replace(folder / "tokenizer")
    return tokenizer


def _batches(
    recipe: Recipe, train: Dataset, tokenizer: PreTrainedTokenizerBase, done: int
) -> Iterator[dict[str, torch.Tensor]]:
    """The batches of all steps after the first ``done``. Pairs are drawn anew in every epoch, masks in every step."""
    # As many pairs in every epoch, so whole epochs can be left out without building them.
    length = -(-_pairs(train) // recipe.batch_size)
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
                        collate = PretrainingBatches(tokenizer, recipe.masking, recipe.seed * 1_000_000 + position)
                        columns = encoded[rows]
                        examples = zip(*columns.values(), strict=True)
                        yield collate([dict(zip(columns, example, strict=True)) for example in examples])
            step = min(step + length, end)
            epoch += 1


def _pairs(split: Dataset) -> int:
    """How many pairs ``sentence_pairs`` makes."""
    return sum(a == b for a, b in itertools.pairwise(split["document"][:]))


def _card(
    recipe: Recipe, corpus: DatasetDict, model: BertForPreTraining, tokenizer: PreTrainedTokenizerBase, record: dict
) -> dict[str, Any]:
    pieces = torch.tensor([i for ids in tokenizer(corpus["test"]["text"][:1000])["input_ids"] for i in ids[1:-1]])
    device = runtime.device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} CPU cores"
    return {
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer),
        "corpus": {split: len(rows) for split, rows in corpus.items()} | {"versions": versions()},
        "epochs": round(recipe.steps * recipe.batch_size / _pairs(corpus["train"]), 2),
        "minutes": round(record["seconds"] / 60, 1),
        "cpu_minutes": round(record["cpu_seconds"] / 60, 1),
        "device": name,
        "precision": runtime.precision(),
        "date": date.today().isoformat(),
        "versions": {
            "Python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in runtime.REPORTED},
        },
        "commonest_piece_accuracy": round(pieces.bincount().max().item() / len(pieces), 4),
        "test": _rounded(evaluate(model, tokenizer, corpus["test"], sentences=recipe.sentences)),
        "test_single_sentences": _rounded(evaluate(model, tokenizer, corpus["test"])),
        # The package ships the card but not the evidence, and a chapter draws this.
        "validation": [_rounded(scores) for scores in record["validation"]],
    }


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(score, 4) for name, score in scores.items()}


def _thinned(curve: list[dict], width: int = 20) -> list[dict]:
    """The curve with one point every ``width`` steps: the mean of these steps."""
    points = []
    for start in range(0, len(curve), width):
        part = curve[start : start + width]
        means = {key: round(sum(point[key] for point in part) / len(part), 6) for key in part[0] if key != "step"}
        points.append({"step": part[-1]["step"], **means})
    return points


def _write(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    new.replace(file)


if __name__ == "__main__":
    sys.exit(main())
