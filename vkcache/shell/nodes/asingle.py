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
    ASKING,
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

    def __init__(self, dial: Dial, place: str, patience: float | None = None) -> None:
        self._dial = dial
        self._patience = patience
        self._place = place
        self._homes: dict[int, weakref.ref[Home]] = {}
        self._lock = threading.Lock()
        _all.add(self)
        weakref.finalize(self, _close_all, self._homes).atexit = False

    def ask(self, command: Command[Any]) -> Awaitable[Reply]:
        payload, verb = packed_one(command), command.verb
        if verb.blocking:
            return self._waited(payload, 0, command)
        return self.exchange(payload, 0, repeatable=verb.repeatable)

    async def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        if not commands:
            return []
        payload, again = packed(commands), repeatable(commands)
        replies: list[Reply] = await self.exchange(payload, len(commands), repeatable=again)
        return replies

    async def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> list[Reply]:  # noqa: ARG002  # one server
        count, again = len(commands) + 2, repeatable(commands)
        return executed(await self.exchange(transaction(commands), count, repeatable=again))

    async def ask_moved(self, commands: Sequence[Command[Any]], *, together: bool) -> list[Reply]:
        """The replies to *commands*, a transaction or one, whose slot is just being moved here."""
        payload = ASKING + (transaction(commands) if together else packed(commands))
        count, again = len(commands) + (3 if together else 1), repeatable(commands)
        if commands[0].verb.blocking and not together:
            waited: list[Reply] = (await self._waited(payload, count, commands[0]))[1:]
            return waited
        replies = (await self.exchange(payload, count, repeatable=again))[1:]
        return executed(replies) if together else replies

    async def features(self) -> Features:
        return (await self._home().connected()).features

    async def aclose(self) -> None:
        """Close the running loop's connections and have those of other loops closed."""
        home = self._home()
        self.close()
        await home.close()

    def close(self) -> None:
        """Have the connections of all loops closed, each by its own loop."""
        _close_all(self._homes)

    def leave_to_parent(self) -> None:
        """In a child after fork: the connections are the parent's, and so is their selector."""
        _left.extend(_living(self._homes))
        self._homes.clear()
        self._lock = threading.Lock()

    async def exchange(self, payload: bytes, count: int, *, repeatable: bool) -> Any:
        """The list of *count* replies, or with 0 the one.

        They come over a new connection where the server has closed an old one, as after a restart.
        """
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

    async def _waited(self, payload: bytes, count: int, command: Command[Any]) -> Reply:
        longest = command.longest
        limit = None if longest is None or self._patience is None else longest + self._patience
        try:
            async with asyncio.timeout(limit):
                return await self._waited_for_ever(payload, count, repeatable=command.verb.repeatable)
        except Unreachable:
            raise
        except TimeoutError as error:
            raise unreachable(self._place, error, maybe_executed=True) from error

    async def _waited_for_ever(self, payload: bytes, count: int, *, repeatable: bool) -> Reply:
        home = self._home()
        try:
            return await home.wait(payload, count)
        except Lost as lost:
            self._check(lost, repeatable=repeatable)
        try:
            return await home.wait(payload, count)
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
                for number in [number for number, known in self._homes.items() if known() is None]:
                    del self._homes[number]
                self._homes[id(loop)] = weakref.ref(home)
        return home


def _living(homes: dict[int, weakref.ref[Home]]) -> list[Home]:
    return [home for known in [*homes.values()] if (home := known()) is not None]


def _close_all(homes: dict[int, weakref.ref[Home]]) -> None:
    for home in _living(homes):
        with contextlib.suppress(RuntimeError):  # the loop is closed, and has ended its connections itself
            home.loop.call_soon_threadsafe(home.abort)


_all: weakref.WeakSet[AsyncSingle] = weakref.WeakSet()
_left: list[Home] = []


def _leave_all_to_parent() -> None:
    for nodes in _all:
        nodes.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)
