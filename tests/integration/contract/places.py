"""Where the keys of the contract suite are: on one server, or on several in each of their layouts.

The store is seen here as it is on the wire, past the cache. So that a cache which looks for a key in the
wrong place fails, the place of a key is found here by means that the cache does not share.

What may enter: a place, and what empties it or looks into it. No way to build a cache.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any, TypeAlias

import valkey
from attrs import Factory, frozen
from valkey.crc import key_slot

from tests.clusters import Clustered
from tests.servers import START_SECONDS, Server
from tests.topologies import Lasting, Replicated, Sharded, Watched

Word: TypeAlias = str | bytes | int
Locate: TypeAlias = Callable[[bytes], int]

PATIENCE = 60_000  # ms; nobody is to be thought dead because the machine is busy


def _every_item(replies: Iterable[Iterable[Any]]) -> list[Any]:
    return [*chain.from_iterable(replies)]


def _scans(replies: Iterable[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    none = {"calls": 0}
    return {"cmdstat_scan": {"calls": sum(reply.get("cmdstat_scan", none)["calls"] for reply in replies)}}


# What goes to every server, with what makes one reply of theirs.
JOINED: dict[str, Callable[[Iterable[Any]], Any]] = {
    "CONFIG": all,
    "DBSIZE": sum,
    "FLUSHALL": all,
    "INFO": _scans,
    "KEYS": _every_item,
    "SCRIPT": all,
    "TIME": max,
}
# What has several keys, with the number of words that belong to one of them.
SPLIT = {"MSET": 2, "UNLINK": 1}


def _anywhere(_key: bytes) -> int:
    return 0


@frozen
class Raw:
    """The store itself, past the cache: keys and values as they are on the wire.

    *clients*: those of the servers that are written to; *locate*: the number of the one that has a key.
    """

    clients: Sequence[Any]
    locate: Locate = _anywhere

    def __call__(self, *words: Word) -> Any:
        """valkey-py's answer to a command."""
        name = str(words[0])
        if len(self.clients) == 1:
            return self.clients[0].execute_command(*words)
        if name in JOINED:
            return JOINED[name]([client.execute_command(*words) for client in self.clients])
        if name in SPLIT:
            return self._split(name, words[1:], SPLIT[name])
        return self._owner(*words[1:2]).execute_command(*words)

    def _split(self, name: str, words: Sequence[Word], step: int) -> None:
        queued = {client: client.pipeline(transaction=False) for client in self.clients}
        for at in range(0, len(words), step):
            queued[self._owner(words[at])].execute_command(name, *words[at : at + step])
        for pipe in queued.values():
            pipe.execute()

    def _owner(self, key: Word = "") -> Any:
        return self.clients[self.locate(key if isinstance(key, bytes) else str(key).encode())]


class Settling:
    """Called, it returns when replicas have executed all that their primaries have until now.

    :param groups: a primary with its replicas, each.
    """

    def __init__(self, groups: Iterable[tuple[Server, Sequence[Server]]]) -> None:
        self._groups = [
            (_client(primary), [_client(one) for one in replicas]) for primary, replicas in groups
        ]
        self._executed = [0] * len(self._groups)

    def __call__(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        for number, (primary, replicas) in enumerate(self._groups):
            _, executed, _ = primary.execute_command("ROLE")
            if executed == self._executed[number]:
                continue
            for replica in replicas:
                while replica.execute_command("ROLE")[-1] < executed:
                    assert time.monotonic() < deadline, "a replica has not what its primary has"
            self._executed[number] = executed

    def reads(self) -> int:
        """How many GET the replicas have answered since they were started."""
        replicas = [replica for _, replicas in self._groups for replica in replicas]
        told: list[Any] = [replica.info("commandstats") for replica in replicas]
        return sum(one.get("cmdstat_get", {"calls": 0})["calls"] for one in told)

    def close(self) -> None:
        """Close the connections that it asks over."""
        for primary, replicas in self._groups:
            for client in (primary, *replicas):
                client.close()


def _client(server: Server) -> valkey.Valkey:
    return valkey.Valkey.from_url(server.url)


@frozen
class Place:
    """An empty store that the test has to itself.

    *options*: what a cache has to know beside *url* in order to find it.
    *settle*: returns when replicas have what was written.
    *real*: a server answers, not an engine in this process.
    """

    url: str
    raw: Raw
    options: dict[str, Any] = Factory(dict)
    settle: Settling | None = None
    real: bool = True

    def empty(self) -> None:
        """Remove all keys before this returns."""
        for client in self.raw.clients:
            client.flushall()

    def close(self) -> None:
        """Close all connections of its own."""
        if self.settle is not None:
            self.settle.close()
        for client in self.raw.clients:
            client.close()


def _replicas(lasting: Lasting) -> Place:
    fleet = lasting.fleet(Replicated)
    raw = Raw((_client(fleet.primary),))
    return Place(
        ",".join(fleet.urls), raw, {"topology": "replicas"}, Settling([(fleet.primary, fleet.replicas)])
    )


def _sentinel(lasting: Lasting) -> Place:
    fleet = lasting.fleet(Watched, patience=PATIENCE)
    options = {"topology": "sentinel", "sentinels": fleet.sentinels}
    raw = Raw((_client(fleet.primary),))
    return Place(f"valkey://{fleet.service}/0", raw, options, Settling([(fleet.primary, fleet.replicas)]))


def _shard(lasting: Lasting) -> Place:
    fleet = lasting.fleet(Sharded)
    raw = Raw([_client(server) for server in fleet.servers], _by_ring(fleet.urls))
    return Place(";".join(fleet.urls), raw, {"topology": "shard"})


def _by_ring(urls: Sequence[str]) -> Locate:
    """The ring that django-valkey's ShardClient stores by; what is beside a key lives where that key does."""
    points = {
        sha256(f"{url}:{x}".encode()).hexdigest(): at for at, url in enumerate(urls) for x in range(128)
    }
    ring = sorted(points)

    def locate(key: bytes) -> int:
        key = _beside_which(key)
        tagged = re.match(rb".*\{(.*)\}", key)
        return points[ring[bisect_right(ring, sha256(tagged[1] if tagged else key).hexdigest()) - 1]]

    return locate


def _beside_which(key: bytes) -> bytes:
    """The key whose lock, flight or semaphore *key* is part of; itself where it is none."""
    if not key.startswith(b"\xffvkcache:"):
        return key
    _, _, rest = key.split(b":", 2)
    if rest.startswith(b";"):  # it follows a tag
        return rest[rest.index(b"}") + 1 :]
    return rest[1:] if rest.startswith(b":") else rest[1:-1]


def _cluster(lasting: Lasting) -> Place:
    fleet = lasting.fleet(Clustered, patience=PATIENCE)
    primaries = fleet.primaries()
    owners = {slot: at for at, primary in enumerate(primaries) for slot in fleet.slots_of(primary)}
    return Place(
        primaries[0].url,
        Raw([_client(primary) for primary in primaries], lambda key: owners[key_slot(key)]),
        {"topology": "cluster"},
        Settling([(primary, [fleet.replica_of(primary)]) for primary in primaries]),
    )


FLEETS: dict[str, Callable[[Lasting], Place]] = {
    "replicas": _replicas,
    "sentinel": _sentinel,
    "shard": _shard,
    "cluster": _cluster,
}
