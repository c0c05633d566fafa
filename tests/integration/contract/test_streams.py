"""Streams and their consumer groups.

Fails where an entry, its order or a value in it is lost, where a group hands out an entry twice or
forgets one, where a missing key or group is answered otherwise than documented, or where reading
changes the time to live.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from vkcache.core.streamgroups import Pending
from vkcache.errors import GroupExists, KeyNotFound, ReplyError, WrongType
from vkcache.shell import Client

FIELDS = {"int": 5, "pickle": (1, 2), "long": "x" * 3000, "none": None, "é": {"a": [1.5]}}
FOR_EVER = 10**9


@pytest.fixture
def three(cache: Client) -> Client:
    """A cache whose stream "s" has three entries."""
    for number in (1, 2, 3):
        cache.xadd("s", {"n": number}, f"{number}-0")
    return cache


@pytest.fixture
def group(three: Client) -> Client:
    """The same with the group "g", which has handed two of them to the consumer "c"."""
    three.xgroup_create("s", "g", "0")
    three.xreadgroup("g", "c", {"s": ">"}, count=2)
    return three


def entry(number: int) -> tuple[str, dict[str, Any]]:
    return f"{number}-0", {"n": number}


def test_an_entry_comes_back_as_it_was_added(cache: Client) -> None:
    id = cache.xadd("s", FIELDS)
    assert id is not None
    assert cache.xrange("s") == [(id, FIELDS)]
    assert list(cache.xrange("s")[0][1]) == list(FIELDS)
    assert cache.type("s") == "stream"
    cache.xadd("s", FIELDS, version=2)
    assert cache.xlen("s") == cache.xlen("s", version=2) == 1


def test_an_id_must_rise(three: Client) -> None:
    assert three.xadd("s", {"n": 4}, "3-*") == "3-1"
    for wrong in ("3-0", "no id"):
        with pytest.raises(ReplyError, match="XADD 'app:1:s': ERR"):
            three.xadd("s", {"n": 0}, wrong)


def test_ranges(three: Client) -> None:
    assert three.xrange("s", "2") == [entry(2), entry(3)]
    assert three.xrange("s", "(1-0", "2-0") == [entry(2)]
    assert three.xrange("s", count=1) == [entry(1)]
    assert three.xrevrange("s") == [entry(3), entry(2), entry(1)]
    assert three.xrevrange("s", "2", "1", 1) == [entry(2)]


def test_a_missing_stream(cache: Client) -> None:
    assert cache.xadd("s", {"n": 1}, nomkstream=True) is None
    assert cache.xlen("s") == 0
    assert cache.xrange("s") == cache.xrevrange("s") == []
    assert cache.xread({"s": "0"}) == {}
    assert cache.xdel("s", "1-0") == cache.xtrim("s", maxlen=0) == cache.xack("s", "g", "1-0") == 0
    assert cache.has_key("s") is False


def test_what_can_not_be_read_is_left_out(three: Client, raw: Raw) -> None:
    raw("XADD", "app:1:s", "4-0", "n", b"\xc1\xff", "m", "4")
    assert three.xrange("s", "4") == [("4-0", {"m": 4})]
    assert three.unreadable > 0


def test_xread_by_the_users_keys(three: Client) -> None:
    for key in ("t{}", "{t}1", "{t}2"):
        three.xadd(key, {"n": 1}, "1-0")
    three.xadd("{t}1", {"n": 3}, "3-0")
    found = three.xread({"{t}1": "2-0", "{t}2": "0", "{t}missing": "0"})
    assert found == {"{t}1": [entry(3)], "{t}2": [entry(1)]}
    assert three.xread({"t{}": "0"}) == {"t{}": [entry(1)]}
    assert three.xread({"s": "0"}, count=1) == {"s": [entry(1)]}
    assert three.xread({"s": "$"}) == three.xread({"s": "$"}, block=1) == {}
    three.xadd("s", {"n": 1}, "1-0", version=2)
    assert three.xread({"s": "0"}, version=2) == {"s": [entry(1)]}


def test_a_blocked_read_gets_what_is_added_meanwhile(cache: Client) -> None:
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(cache.xread, {"s": "0-0"}, block=20_000)
        cache.xadd("s", {"n": 1}, "1-0")
        assert reading.result() == {"s": [entry(1)]}
        cache.xgroup_create("s", "g")
        handed = threads.submit(cache.xreadgroup, "g", "c", {"s": ">"}, block=20_000)
        cache.xadd("s", {"n": 2}, "2-0")
        assert handed.result() == {"s": [entry(2)]}
    cache.xadd("s", {"n": 3}, "3-0")
    assert cache.xreadgroup("g", "c", {"s": ">"}, block=20_000) == {"s": [entry(3)]}


def test_trimming(three: Client) -> None:
    assert three.xdel("s", "2-0", "7-0") == 1
    assert three.xadd("s", {"n": 4}, "4-0", maxlen=2, approximate=False) == "4-0"
    assert three.xrange("s") == [entry(3), entry(4)]
    assert three.xadd("s", {"n": 5}, "5-0", maxlen=2, limit=10) == "5-0"
    assert three.xtrim("s", minid="5-0", approximate=False) >= 1
    assert three.xtrim("s", maxlen=0, approximate=False) == 1
    assert three.xlen("s") == 0


def test_the_time_to_live_stays(group: Client) -> None:
    group.expire("s", 1000)
    group.xadd("s", {"n": 4}, "4-0", maxlen=9)
    group.xreadgroup("g", "c", {"s": ">"})
    group.xack("s", "g", "1-0")
    group.xdel("s", "1-0")
    group.xtrim("s", maxlen=1)
    left = group.ttl("s")
    assert left is not None
    assert 900 < left <= 1000


def test_a_group_hands_out_each_entry_once(three: Client) -> None:
    assert three.xgroup_create("s", "g", "1-0") is True
    assert three.xreadgroup("g", "c", {"s": ">"}, count=1) == {"s": [entry(2)]}
    assert three.xreadgroup("g", "d", {"s": ">"}, noack=True) == {"s": [entry(3)]}
    assert three.xreadgroup("g", "c", {"s": ">"}) == three.xreadgroup("g", "c", {"s": ">"}, block=1) == {}
    assert three.xreadgroup("g", "c", {"s": "0"}) == {"s": [entry(2)]}
    assert three.xpending("s", "g") == Pending(1, "2-0", "2-0", {"c": 1})
    assert three.xack("s", "g", "2-0", "3-0") == 1
    assert three.xpending("s", "g") == Pending(0, None, None, {})
    assert three.xgroup_setid("s", "g", "2-0") is True
    assert three.xreadgroup("g", "c", {"s": ">"}) == {"s": [entry(3)]}


def test_a_group_is_made_and_destroyed(cache: Client) -> None:
    assert cache.xgroup_create("s", "g", mkstream=True) is True
    assert cache.xlen("s") == 0
    with pytest.raises(GroupExists, match="app:1:s"):
        cache.xgroup_create("s", "g")
    assert [row["name"] for row in cache.xinfo_groups("s")] == ["g"]
    assert cache.xgroup_destroy("s", "g") is True
    assert cache.xgroup_destroy("s", "g") is False
    assert cache.xinfo_groups("s") == []


def test_what_is_pending(group: Client) -> None:
    rows = group.xpending_range("s", "g", count=10)
    assert [(row.id, row.consumer, row.times) for row in rows] == [("1-0", "c", 1), ("2-0", "c", 1)]
    assert all(0 <= row.idle < FOR_EVER for row in rows)
    assert [row.id for row in group.xpending_range("s", "g", "2", count=10)] == ["2-0"]
    assert len(group.xpending_range("s", "g", count=1, consumer="c")) == 1
    assert group.xpending_range("s", "g", count=10, consumer="d") == []
    assert group.xpending_range("s", "g", count=10, idle=FOR_EVER) == []


def test_claiming(group: Client) -> None:
    assert group.xclaim("s", "g", "d", FOR_EVER, "1-0") == []
    assert group.xclaim("s", "g", "d", 0, "1-0", "3-0", "9-0") == [entry(1)]
    assert group.xpending("s", "g") == Pending(2, "1-0", "2-0", {"c": 1, "d": 1})
    assert group.xautoclaim("s", "g", "e", FOR_EVER) == ("0-0", [])
    assert group.xautoclaim("s", "g", "e", 0, count=1) == ("2-0", [entry(1)])
    assert group.xautoclaim("s", "g", "e", 0, "2-0") == ("0-0", [entry(2)])
    assert {row.consumer for row in group.xpending_range("s", "g", count=9)} == {"e"}


def test_an_entry_that_was_deleted_is_claimed_by_nobody(group: Client) -> None:
    group.xdel("s", "1-0")
    assert group.xreadgroup("g", "c", {"s": "0"}) == {"s": [("1-0", {}), entry(2)]}
    assert group.xautoclaim("s", "g", "d", 0) == ("0-0", [entry(2)])
    assert group.xpending("s", "g") == Pending(1, "2-0", "2-0", {"d": 1})


def test_what_the_server_says_of_a_stream(group: Client, cache: Client) -> None:
    said = group.xinfo_stream("s")
    assert (said["length"], said["groups"], said["last-generated-id"]) == (3, 1, "3-0")
    assert (said["first-entry"], said["last-entry"]) == (entry(1), entry(3))
    (row,) = group.xinfo_groups("s")
    assert (row["name"], row["consumers"], row["pending"], row["last-delivered-id"]) == ("g", 1, 2, "2-0")
    (consumer,) = group.xinfo_consumers("s", "g")
    assert (consumer["name"], consumer["pending"]) == ("c", 2)
    cache.xgroup_create("empty", "g", mkstream=True)
    assert cache.xinfo_stream("empty")["first-entry"] is None


NO_GROUP: list[Callable[[Client, str], object]] = [
    lambda cache, key: cache.xgroup_setid(key, "no", "0"),
    lambda cache, key: cache.xreadgroup("no", "c", {key: ">"}),
    lambda cache, key: cache.xpending(key, "no"),
    lambda cache, key: cache.xpending_range(key, "no", count=1),
    lambda cache, key: cache.xclaim(key, "no", "c", 0, "1-0"),
    lambda cache, key: cache.xautoclaim(key, "no", "c", 0),
    lambda cache, key: cache.xinfo_consumers(key, "no"),
]
NO_KEY: list[Callable[[Client, str], object]] = [
    lambda cache, key: cache.xgroup_create(key, "no"),
    lambda cache, key: cache.xgroup_destroy(key, "no"),
    lambda cache, key: cache.xinfo_stream(key),
    lambda cache, key: cache.xinfo_groups(key),
]


def test_a_missing_key_or_group_of_a_group_command(three: Client) -> None:
    for call in NO_GROUP:
        with pytest.raises(KeyNotFound, match="app:1:s"):
            call(three, "s")
    for call in NO_GROUP + NO_KEY:
        with pytest.raises(KeyNotFound, match="app:1:missing"):
            call(three, "missing")


OTHERS: list[Callable[[Client, str], object]] = [
    lambda cache, key: cache.xadd(key, {"a": 1}),
    lambda cache, key: cache.xlen(key),
    lambda cache, key: cache.xdel(key, "1-0"),
    lambda cache, key: cache.xtrim(key, maxlen=1),
    lambda cache, key: cache.xrange(key),
    lambda cache, key: cache.xrevrange(key),
    lambda cache, key: cache.xread({key: "0"}),
    lambda cache, key: cache.xread({"{k}missing": "0", key: "0"}),
    lambda cache, key: cache.xack(key, "no", "1-0"),
]


def test_another_kind_of_key(cache: Client) -> None:
    cache.set("{k}", "text")
    for call in NO_GROUP + NO_KEY + OTHERS:
        with pytest.raises(WrongType, match=r"app:1:\{k\}"):
            call(cache, "{k}")


def test_in_a_pipeline(cache: Client) -> None:
    with cache.pipeline() as pipe:
        added = pipe.xadd("s", {"n": 1}, "1-0")
        made = pipe.xgroup_create("s", "g", "0")
        read = pipe.xrange("s")
        assert pipe.execute() == ["1-0", True, [entry(1)]]
    assert (added.value, made.value, read.value) == ("1-0", True, [entry(1)])


def test_where_errors_are_ignored(make: Make) -> None:
    cache = make(ignore_exceptions=True)
    cache.close()
    cache.set("k", 1)
    with pytest.raises(WrongType):
        cache.xadd("k", {"a": 1})
    assert cache.xadd("s", {"a": 1}, "no id") is None
