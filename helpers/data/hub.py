"""Public data sets under the columns of the book's own: what ``data.load("<hub id>:<config>")`` does.

Each counterpart names the book's set whose columns and types it takes over and where each column comes from. A public
set without labelled test rows gives its validation rows for testing, and a part of its training rows for validation,
so that every set has the three splits that the chapters use.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from helpers.data import SPLITS, VIEWS, checked_splits, column_types

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

HELD_OUT_PERCENT = {"validation": 10, "test": 20}


@dataclass(frozen=True)
class Counterpart:
    """How a public set maps to the columns of ``view``.

    ``columns`` gives, for each column whose name differs, its name in the public set or a function of the public row.
    Rows with the same value of ``group`` never land in different splits.
    """

    view: str
    columns: dict[str, str | Callable[[dict], Any]]
    group: str | Callable[[dict], Any] | None = None


def _copa_prompt(row: dict) -> str:
    return f"{row['premise']} {'This happened because:' if row['question'] == 'cause' else 'As a result:'}"


COUNTERPARTS: dict[str, Counterpart] = {
    "clinc/clinc_oos:small": Counterpart("intents", {"label": "intent"}),
    "nyu-mll/glue:sst2": Counterpart("reviews", {"text": "sentence"}),
    "Yelp/yelp_review_full": Counterpart("reviews:stars", {"label": lambda row: row["label"] + 1.0}),
    "google/civil_comments": Counterpart("comments", {"label": lambda row: int(row["toxicity"] >= 0.5)}),
    "nyu-mll/glue:mrpc": Counterpart("paraphrases", {}),
    "nyu-mll/glue:stsb": Counterpart("paraphrases:similarity", {}),
    "leondz/wnut_17": Counterpart("entities", {}),
    "rajpurkar/squad_v2": Counterpart("passages", {}, group="context"),
    "google/xquad:xquad.en": Counterpart("passages", {}, group="context"),
    "allenai/swag:regular": Counterpart(
        "choices",
        {"prompt": "startphrase", "choices": lambda row: [row[f"ending{i}"] for i in range(4)]},
    ),
    "pkavumba/balanced-copa": Counterpart(
        "choices",
        {"prompt": _copa_prompt, "choices": lambda row: [row["choice1"], row["choice2"]]},
        # A mirrored twin has the same two choices under another premise: a model may not train on one and be
        # tested on the other.
        group=lambda row: " ".join(sorted((row["choice1"], row["choice2"]))),
    ),
}


def load(name: str) -> DatasetDict:
    """Load the public set ``name`` through ``datasets.load_dataset``; see ``data.load``."""
    from datasets import DatasetDict, load_dataset

    path, _, config = name.partition(":")
    try:
        raw = load_dataset(path, config or None)
    except (OSError, ValueError) as error:
        offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
        raise OSError(
            f"The hub's data set {path!r} can not be had here"
            + (" (HF_HUB_OFFLINE is set). " if offline else ". ")
            + "Set HF_HOME to a cache that holds it, or allow the network; the book's own counterpart "
            f"needs neither: data.load({COUNTERPARTS[name].view!r})."
        ) from error
    spec = COUNTERPARTS[name]
    raw = DatasetDict({split: rows for split, rows in raw.items() if split in SPLITS and _labelled(rows)})
    splits = three_splits(raw, spec.group)
    return checked_splits(DatasetDict({split: _fit(name, spec, splits[split]) for split in SPLITS}))


def three_splits(raw: DatasetDict, group: str | Callable[[dict], Any] | None = None) -> DatasetDict:
    """Make ``train``, ``validation`` and ``test`` of whatever is there, the same in every run and on every machine.

    Missing splits are cut from the training rows (or from the only split), by a checksum of each row's ``group``
    (of the whole row where there is none): ``HELD_OUT_PERCENT`` of the groups each. Without test rows, validation
    rows are kept for testing, as is customary for GLUE.
    """
    from datasets import DatasetDict

    splits = dict(raw)
    if set(splits) == {"train", "validation"}:
        splits["test"] = splits.pop("validation")
    if set(splits) == set(SPLITS):
        return DatasetDict({split: splits[split] for split in SPLITS})
    pool = splits.pop("train" if "train" in splits else next(iter(splits)))
    missing = [split for split in SPLITS if split not in splits and split != "train"]

    def key(row: dict) -> str:
        return str(group(row) if callable(group) else row[group] if group else sorted(row.items()))

    bins = [zlib.crc32(key(row).encode()) % 100 for row in pool]
    start = 0
    for split in missing:
        end = start + HELD_OUT_PERCENT[split]
        splits[split] = pool.select([i for i, b in enumerate(bins) if start <= b < end])
        start = end
    splits["train"] = pool.select([i for i, b in enumerate(bins) if b >= start])
    return DatasetDict({split: splits[split] for split in SPLITS})


def _labelled(rows: Dataset) -> bool:
    """Whether a split has labels: GLUE's hidden test labels are all -1."""
    for column in ("label", "intent"):
        if column in rows.column_names:
            return any(value != -1 for value in rows.with_format("numpy")[column][:1000])
    return True


def _fit(name: str, spec: Counterpart, rows: Dataset) -> Dataset:
    origins = {column: spec.columns.get(column, column) for column in VIEWS[spec.view]}
    absent = sorted({o for o in origins.values() if isinstance(o, str)} - set(rows.column_names))
    if absent:
        raise ValueError(
            f"{name!r} has no column {', '.join(absent)}; it has {', '.join(rows.column_names)}. "
            "The public set has changed: correct its entry in helpers.data.hub.COUNTERPARTS."
        )
    names = {}
    for column, origin in origins.items():
        feature = rows.features[origin] if isinstance(origin, str) else None
        names[column] = getattr(getattr(feature, "feature", feature), "names", None)
    columns = dict(VIEWS[spec.view])
    for column, found in names.items():
        if found:  # the public set's own class names stand in for the book's
            columns[column] = type(columns[column])(columns[column].kind, names=tuple(found))
    types = column_types(columns)

    def convert(row: dict) -> dict:
        return {c: origin(row) if callable(origin) else row[origin] for c, origin in origins.items()}

    return rows.map(convert, remove_columns=rows.column_names, features=types, keep_in_memory=True)
