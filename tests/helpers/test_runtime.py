from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from helpers import runtime


def test_start_makes_runs_repeat(capsys):
    draws = []
    for _ in range(2):
        run = runtime.start(seed=3)
        draws.append(torch.rand(4))
    assert torch.equal(*draws)
    assert run.seed == 3
    assert "seed 3" in capsys.readouterr().out


@pytest.mark.parametrize("variable", ["HELPERS_DEVICE", "HELPERS_PRECISION"])
def test_unknown_setting_lists_the_known_ones(variable, monkeypatch):
    monkeypatch.setenv(variable, "quantum")
    with pytest.raises(ValueError, match=rf"{variable}='quantum'.*Known: "):
        runtime.device() if variable == "HELPERS_DEVICE" else runtime.precision()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_missing_gpu_is_named(monkeypatch):
    monkeypatch.setenv("HELPERS_DEVICE", "cuda")
    with pytest.raises(RuntimeError, match="sees no such device"):
        runtime.device()


@pytest.mark.parametrize(("wanted", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_follows_precision(wanted, dtype, monkeypatch):
    monkeypatch.setenv("HELPERS_PRECISION", wanted)
    a = torch.ones(2, 2, device=runtime.device())
    with runtime.autocast():
        assert (a @ a).dtype == dtype


def test_old_cpu_computes_in_fp32():
    """Where only AVX2 may be used, bfloat16 would be emulated."""
    program = "from helpers import runtime; print(runtime.precision())"
    environment = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "HELPERS_DEVICE": "cpu"}
    out = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "fp32"


def test_importing_helpers_loads_nothing_heavy():
    program = "import sys, helpers; print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
