from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import runner

SETTINGS = [{"seed": seed, "rate": rate} for seed in (0, 1) for rate in (1e-4, 1e-3)]


def test_rows_carry_what_is_needed_to_repeat_them(tmp_path):
    rows = runner.run(tmp_path / "new" / "demo.json", SETTINGS, lambda seed, rate: {"score": seed + rate})
    assert [row["results"]["score"] for row in rows] == [s["seed"] + s["rate"] for s in SETTINGS]
    assert all({"settings", "minutes", "device", "precision", "versions", "command"} <= row.keys() for row in rows)
    assert json.loads((tmp_path / "new" / "demo.json").read_text()) == rows


def test_finished_rows_are_not_measured_again(tmp_path):
    calls = []

    def measure(seed, rate):
        calls.append((seed, rate))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return {"score": seed}

    path = tmp_path / "demo.json"
    with pytest.raises(KeyboardInterrupt):
        runner.run(path, SETTINGS, measure)
    assert len(json.loads(path.read_text())) == 2
    assert len(runner.run(path, SETTINGS, measure)) == 4
    assert len(calls) == 5  # two finished, one interrupted, and then the two that were left


def test_other_rows_stay(tmp_path):
    path = tmp_path / "demo.json"
    runner.run(path, [{"seed": 9, "rate": 0.5}], lambda **_: {"score": 1})
    runner.run(path, SETTINGS[:1], lambda **_: {"score": 2})
    assert len(json.loads(path.read_text())) == 2


def test_an_experiment_killed_in_the_middle_goes_on_where_it_was(tmp_path):
    path = tmp_path / "slow.json"
    program = (
        "import sys, time; from pathlib import Path; from experiments import runner\n"
        "def measure(seed):\n"
        "    time.sleep(float(sys.argv[2])); return {'double': 2 * seed}\n"
        "runner.run(Path(sys.argv[1]), [{'seed': s} for s in range(6)], measure)\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    root = Path(__file__).parents[2]
    slow = subprocess.Popen([*command, "0.3"], cwd=root, stderr=subprocess.DEVNULL)
    while not path.exists() and slow.poll() is None:
        time.sleep(0.05)
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    finished = json.loads(path.read_text())
    assert 1 <= len(finished) < 6
    subprocess.run([*command, "0"], cwd=root, check=True, stderr=subprocess.DEVNULL)
    rows = json.loads(path.read_text())
    assert [row["results"]["double"] for row in rows] == [0, 2, 4, 6, 8, 10]
    assert rows[: len(finished)] == finished


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "result.json"
    runner.write_json(path, {"good": 1})
    with pytest.raises(TypeError):
        runner.write_json(path, {"bad": object()})
    assert json.loads(path.read_text()) == {"good": 1}
