"""Three shards that nobody runs, and what they are sent.

What may enter: what tests of calls over several servers have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import libvalkey

from vkcache.core.plan import Arg, Command, Reply, Verb
from vkcache.shell.nodes.layout import Group, Layout, Node
from vkcache.shell.nodes.loads import Dealt, Load


def made(verb: Verb, *args: Arg) -> Command[Any]:
    """A command whose result is its reply."""
    return Command(verb, args, lambda reply: reply)


def shelf(key: bytes) -> int:
    """A place that is plain to see: the number in front of the key."""
    return int(key[:1])


def shards() -> Layout:
    """Keys of the places 0, 1, 2 and 3; a holds those of 0 and 3."""
    a, b, c = (Group(Node(name)) for name in "abc")
    return Layout((a, b, c, a), shelf, patience=1.0)


def requests(payload: bytes) -> list[str]:
    """What is sent, a line each."""
    reader = libvalkey.Reader()
    reader.feed(payload)
    found = []
    while (request := reader.gets()) is not False:
        found.append(b" ".join(request).decode())
    return found


def sent(deal: Dealt) -> list[list[str]]:
    """What every load sends."""
    return [requests(load.payload) for load in deal.loads]


def node(layout: Layout, load: Load) -> Node:
    """The primary of the place of *load*."""
    group = layout.groups[load.place or 0]
    assert group is not None
    return group.primary


def answered(layout: Layout, deal: Dealt, *outcomes: Any) -> list[Any]:
    """Give each load its outcome, and answer what went astray."""
    astray: list[Any] = []
    for load, outcome in zip(deal.loads, outcomes, strict=True):
        astray += deal.take(load, node(layout, load), outcome)
    return astray


Exchange = Callable[[bytes, int], list[Reply]]


def serving(stored: dict[str, bytes], log: list[str] | None = None) -> Exchange:
    """The exchange of a server that holds *stored*, and knows GET, MGET, SET, UNLINK and transactions."""

    def one(request: str, queue: list[str] | None) -> Reply:
        verb, *words = request.split()
        if queue is not None and verb != "EXEC":
            queue.append(request)
            return b"QUEUED"
        if verb == "SET":
            stored[words[0]] = words[1].encode()
        known: dict[str, Callable[[], Reply]] = {
            "GET": lambda: stored.get(words[0]),
            "MGET": lambda: [stored.get(word) for word in words],
            "UNLINK": lambda: sum(stored.pop(word, None) is not None for word in words),
            "SET": lambda: b"OK",
            "MULTI": lambda: b"OK",
            "EXEC": lambda: [one(each, None) for each in queue or ()],
            "PING": lambda: b"PONG",
        }
        return known[verb]()

    def exchange(payload: bytes, count: int) -> list[Reply]:
        queue: list[str] | None = None
        replies = []
        for request in requests(payload):
            if log is not None:
                log.append(request)
            replies.append(one(request, queue))
            queue = [] if request == "MULTI" else None if request == "EXEC" else queue
        assert len(replies) == count
        return replies

    return exchange


def lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """What every load sends, on one line each."""
    return ["; ".join(row) for row in rows]
