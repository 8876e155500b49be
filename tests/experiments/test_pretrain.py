"""The recipe of the pocket BERT, on a tiny scale, and the model that it made."""

from __future__ import annotations

import dataclasses
import json
import os
import signal

import pytest
import torch
from datasets import Dataset, DatasetDict

from experiments.pretrain import __main__ as command
from experiments.pretrain import card as cards
from experiments.pretrain import loop
from experiments.pretrain.recipe import Recipe
from helpers import batching, data, models, runtime
from helpers.batching import language
from tests.conftest import WORDS

RECIPE = Recipe(
    steps=7,
    layers=1,
    hidden=16,
    heads=2,
    vocabulary=60,
    positions=32,
    batch_size=4,
    dropout=0.1,
    learning_rate=1e-2,
    short_steps=5,
)


@pytest.fixture
def corpus():
    """Three splits of documents with random sentences; an epoch has fewer steps than the recipe."""

    def split(documents, seed):
        generator = torch.Generator().manual_seed(seed)
        words = torch.randint(len(WORDS), (documents, 4, 6), generator=generator)
        rows = [
            (f"{seed} {d}", " ".join(WORDS[w] for w in sentence)) for d in range(documents) for sentence in words[d]
        ]
        return Dataset.from_dict({"text": [text for _, text in rows], "document": [name for name, _ in rows]})

    return DatasetDict(train=split(6, 0), validation=split(4, 1), test=split(4, 2))


@pytest.fixture
def run(corpus, tmp_path):
    def run(recipe=RECIPE, folder="run", **options):
        return loop.pretrain(recipe, corpus, tmp_path / folder, checkpoint_every=2, evaluate_every=3, **options)

    return run


def same(one, two):
    model, _, record = one
    other, _, other_record = two
    weights = other.state_dict()
    return (
        all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
        and record["curve"] == other_record["curve"]
        and [scores["masked_loss"] for scores in record["validation"]]
        == [scores["masked_loss"] for scores in other_record["validation"]]
    )


def test_interrupted_and_resumed_equals_uninterrupted(run):
    whole = run(folder="whole")
    assert run(folder="parts", stop_after=3) is None
    assert run(folder="parts", stop_after=4) is None
    assert same(run(folder="parts"), whole)
    assert [point["step"] for point in whole[2]["curve"]] == [1, 2, 3, 4, 5, 6, 7]
    assert not same(run(folder="other seed", recipe=Recipe(**vars(RECIPE) | {"seed": 1})), whole)


def test_killed_and_resumed_equals_uninterrupted(run, monkeypatch):
    whole = run(folder="whole")
    predict, calls = loop.predict, []

    def dies(model, batch):
        calls.append(1)
        if len(calls) > 7:  # evaluations included
            raise MemoryError
        return predict(model, batch)

    monkeypatch.setattr(loop, "predict", dies)
    with pytest.raises(MemoryError):
        run(folder="killed")
    monkeypatch.setattr(loop, "predict", predict)
    assert same(run(folder="killed"), whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_step_in_hand(run, monkeypatch, capsys, number):
    predict = loop.predict

    def interrupted(model, batch):
        os.kill(os.getpid(), number)
        return predict(model, batch)

    before = signal.getsignal(number)
    monkeypatch.setattr(loop, "predict", interrupted)
    assert run() is None
    assert "after step 1 of 7" in capsys.readouterr().out
    assert signal.getsignal(number) == before


def test_a_checkpoint_of_another_run_is_refused(run, corpus):
    run(stop_after=1)
    with pytest.raises(ValueError, match="belongs to another run"):
        run(recipe=Recipe(**vars(RECIPE) | {"steps": 9}))
    corpus["train"] = corpus["train"].select(range(12))
    with pytest.raises(ValueError, match="belongs to another run"):
        run()


def test_the_last_checkpoint_gives_the_finished_model_again(run):
    assert same(run(), run())


def test_prediction_at_masked_places_equals_the_model_s_own(run, corpus):
    model, tokenizer, _ = run()
    encoded = batching.encode(language.sentence_pairs(corpus["test"]), tokenizer, 32)
    batch = next(iter(batching.batches(encoded, tokenizer, 8, collate=language.PretrainingCollator(tokenizer))))
    with torch.inference_mode():
        words, relation = loop.predict(model.eval(), batch)
        with runtime.autocast():
            output = model(**batch)
    places = batch["labels"] != language.IGNORED
    torch.testing.assert_close(words, output.prediction_logits[places].float(), rtol=0.02, atol=0.02)
    torch.testing.assert_close(relation, output.seq_relationship_logits.float(), rtol=0.02, atol=0.02)


def test_command_line_writes_model_card_and_curve(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "load", lambda name: corpus)
    paths = {name: tmp_path / name for name in ("folder", "output", "evidence")}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in vars(RECIPE).items()]
    options += [f"--{name}={path}" for name, path in paths.items()]
    assert command.main(options) == 0
    card = json.loads((paths["output"] / "card.json").read_text())
    assert card["recipe"] == dataclasses.asdict(RECIPE)
    assert card["validation"][-1]["step"] == RECIPE.steps
    evidence = json.loads(paths["evidence"].read_text(encoding="utf-8"))
    assert evidence["curve"][-1]["step"] == RECIPE.steps and evidence["code"]["experiment"] == Recipe.CODE
    assert (paths["output"] / "README.md").read_text() == cards.describe(card)
    loaded = models.load(str(paths["output"]), head="pretraining")
    tokenizer = models.tokenizer(str(paths["output"]))
    assert loaded.dtype == torch.float32
    assert tokenizer.model_max_length == 32
    scores = loop.evaluate(loaded, tokenizer, corpus["test"], sentences=3)
    assert scores["masked_accuracy"] == pytest.approx(card["test"]["masked_accuracy"], abs=0.1)


def test_the_pocket_bert_is_as_good_as_its_card_says():
    card = json.loads((models.POCKET_FOLDER / "card.json").read_text(encoding="utf-8"))
    assert (models.POCKET_FOLDER / "README.md").read_text(encoding="utf-8") == cards.describe(card)
    assert card["test"]["masked_accuracy"] >= 0.50
    assert card["test"]["next_sentence_accuracy"] >= 0.9
    assert card["validation"][-1]["step"] == card["recipe"]["steps"]  # a chapter draws this curve
    model, tokenizer = models.load("pocket", head="pretraining"), models.tokenizer("pocket")
    assert sum(parameter.numel() for parameter in model.parameters()) == card["parameters"] <= 6e6
    assert (models.POCKET_FOLDER / "model.safetensors").stat().st_size <= 12e6
    # A sample, and sentences of whatever versions are installed here: hence the margins.
    scores = loop.evaluate(model, tokenizer, data.load("documentation")["test"], pairs=300, sentences=3)
    assert scores["masked_accuracy"] >= card["test"]["masked_accuracy"] - 0.05
    assert scores["next_sentence_accuracy"] >= card["test"]["next_sentence_accuracy"] - 0.06
