"""Fails if the sets of servers that the tests of several nodes rely on are not what they say: replicas that
follow, sentinels that switch, shards apart, a cluster that serves all slots, moves them and fails over; or
if one of their processes is still there afterwards."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence

import pytest
import valkey

from tests.clusters import SLOTS, Clustered
from tests.servers import Server, await_that
from tests.topologies import Fleet, Replicated, Sharded, Watched

SLOT_OF_123456789 = 12739  # valkey.io, cluster specification


def get(server: Server, key: str) -> object:
    with server.client() as client:
        if server.cluster:
            client.readonly()
        return client.get(key)


@pytest.mark.parametrize("kind", [Replicated, Sharded, Watched, Clustered])
def test_all_processes_end_also_one_that_is_frozen_or_dead(kind: type[Fleet]) -> None:
    with kind() as fleet:
        pids = [server.pid for server in fleet.servers]
        fleet.servers[0].kill()
        fleet.servers[1].freeze()
        assert [server.awake for server in fleet.servers[:3]] == [False, False, True]
    assert not any(server.running or server.folder.exists() for server in fleet.servers)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_shards_are_apart() -> None:
    with Sharded() as shards:
        shards.servers[0].execute("SET", "k", "v")
        assert [get(server, "k") for server in shards.servers] == [b"v", None, None]
        shards.flush()
        assert get(shards.servers[0], "k") is None


def test_replicas_have_what_the_primary_has() -> None:
    with Replicated() as replicated:
        assert replicated.urls == [replicated.primary.url, *(one.url for one in replicated.replicas)]
        replicated.primary.execute("SET", "k", "v")
        replicated.await_replication()
        assert [get(replica, "k") for replica in replicated.replicas] == [b"v", b"v"]
        with pytest.raises(valkey.ReadOnlyError):
            replicated.replicas[0].execute("SET", "k", "w")


def test_a_replica_follows_again_after_a_frost_and_a_restart() -> None:
    with Replicated() as replicated:
        first, second = replicated.replicas
        first.freeze()
        second.kill()
        replicated.primary.execute("SET", "k", "v")
        replicated.await_replication()  # of those that are awake
        first.thaw()
        second.restart()
        replicated.await_replication()
        assert [get(replica, "k") for replica in replicated.replicas] == [b"v", b"v"]


def test_sentinels_agree_and_switch_when_told() -> None:
    with Watched() as watched:
        old = watched.primary
        assert [watched.server_at(port) for _, port in watched.sentinels] == [None] * 3
        asked = time.monotonic()
        watched.failover()
        switch = watched.await_switch()
        assert asked < switch.moment <= time.monotonic()
        watched.await_healthy()
        assert watched.primary is watched.server_at(switch.port) is not old
        watched.primary.execute("SET", "k", "v")
        watched.await_replication()
        assert get(old, "k") == b"v"


def test_sentinels_switch_where_the_primary_is_dead_and_take_it_back_as_a_replica() -> None:
    with Watched() as watched:
        old = watched.primary
        old.kill()
        watched.await_switch()
        watched.await_healthy()
        assert len(watched.replicas) == 2
        assert watched.primary is not old
        old.restart()
        watched.await_healthy()
        watched.await_replication()
        assert old in watched.replicas


def test_announcements_come_while_a_sentinel_is_dead() -> None:
    with Watched() as watched:
        watched.watchers[0].kill()
        old = watched.primary
        watched.failover()
        assert watched.await_switch().port != old.port


def test_a_cluster_serves_every_slot_and_each_primary_has_a_replica() -> None:
    with Clustered() as cluster:
        primaries = cluster.primaries()
        assert primaries == cluster.servers[:3]
        assert sorted(slot for one in primaries for slot in cluster.slots_of(one)) == list(range(SLOTS))
        assert [cluster.replica_of(one) for one in primaries] == cluster.servers[3:]
        with valkey.cluster.ValkeyCluster.from_url(cluster.urls[0]) as client:
            client.set("123456789", "v")
        cluster.await_replication()
        owner = cluster.owner(SLOT_OF_123456789)
        assert get(owner, "123456789") == get(cluster.replica_of(owner), "123456789") == b"v"
        cluster.flush()
        assert get(owner, "123456789") is None


def test_a_moved_slot_takes_its_keys_along() -> None:
    with Clustered() as cluster:
        source = cluster.owner(SLOT_OF_123456789)
        target = next(one for one in cluster.primaries() if one is not source)
        for number in range(250):
            source.execute("SET", f"{{123456789}}{number}", number)
        cluster.move_slot(SLOT_OF_123456789, source, target)
        with pytest.raises(
            valkey.ResponseError, match=f"^MOVED {SLOT_OF_123456789} 127.0.0.1:{target.port}$"
        ):
            get(source, "{123456789}7")
        assert target.execute("DBSIZE") == 250
        assert cluster.owner(SLOT_OF_123456789) is target
        cluster.await_healthy()
        assert SLOT_OF_123456789 in cluster.slots_of(target)


def test_while_a_slot_moves_its_keys_are_on_both_sides() -> None:
    with Clustered() as cluster:
        source = cluster.owner(SLOT_OF_123456789)
        target = next(one for one in cluster.primaries() if one is not source)
        for number in range(4):
            source.execute("SET", f"{{123456789}}{number}", number)
        with cluster.moving(SLOT_OF_123456789, source, target) as move:
            move.carry(2)
            assert source.execute("DBSIZE") == target.execute("DBSIZE") == 2
            with pytest.raises(
                valkey.ResponseError, match=f"^ASK {SLOT_OF_123456789} 127.0.0.1:{target.port}$"
            ):
                get(source, "{123456789}x")
        assert (source.execute("DBSIZE"), target.execute("DBSIZE")) == (0, 4)


def _followers(cluster: Clustered, primaries: Sequence[Server]) -> list[Server]:
    """Those of *primaries* that are known: a node tells others late whom it follows."""
    found = []
    for primary in primaries:
        with contextlib.suppress(LookupError):
            found.append(cluster.replica_of(primary))
    return found


def test_a_replica_takes_over_when_told_and_when_its_primary_dies_or_freezes() -> None:
    with Clustered() as cluster:
        told, dead, frozen = cluster.primaries()
        heirs = [cluster.replica_of(one) for one in (told, dead, frozen)]
        cluster.failover(heirs[0])
        cluster.await_healthy()
        dead.kill()
        frozen_from = cluster.await_healthy()
        assert frozen_from <= time.monotonic()
        dead.restart()
        cluster.await_healthy()
        frozen.freeze()
        cluster.await_healthy()
        frozen.thaw()
        cluster.await_healthy()
        cluster.await_replication()
        assert cluster.primaries() == heirs
        await_that(
            lambda: _followers(cluster, heirs) == [told, dead, frozen], "those who were primaries follow"
        )
