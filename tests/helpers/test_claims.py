from __future__ import annotations

import numpy as np
import pytest

from helpers.claims import ClaimFailed, check_exercise, claim


def test_claim_prints_text_and_values(capsys):
    claim("Two is more than one", 2 > 1, two=2, ratio=2 / 3, share=0.00034, many=[0.5, 1])
    assert capsys.readouterr().out == "✔ Two is more than one   two=2  ratio=0.667  share=0.000340  many=[0.500, 1]\n"


def test_claim_that_fails_raises_with_its_values():
    with pytest.raises(ClaimFailed, match=r"✘ Pigs fly   height=0.0"):
        claim("Pigs fly", False, height=0.0)
    with pytest.raises(ClaimFailed):
        claim("Numpy's false is false", np.float32(0) > 1, value=0)


def test_claim_without_a_value_is_refused():
    with pytest.raises(ValueError, match="needs the values"):
        claim("Trust me", True)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(0.5, 0.5), (lambda: 3, 3), ([1.0, 2.0], [1, 2]), ("a", "a"), (7, lambda x: x > 5), (np.ones(2), np.ones(2))],
)
def test_right_answers(answer, expected, capsys):
    check_exercise("1", answer, expected)
    assert capsys.readouterr().out == "✔ Exercise 1: right.\n"


@pytest.mark.parametrize(("answer", "expected"), [(0.6, 0.5), ("b", "a"), ([1, 2, 3], [1, 2]), (4, lambda x: x > 5)])
def test_wrong_answers_get_the_hint(answer, expected):
    with pytest.raises(AssertionError, match=r"not yet.*Look again"):
        check_exercise("2", answer, expected, hint="Look again.")


@pytest.mark.parametrize("answer", [None, ..., lambda: None])
def test_no_answer_yet(answer):
    with pytest.raises(NotImplementedError, match="no answer yet"):
        check_exercise("3", answer, 1)
