"""Jitter: what is written together expires apart.

Fails where a time-out grows, is cut by more than its part, or to nothing; where a key's own is another each
time; where one command gives all keys one time-out though they have several; where a call's part does not
go before the cache's own; or where a part that is none is sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from tests.unit.feeding import SPACE, feed
from vkcache.core import flights, keys, strings
from vkcache.core.freshness import spread
from vkcache.core.plan import Batch, Features, GetFeatures, Plan, Transaction
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument
from vkcache.shell import AsyncClient, Client

HALF = evolve(SPACE, jitter=0.5)
OLD, NEW = Features("valkey", (9, 0, 4)), Features("valkey", (9, 1, 0))
DATA = {"a": 1, "b": 2}
FULL = (b"SET p:1:a 1 PX 300000", b"SET p:1:b 2 PX 300000")
HALVED = (b"SET p:1:a 1 PX 209283", b"SET p:1:b 2 PX 297743")
TENTH = (b"SET p:1:a 1 PX 281857", b"SET p:1:b 2 PX 299549")


@pytest.mark.parametrize(
    ("plan", "sent"),
    [
        (strings.set(SPACE, "a", 1), FULL[0]),
        (strings.set(SPACE, "a", 1, jitter=0.5), HALVED[0]),
        (strings.set(SPACE, "b", 2, jitter=0.5), HALVED[1]),
        (strings.set(SPACE, "a", 1, 60, 2, jitter=0.5), b"SET p:2:a 1 PX 42119"),
        (strings.set(HALF, "a", 1), HALVED[0]),
        (strings.set(HALF, "a", 1, jitter=0.1), TENTH[0]),
        (strings.set(HALF, "a", 1, jitter=0), FULL[0]),
        (strings.set(HALF, "a", 1, xx=True), b"SET p:1:a 1 XX PX 209283"),
        (strings.set(HALF, "a", 1, keepttl=True), b"SET p:1:a 1 KEEPTTL"),
        (strings.set(HALF, "a", 1, None), b"SET p:1:a 1"),
        (strings.set(HALF, "a", 1, 0), b"UNLINK p:1:a"),
        (strings.set(HALF, "a", 1, -5, jitter=0.1), b"UNLINK p:1:a"),
        (strings.set(SPACE, "a", 1, 0.001, jitter=0.99), b"SET p:1:a 1 PX 1"),
        (strings.add(SPACE, "a", 1, jitter=0.1), b"SET p:1:a 1 NX PX 281857"),
        (strings.add(HALF, "a", 1), b"SET p:1:a 1 NX PX 209283"),
        (strings.add(HALF, "a", 1, jitter=0), b"SET p:1:a 1 NX PX 300000"),
        (keys.touch(SPACE, "a"), b"PEXPIRE p:1:a 300000"),
        (keys.touch(HALF, "a"), b"PEXPIRE p:1:a 209283"),
        (keys.touch(HALF, "a", 60), b"PEXPIRE p:1:a 41857"),
        (keys.touch(HALF, "a", 0), b"PEXPIRE p:1:a 0"),
    ],
)
def test_one_key_lives_less_long(plan: Plan[Any], sent: bytes) -> None:
    assert feed(plan, 1 if sent.startswith((b"PEX", b"UNL")) else b"OK").sent == [sent]


def test_a_touch_for_ever_is_for_ever() -> None:
    (sent,) = feed(keys.touch(HALF, "a", None), 1).sent
    assert b"PERSIST" in sent


@pytest.mark.parametrize(
    "plan", [keys.expire(HALF, "a", 60), strings.getex(HALF, "a", 60)], ids=["expire", "getex"]
)
def test_who_asks_for_a_time_to_live_gets_it_to_the_millisecond(plan: Plan[Any]) -> None:
    assert feed(plan, None).sent[0].split()[-1] == b"60000"


@pytest.mark.parametrize("features", [OLD, NEW])
@pytest.mark.parametrize(
    ("space", "given", "sent"),
    [(SPACE, {"jitter": 0.5}, HALVED), (HALF, {}, HALVED), (HALF, {"jitter": 0.1}, TENTH)],
)
def test_where_times_differ_each_key_is_a_set_of_its_own(
    features: Features, space: Space, given: dict[str, Any], sent: tuple[bytes, ...]
) -> None:
    many = feed(strings.set_many(space, DATA, **given), features, [b"OK", b"OK"])
    assert (tuple(many.sent), many.result) == (sent, [])
    assert [type(step) for step in many.steps] == [GetFeatures, Batch]
    whole = feed(strings.mset(space, DATA, **given), features, [b"OK", b"OK"])
    assert (tuple(whole.sent), whole.result) == (sent, True)
    assert [type(step) for step in whole.steps] == [GetFeatures, Transaction]


def test_where_none_is_asked_for_it_is_one_command_as_ever() -> None:
    one = [b"MSETEX 2 p:1:a 1 p:1:b 2 PX 300000"]
    assert feed(strings.set_many(HALF, DATA, jitter=0), NEW, [1]).sent == one
    assert feed(strings.mset(HALF, DATA, jitter=0), NEW, 1).sent == one
    assert feed(strings.set_many(SPACE, DATA), NEW, [1]).sent == one


@pytest.mark.parametrize("space", [SPACE, HALF])
def test_what_does_not_expire_is_one_command_too(space: Space) -> None:
    assert feed(strings.set_many(space, DATA, None, jitter=0.5), NEW, [b"OK"]).sent == [
        b"MSET p:1:a 1 p:1:b 2"
    ]
    assert feed(strings.mset(space, DATA, 0, jitter=0.5), NEW, 2).sent == [b"UNLINK p:1:a p:1:b"]


@pytest.mark.parametrize(("given", "lifetime"), [({"jitter": 0.1}, 281857), ({}, 209283)])
def test_what_get_or_set_stores_lives_less_long_too(given: dict[str, Any], lifetime: int) -> None:
    fed = feed(flights.get_or_set(HALF, "a", 1, **given), None, b"OK")
    assert fed.sent[1].endswith(b" PX %d" % lifetime)


CALLS: dict[str, Callable[..., Plan[Any]]] = {
    "set": lambda part: strings.set(SPACE, "a", 1, jitter=part),
    "set for ever": lambda part: strings.set(SPACE, "a", 1, None, jitter=part),
    "add": lambda part: strings.add(SPACE, "a", 1, jitter=part),
    "set_many": lambda part: strings.set_many(SPACE, DATA, jitter=part),
    "set_many of nothing": lambda part: strings.set_many(SPACE, {}, jitter=part),
    "mset": lambda part: strings.mset(SPACE, DATA, jitter=part),
    "get_or_set": lambda part: flights.get_or_set(SPACE, "a", 1, jitter=part),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("part", [1, 1.5, -0.1, float("nan"), float("inf"), True, "x", "0.1", ()], ids=repr)
def test_what_is_no_part_is_refused_before_anything_is_sent(call: str, part: object) -> None:
    with pytest.raises(InvalidArgument) as caught:
        feed(CALLS[call](part))
    assert str(caught.value) == (
        f"jitter={part!r}: give the part of a time-out to spread, 0 or more, below 1"
    )


def test_keys_are_spread_evenly_over_their_part_and_always_alike() -> None:
    lifetime, part, many = 100_000, 0.2, 2000
    made = [spread(lifetime, b"p:1:user:%d" % number, part) for number in range(many)]
    assert made == [spread(lifetime, b"p:1:user:%d" % number, part) for number in range(many)]
    assert all(80_000 < one <= lifetime for one in made)
    tenths = Counter((one - 80_001) // 2000 for one in made)
    assert sorted(tenths) == list(range(10))
    assert all(many / 20 < found < many / 5 for found in tenths.values())


@pytest.mark.parametrize("lifetime", [None, 0, -5])
def test_what_does_not_expire_or_has_expired_stays_as_it_is(lifetime: int | None) -> None:
    assert spread(lifetime, b"k", 0.5) is lifetime


@pytest.mark.parametrize("shell", [Client, AsyncClient])
def test_the_option_reaches_the_space(shell: type[Client] | type[AsyncClient]) -> None:
    assert shell("memory://jitter", jitter=0.25).space.jitter == 0.25
    assert shell("memory://jitter").space.jitter == 0
