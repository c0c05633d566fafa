"""What type checkers see of the sync shell: exact results, keywords and defaults.

Checked by mypy (and pyright), never run. A row fails when a method loses its result type, its
parameter names or their defaults on the way from the core function to the shell.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, assert_type

from vkcache.core import strings
from vkcache.core.plan import Command
from vkcache.core.space import Space
from vkcache.core.streamgroups import Pending
from vkcache.core.streams import Entry
from vkcache.shell import Client, Lock, Pipeline, Semaphore, full_encode_pre
from vkcache.shell.binding import Slot


def results(cache: Client) -> None:
    assert_type(cache.get_many(["a"]), dict[str, Any])
    assert_type(cache.mget({"a"}, version=2), dict[str, Any])
    assert_type(cache.add("a", 1, 60), bool)
    assert_type(cache.set("a", 1, timedelta(hours=1), nx=True), bool | Any)
    assert_type(cache.set_many({"a": 1}, timeout=None), list[str])
    assert_type(cache.mset({"a": 1}), bool)
    assert_type(cache.incr("a", 2, version=3), int | float)
    assert_type(cache.incr_version("a"), int)
    assert_type(cache.delete("a"), bool)
    assert_type(cache.delete_many(("a", "b")), int | None)
    assert_type(cache.ttl("a"), int | None)
    assert_type(cache.type("a"), str | None)
    assert_type(cache.keys("*"), list[str])
    assert_type(cache.iter_keys("*", itersize=10), Iterator[str])
    assert_type(cache.scan(0, pattern="*", count=10), tuple[int, list[str]])
    assert_type(cache.delete_pattern("*", itersize=10), int)
    assert_type(cache.clear(), bool)
    assert_type(cache.info("server"), dict[str, int | float | str])
    assert_type("a" in cache, bool)


def further_results(cache: Client) -> None:
    assert_type(cache.xadd("s", {"a": 1}, nomkstream=True), str | None)
    assert_type(cache.xread({"s": "0"}, block=10), dict[str, list[Entry]])
    assert_type(cache.xpending("s", "g"), Pending)
    assert_type(cache.xautoclaim("s", "g", "c", 0), tuple[str, list[Entry]])
    assert_type(cache.xinfo_groups("s"), list[dict[str, str | int | None]])
    assert_type(cache.setbit("b", 7, True), int)
    assert_type(cache.bitop("AND", "d", "a", "b", version=2), int)
    assert_type(cache.pfadd("h", 1), bool)
    assert_type(cache.geopos("g", "a"), list[tuple[float, float] | None])
    assert_type(cache.geosearch("g", member="a", radius=1, unit="km"), list[Any])
    assert_type(cache.geosearch_with("g", member="a", radius=1), list[tuple[Any, float, tuple[float, float]]])
    assert_type(cache.eval_script("return 1", keys=["k"], pre_hook=full_encode_pre), Any)
    assert_type(cache.pipeline().xlen("s"), Slot[int])


def held(cache: Client) -> None:
    assert_type(cache.lock("k"), Lock)
    assert_type(cache.lock("k", 2, timedelta(minutes=1), 0.5, False, 3, thread_local=False), Lock)
    assert_type(cache.get_lock("k", timeout=5.5, blocking_timeout=None), Lock)
    assert_type(cache.semaphore("k", 5), Semaphore)
    assert_type(cache.semaphore("k", capacity=5, weight=2, lease=1.5, timeout=None, version=2), Semaphore)
    with cache.lock("k") as lock, cache.semaphore("k", 5) as semaphore:
        assert_type(lock, Lock)
        assert_type(semaphore, Semaphore)
    assert_type(cache.lock("k").acquire(), bool)
    assert_type(cache.semaphore("k", 5).acquire(timeout=1), bool)
    assert_type(cache.semaphore("k", 5).token, int | None)
    assert_type(cache.lock("k").lost, bool)


def fresh(cache: Client) -> None:
    assert_type(cache.get_or_set("a", lambda: 1, 60, 2), Any)
    assert_type(cache.get_or_set("a", 1, lock_timeout=5, stale_cache_timeout=1.5, early=1, jitter=0.1), Any)
    assert_type(cache.get_or_set("a", 1, stale_cache_timeout=timedelta(hours=1), lock_timeout=None), Any)
    assert_type(cache.set_many({"a": 1}, 60, jitter=0.1), list[str])
    assert_type(cache.mset({"a": 1}, 60, jitter=0.1), bool)
    assert_type(cache.add("a", 1, jitter=None), bool)
    assert_type(Client("memory://", jitter=0.1), Client)


def length(space: Space, key: str) -> Command[int]:
    """A command of a user's own."""
    return Command(strings.GET, (space.key(key),), len)


def own_command(cache: Client) -> None:
    assert_type(cache.execute(length(cache.space, "k")), int)
    assert_type(cache.execute(strings.get_many(cache.space, ["k"])), dict[str, Any])


def refused(cache: Client, pipe: Pipeline) -> None:
    cache.get_or_set("a", 1, lock_timeout="5")  # type: ignore[arg-type]  # a time is a number
    cache.get_or_set("a", 1, early="1")  # type: ignore[arg-type]  # a number
    cache.get_or_set("a", 1, 60, "2")  # type: ignore[arg-type]  # a version is a number
    cache.set("a", 1, jitter="x")  # type: ignore[arg-type]  # a part is a number
    cache.touch("a", 1, jitter=0.1)  # type: ignore[call-arg]  # the cache's own alone
    cache.lock()  # type: ignore[call-arg]  # the key is needed
    cache.lock("k", lease="5")  # type: ignore[arg-type]  # a time is a number
    cache.semaphore("k")  # type: ignore[call-arg]  # the capacity is needed
    cache.semaphore("k", 5, 2)  # type: ignore[call-arg]  # by keyword alone
    cache.semaphore("k", 1.5)  # type: ignore[arg-type]  # a whole number
    pipe.lock("k")  # type: ignore[call-overload]  # a pipeline holds nothing
    pipe.semaphore("k", 5)  # type: ignore[call-overload]  # a pipeline holds nothing
    Client("memory://", jitter="x")  # type: ignore[arg-type]  # a part is a number
    cache.get()  # type: ignore[call-arg]  # the key is needed
    cache.bitop("NAND", "d", "a")  # type: ignore[arg-type]  # no such operation
    cache.geodist("g", "a", "b", "yd")  # type: ignore[arg-type]  # no such unit
    cache.get(1)  # type: ignore[arg-type]  # a key is a str
    cache.set("a", 1, "60")  # type: ignore[arg-type]  # a time-out is a number
    cache.ttl("a", versoin=1)  # type: ignore[call-arg]  # a keyword that is not there
    cache.touch("a", None).upper()  # type: ignore[attr-defined]  # a bool
    Client("memory://", socket_timout=1)  # type: ignore[call-arg]  # an option that is not there
