"""When does a claim fall?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tools.doubt import rows
from tools.doubt.catalogue import NOTHING, load

SHOWN = 3  # reasons printed beside a claim
Felled = dict[tuple[str, str], list[str]]


def felled(measured: Iterable[rows.Row], harmless: bool = False) -> Felled:
    """By chapter and sentence, the faults that felled the claim; first those that felled few others.

    Args:
        harmless: of what a claim must survive, instead of faults.
    """
    faults = load()
    kept = [row for row in measured if row["fault"] in faults and faults[row["fault"]].harmless == harmless]
    found: Felled = {}
    for row in sorted(kept, key=lambda row: (len(row["fell"]), row["fault"])):
        for claim in row["fell"]:
            found.setdefault((row["chapter"], claim), []).append(row["fault"])
    return found


def reasons(measured: Felled, chapter: str, claim: str) -> str:
    """What the ledger says beside a claim: up to three faults under which it was seen failing."""
    found = measured.get((chapter, claim), [])
    return f"falls when: {'; '.join(found[:SHOWN])}" if found else "not yet seen failing"


def standing(claims: Mapping[str, set[str]], path: Path = rows.FILE) -> set[tuple[str, str]]:
    """The claims that nothing felled so far, by chapter and sentence."""
    seen = felled(rows.read(path)).keys()
    return {(chapter, claim) for chapter, texts in claims.items() for claim in texts} - seen


def calls(chapter: str, measured: Iterable[rows.Row]) -> set[str]:
    """The functions of ``helpers`` that the chapter called when nothing was broken; none before that was measured."""
    control = next((row for row in measured if row["chapter"] == chapter and row["fault"] == NOTHING.name), None)
    return set(control["calls"]) if control else set()
