"""What has become of one request that is rerouted.

What may enter: what is remembered from one of its attempts to the next.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from attrs import Factory, define

from vkcache.core.plan import Reply
from vkcache.errors import Unreachable

if TYPE_CHECKING:
    from vkcache.shell.nodes.layout import Node, Request


@define(eq=False)
class Course:
    """The way of one request that is rerouted."""

    place: int | None
    request: Request
    end: float
    tried: set[Node] = Factory(set)
    redirected: int = 0
    _maybe_executed: bool = False
    _first: Unreachable | None = None

    def late(self) -> bool:
        return time.monotonic() >= self.end

    def failed(self, node: Node, error: Unreachable) -> None:
        """*node* could not be reached.

        :raises Unreachable: the request must not be carried out twice, and may have been; or time is over.
        """
        self.tried.add(node)
        self._maybe_executed |= error.maybe_executed
        self._first = self._first or error
        if (self._maybe_executed and not self.request.repeatable) or (self.late() and len(self.tried) > 1):
            raise self.error(error)

    def refused(self, replies: list[Reply]) -> list[Reply]:
        """*replies*, which refuse the request.

        :raises Unreachable: it may have been carried out before that, which is what the caller is to know.
        """
        if self._first is not None and self._maybe_executed:
            raise self.error(self._first)
        return replies

    def error(self, error: Unreachable) -> Unreachable:
        """What to tell the caller: the first that went wrong."""
        told = self._first or error
        told.maybe_executed |= self._maybe_executed
        return told
