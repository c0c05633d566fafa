"""What every kind of nodes can do, whatever stands behind it.

What may enter: a question that a shell asks of all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from vkcache.core.plan import Command, Features, Reply

if TYPE_CHECKING:
    from vkcache.shell.nodes.layout import Node


class Nodes(Protocol):
    """Where the steps of a plan go. An error reply is a `Fault` in its command's place."""

    def ask(self, command: Command[Any]) -> Reply:
        """The reply to *command*.

        :raises Unreachable: there is none.
        """
        ...

    def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        """The replies to independent *commands*, in their order; one round trip a node.

        One whose node could not be reached has an `Unreachable` in its place.

        :raises Unreachable: no node could.
        """
        ...

    def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> list[Reply]:
        """The replies to *commands*, which are carried out together or not at all.

        *whole*: all of them; else those of each node.
        """
        ...

    def features(self) -> Features:
        """What the server can do."""
        ...

    def close(self) -> None:
        """Close all connections; the next step opens new ones."""
        ...


class AsyncNodes(Protocol):
    """`Nodes` for tasks: each question answers an awaitable, in whichever event loop it is asked."""

    def ask(self, command: Command[Any]) -> Awaitable[Reply]: ...

    def ask_all(self, commands: Sequence[Command[Any]]) -> Awaitable[list[Reply]]: ...

    def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> Awaitable[list[Reply]]: ...

    def features(self) -> Awaitable[Features]: ...

    def aclose(self) -> Awaitable[None]:
        """Close all connections; those of the running loop are closed when this is done."""
        ...

    def close(self) -> None:
        """The same for somebody who can not wait: each loop closes its own when it next runs."""
        ...


class Leaving(Protocol):
    """Whoever keeps connections to nodes."""

    def leave(self, node: Node) -> None:
        """Close the connections to *node*, which is not what it was."""
        ...
