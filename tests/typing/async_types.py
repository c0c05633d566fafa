"""What type checkers see of the async shells: exact results, keywords and defaults.

Checked by mypy (and pyright), never run. A row fails when a method loses its result type, its
parameter names or their defaults on the way from the core function to a shell whose methods are
awaited: the client for tasks, its pipeline, and the a-prefixed siblings of Django's backend.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from typing import Any, assert_type

from vkcache.core import strings
from vkcache.core.plan import Command
from vkcache.core.space import Space
from vkcache.core.streamgroups import Pending
from vkcache.core.streams import Entry
from vkcache.django import ValkeyCache
from vkcache.shell import (
    AsyncClient,
    AsyncLock,
    AsyncPipeline,
    AsyncSemaphore,
    Lock,
    Semaphore,
    full_encode_pre,
)
from vkcache.shell.binding import Slot


async def results(cache: AsyncClient) -> None:
    assert_type(await cache.get_many(["a"]), dict[str, Any])
    assert_type(await cache.mget({"a"}, version=2), dict[str, Any])
    assert_type(await cache.add("a", 1, 60), bool)
    assert_type(await cache.set("a", 1, timedelta(hours=1), nx=True), bool | Any)
    assert_type(await cache.set_many({"a": 1}, timeout=None), list[str])
    assert_type(await cache.incr("a", 2, version=3), int | float)
    assert_type(await cache.incr_version("a"), int)
    assert_type(await cache.delete_many(("a", "b")), int | None)
    assert_type(await cache.ttl("a"), int | None)
    assert_type(await cache.has_key("a"), bool)
    assert_type(await cache.scan(0, pattern="*", count=10), tuple[int, list[str]])
    assert_type(await cache.delete_pattern("*", itersize=10), int)
    assert_type(await cache.info("server"), dict[str, int | float | str])
    assert_type(await cache.xread({"s": "0"}, block=10), dict[str, list[Entry]])
    assert_type(await cache.xpending("s", "g"), Pending)
    assert_type(await cache.bitop("AND", "d", "a", "b", version=2), int)
    assert_type(await cache.geopos("g", "a"), list[tuple[float, float] | None])
    assert_type(await cache.eval_script("return 1", keys=["k"], pre_hook=full_encode_pre), Any)
    await assert_type(cache.delete("a"), Coroutine[Any, Any, bool])


async def iterated(cache: AsyncClient) -> None:
    assert_type(cache.iter_keys("*", itersize=10), AsyncIterator[str])
    assert_type([key async for key in cache.iter_keys()], list[str])
    assert_type(cache.hscan_iter("h"), AsyncIterator[tuple[str, Any]])


async def beside_commands(url: str) -> None:
    async with AsyncClient(url, prefix="app", timeout=None, socket_timeout=1) as cache:
        assert_type(cache, AsyncClient)
        assert_type(cache.make_key("a", version=2), str)
        assert_type(cache.encode(1), bytes)
        assert_type(cache.unreadable, int)


async def queued(cache: AsyncClient) -> None:
    async with cache.pipeline(transaction=False, version=2) as pipe:
        assert_type(pipe, AsyncPipeline)
        assert_type(pipe.xlen("s"), Slot[int])
        assert_type(pipe.incr("n", 2, ignore_key_check=True).value, int)
        assert_type(pipe.queue(length(pipe.space, "k")), Slot[int])
        assert_type(await pipe.execute(raise_on_error=False), list[Any])
    assert_type(await cache.pipeline(), AsyncPipeline)


async def held(cache: AsyncClient) -> None:
    assert_type(cache.lock("k"), AsyncLock)
    assert_type(await cache.lock("k"), AsyncLock)
    assert_type(cache.get_lock("k", 2, 5.5, blocking_timeout=None), AsyncLock)
    assert_type(cache.semaphore("k", 5), AsyncSemaphore)
    assert_type(await cache.semaphore("k", 5, weight=2, lease=timedelta(minutes=1)), AsyncSemaphore)
    async with cache.lock("k") as lock, cache.semaphore("k", 5) as semaphore:
        assert_type(lock, AsyncLock)
        assert_type(semaphore, AsyncSemaphore)
    assert_type(await cache.lock("k").acquire(), bool)
    assert_type(await cache.semaphore("k", 5).acquire(timeout=1), bool)
    assert_type(cache.semaphore("k", 5).token, int | None)


async def held_by_the_backend(cache: ValkeyCache) -> None:
    assert_type(cache.lock("k"), Lock)
    assert_type(cache.semaphore("k", 5), Semaphore)
    assert_type(cache.alock("k", 2, timeout=5), AsyncLock)
    assert_type(await cache.aget_lock("k"), AsyncLock)
    assert_type(cache.asemaphore("k", 5, timeout=None), AsyncSemaphore)
    async with cache.alock("k") as lock, cache.asemaphore("k", 5) as semaphore:
        assert_type(lock, AsyncLock)
        assert_type(semaphore, AsyncSemaphore)


async def fresh(cache: AsyncClient, backend: ValkeyCache) -> None:
    assert_type(await cache.get_or_set("a", lambda: 1, 60, 2), Any)
    assert_type(
        await cache.get_or_set("a", 1, lock_timeout=5, stale_cache_timeout=1.5, early=1, jitter=0.1), Any
    )
    assert_type(await cache.set_many({"a": 1}, 60, jitter=0.1), list[str])
    assert_type(await backend.amset({"a": 1}, 60, jitter=0.1), bool)


def length(space: Space, key: str) -> Command[int]:
    """A command of a user's own."""
    return Command(strings.GET, (space.key(key),), len)


async def own_command(cache: AsyncClient, backend: ValkeyCache) -> None:
    assert_type(await cache.execute(length(cache.space, "k")), int)
    assert_type(await cache.execute(strings.get_many(cache.space, ["k"])), dict[str, Any])
    assert_type(await backend.aexecute(length(backend.space, "k")), int)
    assert_type(await backend.aexecute(strings.get_many(backend.space, ["k"])), dict[str, Any])


async def siblings(cache: ValkeyCache) -> None:
    assert_type(await cache.aget_many(["a"]), dict[str, Any])
    assert_type(await cache.aadd("a", 1, 60), bool)
    assert_type(await cache.aset("a", 1, timedelta(hours=1), nx=True), bool | Any)
    assert_type(await cache.aincr("a", 2, version=3), int | float)
    assert_type(await cache.adelete_many(("a", "b")), int | None)
    assert_type(await cache.attl("a"), int | None)
    assert_type(await cache.axinfo_groups("s"), list[dict[str, str | int | None]])
    assert_type(await cache.ageosearch("g", member="a", radius=1, unit="km"), list[Any])
    await assert_type(cache.ahas_key("a"), Coroutine[Any, Any, bool])
    assert_type(cache.aiter_keys("*", itersize=10), AsyncIterator[str])
    assert_type(cache.ttl("a"), int | None)
    async with cache.apipeline() as pipe:
        assert_type(pipe, AsyncPipeline)
        assert_type(pipe.get("a"), Slot[Any])
    assert_type(await cache.apipeline(version=2), AsyncPipeline)


async def refused(cache: AsyncClient, backend: ValkeyCache, pipe: AsyncPipeline) -> None:
    await cache.get_or_set("a", 1, lock_timeout="5")  # type: ignore[arg-type]  # a time is a number
    await backend.aget_or_set("a", 1, early="1")  # type: ignore[arg-type]  # a number
    await cache.lock("k", lease="5")  # type: ignore[arg-type]  # a time is a number
    await cache.semaphore("k")  # type: ignore[call-arg]  # the capacity is needed
    backend.asemaphore("k", 5, 2)  # type: ignore[call-arg]  # by keyword alone
    backend.alock()  # type: ignore[call-arg]  # the key is needed
    pipe.lock("k")  # type: ignore[call-overload]  # a pipeline holds nothing
    with cache.lock("k"):  # type: ignore[attr-defined]  # async with
        pass
    await cache.get()  # type: ignore[call-arg]  # the key is needed
    await cache.get(1)  # type: ignore[arg-type]  # a key is a str
    await cache.set("a", 1, "60")  # type: ignore[arg-type]  # a time-out is a number
    await cache.ttl("a", versoin=1)  # type: ignore[call-arg]  # a keyword that is not there
    await cache.bitop("NAND", "d", "a")  # type: ignore[arg-type]  # no such operation
    cache.incr("a").bit_length()  # type: ignore[attr-defined]  # a coroutine, not a number
    (await cache.touch("a", None)).upper()  # type: ignore[attr-defined]  # a bool
    await pipe.xlen("s")  # type: ignore[misc]  # a slot is not awaited
    await backend.aget(1)  # type: ignore[arg-type]  # a key is a str
    await backend.attl("a", versoin=1)  # type: ignore[call-arg]  # a keyword that is not there
    AsyncClient("memory://", socket_timout=1)  # type: ignore[call-arg]  # an option that is not there
