"""Fails where shards are not one cache: a key lies where its ring does not put it, a call over several of
them misses one, or a call that can not span them is sent all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.integration.contract.ways import Build, build_async, build_client
from tests.integration.sharding import (
    apart,
    filled,
    homes,
    making,
    numbers,
    stored,
)
from tests.topologies import Sharded
from vkcache.core.rings import address_name, by_address, by_location
from vkcache.errors import CrossNode
from vkcache.shell import Client

BUILDS = pytest.mark.parametrize("build", [build_client, build_async])


@pytest.fixture
def fleet() -> Iterator[Sharded]:
    with Sharded() as running:
        yield running


@pytest.fixture
def made(fleet: Sharded, build: Build) -> Iterator[Callable[..., Client]]:
    with making(fleet, build) as make:
        yield make


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
    ring = by_address([address_name("127.0.0.1", server.port, 0, "") for server in fleet.servers])
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
