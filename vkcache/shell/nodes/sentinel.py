"""A primary and its replicas, of whom sentinels say which is which (https://valkey.io/topics/sentinel).

What a process knows of a service is one `Service` for all caches that reach it in the same way. A thread
for each sentinel listens to what it announces, so that a new primary is known as soon as it is one.

What may enter: what is true of services that sentinels watch.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field

from vkcache.core.opinions import Address, Opinion
from vkcache.core.plan import Sleep, Steps
from vkcache.core.replies import Fault
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell.nodes.base import Leaving
from vkcache.shell.nodes.course import Course
from vkcache.shell.nodes.layout import ASK_AGAIN, Aside, Group, Layout, Node, ReadFrom
from vkcache.shell.nodes.listening import Listener
from vkcache.shell.nodes.opinions import believed
from vkcache.shell.nodes.shared import Shared

_SETTLED = 3.0  # seconds after a switch in which sentinels may not all have heard of it
_LOOK_AT_DEMOTED = 0.02  # seconds after which a primary that refuses to be one is asked again


class Service:
    """What this process knows of the service *name* from its *sentinels*.

    :ivar stale: something has changed since the sentinels were asked last.
    :ivar looks: how often they were asked.
    """

    def __init__(self, name: str, sentinels: Sequence[Address], options: Mapping[str, Any]) -> None:
        self.name = name
        self.sentinels = tuple(sentinels)
        self.groups: list[Group | None] = [None]
        self.stale = False
        self._options = dict(options)
        self._nodes: weakref.WeakValueDictionary[Address, Node] = weakref.WeakValueDictionary()
        self._users: weakref.WeakSet[Leaving] = weakref.WeakSet()
        self._active: weakref.WeakSet[Leaving] = weakref.WeakSet()
        self._trouble = ""
        self._epoch = -1
        self.looks = 0
        self._looked_at = self._switched_at = float("-inf")
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._listeners: dict[Address, Listener] = {}

    def use(self, nodes: Leaving) -> None:
        """Let *nodes* leave a primary that is none any more."""
        with self._lock:
            if not self._listeners and not self.used:  # what was known is of a time when somebody listened
                self.groups[0] = None
            self._users.add(nodes)
            self._active.add(nodes)

    def rest(self, nodes: Leaving) -> None:
        """*nodes* are closed: until they are used again nobody has to listen for them."""
        with self._lock:
            self._active.discard(nodes)
            if not self.used:
                self.groups[0] = None

    def due(self) -> bool:
        """Whether the caller is to look the servers up; nobody else is for a second then."""
        with self._lock:
            now = time.monotonic()
            if self.groups[0] is not None and now < self._looked_at + ASK_AGAIN:
                return False
            self._looked_at = now
            return True

    def look(self, seen: int | None = None) -> None:
        """Ask the sentinels, and listen to them from now on. They may be silent; then nothing changes.

        One caller asks for all who have *seen* no more `looks` than this one; they wait for the answer.
        """
        seen = self.looks if seen is None else seen
        with self._looking:
            if seen == self.looks:
                self._listen()
                self.stale = False
                self._look()
                self.looks += 1

    def _look(self) -> None:
        try:
            opinion = believed(self.name, self.sentinels, self._options)
        except Unreachable as error:
            self._trouble = f"; {error}"
        else:
            self._agree(opinion)

    def _agree(self, opinion: Opinion) -> None:
        known = self.groups[0]
        other = known is not None and self._node(opinion.primary) is not known.primary
        if other and self._unsettled() and opinion.epoch <= self._epoch:
            self.stale = True  # it is of those who have not heard of the switch yet
        else:
            self._epoch = opinion.epoch
            self.learned(opinion.primary, opinion.replicas)

    def _unsettled(self) -> bool:
        return time.monotonic() < self._switched_at + _SETTLED

    def learned(self, primary: Address, replicas: Sequence[Address]) -> None:
        """These are the servers now."""
        others = tuple(self._node(address) for address in replicas if address != primary)
        self._put(Group(self._node(primary), others, others))

    def switched(self, primary: Address, former: Address | None = None) -> None:
        """*primary* is the primary from now on; *former*, the one before, may come back as its replica."""
        known, node = self.groups[0], self._node(primary)
        self.stale = True  # its replicas are still to be heard of
        if known is not None and known.primary is node:
            return
        late = known is not None and former is not None and self._node(former) is not known.primary
        if late and self._unsettled():
            return  # a sentinel tells of the switch before this one
        node.suspect = False
        self._switched_at = time.monotonic()
        self._epoch += 1  # it has grown by one at least
        others = () if known is None else tuple(other for other in known.replicas if other is not node)
        self._put(Group(node, others, others))

    def _put(self, group: Group) -> None:
        with self._lock:
            known, self.groups[0] = self.groups[0], group
            users = tuple(self._users)
        if known is not None and known.primary is not group.primary:
            for nodes in users:
                nodes.leave(known.primary)

    def _node(self, address: Address) -> Node:
        host, port = address
        return self._nodes.setdefault(address, Node(f"{host}:{port}"))

    def _listen(self) -> None:
        with self._lock:
            for address in self.sentinels:
                listener = self._listeners.get(address)
                if listener is None or not listener.is_alive():
                    self._listeners[address] = Listener(self, address, self._options)
                    self._listeners[address].start()

    @property
    def used(self) -> bool:
        return len(self._active) > 0

    def deserted(self, address: Address) -> bool:
        """Whether nobody uses this any more; then nobody listens to the sentinel at *address* from now on."""
        with self._lock:
            if self.used:
                return False
            self._listeners.pop(address, None)
            return True

    def leave_to_parent(self) -> None:
        """In a child after fork: the threads that listen are the parent's, so nothing is known here."""
        self._begin()
        self.groups[0] = None

    @property
    def unknown(self) -> str:
        """What to say where no primary is known."""
        asked = ", ".join(f"{host}:{port}" for host, port in self.sentinels)
        return (
            f"no sentinel names a primary of {self.name!r} (asked: {asked}): see that they run and "
            f"watch a service of this name, and that sentinel_kwargs lets them be asked{self._trouble}"
        )


_services: Shared[Service] = Shared()


def service(
    name: str, sentinels: Sequence[Address], options: Mapping[str, Any], reached: str = ""
) -> Service:
    """The service *name* of these *sentinels*, shared by all caches of this process that ask alike.

    *options*: how valkey-py's client reaches a sentinel. *reached*: how the servers are reached; what is
    silent to one time-out may answer within another.
    """
    options = {**options, "decode_responses": False, "protocol": 2}  # what they say is decoded here
    if options.get("ssl"):
        unasked = options.get("ssl_cert_reqs", "required") in ("none", None, 0)
        options.setdefault("ssl_check_hostname", not unasked)
    key = (name, tuple(sorted(sentinels)), repr(sorted(options.items())), reached)
    return _services.of(key, lambda: Service(name, sentinels, options))


@define(eq=False)
class Watched(Layout):
    """The servers of a service, the primary of which changes."""

    service: Service = field(kw_only=True)

    @classmethod
    def over(
        cls, known: Service, read_from: ReadFrom, own_reads_for: float, patience: float | None
    ) -> Watched:
        return cls(known.groups, None, read_from, own_reads_for, patience, service=known)

    def tell(self, nodes: Leaving) -> None:
        self.service.use(nodes)

    def closed(self, nodes: Leaving) -> None:
        self.service.rest(nodes)

    def learned(self) -> Steps[None]:
        service, seen = self.service, self.service.looks

        def look() -> None:  # many tasks may have to wait until a thread is free to do so
            service.look(seen)

        if service.due():
            yield Aside(look)

    def unknown(self) -> str:
        return self.service.unknown

    def instead_of_primary(self, course: Course, error: Unreachable) -> Steps[Node]:
        if not isinstance(error, TimedOut):  # else the caller has waited long enough
            yield from self.learned()
        group = yield from self.found(course.place)
        if group.primary in course.tried:
            return (yield from super().instead_of_primary(course, error))
        return group.primary

    def successor(self, place: int | None, gone: Node) -> Steps[Node]:
        yield from self.learned()
        group = yield from self.found(place)
        if group.primary is gone:
            raise Unreachable(f"{gone.address}: did not answer a moment ago, and no other is primary yet")
        return group.primary

    def elsewhere(self, course: Course, node: Node, fault: Fault) -> Steps[tuple[Node, bool] | None]:
        if not str(fault).startswith("READONLY"):
            return (yield from super().elsewhere(course, node, fault))
        yield from self.learned()
        group = yield from self.found(course.place)
        if group.primary is node:  # it knows of a switch that no sentinel has told of yet
            yield Sleep(_LOOK_AT_DEMOTED)
            group = yield from self.found(course.place)
        return group.primary, False
