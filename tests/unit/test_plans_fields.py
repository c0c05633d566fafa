"""The plans on hashes, fed by hand: the pages of one hash, and the addition to a float.

Fails where a field comes twice, where an empty page or an unreadable field ends the iteration, or where
an addition is lost or tried for ever.
"""

from __future__ import annotations

import pytest

from tests.unit.feeding import SPACE, feed, feed_pages
from tests.unit.rows import GONE
from tests.unit.rows_hashes import ADD_FLOAT, HALF, TEXT
from vkcache.core import compound, hashes
from vkcache.core.plan import Reply
from vkcache.errors import InvalidArgument, NotCounter, Unreachable

FIRST = b"HINCRBYFLOAT p:1:k f 1.5"
SECOND = b"HGET p:1:k f"
THIRD = ADD_FLOAT + b"p:1:k f " + HALF + b" 0.5 1.5"
REFUSED = NotCounter("HINCRBYFLOAT p:1:k: ERR hash value is not a float")


def test_hscan_iter_answers_every_field_once() -> None:
    fed = feed_pages(
        hashes.hscan_iter(SPACE, "k", match="f*", count=2, version=3),
        [b"5", [b"f", b"1", b"fg", GONE]],
        [b"9", []],
        [b"0", [b"f", b"7", b"fh", TEXT]],
    )
    assert fed.sent == [b"HSCAN p:3:k %d MATCH f* COUNT 2" % cursor for cursor in (0, 5, 9)]
    assert fed.result == [[("f", 1)], [], [("fh", "text")]]


def test_a_failure_of_a_page_is_raised_and_a_page_of_none_is_refused() -> None:
    with pytest.raises(Unreachable):
        feed_pages(hashes.hscan_iter(SPACE, "k"), [b"5", []], Unreachable("down"))
    with pytest.raises(InvalidArgument, match="1 or more"):
        feed_pages(hashes.hscan_iter(SPACE, "k", count=0))


def test_an_addition_is_one_step_where_the_server_can_add() -> None:
    fed = feed(compound.hincrbyfloat(SPACE, "k", "f", 1.5), b"2")
    assert (fed.sent, fed.result) == ([FIRST], 2.0)


def test_a_float_that_hset_wrote_is_replaced_by_the_sum() -> None:
    fed = feed(compound.hincrbyfloat(SPACE, "k", "f", 1.5), REFUSED, HALF, b"2")
    assert (fed.sent, fed.result) == ([FIRST, SECOND, THIRD], 2.0)


def test_where_another_caller_was_faster_it_is_added_to_what_is_there_then() -> None:
    fed = feed(compound.hincrbyfloat(SPACE, "k", "f", 1.5), REFUSED, HALF, 0, b"3.5")
    assert (fed.sent, fed.result) == ([FIRST, SECOND, THIRD, FIRST], 3.5)


@pytest.mark.parametrize(
    "held", [None, TEXT, GONE, SPACE.content(float("inf")), SPACE.content(True), SPACE.content([0.5])]
)
def test_what_is_no_finite_number_stays_and_is_asked_for_once(held: Reply) -> None:
    with pytest.raises(NotCounter) as caught:
        feed(compound.hincrbyfloat(SPACE, "k", "f", 1.5), REFUSED, held)
    assert caught.value is REFUSED


def test_the_addition_ends_where_errors_are_ignored() -> None:
    """A server that can not be asked answers as one that holds nothing."""
    assert feed(compound.hincrbyfloat(SPACE, "k", "f"), hashes.HINCRBYFLOAT.empty).result == 0.0
    fed = feed(compound.hincrbyfloat(SPACE, "k", "f"), REFUSED, HALF, hashes.ADD_FLOAT.empty)
    assert fed.result == 0.0
