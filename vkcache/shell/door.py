"""The one place where a synchronous shell performs steps and where replies become results or errors.

What may enter: what a step means to a thread. Errors are mapped, and ignored where the settings say
so, here and nowhere else.
"""

from __future__ import annotations

import inspect
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar

from vkcache.core import replies
from vkcache.core.plan import (
    Batch,
    Call,
    Command,
    Features,
    GetFeatures,
    Now,
    Reply,
    Sleep,
    Step,
    Token,
    Transaction,
)
from vkcache.core.replies import Fault
from vkcache.errors import CacheError, InvalidArgument, ReplyError, Unreachable
from vkcache.shell.nodes.base import Nodes
from vkcache.shell.nodes.fuse import Fuse

T = TypeVar("T")

_MISSHAPEN = (TypeError, ValueError, LookupError, AttributeError)
"""What a decoder raises where a server, or what stands in its place, answers something else."""

log = logging.getLogger("vkcache")

_FAILURES = (Unreachable, ReplyError)


class Door:
    """Performs the steps of plans over *nodes*.

    *ignore*: where the server can not be reached or fails, every command is answered as by a server
    that holds nothing and stores nothing (`Verb.empty`), so each plan takes its way for a miss.
    """

    def __init__(self, nodes: Nodes, *, ignore: bool = False, log_ignored: bool = False) -> None:
        self.nodes = nodes
        self._ignore = ignore
        self._log_ignored = log_ignored

    def of_plan(self) -> Door:
        """The door for one plan; where errors are ignored, a dead server costs the plan one time-out."""
        if not self._ignore:
            return self
        return Door(Fuse(self.nodes), ignore=True, log_ignored=self._log_ignored)

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
            if type(reply) is Fault:
                raise replies.error(reply, command)
        except _FAILURES as error:
            reply = self._absent(command, error)
        return _decoded(command, reply)

    def _batch(self, step: Batch[T] | Transaction[T]) -> list[T | CacheError]:
        commands = step.commands
        send = self.nodes.transact if isinstance(step, Transaction) else self.nodes.ask_all
        try:
            answers = send(commands)
        except _FAILURES as error:
            answers = [self._absent(command, error) for command in commands]
        return [self._result(command, reply) for command, reply in zip(commands, answers, strict=True)]

    def _result(self, command: Command[T], reply: Reply) -> T | CacheError:
        try:
            if type(reply) is Fault:
                error = replies.error(reply, command)
                if not (self._ignore and isinstance(error, ReplyError)):
                    return error
                reply = self._absent(command, error)
            return _decoded(command, reply)
        except CacheError as error:
            return error

    def _features(self, _step: GetFeatures) -> Features:
        try:
            return self.nodes.features()
        except _FAILURES as error:
            return self._ignored(error, Features())

    def _absent(self, command: Command[Any], error: Unreachable | ReplyError) -> Reply:
        return self._ignored(error, command.verb.empty)

    def _ignored(self, error: CacheError, answer: T) -> T:
        if not self._ignore:
            raise error
        if self._log_ignored:
            log.warning("Ignored: %s", error)
        return answer


def _decoded(command: Command[T], reply: Reply) -> T:
    try:
        return command.decode(reply)
    except CacheError:
        raise
    except _MISSHAPEN as error:
        said = f"the reply has not the shape that its decoder reads ({type(error).__name__})"
        raise replies.error(Fault(said), command) from error


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
    Now: lambda _, __: time.time(),
    Token: lambda _, __: secrets.token_hex(16).encode(),
    GetFeatures: Door._features,
}
