"""Break what the chapters use, one fault at a time, and keep which of their claims fall.

    python -m tools.doubt                                      measure what is missing: hours; Ctrl-C keeps what is done
    python -m tools.doubt --chapters heads/01 --faults mask    only these, by a part of their names
    python -m tools.doubt --show                               what was not seen failing yet, and what is fragile
    python -m tools.doubt --prune                              drop the rows of what is gone: claims, chapters, faults

Nothing else writes the file of rows meanwhile. Cheap chapters come first, and of the faults those that felled most.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

from tools import outline
from tools.doubt import rows, trial, verdict
from tools.doubt.catalogue import NOTHING, Fault, load, touches
from tools.outline import Chapter


def chapters() -> list[Chapter]:
    """All chapters that claim something, cheap ones first."""
    found = [chapter for part in outline.parts().values() for chapter in part if chapter.claims]
    return sorted(found, key=lambda chapter: chapter.seconds)


def sentences(of: Sequence[Chapter]) -> dict[str, set[str]]:
    """What each chapter claims."""
    return {chapter.name: {claim.text for claim in chapter.claims} for chapter in of}


def due(faults: Sequence[Fault], chapter: Chapter, measured: Sequence[rows.Row]) -> list[Fault]:
    """The faults that touch the chapter and have no row for it as it is now: its own first, then the telling ones."""
    there = {row["fault"]: row["key"] for row in measured if row["chapter"] == chapter.name}
    telling = Counter({fault.name: 0 for fault in faults})
    for row in measured:
        telling[row["fault"]] += len(row["fell"])
    calls = verdict.calls(chapter.name, measured)
    ordered = sorted(faults, key=lambda fault: (not fault.chapter, -telling[fault.name]))
    touching = [fault for fault in ordered if touches(fault, chapter.name, calls)]
    return [fault for fault in touching if there.get(fault.name) != rows.key(fault, chapter)]


def measure(of: Sequence[Chapter], faults: Sequence[Fault], jobs: int, path: Path = rows.FILE) -> None:
    """Measure what is due and store each row as soon as it is there.

    Each chapter runs without a fault first. One of which a claim falls then is left out: it would tell nothing.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // jobs, 1)))
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for chapter in of:
            place = chapter.name, chapter.path.parents[len(Path(chapter.name).parts) - 1]
            if due([NOTHING], chapter, rows.read(path)):
                control = trial.of_task((NOTHING, *place, folder))
                if broken := control["fell"] + control["missed"]:
                    print(f"{chapter.name} is left out: without any fault this fails: {broken}", file=sys.stderr)
                    continue
                rows.store([control], path)
            tasks = [(fault, *place, folder) for fault in due(faults, chapter, rows.read(path))]
            with tqdm(total=len(tasks), desc=chapter.name, unit="fault", file=sys.stderr) as bar:
                for row in pool.imap_unordered(trial.of_task, tasks):
                    rows.store([row], path)
                    bar.set_postfix_str(f"{row['fault']}: {len(row['fell'])} fell", refresh=False)
                    bar.update()


def show(of: Sequence[Chapter], faults: dict[str, Fault], measured: list[rows.Row]) -> str:
    """What was not seen failing, by chapter, and what falls with what it must survive."""
    lines = []
    seen, fragile = verdict.felled(measured), verdict.felled(measured, harmless=True)
    for chapter in of:
        left = [claim.text for claim in chapter.claims if (chapter.name, claim.text) not in seen]
        measured_once = any(row["chapter"] == chapter.name for row in measured)
        open_ = len(due([NOTHING, *faults.values()], chapter, measured))
        state = ("in part" if open_ else "whole") if measured_once else "not begun"
        lines.append(f"{chapter.name} ({state}): {len(left)} of {len(chapter.claims)} not yet seen failing")
        lines += [f"    {text}" for text in left]
        lines += [
            f"  ! {claim.text} falls when: {'; '.join(fragile[chapter.name, claim.text])}"
            for claim in chapter.claims
            if (chapter.name, claim.text) in fragile
        ]
    total = sum(len(chapter.claims) for chapter in of)
    left_all = len(verdict.standing(sentences(of)))
    return "\n".join([*lines, f"{left_all} of {total} claims not yet seen failing"])


def prune(of: Sequence[Chapter], faults: dict[str, Fault], path: Path = rows.FILE) -> int:
    """Drop the rows that speak of nothing that is there now; returns how many."""
    there, known = sentences(of), faults | {NOTHING.name: NOTHING}
    measured = rows.read(path)
    kept = [row for row in measured if not rows.stale(row, known, there)]
    rows.write(kept, path)
    return len(measured) - len(kept)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.doubt", description=__doc__.splitlines()[0])
    parser.add_argument("--chapters", nargs="+", default=[""], metavar="PART", help="parts of the names of chapters")
    parser.add_argument("--faults", nargs="+", default=[""], metavar="WORDS", help="parts of the names of faults")
    parser.add_argument("--jobs", type=int, default=1, help="chapters at the same time; the cores are divided")
    parser.add_argument("--show", action="store_true", help="measure nothing, print what was not seen failing")
    parser.add_argument("--prune", action="store_true", help="measure nothing, drop rows of what is gone")
    options = parser.parse_args(arguments)
    of = [chapter for chapter in chapters() if any(part in chapter.name for part in options.chapters)]
    faults = load()
    chosen = [fault for fault in faults.values() if any(words in fault.name for words in options.faults)]
    if not of or not chosen:
        parser.error("no such chapter" if not of else "no such fault")
    if options.prune:
        print(f"{prune(chapters(), faults)} rows dropped")
    elif options.show:
        print(show(of, faults, rows.read()))
    else:
        try:
            measure(of, chosen, options.jobs)
        except KeyboardInterrupt:
            print("Stopped; what was measured is kept, and the next run goes on from there.", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
