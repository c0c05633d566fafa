"""A real cluster, and what its operator or a failure does to it.

What may enter: what a test does to a cluster from outside. Nothing here knows vkcache's own client.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import valkey
from attrs import frozen

from tests.servers import HOST, START_SECONDS, Server, await_that
from tests.topologies import REPLICATING, Fleet, await_copies

SLOTS = 16384
_SETTINGS = (
    *REPLICATING,
    *("--cluster-node-timeout", "1000"),  # they tell each other twice in that time how they are
    *("--cluster-allow-replica-migration", "no"),  # who follows whom is the test's affair
)


@frozen
class Known:
    """A node, as another one (or itself) knows it."""

    id: str
    flags: frozenset[str]
    primary: str | None
    slots: frozenset[int]


class Clustered(Fleet):
    """Six nodes: three primaries, then a replica for each in the same order. All slots are served.

    *patience*: the milliseconds after which a silent node is thought dead; a second, after a restart.
    """

    def __init__(self, patience: int = 1000) -> None:
        self._patience = patience
        super().__init__()

    def _start(self) -> None:
        for _ in range(6):
            self._add(Server(cluster=True, extra=_SETTINGS))
        self._ids = {server.port: _text(server.execute("CLUSTER", "MYID")) for server in self.servers}
        for epoch, server in enumerate(self.servers, 1):
            server.execute("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        self._introduce()
        self._allot()
        await_that(self._all_know_all, "every node knows every other")
        for primary, replica in zip(self.servers[:3], self.servers[3:], strict=True):
            replica.execute("CLUSTER", "REPLICATE", self.id_of(primary))
        self.await_healthy()
        self.await_replication()
        for server in self.servers:
            server.execute("CONFIG", "SET", "cluster-node-timeout", self._patience)

    def id_of(self, server: Server) -> str:
        return self._ids[server.port]

    def primaries(self) -> list[Server]:
        """Those that serve slots, as a node that is awake knows them; in the order of their start."""
        return [server for server in self.servers if self._owned(server)]

    def replica_of(self, primary: Server) -> Server:
        """A replica that is awake.

        :raises LookupError: *primary* has none.
        """
        for known in self._view(self._witness()):
            if known.primary == self.id_of(primary) and self._server(known.id).awake:
                return self._server(known.id)
        raise LookupError(f"{primary.url} has no replica that is awake")

    def owner(self, slot: int) -> Server:
        """The primary that serves *slot*, as a node that is awake knows it."""
        known = next(known for known in self._view(self._witness()) if slot in known.slots)
        return self._server(known.id)

    def slots_of(self, primary: Server) -> list[int]:
        """The slots that *primary* serves, in their order."""
        return sorted(self._owned(primary))

    def failover(self, replica: Server, *how: str) -> None:
        """Make *replica* a primary; *how*: "FORCE" or "TAKEOVER". Returns when it says that it is one."""
        replica.execute("CLUSTER", "FAILOVER", *how)
        await_that(
            lambda: "master" in self._itself(replica).flags, f"{replica.url} is a primary", 3 * START_SECONDS
        )

    def move_slot(self, slot: int, source: Server, target: Server) -> None:
        """Hand *slot* with its keys from one primary to the other, while it is served."""
        self.move_slots([slot], source, target)

    def move_slots(self, slots: Iterable[int], source: Server, target: Server) -> None:
        """Hand *slots* over, one after the other."""
        with self._clients() as clients:
            for slot in slots:
                move = Move(slot, source, target, clients, self._ids)
                move.begin()
                move.carry()
                move.end()

    @contextmanager
    def moving(self, slot: int, source: Server, target: Server) -> Iterator[Move]:
        """*slot* is on its way within the ``with``: what has not been carried is carried at its end."""
        with self._clients() as clients:
            move = Move(slot, source, target, clients, self._ids)
            move.begin()
            yield move
            move.carry()
            move.end()

    def await_healthy(self) -> float:
        """The moment (of ``time.monotonic()``) when all awake nodes were seen to call the cluster well.

        They then agree who serves which slot, and it is nodes that are awake.
        """
        await_that(self._healthy, self._diagnosis, 3 * START_SECONDS)
        return time.monotonic()

    def await_replication(self) -> None:
        """Return when every replica that is awake has what its primary has executed until now.

        And when clients are told of it: a node names no replica of which it has not heard how far it is.
        """
        told: set[int] = set()
        for known in self._view(self._witness()):
            if known.primary is not None and self._server(known.id).awake:
                await_copies(self._server(known.primary), self._server(known.id))
                told.add(self._server(known.id).port)
        awake = [server for server in self.servers if server.awake]
        await_that(lambda: all(told <= _named(server) for server in awake), "all nodes name all replicas")

    def flush(self) -> None:
        """Empty all of them before this returns."""
        for primary in self.primaries():
            primary.flush()
        self.await_replication()

    def _introduce(self) -> None:
        for server in self.servers:
            for other in self.servers:
                if other is not server:  # gossip alone would take its time
                    server.execute("CLUSTER", "MEET", HOST, other.port, int(other.bus_port or 0))

    def _allot(self) -> None:
        bounds = (0, SLOTS // 3, 2 * SLOTS // 3, SLOTS)
        for server, first, end in zip(self.servers, bounds[:-1], bounds[1:], strict=False):
            server.execute("CLUSTER", "ADDSLOTSRANGE", first, end - 1)

    def _all_know_all(self) -> bool:
        ids = set(self._ids.values())
        return all(ids == {known.id for known in self._view(server)} for server in self.servers)

    def _healthy(self) -> bool:
        awake = [server for server in self.servers if server.awake]
        if not all(_says_ok(server) for server in awake):
            return False
        views = [self._served(server) for server in awake]
        return len(set(views)) == 1 and self._is_served(views[0])

    def _served(self, server: Server) -> frozenset[tuple[str, frozenset[int]]]:
        return frozenset((known.id, known.slots) for known in self._view(server) if known.slots)

    def _is_served(self, view: frozenset[tuple[str, frozenset[int]]]) -> bool:
        return sum(len(slots) for _, slots in view) == SLOTS and all(self._server(id).awake for id, _ in view)

    def _owned(self, server: Server) -> frozenset[int]:
        view = self._view(self._witness())
        return next((known.slots for known in view if known.id == self.id_of(server)), frozenset())

    def _itself(self, server: Server) -> Known:
        return next(known for known in self._view(server) if "myself" in known.flags)

    def _view(self, server: Server) -> list[Known]:
        """The nodes that *server* knows, itself included."""
        return [_known(line) for line in _text(server.execute("CLUSTER", "NODES")).splitlines()]

    def _witness(self) -> Server:
        return next(server for server in self.servers if server.awake)

    def _server(self, id: str) -> Server:
        return next(server for server in self.servers if self.id_of(server) == id)

    @contextmanager
    def _clients(self) -> Iterator[dict[int, valkey.Valkey]]:
        """A client for each node that is awake, by its port."""
        with ExitStack() as opened:
            yield {
                server.port: opened.enter_context(server.client()) for server in self.servers if server.awake
            }

    def _diagnosis(self) -> str:
        awake = [server for server in self.servers if server.awake]
        return "the cluster is not well:\n" + "\n".join(
            _text(server.execute("CLUSTER", "NODES")) for server in awake
        )


@frozen
class Move:
    """A slot on its way from *source* to *target*; each step returns when the servers have done it."""

    slot: int
    source: Server
    target: Server
    clients: dict[int, valkey.Valkey]
    ids: dict[int, str]

    def begin(self) -> None:
        """From here on *source* answers ASK for the keys that it has not."""
        self._set_slot(self.target, "IMPORTING", self.ids[self.source.port])
        self._set_slot(self.source, "MIGRATING", self.ids[self.target.port])

    def carry(self, count: int | None = None) -> None:
        """Move *count* of the keys that are left, or all."""
        left = SLOTS if count is None else count
        while left and (keys := self._keys(min(left, 100))):
            self._ask(self.source, "MIGRATE", HOST, self.target.port, "", 0, 5000, "KEYS", *keys)
            left -= len(keys)

    def end(self) -> None:
        """From here on *source* answers MOVED, and every primary knows where to."""
        receiver = self.ids[self.target.port]
        self._set_slot(self.target, "NODE", receiver)
        self._set_slot(self.source, "NODE", receiver)
        for server in self.clients.values():
            if server.execute_command("ROLE")[0] == b"master":
                server.execute_command("CLUSTER", "SETSLOT", self.slot, "NODE", receiver)

    def _keys(self, count: int) -> list[bytes]:
        found = self._ask(self.source, "CLUSTER", "GETKEYSINSLOT", self.slot, count)
        assert isinstance(found, list)
        return found

    def _set_slot(self, server: Server, *words: str) -> None:
        self._ask(server, "CLUSTER", "SETSLOT", self.slot, *words)

    def _ask(self, server: Server, *words: str | bytes | int) -> object:
        reply: object = self.clients[server.port].execute_command(*words)
        return reply


def _says_ok(server: Server) -> bool:
    return "cluster_state:ok" in _text(server.execute("CLUSTER", "INFO"))


def _named(server: Server) -> set[int]:
    """The ports of the nodes that *server* names to a client."""
    rows = server.execute("CLUSTER", "SLOTS")
    assert isinstance(rows, list)
    return {node[1] for row in rows for node in row[2:]}


def _known(line: str) -> Known:
    id, _, flags, primary, *_unused, _link = (words := line.split())[:8]
    return Known(
        id=id,
        flags=frozenset(flags.split(",")),
        primary=None if primary == "-" else primary,
        slots=frozenset(slot for word in words[8:] if "[" not in word for slot in _range(word)),
    )


def _range(word: str) -> range:
    first, _, last = word.partition("-")
    return range(int(first), int(last or first) + 1)


def _text(reply: object) -> str:
    assert isinstance(reply, bytes)
    return reply.decode()
