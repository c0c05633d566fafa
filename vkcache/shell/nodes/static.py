"""Servers that the settings name one by one: a primary and its replicas, or shards of a ring.

What may enter: a layout that never changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from vkcache.core.rings import Ring
from vkcache.shell.nodes.layout import Group, Layout, Node, ReadFrom


def replicated(
    nodes: Sequence[Node], read_from: ReadFrom, own_reads_for: float, patience: float | None
) -> Layout:
    """The first of *nodes* is the primary, and the others follow it."""
    primary, *replicas = nodes
    group = Group(primary, tuple(replicas), tuple(replicas))
    return Layout((group,), None, read_from, own_reads_for, patience)


def sharded(nodes: Sequence[Node], ring: Ring, patience: float | None) -> Layout:
    """Each of *nodes* holds the keys that *ring* gives it."""
    groups = tuple(Group(node, home=at) for at, node in enumerate(nodes))
    return Shards(groups, ring.locate, patience=patience)


@define(eq=False)
class Shards(Layout):
    """Servers of which each is one place."""

    def combinable(self, keys: Sequence[bytes]) -> bool:  # noqa: ARG002  # the ring has said all
        return True
