"""Fails where a primary and its replicas are not one cache: a read goes to the wrong server or a write to a
replica, a replica that is dead or stopped costs a caller an answer, is asked all the time or never again, a
caller does not see what it wrote, or what only the primary can answer is asked of a replica that lags."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Thread

import pytest

from tests.integration.contract.ways import Build, build_async, build_client, end
from tests.servers import HOST, Server, await_that
from tests.topologies import Replicated
from vkcache.errors import Unreachable
from vkcache.shell import AsyncClient, Client

READS = 300
PATIENT = 0.4  # seconds; a server that is stopped costs a call so much
SLACK = 0.1  # seconds by which a loaded machine may be late

BUILDS = pytest.mark.parametrize("build", [build_client, build_async])


@pytest.fixture
def fleet() -> Iterator[Replicated]:
    with Replicated() as running:
        yield running


@pytest.fixture
def made(fleet: Replicated, build: Build) -> Iterator[Callable[..., Client]]:
    """Makes a cache over *fleet* from options; all are closed at the end."""
    caches: list[Client] = []

    def make(**options: object) -> Client:
        options = {"socket_timeout": PATIENT, "socket_connect_timeout": PATIENT, **options}
        caches.append(build(fleet.urls, **options))
        return caches[-1]

    yield make
    for cache in caches:
        end(cache)


def filled(cache: Client, fleet: Replicated) -> Client:
    """*cache*, with connections to all servers, and 300 numbers in it that the replicas have too."""
    cache.set_many({f"k{number}": number for number in range(READS)})
    fleet.await_replication()
    for _ in range(4):
        cache.get("k0")
    return cache


def right(cache: Client, numbers: range = range(READS)) -> int:
    """How many of the reads were right, none of which may raise."""
    return sum(cache.get(f"k{number}") == number for number in numbers)


def right_in_threads(cache: Client) -> int:
    """The same by 10 threads at once."""
    parts = [range(first, READS, 10) for first in range(10)]
    with ThreadPoolExecutor(10) as threads:
        return sum(threads.map(partial(right, cache), parts))


def calls(server: Server, verb: str) -> int:
    """How often *server* has carried *verb* out since `reset`."""
    with server.client() as client:
        told = client.info("commandstats").get(f"cmdstat_{verb}")
    return 0 if told is None else int(told["calls"])


def reset(fleet: Replicated) -> None:
    for server in fleet.servers:
        server.execute("CONFIG", "RESETSTAT")


def spread(fleet: Replicated, verb: str = "get") -> list[int]:
    return [calls(server, verb) for server in fleet.servers]


def detached(fleet: Replicated) -> None:
    """The replicas lag from now on: they follow nobody, though they answer."""
    for replica in fleet.replicas:
        replica.execute("REPLICAOF", "NO", "ONE")


def raised_in(seconds: float, call: Callable[[], object]) -> Unreachable:
    """What *call* raises, and that it did within *seconds*."""
    began = time.monotonic()
    with pytest.raises(Unreachable) as raised:
        call()
    assert time.monotonic() - began < seconds
    return raised.value


@BUILDS
@pytest.mark.parametrize(
    ("read_from", "expected"),
    [(None, [0, 30, 30]), ("replica", [0, 30, 30]), ("primary", [60, 0, 0]), ("any", [20, 20, 20])],
)
def test_reads_go_in_turn_to_whom_read_from_says_and_writes_to_the_primary(
    fleet: Replicated, made: Callable[..., Client], read_from: str | None, expected: list[int]
) -> None:
    cache = made(read_from=read_from)
    filled(cache, fleet)
    reset(fleet)
    assert right(cache, range(60)) == 60
    assert spread(fleet) == expected
    for number in range(5):
        cache.incr("k50")
        assert cache.set(f"k{number}", number)
    pipe = cache.pipeline(transaction=False)
    pipe.set("p", 1)
    pipe.get("p")
    pipe.execute()
    assert spread(fleet, "set")[0] == 6
    assert spread(fleet)[1:] == expected[1:]  # the pipeline, which also writes, has read from the primary


@BUILDS
def test_get_many_and_pipelines_that_only_read_go_to_replicas(
    fleet: Replicated, made: Callable[..., Client]
) -> None:
    cache = filled(made(), fleet)
    reset(fleet)
    for _ in range(6):
        assert cache.get_many(["k1", "k2"]) == {"k1": 1, "k2": 2}
        pipe = cache.pipeline(transaction=False)
        slot = pipe.get("k3")
        pipe.ttl("k3")
        pipe.execute()
        assert slot.value == 3
    transaction = cache.pipeline()
    transaction.get("k4")
    transaction.get("k5")
    transaction.execute()
    assert sum(spread(fleet, "mget")[1:]) == 6
    assert spread(fleet, "get")[0] == 2  # the transaction's
    assert sum(spread(fleet, "get")[1:]) == 6


@BUILDS
def test_cursors_and_whole_scans_are_the_primarys(fleet: Replicated, made: Callable[..., Client]) -> None:
    cache = filled(made(scan_itersize=10), fleet)
    for number in range(600):
        cache.hset("h", f"f{number}", number)
    reset(fleet)
    assert len(set(cache.keys("k*"))) == READS
    assert len(set(cache.iter_keys("k*"))) == READS
    assert len(dict(cache.hscan_iter("h"))) == 600
    assert spread(fleet, "scan")[1:] == spread(fleet, "hscan")[1:] == [0, 0]
    assert calls(fleet.primary, "scan") > 20
    assert calls(fleet.primary, "hscan") > 1


@BUILDS
@pytest.mark.parametrize("read_from", ["replica", "any"])
@pytest.mark.parametrize("end_of", [Server.kill, Server.freeze])
@pytest.mark.parametrize("reads", [right, right_in_threads])
def test_a_dead_or_stopped_replica_costs_no_answer_and_is_used_again(
    fleet: Replicated,
    made: Callable[..., Client],
    read_from: str,
    end_of: Callable[[Server], None],
    reads: Callable[[Client], int],
) -> None:
    cache = filled(made(read_from=read_from), fleet)
    lost = fleet.replicas[0]
    end_of(lost)
    assert reads(cache) == READS
    assert reads(cache) == READS
    lost.restart() if end_of is Server.kill else lost.thaw()
    fleet.await_replication()
    reset(fleet)

    def used() -> bool:
        assert cache.get("k7") == 7
        return calls(lost, "get") > 0

    await_that(used, "the replica that is back answers reads")


@BUILDS
def test_many_reads_at_once_survive_a_stopped_replica_in_one_time_out(
    fleet: Replicated, made: Callable[..., Client]
) -> None:
    cache = filled(made(), fleet)
    with ThreadPoolExecutor(50) as threads:
        assert sum(threads.map(partial(right, cache), [range(5)] * 50)) == 250  # a connection for each
        fleet.replicas[1].freeze()
        began = time.monotonic()
        parts = [range(first, READS, 50) for first in range(50)]
        assert sum(threads.map(partial(right, cache), parts)) == READS
        assert time.monotonic() - began < 3 * PATIENT
    fleet.replicas[1].thaw()


@BUILDS
def test_a_replica_that_answers_nothing_is_asked_once_a_second(
    fleet: Replicated, made: Callable[..., Client]
) -> None:
    cache = filled(made(), fleet)
    lost = fleet.replicas[0]
    before = connections(lost)
    lost.pause(2.5)  # each question to it is a connection that it accepts
    began = time.monotonic()
    while (passed := time.monotonic() - began) < 2.2:
        assert cache.get("k1") == 1
    asked = connections(lost) - before - 2  # those of this test
    assert 1 <= asked <= passed + 1


def connections(server: Server) -> int:
    """How many *server* has accepted, this question's included."""
    with server.client() as client:
        return int(client.info("stats")["total_connections_received"])


@BUILDS
def test_the_primary_answers_where_both_replicas_are_dead(
    fleet: Replicated, made: Callable[..., Client]
) -> None:
    cache = filled(made(), fleet)
    for replica in fleet.replicas:
        replica.kill()
    fleet.primary.execute("CONFIG", "RESETSTAT")
    assert right(cache) == READS
    assert calls(fleet.primary, "get") == READS
    assert len(cache.get_many([f"k{number}" for number in range(READS)])) == READS


@BUILDS
@pytest.mark.parametrize("read_from", ["replica", "any"])
def test_reads_go_on_and_writes_fail_at_once_where_the_primary_is_dead(
    fleet: Replicated, made: Callable[..., Client], read_from: str
) -> None:
    cache = filled(made(read_from=read_from), fleet)
    fleet.primary.kill()
    assert right(cache) == READS
    assert cache.get_many(["k1", "k2"]) == {"k1": 1, "k2": 2}
    raised_in(PATIENT, partial(cache.set, "k", 1))  # its connection stood a moment ago
    for write in (partial(cache.set, "k", 1), partial(cache.incr, "k1"), partial(cache.delete_many, ["k"])):
        assert not raised_in(PATIENT, write).maybe_executed
    fleet.primary.restart()
    assert cache.set("k", 1)


@BUILDS
def test_a_stopped_primary_costs_one_write_its_time_and_no_read_anything(
    fleet: Replicated, made: Callable[..., Client]
) -> None:
    cache = filled(made(), fleet)
    fleet.primary.freeze()
    first = raised_in(2 * PATIENT, partial(cache.incr, "k1"))
    assert first.maybe_executed
    began = time.monotonic()
    for number in range(5):
        assert not raised_in(PATIENT, partial(cache.incr, f"k{number}")).maybe_executed
    assert right(cache) == READS
    assert time.monotonic() - began < PATIENT + SLACK
    fleet.primary.thaw()

    def back() -> bool:
        with suppress(Unreachable):
            return cache.set("k", 1)
        return False

    await_that(back, "the primary is used again")


def test_a_thread_sees_its_own_write_and_another_reads_from_a_replica(fleet: Replicated) -> None:
    with Client(fleet.urls, read_your_writes=True) as cache:
        filled(cache, fleet)
        detached(fleet)
        cache.set("k1", "new")
        seen: list[object] = []
        other = Thread(target=lambda: seen.append(cache.get("k1")))
        other.start()
        other.join()
        assert [cache.get("k1"), cache.get_many(["k1"]), seen] == ["new", {"k1": "new"}, [1]]


def test_after_a_while_own_writes_are_read_from_a_replica_too(fleet: Replicated) -> None:
    with Client(fleet.urls, read_your_writes=0.2) as cache:
        filled(cache, fleet)
        detached(fleet)
        pipe = cache.pipeline()
        pipe.set("k1", "new")
        pipe.execute()
        assert cache.get("k1") == "new"
        await_that(lambda: cache.get("k1") == 1, "a replica answers")


def test_a_task_sees_its_own_write_and_another_reads_from_a_replica(fleet: Replicated) -> None:
    async def tasks() -> None:
        async with AsyncClient(fleet.urls, read_your_writes=5) as cache:
            other = asyncio.create_task(reading(cache, written := asyncio.Event()))
            await asyncio.to_thread(detached, fleet)
            await asyncio.create_task(writing(cache))
            written.set()
            assert await other == 1

    async def writing(cache: AsyncClient) -> None:
        await cache.set("k1", "new")
        assert await cache.get("k1") == "new"

    async def reading(cache: AsyncClient, written: asyncio.Event) -> object:
        await written.wait()
        return await cache.get("k1")

    # The first write of all belongs to a context that both tasks would inherit.
    with Client(fleet.urls) as cache:
        cache.set("k1", 1)
    fleet.await_replication()
    asyncio.run(tasks())


@BUILDS
def test_what_must_be_fresh_is_right_however_far_replicas_lag(
    fleet: Replicated, made: Callable[..., Client]
) -> None:
    cache = filled(made(), fleet)
    detached(fleet)
    cache.set("stored", "by another")
    assert cache.get("stored") is None  # a replica says so
    assert cache.get_or_set("stored", "default") == "by another"
    cache.set("x", 1.5)
    assert [cache.incr("x", 0.25), cache.incr("x", 0.25), cache.decr("x", 1)] == [1.75, 2.0, 1.0]
    cache.hset("h", "f", 0.5)
    assert cache.hincrbyfloat("h", "f", 0.25) == 0.75
    assert cache.add("stored", 1) is False
    cache.set("moved", 7, version=1)
    assert cache.incr_version("moved", version=1) == 2
    assert cache.delete("moved", version=2)
    assert cache.keys("sto*") == ["stored"]


@BUILDS
def test_a_lock_is_held_by_one_however_far_replicas_lag(
    fleet: Replicated, made: Callable[..., Client]
) -> None:
    cache = filled(made(), fleet)
    detached(fleet)
    with cache.lock("one", timeout=5):
        assert not cache.lock("one", timeout=5, blocking=False).acquire()
    again = cache.lock("one", timeout=5, blocking=False)
    assert again.acquire()
    assert again.owned()
    again.release()


def test_50_tasks_read_while_a_replica_is_stopped(fleet: Replicated) -> None:
    async def reading(cache: AsyncClient, first: int) -> int:
        return sum([await cache.get(f"k{number}") == number for number in range(first, READS, 50)])

    async def tasks() -> None:
        async with AsyncClient(fleet.urls, socket_timeout=PATIENT, socket_connect_timeout=PATIENT) as cache:
            await cache.set_many({f"k{number}": number for number in range(READS)})
            await asyncio.to_thread(fleet.await_replication)
            await asyncio.gather(cache.get("k1"), cache.get("k2"))
            fleet.replicas[0].freeze()
            began = time.monotonic()
            assert sum(await asyncio.gather(*(reading(cache, first) for first in range(50)))) == READS
            assert time.monotonic() - began < 3 * PATIENT

    asyncio.run(tasks())


def test_the_server_at_a_url_is_where_a_write_goes(fleet: Replicated) -> None:
    """The first URL is the primary's, whatever the servers think of it."""
    with (
        Client([fleet.replicas[0].url, fleet.primary.url]) as cache,
        pytest.raises(Exception, match="READONLY"),
    ):
        cache.set("k", 1)
    assert fleet.primary.url.startswith(f"valkey://{HOST}")
