"""What type checkers see of the commands on sets and sorted sets.

Checked by mypy (and pyright), never run. A row fails when a method loses its result type, its
parameter names or their defaults on the way from the core function to the shell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

from vkcache.shell import Client


def sets(cache: Client) -> None:
    assert_type(cache.sadd("k", 1, "text", version=2), int)
    assert_type(cache.smembers("k"), set[Any] | list[Any])
    assert_type(cache.smismember("k", 1, 2), list[bool])
    assert_type(cache.smove("a", "b", 1), bool)
    assert_type(cache.sdiff("a", "b"), set[Any] | list[Any])
    assert_type(cache.sunionstore("dest", ["a", "b"], version=2), int)
    assert_type(cache.sscan("k", match="a*", count=5), tuple[int, set[Any] | list[Any]])
    assert_type(cache.sscan_iter("k", match="a*"), Iterator[Any])


def sorted_sets(cache: Client) -> None:
    assert_type(cache.zadd("k", {"a": 1, "b": 2.5}, nx=True), int | Any)
    assert_type(cache.zincrby("k", 1.5, "a"), float)
    assert_type(cache.zrange("k", 0, -1, desc=True, withscores=True), list[Any])
    assert_type(cache.zrange_withscores("k", 0, -1, desc=True), list[tuple[Any, float]])
    assert_type(cache.zrangebyscore("k", "-inf", "(5", start=0, num=1), list[Any])
    assert_type(cache.zrangebyscore_withscores("k", 0, 1.5), list[tuple[Any, float]])
    assert_type(cache.zrank("k", "a"), int | None)
    assert_type(cache.zscore("k", "a"), float | None)
    assert_type(cache.zmscore("k", "a", "b"), list[float | None])
    assert_type(cache.zpopmin("k", 2), list[tuple[Any, float]])
    assert_type(cache.zscan("k", 0, match="a*"), tuple[int, list[tuple[Any, float]]])
    assert_type(cache.zscan_iter("k"), Iterator[tuple[Any, float]])


def queued(cache: Client) -> None:
    pipe = cache.pipeline()
    assert_type(pipe.zscore("k", "a").value, float | None)
    assert_type(pipe.smembers("k").value, set[Any] | list[Any])


def refused(cache: Client) -> None:
    cache.zadd("k", {"a": "1"})  # type: ignore[dict-item]  # a score is a number
    cache.smove("a", "b")  # type: ignore[call-arg]  # the member is needed
    cache.zcount("k", None, 5)  # type: ignore[arg-type]  # a bound is a number or text
