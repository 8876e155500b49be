from __future__ import annotations

import errno
import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import helpers
from experiments.kit import command, rows
from experiments.kit.training import fit
from helpers import batching

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Setting:
    CODE: ClassVar[int] = 1

    seed: int
    rate: Any = 1e-4


SETTINGS = [Setting(seed, rate) for seed in (0, 1) for rate in (1e-4, 1e-3)]


def stored(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_row_is_the_whole_setting_and_what_made_it(tmp_path):
    path = tmp_path / "new" / "demo.json"
    found = rows.run(path, SETTINGS, lambda setting: {"score": setting.seed + setting.rate})
    assert [row["results"]["score"] for row in found] == [s.seed + s.rate for s in SETTINGS]
    assert [row["settings"] for row in found] == [vars(setting) for setting in SETTINGS]
    assert all({"minutes", "device", "precision", "versions", "command"} <= row.keys() for row in found)
    assert all(row["whole"] is True for row in found)
    assert all(row["code"] == {"experiment": 1, "helpers": helpers.__version__} for row in found)
    assert stored(path) == found


def test_finished_rows_are_not_measured_again_and_others_stay(tmp_path):
    path, calls = tmp_path / "demo.json", []
    rows.run(path, [Setting(9, 0.5)], lambda setting: {"score": 9})

    def measure(setting):
        calls.append(setting)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return {"score": setting.seed}

    with pytest.raises(KeyboardInterrupt):
        rows.run(path, SETTINGS, measure)
    assert len(stored(path)) == 1 + 2
    assert len(rows.run(path, SETTINGS, measure)) == 4
    assert len(calls) == 5  # two finished, one interrupted, and then the two that were left
    assert len(stored(path)) == 1 + 4


def test_a_new_version_of_the_code_measures_again_and_replaces(tmp_path):
    @dataclass(frozen=True)
    class Newer(Setting):
        CODE: ClassVar[int] = 2

    path = tmp_path / "demo.json"
    rows.run(path, SETTINGS[:2], lambda setting: {"score": 1})
    (row,) = rows.run(path, [Newer(0)], lambda setting: {"score": 2})
    assert (row["results"]["score"], row["code"]["experiment"]) == (2, 2)
    assert [(r["results"]["score"], r["code"]["experiment"]) for r in stored(path)] == [(1, 1), (2, 2)]


def test_a_changed_field_is_another_row(tmp_path):
    """What is added to a setting later makes rows of another setting of those that lack it."""

    @dataclass(frozen=True)
    class Longer(Setting):
        epochs: int = 3

    path = tmp_path / "demo.json"
    rows.run(path, [Setting(0)], lambda setting: {"score": 1})
    assert not rows.known(path, [Longer(0)])
    rows.run(path, [Longer(0)], lambda setting: {"score": 2})
    assert not rows.known(path, [Longer(0, epochs=4)])
    assert rows.known(path, [Longer(0)])[0]["results"] == {"score": 2}


@pytest.mark.parametrize(
    ("result", "kept"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (torch.tensor(0.5), 0.5),
        ([np.float32(0.5), {"deep": np.int8(1)}], [0.5, {"deep": 1}]),
        ((1, None, "word"), [1, None, "word"]),
    ],
)
def test_numbers_of_other_libraries_become_numbers(tmp_path, result, kept):
    (row,) = rows.run(tmp_path / "demo.json", [Setting(0)], lambda setting: {"score": result})
    assert row["results"] == {"score": kept} == stored(tmp_path / "demo.json")[0]["results"]


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (math.nan, "nan"),
        ([1.0, -math.inf], "-inf"),
        (np.float32("nan"), "nan"),
        (np.zeros(2), "ndarray"),
        (object(), "object"),
        ({1, 2}, "set"),
    ],
)
def test_what_json_does_not_know_is_refused_with_both_names_and_printed(tmp_path, capsys, result, what):
    with pytest.raises(ValueError, match=rf"result 'score' of .*'seed': 0.* {what}") as refused:
        rows.run(tmp_path / "demo.json", [Setting(0)], lambda setting: {"score": result, "other": 7})
    assert "\n" not in str(refused.value)
    assert "'other': 7" in capsys.readouterr().err
    assert not (tmp_path / "demo.json").exists()


@pytest.mark.parametrize("rate", [math.nan, object(), np.zeros(2)], ids=["nan", "object", "array"])
def test_a_setting_that_json_does_not_know_is_refused_before_anything_is_measured(tmp_path, rate):
    with pytest.raises(ValueError, match="The setting 'rate' of Setting"):
        rows.run(tmp_path / "demo.json", [Setting(0), Setting(1, rate)], lambda setting: pytest.fail("measured"))


def test_a_full_disk_leaves_the_old_file_prints_the_row_and_the_next_try_works(tmp_path, monkeypatch, capsys):
    path = tmp_path / "demo.json"
    rows.run(path, [Setting(0)], lambda setting: {"score": 1})
    before, write = stored(path), Path.write_text

    def full(self, text, **options):
        write(self, text[:20], **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            rows.run(path, [Setting(1)], lambda setting: {"score": 0.125})
    printed = capsys.readouterr().err
    assert "measured and not stored" in printed and '"score": 0.125' in printed
    assert stored(path) == before
    assert {file.name for file in tmp_path.iterdir()} <= {path.name, f"{path.name}.lock"}
    rows.run(path, [Setting(1)], lambda setting: {"score": 2})
    assert [row["results"]["score"] for row in stored(path)] == [1, 2]


# The same setting once more: to import it from here would take the seconds that PyTorch takes.
PROGRAM = """
import dataclasses, sys, time
from pathlib import Path
from typing import ClassVar
from experiments.kit import rows

@dataclasses.dataclass(frozen=True)
class Setting:
    CODE: ClassVar[int] = 1
    seed: int
    rate: float = 1e-4

def measure(setting):
    time.sleep(0.2)
    return {"double": 2 * setting.seed}

rows.run(Path(sys.argv[1]), [Setting(seed) for seed in range(10)], measure)
"""


def another_process(path: Path) -> subprocess.Popen:
    """Measures seeds 0 to 9; comes back when its first row is stored."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not path.exists() and process.poll() is None:
        time.sleep(0.05)
    return process


def doubled(setting):
    time.sleep(0.05)
    return {"double": 2 * setting.seed}


def test_two_processes_share_one_file(tmp_path):
    path = tmp_path / "shared.json"
    other = another_process(path)
    own = rows.run(path, [Setting(seed) for seed in range(10, 20)], doubled)
    assert other.wait() == 0
    assert [row["results"]["double"] for row in own] == list(range(20, 40, 2))
    assert sorted(row["results"]["double"] for row in stored(path)) == list(range(0, 40, 2))


def test_an_experiment_killed_in_the_middle_goes_on_where_it_was(tmp_path):
    path = tmp_path / "slow.json"
    slow = another_process(path)
    slow.kill()
    slow.wait()
    finished = stored(path)
    assert 1 <= len(finished) < 10
    found = rows.run(path, [Setting(seed) for seed in range(10)], doubled)
    assert [row["results"]["double"] for row in found] == list(range(0, 20, 2))
    assert stored(path)[: len(finished)] == finished
    assert len(stored(path)) == 10


def test_ctrl_c_ends_an_experiment_without_a_row_and_the_next_start_measures_it(tmp_path, tiny, tokenizer, colours):
    path, pressed = tmp_path / "demo.json", []

    def measure(setting):
        model = tiny()
        loader = batching.batches(batching.encode(colours, tokenizer), tokenizer, 8)

        def loss(model, batch):
            if not pressed:
                pressed.append(True)
                signal.raise_signal(signal.SIGINT)
            return model(**batch).loss

        return {"steps": len(fit(model, loader, epochs=1, loss=loss).steps)}

    def main():
        rows.run(path, [Setting(0), Setting(1)], measure)

    with pytest.raises(SystemExit) as ended:
        command.start(main)
    assert ended.value.code == 130
    assert not path.exists()
    with pytest.raises(SystemExit) as ended:
        command.start(main)
    assert not ended.value.code
    assert [row["results"]["steps"] for row in stored(path)] == [5, 5]
