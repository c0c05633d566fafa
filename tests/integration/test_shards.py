"""Fails where shards are not one cache: a key lies where its ring does not put it, a call over several
of them misses one, a call that can not span them is sent all the same, or a shard that is dead or stopped
takes live keys with it, lets anybody wait for it again and again, or is not used when it is back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from tests.integration.contract.ways import Build, build_async, build_client, end
from tests.servers import Server, await_that
from tests.topologies import Sharded
from vkcache.core.rings import address_name, by_address, by_location
from vkcache.errors import CrossNode, Incomplete, TimedOut, Unreachable
from vkcache.shell import Client

KEYS = 300
PATIENT = 0.4  # seconds; a server that is stopped costs a call so much
LITTLE = 0.35  # seconds for one short question to it, and for a loaded machine

BUILDS = pytest.mark.parametrize("build", [build_client, build_async])
ENDS = pytest.mark.parametrize("end_of", [Server.kill, Server.freeze])


@pytest.fixture
def fleet() -> Iterator[Sharded]:
    with Sharded() as running:
        yield running


@pytest.fixture
def made(fleet: Sharded, build: Build) -> Iterator[Callable[..., Client]]:
    """Makes a cache over *fleet* from options; all are closed at the end."""
    caches: list[Client] = []

    def make(**options: object) -> Client:
        times = {"socket_timeout": PATIENT, "socket_connect_timeout": PATIENT}
        caches.append(build(fleet.urls, topology="shard", **{**times, **options}))
        return caches[-1]

    yield make
    for cache in caches:
        end(cache)


def numbers() -> dict[str, int]:
    return {f"k{number}": number for number in range(KEYS)}


def filled(cache: Client) -> Client:
    assert cache.set_many(numbers()) == []
    return cache


def homes(fleet: Sharded) -> dict[str, Server]:
    """The server of each of `numbers`."""
    ring = by_location(fleet.urls)
    return {key: fleet.servers[ring.locate(f":1:{key}".encode())] for key in numbers()}


def living(fleet: Sharded, lost: Server) -> dict[str, int]:
    there = homes(fleet)
    return {key: number for key, number in numbers().items() if there[key] is not lost}


def stored(server: Server) -> set[bytes]:
    with server.client() as client:
        return set(client.keys("*"))


def apart(fleet: Sharded) -> tuple[str, str]:
    """Two keys that live on two shards."""
    there = homes(fleet)
    return "k0", next(key for key in there if there[key] is not there["k0"])


def pushed(cache: Client, names: tuple[str, ...]) -> list[object]:
    pipe = cache.pipeline()
    for name in names:
        pipe.incr(name, ignore_key_check=True)
    return pipe.execute()


def took(call: Callable[[], object]) -> float:
    """How long *call* takes, whether or not it finds its server."""
    began = time.monotonic()
    with suppress(Unreachable):
        call()
    return time.monotonic() - began


@BUILDS
def test_each_key_lies_where_the_ring_puts_it(fleet: Sharded, made: Callable[..., Client]) -> None:
    filled(made())
    there = homes(fleet)
    for server in fleet.servers:
        own = {f":1:{key}".encode() for key, home in there.items() if home is server}
        assert stored(server) == own != set()


@BUILDS
def test_the_other_ring_too(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = filled(made(ring="django-redis-cache"))
    ring = by_address([address_name("127.0.0.1", server.port, 0, None) for server in fleet.servers])
    for key in numbers():
        wire = f":1:{key}".encode()
        assert fleet.servers[ring.locate(wire)].execute("EXISTS", wire) == 1
    assert cache.get_many(numbers()) == numbers()


@BUILDS
def test_calls_span_shards(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = filled(made(scan_itersize=20))
    wanted = numbers()
    assert list(cache.get_many(wanted).items()) == list(wanted.items())
    assert set(cache.keys("k*")) == set(cache.iter_keys("k*")) == set(wanted)
    assert cache.delete_many(["k0", "k1", "k2", "nothing"]) == 3
    assert cache.delete_pattern("k1*") == len([key for key in wanted if key.startswith("k1")]) - 1
    left = {key for key in wanted if not key.startswith("k1")} - {"k0", "k2"}
    assert set(cache.keys()) == left
    for server in fleet.servers:
        server.execute("SET", "another's", 1)
    assert cache.clear()
    assert [stored(server) for server in fleet.servers] == [{b"another's"}] * 3
    filled(cache)
    assert cache.flush_db()
    assert [stored(server) for server in fleet.servers] == [set()] * 3


@BUILDS
@pytest.mark.parametrize("transaction", [True, False])
def test_pipelines_span_shards(fleet: Sharded, made: Callable[..., Client], transaction: bool) -> None:
    cache = filled(made())
    pipe = cache.pipeline(transaction=transaction)
    slots = {key: pipe.incr(key) for key in numbers()}
    pipe.execute()
    assert {key: slot.value - 1 for key, slot in slots.items()} == numbers()
    assert all(int(str(server.execute("DBSIZE"))) > 0 for server in fleet.servers)


@BUILDS
def test_what_can_not_span_shards_names_the_keys_and_sends_nothing(
    fleet: Sharded, made: Callable[..., Client]
) -> None:
    cache = filled(made())
    one, other = apart(fleet)
    wires = [f":1:{one}", f":1:{other}"]
    calls: list[Callable[[], object]] = [
        lambda: cache.mget([one, other]),
        lambda: cache.mset({one: -1, other: -1}),
        lambda: cache.rename(one, other),
        lambda: cache.sunion(one, other),
        lambda: cache.sunionstore(one, other),
        lambda: cache.eval_script("return redis.call('DEL', KEYS[1], KEYS[2])", keys=wires),
    ]
    for server in fleet.servers:
        server.execute("CONFIG", "RESETSTAT")
    for call in calls:
        with pytest.raises(CrossNode) as raised:
            call()
        assert all(repr(wire) in str(raised.value) for wire in wires)
        assert isinstance(raised.value, ValueError)
    for server in fleet.servers:
        with server.client() as client:
            assert set(client.info("commandstats")) <= {
                "cmdstat_config|resetstat",
                "cmdstat_info",
                *HANDSHAKE,
            }
    assert cache.get_many([one, other]) == {one: int(one[1:]), other: int(other[1:])}


HANDSHAKE = ("cmdstat_hello", "cmdstat_client|setinfo", "cmdstat_select")


@BUILDS
def test_a_part_in_braces_brings_keys_together(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = made()
    many = {f"{{user:1}}:{number}": number for number in range(50)}
    assert cache.mset(many)
    assert cache.mget(many) == many
    assert sorted(len(stored(server)) for server in fleet.servers) == [0, 0, 50]
    assert cache.rename("{user:1}:0", "{user:1}:new")
    cache.sadd("{user:1}:a", 1, 2)
    cache.sadd("{user:1}:b", 2, 3)
    assert cache.sunion("{user:1}:a", "{user:1}:b") == {1, 2, 3}
    wires = [":1:{user:1}:1", ":1:{user:1}:2"]
    assert cache.eval_script("return redis.call('DEL', KEYS[1], KEYS[2])", keys=wires) == 2


@BUILDS
@ENDS
def test_a_lost_shard_takes_no_live_key_with_it(
    fleet: Sharded,
    made: Callable[..., Client],
    end_of: Callable[[Server], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = filled(made())
    lost = fleet.servers[1]
    alive = living(fleet, lost)
    end_of(lost)
    with caplog.at_level(logging.WARNING, "vkcache"):
        assert cache.get_many(numbers()) == alive
    assert f"MGET: {KEYS - len(alive)} of {KEYS} keys" in caplog.text
    assert set(cache.set_many(numbers())) == numbers().keys() - alive.keys()
    with pytest.raises(Incomplete) as raised:
        cache.delete_many(numbers())
    assert raised.value.partial == len(alive)
    assert set(raised.value.missing) == {f":1:{key}".encode() for key in numbers().keys() - alive.keys()}
    for key in numbers().keys() - alive.keys():
        with pytest.raises(Unreachable):
            cache.get(key)


@BUILDS
def test_what_concerns_all_shards_tells_that_one_is_dead(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = filled(made())
    fleet.servers[1].kill()
    calls: list[Callable[[], object]] = [
        lambda: cache.keys("k*"),
        lambda: list(cache.iter_keys("k*")),
        lambda: cache.delete_pattern("k*"),
        cache.clear,
        cache.flush_db,
    ]
    for call in calls:
        with pytest.raises(Unreachable, match=str(fleet.servers[1].port)):
            call()
    assert [stored(server) for server in fleet.servers if server.awake] == [set()] * 2


@BUILDS
@ENDS
def test_strict_tells_of_a_lost_shard_by_an_error(
    fleet: Sharded, made: Callable[..., Client], end_of: Callable[[Server], None]
) -> None:
    cache = filled(made(strict=True))
    alive = living(fleet, fleet.servers[0])
    end_of(fleet.servers[0])
    with pytest.raises(Incomplete) as raised:
        cache.get_many(numbers())
    assert raised.value.partial == alive
    with pytest.raises(Unreachable):
        cache.get_many(numbers().keys() - alive.keys())


@BUILDS
@ENDS
def test_where_errors_are_ignored_a_lost_shard_holds_nothing(
    fleet: Sharded, made: Callable[..., Client], end_of: Callable[[Server], None]
) -> None:
    cache = filled(made(ignore_exceptions=True))
    alive = living(fleet, fleet.servers[2])
    end_of(fleet.servers[2])
    assert cache.get_many(numbers()) == alive
    assert {key: value for key in numbers() if (value := cache.get(key)) is not None} == alive
    assert set(cache.set_many(numbers())) == numbers().keys() - alive.keys()
    assert cache.delete_many(numbers()) == len(alive)
    assert cache.keys("k*") == []
    assert cache.flush_db() is False


@BUILDS
def test_a_pipeline_tells_each_command_what_became_of_it(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = filled(made())
    alive = living(fleet, fleet.servers[1])
    fleet.servers[1].kill()
    for transaction in (True, False):
        pipe = cache.pipeline(transaction=transaction)
        for key in numbers():
            pipe.get(key)
        told = dict(zip(numbers(), pipe.execute(raise_on_error=False), strict=True))
        assert {key: value for key, value in told.items() if not isinstance(value, Unreachable)} == alive


@BUILDS
def test_a_stopped_shard_costs_one_call_its_time_and_is_used_when_it_is_back(
    fleet: Sharded, made: Callable[..., Client]
) -> None:
    cache = filled(made())
    lost = fleet.servers[0]
    alive = living(fleet, lost)
    gone = next(key for key in numbers() if key not in alive)
    lost.freeze()
    assert took(lambda: cache.get_many(numbers())) < PATIENT + LITTLE
    began = time.monotonic()
    calls: list[Callable[[], object]] = [
        lambda: cache.get_many(numbers()),
        lambda: cache.set_many(numbers()),
        lambda: cache.get(gone),
        lambda: cache.incr(gone),
        lambda: pushed(cache, (*alive, gone)),
        lambda: cache.delete_many([gone]),
    ]
    for call in calls:
        took(call)
    assert time.monotonic() - began < LITTLE
    lost.thaw()
    await_that(lambda: cache.set_many(numbers()) == [], "the shard is used again")
    assert cache.get_many(numbers()) == numbers()


@BUILDS
def test_many_callers_lose_one_time_out_to_a_stopped_shard(
    fleet: Sharded, made: Callable[..., Client]
) -> None:
    cache = filled(made())
    lost = fleet.servers[2]
    gone = [key for key in numbers() if key not in living(fleet, lost)][:60]
    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(cache.get, gone)) == [numbers()[key] for key in gone]
        lost.freeze()
        began = time.monotonic()
        assert len(list(threads.map(took, [partial(cache.incr, key) for key in gone]))) == len(gone)
        assert time.monotonic() - began < 2 * (PATIENT + LITTLE)
    lost.thaw()


@BUILDS
@pytest.mark.parametrize("write", ["set_many", "incr", "pipeline"])
def test_a_write_to_a_stopped_shard_is_doubted_once(
    fleet: Sharded, made: Callable[..., Client], write: str
) -> None:
    cache = filled(made())
    lost = fleet.servers[0]
    gone = tuple(key for key in numbers() if key not in living(fleet, lost))
    writes: dict[str, Callable[[], object]] = {
        "set_many": lambda: cache.set_many(dict.fromkeys(gone, 1)),
        "incr": lambda: cache.incr(gone[0]),
        "pipeline": lambda: pushed(cache, gone),
    }
    lost.freeze()
    began = time.monotonic()
    with pytest.raises(TimedOut) as raised:
        writes[write]()
    assert raised.value.maybe_executed
    assert time.monotonic() - began < PATIENT + LITTLE
    with pytest.raises(Unreachable) as again:
        writes[write]()
    assert not again.value.maybe_executed
    assert time.monotonic() - began < PATIENT + 2 * LITTLE
    lost.thaw()


@BUILDS
def test_a_dead_shard_that_is_back_is_used_at_once(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = filled(made())
    lost = fleet.servers[1]
    lost.kill()
    assert cache.set_many(numbers())
    lost.restart()
    assert cache.set_many(numbers()) == []
    assert cache.get_many(numbers()) == numbers()


@BUILDS
def test_locks_counters_and_versions_live_on_any_shard(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = made()
    for number in range(20):
        name = f"n{number}"
        with cache.lock(name, timeout=5) as lock:
            assert lock.owned()
            assert not cache.lock(name, timeout=5, blocking=False).acquire()
        assert cache.incr(name, 2, ignore_key_check=True) == 2
        assert cache.set(name, 1.5) is True
        assert cache.incr(name, 0.25) == 1.75
        assert cache.get_or_set(f"new{number}", lambda: "made") == "made"
        assert cache.get(f"new{number}") == "made"
        tagged = f"{{n{number}}}"
        cache.set(tagged, "v", version=1)
        assert cache.incr_version(tagged, version=1) == 2
        assert (cache.get(tagged, version=1), cache.get(tagged, version=2)) == (None, "v")
    assert all(int(str(server.execute("DBSIZE"))) > 0 for server in fleet.servers)


@BUILDS
def test_a_version_on_another_shard_is_refused(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = filled(made())
    ring = by_location(fleet.urls)
    moves = [
        key for key in numbers() if ring.locate(f":1:{key}".encode()) != ring.locate(f":2:{key}".encode())
    ]
    with pytest.raises(CrossNode, match=f":1:{moves[0]}"):
        cache.incr_version(moves[0])
    assert cache.get(moves[0]) == numbers()[moves[0]]
