"""Several real servers that belong together: replicas, sentinels, shards. A cluster is in `tests.clusters`.

What may enter: what a test does to such a set from outside, as an operator or a failure would. Nothing
here knows vkcache's own client.
"""

from __future__ import annotations

import contextlib
import threading
import time
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self, TypeVar

import valkey
from attrs import frozen

from tests.servers import HOST, START_SECONDS, Server, await_that

# A replica is sent its first copy at once, and hears from its primary every second.
REPLICATING = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


class Fleet:
    """Servers that start together and end together; one that a test has killed or frozen ends as well.

    :ivar servers: all of them, in the order of their start.
    """

    def __init__(self) -> None:
        self.servers: list[Server] = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    @property
    def processes(self) -> list[Server]:
        """Whatever runs, servers or not."""
        return self.servers

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    def stop(self) -> None:
        """End all processes and remove their folders."""
        for process in self.processes:
            process.stop()

    def flush(self) -> None:
        """Empty all of them before this returns."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        raise NotImplementedError

    def _add(self, server: Server) -> Server:
        self.servers.append(server)
        return server


F = TypeVar("F", bound=Fleet)


class Lasting(ExitStack):
    """Fleets that many tests share: each starts when it is first asked for, and ends with this."""

    def __init__(self) -> None:
        super().__init__()
        self._fleets: dict[type[Fleet], Fleet] = {}

    def fleet(self, kind: type[F], **options: int) -> F:
        """The one fleet of this *kind*, empty; *options* are those of the first who asks for it."""
        if kind not in self._fleets:
            self._fleets[kind] = self.enter_context(kind(**options))
        found = self._fleets[kind]
        assert isinstance(found, kind)
        found.flush()
        return found

    @property
    def pids(self) -> set[int]:
        """The processes of all that have started."""
        return {server.pid for fleet in self._fleets.values() for server in fleet.processes}


class Sharded(Fleet):
    """Three servers that do not know of each other."""

    def _start(self) -> None:
        for _ in range(3):
            self._add(Server())

    def flush(self) -> None:
        """Empty all of them before this returns."""
        for server in self.servers:
            server.flush()


class Replicated(Fleet):
    """A primary and two replicas that have its data; each keeps its part when it is restarted."""

    def _start(self) -> None:
        self._add(Server(extra=REPLICATING))
        for _ in range(2):
            self._add(Server(extra=(*REPLICATING, "--replicaof", f"{HOST} {self.primary.port}")))
        for replica in self.replicas:  # told anew it asks for its copy at once, else within a second
            replica.execute("REPLICAOF", "NO", "ONE")
            replica.execute("REPLICAOF", HOST, self.primary.port)
        self.await_replication()

    @property
    def primary(self) -> Server:
        return self.servers[0]

    @property
    def replicas(self) -> list[Server]:
        return self.servers[1:]

    def await_replication(self) -> None:
        """Return when the replicas that are awake have all that the primary has executed until now."""
        await_copies(self.primary, *(server for server in self.replicas if server.awake))

    def flush(self) -> None:
        """Empty all of them before this returns."""
        self.primary.flush()
        self.await_replication()


@frozen
class Switch:
    """What a sentinel announced: the service's new primary.

    *moment*: when this process heard of it, in seconds of ``time.monotonic()``.
    """

    moment: float
    port: int


class Watched(Fleet):
    """A primary and two replicas, called "cache" by three sentinels that agree on them.

    *patience*: the milliseconds after which a silent primary is down. One that comes back becomes a replica.
    """

    service = "cache"
    # How often a sentinel asks and tells, in ms; the usual 10 s and 2 s would be most of a test's time.
    _periods = (
        ("INFO-PERIOD", 300),
        ("PUBLISH-PERIOD", 200),
        ("PING-PERIOD", 250),  # five of these must outlast the second after which it asks a replica again
        ("ASK-PERIOD", 100),
        ("TILT-PERIOD", 1000),  # one that was not run for 2 s decides nothing for this long, usually 30 s
    )

    def __init__(self, patience: int = 500) -> None:
        self._settings = {"down-after-milliseconds": patience, "failover-timeout": 3000, "parallel-syncs": 2}
        super().__init__()

    def _start(self) -> None:
        self.watchers: list[Server] = []
        self._listeners: list[threading.Thread] = []
        self._heard: SimpleQueue[Switch] = SimpleQueue()
        self._over = threading.Event()
        first, *others = [self._add(Server(extra=REPLICATING)) for _ in range(3)]
        for server in others:
            server.execute("REPLICAOF", HOST, first.port)
        await_copies(first, *others)
        for _ in range(3):
            self.watchers.append(Server(sentinel=True))
        for watcher in self.watchers:
            self._instruct(watcher, first)
        self.await_healthy()
        self._announced = first.port
        self._listeners = [
            threading.Thread(target=self._listen, args=(watcher,), daemon=True) for watcher in self.watchers
        ]
        for listener in self._listeners:
            listener.start()

    def stop(self) -> None:
        self._over.set()
        super().stop()
        for listener in self._listeners:
            listener.join(START_SECONDS)

    @property
    def processes(self) -> list[Server]:
        return [*self.servers, *self.watchers]

    @property
    def sentinels(self) -> list[tuple[str, int]]:
        return [(HOST, watcher.port) for watcher in self.watchers]

    @property
    def primary(self) -> Server:
        """The one that the first sentinel which is awake names."""
        watcher = next(watcher for watcher in self.watchers if watcher.awake)
        named = self.server_at(self._named(watcher))
        assert named is not None
        return named

    @property
    def replicas(self) -> list[Server]:
        primary = self.primary
        return [server for server in self.servers if server is not primary]

    def server_at(self, port: int) -> Server | None:
        """The one that answers at *port*; None where it is none of them (sentinels are not)."""
        return next((server for server in self.servers if server.port == port), None)

    def failover(self) -> None:
        """Ask for another primary, though this one is well; the answer comes before it has happened."""
        next(watcher for watcher in self.watchers if watcher.awake).execute(
            "SENTINEL", "FAILOVER", self.service
        )

    def await_switch(self, seconds: float = 3 * START_SECONDS) -> Switch:
        """The first announcement of the next primary that this was not asked for yet.

        :raises TimeoutError: no sentinel has announced one within *seconds*.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                switch = self._heard.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise TimeoutError(f"no switch within {seconds} s; the sentinels: {self._states()}") from None
            if switch.port != self._announced:  # else what another sentinel has told already
                self._announced = switch.port
                return switch

    def await_healthy(self) -> None:
        """Return when the sentinels that are awake agree on a primary whose replicas follow it."""
        await_that(self._healthy, "the sentinels agree on a primary and two replicas", 3 * START_SECONDS)

    def await_replication(self) -> None:
        """Return when the replicas that are awake have all that the primary has executed until now."""
        await_copies(self.primary, *(server for server in self.replicas if server.awake))

    def flush(self) -> None:
        """Empty all of them before this returns."""
        self.primary.flush()
        self.await_replication()

    def _instruct(self, watcher: Server, primary: Server) -> None:
        watcher.execute("SENTINEL", "MONITOR", self.service, HOST, primary.port, 2)
        for name, value in self._settings.items():
            watcher.execute("SENTINEL", "SET", self.service, name, value)
        for name, milliseconds in self._periods:
            with contextlib.suppress(valkey.ResponseError):  # servers that can not be told are only slower
                watcher.execute("SENTINEL", "DEBUG", name, milliseconds)

    def _healthy(self) -> bool:
        awake = [watcher for watcher in self.watchers if watcher.awake]
        if len({self._named(watcher) for watcher in awake}) != 1:
            return False
        return all(self._sees_all(watcher) for watcher in awake)

    def _sees_all(self, watcher: Server) -> bool:
        """It counts everyone, and believes each replica to follow the primary."""
        with watcher.client() as client:
            state = client.sentinel_master(self.service)
            copies = client.sentinel_slaves(self.service)
        following = [copy for copy in copies if copy["master-link-status"] == "ok" and not copy["is_sdown"]]
        others = len(self.watchers) - 1
        return (
            state["num-other-sentinels"] == others
            and not state["is_sdown"]
            and "failover_in_progress" not in state["flags"]
            and len(following) == sum(server.awake for server in self.servers) - 1
        )

    def _states(self) -> list[object]:
        """What each sentinel that is awake tells of itself and of the service."""
        return [
            (watcher.execute("INFO", "sentinel"), watcher.execute("SENTINEL", "MASTER", self.service))
            for watcher in self.watchers
            if watcher.awake
        ]

    def _named(self, watcher: Server) -> int:
        """The port of the service's primary, as *watcher* knows it."""
        with watcher.client() as client:
            return int(client.sentinel_get_master_addr_by_name(self.service)[1])

    def _listen(self, watcher: Server) -> None:
        """Keep what *watcher* announces, also where it is gone for a while."""
        while not self._over.is_set():
            with contextlib.suppress(valkey.ConnectionError), watcher.client(socket_timeout=None) as client:
                self._hear(client.pubsub(ignore_subscribe_messages=True))
            self._over.wait(0.01)

    def _hear(self, announcements: valkey.client.PubSub) -> None:
        with announcements:
            announcements.subscribe("+switch-master")
            for message in announcements.listen():
                port = int(message["data"].split()[-1])
                self._heard.put(Switch(time.monotonic(), port))


def await_copies(primary: Server, *replicas: Server) -> None:
    """Return when each of *replicas* follows *primary* and has all that it has executed until now."""
    executed = _replication(primary)["master_repl_offset"]

    def same() -> bool:
        told = [_replication(replica) for replica in replicas]
        return all(
            one.get("master_link_status") == "up" and int(one["slave_repl_offset"]) >= int(executed)
            for one in told
        )

    await_that(same, f"the replicas have what {primary.url} has")


def _replication(server: Server) -> dict[str, str]:
    told = server.execute("INFO", "replication")
    assert isinstance(told, dict)
    return {str(name): str(value) for name, value in told.items()}
