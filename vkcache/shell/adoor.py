"""The place where an asynchronous shell performs steps.

What may enter: what a step means to a task. What a reply or a failure becomes stands in `answers`.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from vkcache.core import server
from vkcache.core.plan import (
    Batch,
    Call,
    Command,
    Features,
    GetFeatures,
    Now,
    Sleep,
    Step,
    Token,
    Transaction,
)
from vkcache.errors import CacheError
from vkcache.shell.answers import FAILURES, Answers
from vkcache.shell.clock import Clock
from vkcache.shell.nodes.base import AsyncNodes
from vkcache.shell.nodes.fuse import AsyncFuse

T = TypeVar("T")


class AsyncDoor(Answers):
    """Performs the steps of plans over *nodes*, in whichever event loop asks."""

    def __init__(
        self,
        nodes: AsyncNodes,
        *,
        ignore: bool = False,
        log_ignored: bool = False,
        strict: bool = False,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(ignore=ignore, log_ignored=log_ignored, strict=strict)
        self.nodes = nodes
        self._clock = clock or Clock()

    def of_plan(self) -> AsyncDoor:
        """The door for one plan; where errors are ignored, a dead server costs the plan one time-out."""
        if not self._ignore:
            return self
        nodes, log_ignored, strict = AsyncFuse(self.nodes), self._log_ignored, self._strict
        return AsyncDoor(nodes, ignore=True, log_ignored=log_ignored, strict=strict, clock=self._clock)

    def perform(self, step: Step[T]) -> Coroutine[Any, Any, T]:
        """The result of *step*, awaited."""
        return _PERFORMERS[type(step)](self, step)

    async def command(self, command: Command[T]) -> T:
        """The decoded reply to *command*.

        :raises CacheError: what the server answered, or why it did not.
        """
        try:
            reply = await self.nodes.ask(command)
        except FAILURES as error:
            return self._missed(command, error)
        return self._read(command, reply)

    async def _batch(self, step: Batch[T] | Transaction[T]) -> list[T | CacheError]:
        try:
            if isinstance(step, Transaction):
                answers = await self.nodes.transact(step.commands, whole=step.whole)
            else:
                answers = await self.nodes.ask_all(step.commands)
        except FAILURES as error:
            return self._all_missed(step.commands, error)
        return self._results(step.commands, answers)

    async def _now(self, _step: Now) -> float:
        """The server's time; where it does not tell, the best that is known."""
        if (now := self._clock.now()) is not None:
            return now
        asked = time.monotonic()
        try:
            answer = self._read(server.CLOCK, await self.nodes.ask(server.CLOCK))
        except CacheError:
            answer = None
        return self._clock.told(asked, answer)

    async def _features(self, _step: GetFeatures) -> Features:
        try:
            return await self.nodes.features()
        except FAILURES as error:
            return self._ignored(error, Features())


async def _call(_door: AsyncDoor, step: Call) -> Any:
    result = step.function()
    return await result if inspect.isawaitable(result) else result


async def _sleep(_door: AsyncDoor, step: Sleep) -> None:
    await asyncio.sleep(step.seconds)


async def _token(_door: AsyncDoor, _step: Token) -> bytes:
    return secrets.token_hex(16).encode()


_PERFORMERS: dict[type[Step[Any]], Callable[[AsyncDoor, Any], Coroutine[Any, Any, Any]]] = {
    Command: AsyncDoor.command,
    Batch: AsyncDoor._batch,
    Transaction: AsyncDoor._batch,
    Call: _call,
    Sleep: _sleep,
    Now: AsyncDoor._now,
    Token: _token,
    GetFeatures: AsyncDoor._features,
}
