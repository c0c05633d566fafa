"""Semaphores among threads, tasks, processes and forks.

Fails where more permits are held than there are, where a cancelled task leaves a permit or a place in the
line behind, where a key outlives its use, where those who share an object take each other's permits for
their own, where a lease is not renewed while its body runs or a holder does not learn that it has ended, or
where a hand-over takes more commands than it may.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.cancelling import cancelled
from tests.integration.permits import Seen, left
from tests.scripts import said, started, until, wait_for
from vkcache.errors import LockNotOwned
from vkcache.shell import AsyncClient, AsyncSemaphore, Client

PATIENCE = 30
WAITERS = 20


@pytest.fixture
def cache(url: str) -> Iterator[Client]:
    with Client(url, prefix="app") as client:
        yield client


@pytest.fixture
def quick_turns() -> Iterator[None]:
    """Threads take turns almost after each step, as they do by chance on a machine that is busy for long."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


COUNT = """
local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if sum > tonumber(redis.call('GET', KEYS[2]) or 0) then redis.call('SET', KEYS[2], sum) end
return redis.call('INCR', KEYS[3])
"""

WORKER = """
import asyncio, random
from concurrent.futures import ThreadPoolExecutor
from vkcache.shell import AsyncClient, Client

asked = dict(keys=["held", "most", "calls"])
weights = [random.randint(1, {capacity}) for _ in range({rounds})]

def thread(_):
    for weight in weights:
        with cache.semaphore("k", {capacity}, weight=weight):
            cache.eval_script({count!r}, args=[weight], **asked)
            cache.eval_script({count!r}, args=[-weight], **asked)

async def task(client):
    for weight in weights:
        async with client.semaphore("k", {capacity}, weight=weight):
            await client.eval_script({count!r}, args=[weight], **asked)
            await client.eval_script({count!r}, args=[-weight], **asked)

async def tasks():
    async with AsyncClient({url!r}, prefix="app") as client:
        await asyncio.gather(*[task(client) for _ in range(3)])

with Client({url!r}, prefix="app") as cache, ThreadPoolExecutor(4) as pool:
    every = [pool.submit(thread, number) for number in range(3)]
    every.append(pool.submit(asyncio.run, tasks()))
    print([one.result() for one in every])
"""


def test_no_more_is_held_than_there_is(url: str, raw: Any) -> None:
    """The server counts within the bodies: of 8 processes, each of them threads and tasks."""
    capacity, rounds = 7, 12
    script = WORKER.format(url=url, capacity=capacity, rounds=rounds, count=COUNT)
    workers = [started(script, prelude="") for _ in range(8)]
    try:
        answers = [one.communicate(timeout=2 * PATIENCE) for one in workers]
    finally:
        for one in workers:
            one.kill()
            one.wait()
    assert answers == [("[None, None, None, None]\n", "")] * 8
    assert (raw.get("held"), int(raw.get("calls"))) == (b"0", 8 * 6 * rounds * 2)
    assert 1 < int(raw.get("most")) <= capacity
    until(lambda: raw.dbsize() == 3, "the last wake-ups are gone")


def test_10000_acquires_leave_no_key(cache: Client, raw: Any) -> None:
    """Of four threads some have to wait, and each wake-up that nobody came for expires."""

    def turns(number: int) -> None:
        for turn in range(2500):
            semaphore = cache.semaphore(str((number + turn) % 7 % 3), 2)
            assert semaphore.acquire()
            semaphore.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(turns, range(4)))
    assert left(raw) == []
    until(lambda: raw.dbsize() == 0, "the last wake-ups are gone")


@pytest.mark.parametrize("contended", [False, True])
def test_2000_cancelled_acquires_leave_nothing(url: str, raw: Any, contended: bool) -> None:
    """Who was told that it has acquired, since the cancellation came too late, releases."""

    async def storm() -> None:
        total = batch = 0
        async with AsyncClient(url, prefix="app") as client:
            await client.get("k")
            while total < 2000:
                batch += 1
                names = [f"{batch}-{0 if contended else number}" for number in range(50)]
                made = [client.semaphore(name, 3, weight=random.randint(1, 3)) for name in names]
                total += await cancelled([asyncio.ensure_future(one.acquire()) for one in made])
                for one in made:
                    if one._holds:
                        await one.release()
            await asyncio.sleep(0.1)

    asyncio.run(asyncio.wait_for(storm(), 2 * PATIENCE))
    assert left(raw) == []


def test_1000_cancelled_releases_have_released(url: str, raw: Any) -> None:
    """Each time other semaphores, so that a permit that is held still is seen in the end."""

    async def storm() -> None:
        total = 0
        async with AsyncClient(url, prefix="app") as client:
            while total < 1000:
                made = [client.semaphore(f"{total}-{number // 5}", 5) for number in range(50)]
                assert all(await asyncio.gather(*[one.acquire() for one in made]))
                total += await cancelled([asyncio.ensure_future(one.release()) for one in made])
            await asyncio.sleep(0.1)

    asyncio.run(asyncio.wait_for(storm(), 2 * PATIENCE))
    assert left(raw) == []


def test_50_tasks_share_an_object(url: str, raw: Any) -> None:
    """Each knows its own permits, whoever comes and goes meanwhile."""
    inside: list[int] = []
    fences: list[int] = []

    async def turn(semaphore: AsyncSemaphore) -> None:
        async with semaphore:
            mine = semaphore.token or 0
            inside.append(mine)
            assert len(inside) <= 3
            for _ in range(5):
                await asyncio.sleep(0)
                semaphore.check()
                assert semaphore.token == mine
            inside.remove(mine)
        assert (semaphore.token, semaphore.lost) == (None, False)
        fences.append(mine)

    async def all_of_them() -> None:
        async with AsyncClient(url, prefix="app") as client:
            semaphore = client.semaphore("k", 3)
            await asyncio.wait_for(asyncio.gather(*[turn(semaphore) for _ in range(50)]), PATIENCE)

    asyncio.run(all_of_them())
    assert len(set(fences)) == 50
    assert left(raw) == []


@pytest.mark.usefixtures("quick_turns")
def test_threads_share_an_object(cache: Client, raw: Any) -> None:
    """Each knows its own permits at any moment, whoever comes and goes meanwhile."""
    semaphore = cache.semaphore("k", WAITERS)

    def turns() -> None:
        for _ in range(20):
            with semaphore:
                mine = semaphore.token
                for _ in range(300):
                    semaphore.check()
                    assert semaphore.token == mine
            assert (semaphore.token, semaphore.lost) == (None, False)

    with ThreadPoolExecutor(WAITERS) as pool:
        for one in [pool.submit(turns) for _ in range(WAITERS)]:
            one.result(PATIENCE)
    assert left(raw) == []


def test_another_thread_may_release(cache: Client, raw: Any) -> None:
    """As of `threading.Semaphore`: what it gives back is what it took itself, else another's."""
    semaphore = cache.semaphore("k", 2)
    with ThreadPoolExecutor(1) as pool:
        assert semaphore.acquire()
        assert pool.submit(semaphore.acquire).result(PATIENCE)
        kept = semaphore.token
        pool.submit(semaphore.release).result(PATIENCE)
        assert semaphore.token == kept
        pool.submit(semaphore.release).result(PATIENCE)
        assert semaphore.token is None
        with pytest.raises(LockNotOwned):
            pool.submit(semaphore.release).result(PATIENCE)
    with pytest.raises(LockNotOwned):
        semaphore.release()
    assert left(raw) == []


def test_a_child_after_fork_has_nothing_of_its_parents(cache: Client, raw: Any) -> None:
    with cache.semaphore("k", 1) as semaphore:
        child = os.fork()
        if child == 0:  # pragma: no cover
            status = 1
            try:
                semaphore.release()
            except LockNotOwned:
                status = 0 if semaphore.token is None and not semaphore.acquire(False) else 2
            os._exit(status)
        assert wait_for(child) == 0
        semaphore.check()
        assert len(Seen(raw, cache.space).ends) == 1
    assert left(raw) == []


def test_a_child_after_fork_renews_nothing_of_its_parents(url: str) -> None:
    """The parent ends within the body; its lease ends with it, though its child lives on."""
    script = """
        from vkcache.shell import Client
        cache = Client({url!r}, prefix="app")
        semaphore = cache.semaphore("k", 1, lease=0.6)
        semaphore.__enter__()
        if os.fork() == 0:
            with cache.semaphore("other", 1, lease=0.6):
                assert semaphore.acquire(timeout=10)
            semaphore.release()
            say("free")
            os._exit(0)
        os._exit(0)
    """
    assert said(script.format(url=url)) == ["free"]


LEASE = 0.6
"""Seconds; a third of it outlasts whatever else a loaded machine does."""


def test_a_body_may_last_longer_than_the_lease(url: str, cache: Client, raw: Any) -> None:
    """The server moves the end of the lease on by two leases, for a thread as for a task."""
    seen = Seen(raw, cache.space)

    def renewed(first: float) -> bool:
        return seen.ends[0] >= first + 2000 * LEASE

    async def task() -> None:
        async with AsyncClient(url, prefix="app") as client, client.semaphore("k", 1, lease=LEASE) as held:
            first = seen.ends[0]
            while not renewed(first):
                await asyncio.sleep(0.01)
            held.check()

    with cache.semaphore("k", 1, lease=LEASE) as held:
        first = seen.ends[0]
        until(lambda: renewed(first), "the lease is renewed")
        held.check()
    asyncio.run(asyncio.wait_for(task(), PATIENCE))
    assert left(raw) == []


STOPPED = """
import os, signal
from vkcache.errors import LockNotOwned
from vkcache.shell import Client

def refused(call):
    try:
        call()
    except LockNotOwned:
        return True

cache = Client({url!r}, prefix="app")
semaphore = cache.semaphore("k", 2, weight=2, lease={lease})
semaphore.{acquire}()
os.kill(os.getpid(), signal.SIGSTOP)
print(semaphore.lost, refused(semaphore.check), refused(semaphore.release), semaphore.token)
"""


@pytest.mark.parametrize("acquire", ["acquire", "__enter__"])
def test_who_was_stopped_past_its_lease_learns_of_it(url: str, cache: Client, raw: Any, acquire: str) -> None:
    """Also where its lease would have been renewed; and nothing of its successor's is given back."""
    stopped = started(STOPPED.format(url=url, lease=LEASE, acquire=acquire), prelude="")
    try:
        assert os.WIFSTOPPED(os.waitpid(stopped.pid, os.WUNTRACED)[1])
        with cache.semaphore("k", 2) as successor:
            os.kill(stopped.pid, signal.SIGCONT)
            assert stopped.communicate(timeout=PATIENCE) == ("True True True None\n", "")
            successor.check()
            assert len(Seen(raw, cache.space).ends) == 1
    finally:
        stopped.kill()
        stopped.wait()
    assert left(raw) == []


def test_a_hand_over_among_20(cache: Client, raw: Any) -> None:
    """From the call of release() to the next holder; printed, as what else runs here makes it longer."""
    with ThreadPoolExecutor(WAITERS) as pool:
        middle = hand_over(cache, pool, raw)
    asked, within = commands(raw)
    print(f"{middle * 1000:.2f} ms; {asked / WAITERS} requests, {within / WAITERS} commands of scripts")
    assert asked / WAITERS <= 6
    until(lambda: raw.dbsize() == 0, "the last wake-ups are gone")


def hand_over(cache: Client, pool: ThreadPoolExecutor, raw: Any) -> float:
    """The seconds of a hand-over among those who wait, in the middle of all."""
    freed: list[float] = []
    taken: list[float] = []

    def turn() -> None:
        semaphore = cache.semaphore("k", 1)
        semaphore.acquire()
        taken.append(time.perf_counter())
        time.sleep(0.001)
        freed.append(time.perf_counter())
        semaphore.release()

    first = cache.semaphore("k", 1)
    first.acquire()
    waiting = [pool.submit(turn) for _ in range(WAITERS)]
    Seen(raw, cache.space).stand(WAITERS)
    raw.config_resetstat()
    freed.append(time.perf_counter())
    first.release()
    for one in waiting:
        one.result(PATIENCE)
    return statistics.median(map(float.__sub__, taken, freed))


REQUESTS = ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_blpop")
OURS = ("cmdstat_info", "cmdstat_config|resetstat")


def commands(raw: Any) -> tuple[int, int]:
    """How many commands clients have sent since the last reset, and how many their scripts have called."""
    stats: dict[str, dict[str, int]] = raw.info("commandstats")
    calls = {name: row["calls"] for name, row in stats.items() if name not in OURS}
    sent = sum(calls.pop(name, 0) for name in REQUESTS)
    return sent, sum(calls.values())
