"""What a cache has beside its commands, and get_or_set.

Fails where get_or_set() computes without need or loses a value, where two aliases of a command
differ, or where keys, patterns and bytes that a cache tells of are not those that it uses.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from tests.integration.contract.ways import Way
from vkcache.core.keyspace import CacheKey
from vkcache.core.plan import Done
from vkcache.errors import InvalidArgument, InvalidKey, Undecodable
from vkcache.shell import Client


def test_get_or_set_stores_what_is_missing(cache: Client, raw: Raw) -> None:
    assert cache.get_or_set("k", "value", 60) == "value"
    assert 30_000 < raw("PTTL", "app:1:k") <= 60_000
    assert cache.get_or_set("k", "other") == "value"
    assert cache.get_or_set("k", "second", 60, 2) == "second"
    assert cache.get_or_set("k", "other", version=2) == "second"


def test_get_or_set_calls_a_function_where_it_has_to(cache: Client) -> None:
    calls: list[int] = []

    def compute() -> tuple[int, ...]:
        calls.append(1)
        return tuple(calls)

    assert cache.get_or_set("k", compute) == (1,)
    assert cache.get_or_set("k", compute) == (1,)
    assert calls == [1]


def test_get_or_set_stores_none(cache: Client) -> None:
    assert cache.get_or_set("k", None) is None
    assert cache.has_key("k")
    assert cache.get_or_set("k", 5) is None


def test_get_or_set_answers_what_another_stored_first(cache: Client) -> None:
    def slow() -> str:
        cache.set("k", "of another")
        return "mine"

    assert cache.get_or_set("k", slow) == "of another"
    assert cache.get("k") == "of another"


def test_an_error_of_the_function_reaches_the_caller_and_nothing_is_stored(cache: Client, raw: Raw) -> None:
    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("k", lambda: 1 / 0)
    assert raw("DBSIZE") == 0


def test_a_coroutine_function_is_awaited_or_refused(cache: Client, way: Way, raw: Raw) -> None:
    async def compute() -> int:
        return 1

    if way.awaits:
        assert (cache.get_or_set("k", compute), cache.get("k")) == (1, 1)
        return
    with pytest.raises(InvalidArgument, match="aw"):
        cache.get_or_set("k", compute)
    assert raw("DBSIZE") == 0


@pytest.mark.parametrize("timeout", [0, -1])
def test_get_or_set_with_a_passed_timeout_stores_nothing(cache: Client, raw: Raw, timeout: int) -> None:
    assert cache.get_or_set("k", "v", timeout) == "v"
    assert raw("DBSIZE") == 0


@pytest.mark.parametrize("prefix", ["", "app", "a:b", "a*[b]?\\", "ü"])
@pytest.mark.parametrize("key", ["k", "a:b:c", "", "1:2"])
def test_a_key_is_made_and_reversed(make: Make, raw: Raw, prefix: str, key: str) -> None:
    cache = make(prefix=prefix)
    wire = cache.make_key(key)
    assert wire == f"{prefix}:1:{key}"
    assert cache.make_key(key, version=12) == f"{prefix}:12:{key}"
    assert cache.reverse_key(wire) == cache.reverse_key(cache.make_key(key, 12)) == key
    cache.set(key, "v")
    assert raw("KEYS", "*") == [wire.encode()]


def test_a_pattern_matches_prefix_and_version_literally(make: Make) -> None:
    assert make(prefix="a*").make_pattern("b*") == r"a\*:1:b*"
    assert make(prefix="a").make_pattern("?", version=3) == "a:3:?"


def test_a_ready_made_key_is_left_alone(cache: Client, raw: Raw) -> None:
    cache.set(CacheKey("ready"), 1)
    assert raw("KEYS", "*") == [b"ready"]
    assert cache.get(CacheKey("ready")) == 1


def test_a_foreign_key_can_not_be_reversed(cache: Client) -> None:
    for foreign in ("other:1:k", "app", "app:x:k"):
        with pytest.raises(InvalidKey, match=foreign):
            cache.reverse_key(foreign)


def test_a_key_that_no_encoding_carries_is_refused(cache: Client, raw: Raw) -> None:
    for call in (cache.get, cache.delete, cache.touch, cache.ttl):
        with pytest.raises(InvalidKey):
            call("\ud800")
    with pytest.raises(InvalidKey):
        cache.set_many({"a": 1, "\ud800": 2})
    assert raw("DBSIZE") == 0


def test_encode_and_decode_are_what_is_stored(cache: Client, raw: Raw) -> None:
    for value in (5, (1, 2), "x" * 5000, None):
        cache.set("k", value)
        assert cache.encode(value) == raw("GET", "app:1:k")
        assert cache.decode(raw("GET", "app:1:k")) == value
    with pytest.raises(Undecodable):
        cache.decode(b"nonsense")


def test_a_command_of_the_users_own_can_be_executed(cache: Client) -> None:
    assert cache.execute(Done(5)) == 5


def test_after_close_the_next_call_connects_again(cache: Client) -> None:
    cache.set("k", 1)
    cache.close()
    assert cache.get("k") == 1
    cache.close()
    cache.close()


def test_two_caches_on_one_place_share_values(make: Make) -> None:
    make().set("k", ("v",))
    assert make().get("k") == ("v",)
    assert make(prefix="other").get("k") is None


# Names, order and defaults of the methods are what users rely on: "K" keyword-only, "=" with a default.
SIGNATURES = {
    "get": "key default= version=",
    "getex": "key timeout= version=",
    "set": "key value timeout= version= K:nx= K:xx= K:get= K:keepttl= K:jitter=",
    "add": "key value timeout= version= K:jitter=",
    "delete": "key version= prefix=",
    "delete_many": "keys version=",
    "touch": "key timeout= version=",
    "get_many": "keys version=",
    "mget": "keys version=",
    "set_many": "data timeout= version= K:jitter=",
    "mset": "data timeout= version= K:jitter=",
    "get_or_set": "key default timeout= version= K:lock_timeout= K:stale_cache_timeout= K:early= K:jitter=",
    "incr": "key delta= version= K:ignore_key_check=",
    "decr": "key delta= version= K:ignore_key_check=",
    "incr_version": "key delta= version=",
    "decr_version": "key delta= version=",
    "has_key": "key version=",
    "clear": "version= K:itersize=",
    "keys": "pattern= version=",
    "iter_keys": "pattern= itersize= version=",
    "scan": "cursor= pattern= count= key_type= version=",
    "delete_pattern": "pattern version= prefix= K:itersize=",
    "rename": "src dst version= version_src= version_dst=",
    "expire": "key timeout= version=",
    "pexpire": "key timeout= version=",
    "expire_at": "key when version=",
    "ttl": "key version=",
    "lock": "key version= timeout= sleep= blocking= blocking_timeout= thread_local= K:lease=",
    "get_lock": "key version= timeout= sleep= blocking= blocking_timeout= thread_local= K:lease=",
    "semaphore": "key capacity K:weight= K:lease= K:timeout= K:version=",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_names_order_and_defaults(cache: Client, name: str) -> None:
    def shown(parameter: inspect.Parameter) -> str:
        keyword = "K:" if parameter.kind is inspect.Parameter.KEYWORD_ONLY else ""
        return keyword + parameter.name + ("" if parameter.default is inspect.Parameter.empty else "=")

    method: Any = getattr(cache, name)
    assert " ".join(map(shown, inspect.signature(method).parameters.values())) == SIGNATURES[name]
