"""Running chapters with Colab's packages; that they do run is `make test-colab`, which makes an environment for it."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import helpers
from tools import colab


def test_a_replaced_or_removed_package_is_found():
    before = {"numpy": "2.1.3", "torch": "2.11.0", "pandas": "2.2.3"}
    after = {"numpy": "2.4.6", "torch": "2.11.0", "new": "1.0"}
    assert colab.replacements(before, after) == ["numpy 2.1.3 by 2.4.6", "pandas 2.2.3 by nothing"]
    assert colab.replacements(before, before | {"new": "1.0"}) == []


def test_colab_has_what_the_book_requires():
    """Else the install cell would have to replace something."""
    project = tomllib.loads((colab.ROOT / "pyproject.toml").read_text())["project"]
    needed = [Requirement(line) for line in project["dependencies"]]
    there = colab.packages()
    assert {requirement.name for requirement in needed} <= set(there)
    for requirement in needed:
        assert requirement.specifier.contains(there[requirement.name]), str(requirement)


FREEZE = """\
# generated
google-colab @ file:///colabtools/dist/google_colab-1.0.0.tar.gz
numpy==2.1.3
scikit_learn==1.6.1
torch @ https://example.org/whl/cpu/torch-2.11.0%2Bcpu-cp313-cp313-manylinux_2_28_x86_64.whl
"""


@pytest.mark.parametrize("torch", ["torch==2.11.0+cu128", FREEZE.splitlines()[-1]])
def test_pins_are_renewed_from_what_colab_publishes(torch: str, tmp_path: Path):
    pins, freeze = tmp_path / "colab.txt", tmp_path / "freeze.txt"
    pins.write_text("# old\nnumpy==1.26.4\nscikit-learn==1.5.0\ntorch==2.6.0\n")
    freeze.write_text("\n".join([*FREEZE.splitlines()[:-1], torch]))
    colab.renew(freeze, datetime.date(2026, 8, 19), pins)
    assert colab.packages(pins) == {"numpy": "2.1.3", "scikit-learn": "1.6.1", "torch": "2.11.0"}
    assert "2026-08-19" in pins.read_text().splitlines()[0]


def test_a_list_that_lacks_a_package_leaves_the_pins_as_they_were(tmp_path: Path):
    pins, freeze = tmp_path / "colab.txt", tmp_path / "freeze.txt"
    pins.write_text("numpy==1.26.4\npeft==0.17.0\n")
    freeze.write_text(FREEZE)
    with pytest.raises(ValueError, match="lacks peft: is it a list by `pip freeze`"):
        colab.renew(freeze, datetime.date(2026, 8, 19), pins)
    assert colab.packages(pins) == {"numpy": "1.26.4", "peft": "0.17.0"}


def test_the_pins_say_of_which_day_they_are():
    head = colab.PINS.read_text(encoding="utf-8").splitlines()[0]
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", head)


def test_the_kernel_knows_colab_and_finds_the_book(tmp_path: Path):
    colab.write_kernel(Path("/usr/bin/python3"), tmp_path / "book.git", tmp_path)
    kernel = json.loads((tmp_path / "share" / "jupyter" / "kernels" / "colab" / "kernel.json").read_text())
    assert "--InteractiveShellApp.exec_lines=import google.colab" in kernel["argv"]
    assert kernel["env"]["GIT_CONFIG_KEY_0"] == f"url.{(tmp_path / 'book.git').as_uri()}.insteadOf"
    assert (tmp_path / "stand-in" / "google" / "colab" / "__init__.py").is_file()


def test_the_published_clone_carries_the_tag_of_this_version(tmp_path: Path):
    if not (colab.ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is nothing to publish")
    repository = colab.publish(tmp_path)
    tags = subprocess.run(["git", "-C", repository, "tag"], capture_output=True, text=True, check=True).stdout
    assert f"v{helpers.__version__}" in tags.split()


def test_an_unknown_chapter_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        colab.main(["start/99_nothing"])
    assert "no such chapter: start/99_nothing; there are" in capsys.readouterr().err
