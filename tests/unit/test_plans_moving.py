"""Renaming and the versions of a key, fed by hand.

Fails where a rename loses a signed value's readability or its time to live, writes over a value that
changed meanwhile, or takes more than one command where values are not bound to their keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.feeding import SIGNED, SPACE, feed
from vkcache.core import compound, keys, lua
from vkcache.core.plan import Plan
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument, KeyNotFound, Unreachable, WrongType

OLD, NEW = SIGNED.encode("text", b"p:1:a"), SIGNED.encode("text", b"p:1:b")
MOVE = b"EVAL " + lua.MOVE + b" 2 p:1:a p:1:b " + OLD + b" " + NEW

Move = Callable[[Space], Plan[Any]]


def rename(space: Space) -> Plan[bool]:
    return compound.rename(space, "a", "b")


def renamenx(space: Space) -> Plan[bool]:
    return compound.renamenx(space, "a", "b")


def test_what_is_not_bound_to_its_key_is_renamed_by_the_server() -> None:
    assert feed(rename(SPACE), b"OK").sent == [b"RENAME p:1:a p:1:b"]
    assert feed(renamenx(SPACE), 0).sent == [b"RENAMENX p:1:a p:1:b"]
    assert feed(compound.incr_version(SPACE, "a", 2, 3), b"OK").sent == [b"RENAME p:3:a p:5:a"]
    assert feed(compound.decr_version(SPACE, "a", 2, 3), b"OK").result == 1


def test_what_is_bound_to_its_key_is_signed_for_the_new_one() -> None:
    fed = feed(rename(SIGNED), OLD, 1)
    assert (fed.sent, fed.result) == ([b"GET p:1:a", MOVE + b" 0"], True)
    assert SIGNED.codec.decode(NEW, b"p:1:b") == "text"


def test_renamenx_of_a_bound_value_stops_where_something_is_there() -> None:
    fed = feed(renamenx(SIGNED), OLD, 1)
    assert (fed.sent, fed.result) == ([b"GET p:1:a", MOVE + b" 1"], True)
    assert feed(renamenx(SIGNED), OLD, 2).result is False


def test_another_version_is_another_key() -> None:
    stored, new = SIGNED.encode("text", b"p:2:a"), SIGNED.encode("text", b"p:3:a")
    fed = feed(compound.incr_version(SIGNED, "a", version=2), stored, 1)
    assert fed.sent[1].endswith(b" ".join((b"2 p:2:a p:3:a", stored, new, b"0")))
    assert fed.result == 3


def test_a_value_that_changed_meanwhile_is_read_again() -> None:
    newer = SIGNED.encode("newer", b"p:1:a")
    fed = feed(rename(SIGNED), OLD, 0, newer, 1)
    assert fed.sent[3].endswith(SIGNED.encode("newer", b"p:1:b") + b" 0")
    assert fed.result is True


@pytest.mark.parametrize("move", [rename, renamenx])
def test_a_list_or_a_set_is_renamed_as_it_is(move: Move) -> None:
    fed = feed(move(SIGNED), WrongType("a list"), 1)
    assert fed.sent[1] in (b"RENAME p:1:a p:1:b", b"RENAMENX p:1:a p:1:b")
    assert fed.result is True


@pytest.mark.parametrize("stored", [None, NEW])
def test_what_is_missing_or_signed_for_another_key_is_not_found(stored: bytes | None) -> None:
    with pytest.raises(KeyNotFound, match="'p:1:a'"):
        feed(rename(SIGNED), stored)


def test_a_server_that_stores_nothing_is_not_asked_for_ever() -> None:
    with pytest.raises(KeyNotFound, match="'p:1:a'"):
        feed(rename(SIGNED), OLD, None)


def test_a_failure_is_the_callers() -> None:
    with pytest.raises(Unreachable):
        feed(rename(SIGNED), Unreachable("down"))
    with pytest.raises(KeyNotFound):
        feed(rename(SPACE), KeyNotFound("ERR no such key"))


def test_what_is_bound_to_its_key_is_not_renamed_in_a_pipeline() -> None:
    with pytest.raises(InvalidArgument, match="call this on the cache"):
        compound.alone(keys.rename)(SIGNED, "a", "b")
    assert compound.alone(keys.rename)(SPACE, "a", "b") == keys.rename(SPACE, "a", "b")
