"""What is computed while its value is deleted or set, by whomever: it is never stored over what is newer.

Fails where a call that begins after a delete or a set has returned is answered what was computed from
something older, on one server or on a cluster whose slots are on the move, however long it takes to compute;
or where who has computed it, or has waited for it, gets None or an error.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast

import pytest

from tests.clusters import Clustered
from tests.integration.contract.places import Place, Raw
from tests.integration.flying import PATIENCE, Desk, Host, cache_at, in_thread, options
from tests.scripts import until
from tests.servers import HOST, await_that
from vkcache.core.keyspace import beside
from vkcache.core.slots import slot
from vkcache.shell import AsyncClient, Client
from vkcache.shell.nodes.several import Several

WRITERS, READERS, TASKS = 4, 8, 10
DELETES = 250
NAMES = [f"row {number}" for number in range(WRITERS)]


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    made = Desk(url)
    yield made
    made.close()


@pytest.fixture
def place(url: str) -> Place:
    return Place(url, Raw(()))


@pytest.fixture
def cache(place: Place) -> Iterator[Client]:
    with cache_at(place) as made:
        yield made


@pytest.fixture
def host(place: Place, url: str) -> Iterator[Host]:
    """Another process."""
    with Host(place, url) as made:
        yield made


WAYS: list[tuple[str, Any]] = [
    ("delete", "k"),
    ("delete_many", ["k", "other"]),
    ("pipeline.delete", "k"),
]


@pytest.mark.parametrize(("way", "keys"), WAYS)
@pytest.mark.parametrize("stale", [False, True])
def test_what_is_deleted_meanwhile_is_not_stored(
    cache: Client, desk: Desk, host: Host, way: str, keys: Any, stale: bool
) -> None:
    """Who comes after the delete computes at once, and does not wait for what is older."""
    terms = {"stale_cache_timeout": 600} if stale else {}
    if stale:
        cache.get_or_set("k", lambda: "stale", 0.001, **terms)
        until(lambda: (cache.pttl("k") or 0) < 599_990, "it is stale")
    older = in_thread(partial(cache.get_or_set, "k", desk.compute, **terms))
    until(lambda: desk.signed == 1, "one computes")
    host.call(way, keys)
    desk.let()
    assert older.result(PATIENCE) == "value 1"
    assert cache.get("k") is None
    older = in_thread(partial(cache.get_or_set, "k", desk.compute, **terms))
    until(lambda: desk.signed == 2, "one computes")
    host.call(way, keys)
    assert cache.get_or_set("k", desk.sign, **terms) == "value 3"
    desk.let()
    assert older.result(PATIENCE) in ("value 2", "value 3")
    assert cache.get("k") == "value 3"


def test_what_is_set_meanwhile_stays(cache: Client, desk: Desk, host: Host) -> None:
    """And is the answer, also to who has computed something else."""
    older = in_thread(partial(cache.get_or_set, "k", desk.compute))
    until(lambda: desk.signed == 1, "one computes")
    assert host.call("set", "k", "newer") is True
    desk.let()
    assert older.result(PATIENCE) == "newer"
    assert cache.get("k") == "newer"


def test_who_waits_for_what_is_deleted_has_it_computed_anew(cache: Client, desk: Desk, host: Host) -> None:
    calls = [in_thread(partial(cache.get_or_set, "k", desk.compute)) for _ in range(10)]
    until(lambda: desk.signed == 1, "one computes")
    host.call("delete", "k")
    desk.let()
    until(lambda: desk.signed == 2, "another computes")
    desk.let(10)
    assert sorted({call.result(PATIENCE) for call in calls}) == ["value 1", "value 2"]
    assert [call.result() for call in calls].count("value 1") == 1
    assert cache.get("k") == "value 2"


class Rows:
    """A database: each row is its version.

    :ivar floors: the version of each that a delete or set has made the oldest one allowed.
    :ivar broken: answers that were older, with the oldest that was allowed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions = dict.fromkeys(NAMES, 0)
        self.floors = dict.fromkeys(NAMES, 0)
        self.broken: list[tuple[str, Any, int]] = []
        self.answered = 0

    def read(self, name: str) -> int:
        with self._lock:
            return self._versions[name]

    def change(self, name: str) -> int:
        with self._lock:
            self._versions[name] += 1
            return self._versions[name]

    def check(self, name: str, answer: Any, least: int) -> None:
        self.answered += 1
        if not isinstance(answer, int) or answer < least:
            self.broken.append((name, answer, least))


def changed(cache: Client, rows: Rows, name: str) -> None:
    """Change the row and then void what is stored of it, in one of all ways."""
    way, version = random.randrange(5), rows.change(name)
    if way == 0:
        cache.set(name, version)
    elif way == 1:
        cache.delete_many([name, "other"])
    elif way == 2:
        cache.delete(name)
    else:
        pipe = cache.pipeline(transaction=way == 3)
        pipe.delete(name)
        pipe.execute()
    rows.floors[name] = version


def write(cache: Client, rows: Rows, name: str) -> None:
    for _ in range(DELETES):
        changed(cache, rows, name)
        time.sleep(random.choice((0, 0.001, 0.004)))


def read(cache: Client, rows: Rows, terms: dict[str, Any], over: threading.Event) -> None:
    def computed(name: str) -> int:
        version = rows.read(name)
        time.sleep(random.choice((0, 0.001, 0.005)))
        return version

    while not over.is_set():
        name = random.choice(NAMES)
        least = rows.floors[name]
        rows.check(name, cache.get_or_set(name, partial(computed, name), **terms), least)


async def read_in_tasks(place: Place, rows: Rows, terms: dict[str, Any], over: threading.Event) -> None:
    async def computed(name: str) -> int:
        version = rows.read(name)
        await asyncio.sleep(random.choice((0, 0.001, 0.005)))
        return version

    async def reader(cache: AsyncClient) -> None:
        while not over.is_set():
            name = random.choice(NAMES)
            least = rows.floors[name]
            rows.check(name, await cache.get_or_set(name, partial(computed, name), **terms), least)
            await asyncio.sleep(0)

    async with AsyncClient(place.url, **options(place)) as cache:
        await asyncio.gather(*[reader(cache) for _ in range(TASKS)])


def storm(place: Place, terms: dict[str, Any]) -> None:
    """1,000 changes of rows that threads and tasks read through the cache all the time."""
    rows, over = Rows(), threading.Event()
    with cache_at(place) as cache:
        readers = [in_thread(partial(read, cache, rows, terms, over)) for _ in range(READERS)]
        readers.append(in_thread(lambda: asyncio.run(read_in_tasks(place, rows, terms, over))))
        writers = [in_thread(partial(write, cache, rows, name)) for name in NAMES]
        try:
            for writer in writers:
                writer.result(PATIENCE)
        finally:
            over.set()
        for reader in readers:
            reader.result(PATIENCE)
        assert rows.broken == []
        assert rows.answered > WRITERS * DELETES
        assert {name: cache.get(name, rows.read(name)) for name in NAMES} == rows.floors
        for name in NAMES:
            cache.delete(name)
            assert cache.get_or_set(name, partial(rows.read, name), **terms) == rows.floors[name]
            assert cache.get(name) == rows.floors[name]


TERMS: list[dict[str, Any]] = [
    {},
    {"lock_timeout": 0.002},
    {"timeout": 0.004},
    {"timeout": 0.004, "stale_cache_timeout": 60},
    {"timeout": 0.01, "stale_cache_timeout": 60, "early": 1, "lock_timeout": 0.002},
]


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_nothing_older_is_answered_after_a_delete(place: Place, terms: dict[str, Any]) -> None:
    storm(place, terms)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Clustered]:
    with Clustered(60_000) as running:
        yield running


@pytest.mark.parametrize(("way", "keys"), WAYS[:2])
def test_what_is_deleted_is_gone_though_its_slot_is_handed_over_meanwhile(
    cluster: Clustered, desk: Desk, monkeypatch: pytest.MonkeyPatch, way: str, keys: Any
) -> None:
    """Of a value and its flight the flight alone has moved when the delete comes; and before this asks for
    the flight where it now is, the rest has moved, and what was computed is stored."""
    place = Place(cluster.urls[0], Raw(()), {"topology": "cluster"})
    wire, terms = b"app:1:k", {"stale_cache_timeout": 600}
    source = cluster.owner(slot(wire))
    target = next(one for one in cluster.primaries() if one is not source)
    reroute = Several._reroute

    def late(nodes: Several, *row: Any) -> None:
        if not older.done():
            move.carry()
            move.end()
            desk.let()
            assert older.result(PATIENCE) == "value 2"
        reroute(nodes, *row)

    with cache_at(place) as cache:
        assert cache.get_or_set("k", desk.sign, 0.001, **terms) == "value 1"
        await_that(lambda: cast(int, source.execute("PTTL", wire)) < 599_990, "it is stale")
        older = in_thread(partial(cache.get_or_set, "k", desk.compute, **terms))
        until(lambda: desk.signed == 2, "one computes")
        with cluster.moving(slot(wire), source, target) as move:
            source.execute("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", beside(b"flight", wire))
            monkeypatch.setattr(Several, "_reroute", late)
            getattr(cache, way)(keys)
            assert older.done()
        assert cache.get("k") is None


@contextmanager
def moving(cluster: Clustered) -> Iterator[Callable[[], int]]:
    """The slots of all rows go from one primary to the next, again and again; how many have been moved."""
    over, moved = threading.Event(), 0

    def move() -> None:
        nonlocal moved
        primaries = cluster.primaries()
        while not over.is_set():
            number = slot(f"app:1:{random.choice(NAMES)}".encode())
            source = cluster.owner(number)
            target = random.choice([one for one in primaries if one is not source])
            cluster.move_slot(number, source, target)
            moved += 1

    mover = in_thread(move)
    with ExitStack() as ending:
        ending.callback(mover.result, PATIENCE)
        ending.callback(over.set)
        yield lambda: moved


@pytest.mark.parametrize("terms", [TERMS[0], TERMS[4]], ids=str)
def test_nor_where_slots_are_on_the_move(cluster: Clustered, terms: dict[str, Any]) -> None:
    with moving(cluster) as moved:
        storm(Place(cluster.urls[0], Raw(()), {"topology": "cluster"}), terms)
    assert moved() > 10
