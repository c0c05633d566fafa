"""Tasks that are cancelled while they share a connection.

Fails where a reply shifts to another caller, where a cancellation disturbs a call that nobody cancelled
or costs the connection, or where a cancelled wait still takes an item that comes after its end.

VKCACHE_CHAOS_OPERATIONS: how many operations each of these tests carries out (5,000).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from random import Random
from typing import Any, TypeAlias

import pytest

from tests.integration.async_proxies import AsyncProxy, delayed
from tests.servers import Server
from vkcache.shell import AsyncClient, Client

OPERATIONS = int(os.environ.get("VKCACHE_CHAOS_OPERATIONS", "5000"))
NAMES = tuple(f"name {number}" for number in range(50))
TASKS = 50
CONNECTIONS = 24
CANCELLED = 0.8  # of all operations
TICKS = 8
PAUSE = 0.003
DELAY = 0.0006
PATIENCE = 20  # seconds after which a wait that should have ended is over
WAITERS = 8  # whose connections are all kept for the next wait

Operation: TypeAlias = Callable[[AsyncClient, Sequence[str]], Coroutine[Any, Any, Mapping[str, Any]]]
"""Asks for the values of some names, each in its own way."""


async def one_by_one(client: AsyncClient, names: Sequence[str]) -> Mapping[str, Any]:
    return {name: await client.get(name) for name in names[:1]}


async def queued(client: AsyncClient, names: Sequence[str], *, transaction: bool) -> Mapping[str, Any]:
    async with client.pipeline(transaction=transaction) as pipe:
        slots = {name: pipe.get(name) for name in names}
        await pipe.execute()
    return {name: slot.value for name, slot in slots.items()}


async def locked(client: AsyncClient, names: Sequence[str]) -> Mapping[str, Any]:
    async with client.lock(names[0], blocking_timeout=PATIENCE):
        return await one_by_one(client, names)


READS: dict[str, Operation] = {
    "get": one_by_one,
    "get_many": lambda client, names: client.get_many(names),
    "mget": lambda client, names: client.mget(names),
    "transaction": lambda client, names: queued(client, names, transaction=True),
    "batch": lambda client, names: queued(client, names, transaction=False),
}
OPERATING: tuple[Operation, ...] = (*READS.values(), locked)


def some_names(chance: Random) -> Sequence[str]:
    return chance.sample(NAMES, chance.randint(1, 4))


def mistaken(names: Sequence[str], answers: Mapping[str, Any]) -> bool:
    """A value is another's, or is not there."""
    return not answers or any(name not in names or value != name for name, value in answers.items())


@pytest.fixture
def proxy(server: Server, url: str) -> Iterator[AsyncProxy]:
    """Every name is stored as its own value; replies come a little late."""
    with Client(url) as client:
        client.set_many({name: name for name in NAMES}, timeout=None)
    with AsyncProxy(server.port, replies=delayed(Random(2), DELAY)) as between:
        yield between


async def cancelled_soon(call: asyncio.Task[Any], chance: Random) -> None:
    """Cancel *call* within a few ticks of the loop, or within a few milliseconds."""
    if chance.random() < 0.5:
        for _ in range(chance.randint(0, TICKS)):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep(chance.uniform(0, PAUSE))
    call.cancel()


async def ended(call: asyncio.Task[Any]) -> BaseException | None:
    """What *call* raised, when it is over. Not the way to cancel it."""
    await asyncio.wait([call])
    return asyncio.CancelledError() if call.cancelled() else call.exception()


async def read_and_cancel(client: AsyncClient, chance: Random, times: Iterator[int]) -> Counter[str]:
    """What became of the calls of one task."""
    seen: Counter[str] = Counter()
    for _ in times:
        read, names = chance.choice(OPERATING), some_names(chance)
        call = asyncio.create_task(read(client, names))
        cancelled = chance.random() < CANCELLED
        if cancelled:
            await cancelled_soon(call, chance)
        error = await ended(call)
        if error is None:
            seen["wrong" if mistaken(names, call.result()) else "right"] += 1
        elif cancelled and isinstance(error, asyncio.CancelledError):
            seen["cancelled"] += 1
        else:
            seen[f"{'cancelled' if cancelled else 'not cancelled'}: {error!r}"] += 1
    return seen


def test_a_cancelled_call_disturbs_no_other(proxy: AsyncProxy) -> None:
    async def all_at_once() -> Counter[str]:
        times = iter(range(OPERATIONS))
        async with AsyncClient(proxy.url, socket_timeout=PATIENCE) as client:
            tasks = [read_and_cancel(client, Random(seed), times) for seed in range(TASKS)]
            seen = sum(await asyncio.gather(*tasks), Counter[str]())
            assert await client.get_many(NAMES) == {name: name for name in NAMES}
        return seen

    seen = asyncio.run(all_at_once())
    assert set(seen) == {"right", "cancelled"}
    assert seen.total() == OPERATIONS
    assert proxy.opened <= CONNECTIONS


async def wait_and_cancel(
    client: AsyncClient, name: str, chance: Random, times: Iterator[int]
) -> Counter[str]:
    """What became of the waits of one task, which has a list of its own and pushes its items itself."""
    seen: Counter[str] = Counter()
    for number in times:
        call = asyncio.create_task(client.blpop(name, timeout=PATIENCE))
        if chance.random() < CANCELLED:
            await cancelled_soon(call, chance)
            if not isinstance(await ended(call), asyncio.CancelledError):
                seen["not cancelled"] += 1
            await client.rpush(name, number)
            seen["kept" if await client.lpop(name) == number else "lost"] += 1
        else:
            await client.rpush(name, number)
            seen["handed out" if await call == (name, number) else "wrong"] += 1
    return seen


def test_an_item_that_comes_after_a_cancelled_wait_stays(proxy: AsyncProxy) -> None:
    async def all_at_once() -> Counter[str]:
        times = iter(range(OPERATIONS))
        async with AsyncClient(proxy.url, socket_timeout=PATIENCE) as client:
            assert await client.get(NAMES[0]) == NAMES[0]
            tasks = [wait_and_cancel(client, f"list {seed}", Random(seed), times) for seed in range(WAITERS)]
            return sum(await asyncio.gather(*tasks), Counter[str]())

    seen = asyncio.run(all_at_once())
    assert set(seen) == {"kept", "handed out"}
    assert seen.total() == OPERATIONS
    assert proxy.opened <= CONNECTIONS


async def until_blocked(client: AsyncClient, waiters: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await client.info("clients"))["blocked_clients"] != waiters:
            pass


def test_connections_of_cancelled_waits_are_used_again(proxy: AsyncProxy) -> None:
    async def waits_and_pops(client: AsyncClient) -> int:
        calls = [asyncio.create_task(client.blpop(f"list {n}", timeout=PATIENCE)) for n in range(WAITERS)]
        await until_blocked(client, WAITERS)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert all(call.cancelled() for call in calls)
        await until_blocked(client, 0)
        opened = proxy.opened
        for number in range(3 * WAITERS):
            await client.rpush("list", number)
            assert await client.blpop("list", timeout=PATIENCE) == ("list", number)
        return proxy.opened - opened

    async def all_of_it() -> int:
        async with AsyncClient(proxy.url, socket_timeout=PATIENCE) as client:
            return await waits_and_pops(client)

    assert asyncio.run(all_of_it()) == 0
    assert proxy.opened <= WAITERS + 1


def test_a_cancelled_wait_that_was_the_first_call_takes_nothing_either(
    proxy: AsyncProxy, server: Server
) -> None:
    """No connection that all share stands yet, over which a wait could be ended."""

    async def kept(name: str, other: Client) -> bool:
        async with AsyncClient(proxy.url, socket_timeout=PATIENCE) as client:
            call = asyncio.create_task(client.blpop(name, timeout=PATIENCE))
            while other.info("clients")["blocked_clients"] == 0:
                await asyncio.sleep(0)
            call.cancel()
            assert isinstance(await ended(call), asyncio.CancelledError)
            other.rpush(name, 1)
            return bool(other.lpop(name) == 1)

    with Client(server.url) as other:
        assert [asyncio.run(kept(f"list {number}", other)) for number in range(20)] == [True] * 20
