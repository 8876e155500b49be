"""A test suite is worth what it notices: break ``helpers`` in a way that goes wrong in practice, and it must turn red.

Each mutation is applied to a copy of the project in which the tests, or the notebook, that must notice it then run. To
add one: name what is broken, the function, its piece of code that is right and the one that is wrong, and say who must
notice. How a piece is found: tests/mutants.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants import Mutation, mutate
from tests.samples import code, notebook, stdout, write

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("helpers", "tests", "tools", "book", "conftest.py", "pyproject.toml")


FORGETS_BATCHNORM = "for part in module.modules():\n    part.training = isinstance(part, nn.BatchNorm1d)"
WITHOUT_CORRECTION = """
optimizer = torch.optim.AdamW(groups, lr=learning_rate, fused=True)
for p in (p for group in optimizer.param_groups for p in group["params"]):
    moments = {name: torch.zeros_like(p) for name in ("exp_avg", "exp_avg_sq")}
    optimizer.state[p] = moments | {"step": torch.tensor(1e6)}  # the correction has faded out
return optimizer
"""
MUTATIONS = {
    "labels shifted by one": Mutation(
        "helpers/batching/__init__.py",
        "encode",
        right='encoded["labels"] = labels[start : start + len(rows[columns[0]])]',
        wrong='encoded["labels"] = [labels[start - 1], *labels[start : start + len(rows[columns[0]]) - 1]]',
        noticed_by="tests/helpers/test_batching.py::test_encode_keeps_text_and_label",
    ),
    "mask ignored in training": Mutation(
        "helpers/training.py",
        "forward",
        right="model(**batch)",
        wrong='model(**batch | {"attention_mask": None})',
        noticed_by="tests/helpers/test_padding.py::test_the_loss_in_training_does_not_depend_on_the_padding",
    ),
    "mask ignored in prediction": Mutation(
        "helpers/evaluation.py",
        "predict",
        right="model(**batch)",
        wrong='model(**batch | {"attention_mask": None})',
        noticed_by="tests/helpers/test_padding.py::test_predictions_do_not_depend_on_the_padding",
    ),
    "bias correction off": Mutation(
        "helpers/optimizers.py",
        "adamw",
        right="return torch.optim.AdamW(groups, lr=learning_rate, fused=True)",
        wrong=WITHOUT_CORRECTION,
        noticed_by="tests/helpers/test_training.py::test_fit_equals_a_bare_loop",
    ),
    "bias correction off in the optimizer to read": Mutation(
        "helpers/optimizers.py",
        "Adam._move",
        right='group["corrected"]',
        wrong="False",
        noticed_by="tests/helpers/test_optimizers.py::test_own_adam_takes_the_steps_of_the_library",
    ),
    "fit clips nothing": Mutation(
        "helpers/training.py",
        "fit",
        right="nn.utils.clip_grad_norm_(held, max_grad_norm)",
        wrong="nn.utils.clip_grad_norm_(held, float('inf'))",
        noticed_by="tests/helpers/test_training.py::test_no_step_is_longer_than_the_clipped_gradient",
    ),
    "fit leaves frozen parts in train mode": Mutation(
        "helpers/training.py",
        "fit",
        right="freezing.eval_frozen(model)",
        wrong="pass",
        noticed_by="tests/helpers/test_training.py::test_a_frozen_body_has_no_dropout_while_the_head_learns",
    ),
    "batches ignore their seed": Mutation(
        "helpers/batching/__init__.py",
        "BucketBatches.__init__",
        right="self.seed = seed",
        wrong="self.seed = 0",
        noticed_by="tests/helpers/test_batching.py::test_the_seed_of_the_batches_decides_their_order",
    ),
    "freeze forgets BatchNorm": Mutation(
        "helpers/freezing.py",
        "eval_frozen",
        right="module.eval()",
        wrong=FORGETS_BATCHNORM,
        noticed_by="tests/helpers/test_freezing.py::test_batchnorm_statistics_of_a_frozen_part_hold_still",
    ),
    "freeze forgets BatchNorm, as a notebook sees it": Mutation(
        "helpers/freezing.py",
        "eval_frozen",
        right="module.eval()",
        wrong=FORGETS_BATCHNORM,
        noticed_by="sample.ipynb",
    ),
    "freeze forgets dropout": Mutation(
        "helpers/freezing.py",
        "eval_frozen",
        right="module.eval()",
        wrong="pass",
        noticed_by="tests/helpers/test_freezing.py::test_frozen_modules_are_in_eval_mode_and_the_rest_in_train_mode",
    ),
}


# Loading the libraries takes longer than any of these tests, so one process loads them and forks for every copy. It
# reads pairs of a folder and pytest's arguments, and answers with pytest's exit codes.
RUN_ALL = """
import gc, json, os, sys
import accelerate, datasets, hypothesis, nbval.plugin, sklearn.metrics, transformers.models.bert.modeling_bert
import pytest
from transformers import Trainer

gc.freeze()
codes = []
for folder, arguments in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.environ["PYTHONPATH"] = folder
        sys.path.insert(0, folder)
        with open("report.txt", "w") as report:
            os.dup2(report.fileno(), 1)
            os.dup2(report.fileno(), 2)
            code = pytest.main(arguments)
            sys.stdout.flush()
            os._exit(code)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""
UNBROKEN = "nothing"

# What a chapter does, small: measure something with helpers and print it.
SAMPLE = notebook(
    code("import torch\nfrom torch import nn\nfrom helpers import freezing"),
    code(
        "model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))\n"
        "freezing.freeze(model, '0', '1')\n"
        "model(torch.ones(8, 3))\n"
        "print('the running mean has moved:', model[1].running_mean.any().item())",
        stdout("the running mean has moved: False\n"),
    ),
)


def copy_of_the_project(folder: Path) -> Path:
    """Code, tests and notebooks, without anything that was built or compiled, and with the sample notebook."""
    ignore = shutil.ignore_patterns("__pycache__", "_build", ".ipynb_checkpoints")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    write(SAMPLE, folder / "sample.ipynb")
    return folder


def arguments(*tests: str) -> list[str]:
    """What pytest needs to run these tests and notebooks, up to the first failure."""
    notebooks = any(test.endswith(".ipynb") for test in tests)
    nbval = ["--nbval", "--nbval-current-env"] if notebooks else []
    return ["-x", "-q", "-p", "no:cacheprovider", *nbval, *tests]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """pytest's exit code and report, for every mutation and for the unbroken project."""
    runs = {UNBROKEN: arguments(*sorted({mutation.noticed_by for mutation in MUTATIONS.values()}))}
    runs |= {name: arguments(mutation.noticed_by) for name, mutation in MUTATIONS.items()}
    folders = {name: copy_of_the_project(tmp_path_factory.mktemp("project")) for name in runs}
    for name, mutation in MUTATIONS.items():
        path = folders[name] / mutation.file
        source = path.read_text(encoding="utf-8")
        path.write_text(mutate(source, mutation.function, mutation.right, mutation.wrong), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    run = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps([(str(folders[name]), runs[name]) for name in runs]),
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path_factory.mktemp("empty"),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    codes = json.loads(run.stdout.splitlines()[-1])
    reports = [(folder / "report.txt").read_text() for folder in folders.values()]
    return dict(zip(runs, zip(codes, reports, strict=True), strict=True))


def test_the_unbroken_copy_is_green(outcomes: dict[str, tuple[int, str]]):
    code, report = outcomes[UNBROKEN]
    assert code == pytest.ExitCode.OK, report


@pytest.mark.parametrize("name", MUTATIONS)
def test_broken_helpers_turn_the_suite_red(name: str, outcomes: dict[str, tuple[int, str]]):
    code, report = outcomes[name]
    assert code == pytest.ExitCode.TESTS_FAILED, report
    assert "1 failed" in report, report


SOURCE = """
def f(x):  # a comment
    return (x
            / 2)

class A:
    def f(self, x):
        self.g()
        if x / 2: return x
"""


@pytest.mark.parametrize(
    ("function", "right", "wrong", "becomes"),
    [
        ("f", "x/2", "x / 3", "return x / 3"),
        ("f", "return x / 2", "y = x\nreturn y", "    y = x\n    return y"),
        ("A.f", "self.g()", "pass", "        pass\n        if x / 2"),
        ("A.f", "self.g()", "self.h()", "        self.h()\n"),
    ],
)
def test_a_piece_is_found_by_what_it_means(function: str, right: str, wrong: str, becomes: str):
    assert becomes in mutate(SOURCE, function, right, wrong)


@pytest.mark.parametrize(
    ("function", "right", "says"),
    [("f", "x / 4", "0 times"), ("A.f", "x", "times instead of once"), ("A.h", "x", "There is no A.h: h is not there")],
)
def test_a_piece_that_is_not_there_once_is_refused(function: str, right: str, says: str):
    with pytest.raises(ValueError, match=says):
        mutate(SOURCE, function, right, "0")
