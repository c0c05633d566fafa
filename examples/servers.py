"""Servers for the demos: real ones on loopback, in the sets that this library can use.

Each has a folder and a port of its own, keeps nothing on disk, and ends with the demo, on Ctrl-C too.

What may enter: how servers are started, told of each other and ended. Nothing here knows vkcache's client.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import valkey

from vkcache.shell.nodes.embedded import find_server

HOST = "127.0.0.1"
SLOTS = 16384
PATIENCE = 20.0  # seconds for servers to agree, before a demo gives up
REPLICATING = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
_IN_CLUSTER = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
_FAILOVER = (("down-after-milliseconds", 500), ("failover-timeout", 3000))
# How often a sentinel asks and tells, in ms; the usual 10 s and 2 s would be most of a demo's time.
_PERIODS = (
    ("INFO-PERIOD", 300),
    ("PUBLISH-PERIOD", 200),
    ("PING-PERIOD", 250),  # five of these must outlast the second after which it asks a replica again
    ("ASK-PERIOD", 100),
    ("TILT-PERIOD", 1000),  # one that was not run for 2 s decides nothing for this long, usually 30 s
)


def await_that(ready: Callable[[], bool], expected: str) -> None:
    """Return as soon as *ready* says so.

    :raises TimeoutError: it never did; the text is *expected*.
    """
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"this did not come about: {expected}")
        time.sleep(0.01)


class Server:
    """A running server. *mode*: what its command line begins with; *words*: what it ends with.

    :ivar bus_port: where the other nodes of a cluster speak to it; 0: it is in none.
    """

    def __init__(self, folder: Path, mode: tuple[str, ...], words: tuple[str, ...]) -> None:
        self.port = free_port()
        self.bus_port = 0
        address = ("--bind", HOST, "--port", str(self.port), "--dir", str(folder))
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(find_server()), *mode, *address, "--save", "", *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo alone, which then ends its servers
            )
        self.client = valkey.Valkey(host=HOST, port=self.port, decode_responses=True)

    @property
    def url(self) -> str:
        return f"valkey://{HOST}:{self.port}/0"

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def execute(self, *words: str | int) -> object:
        """The reply to a command."""
        reply: object = self.client.execute_command(*words)
        return reply

    def calls(self, command: str) -> int:
        """How often the server has carried *command* out so far."""
        counts = self._info("commandstats").get(f"cmdstat_{command}")
        return int(counts["calls"]) if isinstance(counts, dict) else 0

    @property
    def keys(self) -> int:
        """How many keys it holds."""
        return int(str(self.execute("DBSIZE")))

    def says(self, section: str, name: str) -> str:
        """A value of the server's INFO; "" where there is none."""
        return str(self._info(section).get(name, ""))

    def _info(self, section: str) -> Mapping[str, object]:
        told = self.execute("INFO", section)
        assert isinstance(told, dict)
        return told

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except valkey.ConnectionError:
            return False

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        self.client.close()
        self._process.kill()
        self._process.wait()


class Servers:
    """All servers of one demo, which end with the ``with``."""

    def __init__(self) -> None:
        self._all: list[Server] = []
        self._folder = Path(tempfile.mkdtemp(prefix="vkcache-demo-"))

    def start(self, *words: str, mode: tuple[str, ...] = ()) -> Server:
        """A server that answers.

        :raises OSError: it ended at once.
        """
        for attempt in range(5):
            folder = self._folder / f"{len(self._all)}"
            folder.mkdir()
            if mode:
                (folder / mode[0]).touch()
            server = Server(folder, mode, words)
            self._all.append(server)
            await_that(lambda: server.answers() or not server.runs, "a server answers")  # noqa: B023  # asked at once
            log = (folder / "log").read_text(errors="replace")
            if server.runs:
                return server
            if attempt == 4 or "in use" not in log:  # else another process took the port in between
                break
        raise OSError(f"the server did not start:\n{log}")

    def replicated(self) -> list[Server]:
        """A primary, and two replicas that have what it has."""
        primary = self.start(*REPLICATING)
        replicas = [self.start(*REPLICATING, "--replicaof", f"{HOST} {primary.port}") for _ in range(2)]
        await_copies(primary, replicas)
        return [primary, *replicas]

    def sentinels(self, service: str, primary: Server) -> list[Server]:
        """Three sentinels that know each other, and the *primary* of *service* with its two replicas."""
        watchers = [self.start(mode=("sentinel.conf", "--sentinel")) for _ in range(3)]
        for watcher in watchers:
            watcher.execute("SENTINEL", "MONITOR", service, HOST, primary.port, 2)
            for name, value in _FAILOVER:
                watcher.execute("SENTINEL", "SET", service, name, value)
            for name, value in _PERIODS:
                watcher.execute("SENTINEL", "DEBUG", name, value)
        await_that(
            lambda: all(_knows_all(watcher, service) for watcher in watchers),
            "the sentinels know each other and the replicas",
        )
        return watchers

    def cluster(self) -> list[Server]:
        """Three primaries, then a replica of each in the same order. All slots are served."""
        nodes = [self._node() for _ in range(6)]
        for number, node in enumerate(nodes):
            node.execute("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes:
            for other in nodes:
                node.execute("CLUSTER", "MEET", HOST, other.port, other.bus_port)
        for number, node in enumerate(nodes[:3]):
            first, end = number * SLOTS // 3, (number + 1) * SLOTS // 3
            node.execute("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        await_that(lambda: all(_counted(node) == len(nodes) for node in nodes), "all nodes know each other")
        for primary, replica in zip(nodes[:3], nodes[3:], strict=True):
            replica.execute("CLUSTER", "REPLICATE", str(primary.execute("CLUSTER", "MYID")))
        await_that(lambda: all(map(_is_well, nodes)), "the cluster serves all slots")
        for primary, replica in zip(nodes[:3], nodes[3:], strict=True):
            await_copies(primary, [replica])
        return nodes

    def _node(self) -> Server:
        bus = free_port()
        node = self.start(*_IN_CLUSTER, *REPLICATING, "--cluster-port", str(bus))
        node.bus_port = bus
        return node

    def __enter__(self) -> Self:
        for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(asked, lambda number, _: sys.exit(128 + number))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._all:
            server.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def await_copies(primary: Server, replicas: Sequence[Server]) -> None:
    """Return when the *replicas* have all that *primary* has executed until now."""
    executed = int(primary.says("replication", "master_repl_offset"))

    def has_all(replica: Server) -> bool:
        up = replica.says("replication", "master_link_status") == "up"
        return up and int(replica.says("replication", "slave_repl_offset")) >= executed

    await_that(lambda: all(map(has_all, replicas)), "the replicas have what the primary has")


def move_slot(slot: int, source: Server, target: Server, primaries: Sequence[Server]) -> None:
    """Hand *slot* with its keys from one of a cluster's *primaries* to another, while it is served."""
    ids = {server: str(server.execute("CLUSTER", "MYID")) for server in (source, target)}
    target.execute("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    source.execute("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    while keys := source.execute("CLUSTER", "GETKEYSINSLOT", slot, 100):
        assert isinstance(keys, list)
        source.execute("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *keys)
    for primary in (target, source, *(one for one in primaries if one not in (source, target))):
        primary.execute("CLUSTER", "SETSLOT", slot, "NODE", ids[target])


def await_well(nodes: Sequence[Server]) -> None:
    """Return when those of a cluster's *nodes* that run say that all slots are served."""
    await_that(lambda: all(_is_well(node) for node in nodes if node.runs), "the cluster serves all slots")


def _is_well(node: Server) -> bool:
    return "cluster_state:ok" in _told(node, "INFO")


def _counted(node: Server) -> int:
    return len(_told(node, "NODES").splitlines())


def _told(node: Server, question: str) -> str:
    return str(node.execute("CLUSTER", question))


def _knows_all(watcher: Server, service: str) -> bool:
    state = watcher.client.sentinel_master(service)
    return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] == 2)
