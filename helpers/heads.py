"""How do tensors become predictions?

transformers builds its BERT classifier in one way: the pooled first token, dropout, one linear layer. Here both halves
are a choice: what stands for the text, ``pooling``, and what computes the answer from it, ``classifier``. Both are
settings of the model's configuration, so they are saved with the weights, and the model comes back as it was.
``add_label`` lets a trained classifier answer with one label more.
"""

from __future__ import annotations

import inspect
from functools import cache, cached_property
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import (
    MODEL_MAPPING,
    AlbertConfig,
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertPreTrainedModel,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PretrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    XLMRobertaConfig,
)
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import can_return_tuple

from helpers import renamed
from helpers.batching import IGNORED
from helpers.errors import choose
from helpers.growing import INITS as INITS
from helpers.growing import add_label as add_label
from helpers.settings import PROBLEM_TYPES

POOLINGS = ("cls", "mean", "pooler")
CLASSIFIERS = ("batchnorm", "dense", "linear")


class _Pooled(PreTrainedModel):
    """What every ``PooledClassifier`` does, whatever its encoder's family."""

    settings = ("classifier", "pooling")  # for models.load
    # The loss is the mean over the batch it is given, so Trainer must divide by the accumulated steps itself.
    accepts_loss_kwargs = False

    def __init__(self, config: PretrainedConfig) -> None:
        config = self.settings_over(config)
        super().__init__(config)
        encoder = encoder_class(config)
        pools = "add_pooling_layer" in inspect.signature(encoder.__init__).parameters
        default = "pooler" if pools else "cls"
        config.pooling = choose("pooling", getattr(config, "pooling", default), POOLINGS)
        if config.pooling == "pooler" and not pools:
            raise ValueError(f"{encoder.__name__} has no pooler. Take pooling='mean' or pooling='cls'.")
        config.classifier = getattr(config, "classifier", "linear")
        body = encoder(config, add_pooling_layer=config.pooling == "pooler") if pools else encoder(config)
        setattr(self, self.base_model_prefix, body)
        rate = _dropout_rate(config)
        self.dropout = nn.Dropout(rate)
        self.classifier = classifier_layers(config.classifier, config.hidden_size, config.num_labels, rate)
        self.post_init()

    @classmethod
    def over(cls, config: PretrainedConfig) -> type[PreTrainedModel]:
        """The class for encoders of the configuration's family; it has the family's own parameter names.

        ``model.bert`` is the encoder whatever its family, so that code that was written for BERT goes on working.
        """
        encoder = encoder_class(config)
        family = next(base for base in encoder.__mro__[1:] if issubclass(base, PreTrainedModel))
        if issubclass(cls, family):
            return cls
        settings_class = type(cls.settings_over(config))
        members: dict[str, Any] = {"config_class": settings_class, "__module__": __name__}
        members |= {"__doc__": PooledClassifier.__doc__, "bert": property(lambda self: self.base_model)}
        return _CLASSES.setdefault(family, type("PooledClassifier", (_Pooled, family), members))

    @staticmethod
    def settings_over(config: PretrainedConfig) -> PretrainedConfig:
        """The configuration under a model type of its own, so that what is saved comes back as what it was."""
        if config.model_type.startswith("pooled-"):
            return config
        kind: Any = type(config)
        return _converted(config, _pooled_config(kind))

    @staticmethod
    def plain_settings(config: PretrainedConfig) -> PretrainedConfig:
        """The configuration of the encoder's family, for another head."""
        if not config.model_type.startswith("pooled-"):
            return config
        return _converted(config, type(config).__mro__[1])

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> SequenceClassifierOutput:
        """Logits (batch, outputs), and the :func:`loss` where there are ``labels``. An unknown keyword is an error."""
        # Some families read no segments.
        segments = {} if token_type_ids is None or not self._reads_segments else {"token_type_ids": token_type_ids}
        outputs = self.base_model(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            **segments,
        )
        if self.config.pooling == "pooler":
            pooled = outputs.pooler_output
        else:
            pooled = pool(outputs.last_hidden_state, attention_mask, self.config.pooling)
        logits = self.classifier(self.dropout(pooled))
        return SequenceClassifierOutput(
            loss=None if labels is None else loss(logits, labels, self.config.problem_type),
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    @cached_property
    def _reads_segments(self) -> bool:
        return "token_type_ids" in inspect.signature(self.base_model.forward).parameters


class PooledClassifier(_Pooled, BertPreTrainedModel):
    """An encoder, one vector for the whole text, and a head on it.

    Settings, beside those of the encoder's configuration:

    - ``pooling``, what stands for the text: ``"cls"``, the last hidden state of the first token; ``"pooler"`` (the
      default where there is one), that state through the encoder's pretrained dense layer and tanh; ``"mean"``, the
      mean of the last hidden states without padding. Without ``"pooler"`` the model has no such layer.
    - ``classifier``, what computes the logits: ``"linear"`` (the default), one layer, as in BERT; ``"dense"``, a dense
      layer with tanh before it, as in RoBERTa; ``"batchnorm"``, two dense layers with BatchNorm and ReLU before it.

    Dropout as in BERT: ``classifier_dropout``, or ``hidden_dropout_prob`` where that is not set. With both defaults the
    model is ``BertForSequenceClassification``: same names, same numbers. ``models.load`` puts it over any encoder with
    a hidden state for each token; :meth:`over` gives the class for another family. Saved, it has a model type of its
    own, and comes back as it was: through ``models.load(folder, head="classification")`` and through
    ``AutoModelForSequenceClassification``, once this module is imported. Raises ``ValueError`` for an unknown setting.

    >>> from helpers import models
    >>> models.load("minilm", head=PooledClassifier, labels=["no", "yes"], pooling="mean").config.pooling
    'mean'
    """


def encoder_class(config: PretrainedConfig) -> Any:
    """The class of the encoder without a head; ``ValueError`` for a family that has none with hidden states."""
    kind = type(config).__mro__[1] if config.model_type.startswith("pooled-") else type(config)
    try:
        return MODEL_MAPPING[kind]
    except KeyError:
        raise ValueError(f"No encoder is known for the configuration {kind.__name__}.") from None


@cache
def _pooled_config(kind: Any) -> Any:
    """A configuration class with a model type of its own, registered with the Auto classes."""
    members = {"model_type": f"pooled-{kind.model_type}", "__module__": __name__}
    pooled: Any = type(f"Pooled{kind.__name__}", (kind,), members)
    AutoConfig.register(pooled.model_type, pooled)
    return pooled


def _converted(config: PretrainedConfig, kind: Any) -> PretrainedConfig:
    """The same settings as a configuration of another kind."""
    converted = kind.from_dict(config.to_dict() | {"model_type": kind.model_type})
    converted._attn_implementation = config._attn_implementation  # to_dict leaves it out
    return converted


def _dropout_rate(config: PretrainedConfig) -> float:
    """The rate of the head: ``classifier_dropout``, else the encoder's, whatever its family calls it."""
    names = ("classifier_dropout", "hidden_dropout_prob", "seq_classif_dropout", "dropout")
    return next(rate for name in names if (rate := getattr(config, name, None)) is not None)


_CLASSES: dict[type, type[PreTrainedModel]] = {}
# The families whose saved models the Auto classes know as soon as this module is imported.
for _kind in (
    BertConfig,
    AlbertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
):
    _settings = _pooled_config(_kind)
    if _kind is BertConfig:
        PooledClassifier.config_class = _settings
    AutoModelForSequenceClassification.register(_settings, PooledClassifier.over(_settings()))


@renamed.arguments
def pool(hidden_state: torch.Tensor, attention_mask: torch.Tensor | None, pooling: str) -> torch.Tensor:
    """One vector (batch, width) for each text, from its tokens' vectors (batch, length, width).

    Args:
        attention_mask: 1 for a token, 0 for padding, shape (batch, length); without it every position is a token.
        pooling: ``"cls"``, the first token; ``"mean"``, the mean over the tokens, padding left out (0 without any).

    Raises ``ValueError`` for another ``pooling``.
    """
    if choose("pooling", pooling, ("cls", "mean")) == "cls":
        return hidden_state[:, 0]
    if attention_mask is None:
        return hidden_state.mean(dim=1)
    if attention_mask.shape != hidden_state.shape[:2]:
        raise ValueError(
            f"The mask must have shape {tuple(hidden_state.shape[:2])}, texts and tokens; got "
            f"{tuple(attention_mask.shape)}."
        )
    # In float32: bfloat16 counts to 256 and no further.
    weights = attention_mask.unsqueeze(-1).float()
    # Padding may hold anything, NaN too, and NaN times 0 is NaN.
    summed = hidden_state.float().masked_fill(weights == 0, 0).sum(dim=1)
    return (summed / weights.sum(dim=1).clamp(min=1)).to(hidden_state.dtype)


def loss(logits: torch.Tensor, labels: torch.Tensor, problem_type: str | None = None) -> torch.Tensor:
    """The mean loss of a batch, as ``BertForSequenceClassification`` computes it. Logits first, as in PyTorch's losses.

    Args:
        logits: shape (batch, outputs).
        labels: class ids (batch,); numbers (batch,) or (batch, outputs) for regression; 0 and 1 for every class,
            (batch, outputs), for several labels a text, as floats or integers.
        problem_type: as in the configuration; stands for squared error, cross entropy, or binary cross entropy a class.
            ``None`` lets the batch decide: one output is a regression, integers are class ids, floats several labels.
            Unlike in transformers, the next batch decides again.

    Raises ``ValueError`` for an unknown problem type and for labels whose shape does not fit it.
    """
    if problem_type is None:
        several = "multi_label_classification" if labels.is_floating_point() else "single_label_classification"
        problem_type = "regression" if logits.shape[-1] == 1 else several
    choose("problem type", problem_type, PROBLEM_TYPES.values())
    wanted = logits.shape[:1] if problem_type == "single_label_classification" else logits.shape
    if labels.numel() != wanted.numel():
        raise ValueError(
            f"{problem_type} with logits of shape {tuple(logits.shape)} needs labels of shape {tuple(wanted)}, "
            f"got {tuple(labels.shape)}."
        )
    if labels.device.type == "cpu":  # on a GPU a look at the values would make it wait; `inspection` looks before
        _check_values(labels, logits.shape[-1], problem_type)
    if problem_type == "single_label_classification":
        return F.cross_entropy(logits, labels.reshape(-1))
    measure = F.mse_loss if problem_type == "regression" else F.binary_cross_entropy_with_logits
    return measure(logits, labels.reshape(logits.shape).float())


def _check_values(labels: torch.Tensor, outputs: int, problem_type: str) -> None:
    """Raise ``ValueError`` for labels that the loss would fail on with other words, or not at all."""
    if problem_type == "single_label_classification":
        if labels.is_floating_point():
            raise ValueError(f"Class ids are integers, got {labels.dtype}: labels.long().")
        wrong = (labels != IGNORED) & ((labels < 0) | (labels >= outputs))
        allowed = f"0 … {outputs - 1}, or {IGNORED} for none"
    elif problem_type == "regression":
        wrong, allowed = ~labels.isfinite(), "finite numbers"
    else:
        wrong, allowed = ~((labels >= 0) & (labels <= 1)), "from 0 to 1"
    if wrong.any():
        raise ValueError(f"Label {labels[wrong][0].item():g} does not fit {outputs} outputs; allowed: {allowed}.")


@renamed.arguments
def classifier_layers(classifier: str, width: int, outputs: int, dropout: float = 0.1) -> nn.Module:
    """The layers from a pooled vector, which has been through dropout, to logits; see :class:`PooledClassifier`."""
    choose("classifier", classifier, CLASSIFIERS)
    projection = nn.Linear(width, outputs)
    if classifier == "linear":
        return projection
    if classifier == "dense":
        return nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Dropout(dropout), projection)
    blocks = [nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU()) for _ in range(2)]
    return nn.Sequential(*blocks, nn.Dropout(dropout), projection)


renamed.keep(__name__)
