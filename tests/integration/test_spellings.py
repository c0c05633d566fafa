"""Calls as users of other backends have written them, on a real server, both ways of the Django backend.

Fails where such a call is refused, or answers something else than `CALLS` says.

What may enter: a row for a spelling that is not our own.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import frozen

from vkcache.django import ValkeyCache

V, X, DR, R, D = "django-valkey", "django-cachex", "django-redis", "django-redis-cache", "django"


@frozen
class Asked:
    """A call of the method of this name."""

    name: str
    args: tuple[Any, ...]
    named: dict[str, Any]


def call(name: str, /, *args: Any, **named: Any) -> Asked:
    return Asked(name, args, named)


@frozen
class Row:
    """What a backend's users write after what, and what they get."""

    backend: str
    asked: Asked
    result: Any
    after: tuple[Asked, ...] = ()


FOREVER = datetime(2100, 1, 1)
ABC = (call("sadd", "s", "a", "b", "c"),)
HASH = (call("hset", "h", "f", 1),)
SCORES = (call("zadd", "z", {"a": 1, "b": 2, "c": 3}),)
LOGGED = (call("xadd", "x", {"f": 1}, "1-1"), call("xgroup_create", "x", "g", "0"))
READ = (*LOGGED, call("xreadgroup", "g", "c", {"x": ">"}))

CALLS = (
    Row(D, call("get_or_set", "k", lambda: 5, 10, 1), 5),
    Row(D, call("incr", key="k", delta=2, version=1), 3, (call("set", "k", 1, None, 1),)),
    Row(V, call("set", "k", 1, timeout=5, nx=True), True),
    Row(V, call("incr", "k", 1, ignore_key_check=True), 1),
    Row(V, call("delete", "k", version=2, prefix="other"), False, (call("set", "k", 1, version=2),)),
    Row(V, call("delete", "k", prefix="of"), True, (call("set", "k", 1),)),
    Row(V, call("delete_pattern", "k*", prefix="*", itersize=5), 0, (call("set", "k", 1),)),
    Row(V, call("delete_pattern", "k*", 1, "of"), 1, (call("set", "k", 1),)),
    Row(V, call("keys", search="k*"), ["k"], (call("set", "k", 1),)),
    Row(V, call("iter_keys", search="k*", itersize=2), ["k"], (call("set", "k", 1),)),
    Row(V, call("expire_at", "k", FOREVER), True, (call("set", "k", 1),)),
    Row(V, call("persist", "k"), True, (call("set", "k", 1, 5),)),
    Row(V, call("mset", {"k": 1}, timeout=5), True),
    Row(V, call("sscan_iter", "s", "a*", 10), ["a"], ABC),
    Row(V, call("smismember", "s", "a", "z"), [True, False], ABC),
    Row(V, call("smove", source="s", destination="t", member="a"), True, ABC),
    Row(V, call("sdiffstore", "d", "s", version_dest=2, version_keys=1), 3, ABC),
    Row(V, call("sunionstore", "d", "s", "t", version=1), 3, ABC),
    Row(V, call("hset", name="h", key="f", value=1), 1),
    Row(V, call("hset", "h", key="f", value=1, version=2), 1),
    Row(V, call("hexists", name="h", key="f"), True, HASH),
    Row(V, call("hdel", "h", key="f"), 1, HASH),
    Row(V, call("hlen", name="h"), 1, HASH),
    Row(V, call("hkeys", name="h"), ["f"], HASH),
    Row(V, call("make_pattern", "k*", prefix="o*"), r"o\*:1:k*"),
    Row(DR, call("iter_keys", "k*", itersize=5), ["k"], (call("set", "k", 1),)),
    Row(DR, call("ttl", "k"), None, (call("set", "k", 1, timeout=None),)),
    Row(DR, call("pexpire_at", "k", FOREVER), True, (call("set", "k", 1),)),
    Row(DR, call("hset", "h", mapping={"f": 1, "g": 2}), 2),
    Row(DR, call("hdel", "h", field="f"), 1, HASH),
    Row(DR, call("zincrby", "z", 1.5, value="a"), 2.5, SCORES),
    Row(DR, call("zrank", "z", value="b"), 1, SCORES),
    Row(DR, call("zscore", "z", value="b"), 2.0, SCORES),
    Row(DR, call("zrange", "z", 0, 0, True, True), [("c", 3.0)], SCORES),
    Row(DR, call("zrevrange", "z", 0, 0, True, int), [("c", 3)], SCORES),
    Row(DR, call("zrangebyscore", "z", 1, 3, 1, 1, True), [("b", 2.0)], SCORES),
    Row(DR, call("zrevrangebyscore", "z", "+inf", "-inf", 0, 1), ["c"], SCORES),
    Row(R, call("get_or_set", "k", lambda: 5, timeout=9, lock_timeout=2, stale_cache_timeout=30), 5),
    Row(R, call("delete_pattern", "k*", version=1), 1, (call("set", "k", 1),)),
    Row(R, call("reinsert_keys"), 1, (call("set", "k", "text"),)),
    Row(R, call("persist", "k"), True, (call("set", "k", 1, 5),)),
    Row(X, call("set", "k", 2, get=True), 1, (call("set", "k", 1),)),
    Row(X, call("get", "k", stampede_prevention=False), 1, (call("set", "k", 1),)),
    Row(X, call("expireat", "k", FOREVER), True, (call("set", "k", 1),)),
    Row(X, call("expire", "k", timedelta(seconds=5)), True, (call("set", "k", 1),)),
    Row(X, call("clear_all_versions", itersize=5), 2, (call("set", "k", 1), call("set", "k", 1, version=2))),
    Row(X, call("rename", "k", "l", None, 2, 3), True, (call("set", "k", 1, version=2),)),
    Row(X, call("scan", 0, "k*", 10, key_type="string"), (0, ["k"]), (call("set", "k", 1),)),
    Row(X, call("hset", "h", "f", 1, 2), 1),
    Row(X, call("hset", "h", items=["f", 1, "g", 2]), 2),
    Row(X, call("hincrby", "h", "f", amount=4), 5, HASH),
    Row(X, call("sdiff", keys=["s", "t"]), {"a", "b", "c"}, ABC),
    Row(X, call("sunionstore", dest="d", keys=["s"], version_keys=1), 3, ABC),
    Row(X, call("sinterstore", dest="d", keys=["s"], version_dest=2), 3, ABC),
    Row(X, call("smove", "s", "t", "a", version_src=1, version_dst=2), True, ABC),
    Row(X, call("sscan", "s", 0, "a*", 10), (0, {"a"}), ABC),
    Row(X, call("blpop", keys=["l"], timeout=1), ("l", 1), (call("rpush", "l", 1),)),
    Row(X, call("lmove", "l", "m", "LEFT", "RIGHT", version_dst=2), 1, (call("rpush", "l", 1),)),
    Row(X, call("blmove", "l", "m", 1, version_dst=2), 1, (call("rpush", "l", 1),)),
    Row(X, call("lpos", "l", 1, 1, 0), [0, 1], (call("rpush", "l", 1, 1),)),
    Row(X, call("zcount", "z", min_score=1, max_score=2), 2, SCORES),
    Row(X, call("zrangebyscore", "z", min_score=2, max_score="+inf", start=0, num=1), ["b"], SCORES),
    Row(
        X,
        call("zrevrangebyscore", "z", max_score=2, min_score=0, withscores=True),
        [("b", 2.0), ("a", 1.0)],
        SCORES,
    ),
    Row(X, call("zremrangebyscore", "z", min_score=1, max_score=2), 2, SCORES),
    Row(X, call("xadd", "x", {"f": 1}, entry_id="5-1", maxlen=9), "5-1"),
    Row(X, call("xadd", "x", {"f": 1}, "5-1", 9, False, True), None),
    Row(X, call("xtrim", "x", 0, False), 1, LOGGED),
    Row(X, call("xread", {"x": "0"}, 5), {"x": [("1-1", {"f": 1})]}, LOGGED),
    Row(X, call("xgroup_create", "y", "g", entry_id="0", mkstream=True, entries_read=0), True),
    Row(X, call("xgroup_setid", "x", "g", entry_id="0"), True, LOGGED),
    Row(X, call("xgroup_delconsumer", "x", "g", "c"), 1, READ),
    Row(X, call("xreadgroup", "g", "c", {"x": ">"}, 5), {"x": [("1-1", {"f": 1})]}, LOGGED),
    Row(X, call("xclaim", "x", "g", "d", 0, entry_ids=["1-1"], idle=5), [("1-1", {"f": 1})], READ),
    Row(X, call("xautoclaim", "x", "g", "d", 0, start_id="0-0", count=5), ("0-0", [("1-1", {"f": 1})]), READ),
    Row(X, call("slowlog_len"), 0),
    Row(X, call("slowlog_get", 5), []),
    Row(X, call("eval_script", "return ARGV[1]", keys=["k"], args=[7]), b"7"),
)


@pytest.fixture
def cache(url: str) -> ValkeyCache:
    cache = ValkeyCache(url, {"KEY_PREFIX": "of"})
    cache.get_client().execute_command("SLOWLOG", "RESET")
    return cache


def shown(row: Row) -> str:
    return f"{row.backend}-{row.asked.name}"


def answered(cache: ValkeyCache, asked: Asked) -> Any:
    result = getattr(cache, asked.name)(*asked.args, **asked.named)
    return list(result) if inspect.isgenerator(result) else result


async def awaited(cache: ValkeyCache, asked: Asked) -> Any:
    method: Callable[..., Any] = getattr(cache, f"a{asked.name}", getattr(cache, asked.name))
    result = method(*asked.args, **asked.named)
    if inspect.isasyncgen(result):
        return [item async for item in result]
    return await result if inspect.isawaitable(result) else result


@pytest.mark.parametrize("row", CALLS, ids=shown)
def test_a_call_of_theirs_answers(cache: ValkeyCache, row: Row) -> None:
    for before in row.after:
        answered(cache, before)
    assert answered(cache, row.asked) == row.result


@pytest.mark.parametrize("row", CALLS, ids=shown)
def test_a_call_of_theirs_answers_where_it_is_awaited(cache: ValkeyCache, row: Row) -> None:
    async def asking() -> Any:
        for before in row.after:
            await awaited(cache, before)
        try:
            return await awaited(cache, row.asked)
        finally:
            await cache._site.adoor().nodes.aclose()

    assert asyncio.run(asking()) == row.result


@pytest.mark.parametrize("name", ["lock", "get_lock"])
def test_locks_of_theirs(cache: ValkeyCache, name: str) -> None:
    with getattr(cache, name)("l", timeout=5, sleep=0.01, blocking_timeout=1, lock_class=None) as held:
        assert held.owned()


def test_a_lock_of_theirs_is_awaited_first(cache: ValkeyCache) -> None:
    async def holding() -> None:
        async with await cache.aget_lock("l", timeout=5) as held:
            assert await held.owned()
        await cache._site.adoor().nodes.aclose()

    asyncio.run(holding())


def test_their_spellings_are_known_to_a_pipeline(cache: ValkeyCache) -> None:
    theirs: dict[str, Any] = {"min_score": 1, "max_score": 2}
    with cache.pipeline() as pipe:
        pipe.zadd("z", {"a": 1, "b": 2, "c": 3})
        pipe.zcount("z", **theirs)
        assert pipe.execute() == [3, 2]
