"""What happens to a cluster while it is used, and the moment from which on all is well again.

What may enter: an event of an operator or of a failure, as a test of the whole of it needs it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable
from types import TracebackType
from typing import Self

import valkey

from tests.clusters import SLOTS, Clustered, Move, _known
from tests.servers import Server


class Health:
    """Asks all nodes but *gone*, again and again in a thread of its own, since when they all are well.

    That is: each says so, and all name the same primaries, with *new* among them and none that is *gone*.
    """

    def __init__(self, cluster: Clustered, *, gone: Server | None = None, new: Server | None = None) -> None:
        self._clients = [server.client() for server in cluster.servers if server is not gone]
        self._gone, self._new = (server and cluster.id_of(server) for server in (gone, new))
        self._over = threading.Event()
        self.since: float | None = None
        self._looks = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        return self

    def begin(self) -> None:
        """The event has begun."""
        self._looks.start()

    def awaited(self, seconds: float = 20) -> float:
        """The moment of ``time.monotonic()`` from which on they were well."""
        self._looks.join(seconds)
        assert self.since is not None, "the cluster is not well again"
        return self.since

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._looks.is_alive():
            self._looks.join()
        for client in self._clients:
            client.close()

    def _look(self) -> None:
        while not self._over.is_set():
            if self._well():
                self.since = time.monotonic()
                return

    def _well(self) -> bool:
        views = set()
        for client in self._clients:
            if b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                return False
            views.add(_served(client))
        owners = [owner for owner, _ in next(iter(views))]
        whole = sum(len(slots) for _, slots in next(iter(views))) == SLOTS
        return len(views) == 1 and whole and self._gone not in owners and self._new in (None, *owners)


def _served(client: valkey.Valkey) -> frozenset[tuple[str, frozenset[int]]]:
    """Who serves which slots, as one node knows it."""
    nodes = map(_known, client.execute_command("CLUSTER", "NODES").decode().splitlines())
    return frozenset((node.id, node.slots) for node in nodes if node.slots)


def moved(cluster: Clustered, slots: Collection[int], source: Server, target: Server) -> None:
    """Hand *slots* over while they are used; their keys go one by one, so that some are here, some there."""
    with cluster._clients() as clients:
        for slot in slots:
            move = Move(slot, source, target, clients, cluster._ids)
            move.begin()
            while move._keys(1):
                move.carry(1)
            move.end()


def migrated(cluster: Clustered, slots: Collection[int], source: Server, target: Server) -> None:
    """Hand *slots* over as the server itself does it: all at one moment (Valkey 9).

    :raises valkey.ResponseError: the server can not.
    """
    ranges = [str(bound) for slot in slots for bound in (slot, slot)]
    source.execute("CLUSTER MIGRATESLOTS", "SLOTSRANGE", *ranges, "NODE", cluster.id_of(target))


def errors_of(servers: Iterable[Server], word: str) -> int:
    """How often *servers* have answered with an error of this *word*."""
    total = 0
    for server in servers:
        with server.client() as client:
            total += client.info("errorstats").get(f"errorstat_{word}", {}).get("count", 0)
    return total


def calls_of(servers: Iterable[Server], command: str) -> int:
    """How often *servers* have carried *command* out, since their statistics were reset."""
    total = 0
    for server in servers:
        with server.client() as client:
            total += client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0)
    return total
