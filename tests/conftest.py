"""What the unit tests share: a tiny random BERT, its tokenizer and a few labelled sentences.

Nothing here is pretrained, so a test that trains takes milliseconds and says something about the code alone.
"""

from __future__ import annotations

import os

import pytest

# The tests compare with tensors that they make on the CPU. The one that compares a GPU with it asks for both itself.
os.environ.setdefault("HELPERS_DEVICE", "cpu")

COLOURS, FRUITS, VERBS = ("red", "green", "blue"), ("apple", "pear", "plum"), ("runs", "sings", "sleeps")
WORDS = (*COLOURS, *FRUITS, *VERBS, "the", "a", "not", "very", "soon", "late")


@pytest.fixture(scope="session")
def tokenizer():
    from transformers import BertTokenizer

    vocabulary = {piece: i for i, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    return BertTokenizer(vocab=vocabulary, model_max_length=32)


@pytest.fixture
def tiny(tokenizer):
    """Build a two-layer BERT of width 16 under a head: ``tiny()``, ``tiny(BertForMaskedLM, num_labels=3)``."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    def build(cls=BertForSequenceClassification, seed=0, **config):
        torch.manual_seed(seed)
        settings = {
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 32,
        }
        return cls(BertConfig(**settings | config))

    return build


@pytest.fixture
def colours():
    """Sentences whose label is whether they contain 'red': learnable in a few steps."""
    from datasets import ClassLabel, Dataset, Features, Value

    rows = [
        {"text": f"{colour} {fruit} {verb}" + " very" * (i % 5), "label": int(colour == "red")}
        for i, (colour, fruit, verb) in enumerate(
            (c, f, v) for c in ("red", "green", "red", "blue") for f in FRUITS for v in VERBS
        )
    ]
    return Dataset.from_list(
        rows, features=Features({"text": Value("string"), "label": ClassLabel(names=["other", "red"])})
    )
