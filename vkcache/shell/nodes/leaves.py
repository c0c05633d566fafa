"""The connections to several servers: made when one is first needed, dropped when it is gone.

What may enter: what is the same for threads and for tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from vkcache.shell.nodes.layout import Layout, Node

if TYPE_CHECKING:
    from vkcache.shell.nodes.laying import Of
    from vkcache.shell.options import Settings


class Closable(Protocol):
    """The connections to one server."""

    def close(self) -> None: ...


Leaf = TypeVar("Leaf", bound=Closable)


class Leaves(Generic[Leaf]):
    """The connections to the servers of *layout*.

    *make* makes those to one server, *brief* those for one short question; *of* answers its settings.
    """

    def __init__(
        self,
        layout: Layout,
        make: Callable[[Node], Leaf],
        brief: Callable[[Node], Leaf],
        of: Of | None = None,
    ) -> None:
        self.layout = layout
        self._make = make
        self._brief = brief
        self._of = of
        self._leaves: dict[Node, Leaf] = {}
        layout.tell(self)

    def leaf(self, node: Node) -> Leaf:
        """The connections to *node*."""
        known = self._leaves.get(node)
        if known is None:
            known = self._leaves.setdefault(node, self._make(node))
            for other in self.layout.gone(list(self._leaves)):
                if other is not node:  # who talks to it ends in peace; then its connections close
                    self._leaves.pop(other, None)
        return known

    def leave(self, node: Node) -> None:
        """Close the connections to *node*, which is not what it was."""
        leaf = self._leaves.get(node)
        if leaf is not None:
            leaf.close()

    def close(self) -> None:
        """Close all connections; the next step opens new ones."""
        for leaf in list(self._leaves.values()):
            leaf.close()
        self.layout.closed(self)

    def _settings(self, node: Node) -> Settings:
        assert self._of is not None
        return self._of(node)
