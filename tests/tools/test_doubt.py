"""What fells the claims: the catalogue fits the code, the rows fit the claims, and the tool does what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.samples import code, notebook, stdout, write
from tools import outline
from tools.doubt import __main__ as command
from tools.doubt import catalogue, reach, rows, trial, verdict
from tools.doubt.catalogue import NOTHING, ROOT, Fault
from tools.doubt.mutants import mutate

FAULTS = catalogue.load()
LIBRARY = {name: fault for name, fault in FAULTS.items() if fault.file and fault.right}
# The share of claims that nothing has felled. Lower it when it has become too large; it never goes up.
NOT_YET, SLACK = 1.0, 0.1


@pytest.mark.parametrize("name", LIBRARY)
def test_a_fault_of_the_library_fits_its_source(name: str):
    fault = LIBRARY[name]
    source = (ROOT / fault.file).read_text(encoding="utf-8")
    compile(mutate(source, fault.function, fault.right, fault.wrong), fault.file, "exec")


def test_a_fault_of_a_chapter_fits_its_cells():
    found = [fault for fault in FAULTS.values() if fault.chapter]
    assert found
    for fault in found:
        fault.break_cells(nbformat.read(catalogue.BOOK / f"{fault.chapter}.ipynb", as_version=4).cells)


def test_faults_beneath_the_library_find_what_they_break():
    """Each in a copy of the names, one after the other in one process: what is patched is there."""
    sources = [fault.first for fault in FAULTS.values() if fault.first]
    assert len(sources) > 5
    program = f"for source in {sources!r}: exec(source, {{}})"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_there_are_enough_faults_and_each_is_of_one_kind():
    assert len(FAULTS) >= 60
    for fault in FAULTS.values():
        assert bool(fault.right) == bool(fault.wrong) != bool(fault.first)
        assert bool(fault.file) == bool(fault.function) != bool(fault.chapter)


def test_the_stored_rows_speak_of_what_is_there():
    there = command.sentences(command.chapters())
    known = FAULTS | {NOTHING.name: NOTHING}
    gone = [why for row in rows.read() if (why := rows.stale(row, known, there))]
    assert not gone, "python -m tools.doubt --prune drops these rows"


def test_few_claims_were_never_seen_failing():
    there = command.sentences(command.chapters())
    share = len(verdict.standing(there)) / sum(map(len, there.values()))
    assert share <= NOT_YET, "a new claim was not seen failing: python -m tools.doubt --show"
    assert share > NOT_YET - SLACK, f"only {share:.2f} are left: lower NOT_YET"


def test_without_a_fault_every_stored_chapter_held():
    controls = [row for row in rows.read() if row["fault"] == NOTHING.name]
    assert controls
    assert {row["chapter"] for row in rows.read()} == {row["chapter"] for row in controls}
    assert all(not row["fell"] and not row["missed"] and row["calls"] for row in controls)


# A library of two functions and a chapter that uses one of them.
HELPERS = {
    "__init__.py": "",
    "claims.py": (ROOT / "helpers" / "claims.py").read_text(encoding="utf-8"),
    "sums.py": "def twice(x):\n    return 2 * x\n\n\ndef thrice(x):\n    return 3 * x\n",
}
CELLS = (
    code("from helpers import sums\nfrom helpers.claims import claim\nstart = 2"),
    code("claim('Two is two', start == 2, start=start)", stdout("✔ Two is two   start=2\n")),
    code(
        "claim('Twice two is four', sums.twice(start) == 4, four=4)\nclaim('One is one', 1 == 1, one=1)",
        stdout("✔ Twice two is four   four=4\n✔ One is one   one=1\n"),
    ),
    code("quotient = 1 / (sums.twice(start) - 3)\nclaim('It divides', True, by=1)", stdout("✔ It divides   by=1\n")),
    code("assert sums.twice(1) == 2\nclaim('Twice one is two', True, two=2)", stdout("✔ Twice one is two   two=2\n")),
)
THREE = Fault("twice adds one", "helpers/sums.py", "twice", right="2 * x", wrong="x + 1")
OTHER = Fault("thrice is twice", "helpers/sums.py", "thrice", right="3 * x", wrong="2 * x")
CELL = Fault("it starts at three", chapter="part/one", right="start = 2", wrong="start = 3")
FIRST = Fault("a library is gone", "helpers/sums.py", "twice", first="import helpers.sums\ndel helpers.sums.twice")
ALL = ["Two is two", "Twice two is four", "One is one", "It divides", "Twice one is two"]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "root" / "helpers").mkdir(parents=True)
    for name, source in HELPERS.items():
        (tmp_path / "root" / "helpers" / name).write_text(source, encoding="utf-8")
    (tmp_path / "book" / "part").mkdir(parents=True)
    write(notebook(nbformat.v4.new_markdown_cell("# One"), *CELLS), tmp_path / "book" / "part" / "one.ipynb")
    return tmp_path


@pytest.mark.parametrize(
    ("fault", "fell", "missed"),
    [
        (NOTHING, [], []),
        (THREE, ["Twice two is four"], ["It divides"]),
        (OTHER, [], []),
        (CELL, ["Two is two", "Twice two is four"], []),
        (FIRST, [], ["Twice two is four", "One is one", "It divides", "Twice one is two"]),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_what_falls_and_what_is_missed(fault: Fault, fell: list[str], missed: list[str], book: Path):
    (book / "copy").mkdir()
    chapter = outline.read("part/one", book / "book")
    assert [claim.text for claim in chapter.claims] == ALL
    row = trial.attempt(fault, chapter, book / "copy", book / "root")
    assert (row["fell"], row["missed"]) == (fell, missed)
    if fault == NOTHING:
        assert "helpers/sums.py twice" in row["calls"]
        assert "helpers/sums.py thrice" not in row["calls"]


def test_a_comparison_in_the_claim_s_own_cell_fells_it(book: Path):
    (book / "copy").mkdir()
    fault = Fault("twice is a constant", "helpers/sums.py", "twice", right="2 * x", wrong="4")
    row = trial.attempt(fault, outline.read("part/one", book / "book"), book / "copy", book / "root")
    assert (row["fell"], row["missed"]) == (["Twice one is two"], [])


def test_only_what_is_due_is_measured_and_each_row_is_stored(book: Path, monkeypatch: pytest.MonkeyPatch):
    path, tried = book / "doubt.json", []

    def attempted(task: trial.Task) -> rows.Row:
        tried.append(task[0].name)
        row = {"chapter": task[1], "fault": task[0].name, "key": rows.key(task[0], chapter), "missed": []}
        return row | {"fell": ALL[:1] if task[0] == CELL else []} | {"calls": ["helpers/sums.py twice"]}

    class Pool:
        imap_unordered = staticmethod(map)
        __enter__, __exit__ = lambda self: self, lambda self, *what: None

    monkeypatch.setattr(trial, "of_task", attempted)
    monkeypatch.setattr(
        command.multiprocessing, "get_context", lambda kind: type("C", (), {"Pool": lambda s, n: Pool()})()
    )
    chapter = outline.read("part/one", book / "book")
    command.measure([chapter], [THREE, OTHER, CELL], 1, path)
    assert tried == ["nothing", CELL.name, THREE.name]
    command.measure([chapter], [THREE, OTHER, CELL], 1, path)
    assert len(tried) == 3
    chapter.cells[1].source += "\nstart += 0"
    command.measure([chapter], [THREE], 1, path)
    assert tried[3:] == ["nothing", THREE.name]
    assert [row["fault"] for row in rows.read(path)] == [CELL.name, "nothing", THREE.name]


def test_a_chapter_that_fails_by_itself_is_left_out(book: Path, capsys: pytest.CaptureFixture[str]):
    chapter = outline.read("part/one", book / "book")
    write(notebook(nbformat.v4.new_markdown_cell("# One"), code("start = 1"), *CELLS[1:]), chapter.path)
    command.measure([outline.read("part/one", book / "book")], [CELL], 1, book / "doubt.json")
    assert "part/one is left out" in capsys.readouterr().err
    assert rows.read(book / "doubt.json") == []


ROWS = [
    {"chapter": "a", "fault": "fit trains nothing", "key": "1", "fell": ["x", "y"], "missed": []},
    {"chapter": "a", "fault": "there is no warmup", "key": "2", "fell": ["x"], "missed": ["y"]},
    {"chapter": "a", "fault": "another seed", "key": "3", "fell": ["y"], "missed": []},
    {"chapter": "a", "fault": "no fault", "key": "3", "fell": ["z"], "missed": []},
]


def test_the_reasons_are_those_that_fell_little_else_and_another_seed_is_none():
    felled = verdict.felled(ROWS)
    assert verdict.reasons(felled, "a", "x") == "falls when: there is no warmup; fit trains nothing"
    assert verdict.reasons(felled, "a", "y") == "falls when: fit trains nothing"
    assert verdict.reasons(felled, "a", "z") == "not yet seen failing"
    assert verdict.felled(ROWS, harmless=True) == {("a", "y"): ["another seed"]}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (ROWS[0], ""),
        (ROWS[0] | {"chapter": "b"}, "no chapter b"),
        (ROWS[3], "no fault 'no fault'"),
        (ROWS[0] | {"missed": ["w"]}, "does not claim any more: w"),
    ],
)
def test_a_row_of_what_is_gone_is_stale(row: rows.Row, says: str):
    stale = rows.stale(row, FAULTS, {"a": {"x", "y", "z"}})
    assert says in stale
    assert bool(stale) == bool(says)


def test_a_row_takes_the_place_of_its_predecessor(tmp_path: Path):
    path = tmp_path / "doubt.json"
    rows.store(ROWS[:2], path)
    rows.store([ROWS[0] | {"fell": []}], path)
    assert [row["fell"] for row in rows.read(path)] == [[], ["x"]]
    assert [file.name for file in tmp_path.iterdir()] == ["doubt.json"]


def test_methods_tell_that_they_were_called(tmp_path: Path):
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "__init__.py").write_text('class A:\n    def f(self):\n        """It."""\n')
    reach.watch(tmp_path)
    subprocess.run([sys.executable, "-c", "import helpers; helpers.A().f()"], check=True, cwd=tmp_path)
    assert reach.called(tmp_path) == ["helpers/__init__.py A.f"]
