"""What the shells need of a call that goes to several servers, however it is dealt out.

What may enter: what `dealing` and `gathering` have in common.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias

from attrs import define, field

from vkcache.core.plan import Reply
from vkcache.errors import Unreachable
from vkcache.shell.nodes.layout import Group, Node, Request

Unit: TypeAlias = list[Any]
"""What is carried out or refused as one; whoever dealt it out knows what stands in it."""

Astray: TypeAlias = "tuple[int | None, Request, Node, list[Reply] | Unreachable, Unit]"
"""What has to be rerouted: its place, the request, the node that was tried, what became of it, the unit."""


@define(eq=False)
class Load:
    """What goes to one group of servers in one write, and how many replies come back.

    *whole*: nothing of it is carried out before all of it has arrived.
    *keyed*: it names a key, so that no replica of a cluster answers it as if it were a primary.
    """

    place: int | None
    units: list[Unit] = field(factory=list)
    reads: bool = True
    repeatable: bool = True
    payload: bytes = b""
    count: int = 0
    whole: bool = False
    keyed: bool = False


class Dealt(Protocol):
    """A call that is dealt out.

    *unknown*: no server is known yet of this place, and there are no loads; False: all is known.
    """

    unknown: int | bool | None

    @property
    def loads(self) -> Iterable[Load]: ...

    @property
    def writes(self) -> bool: ...

    def lose(self, load: Load, error: Unreachable) -> None:
        """No server could be found for *load*."""
        ...

    def take(self, load: Load, node: Node, outcome: list[Reply] | Unreachable) -> list[Astray]:
        """Keep the replies to *load*, and answer what of it has to go elsewhere."""
        ...

    def settle(self, unit: Unit, outcome: list[Reply] | Unreachable) -> None:
        """Keep what became of *unit* in the end."""
        ...

    def replies(self) -> list[Reply | Unreachable]:
        """The replies to all commands, in their order; an `Unreachable` in place of one that has none.

        :raises Unreachable: none has one.
        """
        ...


def turn(group: Group) -> str:
    """By what the loads of a call are ordered.

    Each holds a connection until all are sent. Were the order that of the keys, two callers could each wait
    for the connection that the other one holds.
    """
    return group.primary.address
