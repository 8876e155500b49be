"""Which parameters learn?

A parameter learns when three things hold: it has ``requires_grad``, an optimizer holds it, and the loss depends on it.
These functions set the first. A module whose parameters are all frozen also belongs in eval mode: in train mode its
dropout would still change its output from pass to pass, and its BatchNorm statistics would still move.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from torch import nn

from helpers import models


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
    """Freeze the pretrained encoder and leave the head: "feature extraction". Returns the frozen names."""
    body = models.body(model)
    if body is model:
        raise ValueError(f"{type(model).__name__} has no head over its body, so freezing the body leaves nothing.")
    return freeze(model, model.base_model_prefix)


def _match(model: nn.Module, patterns: tuple[str, ...]) -> list[str]:
    names = [name for name, _ in model.named_parameters()]
    matched: set[str] = set()
    for pattern in patterns:
        hits = [n for n in names if fnmatchcase(n, pattern) or fnmatchcase(n, f"{pattern}.*")]
        if not hits:
            parts = sorted({".".join(n.split(".")[:depth]) for n in names for depth in (1, 2)})
            raise ValueError(f"No parameter matches {pattern!r}. The model has: {', '.join(parts)}.")
        matched.update(hits)
    return [name for name in names if name in matched]
