"""Many keys of one call, each asked for at the server that holds it.

The same as `dealing`, for a call that has nothing but keys, as the one that a page makes for all it shows:
no more is done for a key than it needs.

What may enter: what makes calls with many keys cheap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cache
from itertools import chain
from typing import Any

import libvalkey

from vkcache.core.plan import Arg, Command, Reply, Spread
from vkcache.core.replies import Fault
from vkcache.core.routing import ELSEWHERE, as_wire, incomplete
from vkcache.errors import Unreachable
from vkcache.shell.nodes.layout import Group, Layout, Node, Request
from vkcache.shell.nodes.loads import Astray, Load, turn

_LENGTHS = 512


@cache
def _heads(name: bytes) -> tuple[bytes, ...]:
    """What stands before a key of each length in a command that has this *name* and nothing but the key."""
    head = b"\r\n*2\r\n$%d\r\n%b\r\n$%%d\r\n" % (len(name), name)
    return tuple(head % length for length in range(_LENGTHS))


def _packed_each(name: bytes, keys: Sequence[bytes]) -> bytes:
    """A command for each of *keys*, as they are sent; a third of the time that packing each takes."""
    heads, written = _heads(name), []
    try:
        for key in keys:
            written.append(heads[len(key)])
            written.append(key)
    except IndexError:  # who has a key as long as that does not notice
        return b"".join([libvalkey.pack_command((name, key)) for key in keys])
    return b"".join(written)[2:] + b"\r\n"


class Gathering:
    """The keys of an MGET, or of a call whose replies are added, as loads, one for each group of servers.

    A server is asked for keys that one command may name by one, and else for each by a command of its own.
    """

    def __init__(self, layout: Layout, command: Command[Any]) -> None:
        self._layout = layout
        self._command = command
        self._adds = command.verb.spread is Spread.SUM
        self._single = command.verb.name if self._adds else b"GET"
        self._keys = keys = _as_wires(command.args)
        homes = layout.holders(keys)
        if None in homes:  # whoever is asked may know more of these
            homes = [
                home or layout.group(layout.place_of(key)) for home, key in zip(homes, keys, strict=True)
            ]
        self._homes = homes
        wanted: defaultdict[Group | None, list[bytes]] = defaultdict(list)
        for group, key in zip(homes, keys, strict=True):
            wanted[group].append(key)
        self._wanted = wanted
        self.unknown: int | bool | None = self._layout.place_of(wanted[None][0]) if None in wanted else False
        self._came: dict[Group | None, list[Reply]] = {}
        self._late: dict[int, Reply] = {}
        self._lost: list[tuple[list[int], Unreachable]] = []
        self._refused: Fault | None = None

    @property
    def loads(self) -> Iterator[Load]:
        """Made one by one: a server has its share to do already while that of the next is written."""
        verb, wanted = self._command.verb, self._wanted
        groups = [] if self.unknown is not False else [group for group in wanted if group is not None]
        for group in sorted(groups, key=turn):
            keys = wanted[group]
            together = len(keys) == 1 or self._layout.combinable(keys)
            payload = (
                libvalkey.pack_command((verb.name, *keys)) if together else _packed_each(self._single, keys)
            )
            yield Load(
                self._layout.place_of(keys[0]),
                [[group]],
                verb.from_replica,
                verb.repeatable,
                payload,
                1 if together else len(keys),
                together,
            )

    @property
    def writes(self) -> bool:
        return not self._command.verb.readonly

    def _numbers(self, load: Load) -> list[int]:
        group = load.units[0][0]
        return [number for number, home in enumerate(self._homes) if home is group]

    def lose(self, load: Load, error: Unreachable) -> None:
        numbers = self._numbers(load)
        self._came[load.units[0][0]] = [None] * len(numbers)
        self._lost.append((numbers, error))

    def take(self, load: Load, node: Node, outcome: list[Reply] | Unreachable) -> list[Astray]:
        if isinstance(outcome, Unreachable):
            self._came[load.units[0][0]] = [None] * len(self._numbers(load))
            return [self._astray(unit, node, copy(outcome)) for unit in self._units(load)]
        if Fault in map(type, outcome):
            return self._take_each(load, node, outcome)
        self._layout.answered(load.place, node)
        self._came[load.units[0][0]] = outcome if self._adds or load.count > 1 else outcome[0]
        return []

    def _units(self, load: Load) -> list[list[int]]:
        numbers = self._numbers(load)
        return [numbers] if load.count == 1 else [[number] for number in numbers]

    def _take_each(self, load: Load, node: Node, outcome: list[Reply]) -> list[Astray]:
        units = self._units(load)
        self._came[load.units[0][0]] = [None] * sum(map(len, units))
        astray = []
        for unit, reply in zip(units, outcome, strict=True):
            if type(reply) is not Fault:
                self._late[unit[0]] = reply
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
        return self._layout.place_of(self._keys[unit[0]]), Request((command,)), node, outcome, unit

    def settle(self, unit: list[int], outcome: list[Reply] | Unreachable) -> None:
        if isinstance(outcome, Unreachable):
            self._lost.append((unit, outcome))
        elif type(outcome[0]) is Fault:
            self._refused = outcome[0]
        elif self._adds:
            self._late[unit[0]] = outcome[0]
        else:
            self._late.update(zip(unit, outcome[0], strict=True))

    def replies(self) -> list[Reply]:
        if sum(len(unit) for unit, _ in self._lost) == len(self._keys):
            first = self._lost[0][1]
            first.maybe_executed = any(error.maybe_executed for _, error in self._lost)
            raise first
        if self._refused is not None:
            return [self._refused]
        whole = self._added() if self._adds else self._gathered()
        return [incomplete(self._command, self._lost, whole) if self._lost else whole]

    def _added(self) -> int:
        return sum(filter(None, chain(self._late.values(), *self._came.values())))

    def _gathered(self) -> list[Reply]:
        following = {group: iter(replies) for group, replies in self._came.items()}
        whole: list[Reply] = list(map(next, map(following.__getitem__, self._homes)))
        for number, reply in self._late.items():
            whole[number] = reply
        return whole


def _as_wires(keys: tuple[Arg, ...]) -> Sequence[bytes]:
    """*keys* as they are sent; nearly always they are made so."""
    return keys if set(map(type, keys)) == {bytes} else tuple(map(as_wire, keys))  # type: ignore[return-value]  # the types were looked at
