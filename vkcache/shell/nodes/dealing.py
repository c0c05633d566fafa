"""The commands of one call, dealt out to the servers they concern, and their replies put together again.

What may enter: what is the same for threads and for tasks, and waits for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Any, TypeAlias

from vkcache.core.plan import ALL, Command, Reply, Spread
from vkcache.core.replies import Fault, executed
from vkcache.core.routing import (
    ELSEWHERE,
    Piece,
    cut,
    incomplete,
    joined,
    misplaced,
    place,
    walked,
    walking,
)
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell.nodes.gathering import Gathering
from vkcache.shell.nodes.layout import Group, Layout, Node, Request
from vkcache.shell.nodes.loads import Astray, Dealt, Load, turn
from vkcache.shell.nodes.requests import EXEC, MULTI, UNSENDABLE, as_sent, packed

_Part: TypeAlias = tuple[int, Piece]
"""A piece, with the number of its command."""

Answer: TypeAlias = Reply | Unreachable


class _Again(list[_Part]):
    """A unit that has its answers already, and is carried out once more."""


class Deal:
    """*commands* as loads, one for each group of servers. *together*: those of one place as one transaction.

    :raises CrossNode: the keys of a command that can not be cut up live in several places.
    :raises InvalidArgument: an argument can not be sent.
    """

    def __init__(self, layout: Layout, commands: Sequence[Command[Any]], *, together: bool = False) -> None:
        self._layout = layout
        self._commands = commands
        self._answers: list[list[tuple[list[int], Answer]]] = [[] for _ in commands]
        self._walks: dict[int, int] = {}
        self._loads: dict[Group, Load] = {}
        self.unknown: int | bool | None = False
        units: dict[int | None, list[_Part]] = {}
        for number, command in enumerate(commands):
            for piece in self._pieces(number, command):
                if together:
                    units.setdefault(piece[0], []).append((number, piece))
                else:
                    self._add([(number, piece)])
        for unit in units.values():
            self._add(unit)
        for load in self._loads.values():
            self._pack(load)

    @property
    def loads(self) -> list[Load]:
        if self.unknown is not False:
            return []
        return [self._loads[group] for group in sorted(self._loads, key=turn)]

    def _pieces(self, number: int, command: Command[Any]) -> Iterable[Piece]:
        spread, locate = command.verb.spread, self._layout.locate
        if locate is None:
            return ((0, command.args, []),)
        if spread is None:
            return ((place(command, locate), command.args, []),)
        if command.verb.keys.first:
            return cut(command, locate)
        return self._to_all(number, command)

    def _to_all(self, number: int, command: Command[Any]) -> Iterator[Piece]:
        """A command without keys: for every group, or for the one to which its cursor points."""
        groups, home_of = self._layout.all_groups(), self._layout.home_of
        if not groups:
            self.unknown = 0
        elif command.verb.spread is not Spread.WALK:
            # One whose slots have all moved holds nothing any more.
            homes = [home for home in map(home_of, groups) if home is not None]
            yield from ((home, command.args, [i]) for i, home in enumerate(homes))
        else:
            at, own = walking(command)
            self._walks[number] = at
            home = home_of(groups[at]) if at < len(groups) else None
            if home is not None:
                yield home, own.args, [0]
            else:  # there are fewer than there were, or all its slots have moved
                self._answers[number].append(([0], [b"0", []]))

    def _add(self, unit: list[_Part]) -> None:
        home = unit[0][1][0]
        group = self._layout.group(home)
        if group is None:
            self.unknown = home
            return
        load = self._loads.get(group)
        if load is None:
            load = self._loads[group] = Load(home)
        load.units.append(unit)

    def _pack(self, load: Load) -> None:
        commands, written = self._commands, []
        for unit in load.units:
            several = len(unit) > 1
            if several:
                written.append(MULTI)
                load.reads = False
            for number, (_, args, _) in unit:
                verb = commands[number].verb
                load.reads &= verb.from_replica
                load.repeatable &= verb.repeatable
                load.keyed = load.keyed or verb.keys.first > 0
                try:
                    written.append(as_sent((verb.name, *args)))
                except UNSENDABLE:
                    packed(commands)  # says what is wrong
                    raise
            if several:
                written.append(EXEC)
            load.count += len(unit) + 2 if several else 1
        load.payload, load.whole = b"".join(written), len(load.units) == 1

    @property
    def writes(self) -> bool:
        return not all(command.verb.readonly for command in self._commands)

    def lose(self, load: Load, error: Unreachable) -> None:
        for unit in load.units:
            self.settle(unit, copy(error))

    def take(self, load: Load, node: Node, outcome: list[Reply] | Unreachable) -> list[Astray]:
        if isinstance(outcome, Unreachable):
            return [self._astray(unit, node, outcome) for unit in load.units]
        astray, answers, at = [], self._answers, 0
        for unit in load.units:
            if len(unit) == 1:
                reply = outcome[at]
                at += 1
                if type(reply) is Fault and str(reply).startswith(ELSEWHERE):
                    astray.append(self._astray(unit, node, [reply]))
                    continue
                number, (_, _, keys) = unit[0]
                answers[number].append((keys, reply))
            else:
                replies = executed(outcome[at : at + len(unit) + 2])
                at += len(unit) + 2
                if misplaced(replies, [self._commands[number] for number, _ in unit]) is not None:
                    astray.append(self._astray(unit, node, replies))
                else:
                    self.settle(unit, replies)
        if load.keyed and not astray:
            self._layout.answered(load.place, node)
        return [*astray, *self._behind(load, astray)] if astray else astray

    def _behind(self, load: Load, astray: list[Astray]) -> Iterator[Astray]:
        """What of *load* was carried out, though it is to follow what is *astray*."""
        ahead, gone = {one[0]: one for one in astray}, {id(one[4]) for one in astray}
        for unit in load.units:
            number, (home, _, _) = unit[0]
            if home in ahead and self._commands[number].verb.follows and id(unit) not in gone:
                _, _, node, outcome, _ = ahead[home]
                yield self._astray(_Again(unit), node, outcome)

    def _astray(self, unit: list[_Part], node: Node, outcome: list[Reply] | Unreachable) -> Astray:
        whole = self._commands
        commands = tuple(
            Command(whole[number].verb, args, whole[number].decode) for number, (_, args, _) in unit
        )
        if isinstance(outcome, Unreachable):
            outcome = copy(outcome)  # one may have been carried out, where another was not
        return unit[0][1][0], Request(commands, together=len(unit) > 1), node, outcome, unit

    def settle(self, unit: list[_Part], outcome: list[Reply] | Unreachable) -> None:
        if isinstance(unit, _Again) and not isinstance(outcome, Unreachable):
            return
        for at, (number, (_, _, keys)) in enumerate(unit):
            self._answers[number].append((keys, outcome if isinstance(outcome, Unreachable) else outcome[at]))

    def replies(self) -> list[Answer]:
        replies = [self._reply(number, command) for number, command in enumerate(self._commands)]
        if replies and all(type(reply) in (Unreachable, TimedOut) for reply in replies):
            problem: Unreachable = replies[0]
            problem.maybe_executed = any(reply.maybe_executed for reply in replies)
            raise problem
        return replies

    def _reply(self, number: int, command: Command[Any]) -> Answer:
        answers = self._answers[number]
        reply = answers[0][1]
        if command.verb.spread is None or self._layout.locate is None:
            return reply
        if number not in self._walks:
            return joined(command, answers)
        if isinstance(reply, Fault):
            return reply
        at, count = self._walks[number], len(self._layout.all_groups())
        if isinstance(reply, Unreachable):  # the next server may be there
            return incomplete(command, [([], reply)], walked([b"0", []], at, count))
        return walked(reply, at, count)


def dealt(layout: Layout, commands: Sequence[Command[Any]], *, together: bool) -> Dealt:
    """*commands* dealt out."""
    if len(commands) == 1 and layout.locate is not None:
        verb = commands[0].verb
        if verb.keys is ALL and verb.spread in (Spread.GATHER, Spread.SUM):
            return Gathering(layout, commands[0])
    return Deal(layout, commands, together=together)
