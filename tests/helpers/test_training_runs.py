"""Runs that are accumulated, stopped early, resumed, scaled, or shared by processes equal the plain run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers import batching, checkpoints, training

QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture(autouse=True)
def _fp32(monkeypatch):
    monkeypatch.setenv("HELPERS_PRECISION", "fp32")


@pytest.fixture
def loader(tokenizer, colours):
    encoded = batching.encode(colours, tokenizer)

    def build(size=8, **options):
        return batching.batches(encoded, tokenizer, size, **options)

    return build


def losses(history):
    return [step["loss"] for step in history.steps]


def same(first, second):
    return all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(("size", "accumulate"), [(4, 2), (3, 3), (1, 9)])
def test_accumulated_batches_are_one_batch(tiny, loader, size, accumulate):
    whole = training.fit(tiny(**QUIET), loader(size * accumulate), epochs=2)
    parts = training.fit(tiny(**QUIET), loader(size), epochs=2, accumulate=accumulate)
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-4)
    assert [s["grad_norm"] for s in parts.steps] == pytest.approx([s["grad_norm"] for s in whole.steps], rel=1e-3)


def test_patience_stops_after_so_many_epochs_without_a_better_score(tiny, loader):
    scores = iter([0.0, 0.5, 0.9, 0.8, 0.9, 0.1, 0.1])  # the first is the trial before training
    options = {"validation": loader(), "metrics": lambda *_: {"score": next(scores)}, "patience": 2}
    history = training.fit(tiny(), loader(shuffle=True), epochs=6, **options)
    assert [epoch["score"] for epoch in history.epochs] == [0.5, 0.9, 0.8, 0.9]
    assert history.best_epoch == 2


def test_with_patience_the_weights_are_those_of_the_best_epoch(tiny, loader):
    def run(epochs, **options):
        torch.manual_seed(0)
        model = tiny(**QUIET)
        training.fit(model, loader(shuffle=True), epochs=epochs, schedule="constant", **options)
        return model

    found = iter([0.0, 0.5, 0.9, 0.8, 0.7])
    best = run(4, validation=loader(), metrics=lambda *_: {"error": -next(found)}, patience=2, watch="-error")
    assert same(best, run(2))


def test_watch_names_the_score_and_its_direction(tiny, loader):
    with pytest.raises(ValueError, match=r"patience needs watch=.*: good, bad"):
        training.fit(tiny(), loader(), validation=loader(), patience=1, metrics=lambda *_: {"good": 1.0, "bad": 0.0})


def test_a_run_goes_on_bit_for_bit(tiny, loader, tmp_path):
    def run(stop=None, folder=None):
        seen = []

        def loss(model, batch):
            seen.append(1)
            if len(seen) == stop:
                raise KeyboardInterrupt
            return model(**batch).loss

        torch.manual_seed(0)
        model = tiny()
        return model, training.fit(model, loader(shuffle=True), epochs=4, loss=loss, folder=folder)

    plain, whole = run()
    _, half = run(stop=13, folder=tmp_path)
    assert half.interrupted
    assert len(half.epochs) == 2
    torch.manual_seed(99)
    resumed, history = run(folder=tmp_path)
    assert same(resumed, plain)
    assert losses(history) == losses(whole)
    assert [path.name for path in tmp_path.iterdir()] == [checkpoints.FILE]
    again, history = run(folder=tmp_path)
    assert same(again, plain)
    assert len(history.epochs) == 4


def test_a_folder_of_another_run_is_refused(tiny, tokenizer, colours, loader, tmp_path):
    training.fit(tiny(), loader(shuffle=True), epochs=1, folder=tmp_path)
    others = batching.batches(batching.encode(colours.select(range(1, 33)), tokenizer), tokenizer, 8, shuffle=True)
    tiny_rows = batching.encode(colours.select(range(35, -1, -1)), tokenizer)
    plain = {"train": loader(shuffle=True), "epochs": 1}
    for changed in (
        {"epochs": 2},
        {"learning_rate": 1e-3},
        {"weight_decay": 0.5},
        {"schedule": "cosine"},
        {"warmup_ratio": 0.0},
        {"accumulate": 2},
        {"max_grad_norm": 2.0},
        {"train": others},
        {"train": batching.batches(tiny_rows, tokenizer, 8, shuffle=True)},
        {"train": loader(shuffle=True, seed=1)},
    ):
        options = plain | changed
        with pytest.raises(ValueError, match="belongs to another run"):
            training.fit(tiny(), options.pop("train"), folder=tmp_path, **options)


def test_float16_scales_the_loss_and_learns(tiny, loader, monkeypatch):
    monkeypatch.setenv("HELPERS_PRECISION", "fp16")
    history = training.fit(tiny(), loader(shuffle=True), epochs=12, learning_rate=1e-2, validation=loader())
    assert history.epochs[-1]["accuracy"] > 0.9


def test_clipping_changes_the_step(tiny, loader):
    free, clipped = tiny(**QUIET), tiny(**QUIET)
    for model, norm in ((free, 1e9), (clipped, 1e-12)):
        training.fit(model, loader(), epochs=1, max_grad_norm=norm, weight_decay=0.0)
    assert not same(free, clipped)
    gone = (clipped.classifier.weight - tiny(**QUIET).classifier.weight).norm()
    assert gone < 0.2 * (free.classifier.weight - tiny(**QUIET).classifier.weight).norm()


SCRIPT = """
import json, os, sys, torch
from datasets import Dataset
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification
from helpers import forgetting, training
from helpers.batching import IGNORED
from helpers.batching.language import masked_loss

CONFIG = dict(vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
              max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=3)

def batches(rows, masked=False):
    ids = torch.randint(5, 40, (rows, 6), generator=torch.Generator().manual_seed(rows))
    labels = ids.masked_fill(ids % 3 != 0, IGNORED) if masked else ids[:, 0] % 3
    mask = torch.ones_like(ids)
    return [{"input_ids": i, "attention_mask": m, "labels": l}
            for i, m, l in zip(ids.split(16), mask.split(16), labels.split(16))]

def model(kind=BertForSequenceClassification):
    torch.manual_seed(0)
    return kind(BertConfig(**CONFIG))

def losses(rows, kind=BertForSequenceClassification, own=None, **options):
    trained, loss = model(kind), None
    if own == "masked":
        loss = masked_loss
    elif own == "L2-SP":
        loss = forgetting.L2SP(trained, 1.0)
    elif own == "distillation":
        loss = forgetting.Distillation(trained, 1.0)
    elif own == "EWC":
        loss = forgetting.EWC(trained, batches(8), 10.0)
    history = training.fit(trained, batches(rows, own == "masked"), epochs=2, learning_rate=1e-2, loss=loss, **options)
    return [step["loss"] for step in history.steps]

found = {f"{rows} rows": losses(rows) for rows in json.loads(os.environ["ROWS"])}
found |= {name: losses(41, own=name) for name in ("L2-SP", "distillation", "EWC")}
found["masked"] = losses(45, BertForMaskedLM, "masked")
found["accumulated"] = losses(71, accumulate=2)
measured = []
def metrics(labels, logits):
    measured.append(len(labels))
    return {"rows": float(len(labels))}
found["validation"] = losses(33, validation=batches(36), metrics=metrics)
if int(os.environ.get("RANK", 0)) == 0:
    print("FOUND", json.dumps(found))
"""
ROWS = (33, 36, 41, 45, 49, 64, 71, 75)


def launched(processes: int, script: Path) -> dict[str, list[float]]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    settings = {
        "ROWS": json.dumps(ROWS),
        "ACCELERATE_USE_CPU": "true",
        "HELPERS_DEVICE": "cpu",
        "HELPERS_PRECISION": "fp32",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, *(launcher if processes > 1 else []), str(script)],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("FOUND"))
    return json.loads(line.removeprefix("FOUND"))


@pytest.mark.skipif(sys.platform == "win32", reason="gloo's rendezvous needs what Windows builds of PyTorch lack")
def test_two_and_three_processes_lose_what_one_loses_at_every_step(tmp_path):
    script = tmp_path / "shared.py"
    script.write_text(SCRIPT, encoding="utf-8")
    one = launched(1, script)
    assert max(one["75 rows"]) - min(one["75 rows"]) > 0.02  # the comparison can fail
    for processes in (2, 3):
        found = launched(processes, script)
        for name, expected in one.items():
            assert found[name] == pytest.approx(expected, abs=2e-4), (processes, name)
