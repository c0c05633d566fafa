"""A migration of every kind of key, on every kind of shell.

Fails where an element is lost, where a list changes its order, a member its score or a key its time to live,
where elements of equal value do not become one, or where some node's keys are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import SECOND, lives
from vkcache.core import lua
from vkcache.core.migrating import migrate
from vkcache.core.plan import Batch, Command, Page, Steps
from vkcache.core.rewriting import Tally, total
from vkcache.core.space import Space
from vkcache.shell import Client

READS = ("django-valkey", "django-redis")
LONG = 1500


def tallied(space: Space, **how: Any) -> Steps[Tally]:
    """A migration whose portions are added up."""
    pages, found = migrate(space, **how), list[Tally]()
    try:
        step = next(pages)
        while True:
            if isinstance(step, Page):
                found += [portion.tally for portion in step.items]
                step = next(pages)
            else:
                step = pages.send((yield step))
    except StopIteration:
        return total(found)


def ahead(space: Space, script: bytes, interfere: Callable[[], object]) -> Steps[Tally]:
    """A migration ahead of whose every call of *script* somebody interferes."""
    plan = tallied(space)
    try:
        step = next(plan)
        while True:
            commands = step.commands if isinstance(step, Batch) else (step,)
            if any(isinstance(one, Command) and one.args[0] == script for one in commands):
                interfere()
            step = plan.send((yield step))
    except StopIteration as end:
        result: Tally = end.value
        return result


def migrated(cache: Client, **how: Any) -> Tally:
    return cache.execute(tallied(cache.space, **how))


def json_of(number: int) -> bytes:
    return b'{"n": %d}' % number


@pytest.fixture
def today(make: Make) -> Client:
    return make(reads=READS)


def test_every_kind_of_key_is_rewritten_and_keeps_its_time(today: Client, raw: Raw) -> None:
    raw("SET", "app:1:string", json_of(1))
    raw("HSET", "app:2:hash", "f", json_of(2), "g", json_of(3))
    raw("RPUSH", "app:1:list", json_of(4), "5", json_of(6))
    raw("SADD", "app:1:set", json_of(7), json_of(8))
    raw("ZADD", "app:1:zset", "1.5", json_of(9), "inf", json_of(10), "-0.1", json_of(11))
    keys = ["app:1:string", "app:2:hash", "app:1:list", "app:1:set", "app:1:zset"]
    for key in keys:
        raw("PEXPIRE", key, 60 * SECOND)
    raw("XADD", "app:1:stream", "1-1", "f", json_of(12))
    raw("SET", "other:1:string", json_of(1))
    raw("RPUSH", "other:1:list", json_of(1))
    assert migrated(today, trial=True) == Tally(12, rewritten=10, current=1, left=1)
    assert raw("GET", "app:1:string") == json_of(1)
    assert migrated(today) == Tally(12, rewritten=10, current=1, left=1)
    assert migrated(today) == Tally(12, current=11, left=1)
    plain = [raw("GET", "app:1:string"), *raw("LRANGE", "app:1:list", 0, -1), *raw("SMEMBERS", "app:1:set")]
    assert {stored[:1] for stored in plain} == {b"\xc1", b"5"}
    assert today.get("string") == {"n": 1}
    assert today.hgetall("hash", version=2) == {"f": {"n": 2}, "g": {"n": 3}}
    assert today.lrange("list", 0, -1) == [{"n": 4}, 5, {"n": 6}]
    assert sorted(member["n"] for member in today.smembers("set")) == [7, 8]
    assert today.zrange_withscores("zset", 0, -1) == [
        ({"n": 11}, -0.1),
        ({"n": 9}, 1.5),
        ({"n": 10}, float("inf")),
    ]
    assert all(lives(raw, key, 60 * SECOND) for key in keys)
    assert raw("GET", "other:1:string") == json_of(1)


def test_a_key_with_one_element_is_never_empty_in_between(today: Client, raw: Raw) -> None:
    """Empty it would be gone, and its time to live with it."""
    raw("SADD", "app:1:set", json_of(1))
    raw("ZADD", "app:1:zset", 1, json_of(1))
    for key in ("app:1:set", "app:1:zset"):
        raw("PEXPIRE", key, 60 * SECOND)
    assert migrated(today) == Tally(2, rewritten=2)
    assert lives(raw, "app:1:set", 60 * SECOND)
    assert lives(raw, "app:1:zset", 60 * SECOND)


def test_elements_of_equal_value_become_one(today: Client, raw: Raw) -> None:
    raw("SADD", "app:1:set", b'{"a": 1, "b": 2}', b'{"b": 2, "a": 1}')
    raw("ZADD", "app:1:zset", 1, b'{"a": 1, "b": 2}', 3, today.space.member({"a": 1, "b": 2}))
    tally = migrated(today)
    assert (tally.rewritten, tally.merged) == (3, 2)
    assert today.smembers("set") == [{"a": 1, "b": 2}]
    assert today.zrange_withscores("zset", 0, -1) == [({"a": 1, "b": 2}, 3.0)]


def test_long_ones_are_gone_through_to_their_end(today: Client, raw: Raw) -> None:
    numbers = range(LONG)
    raw("RPUSH", "app:1:list", *map(json_of, numbers))
    raw("SADD", "app:1:set", *map(json_of, numbers))
    raw("HSET", "app:1:hash", *[word for number in numbers for word in (number, json_of(number))])
    raw("ZADD", "app:1:zset", *[word for number in numbers for word in (number, json_of(number))])
    tally = migrated(today, itersize=100)
    assert (tally.rewritten, tally.changed, tally.refused) == (4 * LONG, 0, ())
    assert today.lrange("list", 0, -1) == today.zrange("zset", 0, -1) == [{"n": number} for number in numbers]
    assert today.hgetall("hash") == {str(number): {"n": number} for number in numbers}
    assert sorted(member["n"] for member in today.smembers("set")) == list(numbers)


def test_keys_of_every_node_are_found(today: Client, raw: Raw) -> None:
    for number in range(100):
        raw("SET", f"app:1:{number}", json_of(number))
    assert migrated(today, itersize=10) == Tally(100, rewritten=100)
    assert today.get_many([str(number) for number in range(100)]) == {str(n): {"n": n} for n in range(100)}


def test_a_list_that_shifts_between_reading_and_writing_loses_nothing(today: Client, raw: Raw) -> None:
    """Items are pushed and popped before each script arrives."""
    raw("RPUSH", "app:1:list", *map(json_of, range(20)))

    def shift() -> None:
        raw("LPUSH", "app:1:list", json_of(100))
        raw("RPOP", "app:1:list")

    today.execute(ahead(today.space, lua.SWAP_ITEMS, shift))
    numbers = [item["n"] for item in today.lrange("list", 0, -1)]
    pushed = numbers.count(100)
    assert pushed
    assert numbers[pushed:] == list(range(20 - pushed))
    migrated(today)
    assert migrated(today).rewritten == 0
    assert [item["n"] for item in today.lrange("list", 0, -1)] == numbers


def test_a_field_that_expires_by_itself_still_does(today: Client, raw: Raw) -> None:
    raw("HSET", "app:1:hash", "f", json_of(1), "g", json_of(2))
    try:
        raw("HPEXPIRE", "app:1:hash", 60 * SECOND, "FIELDS", 1, "f")
        raw("HPTTL", "app:1:hash", "FIELDS", 1, "f")
    except Exception as error:
        assert "unknown" in str(error).lower()  # noqa: PT017  any other error is one
        pytest.skip("the server knows no fields that expire by themselves")
    assert migrated(today) == Tally(2, rewritten=2)
    (left,) = raw("HPTTL", "app:1:hash", "FIELDS", 1, "f")
    assert 30 * SECOND < left <= 60 * SECOND
    assert raw("HPTTL", "app:1:hash", "FIELDS", 1, "g") == [-1]
    assert today.hgetall("hash") == {"f": {"n": 1}, "g": {"n": 2}}


def test_a_large_value_that_changes_before_the_script_arrives_stays(today: Client, raw: Raw) -> None:
    large = b'["%b"]' % (b"x" * 2**17)
    raw("SET", "app:1:k", large, "PX", 60 * SECOND)
    today.execute(ahead(today.space, lua.SWAP_LARGE, lambda: raw("SET", "app:1:k", json_of(1))))
    assert raw("GET", "app:1:k") == json_of(1)
    raw("SET", "app:1:k", large, "PX", 60 * SECOND)
    assert migrated(today) == Tally(1, rewritten=1)
    assert today.get("k") == ["x" * 2**17]
    assert lives(raw, "app:1:k", 60 * SECOND)


def test_there_and_back(make: Make, raw: Raw) -> None:
    """What another backend left is rewritten for it, once the cache writes as that one does."""
    there, back = make(reads=READS), make(reads=READS, writes="django-redis")
    raw("SET", "app:1:k", json_of(1))
    raw("HSET", "app:1:h", "f", "1.5")
    assert migrated(there) == Tally(2, rewritten=1, current=1)
    assert raw("HGET", "app:1:h", "f") == b"1.5"
    assert migrated(back) == Tally(2, rewritten=2)
    assert raw("GET", "app:1:k")[:1] == raw("HGET", "app:1:h", "f")[:1] == b"\x80"
    assert (back.get("k"), back.hget("h", "f")) == ({"n": 1}, 1.5)
