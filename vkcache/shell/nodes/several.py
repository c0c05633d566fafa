"""Steps go to several servers, each to the one that a layout names.

What may enter: how a thread reaches several servers. Which one it is, is decided in `layout` and its
kinds; what becomes of a call over several, in `dealing`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from vkcache.core.plan import Command, Features, Plan, Reply, Sleep, Step
from vkcache.core.replies import Fault
from vkcache.core.routing import ELSEWHERE, common_place, oldest, place
from vkcache.errors import AccessDenied, CacheError, TimedOut, Unreachable
from vkcache.shell.nodes.dealing import dealt
from vkcache.shell.nodes.layout import Aside, Ask, Group, Inquire, Node, Outcome, Request
from vkcache.shell.nodes.leaves import Leaves
from vkcache.shell.nodes.loads import Astray, Dealt, Load
from vkcache.shell.nodes.single import Exchange, Single
from vkcache.shell.run import run
from vkcache.shell.wire.pool import AllBusy

if TYPE_CHECKING:
    from vkcache.shell.options import Settings

T = TypeVar("T")


class Several(Leaves[Single]):
    """The servers of a layout, for threads."""

    def ask(self, command: Command[Any]) -> Reply:
        verb, layout = command.verb, self.layout
        if verb.spread is not None and layout.locate is not None:
            return only(self._carried_out((command,), together=False))
        home = place(command, layout.locate)
        outcome: Outcome = None
        try:
            node = layout.choose(home, reads=verb.from_replica)
            if node is not None:
                try:
                    reply = (self._leaves.get(node) or self.leaf(node)).ask(command)
                except Unreachable as error:
                    outcome = error
                else:
                    if type(reply) is not Fault or not str(reply).startswith(ELSEWHERE):
                        return reply
                    outcome = [reply]
            return self.run(layout.reroute(home, Request((command,)), node, outcome))[0]
        finally:
            if not verb.readonly:
                layout.wrote()

    def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        return self._carried_out(commands, together=False)

    def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> list[Reply]:
        layout = self.layout
        if not whole and layout.locate is not None:
            return self._carried_out(commands, together=True)
        try:
            request = Request(tuple(commands), together=True)
            return self.run(layout.reroute(common_place(commands, layout.locate), request, None, None))
        finally:
            layout.wrote()

    def features(self) -> Features:
        known = self.run(self.layout.features())
        return known or oldest([self._features(group) for group in self.layout.all_groups()])

    def _features(self, group: Group) -> Features | Unreachable:
        node = group.primary
        try:
            if node.suspect:  # it may be back
                node = self.run(self.layout.chosen(group.home, reads=False))
            return self.leaf(node).features()
        except Unreachable as error:
            if isinstance(error, TimedOut) and not isinstance(error, AllBusy):
                node.suspected()
            return error

    def server(self, key: bytes | None, *, write: bool) -> Settings:
        """The settings of the server that holds *key*, for somebody who talks to it past this package.

        :raises InvalidArgument: without a *key* it could be any of several.
        """
        place = self.layout.place_of(key)
        node = self.run(self.layout.chosen(place, reads=not write))
        if node.reading:  # another client would have to say so on each of its connections
            node = self.run(self.layout.chosen(place, reads=False))
        return self._settings(node)

    def servers(self) -> list[tuple[Group, list[Settings]]]:
        """Each group of servers that hold the same keys, with their settings: the primary's are first.

        :raises Unreachable: nobody tells of them.
        """
        self.run(self.layout.found(0))
        return [
            (group, [self._settings(node) for node in (group.primary, *group.replicas)])
            for group in self.layout.all_groups()
        ]

    def run(self, plan: Plan[T]) -> T:
        """The result of a layout's own steps."""
        self.layout.tell(self)
        return run(plan, self._perform)

    def _carried_out(self, commands: Sequence[Command[Any]], *, together: bool) -> list[Reply]:
        if any(command.verb.everywhere for command in commands):
            self.run(self.layout.renewed())
        deal = dealt(self.layout, commands, together=together)
        while deal.unknown is not False:
            self.run(self.layout.found(deal.unknown))
            deal = dealt(self.layout, commands, together=together)
        try:
            for astray in self._exchanged(deal):
                self._reroute(deal, astray)
        finally:
            if deal.writes:
                self.layout.wrote()
        return deal.replies()

    def _exchanged(self, deal: Dealt) -> list[Astray]:
        """What has to be rerouted of *deal*, all of whose loads were under way at the same time."""
        under_way: list[tuple[Load, Node, Exchange]] = []
        astray: list[Astray] = []
        choose, leaves = self.layout.choose, self._leaves
        try:
            for load in deal.loads:
                try:
                    node = choose(load.place, reads=load.reads) or self._node(load)
                except Unreachable as error:
                    deal.lose(load, error)
                    continue
                exchange = (leaves.get(node) or self.leaf(node)).exchange(
                    load.payload, load.count, load.repeatable, load.whole
                )
                under_way.append((load, node, exchange))
                exchange.begin()  # what goes wrong is told at its end
            for load, node, exchange in under_way:
                try:
                    outcome: list[Reply] | Unreachable = exchange.end()
                except Unreachable as error:
                    outcome = error
                astray += deal.take(load, node, outcome)
        except BaseException:
            for _, _, exchange in under_way:
                exchange.abandon()
            raise
        return astray

    def _node(self, load: Load) -> Node:
        return self.run(self.layout.chosen(load.place, reads=load.reads))

    def _reroute(self, deal: Dealt, astray: Astray) -> None:
        home, request, node, outcome, unit = astray
        try:
            deal.settle(unit, self.run(self.layout.reroute(home, request, node, outcome)))
        except Unreachable as error:
            deal.settle(unit, error)

    def _perform(self, step: Step[Any]) -> Any:
        if isinstance(step, Ask):
            return self._ask(self.leaf(step.node), step.request, asking=step.asking)
        if isinstance(step, Inquire):
            return self._inquire(step)
        if isinstance(step, Sleep):
            return time.sleep(step.seconds)
        assert isinstance(step, Aside)
        return step.function()

    def _ask(self, leaf: Single, request: Request, *, asking: bool) -> list[Reply]:
        commands = request.commands
        if asking:
            return leaf.ask_moved(commands, together=request.together)
        if request.together:
            return leaf.transact(commands)
        return [leaf.ask(command) for command in commands]

    def _inquire(self, step: Inquire) -> Reply:
        leaf = self._brief(step.node)
        try:
            reply = leaf.ask(step.command)
        except AccessDenied as error:
            return error
        except CacheError:
            return None
        finally:
            leaf.close()
        return None if isinstance(reply, Fault) else reply


def only(replies: list[Reply]) -> Reply:
    """The one reply.

    :raises Incomplete: some nodes could not be reached.
    """
    if isinstance(replies[0], Unreachable):
        raise replies[0]
    return replies[0]
