"""What the website needs of the experiments, it needs without PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROGRAM = """
import importlib, json, sys
sys.path.append("book/_ext")
from book_site import evidence
made = 0
for name, functions in {shown}:
    report = importlib.import_module(f"experiments.{{name}}.report")
    rows = json.load(open(f"book/evidence/{{name}}.json", encoding="utf-8"))
    for function in functions:
        if function == "picture":
            report.picture(rows, then=lambda figure, alt: None)
        else:
            made_by, *words = function.split()
            assert len(getattr(report, made_by)(rows, *words))
        made += 1
assert not {{"torch", "transformers", "accelerate", "datasets"}} & set(sys.modules)
print(made)
"""


def test_tables_and_pictures_are_made_without_pytorch():
    from tests.experiments.test_evidence import shown_tables

    shown: dict[str, list[str]] = {}
    for name, _, function in shown_tables():
        shown.setdefault(name, []).append(function)
    assert len(shown) >= 8
    command = [sys.executable, "-c", PROGRAM.format(shown=list(shown.items()))]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == sum(map(len, shown.values()))
