"""A test suite is worth what it notices: break ``helpers`` in a way that goes wrong in practice, and it must turn red.

Each mutation is applied to a copy of the project in which the tests, or the notebook, that must notice it then run. To
add one: name what is broken, quote the code that is right and the code that is wrong, and say who must notice.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("helpers", "tests", "tools", "book", "conftest.py", "pyproject.toml")


@dataclass(frozen=True)
class Mutation:
    """Code of ``helpers``, a way to break it, and the test or notebook that must notice."""

    file: str
    right: str
    wrong: str
    noticed_by: str


MUTATIONS = {
    "labels shifted by one": Mutation(
        "helpers/batching/__init__.py",
        right='encoded["labels"] = split["label"][:]',
        wrong='encoded["labels"] = [split["label"][-1], *split["label"][:-1]]',
        noticed_by="tests/test_batching.py::test_encode_keeps_text_and_label",
    ),
    "mask ignored in training": Mutation(
        "helpers/training.py",
        right="loss = model(**batch).loss",
        wrong='loss = model(**batch | {"attention_mask": None}).loss',
        noticed_by="tests/test_training.py::test_fit_equals_a_bare_loop",
    ),
    "mask ignored in prediction": Mutation(
        "helpers/evaluation.py",
        right="logits.append(model(**batch).logits",
        wrong='logits.append(model(**batch | {"attention_mask": None}).logits',
        noticed_by="tests/test_evaluation.py::test_predict_keeps_order_and_mode",
    ),
    "bias correction off": Mutation(
        "helpers/optimizers.py",
        right="return torch.optim.AdamW(groups, lr=learning_rate, fused=True)",
        wrong=(
            "optimizer = torch.optim.AdamW(groups, lr=learning_rate, fused=True)\n"
            "    for p in (p for group in optimizer.param_groups for p in group['params']):\n"
            "        moments = {name: torch.zeros_like(p) for name in ('exp_avg', 'exp_avg_sq')}\n"
            "        optimizer.state[p] = moments | {'step': torch.tensor(1e6)}  # the correction has faded out\n"
            "    return optimizer"
        ),
        noticed_by="tests/test_training.py::test_fit_equals_a_bare_loop",
    ),
    "freeze forgets BatchNorm": Mutation(
        "helpers/freezing.py",
        right="            module.eval()\n",
        wrong=(
            "            for part in module.modules():\n"
            "                part.training = isinstance(part, nn.BatchNorm1d)\n"
        ),
        noticed_by="tests/test_freezing.py::test_batchnorm_statistics_of_a_frozen_part_hold_still",
    ),
    "freeze forgets dropout": Mutation(
        "helpers/freezing.py",
        right="            module.eval()\n",
        wrong="            pass\n",
        noticed_by="tests/test_freezing.py::test_frozen_modules_are_in_eval_mode_and_the_rest_in_train_mode",
    ),
}


def copy_of_the_project(folder: Path) -> Path:
    """Code, tests and notebooks, without anything that was built or compiled."""
    ignore = shutil.ignore_patterns("__pycache__", "_build", ".ipynb_checkpoints")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    return folder


def run_pytest(project: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests or notebooks of a copy on the ``helpers`` of that copy, up to the first failure."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    if any(test.endswith(".ipynb") for test in tests):
        command += ["--nbval", "--nbval-kernel-name", "helpers-cpu"]
    return subprocess.run([*command, *tests], env=environment, cwd=project, capture_output=True, text=True, timeout=600)


def test_the_unbroken_copy_is_green(tmp_path: Path):
    run = run_pytest(copy_of_the_project(tmp_path), *{mutation.noticed_by for mutation in MUTATIONS.values()})
    assert run.returncode == pytest.ExitCode.OK, run.stdout + run.stderr


@pytest.mark.parametrize("name", MUTATIONS)
def test_broken_helpers_turn_the_suite_red(name: str, tmp_path: Path):
    mutation = MUTATIONS[name]
    path = copy_of_the_project(tmp_path) / mutation.file
    source = path.read_text(encoding="utf-8")
    assert source.count(mutation.right) == 1, f"{mutation.file} has changed: quote the code that is right again"
    path.write_text(source.replace(mutation.right, mutation.wrong), encoding="utf-8")
    run = run_pytest(tmp_path, mutation.noticed_by)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    assert "1 failed" in run.stdout, run.stdout
