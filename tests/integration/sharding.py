"""A cache over three shards, 300 numbers in it, and where each of them lies.

What may enter: what the tests of shards have in common. No test of anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.integration.contract.ways import Build, end
from tests.servers import Server
from tests.topologies import Sharded
from vkcache.core.rings import by_location
from vkcache.shell import Client

KEYS = 300
PATIENT = 0.4  # seconds; a server that is stopped costs a call so much


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


def one_each(fleet: Sharded) -> tuple[str, ...]:
    """A key for each shard."""
    there = homes(fleet)
    return tuple(next(key for key in there if there[key] is server) for server in fleet.servers)


def apart(fleet: Sharded) -> tuple[str, str]:
    """Two keys that live on two shards."""
    one, other, _ = one_each(fleet)
    return one, other


@contextmanager
def making(fleet: Sharded, build: Build) -> Iterator[Callable[..., Client]]:
    """Makes caches over *fleet* from options; all are closed at the end."""
    caches: list[Client] = []

    def make(**options: object) -> Client:
        times = {"socket_timeout": PATIENT, "socket_connect_timeout": PATIENT}
        caches.append(build(fleet.urls, topology="shard", **{**times, **options}))
        return caches[-1]

    yield make
    for cache in caches:
        end(cache)
