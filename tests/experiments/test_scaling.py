"""One run in one process and in two real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import scaling

LAUNCH = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
SMALL = ["--examples", "36", "--batch-size", "8"]  # the last batch is smaller, and still even


def test_two_processes_lose_what_one_loses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HELPERS_PRECISION", "fp32")
    monkeypatch.setenv("HELPERS_DEVICE", "cpu")
    output = tmp_path / "scaling.json"
    scaling.main([*SMALL, "--output", str(output)])
    command = [sys.executable, "-m", "accelerate.commands.launch", *LAUNCH, "-m", "experiments.scaling", *SMALL]
    subprocess.run(
        [*command, "--output", str(output)],
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        timeout=300,
    )
    one, two = json.loads(output.read_text())
    assert (one["processes"], two["processes"]) == (1, 2)
    assert len(one["results"]["losses"]) == 5
    assert two["results"]["losses"] == pytest.approx(one["results"]["losses"], abs=2e-3)
    # The comparison can fail: the losses do change from step to step.
    assert max(one["results"]["losses"]) - min(one["results"]["losses"]) > 0.02
