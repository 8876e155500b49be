"""The documentation corpus: what is kept of a docstring, and what the data set promises."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import data
from helpers.data import docstrings
from helpers.data.corpus import (
    LIBRARIES,
    PER_LIBRARY,
    _documents,
    cache_folders,
    split_of,
    versions,
)

NUMPY_STYLE = """
Return the largest value of an array, as a number.

The array is read once. It may have any shape: see :func:`~numpy.sort` and the `manual <https://example.org>`_.

Parameters
----------
a : array_like, optional
    The input data with at least one element [1]_.
axis : int
    If given, look along this axis only.

Returns
-------
float
    The largest value that was found anywhere.

See Also
--------
min : The smallest value of them all, please.

Notes
-----
Missing values win over **all** other values. Sums obey

.. math:: a + b = c

.. note:: This note is one of the kept parts.

Examples
--------
>>> largest([1, 2, 3])
3
This line belongs to the example of above.
"""

GOOGLE_STYLE = """Loads a model from the given folder.

    model = load("folder")

Args:
    folder (`str`, *optional*):
        Where the files of the model are kept.
    strict: Whether an unknown name is an error.

Returns:
    `Model`: The model in evaluation mode, ready for use.

Example:

```python
This is not a sentence of prose at all.
```
- First item of a list of two.
- Too short.
"""


def test_sentences_of_a_numpy_docstring():
    assert docstrings.sentences(NUMPY_STYLE) == [
        "Return the largest value of an array, as a number.",
        "The array is read once.",
        "It may have any shape: see sort and the manual.",
        "The input data with at least one element.",
        "If given, look along this axis only.",
        "The largest value that was found anywhere.",
        "Missing values win over all other values.",
        "This note is one of the kept parts.",
    ]


def test_sentences_of_a_google_docstring():
    assert docstrings.sentences(GOOGLE_STYLE) == [
        "Loads a model from the given folder.",
        "Where the files of the model are kept.",
        "Whether an unknown name is an error.",
        "The model in evaluation mode, ready for use.",
        "First item of a list of two.",
    ]


@given(st.text())
def test_any_text_is_cut_without_an_error(text):
    for sentence in docstrings.sentences(text):
        assert 5 <= len(sentence.split()) <= 60
        assert ">>>" not in sentence
        assert "\n" not in sentence


def test_documents_are_read_without_running_the_file(tmp_path):
    file = tmp_path / "module.py"
    code = [
        '"""The docstring of the module itself."""',
        "raise SystemExit",
        "class A:",
        '  """A class of one sentence only."""',
    ]
    file.write_text("\n".join(code))
    assert list(docstrings.documents(file, "module")) == [
        ("module", ["The docstring of the module itself."]),
        ("module.A", ["A class of one sentence only."]),
    ]


@pytest.mark.parametrize("content", ["def (", "\0", "# coding: nothing\n", b"\xff\xfe\xff"])
def test_a_file_that_python_can_not_parse_has_no_documents(tmp_path, content):
    file = tmp_path / "broken.py"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert list(docstrings.documents(file, "broken")) == []


def test_a_library_that_is_not_installed_has_no_files():
    assert docstrings.files("no_such_library_here") == []


@pytest.fixture(scope="module")
def corpus():
    return data.documentation()


def test_corpus_is_large_and_balanced(corpus):
    counts = [corpus["label"][:].count(label) for label in range(len(data.labels(corpus)))]
    assert corpus.column_names == ["text", "document", "label"]
    assert len(corpus) >= 40_000
    assert len(counts) >= 8
    # A library stops after the file in which it passes the limit.
    assert max(counts) <= 1.05 * PER_LIBRARY


def test_no_sentence_twice_and_all_of_them_prose(corpus):
    texts = corpus["text"][:]
    assert len({docstrings.key(text) for text in texts}) == len(texts)
    assert all(5 <= len(text.split()) <= 60 for text in texts)
    assert not any(">>>" in text or "://" in text or ":func:" in text or "``" in text for text in texts)


def test_rows_of_a_document_follow_each_other_in_order(corpus):
    documents = [name for name, _ in groupby(corpus["document"][:])]
    assert len(documents) == len(set(documents))
    file, module = next((f, m) for f, m in docstrings.files("stdlib") if m == "textwrap")
    own = [text for text, name in zip(corpus["text"][:], corpus["document"][:], strict=True) if name.startswith(module)]
    everything = [sentence for _, prose in docstrings.documents(file, module) for sentence in prose]
    places = [everything.index(sentence) for sentence in own]
    assert places == sorted(places)


def test_splits_are_by_document_and_cover_everything(corpus):
    splits = data.load("documentation")
    documents = {split: set(rows["document"][:]) for split, rows in splits.items()}
    assert sum(map(len, splits.values())) == len(corpus)
    assert all(split_of(name) == split for split, names in documents.items() for name in names)
    assert not documents["train"] & documents["test"]
    for rows in splits.values():
        assert data.labels(rows) == data.labels(corpus)
        assert len(set(rows["label"][:])) == len(data.labels(corpus))
    with pytest.raises(KeyError, match="train, validation, test"):
        splits["dev"]


def test_limit_takes_whole_documents_of_many_libraries(corpus):
    some = data.documentation(limit=2000)
    assert 2000 <= len(some) <= 2200
    assert len(set(some["label"][:])) >= 8
    whole = set(zip(corpus["document"][:], corpus["text"][:], strict=True))
    chosen = set(some["document"][:])
    assert set(zip(some["document"][:], some["text"][:], strict=True)) == {row for row in whole if row[0] in chosen}
    with pytest.raises(ValueError, match="limit"):
        data.documentation(limit=0)


def test_a_missing_library_is_left_out(monkeypatch):
    monkeypatch.setitem(LIBRARIES, "no_such_library_here", "no-such-library-here")
    assert "no_such_library_here" not in versions()


@pytest.fixture
def harvests(monkeypatch, tmp_path):
    """How often the corpus was harvested, with a harvest that takes no time and a temporary folder of its own."""
    calls: list[int] = []

    def harvest():
        calls.append(1)
        return [["stdlib", "module", ["One sentence stands for all."]]]

    monkeypatch.setitem(_documents.__globals__, "_harvest", harvest)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return calls


def test_second_call_takes_the_cache(monkeypatch, tmp_path, harvests):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    assert _documents() == _documents()
    assert len(harvests) == 1
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".json"]


def test_a_damaged_cache_is_harvested_anew(monkeypatch, tmp_path, harvests):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    first = _documents()
    file = next(tmp_path.glob("*.json"))
    file.write_text(file.read_text()[:20])
    assert _documents() == first
    assert len(harvests) == 2
    assert json.loads(file.read_text())


def test_another_version_has_another_cache(monkeypatch, tmp_path, harvests):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    _documents()
    monkeypatch.setitem(_documents.__globals__, "FORMAT", -1)
    _documents()
    assert len(harvests) == 2


def test_an_unusable_cache_folder_falls_back_to_a_temporary_one(monkeypatch, tmp_path, harvests):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "file" / "cache"))
    (tmp_path / "temporary").mkdir()
    assert _documents() == _documents()
    assert len(harvests) == 1
    assert list((tmp_path / "temporary").rglob("*.json"))


def test_no_folder_at_all_is_no_error(monkeypatch, tmp_path, harvests):
    (tmp_path / "temporary").write_text("in the way")
    monkeypatch.delenv("HELPERS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "temporary" / "x"))
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError))
    _documents()
    _documents()
    assert len(harvests) == 2
    assert len(cache_folders()) == 2
