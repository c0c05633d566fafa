"""All steps go to one server.

What may enter: the life of a request on its way to one server and back, whatever carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import libvalkey

from vkcache.core.plan import Command, Features, Reply
from vkcache.core.replies import executed, unsendable
from vkcache.errors import InvalidArgument, TimedOut, Unreachable
from vkcache.shell.wire.connection import BROKEN, Connection, Interrupted
from vkcache.shell.wire.pool import Pool, WaitingPool


class Single:
    """One server, over a pool of connections.

    *waiting* opens a connection without time-out: every blocking command has one to itself.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        waiting: Callable[[], Connection],
        limit: int,
        patience: float | None,
        place: str,
        check_after: float = 0,
    ) -> None:
        self._pool = Pool(connect, limit, patience, check_after)
        self._waiting = WaitingPool(waiting)
        self._place = place

    def ask(self, command: Command[Any]) -> Reply:
        verb = command.verb
        payload = _packed((command,))
        pool = self._waiting if verb.blocking else self._pool
        return self._exchange(pool, payload, 1, repeatable=verb.readonly or verb.idempotent, whole=True)[0]

    def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        repeatable = all(command.verb.repeatable for command in commands)
        count = len(commands)
        return self._exchange(self._pool, _packed(commands), count, repeatable=repeatable, whole=count == 1)

    def transact(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        payload = b"".join((_MULTI, _packed(commands), _EXEC))
        count = len(commands) + 2
        repeatable = all(command.verb.repeatable for command in commands)
        return executed(self._exchange(self._pool, payload, count, repeatable=repeatable, whole=True))

    def features(self) -> Features:
        connection = self._pool.take()
        self._pool.give(connection)
        return connection.features

    def close(self) -> None:
        self._pool.close()
        self._waiting.close()

    def _exchange(
        self, pool: Pool, payload: bytes, count: int, *, repeatable: bool, whole: bool, last: bool = False
    ) -> list[Reply]:
        """The replies; over a new connection where the server has closed an old one, as after a restart.

        *whole*: nothing of the payload is carried out before all of it has arrived.
        """
        connection = pool.take()
        try:
            replies = connection.exchange(payload, count)
        except BROKEN as error:
            pool.drop(connection)
            maybe_executed = connection.sent or not whole
            if not last and _may_try_again(error) and (repeatable or not maybe_executed):
                pool.drop_idle()
                return self._exchange(pool, payload, count, repeatable=repeatable, whole=whole, last=True)
            raise self._unreachable(error, maybe_executed) from error
        except BaseException:
            pool.drop(connection)  # its reply is still to come
            raise
        pool.give(connection)
        return replies

    def _unreachable(self, error: Exception, maybe_executed: bool) -> Unreachable:
        if isinstance(error, (TimeoutError, BlockingIOError)):
            problem: Unreachable = TimedOut(f"{self._place}: no answer within socket_timeout")
        else:
            problem = Unreachable(f"{self._place}: {error}")
        problem.maybe_executed = maybe_executed
        return problem


def _may_try_again(error: Exception) -> bool:
    return isinstance(error, ConnectionError) and not isinstance(error, Interrupted)


_MULTI = libvalkey.pack_command((b"MULTI",))
_EXEC = libvalkey.pack_command((b"EXEC",))


def _packed(commands: Sequence[Command[Any]]) -> bytes:
    try:
        return b"".join([libvalkey.pack_command((command.verb.name, *command.args)) for command in commands])
    except (TypeError, UnicodeEncodeError):
        wrong = next(filter(None, map(unsendable, commands)), None)
    raise wrong or InvalidArgument("an argument holds a lone surrogate, which no encoding carries")
