"""Globs over text, against the matcher of `tests.unit.globs`, which reads them byte by byte.

Fails where text matches a glob here and its bytes would not on a server, or the other way round, where
a pattern takes time that grows with the number of its stars, or where a value is not taken by its text.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.globs import matches
from vkcache.core.globs import accepts, compiled

SIGNS = "ab-]^[\\*?zé\n&~|"


@given(pattern=st.text(SIGNS, max_size=8), text=st.text(SIGNS, max_size=5))
@example(pattern="[a-", text="a")
@example(pattern="[a-]", text="]")
@example(pattern="[^]", text="\n")
@example(pattern="[]", text="")
@example(pattern="[\\]]", text="]")
@example(pattern="a\\", text="a\\")
def test_text_matches_where_the_oracle_says_so(pattern: str, text: str) -> None:
    # In Latin-1 one character is one byte, as the oracle counts them.
    expected = matches(pattern.encode("latin-1"), text.encode("latin-1"))
    assert (compiled(pattern).fullmatch(text) is not None) == expected


@given(text=st.text(max_size=6))
def test_a_text_without_signs_matches_itself_and_a_question_mark_one_character(text: str) -> None:
    assert compiled("?" * len(text)).fullmatch(text)
    assert compiled("".join("\\" + sign for sign in text)).fullmatch(text)
    assert compiled("*").fullmatch(text)


@pytest.mark.parametrize(("pattern", "found"), [("[ж-щ]", True), ("[щ-ж]", True), ("[^ж-щ]", False)])
def test_a_range_takes_its_ends_in_either_order_beyond_bytes_too(pattern: str, found: bool) -> None:
    assert bool(compiled(pattern).fullmatch("ш")) is found


def test_many_stars_end_soon() -> None:
    assert not compiled("*a" * 40 + "b").fullmatch("a" * 4000)


@pytest.mark.parametrize(
    ("pattern", "value", "accepted"),
    [(None, [1], True), ("1?", 12, True), ("1?", 1, False), ("(1, *", (1, 2), True), ("True", True, True)],
)
def test_a_value_is_taken_by_its_text(pattern: str | None, value: object, accepted: bool) -> None:
    assert accepts(pattern)(value) is accepted
