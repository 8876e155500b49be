"""What was this called before?

Names that changed go on working for one release, with a ``DeprecationWarning`` that says the new one. Everything that
moved stands in the two tables below: functions and classes in ``MOVED``, arguments in ``ARGUMENTS``. With version
``GONE`` the tables are emptied.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

GONE = "0.3"
# Of each module, what it had and where that is now.
MOVED = {
    "helpers.batching": {"loader": "helpers.batching.batches"},
    "helpers.batching.choices": {"ChoiceBatches": "helpers.batching.choices.ChoiceCollator"},
    "helpers.batching.language": {
        "MaskedLanguageModeling": "helpers.batching.language.MaskingCollator",
        "PretrainingBatches": "helpers.batching.language.PretrainingCollator",
    },
    "helpers.batching.spans": {"SpanBatches": "helpers.batching.spans.SpanCollator"},
    "helpers.batching.words": {"WordBatches": "helpers.batching.words.WordCollator"},
    "helpers.data": {"features": "helpers.data.column_types"},
    "helpers.evaluation": {
        "Interval": "helpers.uncertainty.Interval",
        "accuracy": "helpers.metrics.accuracy",
        "difference": "helpers.uncertainty.difference",
        "interval": "helpers.uncertainty.interval",
        "majority": "helpers.baselines.majority",
        "tfidf": "helpers.baselines.tfidf",
    },
    "helpers.heads": {"classifier": "helpers.heads.classifier_layers"},
    "helpers.metrics": {
        "f1": "helpers.metrics.f1_from_counts",
        "pearson": "helpers.metrics.pearson_from_moments",
        "precision": "helpers.metrics.precision_from_counts",
        "recall": "helpers.metrics.recall_from_counts",
    },
    "helpers.models": {"parameters": "helpers.models.parameter_table"},
    "helpers.retrieval": {
        "answer_sentences": "helpers.passages.answer_sentences",
        "closest_sentences": "helpers.passages.closest_sentences",
        "embed": "helpers.features.embed",
        "mean_states": "helpers.features.mean_states",
        "narrow": "helpers.passages.narrow",
        "sentences": "helpers.passages.sentences",
    },
}
# Of each function, the arguments that had another name, and the one that they have now.
ARGUMENTS = {
    "helpers.evaluation.evaluate": {"loader": "batches"},
    "helpers.evaluation.predict": {"loader": "batches"},
    "helpers.features.cache_features": {"loader": "batches"},
    "helpers.forgetting.penalties.EWC.__init__": {"loader": "batches"},
    "helpers.forgetting.penalties.fisher": {"loader": "batches"},
    "helpers.forgetting.rehearsal.Auxiliary.__init__": {"loader": "batches"},
    "helpers.heads.classifier_layers": {"kind": "classifier"},
    "helpers.heads.pool": {"how": "pooling"},
    "helpers.optimizers.schedule": {"warmup": "warmup_ratio"},
    "helpers.training.fit": {"warmup": "warmup_ratio"},
    "helpers.uncertainty.difference": {"first": "reference", "second": "compared"},
}

Function = TypeVar("Function", bound=Callable[..., Any])


def warn(old: str, new: str, level: int = 3) -> None:
    """Say that ``old`` is called ``new`` now, at the line that many calls up."""
    warnings.warn(f"{old} is {new} now; the old name goes with version {GONE}.", DeprecationWarning, stacklevel=level)


def keep(module: str) -> None:
    """Let a module give what it had before, from where it is now: its ``__getattr__``, unseen by the type checker."""

    def moved(name: str) -> Any:
        new = MOVED[module].get(name)
        if new is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn(f"{module}.{name}", new)
        room, _, last = new.rpartition(".")
        return getattr(importlib.import_module(room), last)

    vars(sys.modules[module])["__getattr__"] = moved


def arguments(function: Function) -> Function:
    """Decorator: let a function take its arguments by the names that they had, too."""
    where = f"{function.__module__}.{function.__qualname__}"
    renamed = ARGUMENTS[where]

    @functools.wraps(function)
    def taking(*values: Any, **named: Any) -> Any:
        for old in renamed.keys() & named.keys():
            new = renamed[old]
            if new in named:
                raise TypeError(f"{where} got {new}=… twice: {old}=… is its old name.")
            warn(f"The argument {old} of {where}", new)
            named[new] = named.pop(old)
        return function(*values, **named)

    return taking  # type: ignore[return-value]


def truth_first(metrics: Callable[..., Any]) -> Callable[..., Any]:
    """The metrics as a function of labels and logits; one whose first argument is ``logits`` had them the other way."""
    try:
        order = list(inspect.signature(metrics).parameters)
    except (TypeError, ValueError):  # something callable that does not tell
        return metrics
    if order[:1] != ["logits"]:
        return metrics
    warn("metrics(logits, labels)", "metrics(labels, logits)", level=4)
    return lambda labels, logits: metrics(logits, labels)
