"""The place where a synchronous shell performs steps.

What may enter: what a step means to a thread. What a reply or a failure becomes stands in `answers`.
"""

from __future__ import annotations

import inspect
import secrets
import time
from collections.abc import Callable
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
from vkcache.errors import CacheError, InvalidArgument
from vkcache.shell.answers import FAILURES, Answers
from vkcache.shell.clock import Clock
from vkcache.shell.nodes.base import Nodes
from vkcache.shell.nodes.fuse import Fuse

T = TypeVar("T")


class Door(Answers):
    """Performs the steps of plans over *nodes*."""

    def __init__(
        self,
        nodes: Nodes,
        *,
        ignore: bool = False,
        log_ignored: bool = False,
        strict: bool = False,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(ignore=ignore, log_ignored=log_ignored, strict=strict)
        self.nodes = nodes
        self._clock = clock or Clock()

    def of_plan(self) -> Door:
        """The door for one plan; where errors are ignored, a dead server costs the plan one time-out."""
        if not self._ignore:
            return self
        nodes, log_ignored, strict = Fuse(self.nodes), self._log_ignored, self._strict
        return Door(nodes, ignore=True, log_ignored=log_ignored, strict=strict, clock=self._clock)

    def perform(self, step: Step[T]) -> T:
        """The result of *step*."""
        result: T = _PERFORMERS[type(step)](self, step)
        return result

    def command(self, command: Command[T]) -> T:
        """The decoded reply to *command*.

        :raises CacheError: what the server answered, or why it did not.
        """
        try:
            reply = self.nodes.ask(command)
        except FAILURES as error:
            return self._missed(command, error)
        return self._read(command, reply)

    def _batch(self, step: Batch[T] | Transaction[T]) -> list[T | CacheError]:
        try:
            if isinstance(step, Transaction):
                answers = self.nodes.transact(step.commands, whole=step.whole)
            else:
                answers = self.nodes.ask_all(step.commands)
        except FAILURES as error:
            return self._all_missed(step.commands, error)
        return self._results(step.commands, answers)

    def _now(self, _step: Now) -> float:
        """The server's time; where it does not tell, the best that is known."""
        if (now := self._clock.now()) is not None:
            return now
        asked = time.monotonic()
        try:
            answer = self._read(server.CLOCK, self.nodes.ask(server.CLOCK))
        except CacheError:
            answer = None
        return self._clock.told(asked, answer)

    def _features(self, _step: GetFeatures) -> Features:
        try:
            return self.nodes.features()
        except FAILURES as error:
            return self._ignored(error, Features())


def _call(_door: Door, step: Call) -> Any:
    result = step.function()
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()  # it was never awaited, and would warn of that
        raise InvalidArgument("give a plain function, not one that answers an awaitable")
    return result


# Not bound to a door: one that nobody holds any more is then gone at once, and its sockets with it.
_PERFORMERS: dict[type[Step[Any]], Callable[[Door, Any], Any]] = {
    Command: Door.command,
    Batch: Door._batch,
    Transaction: Door._batch,
    Call: _call,
    Sleep: lambda _, step: time.sleep(step.seconds),
    Now: Door._now,
    Token: lambda _, __: secrets.token_hex(16).encode(),
    GetFeatures: Door._features,
}
