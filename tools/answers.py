"""What does a chapter answer before it begins?

Under its title a chapter has its question, and below that a quotation: the answer in at most sixty words, and the lines
of plain PyTorch that a reader can paste. The website makes a box of it, the finder lists it, a test runs its code, and
the students' edition leaves it out, since it would answer what they are asked to predict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MARK = "Short answer."
SHORT = 14  # words; a sentence with fewer says too little alone
_BOX = re.compile(rf"^> \*\*{re.escape(MARK)}\*\* (?:.*\n)(?:>.*(?:\n|\Z))*\n?", re.MULTILINE)
_CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\(([^)]+)\)")
_SENTENCE = re.compile(r"(?<=[.?!]) +(?=[A-Z`*])")


@dataclass(frozen=True)
class Answer:
    """One box: its Markdown text without the code, and the code."""

    text: str
    code: str

    @property
    def links(self) -> list[str]:
        """Where each line of the answer is shown."""
        return [target for _, target in _LINK.findall(self.text)]

    @property
    def words(self) -> int:
        """Words that a reader reads; a link counts as its text."""
        return len(_LINK.sub(r"\1", self.text).split())

    @property
    def beginning(self) -> str:
        """What the finder shows: the first sentence, and the second after a short one, without their links."""
        plain = re.sub(r" *\(\[[^\]]*\]\([^)]+\)\)", "", self.text)
        first, *rest = _SENTENCE.split(_LINK.sub(r"\1", plain))
        return " ".join([first, *rest[:1]]) if len(first.split()) < SHORT else first


def read(first_cell: str) -> Answer | None:
    """The answer in a chapter's first cell; ``None`` if it has none."""
    found = _BOX.search(first_cell)
    if found is None:
        return None
    lines = [re.sub(r"^> ?", "", line) for line in found[0].strip().splitlines()]
    content = "\n".join(lines) + "\n"
    code = _CODE.search(content)
    text = _CODE.sub("", content).replace(f"**{MARK}**", "")
    return Answer(" ".join(text.split()), code[1] if code else "")


def remove(first_cell: str) -> str:
    """The cell without its answer.

    >>> remove("# Title\\n\\n*Why?*\\n\\n> **Short answer.** So.\\n>\\n> ```python\\n> x = 1\\n> ```\\n\\nText.")
    '# Title\\n\\n*Why?*\\n\\nText.'
    """
    return _BOX.sub("", first_cell)
