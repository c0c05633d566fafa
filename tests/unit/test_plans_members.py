"""The iterations over one set or sorted set, fed by hand.

Fails where a member comes twice, where an empty page or an unreadable member ends the iteration, where
a match reaches the encoded bytes, or where a mistake of the caller's is sent.
"""

from __future__ import annotations

import pytest

from tests.unit.feeding import SPACE, feed_pages
from tests.unit.rows import GONE
from vkcache.core import sets, sortedsets
from vkcache.core.space import MISSING
from vkcache.errors import InvalidArgument, Unreachable

ONE, TRUE, LIST = (SPACE.member(value) for value in (1, True, [1]))


def test_sscan_iter_answers_every_member_once_though_python_holds_two_for_equal() -> None:
    fed = feed_pages(
        sets.sscan_iter(SPACE, "k", count=2, version=3),
        [b"5", [ONE, LIST, ONE]],
        [b"9", []],
        [b"0", [LIST, TRUE, GONE]],
    )
    assert fed.sent == [b"SSCAN p:3:k %d COUNT 2" % cursor for cursor in (0, 5, 9)]
    assert fed.result == [[1, [1]], [], [True]]
    assert fed.result[2][0] is True


def test_sscan_iter_matches_the_text_of_members() -> None:
    fed = feed_pages(sets.sscan_iter(SPACE, "k", match="[[]?]"), [b"0", [ONE, LIST, TRUE]])
    assert (fed.sent, fed.result) == ([b"SSCAN p:1:k 0 COUNT 1000"], [[[1]]])


def test_zscan_iter_answers_every_member_once_with_its_score() -> None:
    fed = feed_pages(
        sortedsets.zscan_iter(SPACE, "k", match="*1*", count=2, version=3),
        [b"5", [ONE, b"1.5", TRUE, b"2", GONE, b"1"]],
        [b"0", [LIST, b"inf", ONE, b"7"]],
    )
    assert fed.sent == [b"ZSCAN p:3:k %d COUNT 2" % cursor for cursor in (0, 5)]
    assert fed.result == [[(1, 1.5)], [([1], float("inf"))]]


def test_a_failure_of_a_page_is_raised_and_a_page_of_none_is_refused() -> None:
    with pytest.raises(Unreachable):
        feed_pages(sets.sscan_iter(SPACE, "k"), [b"5", []], Unreachable("down"))
    with pytest.raises(InvalidArgument, match="1 or more"):
        feed_pages(sets.sscan_iter(SPACE, "k", count=0))
    with pytest.raises(InvalidArgument, match="1 or more"):
        feed_pages(sortedsets.zscan_iter(SPACE, "k", count=-1))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": [{"x": 1, "y": 2}]}, {"b": [{"y": 2, "x": 1}], "a": 1}, True),
        (("a", "a"), tuple("".join(["a"]) for _ in range(2)), True),
        (1, True, False),
        (1, 1.0, False),
        (0.0, -0.0, False),
        ("1", b"1", False),
        ([1], (1,), False),
        (None, MISSING.__class__.__name__, False),
    ],
)
def test_equal_values_are_one_member(one: object, other: object, same: bool) -> None:
    assert (SPACE.member(one) == SPACE.member(other)) is same
