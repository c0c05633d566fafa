"""One at a time in Django: aget_or_set, alock and asemaphore beside get_or_set, lock and semaphore; jitter.

Fails where the two halves of an alias do not wait for each other, where several tasks compute what one
should, where a sibling runs in a thread or holds other than the method holds, or where a setting is read
wrongly.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache.backends import base
from django.core.exceptions import ImproperlyConfigured

from tests.integration.loops import FACTORIES, Loops
from tests.scripts import until
from vkcache.core.keyspace import beside
from vkcache.django import ValkeyCache
from vkcache.errors import LockNotAcquired, LockNotOwned
from vkcache.shell import AsyncLock, AsyncSemaphore, Lock, Semaphore

PATIENCE = 20
TERMS: tuple[dict[str, Any], ...] = ({}, {"stale_cache_timeout": 30}, {"early": 1}, {"lock_timeout": 20})


@pytest.fixture(params=FACTORIES)
def loops(request: pytest.FixtureRequest) -> Loops:
    return Loops(FACTORIES[request.param])


def made(url: str, **options: Any) -> ValkeyCache:
    return ValkeyCache(url, {"KEY_PREFIX": "dj", "OPTIONS": options})


@pytest.fixture
def cache(url: str) -> Iterator[ValkeyCache]:
    one = made(url)
    yield one
    one._site.close()


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: Any, **_kwargs: Any) -> Any:
        raise AssertionError("this would run in a thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    monkeypatch.setattr(base, "sync_to_async", refused)


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize(
    "terms", [{}, {"stale_cache_timeout": 30}, {"early": 1}, {"lock_timeout": 5}], ids=str
)
def test_one_task_computes_for_all(cache: ValkeyCache, loops: Loops, terms: dict[str, Any]) -> None:
    calls: list[int] = []

    async def compute() -> tuple[str, ...]:
        calls.append(1)
        await asyncio.sleep(0.01)
        return ("made",)

    async def main() -> None:
        found = await asyncio.gather(*(cache.aget_or_set("k", compute, 60, **terms) for _ in range(50)))
        assert found == [("made",)] * 50
        assert await cache.aget_or_set("k", compute, 60, 1, **terms) == ("made",)

    loops.run(main())
    assert len(calls) == 1


def test_an_error_of_a_coroutine_is_its_callers_own(cache: ValkeyCache, loops: Loops) -> None:
    started = 0

    async def compute() -> str:
        nonlocal started
        started += 1
        await asyncio.sleep(0.01)
        if started == 1:
            raise LookupError("of the first")
        return "second"

    async def main() -> None:
        tasks = (cache.aget_or_set("k", compute) for _ in range(10))
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(map(str, found)) == ["of the first"] + ["second"] * 9

    loops.run(main())
    assert started == 2


def waited(cache: ValkeyCache) -> bool:
    """Somebody waits for the one who computes."""
    flight = beside(b"flight", b"dj:1:k").decode("utf-8", "surrogateescape")
    script = "return redis.call('HEXISTS', KEYS[1], 'waited')"
    return bool(cache.eval_script(script, keys=[flight]) == 1)


def test_threads_wait_for_tasks(cache: ValkeyCache, loops: Loops) -> None:
    async def main() -> None:
        begun, ending = asyncio.Event(), asyncio.Event()

        async def compute() -> str:
            begun.set()
            await ending.wait()
            return "of a task"

        computing = asyncio.ensure_future(cache.aget_or_set("k", compute))
        await begun.wait()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(cache.get_or_set, "k", lambda: "of a thread")
            until(lambda: waited(cache), "the thread waits")
            ending.set()
            assert await computing == "of a task"
            assert waiting.result(PATIENCE) == "of a task"

    loops.run(asyncio.wait_for(main(), PATIENCE))


def test_tasks_wait_for_threads(cache: ValkeyCache, loops: Loops) -> None:
    begun = threading.Event()

    def compute() -> str:
        begun.set()
        until(lambda: waited(cache), "the task waits")
        return "of a thread"

    async def never() -> str:
        raise AssertionError("a thread computes")

    with ThreadPoolExecutor(1) as pool:
        computing = pool.submit(cache.get_or_set, "k", compute)
        assert begun.wait(PATIENCE)
        assert loops.run(cache.aget_or_set("k", never)) == "of a thread"
        assert computing.result(PATIENCE) == "of a thread"


def test_adelete_voids_what_is_computed(cache: ValkeyCache, loops: Loops) -> None:
    async def main() -> None:
        for delete in (cache.adelete("k"), cache.adelete_many(["k", "l"])):
            begun, ending = asyncio.Event(), asyncio.Event()

            async def compute(begun: asyncio.Event = begun, ending: asyncio.Event = ending) -> str:
                begun.set()
                await ending.wait()
                return "older"

            computing = asyncio.ensure_future(cache.aget_or_set("k", compute))
            await begun.wait()
            assert not await delete
            ending.set()
            assert await computing == "older"
            assert await cache.ahas_key("k") is False

    loops.run(asyncio.wait_for(main(), PATIENCE))


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize("name", ["alock", "aget_lock"])
def test_locks_of_tasks(cache: ValkeyCache, loops: Loops, name: str) -> None:
    async def main() -> None:
        made = getattr(cache, name)
        assert type(made("k")) is AsyncLock
        async with made("k", timeout=30) as lock:
            assert await lock.owned()
            assert await made("k").acquire(False) is False
            with pytest.raises(LockNotAcquired):
                async with made("k", blocking_timeout=0.01):
                    raise AssertionError("it was entered")
            async with made("k", 2):
                pass
        async with await made("k") as lock:
            assert lock.name == "k"
        with pytest.raises(LockNotOwned):
            await lock.release()

    loops.run(main())


@pytest.mark.usefixtures("no_threads")
def test_tasks_share_permits(cache: ValkeyCache, loops: Loops) -> None:
    inside: list[int] = []
    most: list[int] = []

    async def work(number: int) -> None:
        async with cache.asemaphore("k", 3) as permits:
            inside.append(number)
            most.append(len(inside))
            await asyncio.sleep(0)
            permits.check()
            inside.remove(number)

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(20)))

    loops.run(asyncio.wait_for(main(), PATIENCE))
    assert len(most) == 20
    assert max(most) <= 3


@pytest.mark.usefixtures("no_threads")
def test_semaphores_of_tasks(cache: ValkeyCache, loops: Loops) -> None:
    async def main() -> None:
        assert type(cache.asemaphore("k", 3)) is AsyncSemaphore
        async with await cache.asemaphore("k", 3, weight=3):
            assert await cache.asemaphore("k", 3).acquire(False) is False
            with pytest.raises(LockNotAcquired):
                async with cache.asemaphore("k", 3, timeout=0.01):
                    raise AssertionError("it was entered")
            async with cache.asemaphore("k", 3, version=2):
                pass

    loops.run(asyncio.wait_for(main(), PATIENCE))


def test_both_halves_hold_the_same(cache: ValkeyCache, loops: Loops) -> None:
    async def refused() -> list[bool]:
        return [
            await cache.alock("k").acquire(False),
            await cache.asemaphore("k", 1).acquire(False),
        ]

    assert (type(cache.lock("k")), type(cache.get_lock("k"))) == (Lock, Lock)
    assert type(cache.semaphore("k", 1)) is Semaphore
    with cache.lock("k"), cache.semaphore("k", 1):
        assert loops.run(refused()) == [False, False]


# Settings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jitter", "JITTER"])
def test_jitter_is_an_option(url: str, name: str) -> None:
    cache = made(url, **{name: 0.9})
    names = [str(number) for number in range(30)]
    cache.set_many(dict.fromkeys(names, 1), 1000)
    ends = [cache.ttl(key) or 0 for key in names]
    assert all(50 <= end <= 1000 for end in ends)
    assert max(ends) - min(ends) > 300
    cache.set("ever", 1, None)
    assert cache.ttl("ever") is None


@pytest.mark.parametrize("wrong", [1, -0.1, "much", None])
def test_a_wrong_jitter_is_named(wrong: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"jitter"):
        made("valkey://127.0.0.1:1/0", jitter=wrong)
