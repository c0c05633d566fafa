"""Awaited calls that wait on the server: ablpop, abrpop, ablmove of the CACHES backend.

Fails where a wait holds another call up, where one of many is not served, where a wait that was cancelled
takes an item along or spoils its connection, or where socket_timeout ends a wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.integration.loops import FACTORIES, Loops
from tests.integration.test_blocking import PATIENCE
from tests.servers import Server
from vkcache.django import ValkeyCache
from vkcache.shell.nodes import memory

ENGINE = "async-blocking"


@pytest.fixture(params=FACTORIES)
def loops(request: pytest.FixtureRequest) -> Loops:
    return Loops(FACTORIES[request.param])


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server whose clients are those of these tests alone."""
    with Server() as running:
        yield running


@pytest.fixture(params=["server", "memory"])
def place(request: pytest.FixtureRequest, own: Server) -> str:
    memory.raw_client(ENGINE).flushall()
    own.flush()
    return own.url if request.param == "server" else f"memory://{ENGINE}"


@pytest.fixture
def cache(place: str) -> Iterator[ValkeyCache]:
    made = ValkeyCache(place, {"KEY_PREFIX": "dj"})
    yield made
    made._site.close()


async def until_blocked(cache: ValkeyCache, callers: int) -> None:
    """Asked through the other half, so that no connection of the loop is opened for it."""
    async with asyncio.timeout(PATIENCE):
        while blocked(cache) != callers:
            await asyncio.sleep(0.002)


def blocked(cache: ValkeyCache) -> int:
    if cache._site.settings.url.startswith("memory"):
        return sum(socket._blocked for socket in memory.engine(ENGINE).sockets)
    return int(cache.info("clients")["blocked_clients"])


def test_a_wait_holds_up_nothing(cache: ValkeyCache, loops: Loops) -> None:
    async def main() -> None:
        waiting = asyncio.ensure_future(cache.ablpop("a", timeout=0))
        await until_blocked(cache, 1)
        for number in range(100):
            assert await cache.aset("k", number) is True
            assert await cache.aget("k") == number
        assert not waiting.done()
        await cache.arpush("a", "x")
        assert await asyncio.wait_for(waiting, PATIENCE) == ("a", "x")

    loops.run(main())


def test_thirty_waits_are_all_served(cache: ValkeyCache, loops: Loops) -> None:
    async def main() -> None:
        waiting = [asyncio.ensure_future(cache.ablpop(f"l{number}", timeout=0)) for number in range(30)]
        await until_blocked(cache, 30)
        await asyncio.gather(*(cache.arpush(f"l{number}", number) for number in reversed(range(30))))
        served = await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
        assert served == [(f"l{number}", number) for number in range(30)]

    loops.run(main())


@pytest.mark.parametrize("warm", [True, False])
def test_a_cancelled_wait_takes_nothing(cache: ValkeyCache, loops: Loops, warm: bool) -> None:
    """Also where it was the first call of its loop."""

    async def main() -> None:
        for number in range(10):
            if warm:
                await cache.aget("k")
            waiting = asyncio.ensure_future(cache.ablpop("a", timeout=0))
            await until_blocked(cache, 1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await until_blocked(cache, 0)
            assert await cache.arpush("a", number) == 1
            assert await cache.ablpop("a", timeout=PATIENCE) == ("a", number)

    loops.run(main())


def test_a_wait_outlives_the_socket_timeout(place: str, loops: Loops) -> None:
    cache = ValkeyCache(place, {"OPTIONS": {"socket_timeout": 0.4}})

    async def main() -> None:
        assert await cache.ablpop("a", timeout=0.8) is None
        assert await cache.abrpop("a", timeout=0.001) is None
        assert await cache.ablmove("a", "b", 0.001) is None
        waiting = asyncio.ensure_future(cache.ablpop("a", timeout=PATIENCE))
        assert await cache.ablpop("other", timeout=0.8) is None  # so long it waits for certain
        await cache.arpush("a", 1)
        assert await waiting == ("a", 1)

    loops.run(main())
    cache._site.close()
