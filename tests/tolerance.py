"""When do the outputs of a cell, run again, agree with the stored ones?

Readers' machines round differently, so numbers that a training run ends in cannot be compared digit by digit, and
comparing them loosely everywhere would let real changes through. The rules, applied to standard output, text, HTML
and the messages of errors:

- Words must be the same. How far they stand apart does not matter: any run of white space counts as one space, and a
  rule of dashes may have any length, because a table's columns are as wide as its longest number.
- Integers must be the same. A number is an integer if both sides print it without a point and without an exponent.
- Any other two numbers a, b agree if |a − b| ≤ tolerance + one unit of the last printed digit. The tolerance is
  0.001 · max(|a|, |b|); in a cell tagged ``tol-0.03`` it is 0.03 · max(1, |a|, |b|), so that the tag bounds the
  absolute and the relative difference, whichever is larger. The unit keeps a value that lies between two roundings
  from failing; it counts where at least two digits are printed besides a leading zero, so 0.1 and 0.2 never agree.
- ``nan`` agrees with ``nan`` alone, ``inf`` with ``inf`` alone.
- Digits inside a word or a dotted name (``layer11``, ``encoder.layer.11``, ``2.13.0``) are words.
- A picture must be there, but may differ. Standard error is not compared.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tools.hygiene import TOLERANCE_TAG

RELATIVE = Decimal("0.001")

_NUMBER = re.compile(
    r"""(?<![\w.])                                  # not inside a word or a dotted name
        (?:(?<![)\]])[-+−])?                        # a sign, unless it joins two numbers
        (?: (?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?    # 12, 12., 12.5, 22,713,216
          | \.\d+ )
        (?:[eE][-+]?\d{1,3}(?!\w))?
        (?!\d|\.\w)                                 # nor followed by the rest of one
      | (?<![\w.])(?:[-+−])?(?:nan|inf)\b           # what pandas, numpy and Python call these
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CONTEXT = 30


@dataclass(frozen=True)
class Tolerance:
    """How far two floats may be apart: ``share · max(floor, |a|, |b|)``, plus one unit of the last printed digit."""

    share: Decimal = RELATIVE
    floor: Decimal = Decimal(0)

    @classmethod
    def of(cls, tags: Iterable[str]) -> Tolerance:
        """The tolerance of a cell with these tags; see the module's rules."""
        for tag in tags:
            if found := TOLERANCE_TAG.fullmatch(tag):
                return cls(Decimal(found[1]), Decimal(1))
        return cls()

    def limit(self, stored: str, new: str) -> Decimal:
        """The largest difference at which these two printed numbers agree; 0 for integers and special values."""
        a, b = _value(stored), _value(new)
        if not (a.is_finite() and b.is_finite()) or (_integral(stored) and _integral(new)):
            return Decimal(0)
        return self.share * max(self.floor, abs(a), abs(b)) + min(_unit(stored), _unit(new))

    def agree(self, stored: str, new: str) -> bool:
        """Do two printed numbers agree?"""
        a, b = _value(stored), _value(new)
        if a.is_nan() or b.is_nan():
            return a.is_nan() and b.is_nan()
        if a.is_infinite() or b.is_infinite():
            return a == b
        return abs(a - b) <= self.limit(stored, new)


def difference(stored: Iterable[Mapping], new: Iterable[Mapping], tolerance: Tolerance) -> str | None:
    """How the new outputs of a cell differ from the stored ones, in words; ``None`` if they agree."""
    before, after = _by_kind(stored), _by_kind(new)
    for kind in sorted(before.keys() | after.keys()):
        if len(before[kind]) != len(after[kind]):
            return f"{kind}: stored {_count(before[kind])}, now {_count(after[kind])}"
        if kind.startswith("image/"):
            continue
        for old_text, new_text in zip(before[kind], after[kind], strict=True):
            if found := text_difference(old_text, new_text, tolerance):
                return f"{kind}: {found}"
    return None


def text_difference(stored: str, new: str, tolerance: Tolerance) -> str | None:
    """How one text differs from another, in words; ``None`` if they agree."""
    if found := _first_difference(_words(stored), _words(new)):
        return "the text differs:\n    stored  {}\n    now     {}".format(*found)
    pairs = zip(_NUMBER.finditer(stored), _NUMBER.finditer(new), strict=True)
    for position, (old, now) in enumerate(pairs, 1):
        if not tolerance.agree(old[0], now[0]):
            limit = tolerance.limit(old[0], now[0])
            allowed = f"they may differ by {limit:.3g}" if limit else "they must be equal"
            context = " ".join(stored[max(old.start() - _CONTEXT, 0) : old.end() + _CONTEXT].split())
            return f"number {position} was {old[0]} and is now {now[0]}; {allowed}\n    in      … {context} …"
    return None


def _by_kind(outputs: Iterable[Mapping]) -> defaultdict[str, list[str]]:
    """All texts of the outputs that are compared, by kind, in order; standard output is one text."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            if output["name"] == "stdout":
                found["stdout"] = ["".join([*found["stdout"], output["text"]])]
        elif kind == "error":
            found["error"].append(f"{output['ename']}: {output['evalue']}")
        else:
            for mime, content in output["data"].items():
                found[mime].append(content if isinstance(content, str) else json.dumps(content, sort_keys=True))
    return found


def _count(texts: list[str]) -> str:
    return f"{len(texts)} output{'s' * (len(texts) != 1)}" if texts else "nothing"


def _words(text: str) -> str:
    """The text with every number replaced by ``#`` and its layout made uniform."""
    text = re.sub(r"\s+", " ", _NUMBER.sub("#", text)).strip()
    text = re.sub(r"([\[(]) | (?=[\])])", r"\1", text)
    return re.sub(r"([-─═━=])\1+", r"\1\1", text)


def _first_difference(stored: str, new: str) -> tuple[str, str] | None:
    """The surroundings of the first character in which two texts differ."""
    if stored == new:
        return None
    shorter = min(len(stored), len(new))
    at = next((i for i in range(shorter) if stored[i] != new[i]), shorter)
    begin, end = max(at - _CONTEXT, 0), at + _CONTEXT
    return f"…{stored[begin:end]}…", f"…{new[begin:end]}…"


def _value(printed: str) -> Decimal:
    return Decimal(printed.replace(",", "").replace("−", "-"))


def _integral(printed: str) -> bool:
    return _value(printed).is_finite() and not set(".eE") & set(printed)


def _unit(printed: str) -> Decimal:
    """One unit of the last printed digit; 0 where it says little about how precisely the number is known."""
    mantissa = re.split("[eE]", printed)[0].lstrip("+-−").lstrip("0")
    digits = sum(character.isdigit() for character in mantissa)
    return Decimal(1).scaleb(_value(printed).as_tuple().exponent) if digits >= 2 else Decimal(0)
