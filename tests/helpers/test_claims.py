from __future__ import annotations

import numpy as np
import pytest
import torch

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


@pytest.mark.parametrize("true", [True, np.bool_(True), np.array(True), torch.tensor(True), torch.ones(2).all()])
def test_truth_values_of_all_libraries(true, capsys):
    claim("It holds", true, a=1)
    assert capsys.readouterr().out == "✔ It holds   a=1\n"
    with pytest.raises(ClaimFailed):
        claim("It does not", ~true if true is not True else False, a=1)


@pytest.mark.parametrize(
    "holds",
    [
        float("nan"), 1, 0, 1.0, "yes", "", None, [], [False], (False,), {}, {"a": 1}, np.ones(1, dtype=bool),
        np.ones(2, dtype=bool), torch.ones(1, dtype=torch.bool), torch.tensor(1.0), np.int64(1), lambda: False,
        (x > 5 for x in [1, 2]), 1 + 0j,
    ],
)  # fmt: skip
def test_what_is_no_truth_value_is_refused(holds):
    with pytest.raises(TypeError, match="holds must be True or False, got") as refusal:
        claim("It holds", holds, a=1)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", [True, None, 3, ["a"]])
def test_text_and_holds_swapped(text):
    with pytest.raises(TypeError, match="begins with its text"):
        claim(text, "It holds", a=1)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([], 5), ([], [1]), (0, [0, 0, 0]), ([0, 0, 0], 0), ("3", 3), (3, "3"), (True, 1), (1, True), (0.0, False),
        ([[1, 2]], [1, 2]), ([1.0], 1.0), ("True", True), (float("nan"), 1.0), (np.ones(3), np.ones((3, 1))),
        (["a"], "a"), ({}, 0), (False, True), ([1, [2]], [1, 2]), (torch.ones(2), 1.0), (b"a", "a"),
    ],
)  # fmt: skip
def test_answers_of_another_kind_or_shape_are_wrong(answer, expected):
    with pytest.raises(AssertionError, match="not yet"):
        check_exercise("4", answer, expected)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (torch.ones(2, dtype=torch.bfloat16, requires_grad=True), [1, 1]), (np.float32(3), 3),
        (3.0, 3), ((1, 2), [1, 2]),
        (np.bool_(True), True), (float("nan"), float("nan")), ({"a": 1}, {"a": 1}), ({1, 2}, {2, 1}), ([], []),
        ([1, [2]], [1, [2]]), (("steps", 4), ("steps", 4)),
    ],
)  # fmt: skip
def test_answers_of_other_types_that_are_right(answer, expected):
    check_exercise("5", answer, expected)
