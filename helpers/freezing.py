"""Which parameters learn?

A parameter learns when three things hold: it has ``requires_grad``, an optimizer holds it, and the loss depends on it.
These functions set the first, so build the optimizer (or call ``training.fit``, which does) after them. A module whose
parameters are all frozen also belongs in eval mode: in train mode its dropout would still change its output from pass
to pass, and its BatchNorm statistics would still move.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import torch
from torch import nn

from helpers import architecture
from helpers.errors import listed, number

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def freeze(model: nn.Module, *patterns: str) -> list[str]:
    """Stop the parameters whose names match from learning, and put the modules they fill into eval mode.

    Args:
        patterns: names of modules or parameters, with ``*`` for anything: ``"bert"``, ``"bert.embeddings"``,
            ``"*.LayerNorm.*"``. A name stands for everything below it.

    Returns the names of the parameters that match. Raises ``ValueError`` for a pattern that matches nothing, and for a
    freeze that would leave nothing to learn.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(), nn.Linear(3, 1))
    >>> freeze(model, "0")
    ['0.weight', '0.bias']
    >>> model[0].training, model[2].training
    (False, True)
    """
    matched = _match(model, patterns)
    if all(name in matched or not p.requires_grad for name, p in model.named_parameters()):
        raise ValueError(f"Freezing {', '.join(patterns)} leaves nothing to learn: all parameters would be frozen.")
    for name, parameter in model.named_parameters():
        if name in matched:
            parameter.requires_grad_(False)
            parameter.grad = None
    eval_frozen(model)
    return matched


def unfreeze(model: nn.Module, *patterns: str) -> list[str]:
    """Let the parameters whose names match learn again; see :func:`freeze`. Their modules go back to train mode."""
    matched = _match(model, patterns)
    for name, parameter in model.named_parameters():
        if name in matched:
            parameter.requires_grad_(True)
    model.train()
    eval_frozen(model)
    return matched


def train_only(model: nn.Module, *patterns: str) -> list[str]:
    """Let the parameters whose names match learn, and freeze all others; see :func:`freeze` for patterns.

    ``train_only(model, "*.bias", "classifier")`` is BitFit (Ben Zaken et al. 2022): the biases and the head.
    Returns the names of the parameters that learn.
    """
    matched = _match(model, patterns)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in matched)
        if name not in matched:
            parameter.grad = None
    model.train()
    eval_frozen(model)
    return matched


def eval_frozen(model: nn.Module) -> list[str]:
    """Put every module whose parameters are all frozen into eval mode, with everything inside it.

    ``model.train()`` sets every module to train mode, frozen or not, so call this after it (``training.fit`` does).
    Returns the names of the topmost such modules.
    """
    found: list[str] = []
    for name, module in model.named_modules():
        parameters = list(module.parameters())
        if any(name.startswith(f"{outer}.") for outer in found):
            continue
        if parameters and not any(p.requires_grad for p in parameters):
            module.eval()
            found.append(name)
    return found


def freeze_body(model: nn.Module) -> list[str]:
    """Freeze the pretrained encoder and leave the head: "feature extraction". Returns the frozen names.

    Raises ``ValueError`` where nothing would be left to learn, and for a model that ``peft`` has adapted.
    """
    model = _plain(model)
    _require_head(model)
    return freeze(model, *architecture.body_parts(model))


def unfreeze_top(model: nn.Module, layers: int) -> list[str]:
    """Let the head and the top ``layers`` layers of the encoder learn; freeze the layers below and the embeddings.

    The pooler and a final norm, where there is one, stand above the top layer and learn as soon as a layer does; with
    ``layers=0`` the head learns alone, as after :func:`freeze_body`. Returns the names of the parameters that learn.
    Raises ``ValueError`` where the encoder has fewer layers, or one layer for all as ALBERT has.
    """
    model = _plain(model)
    _require_head(model)
    top, parts = _top(model, layers), architecture.body_parts(model)
    names = [name for name, _ in model.named_parameters()]
    return train_only(model, *(name for name in names if parts.get(name, None) in top or name not in parts))


def gradual(model: nn.Module, step: int = 1) -> Iterator[int]:
    """Unfreeze from the top in stages: the head alone, then ``step`` layers more at every stage, at last everything.

    Gives the number of learning layers of each stage, and waits while you train it:

    >>> from helpers import models
    >>> for layers in gradual(models.load("minilm", head="classification", labels=["a", "b"]), step=3):
    ...     print(layers)  # here: training.fit(model, train, epochs=1)
    0
    3
    6

    Every ``fit`` builds its optimizer anew, so the layers that have just joined are in it. "Gradual unfreezing" of
    Howard & Ruder 2018, section 3.3, with ``step=1`` and an epoch a stage. Raises ``ValueError`` for a step below 1,
    and for ALBERT, whose layers are one.
    """
    number("step, a number of layers,", step, low=1, whole=True)
    architecture.require_own_layers(model)
    depth = architecture.depth(model)
    for layers in range(0, depth, step):
        unfreeze_top(model, layers)
        yield layers
    unfreeze(_plain(model), "*")
    yield depth


@torch.no_grad()
def reinit_top(model: nn.Module, layers: int) -> list[str]:
    """Forget what the top ``layers`` layers, the pooler and a final norm were pretrained to, before you fine-tune.

    Weights are drawn anew as BERT's were: normal with the configuration's ``initializer_range`` as its standard
    deviation; biases 0, norms 1 and 0. Returns the names of these parameters. Source: Zhang et al. 2021,
    section 4. Raises ``ValueError`` where the encoder has fewer layers.
    """
    model = _plain(model)
    top, body = _top(model, layers), architecture.body(model)
    for name, module in body.named_modules():
        if architecture.part_of(f"body.{name}") not in top:
            continue
        if isinstance(module, nn.Linear):
            module.weight.normal_(0.0, body.config.initializer_range)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
            module.reset_parameters()
    return [name for name, part in architecture.body_parts(model).items() if part in top]


def lora(model: PreTrainedModel, rank: int = 8, targets: Sequence[str] = (), alpha: float = 16) -> PeftModel:
    """Freeze the encoder and give its ``targets`` low-rank updates that learn instead: W + (alpha / rank) · B A.

    Args:
        model: changed in place; its head goes on learning and is saved with the adapter.
        rank: inner width of the product B A; A starts random, B at 0, so that nothing changes at first.
        targets: names of linear layers, or ends of names; by default those of queries and values, as in the paper.

    A pooler that the checkpoint did not have, and that was drawn with the head, learns and is saved with it.

    Returns the model of ``peft``: ``save_pretrained`` writes the adapter and the head alone, ``merge_and_unload``
    gives an ordinary model back. Raises ``ValueError`` for a target that is not there, where ``peft`` keeps silent as
    long as another one is. Source: Hu et al. 2022, section 4.
    """
    from peft import LoraConfig, get_peft_model

    model = _plain(model)
    number("rank", rank, low=1, whole=True)
    number("alpha", alpha, above=0)
    body, linear = architecture.body(model), architecture.linear_layers(model)
    targets = list(listed("targets", targets)) or list(architecture.attention_names(model))
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in linear):
            known = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
            raise ValueError(f"No linear layer is called {target!r}. The encoder's are called: {known}.")
    heads = [
        name for name, child in model.named_children() if child is not body and any(True for _ in child.parameters())
    ]
    drawn = getattr(model, "drawn_anew", ())  # models.load leaves the names there
    if any(architecture.part_of(name) == "pooler" for name in drawn) and "pooler" not in heads:
        heads.append("pooler")
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, modules_to_save=heads or None)
    adapted = get_peft_model(model, config)
    eval_frozen(adapted)
    return adapted


def _plain(model: nn.Module) -> nn.Module:
    """The model whose parameters can be frozen and drawn anew; ``ValueError`` for one that must be changed before."""
    if isinstance(model, nn.parallel.DistributedDataParallel):
        raise ValueError("DistributedDataParallel counts on the gradients it was built for. Freeze first, then wrap.")
    if architecture.is_adapted(model):
        raise ValueError(
            "This is a model of peft: its encoder is frozen already, and its adapters learn. Choose the layers before "
            "freezing.lora(model), or merge the adapters first: model = model.merge_and_unload()."
        )
    return architecture.unwrapped(model)


def _require_head(model: nn.Module) -> None:
    if architecture.body(model) is model:
        raise ValueError(f"{type(model).__name__} has no head over its body, so freezing the body leaves nothing.")


def _top(model: nn.Module, layers: int) -> set[str]:
    """The parts, as ``architecture.part_of`` calls them, from the top ``layers`` layers up to the pooler."""
    depth = architecture.depth(model)
    if isinstance(layers, bool) or not isinstance(layers, int) or not 0 <= layers <= depth:
        raise ValueError(f"layers is a number from 0 to {depth}, the encoder's depth; got {layers}.")
    if layers:
        architecture.require_own_layers(model)
    above = {"pooler", "final norm"} if layers else set()
    return {f"layer {depth - 1 - i}" for i in range(layers)} | above


def _match(model: nn.Module, patterns: tuple[str, ...]) -> list[str]:
    names = [name for name, _ in model.named_parameters()]
    matched: set[str] = set()
    if not patterns:
        raise ValueError("Name at least one module, parameter or pattern.")
    for pattern in patterns:
        hits = [n for n in names if fnmatchcase(n, pattern) or fnmatchcase(n, f"{pattern}.*")]
        if not hits:
            parts = sorted({".".join(n.split(".")[:depth]) for n in names for depth in (1, 2)})
            raise ValueError(f"No parameter matches {pattern!r}. The model has: {', '.join(parts)}.")
        matched.update(hits)
    return [name for name in names if name in matched]
