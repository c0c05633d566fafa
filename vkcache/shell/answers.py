"""What replies and failures become: results, errors, or what a server that holds nothing would answer.

What may enter: what is true of an answer however it was awaited. Errors are mapped, and ignored where
the settings say so, here and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

from vkcache.core import replies
from vkcache.core.plan import Command, Reply, Spread
from vkcache.core.replies import Fault
from vkcache.errors import CacheError, Incomplete, ReplyError, Unreachable

T = TypeVar("T")

_MISSHAPEN = (TypeError, ValueError, LookupError, AttributeError, OverflowError)
"""What a decoder raises where a server, or what stands in its place, answers something else."""

log = logging.getLogger("vkcache")

FAILURES = (Unreachable, ReplyError)


def _keys_failed(command: Command[Any], error: Incomplete) -> bool:
    return command.verb.spread is Spread.ALL_OK and bool(error.missing)


class Answers:
    """The half of a door that performs nothing.

    *ignore*: where the server can not be reached or fails, every command is answered as by a server
    that holds nothing and stores nothing (`Verb.empty`), so each plan takes its way for a miss.
    *strict*: what only some nodes could answer is an error.
    """

    def __init__(self, *, ignore: bool = False, log_ignored: bool = False, strict: bool = False) -> None:
        self._ignore = ignore
        self._strict = strict
        self._log_ignored = log_ignored

    def _read(self, command: Command[T], reply: Reply) -> T:
        """The result that *reply* holds.

        :raises CacheError: the error that it is.
        """
        if type(reply) is Fault:
            problem = replies.error(reply, command)
            if not isinstance(problem, ReplyError):
                raise problem
            reply = self._absent(command, problem)
        try:
            return command.decode(reply)
        except CacheError:
            raise
        except _MISSHAPEN as error:
            said = f"the reply has not the shape that its decoder reads ({type(error).__name__})"
            raise replies.error(Fault(said), command) from error

    def _missed(self, command: Command[T], error: Unreachable | ReplyError) -> T:
        """The result of a command that got no reply, or none from some of the nodes."""
        if isinstance(error, Incomplete):
            return self._part(command, error)
        return self._read(command, self._absent(command, error))

    def _part(self, command: Command[T], error: Incomplete) -> T:
        """What the nodes answered that could be reached: a result, where it is no more than missing values.

        :raises Incomplete: it is told as an error, with that as its *partial*.
        """
        part = command.verb.empty if command.verb.spread is Spread.ALL_OK else error.reply
        partial = self._read(command, part)
        walk = command.verb.spread is Spread.WALK  # to go on is the caller's decision
        if self._ignore or (command.verb.readonly and not self._strict and not walk):
            log.warning("Missing: %s", error)
            return partial
        error.partial = partial
        raise error

    def _results(self, commands: Sequence[Command[T]], answers: Sequence[Reply]) -> list[T | CacheError]:
        return [self._result(command, reply) for command, reply in zip(commands, answers, strict=True)]

    def _all_missed(
        self, commands: Sequence[Command[T]], error: Unreachable | ReplyError
    ) -> list[T | CacheError]:
        return self._results(commands, [self._absent(command, error) for command in commands])

    def _result(self, command: Command[T], reply: Reply | Unreachable) -> T | CacheError:
        try:
            if not isinstance(reply, Unreachable):
                return self._read(command, reply)
            if isinstance(reply, Incomplete) and _keys_failed(command, reply):
                return reply  # whoever wrote many keys says which of them failed, also where that is ignored
            return self._missed(command, reply)
        except CacheError as error:
            return error

    def _absent(self, command: Command[Any], error: Unreachable | ReplyError) -> Reply:
        return self._ignored(error, command.verb.empty)

    def _ignored(self, error: CacheError, answer: T) -> T:
        if not self._ignore:
            raise error
        if self._log_ignored:
            log.warning("Ignored: %s", error)
        return answer
