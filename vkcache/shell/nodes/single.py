"""All steps go to one server.

What may enter: the life of a request on its way to one server and back, whatever carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from vkcache.core.plan import Command, Features, Reply
from vkcache.core.replies import executed
from vkcache.errors import Unreachable
from vkcache.shell.nodes.requests import (
    ASKING,
    may_try_again,
    packed,
    packed_one,
    repeatable,
    transaction,
    unreachable,
)
from vkcache.shell.wire.connection import BROKEN, Connection
from vkcache.shell.wire.pool import Brief, Pool, WaitingPool

Lending: TypeAlias = Pool | Brief


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
        self._patience = patience
        self.place = place

    def ask(self, command: Command[Any]) -> Reply:
        verb = command.verb
        payload = packed_one(command)
        pool = self._waiting_for(command) if verb.blocking else self._pool
        return self._exchange(pool, payload, 1, repeatable=verb.repeatable, whole=True)[0]

    def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        again, count = repeatable(commands), len(commands)
        return self._exchange(self._pool, packed(commands), count, repeatable=again, whole=count == 1)

    def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> list[Reply]:  # noqa: ARG002  # one server
        payload, count, again = transaction(commands), len(commands) + 2, repeatable(commands)
        return executed(self._exchange(self._pool, payload, count, repeatable=again, whole=True))

    def ask_moved(self, commands: Sequence[Command[Any]], *, together: bool) -> list[Reply]:
        """The replies to *commands*, a transaction or one, whose slot is just being moved here."""
        payload = ASKING + (transaction(commands) if together else packed(commands))
        count, again = len(commands) + (3 if together else 1), repeatable(commands)
        pool = self._waiting_for(commands[0]) if commands[0].verb.blocking and not together else self._pool
        replies = self._exchange(pool, payload, count, repeatable=again, whole=True)[1:]
        return executed(replies) if together else replies

    def exchange(self, payload: bytes, count: int, repeatable: bool, whole: bool) -> Exchange:
        """A request that is to be on its way together with others; see `Exchange`."""
        return Exchange(self, self._pool, payload, count, repeatable, whole)

    def features(self) -> Features:
        connection = self._pool.take()
        self._pool.give(connection)
        return connection.features

    def close(self) -> None:
        self._pool.close()
        self._waiting.close()

    def _waiting_for(self, command: Command[Any]) -> Lending:
        """The connections on which a blocking *command* waits for as long as it may."""
        longest = command.longest
        if longest is None or self._patience is None:
            return self._waiting
        return self._waiting.within(longest + self._patience)

    def _exchange(
        self, pool: Lending, payload: bytes, count: int, *, repeatable: bool, whole: bool, first: bool = True
    ) -> list[Reply]:
        """The replies.

        *whole*: nothing of the payload is carried out before all of it has arrived.
        """
        connection = pool.take()
        try:
            replies = connection.exchange(payload, count)
        except BROKEN as error:
            pool.drop(connection)
            request = Exchange(self, pool, payload, count, repeatable, whole)
            return request.again(error, sent=connection.sent, first=first)
        except BaseException:
            pool.drop(connection)  # its reply is still to come
            raise
        pool.give(connection)
        return replies


class Exchange:
    """A request to *nodes*, which may be on its way while its caller sends others elsewhere."""

    def __init__(
        self, nodes: Single, pool: Lending, payload: bytes, count: int, repeatable: bool, whole: bool
    ) -> None:
        self._nodes, self._pool, self._payload, self._count = nodes, pool, payload, count
        self._repeatable, self._whole = repeatable, whole
        self._connection: Connection | None = None
        self._error: Exception | None = None

    def begin(self) -> None:
        """Send it; what goes wrong is raised by `end`."""
        try:
            self._connection = self._pool.take()
            self._connection.send(self._payload)
        except (*BROKEN, Unreachable) as error:
            self._error = error

    def end(self) -> list[Reply]:
        """The replies to what was sent.

        :raises Unreachable: there are none.
        """
        connection = self._connection
        if connection is None:
            raise self._error or Unreachable("the request was given up before it was sent")
        try:
            if self._error is not None:
                raise self._error
            replies = connection.receive(self._count)
        except BROKEN as error:
            self.abandon()
            return self.again(error, sent=connection.sent)
        self._connection = None
        self._pool.give(connection)
        return replies

    def abandon(self) -> None:
        """Nobody waits for the replies any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.drop(connection)

    def again(self, error: Exception, *, sent: bool, first: bool = True) -> list[Reply]:
        """The replies over a new connection, where the server has closed an old one, as after a restart.

        :raises Unreachable: it was not so, or the request must not be sent twice, or this failed too.
        """
        maybe_executed = sent or not self._whole
        if not first or not may_try_again(error) or (maybe_executed and not self._repeatable):
            raise unreachable(self._nodes.place, error, maybe_executed=maybe_executed) from error
        self._pool.drop_idle()
        try:
            return self._nodes._exchange(
                self._pool,
                self._payload,
                self._count,
                repeatable=self._repeatable,
                whole=self._whole,
                first=False,
            )
        except Unreachable as problem:
            problem.maybe_executed |= maybe_executed
            raise
