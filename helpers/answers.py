"""How right is a passage's answer?

SQuAD's two scores, as its official scripts compute them: the answer word for word, and the words that two answers
share.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from helpers import errors

if TYPE_CHECKING:
    import pandas as pd


def normalise_answer(text: str) -> str:
    """An answer as SQuAD compares it: in lower case, without ASCII punctuation, articles and superfluous spaces.

    Mirrors ``normalize_answer`` of the official scripts (Rajpurkar et al. 2016, section 6.1).

    >>> normalise_answer("The  frogs' pond, a pond.")
    'frogs pond pond'
    """
    kept = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def exact_match(accepted: Sequence[str], predicted: str) -> float:
    """1 if the prediction equals one of the accepted answers after :func:`normalise_answer`, else 0.

    Without accepted answers the question has none, and only an empty prediction is right (SQuAD 2).
    """
    return float(normalise_answer(predicted) in _golds(accepted))


def span_f1(accepted: Sequence[str], predicted: str) -> float:
    """The F1 of the words that prediction and answer share, for the accepted answer that fits best.

    Words count as often as they occur, in any order, after :func:`normalise_answer`. An empty prediction, or a question
    without an answer, scores 1 if both are empty and else 0 (SQuAD 2).

    >>> span_f1(["the back of the oven", "his oven"], "back of his oven")
    0.8571428571428571
    """
    return max(_shared_words(normalise_answer(predicted).split(), gold.split()) for gold in _golds(accepted))


def answer_scores(answers: Sequence[Mapping[str, Sequence]], predicted: Sequence[str]) -> pd.DataFrame:
    """``exact_match`` and ``f1`` of every prediction, and whether the question is ``answerable``: a row each.

    Args:
        answers: as in SQuAD: dictionaries whose ``text`` lists the accepted answers.
        predicted: the answers' texts, empty for "no answer".
    """
    import pandas as pd

    rows = [
        (exact_match(answer["text"], text), span_f1(answer["text"], text), bool(answer["text"]))
        for answer, text in zip(answers, predicted, strict=True)
    ]
    return pd.DataFrame(rows, columns=["exact_match", "f1", "answerable"])


def _golds(accepted: Sequence[str]) -> list[str]:
    return [gold for gold in map(normalise_answer, errors.strings("accepted", accepted)) if gold] or [""]


def _shared_words(predicted: list[str], gold: list[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    return 2 * sum((Counter(predicted) & Counter(gold)).values()) / (len(predicted) + len(gold))
