"""Event loops over one asynchronous client: each has connections of its own, which end with it.

Fails where a loop that ends leaves a socket, a warning or a word behind, or is kept by the client; where
two loops share a connection; where closing ends more than the connections; or
where a connection does not live on although nobody but its loop holds it.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from tests.integration.loops import FACTORIES, Loops, descriptors, ids
from tests.integration.test_blocking import ENGINE, PATIENCE, blocked
from tests.scripts import until
from tests.servers import HOST, Server
from vkcache.errors import Unreachable
from vkcache.shell import AsyncClient, Client
from vkcache.shell.nodes import memory
from vkcache.shell.nodes.asingle import AsyncSingle

T = TypeVar("T")

PAUSE = 0.5  # seconds for which a server answers nothing; longer than a loop needs to end


@pytest.fixture(params=FACTORIES)
def loops(request: pytest.FixtureRequest) -> Loops:
    return Loops(FACTORIES[request.param])


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server whose clients are those of these tests alone."""
    with Server() as running:
        yield running


@pytest.fixture(params=["server", "memory", "embedded"])
def place(request: pytest.FixtureRequest, own: Server, embedded_url: str) -> str:
    if request.param == "memory":
        memory.raw_client(ENGINE).flushall()
    own.flush()
    return {"server": own.url, "memory": f"memory://{ENGINE}", "embedded": embedded_url}[request.param]


@pytest.fixture
def quiet(
    own: Server, embedded_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Nothing is left of the test's loops: no socket, and nothing was said."""
    assert embedded_url
    words: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda of: words.append(f"{of.exc_value!r} {of.object!r}"))
    for make in FACTORIES.values():
        make().close()  # libuv opens files of its own once
    gc.collect()
    before = descriptors()
    yield
    gc.collect()
    words += [record.getMessage() for when in ("call", "teardown") for record in caplog.get_records(when)]
    assert words == []
    until(lambda: not ids(own), "no client is connected")
    assert descriptors() <= before


@pytest.fixture
def asking(quiet: None, place: str) -> Iterator[Client]:
    """Somebody else who looks at the same place."""
    assert quiet is None
    with Client(place, prefix="l") as made:
        made.flush_db()
        yield made


def nodes_of(client: AsyncClient) -> AsyncSingle:
    nodes = client._door.nodes
    assert isinstance(nodes, AsyncSingle)
    return nodes


async def until_blocked(asking: Client, callers: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while blocked(asking) != callers:
            await asyncio.sleep(0.002)


# A loop that ends ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quiet")
def test_a_loop_that_has_ended_is_let_go(loops: Loops, place: str) -> None:
    client = AsyncClient(place, prefix="l")

    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        await client.set("k", 1)
        assert await client.blpop("absent", timeout=0.001) is None
        assert [key async for key in client.iter_keys("k")] == ["k"]
        return weakref.ref(asyncio.get_running_loop())

    ended = [loops.run(main()) for _ in range(3)]
    gc.collect()
    assert [loop() for loop in ended] == [None, None, None]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("end", ["returns", "raises"])
def test_a_loop_ends_while_calls_are_in_flight(loops: Loops, own: Server, end: str) -> None:
    client = AsyncClient(own.url, prefix="l")

    async def main() -> list[asyncio.Task[Any]]:
        await client.set("k", 1)
        own.pause(PAUSE)
        tasks = [asyncio.ensure_future(client.get("k")) for _ in range(20)]
        tasks += [asyncio.ensure_future(client.get_many(["k", "l"])) for _ in range(20)]
        await asyncio.sleep(0.02)
        if end == "raises":
            raise KeyError(end)
        return tasks

    if end == "raises":
        with pytest.raises(KeyError, match="raises"):
            loops.run(main())
    else:
        assert all(task.cancelled() for task in loops.run(main()))
    assert loops.run(client.get("k")) == 1


@pytest.mark.usefixtures("quiet")
def test_a_loop_ends_while_a_connection_is_being_opened(loops: Loops) -> None:
    """Whichever step of the opening it has come to; the server accepts, and then says nothing."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE)
        client = AsyncClient(f"valkey://{HOST}:{listener.getsockname()[1]}")

        async def main(ticks: int) -> list[asyncio.Task[Any]]:
            tasks = [asyncio.ensure_future(client.get("k")), asyncio.ensure_future(client.blpop("k"))]
            for _ in range(ticks):
                await asyncio.sleep(0)
            if ticks > 20:
                await asyncio.sleep(0.02)
            return tasks

        for ticks in range(22):
            assert all(task.cancelled() for task in loops.run(main(ticks)))
        with socket.create_connection(listener.getsockname()):
            accepted = [listener.accept()[0]]
            listener.settimeout(0)
            while len(accepted) < 100:
                try:
                    accepted.append(listener.accept()[0])
                except BlockingIOError:
                    break
        assert len(accepted) > 2
        for connection in accepted:
            with connection:
                connection.settimeout(PATIENCE)
                while connection.recv(4096):
                    pass


def test_a_loop_ends_while_calls_wait(loops: Loops, place: str, asking: Client) -> None:
    client = AsyncClient(place, prefix="l")

    async def main() -> list[asyncio.Task[Any]]:
        tasks = [asyncio.ensure_future(client.blpop("a", timeout=0)) for _ in range(3)]
        await until_blocked(asking, 3)
        return tasks

    assert all(task.cancelled() for task in loops.run(main()))
    until(lambda: blocked(asking) == 0, "nobody waits")
    asking.rpush("a", 1)
    assert loops.run(client.blpop("a", timeout=PATIENCE)) == ("a", 1)


def test_a_loop_ends_just_after_a_waiting_call_was_cancelled(
    loops: Loops, place: str, asking: Client
) -> None:
    client = AsyncClient(place, prefix="l")

    async def main() -> None:
        await client.get("k")
        waiting = asyncio.ensure_future(client.blpop("a", timeout=0))
        await until_blocked(asking, 1)
        waiting.cancel()
        await asyncio.sleep(0)

    loops.run(main())
    until(lambda: blocked(asking) == 0, "nobody waits")


@pytest.mark.usefixtures("quiet")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_loop_that_is_closed_in_no_order_does_not_break_the_next(loops: Loops, place: str) -> None:
    """Python itself may complain of the connections, and nobody of anything else. (Where that complaint
    is an error, it is uvloop's ``close`` that never ends.)"""
    client = AsyncClient(place, prefix="l")
    for number in range(20):
        loop = loops.make()
        assert loop.run_until_complete(client.set("k", number)) is True
        assert loop.run_until_complete(client.blpop("absent", timeout=0.001)) is None
        loop.close()
        del loop
        if number % 3 == 0:
            gc.collect()
        assert loops.run(client.get("k")) == number
    loops.run(client.aclose())


@pytest.mark.usefixtures("quiet")
def test_a_loop_with_the_number_of_another_has_its_own_connection(loops: Loops, own: Server) -> None:
    client = AsyncClient(own.url, prefix="l")
    nodes = nodes_of(client)
    with asyncio.Runner(loop_factory=loops.make) as first, asyncio.Runner(loop_factory=loops.make) as second:
        first.run(client.set("k", 1))
        nodes._homes[id(second.get_loop())] = nodes._homes[id(first.get_loop())]
        assert [runner.run(client.get("k")) for runner in (second, first, second)] == [1, 1, 1]
        assert len(ids(own)) == 2


# Several loops ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quiet")
def test_loops_of_several_threads_at_once(loops: Loops, place: str, own: Server) -> None:
    """Eight of them, each over one connection of its own for as long as it runs."""
    client, counted = AsyncClient(place, prefix="l"), []
    meeting = threading.Barrier(8, action=lambda: counted.append(len(ids(own))), timeout=PATIENCE)

    async def main(number: int) -> int:
        wrong = 0
        for _ in range(3):
            await client.set(f"k{number}", number)
            meeting.wait()
            for _ in range(20):
                values = await asyncio.gather(*(client.get(f"k{number}") for _ in range(20)))
                wrong += sum(value != number for value in values)
        meeting.wait()
        return wrong

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda number: loops.run(main(number)), range(8))) == [0] * 8
    assert counted == [8 if place == own.url else 0] * 4


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("calls", [0, 50])
def test_closed_and_used_again(loops: Loops, place: str, calls: int) -> None:
    client = AsyncClient(place, prefix="l")

    async def outcome(number: int) -> bool:
        try:
            return bool(await client.get(f"k{number}") == number)
        except Unreachable as error:
            return "closed" in str(error)

    async def main() -> None:
        await client.set_many({f"k{number}": number for number in range(50)})
        for ticks in range(8):
            tasks = [asyncio.ensure_future(outcome(number)) for number in range(calls)]
            for _ in range(ticks):
                await asyncio.sleep(0)
            await client.aclose()
            assert all(await asyncio.gather(*tasks))
            assert await client.get("k7") == 7

    loops.run(main())


@pytest.mark.usefixtures("quiet")
def test_closing_answers_when_the_sockets_are_closed(loops: Loops, own: Server) -> None:
    client = AsyncClient(own.url, prefix="l")

    async def main() -> None:
        await client.get("absent")
        await client.aclose()
        before = descriptors()  # once a loop has opened what it needs itself
        for _ in range(3):
            assert await client.blpop("absent", timeout=0.001) is None
            assert await client.get("absent") is None
            assert descriptors() == before + 2
            await client.aclose()
            assert descriptors() == before

    loops.run(main())


@pytest.mark.usefixtures("quiet")
def test_closed_by_one_loop_while_another_uses_it(loops: Loops, place: str) -> None:
    """The other's calls are answered, or told that the cache was closed; then it goes on."""
    client, done = AsyncClient(place, prefix="l"), threading.Event()
    loops.run(client.set("k", "v"))

    async def use() -> set[object]:
        seen: set[object] = set()
        while not done.is_set():
            for answer in await asyncio.gather(*(client.get("k") for _ in range(5)), return_exceptions=True):
                seen.add(answer if answer == "v" or "closed" not in str(answer) else type(answer).__name__)
        await asyncio.sleep(0)  # the last close is among what this loop was told to run next
        seen.add(await client.get("k"))
        return seen

    async def close() -> None:
        for _ in range(30):
            assert await client.get("k") == "v"
            await client.aclose()

    with ThreadPoolExecutor(1) as threads:
        using = threads.submit(loops.run, use())
        try:
            loops.run(close())
        finally:
            done.set()
        assert using.result(PATIENCE) <= {"v", "Unreachable"}


# Who holds a connection ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quiet")
def test_nobody_but_the_loop_holds_a_connection(loops: Loops, own: Server) -> None:
    client = AsyncClient(own.url, prefix="l")

    async def main() -> None:
        await client.set("k", 1)
        assert await client.blpop("absent", timeout=0.001) is None
        for _ in range(3):
            assert [await client.get("k") for _ in range(3)] == [1, 1, 1]
            assert await client.blpop("absent", timeout=0.001) is None
            seen.append(ids(own))
            gc.collect()

    seen: list[set[str]] = []
    loops.run(main())
    assert len(seen[0]) == 2
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.usefixtures("quiet")
def test_a_reply_that_is_to_come_outlives_a_collection(loops: Loops, own: Server) -> None:
    """Also where the connection is only just being opened."""
    # Of all that a whole run has made a collection may take longer than a greeting does.
    client = AsyncClient(own.url, prefix="l", socket_timeout=60)

    async def main(ticks: int) -> None:
        waiting = [asyncio.ensure_future(client.get("k")) for _ in range(5)]
        for _ in range(ticks):
            await asyncio.sleep(0)
            gc.collect()
        assert await asyncio.gather(*waiting) == [1] * 5
        assert len(ids(own)) == 1

    loops.run(client.set("k", 1))
    for ticks in (1, 5, 20):
        loops.run(main(ticks))
