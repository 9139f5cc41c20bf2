"""Numbers as they are written."""

import pytest

from landscape.numbers import number, percent, plain_number, plus_minus, with_interval


def spaced(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.31234, "0.312"),
        (1234.5, "1,234"),
        (-2.0, "−2.00"),
        (0, "0"),
        (1e-5, "1.00e−05"),
        (2.5e7, "2.50e+07"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_intervals_are_two_standard_errors():
    assert spaced(plus_minus(0.31234, 0.005)) == "0.312 ± 0.010"
    assert spaced(plus_minus(206.4, 19.0)) == "206 ± 38"
    assert spaced(percent(0.8812, 0.003)) == "88.12 ± 0.60"
    assert plus_minus(0.31234, None) == "0.312"


def test_ticks_and_intervals_have_a_true_minus():
    assert [plain_number(v) for v in (0.02, -5.0, 2000, 1e6)] == ["0.02", "−5", "2000", "1e+06"]
    assert with_interval(-0.5, -0.75, 0.25) == "−0.5 [−0.75, +0.25]"
    assert with_interval(0.5, float("nan"), float("nan")) == "+0.5"
