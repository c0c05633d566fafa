"""A Valkey Cluster: sixteen thousand slots, and which server holds each today.

What a process knows of a cluster is one `Chart` for all caches that reach it in the same way. It is
corrected by every redirection, and looked up anew at most once a second. A primary that is gone is not
waited for: its replicas are asked, and the one that does not point back has taken over.

What may enter: what is true of clusters. https://valkey.io/topics/cluster-spec
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from attrs import define, field
from valkey.cluster import parse_cluster_slots

from vkcache.core.plan import NO_KEYS, Command, Features, Reply, Sleep, Steps, Verb
from vkcache.core.replies import Fault
from vkcache.core.routing import reachable, redirect
from vkcache.core.slots import SLOTS, slot, slots
from vkcache.errors import AccessDenied, TimedOut, Unreachable
from vkcache.shell.nodes.course import Course
from vkcache.shell.nodes.layout import ASK_AGAIN, LOOK_AGAIN, Group, Inquire, Layout, Node, ReadFrom, back
from vkcache.shell.nodes.shared import Shared

CLUSTER_SLOTS = Command(Verb(b"CLUSTER", NO_KEYS, readonly=True), (b"SLOTS",), lambda reply: reply)

_REPLICAS_AGAIN = 10.0  # seconds after which who reads from replicas looks whether there are more
_TRY_AGAIN = 0.05  # seconds for which nobody asks again where nobody has answered yet
_ASKED_AT_MOST = 8  # servers asked for the layout, beside the seeds, before a caller gives up
_ASKED_FIRST = 3  # servers that are asked for the layout before the seeds: these may have newer addresses


class Chart:
    """What this process knows of one cluster; all caches that reach it in the same way share it.

    *seeds*: "host:port" as the settings have them, asked by these names for as long as the process lives.
    """

    def __init__(self, seeds: Sequence[str]) -> None:
        self.seeds = tuple(Node(seed) for seed in seeds)
        self.slots: list[Group | None] = [None] * SLOTS
        self.groups: tuple[Group, ...] = ()
        self._ranks: dict[str, int] = {}
        self._nodes: WeakValueDictionary[tuple[str, bool], Node] = WeakValueDictionary()
        self.looked_at = float("-inf")
        self._lock = threading.Lock()

    def due(self) -> bool:
        """Whether the caller is to look the layout up; nobody else is for a second then."""
        with self._lock:
            now = time.monotonic()
            if now < self.looked_at + ASK_AGAIN:
                return False
            self.looked_at = now
            return True

    def failed(self) -> None:
        """Nobody answered the caller who looked the layout up; where nothing is known, the next soon may."""
        if not self.groups:
            self.looked_at = time.monotonic() - ASK_AGAIN + _TRY_AGAIN

    def _ranked(self, groups: Iterable[Group]) -> tuple[Group, ...]:
        """*groups* in an order that neither a change of primary nor a move of slots changes."""
        ranks: dict[Group, int] = {}
        for group in dict.fromkeys(groups):
            members = [node.address for node in (group.primary, *group.replicas)]
            known = (self._ranks[address] for address in members if address in self._ranks)
            ranks[group] = next(known, len(self._ranks))
            self._ranks.update(dict.fromkeys(members, ranks[group]))  # a replica may have come from elsewhere
        return tuple(sorted(ranks, key=ranks.__getitem__))

    def known(self) -> list[Node]:
        """Whom to ask for the layout: servers that it names, none twice in the same order, then the seeds."""
        named = [node for group in self.groups for node in (group.primary, *group.replicas)]
        seeds = list(self.seeds)
        for nodes in (named, seeds):
            random.shuffle(nodes)
            nodes.sort(key=lambda node: node.suspect)
        return [*named[:_ASKED_FIRST], *seeds, *named[_ASKED_FIRST:_ASKED_AT_MOST]]

    def node(self, address: str, *, reading: bool = False) -> Node:
        known = self._nodes.get((address, reading))
        if known is None:
            known = self._nodes.setdefault((address, reading), Node(address, reading))
        return known

    def read(self, reply: Reply, asked: Node) -> bool:
        """Take over what CLUSTER SLOTS answers, as *asked* did; False: nothing that can be used."""
        told = _told(reply, asked.address.rpartition(":")[0])
        slots: list[Group | None] = [None] * SLOTS
        groups: dict[str, Group] = {}
        for first, last, primary, replicas in told:
            group = groups.get(primary) or groups.setdefault(primary, self._group(primary, replicas, first))
            slots[first : last + 1] = [group] * (last + 1 - first)
        if not told:
            return False
        with self._lock:
            self.slots[:] = slots  # in place: layouts hold this very list
            self.groups = self._ranked(groups.values())
        return True

    def _group(self, primary: str, replicas: Iterable[str], home: int) -> Group:
        others = tuple(replicas)
        return Group(
            self.node(primary),
            tuple(self.node(address) for address in others),
            tuple(self.node(address, reading=True) for address in others),
            home,
        )

    def moved(self, number: int, address: str) -> Node:
        """The slot *number* is at *address* now, says a server."""
        node = self.node(address)
        with self._lock:
            held = self.slots[number]
            if held is not None and node in held.replicas:
                self._promote(held, node)
            elif held is None or held.primary is not node:
                known = next((group for group in self.groups if group.primary is node), None)
                if known is None:
                    known = Group(node, home=number)
                    self.groups = (*self.groups, known)
                self.slots[number] = known
        return node

    def promoted(self, group: Group, node: Node) -> None:
        """The replica *node* has carried out what only a primary does."""
        with self._lock:
            if node in group.replicas:
                self._promote(group, node)

    def _promote(self, group: Group, node: Node) -> None:
        gone = group.primary
        group.primary = node
        group.replicas = (*(other for other in group.replicas if other is not node), gone)
        group.readers = tuple(self.node(other.address, reading=True) for other in group.replicas)

    def leave_to_parent(self) -> None:
        """In a child after fork: whoever holds the lock is the parent's, and so is whoever looks."""
        self._lock = threading.Lock()
        self.looked_at = float("-inf")
        for node in (*self._nodes.values(), *self.seeds):
            node.asked = False


def _told(reply: Reply, host: str) -> list[tuple[int, int, str, list[str]]]:
    """First and last slot, primary and replicas, as *host* says; nothing where that can not be used."""
    try:
        rows = sorted(parse_cluster_slots(reply).items())
    except (TypeError, ValueError, LookupError, AttributeError):
        return []
    told = []
    for (first, last), served in rows:
        if type(first) is not int or type(last) is not int or not 0 <= first <= last < SLOTS:
            return []
        primary = _address(host, served["primary"])
        if primary is not None:
            told.append(
                (first, last, primary, [*filter(None, (_address(host, r) for r in served["replicas"]))])
            )
    return told


def _address(host: str, served: Sequence[Any]) -> str | None:
    """Where a server is; None where nobody can be: it is about to leave, or the address is forged."""
    name, port = served[:2]
    # A server that does not know its own name leaves it empty, or says "?": it is the one that was asked.
    name = host if name in ("", None, "?") else str(name)
    return f"{name}:{port}" if reachable(name, port) else None


_charts: Shared[Chart] = Shared()


def chart(seeds: Iterable[str], reached: str = "") -> Chart:
    """The chart of the cluster with these seeds, shared by all caches of this process that ask alike.

    *reached*: how its servers are reached; what is silent to one time-out may answer within another.
    """
    named = tuple(sorted(set(seeds)))
    return _charts.of((named, reached), lambda: Chart(named))


@define(eq=False)
class Cluster(Layout):
    """Slots of a cluster as places."""

    chart: Chart = field(kw_only=True)

    @classmethod
    def over(cls, known: Chart, read_from: ReadFrom, own_reads_for: float, patience: float | None) -> Cluster:
        return cls(known.slots, slot, read_from, own_reads_for, patience, chart=known)

    def all_groups(self) -> list[Group]:
        return list(self.chart.groups)

    def outdated(self) -> bool:
        return time.monotonic() > self.chart.looked_at + _REPLICAS_AGAIN

    def holders(self, keys: Sequence[bytes]) -> list[Group | None]:
        groups = self.groups
        return [groups[place] for place in slots(keys)]

    def any_group(self) -> Group | None:
        groups = self.chart.groups
        return random.choice(groups) if groups else None

    def group(self, place: int | None) -> Group | None:
        # Of a slot that nobody has told of any server may know more.
        return (None if place is None else self.groups[place]) or self.any_group()

    def features(self) -> Steps[Features | None]:
        """What the oldest server can do: one that joins tomorrow may be older than those of today."""
        yield from ()
        return Features()

    def learned(self) -> Steps[None]:
        if not self.chart.due():
            yield from self._found_by_another()
        else:
            yield from self._look(self.chart.known())

    def renewed(self) -> Steps[None]:
        if self.chart.groups and self.chart.due():
            yield from self._look(self.chart.known())

    def _look(self, nodes: Iterable[Node]) -> Steps[None]:
        denied: AccessDenied | None = None
        end = time.monotonic() + (self.patience or ASK_AGAIN)
        for node in nodes:
            if node.suspect and not node.due():
                continue
            reply = yield from self._told(node)
            if isinstance(reply, AccessDenied):
                denied = reply
            elif self.chart.read(reply, node):
                node.suspect = False
                return
            elif node in self.chart.seeds:
                node.suspected()  # others are asked first from now on
            if time.monotonic() >= end:
                break
        self.chart.failed()
        if denied is not None and not self.chart.groups:
            raise denied

    def _told(self, node: Node) -> Steps[Reply]:
        """What *node* says of the layout; a caller who gives up meanwhile leaves the looking to the next."""
        try:
            return (yield Inquire(node, CLUSTER_SLOTS))
        except BaseException:
            self.chart.failed()
            raise

    def _found_by_another(self) -> Steps[None]:
        """Wait, where nothing is known yet, for the caller who has gone to look."""
        end = time.monotonic() + (self.patience or ASK_AGAIN)
        while not self.chart.groups and time.monotonic() < end:
            if self.chart.due():  # that caller has found nobody
                yield from self._look(self.chart.known())
                return
            yield Sleep(LOOK_AGAIN)

    def unknown(self) -> str:
        seeds = ", ".join(seed.address for seed in self.chart.seeds)
        return (
            f"no server tells how the cluster is laid out (asked: {seeds}): see that they run, as a cluster"
        )

    def successor(self, place: int | None, gone: Node) -> Steps[Node]:
        group = yield from self.found(place)
        for node in group.replicas:
            if not node.suspect or (yield from back(node)):
                return node
        yield from self.learned()
        group = yield from self.found(place)
        if group.primary.suspect:
            raise Unreachable(f"{gone.address}: did not answer a moment ago")
        return group.primary

    def instead_of_primary(self, course: Course, error: Unreachable) -> Steps[Node]:
        group = yield from self.found(course.place)
        for other in group.replicas:
            if other not in course.tried and (not other.suspect or (yield from back(other))):
                return other
        if isinstance(error, TimedOut) and group.replicas:  # the caller has waited long enough
            raise course.error(error)
        yield from self.learned()
        group = yield from self.found(course.place)
        if group.primary in course.tried:
            raise course.error(error)
        return group.primary

    def elsewhere(self, course: Course, node: Node, fault: Fault) -> Steps[tuple[Node, bool] | None]:
        told = redirect(fault)
        if told is not None:
            if told.slot != course.place:  # said by a script, and it has been carried out
                return None
            address = f"{told.host or node.address.rpartition(':')[0]}:{told.port}"
            if not told.once:
                return (yield from self._moved(course, told.slot, address)), False
            return self.chart.node(address), True
        if str(fault).startswith("TRYAGAIN"):
            yield Sleep(0.005)
            return (yield from self.chosen(course.place, reads=course.request.reads)), False
        if str(fault).startswith(("CLUSTERDOWN", "READONLY")) and course.redirected == 1:
            yield from self.learned()
            return (yield from self.chosen(course.place, reads=course.request.reads)), False
        if str(fault).startswith("CLUSTERDOWN"):
            raise course.error(Unreachable(f"{node.address}: {fault}"))
        if str(fault).startswith("READONLY"):
            course.tried.add(node)
            group = yield from self.found(course.place)
            other = next((other for other in group.replicas if other not in course.tried), None)
            return None if other is None else (other, False)
        return (yield from super().elsewhere(course, node, fault))

    def _moved(self, course: Course, number: int, address: str) -> Steps[Node]:
        target = self.chart.node(address)
        if target in course.tried or (target.suspect and not (yield from back(target))):
            # A replica points back to a primary that is gone: nobody has taken over yet.
            raise course.error(Unreachable(f"{address}: did not answer a moment ago"))
        self.chart.moved(number, address)
        if self.chart.due():  # more may have moved than this one slot, and the new owner knows best
            yield from self._look((target, *self.chart.known()))
        return target

    def answered(self, place: int | None, node: Node) -> None:
        group = None if place is None else self.groups[place]
        if group is not None and node in group.replicas:
            self.chart.promoted(group, node)
