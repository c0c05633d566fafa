"""Fails where a service that sentinels watch is not one cache: a new primary is used late, a write is
acknowledged by the old one, a sentinel that is dead, stopped or behind makes a difference, a wrong name or a
sentinel's password is not told of, or a thread that listens outlives its cache."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.contract.ways import Build, build_async, build_client, end
from tests.integration.writers import Writers
from tests.servers import HOST, Server, await_that, free_port
from tests.topologies import Switch, Watched
from vkcache.core.server import info
from vkcache.errors import Misconfigured, ReplyError, Unreachable
from vkcache.shell import AsyncClient, Client

PATIENT = 0.5  # seconds; the socket_timeout of all caches here
SLACK = 0.1  # seconds by which a thread may be late on a loaded machine

BUILDS = pytest.mark.parametrize("build", [build_client, build_async])


@pytest.fixture
def fleet() -> Iterator[Watched]:
    with Watched() as running:
        yield running


@pytest.fixture
def made(fleet: Watched, build: Build) -> Iterator[Callable[..., Client]]:
    """Makes a cache over *fleet* from options; all are closed at the end."""
    caches: list[Client] = []

    def make(service: str = Watched.service, **options: object) -> Client:
        caches.append(build(f"valkey://{service}/0", **{**asked(fleet), **options}))
        return caches[-1]

    yield make
    for cache in caches:
        end(cache)


def asked(fleet: Watched) -> dict[str, object]:
    return {"sentinels": fleet.sentinels, "socket_timeout": PATIENT, "socket_connect_timeout": PATIENT}


def listeners(fleet: Watched) -> list[threading.Thread]:
    """The threads that listen to the sentinels of *fleet*."""
    names = {f"vkcache-sentinel-{port}" for _, port in fleet.sentinels}
    return [one for one in threading.enumerate() if one.name in names]


def check_switched(writers: Writers, switch: Switch) -> None:
    first = writers.first_success(switch.port, switch.moment)
    report(first, writers)
    assert first < 0.05 + writers.late
    assert writers.longest < PATIENT + SLACK + writers.late


def report(first: float, writers: Writers) -> None:
    """What a run with -s shows."""
    print(
        f"first success {first * 1000:.1f} ms after the announcement, longest call {writers.longest:.3f} s, "
        f"threads up to {writers.late * 1000:.0f} ms late, {writers.errors.total()} errors, "
        f"{len(writers.acknowledged)} writes"
    )


@BUILDS
def test_a_new_primary_is_written_to_as_soon_as_it_is_announced(
    fleet: Watched, made: Callable[..., Client]
) -> None:
    cache = made()
    old = fleet.primary
    with Writers(cache) as writers:
        await_that(lambda: len(writers.acknowledged) > 50, "the old primary is written to")
        old.kill()
        check_switched(writers, fleet.await_switch())
    old.restart()


@BUILDS
def test_a_stopped_primary_is_left_as_soon_as_another_is_announced(
    fleet: Watched, made: Callable[..., Client]
) -> None:
    cache = made()
    old = fleet.primary
    with Writers(cache) as writers:
        await_that(lambda: len(writers.acknowledged) > 50, "the old primary is written to")
        old.freeze()
        switch = fleet.await_switch()
        first = writers.first_success(switch.port, switch.moment)
        report(first, writers)
        assert writers.longest < 2 * PATIENT + SLACK + writers.late
    old.thaw()


@BUILDS
def test_no_write_is_acknowledged_by_the_old_primary_after_a_planned_switch(
    fleet: Watched, made: Callable[..., Client]
) -> None:
    cache = made()
    old = fleet.primary
    with Writers(cache) as writers:
        await_that(lambda: len(writers.acknowledged) > 50, "the old primary is written to")
        fleet.failover()
        switch = fleet.await_switch()
        check_switched(writers, switch)
        fleet.await_healthy()  # for as long as the old one could still take writes
    late = [done - switch.moment for _, done, port in writers.acknowledged if port == old.port]
    print(f"last by the old primary: {max(late) * 1000:.1f} ms after the announcement")
    assert max(late) < 0.1
    assert writers.errors.keys() <= {Unreachable}


@BUILDS
@pytest.mark.parametrize("end_of", [Server.kill, Server.freeze])
def test_two_of_three_sentinels_are_not_needed(
    fleet: Watched, made: Callable[..., Client], end_of: Callable[[Server], None]
) -> None:
    running = made()
    running.set("k", 1)
    for watcher in fleet.watchers[:2]:
        end_of(watcher)
    assert running.get("k") == 1
    began = time.monotonic()
    first = made(client_name="another")
    assert first.get("k") == 1
    assert time.monotonic() - began < PATIENT + SLACK


@BUILDS
def test_a_switch_is_heard_from_those_sentinels_that_live(
    fleet: Watched, made: Callable[..., Client]
) -> None:
    cache = made()
    cache.set("k", 1)
    fleet.watchers[0].freeze()
    with Writers(cache) as writers:
        fleet.failover()
        switch = fleet.await_switch()
        check_switched(writers, switch)
    fleet.watchers[0].thaw()


@BUILDS
def test_a_sentinel_that_is_behind_is_not_believed(fleet: Watched, made: Callable[..., Client]) -> None:
    old = fleet.primary
    behind, *_ = fleet.watchers
    behind.freeze()
    fleet.failover()
    new = fleet.server_at(fleet.await_switch().port)
    assert new is not None
    with Server(sentinel=True) as lonely:  # knows none of the others, and never hears of the switch
        lonely.execute("SENTINEL", "MONITOR", Watched.service, HOST, old.port, 2)
        cache = made(sentinels=[(HOST, lonely.port), *fleet.sentinels])
        for number in range(10):
            assert cache.set("k", number)
            assert port_of(cache) == new.port
    behind.thaw()


def port_of(cache: Client) -> int:
    return int(cache.execute(info(cache.space, "server"))["tcp_port"])


@BUILDS
def test_a_service_that_no_sentinel_knows_is_named_and_found_when_they_do(
    fleet: Watched, made: Callable[..., Client]
) -> None:
    cache = made("other")
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"a primary of 'other' .*No such master"):
        cache.get("k")
    assert time.monotonic() - began < PATIENT
    for watcher in fleet.watchers:
        watcher.execute("SENTINEL", "MONITOR", "other", HOST, fleet.primary.port, 2)
    assert cache.set("k", 1)


@BUILDS
def test_sentinels_that_are_not_there_are_named(build: Build) -> None:
    port = free_port()
    cache = build("valkey://cache/0", sentinels=[(HOST, port)])
    with pytest.raises(Unreachable, match=rf"'cache'.*{HOST}:{port}: .*refused"):
        cache.set("k", 1)
    end(cache)


@BUILDS
def test_many_first_callers_ask_the_sentinels_once(fleet: Watched, made: Callable[..., Client]) -> None:
    cache = made(socket_timeout=2.0)
    for watcher in fleet.watchers[:2]:
        watcher.freeze()  # so each look takes the time of a short question
    told: list[object] = []
    threads = [threading.Thread(target=lambda: told.append(cache.get("k"))) for _ in range(40)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [None] * 40
    assert time.monotonic() - began < 1.5


@BUILDS
def test_a_sentinels_password_is_sentinel_kwargs(fleet: Watched, made: Callable[..., Client]) -> None:
    for watcher in fleet.watchers:
        watcher.execute("ACL", "SETUSER", "default", "resetpass", ">the sentinels' own")
    with pytest.raises(Unreachable, match="Authentication required") as raised:
        made().get("k")
    wrong = made(sentinel_kwargs={"password": "hunter2"})
    with pytest.raises(Unreachable) as refused:
        wrong.get("k")
    assert "hunter2" not in f"{raised.value} {refused.value}"
    assert made(sentinel_kwargs={"password": "the sentinels' own"}).set("k", 1)


def test_options_that_no_sentinel_has_are_told_at_once() -> None:
    with pytest.raises(Misconfigured, match="sentinel_kwargs") as raised:
        Client("valkey://cache/0", sentinels=[(HOST, 1)], sentinel_kwargs={"pasword": "hunter2"})
    assert "hunter2" not in str(raised.value)


@BUILDS
def test_replicas_answer_reads_where_they_are_to(fleet: Watched, made: Callable[..., Client]) -> None:
    cache = made(read_from="replica")
    cache.set("k", 1)
    fleet.await_replication()
    assert readers(cache) == {replica.port for replica in fleet.replicas}
    lost = fleet.replicas[0]
    lost.kill()
    assert [cache.get("k") for _ in range(50)] == [1] * 50
    lost.restart()
    fleet.await_healthy()
    await_that(lambda: lost.port in readers(cache), "the replica that is back answers reads")


def readers(cache: Client) -> set[int]:
    """The ports of the servers that answer reads now."""
    return {port_of(cache) for _ in range(4)}


def test_a_child_of_a_fork_hears_of_a_switch_itself(fleet: Watched) -> None:
    with Client(f"valkey://{Watched.service}/0", sentinels=fleet.sentinels, socket_timeout=PATIENT) as cache:
        cache.set("k", 1)
        ready, go = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            os._exit(in_child(fleet, cache, ready[1], go[0]))
        assert os.read(ready[0], 1) == b"1"
        old = fleet.primary.port
        fleet.failover()
        assert fleet.await_switch().port != old
        os.write(go[1], b"1")
        assert os.waitpid(child, 0)[1] == 0
        assert cache.set("k", 3)
        for end_of_pipe in (*ready, *go):
            os.close(end_of_pipe)


def in_child(fleet: Watched, cache: Client, ready: int, go: int) -> int:
    try:
        assert cache.get("k") == 1
        assert len(listeners(fleet)) == 3
        os.write(ready, b"1")
        os.read(go, 1)
        time.sleep(0.05)  # the announcement may reach the parent first
        assert cache.set("k", 2)
        return 0
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        return 1


def test_listeners_are_shared_and_end_with_the_last_cache(fleet: Watched) -> None:
    caches = [Client(f"valkey://{Watched.service}/0", sentinels=fleet.sentinels) for _ in range(5)]
    for cache in caches:
        cache.set("k", 1)
    assert len(listeners(fleet)) == 3
    for cache in caches:
        cache.close()
    caches.clear()
    del cache
    await_that(lambda: listeners(fleet) == [], "nobody listens any more")
    old = fleet.primary
    fleet.failover()
    fleet.await_switch()
    fleet.await_healthy()
    with Client(f"valkey://{Watched.service}/0", sentinels=fleet.sentinels) as cache:
        assert port_of(cache) == fleet.primary.port != old.port
        assert cache.set("k", 1)


def test_listeners_end_with_the_last_async_cache_too(fleet: Watched) -> None:
    async def used() -> None:
        async with AsyncClient(f"valkey://{Watched.service}/0", sentinels=fleet.sentinels) as cache:
            await asyncio.gather(*(cache.set(f"k{number}", number) for number in range(50)))
            assert len(listeners(fleet)) == 3

    asyncio.run(used())
    await_that(lambda: listeners(fleet) == [], "nobody listens any more")


SCRIPT = """
import asyncio, sys
from vkcache.shell import AsyncClient, Client
sentinels = [("127.0.0.1", int(port)) for port in sys.argv[1:]]
kept = Client("valkey://cache/0", sentinels=sentinels)
kept.set("k", 1)
Client("valkey://cache/1", sentinels=sentinels).set("k", 1)
async def main():
    asyncio.get_running_loop().slow_callback_duration = 60
    client = AsyncClient("valkey://cache/0", sentinels=sentinels)
    await client.set("k", 2)
    await client.aclose()
asyncio.run(main())
"""


def test_a_process_ends_without_a_word(fleet: Watched) -> None:
    ports = [str(port) for _, port in fleet.sentinels]
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", SCRIPT, *ports],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", ""), ended.stderr


@BUILDS
def test_a_demoted_primary_that_no_sentinel_has_told_of_is_asked_again(
    fleet: Watched, made: Callable[..., Client]
) -> None:
    cache = made()
    cache.set("k", 1)
    primary = fleet.primary
    for watcher in fleet.watchers:
        watcher.freeze()
    primary.execute("REPLICAOF", HOST, free_port())
    began = time.monotonic()
    with pytest.raises(ReplyError, match="READONLY"):
        cache.set("k", 2)
    assert time.monotonic() - began < 2 * PATIENT
    back = threading.Timer(0.1, primary.execute, ("REPLICAOF", "NO", "ONE"))
    back.start()
    assert cache.set("k", 3)
    back.join()
    for watcher in fleet.watchers:
        watcher.thaw()
