"""Names and arguments that changed go on working for one release, and say the new ones."""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pytest

import helpers
from helpers import batching, evaluation, features, metrics, renamed, uncertainty
from tests.test_rules import LISTS, ROOT, files, imported

MOVED = [(module, old, new) for module, names in renamed.MOVED.items() for old, new in names.items()]
ARGUMENTS = [(where, old, new) for where, names in renamed.ARGUMENTS.items() for old, new in names.items()]


def found(dotted: str):
    """What a dotted name stands for, in a module or in a class of one."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            thing = vars(thing)[part]
        return thing
    raise AssertionError(dotted)


@pytest.mark.parametrize(("module", "old", "new"), MOVED)
def test_an_old_name_gives_the_new_thing_and_says_so(module: str, old: str, new: str):
    with pytest.warns(DeprecationWarning, match=rf"^{module}\.{old} is {new} now"):
        thing = getattr(importlib.import_module(module), old)
    assert thing is found(new)
    assert old not in vars(importlib.import_module(module))


@pytest.mark.parametrize(("where", "old", "new"), ARGUMENTS)
def test_an_argument_may_have_its_old_name(where: str, old: str, new: str):
    function = found(where)
    parameters = inspect.signature(function).parameters
    assert new in parameters
    assert old not in parameters
    seen = {}
    body = inspect.unwrap(function)
    spied = renamed.arguments(stand_in(body, seen))
    with pytest.warns(DeprecationWarning, match=f"^The argument {old} of {where} is {new} now"):
        spied(**{old: 7})
    assert seen == {new: 7}
    with pytest.raises(TypeError, match=f"got {new}=… twice: {old}=… is its old name"):
        spied(**{old: 7, new: 8})


def stand_in(function, seen: dict):
    """A function of the same name and place that writes down its arguments."""

    def noting(**given):
        seen.update(given)

    noting.__module__, noting.__qualname__ = function.__module__, function.__qualname__
    return noting


@pytest.mark.parametrize("where", renamed.ARGUMENTS)
def test_every_function_of_the_table_is_decorated(where: str):
    assert hasattr(found(where), "__wrapped__")


def test_a_warning_stands_at_the_readers_line():
    with pytest.warns(DeprecationWarning) as caught:
        evaluation.interval  # noqa: B018
    with pytest.warns(DeprecationWarning) as later, pytest.raises(ValueError, match="same examples"):
        uncertainty.difference(first=[1], second=[1, 2])
    assert {record.filename for record in (*caught, *later)} == {__file__}


def test_what_never_was_is_no_attribute():
    with pytest.raises(AttributeError, match=r"module 'helpers\.evaluation' has no attribute 'nonsense'"):
        evaluation.nonsense  # noqa: B018
    assert not hasattr(batching, "nonsense")


@pytest.mark.parametrize("folder", LISTS)
def test_nothing_here_goes_by_an_old_name(folder: str):
    """Else the first reader after a release meets what the book itself has left behind, or a warning in a chapter."""
    names = "|".join(rf"{module.rpartition('.')[2]}\.{old}" for module, old, _ in MOVED)
    used = re.compile(rf"(?<![\w.])(?:helpers\.)?(?:{names})\b")
    old = {f"{module}.{name}" for module, name, _ in MOVED}
    found = [
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in files(folder)
        if path.name not in ("renamed.py", "test_renamed.py")
        for name in [*used.findall(text(path)), *(name for name, _ in imported(path) if name in old)]
    ]
    assert not found


def text(path: Path) -> str:
    """A file, or the cells of a chapter."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def test_the_old_names_are_gone_when_their_time_is_up():
    assert helpers.__version__.split(".")[:2] < renamed.GONE.split(".") or not (renamed.MOVED or renamed.ARGUMENTS)


def test_predictions_may_be_taken_apart_as_before():
    predictions = evaluation.Predictions(labels=np.array([0, 1]), logits=np.eye(2))
    with pytest.warns(DeprecationWarning, match=r"predictions\.labels, predictions\.logits"):
        logits, labels = predictions
    assert logits is predictions.logits
    assert labels is predictions.labels


def test_metrics_of_logits_and_labels_are_turned_round():
    def old(logits, labels):
        return {"right": float((logits.argmax(1) == labels).mean())}

    def new(labels, logits):
        return old(logits, labels)

    labels, logits = np.array([0, 1, 1]), np.eye(3)[:, :2]
    with pytest.warns(DeprecationWarning, match=r"metrics\(labels, logits\)"):
        turned = renamed.truth_first(old)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = renamed.truth_first(new)
    assert turned(labels, logits) == same(labels, logits) == {"right": 2 / 3}


@pytest.mark.parametrize(
    ("measure", "labels", "logits"),
    [
        (metrics.accuracy, np.array([0, 1, 1]), np.eye(3)),
        (metrics.multi_label_metrics(), np.array([[0, 1], [1, 1]]), np.array([[0.2, 3.0], [1.5, -1.0]])),
        (metrics.entity_metrics(["O", "B-a"]), np.zeros((2, 3), dtype=int), np.ones((2, 3, 2))),
        (metrics.best_threshold, np.array([0, 1, 1]), np.ones((3, 2))),
    ],
)
def test_the_old_order_of_arguments_is_refused_and_not_measured(measure, labels, logits):
    measure(labels, logits)
    with pytest.raises(ValueError, match=r"(?i)labels (are|come)|one output or two"):
        measure(logits, labels)


def test_stored_vectors_still_have_a_loader():
    import torch

    stored = features.Features(torch.eye(3), torch.arange(3))
    with pytest.warns(DeprecationWarning, match=r"Features\.batches"):
        (batch,) = stored.loader(8)
    assert batch["labels"].tolist() == [0, 1, 2]
