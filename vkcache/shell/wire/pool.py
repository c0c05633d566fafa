"""The connections to one server that wait for their next use.

What may enter: who gets which connection, and when one is opened or thrown away.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable

from vkcache.errors import TimedOut
from vkcache.shell.wire.connection import Connection, packed

_PING = packed(b"PING")
_POLL_AFTER = 1.0  # seconds of idleness after which a connection is looked at before it is used


class Pool:
    """A last-in-first-out list of live connections, at most *limit* of them open at once.

    A connection is popped and pushed without a lock; only opening one, or waiting for one, takes it.
    Where *limit* are busy a caller waits for at most *patience* seconds. A connection that was idle
    for over a second is looked at before its next use, and for over *check_after* seconds asked.
    """

    def __init__(
        self, connect: Callable[[], Connection], limit: int, patience: float | None, check_after: float = 0
    ) -> None:
        self._connect = connect
        self._check_after = check_after or float("inf")
        self._limit = limit
        self._patience = patience
        self._generation = 1
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        self._idle: list[Connection] = []
        self._open = 0
        self._waiting = 0
        self._changed = threading.Condition()

    def take(self) -> Connection:
        """A live connection that is the caller's alone until it is given back or dropped.

        :raises TimedOut: all are busy, and stay so.
        :raises Unreachable: a new one can not be opened.
        """
        now = time.monotonic()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._awaited(now)
            idle, connection.used = now - connection.used, now
            if idle <= _POLL_AFTER or self._stands(connection, idle):
                return connection
            self.drop(connection)

    def _stands(self, connection: Connection, idle: float) -> bool:
        if not connection.alive():
            return False
        if idle <= self._check_after:
            return True
        try:
            return connection.exchange(_PING, 1) == [b"PONG"]
        except OSError:
            return False

    def give(self, connection: Connection) -> None:
        """Take *connection* back, for its next use."""
        if connection.generation != self._generation:
            connection.close()
            return
        self._idle.append(connection)
        # Read after the append: whoever began to wait before it looks at the list once more.
        if self._waiting:
            with self._changed:
                self._changed.notify()

    def drop(self, connection: Connection) -> None:
        """Close *connection*, which can not be used again."""
        connection.close()
        self._one_less(connection.generation)

    def drop_idle(self) -> None:
        """Close all connections that nobody uses now: what broke one of them broke them all."""
        while self._idle:
            try:
                self.drop(self._idle.pop())
            except IndexError:  # another thread was faster
                return

    def close(self) -> None:
        """Close all connections: the idle ones now, those in use when they are given back."""
        with self._changed:
            idle, self._idle = self._idle, []
            self._generation += 1
            self._open = 0
            self._changed.notify_all()
        for connection in idle:
            connection.close()

    def leave_to_parent(self) -> None:
        """In a child after fork: the sockets are the parent's, and so may be whoever holds the lock."""
        idle = self._idle
        self._generation += 1
        self._begin()
        for connection in idle:
            connection.close()

    def _awaited(self, now: float) -> Connection:
        found = self._idle_or_room(None if self._patience is None else now + self._patience)
        connection = self._opened(found) if isinstance(found, int) else found
        connection.used = time.monotonic()
        return connection

    def _opened(self, generation: int) -> Connection:
        try:
            connection = self._connect()
        except BaseException:
            self._one_less(generation)
            raise
        connection.generation = generation
        return connection

    def _idle_or_room(self, deadline: float | None) -> Connection | int:
        """A connection that became idle meanwhile; a generation: there is room in it for the caller's own."""
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    try:
                        return self._idle.pop()
                    except IndexError:
                        pass
                    if self._open < self._limit:
                        self._open += 1
                        return self._generation
                    self._wait(deadline)
            finally:
                self._waiting -= 1

    def _wait(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if (left is not None and left <= 0) or not self._changed.wait(left):
            raise TimedOut(
                f"all max_connections={self._limit} connections were busy for the whole of socket_timeout; "
                "raise max_connections"
            )

    def _one_less(self, generation: int) -> None:
        with self._changed:
            if generation == self._generation:
                self._open -= 1
                self._changed.notify()


class WaitingPool(Pool):
    """Connections for blocking commands: as many as there are callers, and closing it ends their waits."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        super().__init__(connect, sys.maxsize, None)

    def _begin(self) -> None:
        super()._begin()
        self._busy: set[Connection] = set()

    def take(self) -> Connection:
        connection = super().take()
        while not connection.alive():  # always looked at: few blocking commands are safe to repeat
            self.drop(connection)
            connection = super().take()
        self._busy.add(connection)
        return connection

    def give(self, connection: Connection) -> None:
        self._busy.discard(connection)
        super().give(connection)

    def drop(self, connection: Connection) -> None:
        self._busy.discard(connection)
        super().drop(connection)

    def close(self) -> None:
        super().close()
        for connection in tuple(self._busy):
            connection.interrupt()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for pool in _pools:
        pool.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)
