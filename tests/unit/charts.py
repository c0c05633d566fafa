"""A cluster of five servers that nobody runs, as its layout knows it.

What may enter: what several files of tests want to know of this cluster.
"""

from __future__ import annotations

from typing import Any

from tests.unit.layouts import SET, Way, follow
from vkcache.core.plan import Reply
from vkcache.core.slots import SLOTS, slot
from vkcache.shell.nodes.cluster import Chart, Cluster
from vkcache.shell.nodes.layout import Group, Node, ReadFrom

HOME = slot(b"p:1:k")
HALF = SLOTS // 2
"""The key of the requests here lives in the lower half of the slots, at h:1."""

SLOTS_REPLY: list[list[Any]] = [
    [0, HALF - 1, [b"h", 1, b"id1"], [b"h", 2, b"id2"], [b"h", 3, b"id3"]],
    [HALF, SLOTS - 1, [b"h", 4, b"id4"], [b"h", 5, b"id5"]],
]


def told(first: int, *others: int) -> Reply:
    """What CLUSTER SLOTS says where h:*first* has taken over from the lower half's primary."""
    return [[0, HALF - 1, [b"h", first], *([b"h", port] for port in others)], SLOTS_REPLY[1]]


class Rig:
    """A cluster whose layout was looked up a moment ago; h:1 has the replicas h:2 and h:3."""

    def __init__(self, read_from: ReadFrom = "primary", *, known: bool = True) -> None:
        self.chart = Chart(["seed:1", "seed:2"])
        if known:
            assert self.chart.due()
            assert self.chart.read(SLOTS_REPLY, self.chart.seeds[0])
        self.layout = Cluster.over(self.chart, read_from, 0.0, 1.0)

    def node(self, port: int, *, reading: bool = False) -> Node:
        return self.chart.node(f"h:{port}", reading=reading)

    @property
    def home(self) -> Group:
        group = self.layout.groups[HOME]
        assert group is not None
        return group

    def write(self, *answers: object) -> Way[list[Reply]]:
        """A write that finds its server itself."""
        return follow(self.layout.reroute(HOME, SET, None, None), *answers)

    def after(self, outcome: Any, *answers: object, port: int = 1) -> Way[list[Reply]]:
        """What becomes of a write after *outcome* at h:*port*."""
        return follow(self.layout.reroute(HOME, SET, self.node(port), outcome), *answers)
