"""Single flight among threads, tasks and processes, on real servers.

Fails where a value that all miss is computed more than once, where somebody gets None or another's error,
where the death of who computes costs the others more than its lease, where a host's own clock decides what
is stale, where anybody waits though a stale value is there, or where a flight outlives its use.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import product
from typing import Any

import pytest
import valkey

from tests.integration.contract.places import FLEETS, Place, Raw
from tests.integration.flying import (
    ALL,
    PATIENCE,
    Crowd,
    Desk,
    Host,
    beside_values,
    cache_at,
    calls_of,
    flights,
    gathered,
    in_thread,
    options,
    reset_counts,
    waiting,
)
from tests.scripts import until
from tests.topologies import Lasting
from vkcache.core import flights as single
from vkcache.shell import AsyncClient, Client

KEEP = 600
FLIGHT = b"\xffvkcache:flight:{app:1:k}"


class Broken(Exception):
    """What a function raises that can not compute."""


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    made = Desk(url)
    yield made
    made.close()


@pytest.fixture
def place(url: str, request: pytest.FixtureRequest, lasting: Lasting) -> Iterator[Place]:
    """The shared server; a test that asks for another place names it."""
    name = getattr(request, "param", "single")
    found = FLEETS[name](lasting) if name in FLEETS else Place(url, Raw((valkey.Valkey.from_url(url),)))
    found.empty()
    reset_counts(found)
    yield found
    found.close()


@pytest.fixture
def cache(place: Place) -> Iterator[Client]:
    with cache_at(place) as made:
        yield made


@pytest.mark.parametrize("place", ["single", "sentinel", "cluster"], indirect=True)
def test_of_threads_tasks_and_processes_one_computes(place: Place, desk: Desk, url: str) -> None:
    """Two of the processes have clocks that are wrong by an hour."""
    with Crowd(place, desk, url) as crowd:
        crowd.start()
        until(lambda: waiting(place) == ALL - 1, "all others wait")
        desk.let(ALL)
        assert crowd.answers() == ["value 1"] * ALL
    assert desk.signed == 1


def test_who_computes_is_killed_and_one_takes_over(place: Place, desk: Desk, url: str) -> None:
    lease = 2.0
    with Host(place, url) as winner, Crowd(place, desk, url, lock_timeout=lease) as crowd:
        winner.begin("get_or_set", "k", "compute", 60, lock_timeout=lease)
        until(lambda: desk.signed == 1, "the winner computes")
        crowd.start()
        until(lambda: waiting(place) > ALL // 2, "others wait")
        winner.kill()
        killed = time.monotonic()
        left = beside_values(place)
        until(lambda: desk.signed == 2, "one takes over")
        assert time.monotonic() - killed < lease + 1
        desk.let(ALL)
        assert crowd.answers() == ["value 2"] * ALL
    assert desk.signed == 2
    assert left
    assert min(left.values()) > 0


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_an_error_goes_to_its_caller_alone(
    place: Place, cache: Client, desk: Desk, url: str, error: type[BaseException]
) -> None:
    """One of the others takes over at once: the lease is half a minute, nobody waits for so long here."""

    def failing() -> None:
        desk.compute()
        raise error

    with Crowd(place, desk, url) as crowd:
        winner = in_thread(partial(cache.get_or_set, "k", failing))
        until(lambda: desk.signed == 1, "the winner computes")
        crowd.start()
        until(lambda: waiting(place) == ALL, "all wait")
        desk.let()
        until(lambda: desk.signed == 2, "one takes over")
        assert type(winner.exception(PATIENCE)) is error
        desk.let(ALL)
        assert crowd.answers() == ["value 2"] * ALL
    assert desk.signed == 2


def test_who_computes_is_cancelled_and_one_takes_over(place: Place, desk: Desk, url: str) -> None:
    async def cancelled() -> None:
        async with AsyncClient(place.url, **options(place)) as client:
            held = asyncio.Event()
            winner = asyncio.ensure_future(client.get_or_set("k", held.wait))
            while not flights(place):
                await asyncio.sleep(0.001)
            crowd.start()
            await asyncio.to_thread(until, lambda: waiting(place) == ALL, "all wait")
            winner.cancel()
            await asyncio.wait([winner])
            assert winner.cancelled()

    with Crowd(place, desk, url) as crowd:
        asyncio.run(cancelled())
        until(lambda: desk.signed == 1, "one takes over")
        desk.let(ALL)
        assert crowd.answers() == ["value 1"] * ALL
    assert desk.signed == 1


def aged(place: Place, name: str) -> Callable[[], bool]:
    """Whether the value has become stale, as its server counts the time for which it is kept."""
    return lambda: place.raw("PTTL", f"app:1:{name}") < KEEP * 1000 - 50


CLOCKS = [(0, False), *product((3600, -3600), (False, True))]


def test_a_clock_that_is_wrong_by_an_hour_changes_nothing(place: Place, desk: Desk, url: str) -> None:
    """What one host has stored is stale for another from the same moment on, not before and not later."""
    kinds: list[dict[str, Any]] = [{}, {"early": 1e-6}]
    with ExitStack() as opened:
        made = [Host(place, url, skew, module_alone=alone) for skew, alone in CLOCKS]
        hosts = [opened.enter_context(host) for host in made]
        rows = [(f"k{at}", *row) for at, row in enumerate(product(hosts, hosts, kinds))]

        def answers(of: int, timeout: int) -> list[str]:
            """What the first or the second host of each row is answered."""
            given = {"timeout": timeout, "stale_cache_timeout": KEEP}
            return [row[of].call("get_or_set", row[0], "sign", **given, **row[3]) for row in rows]

        told, read = answers(1, 2), answers(2, 2)
        assert not any(aged(place, name)() for name, *_ in rows), "it took too long"
        assert read == told
        assert desk.signed == len(rows)
        until(aged(place, rows[-1][0]), "all are stale")
        anew = answers(2, 60)
        assert not set(anew) & set(told)
        assert answers(1, 60) == anew
    assert desk.signed == 2 * len(rows)


def test_where_a_stale_value_is_there_nobody_waits(place: Place, cache: Client, desk: Desk, url: str) -> None:
    terms = {"stale_cache_timeout": KEEP}
    assert cache.get_or_set("k", desk.sign, 0.01, **terms) == "value 1"
    until(aged(place, "k"), "it is stale")
    with Crowd(place, desk, url, **terms) as crowd:
        winner = in_thread(partial(cache.get_or_set, "k", desk.compute, 60, **terms))
        until(lambda: desk.signed == 2, "one computes")
        crowd.start()
        assert crowd.answers() == ["value 1"] * ALL
        assert not winner.done()
        desk.let()
        assert winner.result(PATIENCE) == "value 2"
    assert cache.get("k") == "value 2"
    assert calls_of(place, "blmove") == 0
    assert desk.signed == 2


def test_where_the_computation_is_longer_than_its_lease_a_value_is_stored(
    place: Place, cache: Client, desk: Desk
) -> None:
    """All take over one after the other; the first that is done is right for all."""
    with ThreadPoolExecutor(10) as pool:
        calls = [pool.submit(cache.get_or_set, "k", desk.compute, lock_timeout=0.02) for _ in range(10)]
        until(lambda: desk.signed == 10, "all compute")
        desk.let()
        until(lambda: cache.get("k") is not None, "one has stored what it made")
        desk.let(10)
        assert {call.result(PATIENCE) for call in calls} == {cache.get("k")}
    assert flights(place) == []


async def ended(task: asyncio.Task[Any], ticks: int) -> bool:
    """Whether it ended cancelled, so many ticks of the loop from its first step on."""
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


@pytest.mark.parametrize("contended", [False, True])
def test_2000_cancelled_calls_leave_no_flight(place: Place, contended: bool) -> None:
    async def slow() -> str:
        for _ in range(random.randint(0, 20)):
            await asyncio.sleep(0)
        return "value"

    async def storm() -> None:
        total = batch = 0
        async with AsyncClient(place.url, **options(place)) as client:
            await client.get("k")
            while total < 2000:
                batch += 1
                names = [f"{batch}-{0 if contended else number}" for number in range(50)]
                tasks = [asyncio.ensure_future(client.get_or_set(name, slow)) for name in names]
                total += sum(await gathered([ended(task, random.randint(1, 30)) for task in tasks]))
            await asyncio.sleep(0.1)

    asyncio.run(asyncio.wait_for(storm(), PATIENCE))
    assert flights(place) == []
    assert -1 not in beside_values(place).values()


def test_5000_rounds_leave_no_key_but_values(place: Place, cache: Client) -> None:
    def rounds(number: int) -> None:
        for at in range(1250):
            assert cache.get_or_set(str(at % 7), partial(str, at)) is not None
            if (at + number) % 3:
                cache.delete(str(at % 7))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(rounds, range(4)))
    until(lambda: not beside_values(place), "the last news are gone")
    assert place.raw("DBSIZE") <= 7


def test_of_200_that_can_not_compute_each_has_its_own_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each computes in its turn, no two at a time; and is woken, since nobody looks for itself here."""
    monkeypatch.setattr(single, "POLL", PATIENCE)
    computing: list[int] = []

    async def failing(number: int) -> None:
        computing.append(number)
        await asyncio.sleep(0)
        assert computing.pop() == number
        raise Broken(number)

    async def storm() -> list[Any]:
        async with AsyncClient(place.url, **options(place)) as client:
            return await gathered([client.get_or_set("k", partial(failing, at)) for at in range(200)])

    answers = asyncio.run(storm())
    assert [(type(one), *one.args) for one in answers] == [(Broken, at) for at in range(200)]
    assert flights(place) == []
    assert sum(calls_of(place, name) for name in ("evalsha", "eval", "blmove")) < 200 * 200


FLIGHTS: list[dict[str, str]] = [
    {"epoch": "e", "until": "9" * 18},
    {"holder": "h", "until": "9" * 18},
    {"epoch": "e", "holder": "h"},
    {"epoch": "e", "holder": "h", "until": "soon"},
    {"epoch": "e", "holder": "h", "until": "nan"},
]


@pytest.mark.parametrize("fields", FLIGHTS)
def test_what_is_no_whole_flight_is_none(place: Place, cache: Client, fields: dict[str, str]) -> None:
    """Whoever has put it there, it keeps nobody from computing."""
    place.raw.clients[0].hset(FLIGHT, mapping=fields)
    assert cache.get_or_set("k", lambda: 1) == 1
    assert flights(place) == []


@pytest.mark.parametrize("until", ["9" * 18, "inf"])
def test_who_never_ends_is_waited_for_for_as_long_as_a_lease(place: Place, cache: Client, until: str) -> None:
    raw = place.raw.clients[0]
    raw.hset(FLIGHT, mapping={"epoch": "e", "holder": "h", "until": until})
    raw.rpush(FLIGHT.replace(b"flight", b"news-e"), "-")
    assert cache.get_or_set("k", lambda: 1, lock_timeout=0.3) == 1
    assert calls_of(place, "evalsha") < 10
    assert flights(place) == []
