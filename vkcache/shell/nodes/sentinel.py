"""A primary and its replicas, of whom sentinels say which is which (https://valkey.io/topics/sentinel).

What a process knows of a service is one `Service`, whatever the number of caches that use it. A thread
for each sentinel listens to what it announces, so that a new primary is known as soon as it is one.

What may enter: what is true of services that sentinels watch.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import valkey
from attrs import define, field
from valkey.sentinel import MasterNotFoundError, Sentinel

from vkcache.core.plan import Steps
from vkcache.core.replies import Fault
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell.nodes.layout import ASK_AGAIN, Aside, Course, Group, Layout, Leaving, Node, ReadFrom

Address: TypeAlias = tuple[str, int]

_SWITCH = "+switch-master"
_CHANGES = ("+slave", "+sdown", "-sdown", "-role-change", "+role-change")
_LISTEN_AGAIN = 0.2  # seconds before a sentinel that could not be reached is listened to again


class Service:
    """What this process knows of the service *name* from its *sentinels*."""

    def __init__(self, name: str, sentinels: Sequence[Address], options: Mapping[str, Any]) -> None:
        self.name = name
        self.sentinels = tuple(sentinels)
        self.groups: list[Group | None] = [None]
        self._options = dict(options)
        self._nodes: dict[Address, Node] = {}
        self._users: weakref.WeakSet[Leaving] = weakref.WeakSet()
        self._looked_at = float("-inf")
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()

    def use(self, nodes: Leaving) -> None:
        """Let *nodes* leave a primary that is none any more."""
        self._users.add(nodes)

    def due(self) -> bool:
        """Whether the caller is to look the servers up; nobody else is for a second then."""
        with self._lock:
            now = time.monotonic()
            if self.groups[0] is not None and now < self._looked_at + ASK_AGAIN:
                return False
            self._looked_at = now
            return True

    def look(self) -> None:
        """Ask the sentinels, and listen to them from now on. They may be silent; then nothing changes."""
        self._listen()
        asked = Sentinel(self.sentinels, sentinel_kwargs=self._options)
        try:
            with suppress(MasterNotFoundError, valkey.ValkeyError):
                primary = asked.discover_master(self.name)
                self.learned(primary, asked.discover_slaves(self.name))
        finally:
            for client in asked.sentinels:
                client.close()

    def learned(self, primary: Address, replicas: Sequence[Address]) -> None:
        """These are the servers now."""
        others = tuple(self._node(address) for address in replicas if address != primary)
        self._put(Group(self._node(primary), others, others))

    def switched(self, primary: Address) -> None:
        """*primary* is the primary from now on; the one before may come back as its replica."""
        known = self.groups[0]
        node = self._node(primary)
        node.suspect = False
        others = () if known is None else tuple(other for other in known.replicas if other is not node)
        self._put(Group(node, others, others))

    def _put(self, group: Group) -> None:
        with self._lock:
            known, self.groups[0] = self.groups[0], group
        if known is not None and known.primary is not group.primary:
            for nodes in tuple(self._users):
                nodes.leave(known.primary)

    def _node(self, address: Address) -> Node:
        host, port = address
        return self._nodes.setdefault(address, Node(f"{host}:{port}"))

    def _listen(self) -> None:
        with self._lock:
            if not any(listener.is_alive() for listener in self._listeners):
                self._listeners = tuple(Listener(self, address, self._options) for address in self.sentinels)
                for listener in self._listeners:
                    listener.start()

    @property
    def used(self) -> bool:
        return len(self._users) > 0

    def leave_to_parent(self) -> None:
        """In a child after fork: the threads that listen are the parent's, so nothing is known here."""
        self._lock = threading.Lock()
        self._listeners = ()
        self.groups[0] = None


class Listener(threading.Thread):
    """Hears what one sentinel announces of a *service*, for as long as a cache uses it."""

    def __init__(self, service: Service, address: Address, options: Mapping[str, Any]) -> None:
        super().__init__(name=f"vkcache-sentinel-{address[1]}", daemon=True)
        self._service = service
        self._client = valkey.Valkey(host=address[0], port=address[1], **options)
        self._stale = False

    def run(self) -> None:
        while self._service.used:
            with suppress(valkey.ValkeyError, OSError), self._client.pubsub() as heard:
                heard.subscribe(_SWITCH, *_CHANGES)
                self._stale = True  # what was announced before is not told again
                while self._service.used:
                    self._hear(heard.get_message(timeout=_LISTEN_AGAIN))
            time.sleep(_LISTEN_AGAIN)
        self._client.close()

    def _hear(self, message: Mapping[str, Any] | None) -> None:
        if message is None:
            if self._stale and self._service.due():
                self._stale = False
                self._service.look()
        elif message["type"] == "message":
            words = message["data"].decode("utf-8", "replace").split()
            if message["channel"] != _SWITCH.encode():
                self._stale |= self._service.name in words
            elif words[0] == self._service.name:
                self._service.switched((words[3], int(words[4])))


_services: dict[Any, Service] = {}
_lock = threading.Lock()


def service(name: str, sentinels: Sequence[Address], options: Mapping[str, Any]) -> Service:
    """The service *name* of these *sentinels*, which all caches of this process share.

    *options*: how valkey-py's client reaches a sentinel.
    """
    key = (name, tuple(sorted(sentinels)), repr(sorted(options.items())))
    with _lock:
        if key not in _services:
            _services[key] = Service(name, sentinels, options)
        return _services[key]


def _leave_all_to_parent() -> None:
    global _lock  # whoever held the parent's is gone
    _lock = threading.Lock()
    for known in _services.values():
        known.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)


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

    def learned(self) -> Steps[None]:
        if self.service.due():
            yield Aside(self.service.look)

    def unknown(self) -> str:
        asked = ", ".join(f"{host}:{port}" for host, port in self.service.sentinels)
        return (
            f"no sentinel names a primary of {self.service.name!r} (asked: {asked}): see that they run and "
            "watch a service of this name, and that sentinel_kwargs lets them be asked"
        )

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
        if str(fault).startswith("READONLY"):
            yield from self.learned()
            group = yield from self.found(course.place)
            return None if group.primary is node else (group.primary, False)
        return (yield from super().elsewhere(course, node, fault))
