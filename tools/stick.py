"""The book for a room without internet: everything on a stick, and one command that installs from it.

    python -m tools.stick [--output FOLDER]    collect (needs the index, once)
    python install.py                          install, on the stick, without any network

Collects wheels of the book and of all it needs, for the operating system and the Python that collect, the chapters with
the students' and the instructors' editions, and the website if it was built. Copy the folder to the stick as it is.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from tools import editions
from tools.notebooks import BOOK

ROOT = BOOK.parent
OUTPUT = ROOT / "_build" / "stick"
INSTALLER = '''\
"""Installs the book from this folder, without a network: python install.py [FOLDER]

Makes a virtual environment in FOLDER, by default .venv beside this file, and ends with a check of what is there.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT_FOR = {python!r}
if sys.version_info[:2] != BUILT_FOR:
    sys.exit("These packages are for Python {dotted}, and this is Python %d.%d." % sys.version_info[:2])
target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / ".venv"
subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
python = target / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
install = [str(python), "-m", "pip", "install", "-q", "--no-index", "--find-links", str(HERE / "wheels")]
subprocess.run([*install, "bert-finetuning-book[all]"], check=True)
status = subprocess.run([str(python), "-m", "helpers.check"]).returncode
if status == 0:
    print("\\nNow:", python, "-m jupyter lab", HERE / "chapters")
sys.exit(status)
'''


def collect(output: Path = OUTPUT) -> None:
    """Fill ``output``, whole or not at all: wheels, chapters, editions, website and installer."""
    beside = output.with_name(f"{output.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "-w", str(beside / "wheels")]
    subprocess.run([*wheel, "-c", str(ROOT / "constraints.txt"), f"{ROOT}[all]"], check=True)
    shutil.copytree(BOOK, beside / "chapters", ignore=_no_chapter)
    editions.write(beside / "workshop")
    if (site := ROOT / "_build" / "html").is_dir():
        shutil.copytree(site, beside / "website")
    python = tuple(sys.version_info[:2])
    installer = INSTALLER.format(python=python, dotted=".".join(map(str, python)))
    (beside / "install.py").write_text(installer, encoding="utf-8")
    shutil.rmtree(output, ignore_errors=True)
    beside.rename(output)


def _no_chapter(folder: str, names: list[str]) -> list[str]:
    """What ``copytree`` leaves out: everything but folders and notebooks, and folders with neither."""
    return [
        name
        for name in names
        if not name.endswith(".ipynb") and not any(path for path in Path(folder, name).rglob("*.ipynb"))
    ]


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.stick", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT, help="default _build/stick")
    output = parser.parse_args(arguments).output
    collect(output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{output}: {size / 1e9:.1f} GB. Copy it to the stick; there, run: python install.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
