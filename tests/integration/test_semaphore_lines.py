"""The line before a semaphore, and callers that die in it or while they hold permits.

Fails where one who came later is served first, where one who gives up, is cancelled or killed stops the
others, where permits of a dead holder are never free again, or free before its lease has ended, where
callers' different leases or capacities make the server forget a holder, where a server that evicts keys or
sets its clock back brings it to a stop, or where something stays behind.

Who was served when is told by the fencing tokens, which are the server's clock.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import valkey

from tests.integration.permits import KINDS, Seen, left, moment
from tests.scripts import started, until
from vkcache.core import semaphores
from vkcache.errors import LockNotAcquired, LockNotOwned
from vkcache.shell import AsyncClient, Client, Semaphore

PATIENCE = 30
SLACK = 2000  # ms that a loaded machine may take for what takes it none


@pytest.fixture
def raw(url: str) -> Iterator[Any]:
    with valkey.Valkey.from_url(url) as client:
        yield client
        until(lambda: client.dbsize() == 0, "nothing stays behind")


@pytest.fixture
def cache(url: str) -> Iterator[Client]:
    with Client(url, prefix="app") as client:
        yield client


@pytest.fixture
def seen(raw: Any, cache: Client) -> Seen:
    return Seen(raw, cache.space)


@pytest.fixture
def only_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits does not ask again until it is woken: a wake-up that is lost is seen."""
    monkeypatch.setattr(semaphores, "POLL", 3 * PATIENCE)
    monkeypatch.setattr(semaphores, "PLACE_MS", 3000 * PATIENCE)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as threads:
        yield threads


def turn(semaphore: Semaphore) -> int:
    """The fence with which it was held; 0: not in time."""
    try:
        with semaphore:
            return semaphore.token or 0
    except LockNotAcquired:
        return 0


def come(pool: ThreadPoolExecutor, seen: Seen, *comers: Semaphore) -> list[Future[int]]:
    """Each of the *comers* stands in the line before the next one comes."""
    before, turns = seen.waiting, []
    for number, semaphore in enumerate(comers, before + 1):
        turns.append(pool.submit(turn, semaphore))
        seen.stand(number)
    return turns


def served(turns: list[Future[int]]) -> list[int]:
    return [one.result(PATIENCE) for one in turns]


def in_order(fences: list[int]) -> bool:
    """All were served, each after the one before."""
    return 0 not in fences and fences == sorted(set(fences))


@pytest.mark.usefixtures("only_woken")
def test_first_come_first_served(cache: Client, pool: ThreadPoolExecutor, seen: Seen) -> None:
    weights = [random.randint(1, 5) for _ in range(20)]
    with cache.semaphore("k", 5, weight=5):
        turns = come(pool, seen, *[cache.semaphore("k", 5, weight=weight) for weight in weights])
        assert not cache.semaphore("k", 5).acquire(False)
    assert in_order(served(turns)), weights


@pytest.mark.usefixtures("only_woken")
def test_who_wants_much_is_not_passed_by(cache: Client, pool: ThreadPoolExecutor, seen: Seen) -> None:
    """One permit of three is free all the time, and those who want one wait behind who wants three."""
    first, second = cache.semaphore("k", 3), cache.semaphore("k", 3)
    first.acquire()
    second.acquire()
    turns = come(pool, seen, cache.semaphore("k", 3, weight=3), *[cache.semaphore("k", 3) for _ in range(5)])
    assert not cache.semaphore("k", 3).acquire(False)
    assert not cache.semaphore("k", 3).acquire(timeout=0.05)
    first.release()
    assert not cache.semaphore("k", 3).acquire(False)
    assert seen.waiting == 6
    second.release()
    assert in_order(served(turns))


@pytest.mark.usefixtures("only_woken")
def test_many_are_served_at_once(cache: Client, pool: ThreadPoolExecutor, seen: Seen) -> None:
    """Of what one gives back five can be served: each who is served tells the next, nobody polls."""
    with cache.semaphore("k", 5, weight=5):
        waiting = [cache.semaphore("k", 5) for _ in range(5)]
        turns = [pool.submit(one.acquire) for one in waiting]
        seen.stand(5)
    assert all(one.result(PATIENCE) for one in turns)
    assert len(seen.ends) == 5
    for one in waiting:
        one.release()


@pytest.mark.usefixtures("only_woken")
@pytest.mark.parametrize("at", [0, 2])
def test_who_times_out_leaves_the_line(cache: Client, pool: ThreadPoolExecutor, seen: Seen, at: int) -> None:
    """The others go on: also where the first wanted more than there was, and those behind it did not."""
    with cache.semaphore("k", 3, weight=2):
        comers = [cache.semaphore("k", 3, weight=2) for _ in range(4)]
        comers.insert(at, cache.semaphore("k", 3, weight=2, timeout=1.5))
        turns = come(pool, seen, *comers)
        assert turns.pop(at).result(PATIENCE) == 0
        assert seen.waiting == 4
    assert in_order(served(turns))


@pytest.mark.usefixtures("only_woken")
def test_the_next_is_told_when_the_first_gives_up(
    cache: Client, pool: ThreadPoolExecutor, seen: Seen, raw: Any
) -> None:
    """It is served by that alone, while all who held go on to hold."""
    with cache.semaphore("k", 3, weight=2):
        heavy, light = come(
            pool, seen, cache.semaphore("k", 3, weight=3, timeout=1.5), cache.semaphore("k", 3)
        )
        assert (heavy.result(PATIENCE), light.result(PATIENCE) > 0) == (0, True)
    assert left(raw) == []


@pytest.mark.usefixtures("only_woken")
@pytest.mark.parametrize("at", [0, 2])
def test_who_is_cancelled_leaves_the_line(url: str, seen: Seen, raw: Any, at: int) -> None:
    fences: dict[int, int] = {}

    async def taking(client: AsyncClient, number: int) -> None:
        async with client.semaphore("k", 3, weight=3) as semaphore:
            fences[number] = semaphore.token or 0

    async def body() -> None:
        async with AsyncClient(url, prefix="app") as client:
            async with client.semaphore("k", 3):
                tasks = []
                for number in range(5):
                    tasks.append(asyncio.ensure_future(taking(client, number)))
                    while seen.waiting <= number:
                        await asyncio.sleep(0.001)
                tasks[at].cancel()
                await asyncio.wait([tasks.pop(at)])
                assert seen.waiting == 4
            await asyncio.gather(*tasks)

    asyncio.run(asyncio.wait_for(body(), PATIENCE))
    assert in_order([fences[number] for number in sorted(fences)])
    assert len(fences) == 4
    assert left(raw) == []


DYING = """
from vkcache.core import semaphores
from vkcache.shell import Client

semaphores.PLACE_MS = {place}
cache = Client({url!r}, prefix="app")
print("ready", flush=True)
input()
with cache.semaphore("k", 3, weight=3, lease={lease}):
    input()
"""
PLACE = 2500  # ms: more than the second after which who waits asks again


@contextmanager
def dying(url: str, lease: float = 30) -> Iterator[subprocess.Popen[str]]:
    """A process that comes for all of it as soon as it is told to, and is to be killed."""
    process = started(DYING.format(url=url, place=PLACE, lease=lease), prelude="")
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("at", [0, 2])
def test_who_is_killed_waiting_loses_its_place(
    url: str, cache: Client, pool: ThreadPoolExecutor, seen: Seen, at: int
) -> None:
    """Those behind it are held up until then, and for the second in which they ask again at most."""
    comers = [cache.semaphore("k", 3, weight=2) for _ in range(4)]
    with dying(url) as killed:
        with cache.semaphore("k", 3):
            turns = come(pool, seen, *[cache.semaphore("k", 3, weight=3) for _ in range(at)])
            print("", file=killed.stdin, flush=True)
            seen.stand(at + 1)
            turns += come(pool, seen, *comers)
            token = seen.line[at]
            killed.kill()
            killed.wait()
            end = seen.kept_until(token)
        fences = served(turns)
    assert in_order(fences)
    assert end <= fences[at] / 1000 <= end + 1000 * semaphores.POLL + SLACK


def test_permits_of_who_was_killed_are_free_when_its_lease_ends(
    url: str, cache: Client, pool: ThreadPoolExecutor, seen: Seen, raw: Any
) -> None:
    """No sooner, though it was renewed; also for who waits, when it asks again, without being woken."""
    with dying(url, lease=1) as killed:
        print("", file=killed.stdin, flush=True)
        until(lambda: seen.ends != [], "it holds them")
        assert not cache.semaphore("k", 3).acquire(False)
        waiting = come(pool, seen, cache.semaphore("k", 3))
        killed.kill()
        killed.wait()
        end = seen.ends[0]
    (fence,) = served(waiting)
    assert end <= fence / 1000 <= end + 1000 * semaphores.POLL + SLACK
    assert left(raw) == []


def test_who_asks_when_a_lease_has_ended_is_served_at_once(cache: Client, seen: Seen) -> None:
    held, other = cache.semaphore("k", 3, lease=0.5), cache.semaphore("k", 3, weight=3)
    held.acquire()
    end = seen.ends[0]
    until(lambda: other.acquire(False), "the lease ends")
    assert end <= (other.token or 0) / 1000 <= end + SLACK
    other.release()


def test_different_leases_do_not_end_each_other(cache: Client, seen: Seen, raw: Any) -> None:
    """The server keeps the keys for as long as the longest, whoever came first, and no longer."""
    leases = [0.2, 20, 0.3, 10, 0.1]
    held = [cache.semaphore("k", 5, lease=lease) for lease in leases]
    for one in held:
        assert one.acquire(False)
        assert seen.kept_for >= seen.ends[-1] - moment(raw) / 1000
    brief, all_others = (cache.semaphore("k", 5, weight=3, lease=lease) for lease in (0.1, 30))
    until(lambda: brief.acquire(False), "the short ones end")
    until(lambda: all_others.acquire(False), "the next short one ends")
    assert (len(seen.ends), seen.known) == (3, 3)
    assert not cache.semaphore("k", 5, weight=4).acquire(False)
    all_others.release()
    for one in (held[1], held[3]):
        one.release()
    assert left(raw) == []


def test_callers_that_disagree_on_the_capacity_do_not_stop_each_other(
    cache: Client, pool: ThreadPoolExecutor, seen: Seen
) -> None:
    """Each is served as soon as what it takes for all of it has so much left, in the order of the line."""
    with cache.semaphore("k", 2):
        turns = come(
            pool, seen, cache.semaphore("k", 4, weight=4), cache.semaphore("k", 1), cache.semaphore("k", 2)
        )
    assert in_order(served(turns))


def test_a_crash_under_a_short_lease_leaves_nothing_beside_long_ones(
    cache: Client, pool: ThreadPoolExecutor, seen: Seen, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first holder's lease, long and over, does not keep what is known of the second."""
    monkeypatch.setattr(semaphores, "PLACE_MS", 100)
    with cache.semaphore("k", 1, lease=PATIENCE):
        died = pool.submit(cache.semaphore("k", 1, lease=0.2).acquire)
        seen.stand(1)
    assert died.result(PATIENCE)
    end = seen.ends[0]
    until(lambda: moment(raw) / 1000 > end + 100, "all of the short lease is over")
    with cache.semaphore("k", 1, timeout=0):
        assert (len(seen.ends), seen.known) == (1, 1)
    assert left(raw) == []


@pytest.mark.parametrize("part", KINDS)
def test_a_server_may_lose_a_part_of_it(
    cache: Client, pool: ThreadPoolExecutor, seen: Seen, raw: Any, part: str
) -> None:
    """As one does that evicts keys: nobody meets an error of a script, all who wait are served."""
    held = cache.semaphore("k", 3, weight=2)
    held.acquire()
    turns = come(pool, seen, *[cache.semaphore("k", 3, weight=2) for _ in range(3)])
    seen.lose(part)
    assert turn(cache.semaphore("k", 3, weight=3, timeout=0)) >= 0
    with suppress(*((LockNotOwned,) if part == "holders" else ())):
        held.release()
    assert 0 not in served(turns)
    assert left(raw) == []


def test_who_died_waiting_is_dropped_though_nobody_knows_when_it_died(cache: Client, seen: Seen) -> None:
    with cache.semaphore("k", 1):
        assert not cache.semaphore("k", 1).acquire(timeout=0.01)
        seen.put_first(b"dead")
    with cache.semaphore("k", 1, timeout=0):
        assert seen.waiting == 0


def test_a_clock_that_is_set_back_does_not_change_the_order(
    cache: Client, pool: ThreadPoolExecutor, seen: Seen
) -> None:
    """To those who come later, those who stand in the line have come in the future."""
    with cache.semaphore("k", 1):
        turns = come(pool, seen, *[cache.semaphore("k", 1) for _ in range(3)])
        seen.set_back(3600)
        turns += come(pool, seen, *[cache.semaphore("k", 1) for _ in range(3)])
    assert in_order(served(turns))
