"""What failed in a test run, as the text of an issue: python -m tools.failures REPORT.xml

Reads pytest's report (``--junitxml``), prints Markdown: which versions were installed, then each failed test or cell
with the first lines of its message.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from xml.etree import ElementTree

from tools.versions import installed

LINES = 12
# GitHub takes 65,536 characters; what lies beyond is in the run's log.
CHARACTERS = 60_000


def failed(report: Path) -> list[tuple[str, str]]:
    """Name and message of every test or cell that failed or could not be collected; ``ValueError`` if none ran."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    if not cases:
        raise ValueError(f"{report} has no test in it: the run ended before it began.")
    found = []
    for case in cases:
        for outcome in (*case.findall("failure"), *case.findall("error")):
            name = "::".join(part for part in (case.get("classname"), case.get("name")) if part)
            found.append((name, (outcome.text or outcome.get("message") or "").strip()))
    return found


def text(report: Path) -> str:
    """The issue, at most :data:`CHARACTERS` long."""
    parts = ["With " + ", ".join(" ".join(pair) for pair in installed().items()) + ":"]
    for name, message in failed(report):
        lines = message.splitlines()
        shown = "\n".join([*lines[:LINES], *(["…"] if len(lines) > LINES else [])]).replace("```", "'''")
        parts.append(f"### {name}\n\n```text\n{shown}\n```")
    if len(parts) == 1:
        parts.append("No test failed; the run did. Its log says where.")
    whole = "\n\n".join(parts) + "\n"
    return whole if len(whole) <= CHARACTERS else whole[:CHARACTERS] + "\n```\n\n… and more, see the run's log.\n"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.failures", description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path, metavar="REPORT.xml", help="what pytest --junitxml=REPORT.xml wrote")
    report = parser.parse_args(arguments).report
    if not report.is_file():
        print("The run left no report: it ended before its tests began. Its log says why.")
        return 0
    print(text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
