"""Clusters that are made up: maps of slots, connections that answer at once, tables of nodes.

What may enter: what stands in for a server that a simulation does not start.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

from vkcache.core.plan import Features, Reply
from vkcache.core.slots import SLOTS
from vkcache.shell.nodes.cluster import Chart, Cluster
from vkcache.shell.nodes.several import Several
from vkcache.shell.nodes.single import Single
from vkcache.shell.wire.connection import Connection, Seat


class AtOnce:
    """A connection whose every reply is the same and has come already."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.features = Features()
        self.used = time.monotonic()
        self.generation = 0
        self.seat = Seat()
        self.sent = True

    def exchange(self, payload: bytes, count: int) -> list[Reply]:  # noqa: ARG002  # nobody reads it
        return [self._reply] * count

    def send(self, payload: bytes) -> None: ...

    def receive(self, count: int) -> list[Reply]:
        return [self._reply] * count

    def within(self, seconds: float | None) -> None: ...

    def alive(self) -> bool:
        return True

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


def one_server(reply: Reply) -> Single:
    """A server that answers *reply* to everything."""

    def connect() -> Connection:
        return AtOnce(reply)

    return Single(connect, waiting=connect, limit=50, patience=1.0, place="a server")


def cluster(primaries: int, reply: Reply) -> Several:
    """The same as a cluster of so many."""
    chart = Chart(("127.0.0.1:1",))
    chart.read(slots_reply(primaries), chart.seeds[0])
    layout = Cluster.over(chart, "primary", 0.0, 1.0)
    return Several(layout, lambda _: one_server(reply), lambda _: one_server(reply))


def runs(primaries: int, each: int = 1) -> Iterator[tuple[int, int, int]]:
    """First slot, last slot and number of the primary, each of which has *each* runs of slots."""
    bounds = [SLOTS * at // (primaries * each) for at in range(primaries * each + 1)]
    for at, (first, end) in enumerate(pairwise(bounds)):
        yield first, end - 1, at % primaries


def slots_reply(primaries: int, each: int = 1) -> list[Reply]:
    """What CLUSTER SLOTS answers where every primary has one replica."""
    return [
        [first, last, _named("10.0.%d.%d", 6379, number, 0), _named("10.1.%d.%d", 6379, number, 1)]
        for first, last, number in runs(primaries, each)
    ]


def _named(host: str, port: int, number: int, role: int) -> list[Reply]:
    return [(host % divmod(number, 250)).encode(), port, b"%040x" % (number * 2 + role), []]


def as_sent(reply: Reply) -> bytes:
    """*reply* as a server sends it."""
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(as_sent, reply))
    return b":%d\r\n" % reply if isinstance(reply, int) else b"$%d\r\n%b\r\n" % (len(reply), reply)


def nodes_file(primaries: int, port: int, bus: int) -> str:
    """The table of a server that is one of so many primaries; the others are where nobody listens."""
    rows = [f"vars currentEpoch {primaries} lastVoteEpoch 0"]
    for first, last, number in runs(primaries):
        name, shard = f"{number:040x}", f"{number + 1:040x}"
        itself = number == 0
        where = f"127.0.0.1:{port}@{bus}" if itself else f"127.0.0.1:{number}@{number + 1}"
        flags = "myself,master" if itself else "master"
        rows.append(
            f"{name} {where},,tls-port=0,shard-id={shard} {flags} - 0 0 {number + 1} connected {first}-{last}"
        )
    return "\n".join(rows) + "\n"
