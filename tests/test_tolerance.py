"""The rules by which stored and new outputs are compared, one by one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerance import Tolerance, difference, text_difference

DEFAULT = Tolerance()
LOOSE = Tolerance.of(["hide-input", "tol-0.03"])


def stdout(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def shown(**data: str) -> dict:
    return {
        "output_type": "display_data",
        "metadata": {},
        "data": {kind.replace("_", "/"): content for kind, content in data.items()},
    }


@pytest.mark.parametrize(
    ("stored", "new", "default", "loose"),
    [
        ("0.9731", "0.9731", True, True),
        ("0.9731", "0.9739", True, True),  # within 0.001 of it
        ("0.9731", "0.9751", False, True),
        ("0.9731", "0.9331", False, False),
        ("0.0101", "0.0391", False, True),  # the tag allows 0.03, not 0.03 of 0.0101
        ("131.2", "134.9", False, True),  # and 0.03 of 131.2, not 0.03
        ("0.97", "0.98", True, True),  # neighbours: one value between them prints as either
        ("0.97", "0.99", False, True),
        ("12.5", "12.6", True, True),
        ("0.1", "0.2", False, False),  # one digit says too little for that excuse
        ("1e-05", "2e-05", False, True),
        ("1.00e-05", "1.01e-05", True, True),
        ("17", "18", False, False),
        ("100000", "100001", False, False),
        ("22,713,216", "22,713,217", False, False),
        ("1.", "2.", False, False),  # NumPy's way to print integral floats
        ("1.", "0.9999", True, True),
        ("0.5", "-0.5", False, False),
        ("−0.5", "-0.5", True, True),
        ("nan", "nan", True, True),
        ("nan", "0.5", False, False),
        ("0.5", "nan", False, False),
        ("inf", "inf", True, True),
        ("inf", "-inf", False, False),
        ("inf", "1e300", False, False),
    ],
)
def test_numbers(stored, new, default, loose):
    assert DEFAULT.agree(stored, new) == default
    assert LOOSE.agree(stored, new) == loose


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("a   0.50\nb  12.25", "a 0.5001\nb    12.25"),
        ("  name  x\n------  -\nlayer  1", "name x\n--------- -\nlayer 1"),
        ("name\n━━━━━━━━\n", "name\n━━━━\n"),
        ("[ 0.0001 -0.5]", "[-0.0000 -0.5   ]"),
        ("tensor([[ 0.10, 0.20]])", "tensor([[0.10,  0.20]])"),
        ("<td>0.5001</td>", "<td>0.5002</td>"),
    ],
)
def test_layout_is_not_compared(stored, new):
    assert text_difference(stored, new, DEFAULT) is None


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("accuracy 0.97", "precision 0.97"),
        ("0.97 0.98", "0.97"),
        ("0.97", "0.97 0.98"),
        ("0.97", "none"),
        ("encoder.layer.11.output", "encoder.layer.10.output"),
        ("layer11", "layer12"),
        ("torch 2.13.0", "torch 2.13.1"),
        ("bert-base", "bert-large"),
        ("positive", "positive negative"),
        ("f(0.5)", "f 0.5"),
        ("", "0.5"),
    ],
)
def test_words_are_compared(stored, new):
    assert text_difference(stored, new, Tolerance.of(["tol-0.5"])) is not None


def test_a_difference_is_reported_with_number_values_and_tolerance():
    found = text_difference("loss 0.41  accuracy 0.973", "loss 0.41  accuracy 0.873", LOOSE)
    assert found is not None
    assert "number 2 was 0.973 and is now 0.873" in found
    assert "may differ by 0.031" in found
    assert "loss 0.41 accuracy 0.973" in found


def test_an_integer_is_reported_as_one():
    assert "was 3 and is now 4; they must be equal" in (text_difference("n 3", "n 4", LOOSE) or "")


def test_changed_words_are_shown_side_by_side():
    found = text_difference("the head learns 0.5", "the body learns 0.5", DEFAULT)
    assert found is not None
    assert "the head learns #" in found
    assert "the body learns #" in found


def test_outputs_that_agree():
    stored = [stdout("loss 0.5\n"), stdout("done"), shown(text_plain="0.25", image_png="aaaa")]
    stored.append({"output_type": "stream", "name": "stderr", "text": "a warning"})
    new = [shown(text_plain="0.2501", image_png="bbbb"), stdout("loss 0.5001\ndone")]
    assert difference(stored, new, DEFAULT) is None


@pytest.mark.parametrize(
    ("stored", "new", "says"),
    [
        ([stdout("x")], [], "stdout: stored 1 output, now nothing"),
        ([], [stdout("x")], "stdout: stored nothing, now 1 output"),
        ([shown(image_png="a")], [], "image/png"),
        ([shown(image_png="a")], [shown(image_png="a"), shown(image_png="b")], "now 2 outputs"),
        ([shown(text_html="<b>0.5</b>")], [shown(text_html="<b>0.6</b>")], "text/html: number 1"),
        ([shown(text_plain="0.5")], [shown(text_plain="0.6")], "text/plain: number 1"),
        ([shown(application_json={"a": 0.5})], [shown(application_json={"a": 0.6})], "application/json: number 1"),
    ],
)
def test_outputs_that_differ(stored, new, says):
    assert says in (difference(stored, new, DEFAULT) or "")


def test_the_message_of_an_error_is_compared_and_its_traceback_is_not():
    def error(message: str) -> dict:
        return {"output_type": "error", "ename": "ValueError", "evalue": message, "traceback": [message * 2]}

    assert difference([error("no label 7")], [error("no label 7") | {"traceback": []}], DEFAULT) is None
    assert difference([error("no label 7")], [error("no label 8")], DEFAULT) is not None


@pytest.mark.parametrize(("tag", "limit"), [("tol-0.2", "0.2"), ("tol-1e-6", "0.000001"), ("tol-2", "2")])
def test_tolerance_of_a_tag(tag, limit):
    assert Tolerance.of([tag]).limit("0", "0.5") == Decimal(limit)


def test_without_a_tag_the_default_holds():
    assert Tolerance.of(["hide-input", "toll-0.5", "tol-x"]) == DEFAULT


printed = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(lambda x: f"{x:.4g}"),
    st.floats(-1e6, 1e6).map(lambda x: f"{x:.3f}"),
)


@given(printed, printed)
def test_agreement_is_reflexive_and_symmetric(a, b):
    assert DEFAULT.agree(a, a)
    assert DEFAULT.agree(a, b) == DEFAULT.agree(b, a)
    assert LOOSE.agree(a, b) or not DEFAULT.agree(a, b)


@given(st.floats(-1e6, 1e6), st.integers(2, 6))
def test_rounding_never_fails(value, digits):
    assert DEFAULT.agree(f"{value:.{digits}f}", f"{value * (1 + 1e-9):.{digits}f}")


@given(st.lists(printed, max_size=5), st.text("ab=:;# \n", max_size=10))
def test_a_text_agrees_with_itself(numbers, glue):
    text = f" {glue} ".join(numbers)
    assert text_difference(text, text, DEFAULT) is None
    assert text_difference(text, text + " 1", DEFAULT) is not None
