"""All steps go to one server.

What may enter: the life of a request on its way to one server and back, whatever carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vkcache.core.plan import Command, Features, Reply
from vkcache.core.replies import executed
from vkcache.errors import Unreachable
from vkcache.shell.nodes.requests import (
    may_try_again,
    packed,
    packed_one,
    repeatable,
    transaction,
    unreachable,
)
from vkcache.shell.wire.connection import BROKEN, Connection
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
        payload = packed_one(command)
        pool = self._waiting if verb.blocking else self._pool
        return self._exchange(pool, payload, 1, repeatable=verb.readonly or verb.idempotent, whole=True)[0]

    def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        again, count = repeatable(commands), len(commands)
        return self._exchange(self._pool, packed(commands), count, repeatable=again, whole=count == 1)

    def transact(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        payload, count, again = transaction(commands), len(commands) + 2, repeatable(commands)
        return executed(self._exchange(self._pool, payload, count, repeatable=again, whole=True))

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
            if not last and may_try_again(error) and (repeatable or not maybe_executed):
                pool.drop_idle()
                try:
                    return self._exchange(pool, payload, count, repeatable=repeatable, whole=whole, last=True)
                except Unreachable as problem:
                    problem.maybe_executed |= maybe_executed
                    raise
            raise unreachable(self._place, error, maybe_executed=maybe_executed) from error
        except BaseException:
            pool.drop(connection)  # its reply is still to come
            raise
        pool.give(connection)
        return replies
