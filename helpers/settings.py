"""Do the settings, the labels and the checkpoint of a model fit together?

``models.load`` asks here. A label that stands in another order than the weights were trained in, a number of layers
that the file does not have, a dropout of 15: each would give a model that runs and is wrong. Each is refused in one
line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from helpers import architecture
from helpers.data.splits import same_text
from helpers.errors import choose, number

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

# The heads of ``models.HEADS`` whose outputs have names.
NAMED = ("classification", "multi-label", "token-classification")
# With the problem type set, transformers need not guess it from the first batch (and then keep the guess).
PROBLEM_TYPES = {
    "classification": "single_label_classification",
    "multi-label": "multi_label_classification",
    "regression": "regression",
}
# What a checkpoint was trained as, and the heads whose classifier that is. All of them call it ``classifier``.
TRAINED_AS = {
    "SequenceClassification": ("classification", "multi-label", "regression"),
    "PooledClassifier": ("classification", "multi-label", "regression"),
    "TokenClassification": ("token-classification",),
    "MultipleChoice": ("multiple-choice",),
}
UNNAMED = re.compile(r"LABEL_\d+")
# What task heads are called in checkpoints. That a head of pretraining is left out under one needs no word.
TASK_HEADS = {"classifier", "qa_outputs", "score"}


def check(config: PretrainedConfig, given: dict[str, Any], more: Iterable[str]) -> None:
    """Raise ``ValueError`` for a key that the configuration does not have, or a value that it can not take."""
    known = {*config.to_dict(), *more}
    for key, value in given.items():
        choose("configuration key", key, known)
        present = getattr(config, key, None)
        if "dropout" in key or key.endswith("_prob"):
            if value is not None:
                number(key, value, low=0, high=1)
        elif key.startswith("num_") or key in ("hidden_size", "intermediate_size", "vocab_size"):
            number(key, value, low=1, whole=True)
        elif isinstance(present, bool) and not isinstance(value, bool):
            raise ValueError(f"{key} must be True or False; got {value!r}.")
        elif isinstance(present, float):
            number(key, value)


def label_settings(
    name: str, config: PretrainedConfig, head: str | type, labels: Any, given: dict[str, Any]
) -> dict[str, Any]:
    """``id2label`` and ``label2id`` for these labels, or for those saved with the model; nothing where there are none.

    Raises ``ValueError`` for labels that are no list of different names, that the head has no use for, or that
    contradict the ones the checkpoint's classifier was trained with.
    """
    _check_kind(name, config, head)
    saved = _saved(config)
    if not labels:
        if isinstance(head, str) and head in NAMED and not saved:
            raise ValueError(f"The head {head!r} needs labels=[...]: the label names in the order of their ids.")
        return {}
    if not isinstance(labels, (list, tuple)) or not all(isinstance(label, str) and label.strip() for label in labels):
        raise ValueError(
            f"labels must be a list of names in the order of their ids, as in ['negative', 'positive']; got {labels!r}."
        )
    if len(set(labels)) != len(labels):
        raise ValueError(f"labels must differ from each other, got {list(labels)}")
    forms: dict[str, str] = {}
    for label in labels:
        if (alike := forms.setdefault(same_text(label), label)) != label:
            raise ValueError(
                f"The labels {alike!r} and {label!r} differ by case or blanks only. Are they the same one?"
            )
    if isinstance(head, str) and head not in NAMED:
        raise ValueError(f"The head {head!r} has no labels; they belong to {', '.join(NAMED)}.")
    if given.get("num_labels", len(labels)) != len(labels):
        raise ValueError(f"There are {len(labels)} labels, and num_labels={given['num_labels']}. Leave num_labels out.")
    if len(labels) == 1 and head in ("classification", "token-classification"):
        raise ValueError(f"One label {labels[0]!r} is no choice. Give two or more; for a number: head='regression'.")
    if saved and list(labels) != saved:
        _contradict(name, list(labels), saved)
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}


def _check_kind(name: str, config: PretrainedConfig, head: str | type) -> None:
    """Raise ``ValueError`` where the checkpoint's classifier was trained for another task than the head's."""
    trained = next((kind for kind in TRAINED_AS if any(kind in made for made in config.architectures or ())), None)
    heads = {each for kinds in TRAINED_AS.values() for each in kinds}
    if trained is not None and head in heads and head not in TRAINED_AS[trained]:
        raise ValueError(
            f"{name} holds the trained classifier of another task ({trained}), which the head {head!r} would take "
            f"over. "
            "Start from its encoder: models.body(models.load(…)).save_pretrained(folder)."
        )


def _saved(config: PretrainedConfig) -> list[str]:
    """The label names that the checkpoint's own classifier was trained with; none where they were never named."""
    classifiers = ("SequenceClassification", "TokenClassification", "PooledClassifier")
    if not any(word in kind for kind in config.architectures or () for word in classifiers):
        return []
    names = [config.id2label[i] for i in sorted(config.id2label)]
    return [] if all(UNNAMED.fullmatch(label) for label in names) else names


def _contradict(name: str, labels: list[str], saved: list[str]) -> None:
    way_out = (
        "Leave labels out to keep them; heads.add_label adds one; for another task start from the encoder: "
        "models.body(model).save_pretrained(folder)."
    )
    shown = ", ".join(saved[:8]) + (", …" if len(saved) > 8 else "")
    if len(labels) != len(saved):
        raise ValueError(f"{name} has {len(saved)} labels ({shown}), you gave {len(labels)}. {way_out}")
    what = "in another order" if set(labels) == set(saved) else f"others ({', '.join(labels[:8])})"
    raise ValueError(f"{name} was trained with the labels {shown}, you gave {what}: its weights mean them. {way_out}")


def check_report(name: str, model: PreTrainedModel, report: dict[str, Any]) -> None:
    """Raise ``ValueError`` where a part of the body is not from the checkpoint; print what else is worth a line."""
    body = architecture.body_parts(model)
    absent = sorted(key for key in report["missing_keys"] if key in body)
    if any(body[key] != "pooler" for key in absent):
        raise ValueError(
            f"{len(absent)} of the encoder's {len(body)} tensors are not in {name}, and would be random; the first is "
            f"{absent[0]}. Were more layers asked for than it has, were the weights saved under other names (module., "
            "_orig_mod.), or is it another architecture?"
        )
    mismatched = sorted(report["mismatched_keys"])
    if mismatched:
        key, there, here = mismatched[0][:3]
        raise ValueError(
            f"{len(mismatched)} tensors of {name} have another shape, first {key}: {tuple(there)} there, {tuple(here)} "
            "here. Are the settings (number of labels, width, vocabulary) those it was saved with?"
        )
    if absent:
        print(f"The pooler is not in {name}: it was drawn anew, like the head.")
    left = sorted({key.split(".")[0] for key in report["unexpected_keys"]} & TASK_HEADS)
    if left:
        print(f"A trained head in {name} has no place in {type(model).__name__} and was left out: {', '.join(left)}.")
