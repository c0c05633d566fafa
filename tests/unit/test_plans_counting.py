"""Adding to numbers that the server can add to, and to those that it can not, fed by hand.

Fails where an addition is lost in a race, a number loses digits, an integer takes more than one
round trip, or a plan never ends.
"""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.unit.feeding import SPACE, feed
from tests.unit.rows import GONE, INCR, SWAP
from vkcache.core import compound
from vkcache.errors import InvalidArgument, KeyNotFound, Unreachable, WrongType

HALF = SPACE.encode(0.5)
BIG = 2**70


def test_an_integer_is_one_round_trip() -> None:
    fed = feed(compound.incr(SPACE, "k", 2, 3, ignore_key_check=True), b"7")
    assert (fed.sent, fed.result) == ([INCR + b"p:3:k 2 1"], 7)
    fed = feed(compound.decr(SPACE, "k", 2, 3), b"7")
    assert (fed.sent, fed.result) == ([INCR + b"p:3:k -2 0"], 7)


def test_a_failure_of_that_round_trip_is_the_callers() -> None:
    for failure in (KeyNotFound("missing"), WrongType("a list"), Unreachable("down")):
        with pytest.raises(type(failure)):
            feed(compound.incr(SPACE, "k"), failure)
    with pytest.raises(KeyNotFound):
        feed(compound.incr(SPACE, "k"), None)


def test_a_stored_float_is_added_to_here_and_swapped() -> None:
    fed = feed(compound.incr(SPACE, "k", 2), [HALF], HALF, 1)
    assert fed.sent[1:] == [b"GET p:1:k", SWAP + b"p:1:k " + HALF + b" " + SPACE.encode(2.5)]
    assert fed.result == 2.5


def test_a_float_delta_never_asks_the_server_to_add() -> None:
    fed = feed(compound.incr(SPACE, "k", 0.25, 2), b"1", 1)
    assert fed.sent == [b"GET p:2:k", SWAP + b"p:2:k 1 " + SPACE.encode(1.25)]
    assert fed.result == 1.25


@pytest.mark.parametrize("delta", [BIG, -BIG, 2**63, -(2**63) - 1])
def test_an_integer_beyond_64_bits_keeps_all_its_digits(delta: int) -> None:
    fed = feed(compound.incr(SPACE, "k", delta), b"1", 1)
    assert fed.sent[1] == SWAP + b"p:1:k 1 %d" % (1 + delta)
    assert fed.result == 1 + delta


def test_a_sum_beyond_64_bits_is_made_here() -> None:
    stored = b"%d" % (2**63 - 1)
    assert feed(compound.incr(SPACE, "k"), [stored], stored, 1).result == 2**63


def test_whoever_was_slower_reads_again() -> None:
    fed = feed(compound.incr(SPACE, "k", 0.5), b"1", 0, b"2", 0, b"3", 1)
    assert fed.result == 3.5
    assert [sent.partition(b" ")[0] for sent in fed.sent] == [b"GET", b"EVAL"] * 3


def test_a_missing_key_is_created_where_that_is_asked_for() -> None:
    fed = feed(compound.incr(SPACE, "k", 0.5, 2, ignore_key_check=True), None, b"OK")
    assert fed.sent == [b"GET p:2:k", b"SET p:2:k " + HALF + b" NX"]
    assert fed.result == 0.5


def test_whoever_was_slower_to_create_it_adds_to_the_other() -> None:
    fed = feed(compound.incr(SPACE, "k", 0.5, ignore_key_check=True), None, None, b"1", 1)
    assert fed.result == 1.5


def test_a_server_that_stores_nothing_is_not_asked_for_ever() -> None:
    with pytest.raises(KeyNotFound):
        feed(compound.incr(SPACE, "k", 0.5, ignore_key_check=True), None, None, None)
    with pytest.raises(KeyNotFound):
        feed(compound.incr(SPACE, "k", 0.5), b"1", None)


@pytest.mark.parametrize("stored", [None, GONE])
def test_what_is_missing_or_unreadable_is_no_number(stored: bytes | None) -> None:
    with pytest.raises(KeyNotFound, match="'k'"):
        feed(compound.incr(SPACE, "k", 0.5), stored)


def test_what_is_no_number_is_named_by_its_type_alone() -> None:
    stored = SPACE.encode("a secret value")
    with pytest.raises(WrongType, match="'k' holds a str") as caught:
        feed(compound.incr(SPACE, "k"), [stored], stored)
    assert "secret" not in str(caught.value)


def test_a_delta_that_is_no_number_is_refused_before_the_first_step() -> None:
    with pytest.raises(WrongType, match="delta of type str"):
        feed(compound.incr(SPACE, "k", cast(Any, "1")))
    with pytest.raises(WrongType, match="delta of type str"):
        feed(compound.decr(SPACE, "k", cast(Any, "1")))


def test_a_sum_beyond_what_a_float_holds_is_said_to_be_one() -> None:
    stored = b"1" + b"0" * 400
    with pytest.raises(InvalidArgument, match="add an int"):
        feed(compound.incr(SPACE, "k", 0.5), stored)
