"""The engine in this process, for tasks.

Fails where a call that waits holds up the loop, where it takes an item after its caller has gone, or
where a thread stays behind.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

from vkcache.shell import AsyncClient, Client


def test_it_is_the_engine_that_threads_have() -> None:
    async def main() -> None:
        async with AsyncClient("memory://amemory") as cache:
            await cache.set("k", 5)
            assert await cache.get("k") == 5
            assert await cache.set_many({"a": 1, "b": "text"}) == []
            async with cache.pipeline() as pipe:
                value = pipe.get("b")
                await pipe.execute()
            assert value.value == "text"

    asyncio.run(main())
    assert Client("memory://amemory").get("k") == 5


def test_what_waits_holds_up_nobody_and_leaves_no_thread() -> None:
    async def main() -> None:
        async with AsyncClient("memory://amemory-waits") as cache:
            wait = asyncio.create_task(cache.blpop("q"))
            await cache.set("k", 5)
            assert await cache.get("k") == 5
            assert not wait.done()
            await cache.rpush("q", "item")
            assert await wait == ("q", "item")

    asyncio.run(main())
    assert [thread.name for thread in threading.enumerate() if "vkcache-waits" in thread.name] == []


def test_a_caller_who_has_gone_takes_nothing() -> None:
    async def main() -> None:
        async with AsyncClient("memory://amemory-gone") as cache:
            wait = asyncio.create_task(cache.blpop("q"))
            while not any("vkcache-waits" in thread.name for thread in threading.enumerate()):
                await asyncio.sleep(0)
            wait.cancel()
            with pytest.raises(asyncio.CancelledError):
                await wait
            await cache.rpush("q", "item")
            assert await cache.llen("q") == 1

    asyncio.run(main())
    assert [thread.name for thread in threading.enumerate() if "vkcache-waits" in thread.name] == []
