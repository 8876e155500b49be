"""A corpus that every reader already has: the documentation of the installed libraries, sentence by sentence.

``documentation()`` harvests it (``docstrings`` next door says how) and keeps it in a cache folder, so the second call
takes a second. The sentences depend on the versions that are installed: another machine has a slightly different
corpus, and no chapter may depend on a single sentence of it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.data import docstrings

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

# Library -> the name of its package, where that differs. Those that are not installed are left out.
LIBRARIES = {
    "PIL": "pillow",
    "accelerate": "accelerate",
    "datasets": "datasets",
    "fontTools": "fonttools",
    "huggingface_hub": "huggingface_hub",
    "matplotlib": "matplotlib",
    "networkx": "networkx",
    "numpy": "numpy",
    "pandas": "pandas",
    "peft": "peft",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "stdlib": "",
    "sympy": "sympy",
    "torch": "torch",
    "transformers": "transformers",
}
# At most so many sentences of one library, so that none dominates.
PER_LIBRARY = 10_000
HELD_OUT_PERCENT = {"validation": 5, "test": 10}
PROCESSES = 2
# Raise it when what is harvested from the same libraries changes: it is part of the cache's key.
FORMAT = 1

Documents = list[tuple[str, str, list[str]]]  # library, dotted name of the object, sentences


def documentation(limit: int | None = None) -> Dataset:
    """Sentences from the docstrings of the installed libraries, in document order.

    Args:
        limit: stop after about so many sentences; whole documents, mixed from all libraries. All of them by default.

    Returns a ``Dataset`` with ``text`` (one sentence), ``document`` (dotted name of the object whose docstring it is
    from; the rows of a document follow each other) and ``label`` (the library). No sentence appears twice.

    Raises ``ValueError`` for a ``limit`` below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}.")
    return _dataset(_limited(_documents(), limit))


def splits() -> DatasetDict:
    """The corpus as ``train``, ``validation`` and ``test``, split by a checksum of the document's name.

    A document never changes its split, whatever else is installed.
    """
    from datasets import DatasetDict

    parts: dict[str, Documents] = {"train": [], "validation": [], "test": []}
    for document in _documents():
        parts[split_of(document[1])].append(document)
    names = [library for library in LIBRARIES if any(document[0] == library for document in parts["train"])]
    return DatasetDict({split: _dataset(part, names) for split, part in parts.items()})


def split_of(document: str) -> str:
    """The split that a document belongs to.

    >>> split_of("textwrap.wrap")
    'train'
    """
    percent = zlib.crc32(document.encode()) % 100
    if percent < HELD_OUT_PERCENT["validation"]:
        return "validation"
    return "test" if percent < sum(HELD_OUT_PERCENT.values()) else "train"


def versions() -> dict[str, str]:
    """The installed libraries of the corpus and their versions."""
    found = {}
    for library, package in LIBRARIES.items():
        try:
            found[library] = importlib.metadata.version(package) if package else platform.python_version()
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _documents() -> Documents:
    """The whole corpus: from the cache, or harvested and then cached."""
    identity = json.dumps([FORMAT, PER_LIBRARY, versions()])
    name = f"documentation-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"
    for folder in cache_folders():
        try:
            return json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    documents = _harvest()
    for folder in cache_folders():
        try:
            _write(folder / name, json.dumps(documents))
            break
        except OSError:
            continue
    return documents


def _harvest() -> Documents:
    """Harvest all libraries, ``PROCESSES`` at a time, and drop what one has copied from another."""
    libraries = versions()
    # Those with the most source first, so that no process is left alone with one of them at the end.
    first = ("transformers", "torch", "stdlib", "sympy", "scipy")
    order = sorted(libraries, key=lambda library: first.index(library) if library in first else len(first))
    with ThreadPoolExecutor(PROCESSES) as pool:
        found = dict(zip(order, pool.map(_harvest_apart, order), strict=True))
    seen: set[str] = set()
    documents: Documents = []
    for library in libraries:
        for name, sentences in found[library]:
            fresh = []
            for sentence in sentences:
                if (key := docstrings.key(sentence)) not in seen:
                    seen.add(key)
                    fresh.append(sentence)
            if fresh:
                documents.append((library, name, fresh))
    return documents


def _harvest_apart(library: str) -> list[tuple[str, list[str]]]:
    """``docstrings.harvest`` in a process of its own: parsing keeps a core busy."""
    command = [sys.executable, "-c", "from helpers.data.docstrings import main; main()", library, str(PER_LIBRARY)]
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    result = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=True, stdout=subprocess.PIPE)
    return [json.loads(line) for line in result.stdout.splitlines()]


def _limited(documents: Documents, limit: int | None) -> Documents:
    if limit is None:
        return documents
    chosen, total = set(), 0
    for document in sorted(documents, key=lambda document: zlib.crc32(document[1].encode())):
        chosen.add(document[1])
        total += len(document[2])
        if total >= limit:
            break
    return [document for document in documents if document[1] in chosen]


def _dataset(documents: Documents, names: list[str] | None = None) -> Dataset:
    from datasets import ClassLabel, Dataset, Features, Value

    names = names or [library for library in LIBRARIES if any(document[0] == library for document in documents)]
    features = Features({"text": Value("string"), "document": Value("string"), "label": ClassLabel(names=names)})
    rows = list(_rows(documents, names))
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return Dataset.from_dict(dict(zip(features, map(list, columns), strict=True)), features=features)


def _rows(documents: Documents, names: list[str]) -> Iterator[tuple[str, str, int]]:
    for library, name, sentences in documents:
        for sentence in sentences:
            yield sentence, name, names.index(library)


def cache_folders() -> list[Path]:
    """Where the corpus may be kept, best first: ``HELPERS_CACHE``, the platform's cache folder, a temporary one."""
    folders = []
    if os.environ.get("HELPERS_CACHE"):
        folders.append(Path(os.environ["HELPERS_CACHE"]))
    else:
        try:
            home = Path.home()
        except RuntimeError:  # no home, e.g. in a bare container
            home = None
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or (home and home / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = home and home / "Library" / "Caches"
        else:
            base = os.environ.get("XDG_CACHE_HOME") or (home and home / ".cache")
        if base:
            folders.append(Path(base) / "bert-finetuning-book")
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return [*folders, Path(tempfile.gettempdir()) / f"bert-finetuning-book-{user}"]


def writable_folder() -> Path | None:
    """The first of :func:`cache_folders` that can be written to; ``None`` where none can."""
    for folder in cache_folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def _write(file: Path, text: str) -> None:
    """Write a file so that no other process ever sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as temporary:
        temporary.write(text)
    try:
        Path(temporary.name).replace(file)
    except OSError:
        Path(temporary.name).unlink(missing_ok=True)
        raise
