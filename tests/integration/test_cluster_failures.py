"""Fails if callers notice more of what happens to a cluster than they must: errors that go on when it is well
again, a wrong value, an increment that is lost or counted twice, a call that hangs, or a cluster that is
asked for its layout by everybody at once.

VKCACHE_CHAOS_OPERATIONS: how many calls are cancelled (8,000). VKCACHE_CHAOS_SLOTS: how many slots move (90).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random

import pytest
import valkey

from tests.clusters import Clustered
from tests.integration.cluster_events import Health, calls_of, errors_of, migrated, moved
from tests.integration.cluster_load import COUNTERS, SLOTS, TASKS, THREADS, TIMEOUT, Load, Seen
from tests.servers import HOST, Server, await_that
from vkcache.core.slots import slot
from vkcache.errors import CacheError
from vkcache.shell import AsyncClient, Client
from vkcache.shell.nodes import cluster as charts

OPERATIONS = int(os.environ.get("VKCACHE_CHAOS_OPERATIONS", "8000"))
MOVED_SLOTS = int(os.environ.get("VKCACHE_CHAOS_SLOTS", "90"))
NAMES = tuple(f"name {number}" for number in range(60))
SOON = 0.05  # seconds after the cluster is well
TICKS = 8
CONNECTIONS = 60  # of a process that has an event loop, to six nodes

EVENTS = {"killed": Server.kill, "stopped": Server.freeze}


@pytest.fixture(scope="module")
def whole() -> Iterator[Clustered]:
    with Clustered() as running:
        yield running


@pytest.fixture
def cluster(whole: Clustered, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clustered]:
    """A cluster that is well and holds nothing, and of which this process knows nothing."""
    monkeypatch.setattr(charts._charts, "known", {})
    for server in whole.servers:
        server.execute("CONFIG", "RESETSTAT")
    yield whole
    for server in whole.servers:
        if server.frozen:
            server.thaw()
    whole.await_healthy()
    await_that(lambda: all(known.primary or known.slots for known in whole._view(whole.servers[0])), "roles")
    whole.await_replication()
    whole.flush()


@pytest.fixture
def mortal() -> Iterator[Clustered]:
    """A cluster whose nodes the test may kill."""
    with Clustered() as running:
        yield running


def busiest(cluster: Clustered) -> Server:
    """The primary that holds most of what the load uses."""
    return max(cluster.primaries(), key=lambda server: len({*SLOTS} & {*cluster.slots_of(server)}))


def total(cluster: Clustered) -> int:
    awake = [server.url for server in cluster.servers if server.awake]
    with Client(awake, topology="cluster", strict=True) as client:
        return sum(client.get_many(COUNTERS).values())


def await_calls(cluster: Clustered, more: int = 300) -> None:
    """Return when the nodes that are awake have carried out so many calls more."""
    awake = [server for server in cluster.servers if server.awake]
    begun = calls_of(awake, "get")
    await_that(lambda: calls_of(awake, "get") > begun + more, "calls are answered", 20)


def check(seen: Seen, healthy: float) -> None:
    assert seen.wrong == 0
    assert seen.longest < 2.5 * TIMEOUT
    late = [failed for failed in seen.failed if failed.begun > healthy + SOON]
    assert not late, f"{1000 * (late[-1].begun - healthy):.0f} ms after: {late[-1].error}"


@pytest.mark.parametrize("event", EVENTS)
def test_errors_end_when_a_replica_has_taken_over(mortal: Clustered, event: str) -> None:
    cluster, primary = mortal, busiest(mortal)
    replica = cluster.replica_of(primary)
    others = [server for server in cluster.servers if server is not primary]
    with Load(cluster.urls) as load:
        begun, looked = time.monotonic(), calls_of(others, "cluster|slots")
        with Health(cluster, gone=primary, new=replica) as health:
            EVENTS[event](primary)
            health.begin()
            healthy = health.awaited()
        await_calls(cluster)
        looks, seconds = calls_of(others, "cluster|slots") - looked, time.monotonic() - begun
    check(load.seen, healthy)
    assert looks <= seconds + 1
    # Replication is asynchronous: what a primary has answered at its last moment may be lost with it.
    lost = load.seen.acknowledged - total(cluster)
    assert -load.seen.maybe <= lost <= THREADS + TASKS


def test_a_planned_change_of_primary_costs_nobody_a_call(cluster: Clustered) -> None:
    primary = busiest(cluster)
    replica = cluster.replica_of(primary)
    with Load(cluster.urls) as load:
        for new in (replica, primary):
            cluster.failover(new)
            cluster.await_healthy()
            await_calls(cluster)
    assert not load.seen.failed
    assert (load.seen.wrong, total(cluster)) == (0, load.seen.acknowledged)


def atomically(cluster: Clustered, slots: list[int], source: Server, target: Server) -> None:
    try:
        migrated(cluster, slots, source, target)
    except valkey.ResponseError as error:
        if "unknown subcommand" not in str(error).lower():
            raise
        pytest.skip("this server moves no slots itself")
    await_that(lambda: {*slots} <= {*cluster.slots_of(target)}, "the slots have moved", 20)


@pytest.mark.parametrize("move", [moved, atomically])
def test_slots_that_move_cost_nobody_a_call(
    cluster: Clustered, move: Callable[[Clustered, list[int], Server, Server], None]
) -> None:
    source = busiest(cluster)
    target = next(server for server in cluster.primaries() if server is not source)
    owned = cluster.slots_of(source)
    used = [number for number in owned if number in SLOTS]
    slots = sorted([*used, *(number for number in owned if number not in used)][:MOVED_SLOTS])
    with Load(cluster.urls) as load:
        move(cluster, slots, source, target)
        await_calls(cluster)
    assert not load.seen.failed
    assert (load.seen.wrong, total(cluster)) == (0, load.seen.acknowledged)
    assert errors_of([source], "MOVED") > 0
    if move is moved:
        assert errors_of([source], "ASK") > 0


def test_where_a_slot_has_no_server_errors_end_when_it_has_one(cluster: Clustered) -> None:
    number = slot(b"t")
    owner = cluster.owner(number)
    with Client(cluster.urls, topology="cluster") as client:
        client.set("{t}", 1)
        for server in cluster.servers:
            with suppress(valkey.ResponseError):
                server.execute("CLUSTER", "DELSLOTS", number)
        with Health(cluster) as health:
            await_that(lambda: failing(client), "the cluster is down")
            time.sleep(1.1)  # the client has looked, and knows that nobody holds the slot
            assert failing(client)
            owner.execute("CLUSTER", "ADDSLOTS", number)
            owner.execute("CLUSTER", "BUMPEPOCH")
            health.begin()
            healthy = health.awaited()
        await_that(lambda: not failing(client), "errors have ended")
        assert time.monotonic() - healthy < SOON


def failing(client: Client) -> bool:
    try:
        return bool(client.get("{t}") != 1)
    except CacheError:
        return True


def test_a_replica_is_not_taken_for_a_primary_that_was_silent_for_a_while(cluster: Clustered) -> None:
    primary = cluster.owner(slot(b"t"))
    with Client(cluster.urls, topology="cluster", socket_timeout=0.1, socket_connect_timeout=0.1) as client:
        client.set("{t}", 1)
        primary.freeze()
        for _ in range(2):
            assert failing(client)
            with suppress(CacheError):
                client.keys()  # a replica answers that as well as a primary
        (known,) = charts._charts.known.values()
        assert f"{HOST}:{primary.port}" in [group.primary.address for group in known.groups]
        primary.thaw()
        await_that(lambda: not failing(client), "errors have ended", 3)
        assert client.set("{t}", 1)
        assert client.keys("{t}") == ["{t}"]
        with client.pipeline() as pipe:
            pipe.set("{t}", 1)
            assert pipe.execute() == [True]


def test_only_increments_are_enough_to_notice_that_a_primary_is_gone(cluster: Clustered) -> None:
    primary = cluster.owner(slot(b"t"))
    with Client(cluster.urls, topology="cluster", socket_timeout=0.25, socket_connect_timeout=0.25) as client:
        client.set("{t}", 0)
        cluster.await_replication()
        with Health(cluster, gone=primary) as health:
            primary.freeze()
            health.begin()
            with suppress(CacheError):
                client.incr("{t}")
            healthy = health.awaited()
        assert client.incr("{t}") == 1
        assert time.monotonic() - healthy < TIMEOUT


def test_what_is_cancelled_disturbs_nobody(cluster: Clustered) -> None:
    async def read(client: AsyncClient, chance: Random) -> None:
        names = chance.sample(NAMES, 4)
        kind = chance.randrange(4)
        if kind == 0:
            assert await client.get(names[0]) == names[0]
        elif kind == 1:
            assert await client.get_many(names) == {name: name for name in names}
        else:
            async with client.pipeline(transaction=kind == 2) as pipe:
                for name in names:
                    pipe.get(name)
                assert await pipe.execute() == names

    async def cancel(client: AsyncClient, seed: int, times: Iterator[int]) -> int:
        chance, cancelled = Random(seed), 0
        for _ in times:
            call = asyncio.create_task(read(client, chance))
            for _ in range(chance.randint(0, TICKS)):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            cancelled += call.cancelled()
            if not call.cancelled():
                call.result()
        return cancelled

    async def all_of_it() -> tuple[int, list[str]]:
        times = iter(range(OPERATIONS))
        async with AsyncClient(cluster.urls, topology="cluster") as client:
            await client.set_many({name: name for name in NAMES}, timeout=None)
            cancelled = sum(await asyncio.gather(*(cancel(client, seed, times) for seed in range(TASKS))))
            plain = [await client.get(NAMES[number % len(NAMES)]) for number in range(300)]
            assert sum(map(connections, cluster.servers)) - before < CONNECTIONS
            return cancelled, plain

    before = sum(map(connections, cluster.servers))
    cancelled, plain = asyncio.run(all_of_it())
    assert plain == [NAMES[number % len(NAMES)] for number in range(300)]
    assert cancelled > OPERATIONS / 2


def connections(server: Server) -> int:
    with server.client() as client:
        return int(client.info("clients")["connected_clients"])
