"""Bodies within which a lock, or a permit of a semaphore, is held, that come and go by the thousand.

Fails where a task that is cancelled anywhere, while it comes, waits, is inside or goes, leaves a lock, a
permit, a place in a line or a renewal behind, also where each request and each reply takes its own time on
the way; where two hold what one may; where a key outlives its use; or where a holder that has its answer
late takes itself for one when its lease has ended; or where a body that has lost what it held takes what
another body of the same object holds for its own, or frees it; or where the body of a generator that another
thread or task ends holds on.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any, TypeAlias

import pytest
from attrs import frozen

from tests.integration.async_proxies import AsyncProxy, Way, delayed
from tests.integration.permits import left
from tests.scripts import until
from tests.servers import Server
from vkcache.errors import LockNotOwned
from vkcache.shell import AsyncClient, Client, Lock, Semaphore

PATIENCE = 60
DELAY = 0.0006
LONGEST = 0.02  # seconds after which a body is cancelled
AT_ONCE = 50

AsyncHeld: TypeAlias = AbstractAsyncContextManager[object]


@frozen
class Kind:
    """How many at most are inside at once, and what lets them in."""

    most: int
    of_tasks: Callable[[AsyncClient, str], AsyncHeld]
    of_threads: Callable[[Client, str, float | None], Lock | Semaphore]


LOCK = Kind(
    1, lambda client, name: client.lock(name), lambda client, name, lease: client.lock(name, timeout=lease)
)
PERMIT = Kind(
    2,
    lambda client, name: client.semaphore(name, 2),
    lambda client, name, lease: client.semaphore(name, 2, lease=30 if lease is None else lease),
)
KINDS = pytest.mark.parametrize("kind", [LOCK, PERMIT], ids=["lock", "semaphore"])


@pytest.fixture
def proxy(server: Server) -> Iterator[AsyncProxy]:
    """What is sent, and what is answered, comes a little late, over each connection by itself."""
    chance = Random(6)
    with AsyncProxy(server.port, requests=delayed(chance, DELAY), replies=delayed(chance, DELAY)) as between:
        yield between


def held(raw: Any) -> list[bytes]:
    """What is held, and who waits in a line."""
    found: list[bytes] = raw.keys(b"\xffvkcache:lock:*") + left(raw)
    return found


class Inside:
    """How many are inside of what, and how many there were at most."""

    def __init__(self) -> None:
        self.most = 0
        self._names: list[str] = []

    def __call__(self, name: str) -> None:
        self._names.append(name)
        self.most = max(self.most, self._names.count(name))

    def left(self, name: str) -> None:
        self._names.remove(name)


async def body(door: AsyncHeld, name: str, inside: Inside) -> None:
    async with door:
        inside(name)
        try:
            await asyncio.sleep(0)
        finally:
            inside.left(name)


async def cancelled(tasks: list[asyncio.Task[None]], chance: Random) -> int:
    """Cancel each after some time; how many ended cancelled, the others of themselves."""

    async def one(task: asyncio.Task[None]) -> bool:
        await asyncio.wait([task], timeout=chance.uniform(0, LONGEST))
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()  # what it raised is raised here
        return task.cancelled()

    return sum(await asyncio.gather(*[one(task) for task in tasks]))


@KINDS
@pytest.mark.parametrize("names", [3, AT_ONCE])
def test_2000_cancelled_bodies_leave_nothing(kind: Kind, proxy: AsyncProxy, raw: Any, names: int) -> None:
    """Most are cancelled while they wait where there are few *names*, else on the way in or out."""
    chance, inside = Random(names), Inside()

    async def storm() -> None:
        total = 0
        async with AsyncClient(proxy.url, prefix="app") as client:
            while total < 2000:
                wanted = [f"{total}-{number % names}" for number in range(AT_ONCE)]
                bodies = [body(kind.of_tasks(client, name), name, inside) for name in wanted]
                total += await cancelled([asyncio.ensure_future(one) for one in bodies], chance)
            await asyncio.sleep(0.1)
            assert [task for task in asyncio.all_tasks() if "renews" in task.get_name()] == []
            assert held(raw) == []

    asyncio.run(asyncio.wait_for(storm(), PATIENCE))
    assert 1 <= inside.most <= kind.most
    until(lambda: raw.dbsize() == 0, "the last wake-ups are gone")


@KINDS
def test_10000_bodies_of_threads_and_tasks_leave_no_key(kind: Kind, url: str, raw: Any) -> None:
    """Half of them are of threads, half of tasks, so that some have to wait for others."""

    def threads(_number: int) -> None:
        for turn in range(1250):
            with kind.of_threads(cache, str(turn % 3), 30):
                pass

    async def task(client: AsyncClient) -> None:
        for turn in range(1250):
            async with kind.of_tasks(client, str(turn % 3)):
                pass

    async def tasks() -> None:
        async with AsyncClient(url, prefix="app") as client:
            await asyncio.gather(*[task(client) for _ in range(4)])

    with Client(url, prefix="app") as cache, ThreadPoolExecutor(4) as pool:
        every = pool.map(threads, range(4))
        asyncio.run(asyncio.wait_for(tasks(), PATIENCE))
        list(every)
    assert held(raw) == []
    until(lambda: raw.dbsize() == 0, "the last wake-ups are gone")


LEASE = 0.2


async def late(way: Way, chunk: bytes) -> None:
    await way.wait(2 * LEASE)
    way.pass_on(chunk)


@KINDS
@pytest.mark.usefixtures("url")
def test_who_has_its_answer_late_does_not_hold_for_longer(kind: Kind, server: Server) -> None:
    """As where the process is stopped just when the server has given it what it asked for."""
    with AsyncProxy(server.port) as between, Client(between.url, prefix="app") as cache:
        held = kind.of_threads(cache, "k", LEASE)
        held.acquire()  # the scripts are known, the connection is there
        held.release()
        between.replies = late
        assert held.acquire()
        assert held.lost
        with pytest.raises(LockNotOwned):
            held.check()
        between.calm()
        with pytest.raises(LockNotOwned):
            held.release()


@KINDS
def test_a_body_of_a_task_that_lost_what_it_held_leaves_the_others_alone(
    kind: Kind, url: str, raw: Any
) -> None:
    async def first(shared: Any, inside: asyncio.Event, lost: asyncio.Event) -> None:
        async with shared:
            inside.set()
            await lost.wait()

    async def main() -> None:
        async with AsyncClient(url, prefix="app") as client:
            shared: Any = kind.of_tasks(client, "k")
            inside, lost = asyncio.Event(), asyncio.Event()
            task = asyncio.create_task(first(shared, inside, lost))
            await inside.wait()
            token = shared.token
            raw.flushdb()
            async with shared:
                assert shared.token != token
                lost.set()
                with pytest.raises(LockNotOwned):
                    await task
                shared.check()
                assert held(raw)
            assert held(raw) == []

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


SHARED: dict[str, Callable[[Client], Lock | Semaphore]] = {
    "lock": lambda cache: cache.lock("k", thread_local=False),
    "semaphore": lambda cache: cache.semaphore("k", 2),
}


@pytest.mark.parametrize("kind", SHARED)
def test_a_body_of_a_thread_that_lost_what_it_held_leaves_the_others_alone(
    kind: str, url: str, raw: Any
) -> None:
    with Client(url, prefix="app") as cache, ThreadPoolExecutor(1) as pool:
        shared, inside, lost = SHARED[kind](cache), threading.Event(), threading.Event()

        def first() -> None:
            with shared:
                inside.set()
                assert lost.wait(PATIENCE)

        body = pool.submit(first)
        assert inside.wait(PATIENCE)
        raw.flushdb()
        with shared:
            lost.set()
            with pytest.raises(LockNotOwned):
                body.result(PATIENCE)
            shared.check()
            assert held(raw)
        assert held(raw) == []


def test_a_body_may_free_a_shared_lock_and_take_it_again(url: str, raw: Any) -> None:
    with Client(url, prefix="app") as cache:
        lock = cache.lock("k", thread_local=False)
        with lock:
            lock.release()
            with pytest.raises(LockNotOwned):
                lock.check()
            assert held(raw) == []
            assert lock.acquire()
            lock.check()
        assert held(raw) == []
        with pytest.raises(LockNotOwned):
            lock.release()


def test_a_task_that_a_body_has_begun_may_ask_for_its_lock(url: str) -> None:
    async def main() -> None:
        async with AsyncClient(url, prefix="app") as client:
            lock = client.lock("k")

            async def asked() -> int | None:
                lock.check()
                return lock.token

            async with lock:
                assert await asyncio.create_task(asked()) == lock.token

    asyncio.run(main())


@KINDS
@pytest.mark.parametrize("end", [list, Generator.close], ids=["at its end", "closed"])
def test_what_one_thread_begins_another_ends(
    kind: Kind, url: str, raw: Any, end: Callable[[Generator[None, None, None]], object]
) -> None:
    def begin(shared: Lock | Semaphore) -> Generator[None, None, None]:
        with shared:
            yield

    with Client(url, prefix="app") as cache, ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        shared = kind.of_threads(cache, "k", None)
        begun = begin(shared)
        first.submit(next, begun).result()
        assert second.submit(lambda: shared.token).result() is None
        assert first.submit(lambda: shared.token).result() is not None
        second.submit(end, begun).result()
        assert held(raw) == []
        with pytest.raises(LockNotOwned):
            first.submit(shared.check).result()


@KINDS
def test_who_has_freed_its_own_frees_at_its_bodys_end_nothing_of_others(
    kind: Kind, url: str, raw: Any
) -> None:
    with Client(url, prefix="app") as cache, ThreadPoolExecutor(1) as other:
        shared = kind.of_threads(cache, "k", None)
        shared.__enter__()
        shared.release()
        other.submit(shared.__enter__).result()
        with pytest.raises(LockNotOwned):
            shared.__exit__(None, None, None)
        assert held(raw) != []
        other.submit(shared.__exit__, None, None, None).result()
        assert held(raw) == []
        with shared:
            shared.release()
            assert shared.acquire()
        assert held(raw) == []


@KINDS
def test_what_the_event_loop_ends_is_free(kind: Kind, url: str, raw: Any) -> None:
    """It ends generators that nobody iterates any more in tasks of their own."""

    async def begin(client: AsyncClient) -> AsyncGenerator[None, None]:
        async with kind.of_tasks(client, "k"):
            yield

    async def main() -> None:
        async with AsyncClient(url, prefix="app") as client:
            async for _ in begin(client):
                break
            await asyncio.wait_for(freed(), PATIENCE)
            assert [task for task in asyncio.all_tasks() if "renews" in task.get_name()] == []

    async def freed() -> None:
        while held(raw):
            gc.collect()
            await asyncio.sleep(0.01)

    asyncio.run(main())
