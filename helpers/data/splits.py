"""How are rows cut into training, validation and test rows, so that no test row has been seen?

Rows that belong together stay together: those of one group, and those with the same text. The classes are spread alike
over the splits. Which row goes where depends on its text and the seed alone, so the cut is the same on every machine.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from helpers.errors import number, same_length

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


def same_text(text: str) -> str:
    """What two texts have in common that differ in case and blanks only."""
    return " ".join(text.casefold().split())


def cut(
    texts: Sequence[str],
    classes: Sequence[object],
    groups: Sequence[object] = (),
    shares: dict[str, float] | None = None,
    seed: int = 0,
) -> dict[str, list[int]]:
    """Row numbers by split.

    Args:
        texts, classes: of each row; the classes are spread alike. A class of one text goes to the training rows.
        groups: of each row; a group is never divided. Rows of the same text never are.
        shares: of the rows, by split; they are filled as well as whole groups allow.

    Raises ``ValueError`` where fewer units (groups, different texts) than splits are there.
    """
    number("seed", seed, whole=True)
    same_length(texts=texts, classes=classes, **({"groups": groups} if groups else {}))
    shares = shares or SHARES
    units = _units(texts, groups)
    if len(units) < len(shares):
        raise ValueError(f"{len(units)} different texts or groups cannot be cut into {', '.join(shares)}.")
    by_class: dict[object, list[list[int]]] = defaultdict(list)
    for unit in units:
        by_class[Counter(classes[row] for row in unit).most_common(1)[0][0]].append(unit)
    found: dict[str, list[list[int]]] = {split: [] for split in shares}
    for label in sorted(by_class, key=str):
        members = sorted(by_class[label], key=lambda unit: _lot(seed, texts[unit[0]]))
        total, given = sum(map(len, members)), dict.fromkeys(shares, 0)
        for unit in members:
            split = max(shares, key=lambda name: shares[name] * total - given[name])
            found[split].append(unit)
            given[split] += len(unit)
    for split in shares:
        if not found[split]:  # few large groups: the smallest that another split can do without
            source = max(found.values(), key=len)
            found[split].append(source.pop(min(range(len(source)), key=lambda place: len(source[place]))))
    return {split: sorted(row for unit in units for row in unit) for split, units in found.items()}


def _lot(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed} {same_text(text)}".encode()).digest()


def _units(texts: Sequence[str], groups: Sequence[object]) -> list[list[int]]:
    """Rows that are tied by a group or by a text, directly or through others."""
    leader = list(range(len(texts)))

    def lead(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    first: dict[object, int] = {}
    for row, text in enumerate(texts):
        for tie in [("text", same_text(text)), *([("group", groups[row])] if groups else [])]:
            leader[lead(row)] = lead(first.setdefault(tie, row))
    units: dict[int, list[int]] = defaultdict(list)
    for row in range(len(texts)):
        units[lead(row)].append(row)
    return list(units.values())
