"""Many keys read in one call, each at the server that holds it.

The same as `dealing`, for the one call that a page makes for all it shows: no more is done for a key
than it needs.

What may enter: what makes reading many keys cheap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from copy import copy
from typing import Any

import libvalkey

from vkcache.core.plan import Command, Reply
from vkcache.core.replies import Fault
from vkcache.core.routing import ELSEWHERE, as_wire, incomplete
from vkcache.errors import Unreachable
from vkcache.shell.nodes.layout import Group, Layout, Node, Request
from vkcache.shell.nodes.loads import Astray, Load

_HEAD = b"\r\n*2\r\n$3\r\nGET\r\n$%d\r\n"
_heads: dict[int, bytes] = {length: _HEAD % length for length in range(512)}


def _packed_each(keys: Sequence[bytes]) -> bytes:
    """A GET for each of *keys*, as they are sent; a third of the time that packing them one by one takes."""
    written = []
    for key in keys:
        length = len(key)
        written.append(_heads[length] if length < 512 else _HEAD % length)
        written.append(key)
    return b"".join(written)[2:] + b"\r\n"


class Gathering:
    """The keys of an MGET as loads, one for each group of servers.

    A server is asked for keys that share a place by one MGET, and else for each by a GET.
    """

    writes = False

    def __init__(self, layout: Layout, command: Command[Any]) -> None:
        self._layout = layout
        self._command = command
        self._keys: tuple[bytes, ...] = tuple(map(as_wire, command.args))
        self._whole: list[Reply] = [None] * len(self._keys)
        self._lost: list[tuple[list[int], Unreachable]] = []
        self._refused: Fault | None = None
        self.unknown: int | bool | None = False
        self.loads = self._loads(layout.places(self._keys))

    def _loads(self, places: Sequence[int]) -> list[Load]:
        groups = self._layout.groups
        numbers: defaultdict[Group | None, list[int]] = defaultdict(list)
        for number, place in enumerate(places):
            numbers[groups[place]].append(number)
        if None in numbers:
            self.unknown = places[numbers[None][0]]
            return []
        return [self._load(places, wanted) for wanted in numbers.values()]

    def _load(self, places: Sequence[int], wanted: list[int]) -> Load:
        home, all_keys = places[wanted[0]], self._keys
        keys = [all_keys[number] for number in wanted]
        together = all(places[number] == home for number in wanted)
        payload = libvalkey.pack_command((b"MGET", *keys)) if together else _packed_each(keys)
        count = 1 if together else len(wanted)
        return Load(home, [wanted], self._command.verb.from_replica, True, payload, count)

    def lose(self, load: Load, error: Unreachable) -> None:
        self._lost.append((load.units[0], error))

    def take(self, load: Load, node: Node, outcome: list[Reply] | Unreachable) -> list[Astray]:
        if isinstance(outcome, Unreachable):
            return [self._astray(unit, node, copy(outcome)) for unit in self._units(load)]
        if load.count == 1 or Fault in set(map(type, outcome)):
            return self._take_each(load, node, outcome)
        self._layout.answered(load.place, node)
        whole = self._whole
        for number, reply in zip(load.units[0], outcome, strict=True):
            whole[number] = reply
        return []

    def _units(self, load: Load) -> list[list[int]]:
        wanted = load.units[0]
        return [wanted] if load.count == 1 else [[number] for number in wanted]

    def _take_each(self, load: Load, node: Node, outcome: list[Reply]) -> list[Astray]:
        astray = []
        for unit, reply in zip(self._units(load), outcome, strict=True):
            if type(reply) is not Fault:
                self.settle(unit, [reply if load.count == 1 else [reply]])
            elif str(reply).startswith(ELSEWHERE):
                astray.append(self._astray(unit, node, [reply]))
            elif load.count == 1 or not str(reply).startswith("WRONGTYPE"):
                # An MGET says nothing of a key that holds no value, where a GET is refused.
                self._refused = reply
        if not astray:
            self._layout.answered(load.place, node)
        return astray

    def _astray(self, unit: list[int], node: Node, outcome: list[Reply] | Unreachable) -> Astray:
        command = Command(self._command.verb, tuple(self._keys[number] for number in unit), list)
        return self._layout.places([self._keys[unit[0]]])[0], Request((command,)), node, outcome, unit

    def settle(self, unit: list[int], outcome: list[Reply] | Unreachable) -> None:
        if isinstance(outcome, Unreachable):
            self._lost.append((unit, outcome))
        elif type(outcome[0]) is Fault:
            self._refused = outcome[0]
        else:
            for number, reply in zip(unit, outcome[0], strict=True):
                self._whole[number] = reply

    def replies(self) -> list[Reply]:
        if sum(len(unit) for unit, _ in self._lost) == len(self._keys):
            raise self._lost[0][1]
        if self._refused is not None:
            return [self._refused]
        return [incomplete(self._command, self._lost, self._whole) if self._lost else self._whole]
