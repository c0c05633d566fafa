"""Tasks that share a connection over a network that cuts, stalls, tears and drips.

Fails where a call does not end within its bounds, where a value reaches another caller, where anything
but the `Unreachable` family is raised, where a write is carried out twice, or although its error says
that it never left, or where the cache does not recover.

VKCACHE_CHAOS_OPERATIONS: how many operations the storm lasts (5,000).
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from random import Random
from typing import Any, TypeAlias

import pytest

from tests.integration.async_proxies import AsyncProxy, Storm
from tests.integration.measuring import least
from tests.integration.proxies import Behaviour, Proxy, dripping, passed, swallowed
from tests.integration.test_async_cancellation import NAMES, OPERATIONS, READS, TASKS, mistaken, some_names
from tests.servers import Server
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell import AsyncClient, Client

SOCKET_TIMEOUT = 0.3
BOUND = 30 * SOCKET_TIMEOUT  # a step may open two connections and send twice, which takes up to six
WRITES = 0.3  # of all operations

Write: TypeAlias = Callable[[AsyncClient, str, int], Coroutine[Any, Any, object]]
"""Does to a list or counter what may not be done twice; the number tells one call from all others."""


async def pushed_in_a_transaction(client: AsyncClient, name: str, number: int) -> None:
    async with client.pipeline() as pipe:
        pipe.rpush(name, number)
        pipe.llen(name)
        await pipe.execute()


PUSHES: tuple[Write, ...] = (
    lambda client, name, number: client.rpush(name, number),
    pushed_in_a_transaction,
)


class Account:
    """What a task was told about its calls."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.counter = f"counter {seed}"
        self.list = f"list {seed}"
        self.seen: Counter[str] = Counter()
        self.added: Counter[str] = Counter()
        self.pushed: dict[int, str] = {}

    async def spend(self, client: AsyncClient, times: Iterator[int]) -> None:
        for number in times:
            if self.chance.random() >= WRITES:
                await self._read(client)
            elif self.chance.random() < 0.5:
                self.added[await self._told(client.incr(self.counter))] += 1
            else:
                push = self.chance.choice(PUSHES)
                self.pushed[number] = await self._told(push(client, self.list, number))

    async def _read(self, client: AsyncClient) -> None:
        read, names = self.chance.choice([*READS.values()]), some_names(self.chance)

        async def right() -> None:
            if mistaken(names, await read(client, names)):
                self.seen["wrong value"] += 1

        await self._told(right())

    async def _told(self, call: Coroutine[Any, Any, object]) -> str:
        """How *call* ended; it has to within its bounds."""
        fate = "done"
        try:
            async with asyncio.timeout(BOUND) as bound:
                await call
        except Unreachable as error:
            fate = "maybe" if error.maybe_executed else "not sent"
        except Exception as error:
            fate = "hung" if bound.expired() else repr(error)
        self.seen[fate] += 1
        return fate

    async def balance(self, client: AsyncClient) -> None:
        """What is stored is what the task was told, with no more than what it was left in doubt about."""
        done, value = self.added["done"], await client.get(self.counter)
        assert done <= value <= done + self.added["maybe"]
        found = Counter(await client.lrange(self.list, 0, -1))
        for number, fate in self.pushed.items():
            allowed = {"done": (1,), "not sent": (0,)}.get(fate, (0, 1))
            assert found[number] in allowed, f"{number}, {fate}, is there {found[number]} times"


def test_a_storm_breaks_no_promise(server: Server, url: str) -> None:
    accounts = [Account(seed) for seed in range(TASKS)]
    storms = [Storm(Random(seed), cuts=0.03, stalls=0.02, pieces=0.3) for seed in range(2)]
    stored = {name: name for name in NAMES}

    async def everybody(between: AsyncProxy) -> None:
        times = iter(range(OPERATIONS))
        async with AsyncClient(
            between.url, socket_timeout=SOCKET_TIMEOUT, socket_connect_timeout=SOCKET_TIMEOUT
        ) as client:
            await asyncio.gather(*(account.spend(client, times) for account in accounts))
            between.calm()
            for name in NAMES:
                assert await client.get(name) == name
            for account in accounts:
                await account.balance(client)

    with Client(url) as client:
        client.set_many({**stored, **{account.counter: 0 for account in accounts}}, timeout=None)
    with AsyncProxy(server.port, requests=storms[0], replies=storms[1]) as between:
        asyncio.run(everybody(between))
    seen = sum((account.seen for account in accounts), Counter[str]())
    assert set(seen) <= {"done", "maybe", "not sent"}
    assert seen.total() == OPERATIONS
    assert seen["done"] > OPERATIONS / 4
    suffered = sum((Counter(storm.suffered) for storm in storms), Counter[str]())
    assert {"cut", "stalled", "pieces"} <= set(suffered), "the storm is too short to show anything"


TIME_OUT = 0.5
TOLERANCE = 0.1  # seconds by which a call may outlive its time-out
LATEST = TIME_OUT + TOLERANCE
CALLERS = 300

Call: TypeAlias = Callable[[AsyncClient], Coroutine[Any, Any, object]]

CALLS: dict[str, Call] = {
    "get": lambda client: client.get("long"),
    "get_many": lambda client: client.get_many(["k", "long"]),
    "incr": lambda client: client.incr("count"),
    "transaction": lambda client: pushed_in_a_transaction(client, "list", 1),
}


@pytest.fixture
def proxy(server: Server, url: str) -> Iterator[Proxy]:
    with Client(url) as client:
        client.set_many({"k": "v", "count": 1, "long": "x" * 900}, timeout=None)
    with Proxy(server.port) as between:
        yield between


async def timed_out_after(call: Coroutine[Any, Any, object], *, maybe_executed: bool) -> float:
    """The seconds after which *call* timed out."""
    began = time.monotonic()
    with pytest.raises(TimedOut, match="socket_timeout") as raised:
        await call
    took = time.monotonic() - began
    assert raised.value.maybe_executed is maybe_executed
    return took


async def all_timed_out_after(client: AsyncClient, calls: Sequence[Call]) -> float:
    """The seconds after which the last of *calls*, made at once, timed out."""
    tasks = [asyncio.create_task(timed_out_after(call(client), maybe_executed=True)) for call in calls]
    return max(await asyncio.gather(*tasks))


@pytest.mark.parametrize("callers", [1, 20])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("behaviour", [dripping(1), swallowed], ids=["a byte a second", "silent"])
def test_a_call_ends_at_its_timeout(proxy: Proxy, behaviour: Behaviour, call: Call, callers: int) -> None:
    async def timed() -> float:
        async with AsyncClient(proxy.url, socket_timeout=TIME_OUT) as client:
            assert await client.get("k") == "v"
            proxy.behaviour = behaviour
            took = await all_timed_out_after(client, [call] * callers)
            proxy.behaviour = passed
            assert await client.get("k") == "v"
            return took

    assert least(lambda: asyncio.run(timed()), LATEST) <= LATEST


def test_a_greeting_that_drips_ends_at_its_timeout(server: Server, proxy: Proxy) -> None:
    """Nothing of the call was sent; to connect, and to be greeted, take their time-outs together."""

    async def timed() -> float:
        before = server.execute("GET", ":1:count")
        assert isinstance(before, bytes)
        proxy.behaviour = dripping(1)
        async with AsyncClient(
            proxy.url, socket_timeout=TIME_OUT / 2, socket_connect_timeout=TIME_OUT / 2
        ) as client:
            took = await timed_out_after(client.incr("count"), maybe_executed=False)
            proxy.behaviour = passed
            assert await client.incr("count") == int(before) + 1
            return took

    assert least(lambda: asyncio.run(timed()), LATEST) <= LATEST


def stopped(server: Server) -> Callable[[], None]:
    """The server stands still until the answer is called."""
    server._process.send_signal(signal.SIGSTOP)
    return lambda: server._process.send_signal(signal.SIGCONT)


def paused(server: Server) -> Callable[[], None]:
    """The server answers nothing for a while, the end of which the answer awaits."""
    server.pause(2 * TIME_OUT)

    def go_on() -> None:
        server.execute("PING")

    return go_on


@pytest.mark.parametrize("halted", [stopped, paused])
def test_all_that_are_in_flight_time_out_and_the_next_ones_work(
    halted: Callable[[Server], Callable[[], None]],
) -> None:
    async def all_of_it(server: Server) -> float:
        async with AsyncClient(server.url, socket_timeout=TIME_OUT) as client:
            await client.set_many({"k": "v", "count": 0, "long": "x" * 900}, timeout=None)
            go_on = halted(server)
            try:
                took = await all_timed_out_after(client, [*CALLS.values()] * (CALLERS // len(CALLS)))
            finally:
                go_on()
            assert await client.get("k") == "v"
            counted = await client.get("count")
            assert await asyncio.gather(*(client.incr("count") for _ in range(CALLERS))) == [
                counted + number for number in range(1, CALLERS + 1)
            ]
            return took

    with Server() as server:
        assert least(lambda: asyncio.run(all_of_it(server)), LATEST) <= LATEST
