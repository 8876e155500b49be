"""Which examples?

``load(name)`` brings one of the book's own data sets, or a public one from the hub under the same columns and types,
so that a chapter's code runs unchanged on either:

>>> load("intents")["train"].column_names
['text', 'label']
>>> load("reviews:stars")["train"].features["label"]
Value('float32')

The book's sets are JSON Lines in ``sets/``, each with a card (:func:`card`); ``hub`` says how the public ones are
mapped; ``documentation`` harvests a corpus from the libraries on the reader's own disk. ``python -m helpers.data``
prints the table of all sets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import renamed
from helpers.data import tables
from helpers.data.checks import check as check
from helpers.data.corpus import documentation as documentation
from helpers.data.corpus import splits
from helpers.data.files import read as read
from helpers.errors import choose

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

SETS = Path(__file__).parent / "sets"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Column:
    """One column of a data set: the kind of its values and, where it differs, its key in the file.

    Kinds: ``text``, ``texts``, ``number``, ``index``, ``class``, ``classes`` (one class a word), ``answers`` (spans).
    ``names`` are the class names in the order of their ids; left empty, the file's own labels, sorted.
    """

    kind: str
    key: str = ""
    names: tuple[str, ...] = ()


TEXT = {"text": Column("text")}
PAIR = {"sentence1": Column("text"), "sentence2": Column("text")}
TAGS = tuple(f"{b}-{t}" for t in ("person", "organisation", "location", "product", "date") for b in "BI")

# The name to load -> its columns. What stands before the colon names the file.
VIEWS: dict[str, dict[str, Column]] = {
    "intents": TEXT | {"label": Column("class", "intent")},
    "intents_later": TEXT | {"label": Column("class", "intent")},
    "reviews": TEXT | {"label": Column("class", "sentiment", ("negative", "positive"))},
    "reviews:stars": TEXT | {"label": Column("number", "stars")},
    "comments": TEXT | {"label": Column("class", names=("civil", "uncivil"))},
    "paraphrases": PAIR | {"label": Column("class", names=("not_equivalent", "equivalent"))},
    "paraphrases:similarity": PAIR | {"label": Column("number", "similarity")},
    "entities": {"tokens": Column("texts"), "ner_tags": Column("classes", names=("O", *TAGS))},
    "passages": {
        "id": Column("text"),
        "context": Column("text"),
        "question": Column("text"),
        "answers": Column("answers"),
    },
    "choices": {"prompt": Column("text"), "choices": Column("texts"), "label": Column("index")},
}


def load(name: str) -> DatasetDict:
    """Load a data set as a ``DatasetDict`` with the splits ``train``, ``validation`` and ``test``.

    Args:
        name: a key of ``VIEWS`` (``"intents"``, ``"reviews:stars"``, …), ``"documentation"``, or a key of
            ``hub.COUNTERPARTS`` (``"clinc/clinc_oos:small"``, …), which is brought by ``datasets.load_dataset``.

    Raises ``ValueError`` for an unknown name (with the nearest known one) or a damaged row (with file and line);
    ``OSError`` where a hub set can not be had. The result refuses an unknown split with the list of those there.
    """
    from helpers.data import hub

    if isinstance(name, (str, Path)) and Path(name).suffix.lower() in tables.KNOWN:
        raise ValueError(f"{name} is a file of your own: read it with data.read({str(name)!r}, text=…, label=…).")
    choose("data set", name, [*VIEWS, "documentation", *hub.COUNTERPARTS])
    if name in hub.COUNTERPARTS:
        return hub.load(name)
    if name == "documentation":
        return checked_splits(splits())
    return checked_splits(_read(name, SETS / f"{name.partition(':')[0]}.jsonl"))


def card(name: str) -> str:
    """The card of one of the book's data sets, as Markdown: what it is, how it was written, what it can not show.

    The sizes and the measured scores under it come from the files, so they can not go stale.
    """
    base = choose("data set", name, [*VIEWS, "documentation"]).partition(":")[0]
    text = (SETS / f"{base.removesuffix('_later')}.md").read_text(encoding="utf-8")
    facts = [f"- {view}: {_facts(view)}" for view in VIEWS if view.partition(":")[0] == base]
    return f"{text.rstrip()}\n\n## Measured\n\n" + "\n".join(facts) + "\n" if facts else text


def measured(name: str) -> dict[str, Any]:
    """What ``python -m experiments.data_baselines`` measured on one of the book's data sets.

    Keys: ``metric``, ``baselines`` (name -> score on the test split), ``minilm`` (fully fine-tuned: ``mean``, ``sd``,
    ``seeds``) and the ``sha256`` of the file that was measured. Empty where it was not measured.
    """
    file = SETS / "measured.json"
    return json.loads(file.read_text(encoding="utf-8")).get(name, {}) if file.exists() else {}


def balance(name: str) -> str:
    """One line on how the training labels of one of the book's data sets are spread."""
    rows = load(name)["train"]
    (column,) = {"label", "ner_tags", "answers"} & set(rows.column_names)
    values, kind = rows[column][:], VIEWS[name][column].kind
    if kind == "number":
        return f"{min(values):g} … {max(values):g}, mean {sum(values) / len(values):.2f}"
    if kind == "answers":
        return f"{sum(not answer['text'] for answer in values) / len(values):.0%} unanswerable"
    if kind == "classes":
        starts = sum(labels(rows, column)[tag].startswith("B-") for tags in values for tag in tags)
        return f"{starts / len(rows):.1f} entities a sentence"
    counts = sorted(values.count(value) for value in set(values))
    return f"{len(counts)} classes, {counts[0] / len(rows):.0%} … {counts[-1] / len(rows):.0%}"


def _facts(name: str) -> str:
    sizes = " / ".join(str(len(rows)) for rows in load(name).values())
    facts = f"{sizes} rows (train / validation / test); {balance(name)}"
    if found := measured(name):
        scores = [f"{baseline} {score:.3f}" for baseline, score in found["baselines"].items()]
        minilm = found["minilm"]
        scores.append(
            f"MiniLM, fully fine-tuned, {minilm['mean']:.3f} ± {minilm['sd']:.3f} (sd, {minilm['seeds']} seeds)"
        )
        facts += f"; test {found['metric']}: " + ", ".join(scores)
    return facts


def groups(name: str = "intents") -> dict[str, list[str]]:
    """Labels of a data set by theme, e.g. to learn one theme after the other. Raises ``ValueError`` where none are."""
    files = {file.stem.removesuffix("_groups"): file for file in SETS.glob("*_groups.json")}
    return json.loads(files[choose("data set with groups", name, files)].read_text(encoding="utf-8"))


def labels(split: Dataset, column: str = "label") -> list[str]:
    """The class names of a split, in the order of their ids."""
    feature = split.features[column]
    return list(getattr(feature, "feature", feature).names)


def column_types(columns: dict[str, Column], names: dict[str, Sequence[str]] | None = None) -> Features:
    """The ``datasets`` types of the columns; ``names`` gives the class names of a column that has none of its own."""
    from datasets import ClassLabel, Features, List, Value

    def feature(column: str, spec: Column) -> Any:
        if spec.kind.startswith("class"):
            classes = ClassLabel(names=list(spec.names or (names or {})[column]))
            return List(classes) if spec.kind == "classes" else classes
        return {
            "text": Value("string"),
            "texts": List(Value("string")),
            "number": Value("float32"),
            "index": Value("int64"),
            "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
        }[spec.kind]

    return Features({column: feature(column, spec) for column, spec in columns.items()})


def _read(name: str, file: Path) -> DatasetDict:
    from datasets import Dataset, DatasetDict

    columns = VIEWS[name]
    rows: dict[str, list[dict]] = {split: [] for split in SPLITS}
    found: dict[str, set[str]] = {c: set() for c, spec in columns.items() if spec.kind == "class" and not spec.names}
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                raw = json.loads(line)
                row = {column: raw[spec.key or column] for column, spec in columns.items()}
                for column, spec in columns.items():
                    _check_value(row[column], column, spec)
                rows[raw["split"]].append(row)
            except KeyError as error:
                raise ValueError(f"{file}, line {number}: no {error} (or a split not in {SPLITS})") from error
            except (TypeError, ValueError) as error:
                raise ValueError(f"{file}, line {number}: {error}") from error
            for column, seen in found.items():
                seen.add(row[column])
    types = column_types(columns, {column: sorted(seen) for column, seen in found.items()})
    return DatasetDict({split: Dataset.from_list(rows[split], features=types) for split in SPLITS})


def _check_value(value: Any, column: str, spec: Column) -> None:
    several = spec.kind in ("texts", "classes")
    wanted: tuple[type, ...] = {"number": (int, float), "index": (int,), "answers": (dict,)}.get(spec.kind, (str,))
    if several and not isinstance(value, list):
        raise TypeError(f"{column!r} must be a list, got {value!r}")
    for item in value if several else [value]:
        if not isinstance(item, wanted) or isinstance(item, bool):
            raise TypeError(f"{column!r} must hold {' or '.join(t.__name__ for t in wanted)}, got {item!r}")
        if spec.names and item not in spec.names:
            raise ValueError(f"{column!r} holds the unknown label {item!r}. Known: {', '.join(spec.names)}")


def checked_splits(sets: Mapping[str, Dataset]) -> DatasetDict:
    """The same splits, in a dictionary that answers an unknown name with the known ones."""
    from datasets import DatasetDict

    class Splits(DatasetDict):
        def __missing__(self, split: str) -> Dataset:
            raise KeyError(f"No split {split!r}. There are: {', '.join(self)}.")

    return Splits(sets)


renamed.keep(__name__)
