"""The small world of all experiments: a tiny random BERT in a folder, and data sets whose words tell their labels."""

from __future__ import annotations

import copy

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from helpers import data
from tests.conftest import COLOURS, FRUITS, VERBS

LABELS = [f"{colour} {fruit}" for colour in COLOURS for fruit in FRUITS]


def labelled(names: list[str], texts: list[tuple[str, int]]) -> Dataset:
    kinds = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    return Dataset.from_dict(
        {"text": [text for text, _ in texts], "label": [label for _, label in texts]}, features=kinds
    )


def same(split: Dataset) -> DatasetDict:
    return DatasetDict(train=split, validation=split, test=split)


@pytest.fixture(scope="session")
def sets() -> dict[str, DatasetDict]:
    """Nine intents and one that is out of scope; eight libraries and a ninth; a few graded pairs."""
    from experiments.further_pretraining.measure import LIBRARIES

    names, libraries = [*LABELS, "oos"], [*LIBRARIES, "stdlib"]
    intents = [(f"{name} {verb}", i) for i, name in enumerate(names) for verb in (*VERBS, "soon", "late")]
    words = [f"the {COLOURS[i % 3]} {FRUITS[i // 3]} very very" for i in range(9)]
    sentences = [(f"{words[i]} {VERBS[j % 3]}", i) for i in range(9) for j in range(6)]
    pairs = {"sentence1": ["red apple", "a plum", "not"], "sentence2": ["red pear", "late", "soon"]}
    return {
        "intents": same(labelled(names, intents)),
        "documentation": same(labelled(libraries, [*sentences, ("too short", 0)])),
        "paraphrases:similarity": same(Dataset.from_dict({**pairs, "label": [4.0, 1.0, 2.0]})),
    }


@pytest.fixture(scope="session")
def encoder(tokenizer, tmp_path_factory) -> str:
    """The folder of a tiny BERT with its tokenizer; a name that ``models.load`` takes."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("world") / "encoder"
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    longer = copy.deepcopy(tokenizer)
    longer.model_max_length = 128  # experiments ask for up to so much
    longer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def world(sets, encoder, monkeypatch) -> str:
    """``data.load`` brings the small sets; gives the encoder's name."""
    monkeypatch.setattr(data, "load", sets.__getitem__)
    monkeypatch.setenv("HELPERS_PRECISION", "fp32")
    return encoder
