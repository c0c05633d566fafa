"""Several servers as one: which of them a step goes to, and where it goes when that one fails.

A layout answers from what it knows, and where it has to ask a server first, it says so in steps of its
own, which the shells for threads and for tasks carry out alike. So each way to lay servers out is
written once, and sends nothing itself.

What may enter: what all layouts have in common.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from itertools import count
from typing import Any, Final, Literal, TypeAlias

from attrs import define, field, frozen

from vkcache.core.plan import NO_KEYS, Command, Features, Reply, Sleep, Step, Steps, Verb
from vkcache.core.replies import Fault, ok
from vkcache.core.routing import Locate, misplaced
from vkcache.errors import InvalidArgument, TimedOut, Unreachable
from vkcache.shell.nodes.base import Leaving
from vkcache.shell.nodes.course import Course
from vkcache.shell.wire.pool import AllBusy

ReadFrom: TypeAlias = Literal["replica", "primary", "any"]

ASK_AGAIN: Final = 1.0
"""Seconds for which a server that does not answer is left alone; and between two looks at a topology."""

LOOK_AGAIN: Final = 0.002
"""Seconds between two looks whether another caller has found out."""

PING = Command(Verb(b"PING", NO_KEYS, readonly=True), (), ok)

_PATIENCE = 5.0  # seconds, where the settings know no time-out
_REDIRECTED_OFTEN = 4


@define(eq=False)
class Node:
    """A server, by the name that errors give it.

    *reading*: a connection to it says that it wants to read from a replica of a cluster.
    *suspect*: it did not answer; *again*: when it may be asked again, on the monotonic clock. *asked*: a
    caller is just asking it for the first time since.
    """

    address: str
    reading: bool = False
    suspect: bool = False
    again: float = 0.0
    asked: bool = False

    def suspected(self) -> None:
        """It did not answer, and is left alone for a while."""
        self.suspect, self.again = True, time.monotonic() + ASK_AGAIN

    def doubted(self) -> None:
        """It let a caller wait in vain: the next one first asks whether it is there."""
        if not self.suspect:
            self.suspect, self.again = True, 0.0

    def due(self) -> bool:
        """Whether the caller is to ask this suspect again; for a second no other caller is."""
        now = time.monotonic()
        if now < self.again:
            return False
        self.again = now + ASK_AGAIN
        return True


@define(eq=False)
class Group:
    """Servers that hold the same keys. *replicas* may become the primary; *readers* answer reads.

    *home*: a place that they held when that was last looked for.
    """

    primary: Node
    replicas: tuple[Node, ...] = ()
    readers: tuple[Node, ...] = ()
    home: int = 0
    _turn: count[int] = field(factory=count, init=False)

    def reader(self, read_from: ReadFrom) -> Node | None:
        """Whose turn it is to answer a read; None: a suspect has to be asked first whether it is back."""
        readers = self.candidates(read_from)
        for node in readers:
            if not node.suspect:
                return node
            if time.monotonic() >= node.again:
                return None
        return self.primary

    def candidates(self, read_from: ReadFrom) -> tuple[Node, ...]:
        """Those that may answer a read, the one first whose turn it is."""
        readers = (*self.readers, self.primary) if read_from == "any" else self.readers
        if len(readers) < 2:
            return readers
        first = next(self._turn) % len(readers)
        return readers[first:] + readers[:first]


@frozen(eq=False)
class Request:
    """Commands for one place. *together*: they are one transaction."""

    commands: tuple[Command[Any], ...]
    together: bool = False

    @property
    def repeatable(self) -> bool:
        return all(command.verb.repeatable for command in self.commands)

    @property
    def reads(self) -> bool:
        return not self.together and all(command.verb.from_replica for command in self.commands)

    @property
    def keyed(self) -> bool:
        return any(command.keys for command in self.commands)


@frozen(eq=False)
class Ask(Step[list[Reply]]):
    """The replies of *node*. *asking*: the slot is just being moved there."""

    node: Node
    request: Request
    asking: bool = False


@frozen(eq=False)
class Inquire(Step[Reply]):
    """The reply of *node* to a command that is safe to repeat, or `AccessDenied`; None: none comes soon."""

    node: Node
    command: Command[Any]


@frozen(eq=False)
class Aside(Step[Any]):
    """What a *function* answers that may block for a while."""

    function: Callable[[], Any]


Outcome: TypeAlias = "list[Reply] | Unreachable | None"
"""What became of a request so far: replies, no replies, or it was not sent yet."""

_writes: ContextVar[dict[int, float]] = ContextVar("vkcache_writes", default={})  # noqa: B039  # never changed
_numbers = count()


@define(eq=False)
class Layout:
    """How servers are laid out.

    *groups*: by place; None: not known yet. *locate*: the place of a key; None: there is but one.
    *own_reads_for*: for how many seconds a thread or task reads from the primary after it wrote.
    """

    groups: Sequence[Group | None]
    locate: Locate | None = None
    read_from: ReadFrom = "primary"
    own_reads_for: float = 0.0
    patience: float | None = None
    _number: int = field(factory=lambda: next(_numbers), init=False)

    def all_groups(self) -> list[Group]:
        """Every group once, in an order that a change of primary does not change."""
        return list(dict.fromkeys(group for group in self.groups if group is not None))

    def gone(self, nodes: Collection[Node]) -> list[Node]:
        """Those of *nodes* that are none of its servers any more; none, while there are few such nodes."""
        here = {
            node for group in self.all_groups() for node in (group.primary, *group.replicas, *group.readers)
        }
        return [node for node in nodes if node not in here] if len(nodes) > 2 * len(here) else []

    def choose(self, place: int | None, *, reads: bool) -> Node | None:
        """The node for a request; None: `chosen` has to find out."""
        group = self.groups[place] if place is not None else self.any_group()
        if group is None:
            return None
        node: Node | None = group.primary
        if reads and self.read_from != "primary" and not self.has_written():
            node = None if self.outdated() else group.reader(self.read_from)
        return None if node is None or node.suspect else node

    def any_group(self) -> Group | None:
        return self.groups[0]

    def group(self, place: int | None) -> Group | None:
        """The servers to ask for *place*; None: not known yet."""
        return self.groups[place] if place is not None else self.any_group()

    def tell(self, nodes: Leaving) -> None:
        """Let *nodes* leave a server that is not what it was."""

    def closed(self, nodes: Leaving) -> None:
        """*nodes* have closed their connections; where they are used again, they tell so."""

    def place_of(self, key: bytes | None) -> int:
        """The place of *key*, or the only one.

        :raises InvalidArgument: there are several, and no key says which.
        """
        if self.locate is None:
            return 0
        if key is None:
            raise InvalidArgument("give key=: keys live on several servers, each with a client of its own")
        return self.locate(key)

    def outdated(self) -> bool:
        """Whether replicas may have come that nothing has told of."""
        return False

    def holders(self, keys: Sequence[bytes]) -> list[Group | None]:
        """The servers that hold each of *keys*; None: not known yet."""
        groups, locate = self.groups, self.locate
        return [groups[0 if locate is None else locate(key)] for key in keys]

    def combinable(self, keys: Sequence[bytes]) -> bool:
        """Whether one command may name all of *keys*, which the same servers hold."""
        locate = self.locate
        if locate is None:
            return True
        home = locate(keys[0])
        return all(locate(key) == home for key in keys)

    def home_of(self, group: Group) -> int | None:
        """A place that *group* holds; None: it holds none any more."""
        places = self.groups
        if places[group.home] is not group:
            try:
                group.home = places.index(group)
            except ValueError:
                return None
        return group.home

    def has_written(self) -> bool:
        """Whether this thread or task wrote a moment ago, and is to see that it did."""
        return self.own_reads_for > 0 and _writes.get().get(self._number, 0.0) > time.monotonic()

    def wrote(self) -> None:
        """This thread or task has written."""
        if self.own_reads_for:
            _writes.set({**_writes.get(), self._number: time.monotonic() + self.own_reads_for})

    # What follows is carried out by a shell, step by step.

    def learned(self) -> Steps[None]:
        """Look what the layout is now, unless that was done a moment ago."""
        yield from ()

    def renewed(self) -> Steps[None]:
        """The same before a call that concerns every server, of which there may be more than are known."""
        yield from ()

    def features(self) -> Steps[Features | None]:
        """What all servers can do; None: ask each primary."""
        yield from ()
        return None

    def chosen(self, place: int | None, *, reads: bool) -> Steps[Node]:
        """The node for a request.

        :raises Unreachable: there is none that answers.
        """
        if reads and self.read_from != "primary" and self.outdated():
            yield from self.learned()
        group = yield from self.found(place)
        if reads and self.read_from != "primary" and not self.has_written():
            readers = group.candidates(self.read_from)
            for node in sorted(readers, key=lambda reader: not reader.suspect):  # one of them may be back
                if not node.suspect or (yield from back(node)):
                    return node
        if group.primary.suspect and not (yield from back(group.primary)):
            return (yield from self.successor(place, group.primary))
        return group.primary

    def found(self, place: int | None) -> Steps[Group]:
        """The servers that hold *place*.

        :raises Unreachable: none is known.
        """
        group = self.group(place)
        if group is None:
            yield from self.learned()
            group = self.group(place)
        if group is None:
            raise Unreachable(self.unknown())
        return group

    def unknown(self) -> str:
        """What to say where no server is known that holds a key."""
        return "no server is known that holds this key"

    def successor(self, place: int | None, gone: Node) -> Steps[Node]:  # noqa: ARG002  # some layouts know one
        """The node that may have taken over from the primary of *place*, which is *gone*.

        :raises Unreachable: there is none.
        """
        raise Unreachable(f"{gone.address}: did not answer a moment ago")
        yield

    def reroute(
        self, place: int | None, request: Request, node: Node | None, outcome: Outcome
    ) -> Steps[list[Reply]]:
        """The replies to *request*, of which *outcome* is what became of it at *node*.

        :raises Unreachable: none came, and it can not go anywhere else, or must not be repeated.
        """
        course = Course(place, request, time.monotonic() + (self.patience or _PATIENCE))
        while True:
            asking = False
            if outcome is None or node is None:
                node = yield from self.chosen(place, reads=request.reads)
            elif isinstance(outcome, Unreachable):
                if isinstance(outcome, TimedOut) and not isinstance(outcome, AllBusy):
                    node.doubted()
                course.failed(node, outcome)
                node = yield from self.instead(course, node, outcome)
            else:
                fault = misplaced(outcome, request.commands)
                if fault is None and request.keyed:
                    self.answered(place, node)
                if fault is None or course.late():
                    return outcome if fault is None else course.refused(outcome)
                course.redirected += 1
                if course.redirected > _REDIRECTED_OFTEN:
                    yield Sleep(0.01)
                found = yield from self.elsewhere(course, node, fault)
                if found is None:
                    return course.refused(outcome)
                node, asking = found
            try:
                outcome = yield Ask(node, request, asking)
            except Unreachable as error:
                outcome = error

    def instead(self, course: Course, node: Node, error: Unreachable) -> Steps[Node]:
        """Where the request goes instead of *node*, which could not be reached.

        :raises Unreachable: nowhere.
        """
        group = yield from self.found(course.place)
        if course.request.reads and node in (*group.readers, *group.replicas):
            if not isinstance(error, AllBusy):
                node.suspected()
            if not isinstance(error, TimedOut):  # one time-out is enough: the primary answers then
                for other in group.candidates(self.read_from):
                    if other not in course.tried and not other.suspect:
                        return other
            if group.primary not in course.tried:
                return group.primary
        return (yield from self.instead_of_primary(course, error))

    def instead_of_primary(self, course: Course, error: Unreachable) -> Steps[Node]:
        """The same for a primary."""
        group = yield from self.found(course.place)
        if course.request.reads and self.read_from == "any":
            for other in group.readers:
                if other not in course.tried and not other.suspect:
                    return other
        raise course.error(error)

    def elsewhere(self, course: Course, node: Node, fault: Fault) -> Steps[tuple[Node, bool] | None]:
        """Where the request goes that *node* refused with *fault*, and whether with ASKING; None: nowhere."""
        group = yield from self.found(course.place)
        if str(fault).startswith(("LOADING", "MASTERDOWN")) and node is not group.primary:
            node.suspected()
            course.tried.add(node)
            return (yield from self.chosen(course.place, reads=course.request.reads)), False
        return None

    def answered(self, place: int | None, node: Node) -> None:
        """*node* has carried out what names a key."""


def back(suspect: Node) -> Steps[bool]:
    """Whether *suspect* answers again; it is asked at most once a second.

    Where it has just let one caller wait in vain, the others wait for what it answers. Where the caller who
    asks gives up meanwhile, the next one asks.
    """
    while suspect.asked and time.monotonic() < suspect.again:
        yield Sleep(LOOK_AGAIN)
    first = suspect.again == 0.0
    if suspect.suspect and suspect.due():
        suspect.asked = first
        try:
            suspect.suspect = (yield Inquire(suspect, PING)) is None
        except BaseException:
            suspect.again = 0.0
            raise
        finally:
            suspect.asked = False
    return not suspect.suspect
