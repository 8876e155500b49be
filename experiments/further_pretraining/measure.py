"""How is a row of further pretraining measured?"""

from __future__ import annotations

import json
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from experiments.further_pretraining.setting import Setting
from experiments.kit import drawing, folders
from experiments.kit.training import fit
from helpers import baselines, batching, data, evaluation, heads, models, runtime, uncertainty
from helpers.batching.language import IGNORED, MaskingCollator, masked_loss
from helpers.features import mean_states

LIBRARIES = ("matplotlib", "networkx", "numpy", "pandas", "scipy", "sklearn", "sympy", "torch")


def sentences(split: str, setting: Setting) -> Dataset:
    """The sentences of the eight libraries in a split of ``documentation``: ``text`` and ``label``."""
    rows = drawing.of_labels(data.load(setting.data)[split], LIBRARIES, LIBRARIES)
    return rows.select([row for row, text in enumerate(rows["text"][:]) if len(text.split()) >= setting.min_words])


def test_rows(setting: Setting) -> Dataset:
    """The test sentences, the same for every row."""
    return drawing.some(sentences("test", setting), setting.test_per_class, 0)


def further_pretrain(setting: Setting, folder: Path) -> dict[str, Any]:
    """Masked language modelling on the training sentences, without their labels; keeps the model in ``folder``.

    Returns masked loss (nats) and accuracy on the test sentences and Pearson's correlation of the encoder's cosines
    with the similarities of ``paraphrases``, each before and after, and the ``seconds`` of training. Before, the head
    on the masked places is new.
    """
    seed, size, length = setting.seed, setting.further_batch_size, setting.max_length
    runtime.start(seed)
    tokenizer = models.tokenizer(setting.encoder)
    masked = models.load(setting.encoder, head="masked-lm")
    exam = test_rows(setting).remove_columns("label")

    def scores(when: str) -> dict[str, float]:
        found = masked_scores(masked, exam, tokenizer, length)
        found["similarity"] = similarity(models.body(masked), tokenizer, length)
        return {f"{name}_{when}": round(score, 4) for name, score in found.items()}

    before = scores("before")
    texts = sentences("train", setting).remove_columns("label")
    order = np.random.default_rng(seed).permutation(len(texts))
    # As many passes as the steps need; the masks are new in each.
    rows = batching.encode(texts.select(np.resize(order, setting.steps * size)), tokenizer, length)
    collate = MaskingCollator(tokenizer, seed=seed)
    train = batching.batches(rows, tokenizer, size, shuffle=True, seed=seed, collate=collate)
    history = fit(masked, train, epochs=1, learning_rate=setting.further_learning_rate, loss=masked_loss)
    after = scores("after")
    with folders.whole(folder) as new:
        masked.save_pretrained(new)
        tokenizer.save_pretrained(new)
    return before | {"seconds": round(history.seconds, 1)} | after


def masked_scores(model: torch.nn.Module, texts: Dataset, tokenizer: Any, max_length: int) -> dict[str, float]:
    """Loss (nats) and accuracy at masked places; the same places in every call."""
    model.to(runtime.device()).eval()  # before inference mode begins: see evaluation.predict
    encoded = batching.encode(texts, tokenizer, max_length)
    losses, right = [], []
    for batch in batching.batches(encoded, tokenizer, 64, collate=MaskingCollator(tokenizer, seed=0)):
        batch = runtime.to_device(batch, runtime.device())
        labels = batch.pop("labels")
        with torch.inference_mode(), runtime.autocast():
            states = models.body(model)(**batch).last_hidden_state[labels != IGNORED]
            logits = model.cls(states).float()
        answers = labels[labels != IGNORED]
        losses.append(torch.nn.functional.cross_entropy(logits, answers, reduction="none"))
        right.append(logits.argmax(-1) == answers)
    return {
        "masked_loss": torch.cat(losses).mean().item(),
        "masked_accuracy": torch.cat(right).float().mean().item(),
    }


def vectors(body: torch.nn.Module, texts: list[str], tokenizer: Any, max_length: int) -> np.ndarray:
    """Mean-pooled last hidden states, shape (texts, width)."""
    return mean_states(body, tokenizer, texts, max_length).numpy()


def similarity(body: torch.nn.Module, tokenizer: Any, max_length: int) -> float:
    """Pearson's correlation of the cosines of sentence pairs with their graded similarity: text of another domain."""
    pairs = data.load("paraphrases:similarity")["test"]
    one, two = (vectors(body, pairs[column][:], tokenizer, max_length) for column in ("sentence1", "sentence2"))
    cosines = (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)
    return float(np.corrcoef(cosines, pairs["label"][:])[0, 1])


def classify(encoder: str, setting: Setting) -> dict[str, Any]:
    """Learn the task from some sentences of each class, in the way of the setting, and score the test sentences.

    Args:
        encoder: a name that ``models.load`` knows: the setting's own, or the folder of the further pretrained one.

    Returns ``accuracy``, its bootstrap interval over the test sentences (``low``, ``high``), ``right`` (a string with 1
    for every sentence that was right and 0 for the others, so that rows can be compared in pairs), the accuracy of
    TF-IDF on the same labels (``tfidf``), and the ``seconds`` of learning and answering.
    """
    seed = setting.seed
    runtime.start(seed)
    tokenizer = models.tokenizer(encoder)
    train, test = drawing.some(sentences("train", setting), setting.per_class, seed), test_rows(setting)
    truth = np.array(test["label"][:])
    began = time.perf_counter()
    if setting.way == "frozen":
        predicted = _frozen(encoder, train, test, tokenizer, setting.max_length)
    else:
        model = models.load(encoder, head=heads.PooledClassifier, pooling="mean", labels=LIBRARIES)
        encoded = batching.encode(train, tokenizer, setting.max_length)
        batches = batching.batches(encoded, tokenizer, setting.batch_size, shuffle=True, seed=seed)
        fit(model, batches, epochs=setting.epochs, learning_rate=setting.learning_rate)
        loader = batching.batches(batching.encode(test, tokenizer, setting.max_length), tokenizer, 64)
        predicted = evaluation.predict(model, loader).classes
    seconds = time.perf_counter() - began
    right = predicted == truth
    estimate, low, high = uncertainty.interval(right)
    return {
        "accuracy": round(estimate, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "right": "".join(map(str, right.astype(int))),
        "tfidf": round(float((baselines.tfidf(train, test) == truth).mean()), 4),
        "seconds": round(seconds, 1),
    }


def measure(setting: Setting, folder: Path) -> dict[str, Any]:
    """One row; ``folder`` keeps the further pretrained encoders."""
    identity = [setting.encoder, setting.seed, setting.steps, setting.further_learning_rate, setting.further_batch_size]
    adapted = folder / f"{zlib.crc32(json.dumps([*identity, setting.max_length, setting.min_words]).encode()):08x}"
    if not setting.per_class:
        return further_pretrain(setting, adapted)
    if setting.way == "further" and not adapted.exists():  # its row was measured before, and the folder deleted since
        further_pretrain(setting, adapted)
    return classify(str(adapted) if setting.way == "further" else setting.encoder, setting)


def _frozen(encoder: str, train: Dataset, test: Dataset, tokenizer: Any, max_length: int) -> np.ndarray:
    """Predictions of a logistic regression on the frozen encoder's features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    body = models.load(encoder)
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    head.fit(vectors(body, train["text"][:], tokenizer, max_length), train["label"][:])
    return head.predict(vectors(body, test["text"][:], tokenizer, max_length))
