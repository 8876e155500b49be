"""Where is what inside a model?

Every family of encoders gives its parts other names: BERT's queries are ``query``, MPNet's ``q``, and ModernBERT has
queries, keys and values in one matrix. This is the one room that knows such names. The others ask it: for the body
under a head, for the part a parameter belongs to, for the layers, the attention's matrices, the head of the masked
words. What cannot be found is refused in one line; nothing is guessed from the prefix ``bert.``.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedModel

# What a linear layer for queries and one for values is called, family by family; ModernBERT's is one for all three.
ATTENTION_NAMES = (("query", "value"), ("query_proj", "value_proj"), ("q_lin", "v_lin"), ("q", "v"), ("Wqkv",))
# Their positions are counted from behind the padding's id, so the table has that many rows to spare.
POSITIONS_BEHIND_PADDING = (
    "camembert",
    "data2vec-text",
    "longformer",
    "mpnet",
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
)
# A piece of a parameter's name -> the part it belongs to, for what is neither in a layer nor in a head.
PARTS = {
    "embeddings": "embeddings",
    "embeddings_project": "embeddings",
    "embedding_hidden_mapping_in": "embeddings",
    "rel_embeddings": "relative positions",
    "relative_attention_bias": "relative positions",
    "albert_layer_groups": "shared layers",
    "final_norm": "final norm",
    "pooler": "pooler",
}


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside ``torch.compile``, ``DataParallel`` or ``DistributedDataParallel``; another model as it is."""
    import torch

    while True:
        if hasattr(model, "_orig_mod"):
            model = model._orig_mod
        elif isinstance(model, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
            model = model.module
        else:
            return model


def is_adapted(model: nn.Module) -> bool:
    """Is it a model of ``peft``, such as ``freezing.lora`` gives?"""
    return hasattr(unwrapped(model), "peft_config") and hasattr(unwrapped(model), "get_base_model")


def body(model: nn.Module) -> PreTrainedModel:
    """The pretrained encoder inside a model with a head; the model itself where there is no head.

    Looks inside wrappers, adapters of ``peft``, and modules of your own that hold one pretrained model. Raises
    ``ValueError`` for a module that holds none, or several.
    """
    from transformers import PreTrainedModel

    model = unwrapped(model)
    if is_adapted(model):
        model = model.get_base_model()
    if isinstance(model, PreTrainedModel):
        inside = getattr(model, model.base_model_prefix, None) if model.base_model_prefix else None
        if inside is not None and inside is not model:
            return inside
    held = [child for child in model.children() if isinstance(child, PreTrainedModel)]
    if len(held) == 1:
        return body(held[0])
    if isinstance(model, PreTrainedModel):
        return model
    raise ValueError(
        f"{type(model).__name__} holds {len(held)} pretrained models, so it is not clear which one is the encoder. "
        "Name its parameters instead, e.g. freezing.freeze(model, 'encoder')."
    )


def part_of(parameter_name: str) -> str:
    """The part of the model a parameter belongs to.

    >>> part_of("bert.encoder.layer.3.attention.self.query.weight")
    'layer 3'
    >>> part_of("bert.embeddings.LayerNorm.bias"), part_of("bert.pooler.dense.weight"), part_of("classifier.bias")
    ('embeddings', 'pooler', 'classifier')
    """
    pieces = parameter_name.split(".")
    for before, piece in pairwise(pieces):
        if before in ("layer", "layers") and piece.isdigit():
            return f"layer {piece}"
    found = next((PARTS[piece] for piece in pieces if piece in PARTS), None)
    if found is None and "encoder" in pieces and "LayerNorm" in pieces:
        return "relative positions"  # DeBERTa normalises them before all layers use them
    return found or pieces[0]


def body_parts(model: nn.Module) -> dict[str, str]:
    """The part of every parameter that is the body's, by its name in ``model``."""
    inside = {id(parameter): name for name, parameter in body(model).named_parameters()}
    return {
        name: part_of(f"body.{inside[id(parameter)]}")
        for name, parameter in model.named_parameters()
        if id(parameter) in inside
    }


def depth(model: nn.Module) -> int:
    """How many layers the encoder has."""
    return body(model).config.num_hidden_layers


def require_own_layers(model: nn.Module) -> None:
    """Raise ``ValueError`` where all layers are one layer used again and again, as in ALBERT."""
    if "shared layers" in body_parts(model).values():
        raise ValueError(
            f"{type(body(model)).__name__} uses one layer's weights for all its layers, so they cannot be told apart. "
            "Freeze the whole body (freezing.freeze_body) or train everything."
        )


def attention_names(model: nn.Module) -> tuple[str, ...]:
    """What the encoder's linear layers for queries and values are called; ``ValueError`` for an unknown family."""
    linear = {name.rpartition(".")[2] for name in linear_layers(model)}
    for names in ATTENTION_NAMES:
        if linear.issuperset(names):
            return names
    raise ValueError(
        f"The attention of {type(body(model)).__name__} is not known here. Name the layers to adapt, targets=[…]; its "
        f"linear layers are called: {', '.join(sorted(linear))}."
    )


def linear_layers(model: nn.Module) -> list[str]:
    """The names of the encoder's linear layers."""
    from torch import nn

    return [name for name, module in body(model).named_modules() if isinstance(module, nn.Linear)]


def max_positions(config: PretrainedConfig) -> int | None:
    """How many pieces the model holds; ``None`` where its configuration sets no limit.

    RoBERTa, XLM-R and MPNet count positions from behind the padding's id: 514 rows hold 512 pieces.
    """
    rows = getattr(config, "max_position_embeddings", None)
    if not rows or rows < 0:
        return None
    return rows - config.pad_token_id - 1 if config.model_type in POSITIONS_BEHIND_PADDING else rows


def masked_lm_head(model: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """What turns last hidden states (…, width) into scores for every piece (…, vocabulary).

    For BERT, DistilBERT, RoBERTa, XLM-R, ALBERT, ELECTRA, DeBERTa-v2, MPNet and ModernBERT under their
    masked-language head. Raises ``ValueError`` for another model.
    """
    model = unwrapped(model)
    if is_adapted(model):
        model = model.get_base_model()
    if getattr(model.config, "is_decoder", False) or "MaskedLM" not in type(model).__name__:
        if not hasattr(model, "cls") or not hasattr(model.cls, "predictions"):
            raise ValueError(
                f"{type(model).__name__} has no head for masked words. Load one: models.load(…, head='masked-lm')."
            )
        return model.cls.predictions if hasattr(model.cls, "seq_relationship") else model.cls
    if hasattr(model, "cls"):
        return model.cls
    if hasattr(model, "lm_head") and not hasattr(model, "lm_predictions"):
        return model.lm_head
    if hasattr(model, "predictions"):
        return model.predictions
    if hasattr(model, "generator_predictions"):
        return lambda states: model.generator_lm_head(model.generator_predictions(states))
    if hasattr(model, "vocab_projector"):
        return lambda states: model.vocab_projector(
            model.vocab_layer_norm(model.activation(model.vocab_transform(states)))
        )
    if hasattr(model, "head") and hasattr(model, "decoder"):
        return lambda states: model.decoder(model.head(states))
    raise ValueError(f"The masked-language head of {type(model).__name__} is not known here; leave loss= out.")
