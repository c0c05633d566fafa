"""Locks among tasks, processes and hosts that fail.

Fails where a task that is cancelled leaves a lock behind or keeps it, where a process that was stopped past
its lease writes over what its successor wrote, where a hand-over takes longer or costs more than it may,
where a key outlives its use, or where a child after fork takes its parent's lock for its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.cancelling import cancelled
from tests.integration.measuring import least
from tests.scripts import said, started, until, wait_for
from tests.servers import Server
from vkcache.core import locks
from vkcache.django import ValkeyCache
from vkcache.errors import InvalidArgument, LockNotAcquired, LockNotOwned
from vkcache.shell import AsyncClient, AsyncLock, Client

WAITERS = 20
PATIENCE = 30


def held(raw: Any) -> list[bytes]:
    """The locks that are held."""
    found: list[bytes] = raw.keys(b"\xffvkcache:lock:*")
    return found


@pytest.mark.parametrize("contended", [False, True])
def test_2000_cancelled_acquires_leave_no_lock(url: str, raw: Any, contended: bool) -> None:
    """Who was told that it has acquired, since the cancellation came too late, releases."""

    async def storm() -> None:
        total = batch = 0
        async with AsyncClient(url, prefix="app") as client:
            await client.get("k")
            while total < 2000:
                batch += 1
                made = [client.lock(f"{batch}-{0 if contended else number}") for number in range(50)]
                total += await cancelled([asyncio.ensure_future(lock.acquire()) for lock in made])
                for lock in made:
                    if lock.token is not None:
                        await lock.release()
            await asyncio.sleep(0.1)

    asyncio.run(asyncio.wait_for(storm(), 2 * PATIENCE))
    assert held(raw) == []


def test_1000_cancelled_releases_have_released(url: str, raw: Any) -> None:
    """Each time other locks, so that one that is held still is seen in the end."""

    async def storm() -> None:
        total = 0
        async with AsyncClient(url, prefix="app") as client:
            while total < 1000:
                made = [client.lock(f"{total}-{number}") for number in range(50)]
                assert all(await asyncio.gather(*[lock.acquire() for lock in made]))
                total += await cancelled([asyncio.ensure_future(lock.release()) for lock in made])
            await asyncio.sleep(0.1)

    asyncio.run(asyncio.wait_for(storm(), 2 * PATIENCE))
    assert held(raw) == []


def test_10000_locks_leave_no_key(url: str, raw: Any) -> None:
    with Client(url, prefix="app") as cache:
        for number in range(10_000):
            lock = cache.lock(str(number % 7))
            lock.acquire()
            lock.release()
    assert raw.dbsize() == 0


FENCED = """
local stored = redis.call('HMGET', KEYS[1], 'fence', 'count')
if tonumber(stored[1] or 0) > tonumber(ARGV[1]) then return -1 end
redis.call('HSET', KEYS[1], 'fence', ARGV[1])
if ARGV[2] then redis.call('HSET', KEYS[1], 'count', ARGV[2]) end
return tonumber(stored[2] or 0)
"""

WORKER = """
import os, signal, sys
from vkcache.errors import LockNotOwned
from vkcache.shell import Client

FENCED = {fenced!r}
cache = Client({url!r}, prefix="app", socket_timeout=20)
resource = lambda *args: cache.eval_script(FENCED, keys=["resource"], args=args)
written = refused = 0
for section in range({sections}):
    lock = cache.lock("k", timeout={lease})
    assert lock.acquire()
    count = resource(lock.token)
    if {stops} and section in (100, 500):
        os.kill(os.getpid(), signal.SIGSTOP)
    if count >= 0 and resource(lock.token, count + 1) >= 0:
        written += 1
    else:
        refused += 1
    try:
        lock.release()
    except LockNotOwned:
        pass
print(written, refused)
"""


def test_a_fenced_resource_is_safe_from_a_holder_that_was_stopped(url: str, raw: Any) -> None:
    """It counts: a write that did not see the one before would be missing from the count.

    A holder that has read is stopped, and goes on only when its successor has written.
    """
    lease, sections = 0.3, 1000

    def worker(number: int) -> subprocess.Popen[str]:
        script = WORKER.format(fenced=FENCED, url=url, sections=sections, lease=lease, stops=number == 0)
        return started(script, prelude="")

    workers = [worker(number) for number in range(8)]
    try:
        with Client(url, prefix="app") as cache:
            for _ in range(2):
                assert os.WIFSTOPPED(os.waitpid(workers[0].pid, os.WUNTRACED)[1])
                with cache.lock("k") as lock:
                    count = cache.eval_script(FENCED, keys=["resource"], args=[lock.token])
                    assert cache.eval_script(FENCED, keys=["resource"], args=[lock.token, count + 1]) == count
                os.kill(workers[0].pid, signal.SIGCONT)
        answers = [one.communicate(timeout=2 * PATIENCE) for one in workers]
    finally:
        for one in workers:
            one.kill()
            one.wait()
    assert [errors for _, errors in answers] == [""] * 8
    written, refused = (sum(int(out.split()[at]) for out, _ in answers) for at in (0, 1))
    assert written + refused == 8 * sections
    assert refused >= 2
    assert int(raw.hget("resource", "count")) == written + 2


MIDDLE = 0.002  # seconds


def test_a_hand_over_among_20(url: str, raw: Any) -> None:
    """From the call of release() to the next holder: 2 ms in the middle, and at most 6 requests."""
    with Client(url, prefix="app") as cache, ThreadPoolExecutor(WAITERS) as pool:
        assert least(lambda: hand_over(cache, pool, raw), MIDDLE) <= MIDDLE
    until(lambda: raw.dbsize() == 0, "the last wake-up is gone")


def hand_over(cache: Client, pool: ThreadPoolExecutor, raw: Any) -> float:
    """The seconds of a hand-over among those who wait, in the middle of all."""
    freed: list[float] = []
    taken: list[float] = []

    def turn() -> None:
        lock = cache.lock("k")
        lock.acquire()
        taken.append(time.perf_counter())
        time.sleep(0.001)
        freed.append(time.perf_counter())
        lock.release()

    first = cache.lock("k")
    first.acquire()
    waiting = [pool.submit(turn) for _ in range(WAITERS)]
    until(lambda: raw.info("clients")["blocked_clients"] == WAITERS, "all wait")
    before = requests(raw)
    freed.append(time.perf_counter())
    first.release()
    for one in waiting:
        one.result(PATIENCE)
    assert (requests(raw) - before) / WAITERS <= 6
    return statistics.median(map(float.__sub__, taken, freed))


def requests(raw: Any) -> int:
    """How many commands of locks clients have sent; what scripts call is not among them."""
    stats: dict[str, dict[str, int]] = raw.info("commandstats")
    known = (stats.get(f"cmdstat_{name}") for name in ("evalsha", "eval", "blpop"))
    return sum(row["calls"] for row in known if row is not None)


@pytest.fixture(params=["client", "memory", "django"])
def shell(request: pytest.FixtureRequest, url: str) -> Any:
    """What makes locks for tasks, and closes."""
    if request.param == "django":
        return ValkeyCache(url, {"KEY_PREFIX": "app"})
    return AsyncClient(url if request.param == "client" else f"memory://{os.urandom(8).hex()}", prefix="app")


def lock_of(shell: Any, *args: Any, **kwargs: Any) -> AsyncLock:
    make = shell.alock if isinstance(shell, ValkeyCache) else shell.lock
    lock: AsyncLock = make(*args, **kwargs)
    return lock


async def closed(shell: Any) -> None:
    if isinstance(shell, ValkeyCache):
        await shell._adoor.nodes.aclose()
        shell._door.nodes.close()
    else:
        await shell.aclose()


def test_tasks_take_turns(shell: Any) -> None:
    inside: list[str] = []
    fences: list[int] = []

    async def turn(name: str) -> None:
        async with lock_of(shell, "k") as lock:
            inside.append(name)
            await asyncio.sleep(0)
            assert inside == [name]
            fences.append(lock.token or 0)
            inside.pop()

    async def all_of_them() -> None:
        await asyncio.wait_for(asyncio.gather(*[turn(str(number)) for number in range(50)]), PATIENCE)
        await closed(shell)

    asyncio.run(all_of_them())
    assert fences == sorted(set(fences))
    assert len(fences) == 50


def test_a_lock_for_tasks(shell: Any) -> None:
    async def calls() -> None:
        lock = await lock_of(shell, "k", timeout=20)
        other = lock_of(shell, "k")
        assert await lock.acquire() is True
        assert (await lock.owned(), await other.owned(), await other.locked()) == (True, False, True)
        assert await other.acquire(blocking=False) is False
        assert await other.acquire(timeout=0.01) is False
        assert await lock.extend(5) is True
        assert await lock.extend(5, replace_ttl=True) is True
        assert await lock.reacquire() is True
        for call in (other.release, other.reacquire, lambda: other.extend(1)):
            with pytest.raises(LockNotOwned):
                await call()
        with pytest.raises(LockNotAcquired):
            async with lock_of(shell, "k", blocking_timeout=0.01):
                raise AssertionError
        with pytest.raises(InvalidArgument):
            await lock.acquire(False, 5)
        await lock.release()
        with pytest.raises(RuntimeError):
            await lock.release()
        assert await lock.locked() is False
        await closed(shell)

    asyncio.run(calls())


def test_a_task_renews_its_lease_and_ends_with_it(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LEASE", 0.6)

    async def body() -> None:
        async with lock_of(shell, "k") as lock:
            for _ in range(20):
                await asyncio.sleep(0.04)
                lock.check()
            assert await lock.owned()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [task.get_name() for task in asyncio.all_tasks() if "renews" in task.get_name()] == []
        with pytest.raises(LockNotOwned):
            await lose()
        await closed(shell)

    async def lose() -> None:
        async with lock_of(shell, "k") as lock:
            await lock._execute(locks.release(lock._lock, lock._mine().held.owner))
            while not lock.lost:
                await asyncio.sleep(0.01)
            with pytest.raises(LockNotOwned):
                lock.check()

    asyncio.run(asyncio.wait_for(body(), PATIENCE))


def test_who_waits_is_told_by_a_cancelled_waiter(url: str) -> None:
    """A wake-up that came to a task which was cancelled goes to the next."""

    async def body() -> float:
        async with AsyncClient(url, prefix="app") as client:
            holder = client.lock("k")
            await holder.acquire()
            waiting = [asyncio.ensure_future(client.lock("k", sleep=5).acquire()) for _ in range(5)]
            while (await client.info("clients"))["blocked_clients"] != 5:
                await asyncio.sleep(0.001)
            began = time.perf_counter()
            await holder.release()
            for task in waiting[:4]:
                task.cancel()
            done, _ = await asyncio.wait(waiting)
            assert any(task in done and not task.cancelled() for task in waiting)
            return time.perf_counter() - began

    assert asyncio.run(body()) < 4


@pytest.mark.parametrize("blocking", [True, False])
def test_where_nobody_answers_and_errors_are_ignored_nothing_is_acquired(blocking: bool) -> None:
    with Server() as gone:
        url = gone.url
    with Client(url, ignore_exceptions=True) as cache:
        lock = cache.lock("k", blocking=blocking)
        assert lock.acquire() is False
        with pytest.raises(LockNotAcquired), lock:
            raise AssertionError

    async def awaited() -> bool:
        async with AsyncClient(url, ignore_exceptions=True) as client:
            return await client.lock("k", blocking=blocking).acquire()

    assert asyncio.run(awaited()) is False


def test_a_release_whose_answer_was_lost_can_be_called_again() -> None:
    with Server() as server, Client(server.url) as cache:
        lock = cache.lock("k")
        lock.acquire()
        server.kill()
        with pytest.raises(ConnectionError):
            lock.release()
        assert lock.token is not None
        server.restart()
        lock.release()  # an empty server: the first one may have been carried out
        with pytest.raises(LockNotOwned):
            lock.release()


def test_a_child_after_fork_has_no_lock_of_its_parents(url: str, raw: Any) -> None:
    with Client(url, prefix="app") as cache, cache.lock("k") as lock:
        child = os.fork()
        if child == 0:  # pragma: no cover
            status = 1
            try:
                lock.release()
            except LockNotOwned:
                status = 0 if lock.token is None and not lock.owned() else 2
            os._exit(status)
        assert wait_for(child) == 0
        assert lock.owned()
    assert held(raw) == []


def test_a_child_after_fork_renews_nothing_of_its_parents(url: str) -> None:
    """The parent ends within the body; the lease ends with it, though its child lives on."""
    script = """
        from vkcache.core import locks
        from vkcache.shell import Client
        locks.LEASE = 0.6
        cache = Client({url!r}, prefix="app")
        lock = cache.lock("k")
        lock.__enter__()
        if os.fork() == 0:
            with cache.lock("other"):
                assert cache.lock("k", timeout=5).acquire(timeout=10)
            say("free")
            os._exit(0)
        os._exit(0)
    """
    assert said(script.format(url=url)) == ["free"]
