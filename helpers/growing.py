"""How does a trained classifier get one label more?

By one more row in the layer that computes the logits: the old rows stay bit for bit, and the new one begins as the mean
of the old, as zeros, at random, or as the direction of its examples.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from helpers import architecture
from helpers.data.splits import same_text
from helpers.errors import choose

INITS = ("imprint", "mean", "random", "zeros")


@torch.no_grad()
def add_label(model: PreTrainedModel, name: str, init: str = "mean", features: torch.Tensor | None = None) -> int:
    """Give a trained classifier one label more, in place, and return the new label's id: the last one.

    The old rows of the classifier stay as they are, bit for bit, so every old label keeps its logit. The configuration
    counts and names the new label. Weight and bias become new parameters: an optimizer that was built before holds the
    old ones and would never move the new row. Build it again; ``training.fit`` refuses one that is stale.

    Args:
        model: its ``classifier`` is one linear layer with a row a label, as in ``BertForSequenceClassification`` and
            in :class:`PooledClassifier` with ``classifier="linear"``.
        init: the new row. ``"mean"``, the mean of the K old rows (Hewitt 2021): the new label gets a probability of at
            most 1 / (K + 1) and is never the likeliest; ``"zeros"``, the logit is always 0; ``"random"``, drawn as for
            a fresh classifier, from PyTorch's generator; ``"imprint"``, the mean direction of the new label's examples,
            as long as the old rows are on average, with the mean of their biases (after Qi et al. 2018, whose
            classifier has rows of length 1 and no biases).
        features: for ``"imprint"``, what the classifier reads of the new label's examples, shape (examples, width);
            see ``features.cache_features``.

    Raises ``ValueError`` for another classifier or a regression, for a name that the model has, an unknown ``init``,
    and ``features`` that are missing, not asked for, or of another width.
    """
    layer = _label_layer(model)
    labels = model.config.id2label
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"A label needs a name, got {name!r}.")
    alike = next((old for old in labels.values() if same_text(old) == same_text(name) and old != name), None)
    if alike is not None:
        raise ValueError(f"The label {name!r} differs from {alike!r} by case or blanks only. Is it the same one?")
    if name in labels.values():
        raise ValueError(f"The model already has a label {name!r}, with the id {model.config.label2id[name]}.")
    if choose("init", init, INITS) == "mean" and model.config.problem_type == "multi_label_classification":
        raise ValueError(
            "init='mean' bounds the new label's probability among labels that exclude each other, and these do not. "
            "Take init='zeros' or init='imprint'."
        )
    row, bias = _new_row(layer, init, features, model.config.initializer_range)
    layer.weight = nn.Parameter(torch.cat([layer.weight, row[None]]), layer.weight.requires_grad)
    if layer.bias is not None:
        layer.bias = nn.Parameter(torch.cat([layer.bias, bias[None]]), layer.bias.requires_grad)
    layer.out_features += 1
    new = len(labels)
    model.config.id2label = {**labels, new: name}
    model.config.label2id = {**model.config.label2id, name: new}
    if hasattr(model, "num_labels"):  # the classes of transformers keep a copy, and shape their loss by it
        model.num_labels = new + 1
    return new


def _label_layer(model: PreTrainedModel) -> nn.Linear:
    if architecture.is_adapted(model):
        raise ValueError("This is a model of peft. Merge its adapters first: model = model.merge_and_unload().")
    layer, labels = getattr(model, "classifier", None), model.config.num_labels
    # RoBERTa's family puts a dense layer before the one with a row for each label.
    layer = getattr(layer, "out_proj", layer)
    if not isinstance(layer, nn.Linear):
        raise ValueError(
            f"{type(model).__name__} has no linear layer called `classifier`, but {type(layer).__name__}: a label can "
            "only be added where one layer computes the logits from what stands for the text."
        )
    if labels < 2 or layer.out_features != labels or model.config.problem_type == "regression":
        raise ValueError(
            f"The classifier has {layer.out_features} outputs and the configuration {labels} labels, problem type "
            f"{model.config.problem_type}: a label can only be added to a classifier with one output a label."
        )
    return layer


def _new_row(
    layer: nn.Linear, init: str, features: torch.Tensor | None, spread: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (width,) and bias () of a label that joins ``layer``."""
    if (features is not None) != (init == "imprint"):
        raise ValueError(f"features=… belongs to init='imprint' and only there; got init={init!r}.")
    weight = layer.weight
    bias = weight.new_zeros(()) if layer.bias is None or init in ("zeros", "random") else layer.bias.mean()
    if init == "mean":
        return weight.mean(dim=0), bias
    if init == "zeros":
        return torch.zeros_like(weight[0]), bias
    if init == "random":
        return torch.empty_like(weight[0]).normal_(std=spread), bias
    assert features is not None  # with init="imprint", as was checked above
    if features.ndim != 2 or features.shape[1] != layer.in_features or len(features) == 0:
        raise ValueError(f"features must have shape (examples, {layer.in_features}), got {tuple(features.shape)}.")
    if not features.is_floating_point():
        raise ValueError(f"features must be floats, as cache_features gives them; got {features.dtype}.")
    if not features.isfinite().all():
        bad = int((~features.isfinite()).any(dim=1).sum())
        raise ValueError(f"features must be finite; {bad} of {len(features)} examples hold NaN or infinity.")
    direction = F.normalize(F.normalize(features.to(weight)).mean(dim=0), dim=0)
    return direction * weight.norm(dim=1).mean(), bias
