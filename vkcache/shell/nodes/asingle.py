"""All steps of all event loops go to one server.

What may enter: the life of a request on its way to one server and back, as a task sees it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Awaitable, Sequence
from typing import Any

from vkcache.core.plan import Command, Features, Reply
from vkcache.core.replies import executed
from vkcache.errors import Unreachable
from vkcache.shell.nodes.home import Home
from vkcache.shell.nodes.requests import (
    may_try_again,
    packed,
    packed_one,
    repeatable,
    transaction,
    unreachable,
)
from vkcache.shell.wire.aopening import Dial
from vkcache.shell.wire.stream import Lost


class AsyncSingle:
    """One server, which *dial* reaches and errors call *place*; every event loop has its own connections.

    A `Home` is known here by the number of its loop, and held by nobody but its connections, so that
    nothing keeps a loop that has ended.
    """

    def __init__(self, dial: Dial, place: str) -> None:
        self._dial = dial
        self._place = place
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        self._homes: dict[int, weakref.ref[Home]] = {}
        self._lock = threading.Lock()

    def ask(self, command: Command[Any]) -> Awaitable[Reply]:
        payload, verb = packed_one(command), command.verb
        if verb.blocking:
            return self._waited(payload)
        return self._exchange(payload, 0, repeatable=verb.readonly or verb.idempotent)

    def ask_all(self, commands: Sequence[Command[Any]]) -> Awaitable[list[Reply]]:
        return self._exchange(packed(commands), len(commands), repeatable=repeatable(commands))

    async def transact(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        count, again = len(commands) + 2, repeatable(commands)
        return executed(await self._exchange(transaction(commands), count, repeatable=again))

    async def features(self) -> Features:
        return (await self._home().connected()).features

    async def aclose(self) -> None:
        """Close the running loop's connections and have those of other loops closed."""
        home = self._home()
        self.close()
        await home.close()

    def close(self) -> None:
        """Have the connections of all loops closed; one that is closed has ended its own."""
        for home in self._living():
            with contextlib.suppress(RuntimeError):
                home.loop.call_soon_threadsafe(home.abort)

    def leave_to_parent(self) -> None:
        """In a child after fork: the connections are the parent's, and so is their selector."""
        _left.extend(self._living())
        self._begin()

    async def _exchange(self, payload: bytes, count: int, *, repeatable: bool) -> Any:
        """The replies; over a new connection where the server has closed an old one, as after a restart."""
        home = self._home()
        try:
            stream = home.stream
            if stream is None or stream.lost is not None:
                stream = await home.connected()
            return await stream.send(payload, count)
        except Lost as lost:
            self._check(lost, repeatable=repeatable)
            sent = lost.sent
        try:
            return await (await home.connected()).send(payload, count)
        except Lost as lost:
            lost.sent |= sent
            raise self._unreachable(lost) from lost.cause
        except Unreachable as error:
            error.maybe_executed |= sent
            raise

    async def _waited(self, payload: bytes) -> Reply:
        home = self._home()
        try:
            return await home.wait(payload)
        except Lost as lost:
            self._check(lost, repeatable=False)
        try:
            return await home.wait(payload)
        except Lost as lost:
            raise self._unreachable(lost) from lost.cause

    def _check(self, lost: Lost, *, repeatable: bool) -> None:
        """Nothing, where the request that was lost may be sent once more."""
        if not may_try_again(lost.cause) or (lost.sent and not repeatable):
            raise self._unreachable(lost) from lost.cause

    def _unreachable(self, lost: Lost) -> Unreachable:
        return unreachable(self._place, lost.cause, maybe_executed=lost.sent)

    def _home(self) -> Home:
        """The running loop's, made if need be."""
        loop = asyncio.get_running_loop()
        known = self._homes.get(id(loop))
        home = None if known is None else known()
        if home is None or home.loop is not loop:  # the number may be of a loop that has ended
            home = Home(self._dial)
            with self._lock:
                living = {id(other.loop): weakref.ref(other) for other in self._living()}
                self._homes = {**living, id(loop): weakref.ref(home)}
        return home

    def _living(self) -> list[Home]:
        return [home for known in self._homes.values() if (home := known()) is not None]


_all: weakref.WeakSet[AsyncSingle] = weakref.WeakSet()
_left: list[Home] = []


def _leave_all_to_parent() -> None:
    for nodes in _all:
        nodes.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)
