"""Text in CSV: nothing that a spreadsheet would compute, and everything comes back."""

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from landscape.spreadsheet import guarded, unguarded


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1+1)", "\t=1", "\r=1", "'=1", "-"]
)
def test_what_begins_like_a_formula_gets_an_apostrophe(text):
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    "cell", [-1, -0.5, float("-inf"), None, True, "-2", "+1e5", "-inf", "a=1", "'", "", "'a"]
)
def test_numbers_and_other_texts_stay(cell):
    assert guarded(cell) is cell


@settings(max_examples=300, deadline=None, database=None)
@seed(0)
@given(st.text(st.sampled_from("'=+-@\t\r1ea "), max_size=6))
def test_every_text_comes_back(text):
    written = guarded(text)
    assert unguarded(written) == text
    if written[:1] in ("=", "@", "\t", "\r"):
        pytest.fail("a spreadsheet would compute it")
