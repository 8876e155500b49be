"""What CI runs: every step can turn it red, and it installs what is missing and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STEPS = ("lint", "workflows", "test", "book", "test-site", "test-colab", "test-stick")
PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver", "npm": "npm"}

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None or os.name == "nt", reason="CI's scripts take bash on Linux or macOS"
)


def program(folder: Path, name: str, script: str) -> None:
    """A program of this name in the folder, written for the shell."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_ci_runs_every_check():
    script = (ROOT / ".ci" / "run").read_text()
    assert tuple(re.findall(r"^step \S+ make (\S+)", script, re.MULTILINE)) == STEPS
    assert all(os.access(ROOT / ".ci" / name, os.X_OK) for name in ("run", "browser"))


@pytest.mark.parametrize(("broken", "status"), [("none", 0), *((step, 1) for step in STEPS)])
def test_ci_fails_where_a_step_fails_and_shows_how_the_tests_ended(broken: str, status: int, tmp_path: Path):
    for name in PACKAGES:
        program(tmp_path, name, "exit 0")
    program(tmp_path, "make", f'echo "===== 3 passed in 0.12s ====="\n[ "$1" != "{broken}" ]')
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run([ROOT / ".ci" / "run"], env=environment, capture_output=True, text=True)
    assert run.returncode == status, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1] == "===== 3 passed in 0.12s ====="


def browser(folder: Path, here: tuple[str, ...], user: int, refused: str = "") -> tuple[int, str, list[str]]:
    """Run .ci/browser on a machine that has these programs; its status, its output and what apt was asked to install.

    apt cannot install the package ``refused``, as it cannot install Debian's npm beside Node's own.
    """
    asked = folder / "asked"
    asked.touch()
    (folder / "bin").mkdir()
    program(folder / "bin", "id", f"echo {user}")
    for name in here:
        program(folder / "bin", name, "exit 0")
    if "apt-get" in here:
        script = (
            f'[ "$1" = update ] && exit 0\nfor last; do :; done\necho "$last" >> {asked}\n[ "$last" != "{refused}" ]'
        )
        program(folder / "bin", "apt-get", script)
    bash = shutil.which("bash")
    assert bash is not None
    environment = {"PATH": str(folder / "bin")}
    run = subprocess.run([bash, ROOT / ".ci" / "browser"], env=environment, capture_output=True, text=True)
    return run.returncode, run.stdout, asked.read_text().split()


@pytest.mark.parametrize(
    ("here", "wanted"),
    [
        ((), ["chromium", "chromium-driver", "npm"]),
        (("npm",), ["chromium", "chromium-driver"]),
        (("npm", "google-chrome"), ["chromium-driver"]),
        (("chromium", "chromedriver"), ["npm"]),
        (("npm", "chromium-browser", "chromedriver"), []),
        (tuple(PACKAGES), []),
    ],
)
def test_ci_installs_only_what_is_missing(here: tuple[str, ...], wanted: list[str], tmp_path: Path):
    status, output, asked = browser(tmp_path, ("apt-get", *here), user=0)
    assert (status, asked) == (0, wanted)
    assert wanted or output == "A browser, its driver and npm are here.\n"


def test_a_package_that_apt_refuses_does_not_keep_the_others_away(tmp_path: Path):
    status, _, asked = browser(tmp_path, ("apt-get",), user=0, refused="chromium")
    assert (status, asked) == (1, ["chromium", "chromium-driver", "npm"])


@pytest.mark.parametrize(("here", "user"), [(("apt-get", "npm"), 1000), (("npm",), 0)])
def test_without_root_or_apt_ci_says_what_is_missing(here: tuple[str, ...], user: int, tmp_path: Path):
    status, output, asked = browser(tmp_path, here, user)
    assert (status, asked) == (0, [])
    assert output.startswith("Missing: chromium chromium-driver. It takes root and apt-get")


def test_a_user_who_has_all_needs_no_root(tmp_path: Path):
    assert browser(tmp_path, ("apt-get", *PACKAGES), user=1000) == (0, "A browser, its driver and npm are here.\n", [])
