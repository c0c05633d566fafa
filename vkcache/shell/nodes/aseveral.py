"""Steps of tasks go to several servers, each to the one that a layout names.

What may enter: how a task reaches several servers. Which one it is, is decided in `layout` and its
kinds; what becomes of a call over several, in `dealing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from vkcache.core.plan import Command, Features, Plan, Reply, Sleep, Step
from vkcache.core.replies import Fault
from vkcache.core.routing import ELSEWHERE, common_place, oldest, place
from vkcache.errors import AccessDenied, CacheError, TimedOut, Unreachable
from vkcache.shell.nodes.asingle import AsyncSingle
from vkcache.shell.nodes.dealing import dealt
from vkcache.shell.nodes.layout import Aside, Ask, Group, Inquire, Outcome, Request
from vkcache.shell.nodes.leaves import Leaves
from vkcache.shell.nodes.loads import Astray, Dealt, Load
from vkcache.shell.nodes.several import only
from vkcache.shell.run import run_async

if TYPE_CHECKING:
    from vkcache.shell.options import Settings

T = TypeVar("T")


class AsyncSeveral(Leaves[AsyncSingle]):
    """The servers of a layout, for tasks."""

    async def ask(self, command: Command[Any]) -> Reply:
        verb, layout = command.verb, self.layout
        if verb.spread is not None and layout.locate is not None:
            return only(await self.ask_all((command,)))
        home = place(command, layout.locate)
        outcome: Outcome = None
        try:
            node = layout.choose(home, reads=verb.from_replica)
            if node is not None:
                try:
                    reply = await self.leaf(node).ask(command)
                except Unreachable as error:
                    outcome = error
                else:
                    if type(reply) is not Fault or not str(reply).startswith(ELSEWHERE):
                        return reply
                    outcome = [reply]
            return (await self.run(layout.reroute(home, Request((command,)), node, outcome)))[0]
        finally:
            if not verb.readonly:
                layout.wrote()

    async def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        return await self._carried_out(commands, together=False)

    async def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> list[Reply]:
        layout = self.layout
        if not whole and layout.locate is not None:
            return await self._carried_out(commands, together=True)
        try:
            request = Request(tuple(commands), together=True)
            return await self.run(layout.reroute(common_place(commands, layout.locate), request, None, None))
        finally:
            layout.wrote()

    async def features(self) -> Features:
        known = await self.run(self.layout.features())
        if known is not None:
            return known
        return oldest([await self._features(group) for group in self.layout.all_groups()])

    async def _features(self, group: Group) -> Features | Unreachable:
        node = group.primary
        try:
            if node.suspect:  # it may be back
                node = await self.run(self.layout.chosen(group.home, reads=False))
            return await self.leaf(node).features()
        except Unreachable as error:
            if isinstance(error, TimedOut):
                node.suspected()
            return error

    async def aclose(self) -> None:
        self.layout.closed(self)
        await asyncio.gather(*(leaf.aclose() for leaf in list(self._leaves.values())))

    async def server(self, key: bytes | None, *, write: bool) -> Settings:
        """The settings of the server that holds *key*, for somebody who talks to it past this package.

        :raises InvalidArgument: without a *key* it could be any of several.
        """
        place = self.layout.place_of(key)
        node = await self.run(self.layout.chosen(place, reads=not write))
        if node.reading:  # another client would have to say so on each of its connections
            node = await self.run(self.layout.chosen(place, reads=False))
        return self._settings(node)

    async def run(self, plan: Plan[T]) -> T:
        """The result of a layout's own steps."""
        self.layout.tell(self)
        return await run_async(plan, self._perform)

    async def _carried_out(self, commands: Sequence[Command[Any]], *, together: bool) -> list[Reply]:
        if any(command.verb.everywhere for command in commands):
            await self.run(self.layout.renewed())
        deal = dealt(self.layout, commands, together=together)
        while deal.unknown is not False:
            await self.run(self.layout.found(deal.unknown))
            deal = dealt(self.layout, commands, together=together)
        try:
            loads = [*deal.loads]
            if len(loads) == 1:
                rows = [await self._exchanged(deal, loads[0])]
            else:
                rows = await asyncio.gather(*(self._exchanged(deal, load) for load in loads))
            for astray in [one for row in rows for one in row]:
                await self._reroute(deal, astray)
        finally:
            if deal.writes:
                self.layout.wrote()
        return deal.replies()

    async def _exchanged(self, deal: Dealt, load: Load) -> list[Astray]:
        """What has to be rerouted of *load*."""
        try:
            node = self.layout.choose(load.place, reads=load.reads)
            if node is None:
                node = await self.run(self.layout.chosen(load.place, reads=load.reads))
        except Unreachable as error:
            deal.lose(load, error)
            return []
        try:
            replies = await self.leaf(node).exchange(load.payload, load.count, repeatable=load.repeatable)
        except Unreachable as error:
            return deal.take(load, node, error)
        return deal.take(load, node, replies)

    async def _reroute(self, deal: Dealt, astray: Astray) -> None:
        home, request, node, outcome, unit = astray
        try:
            deal.settle(unit, await self.run(self.layout.reroute(home, request, node, outcome)))
        except Unreachable as error:
            deal.settle(unit, error)

    async def _perform(self, step: Step[Any]) -> Any:
        if isinstance(step, Ask):
            return await self._ask(self.leaf(step.node), step.request, asking=step.asking)
        if isinstance(step, Inquire):
            return await self._inquire(step)
        if isinstance(step, Sleep):
            return await asyncio.sleep(step.seconds)
        assert isinstance(step, Aside)
        return await asyncio.to_thread(step.function)

    async def _ask(self, leaf: AsyncSingle, request: Request, *, asking: bool) -> list[Reply]:
        commands = request.commands
        if asking:
            return await leaf.ask_moved(commands, together=request.together)
        if request.together:
            return await leaf.transact(commands)
        return [await leaf.ask(command) for command in commands]

    async def _inquire(self, step: Inquire) -> Reply:
        leaf = self._brief(step.node)
        try:
            reply = await leaf.ask(step.command)
        except AccessDenied as error:
            return error
        except CacheError:
            return None
        finally:
            await leaf.aclose()
        return None if isinstance(reply, Fault) else reply
