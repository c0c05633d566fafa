"""The connections to one server that wait for their next use.

What may enter: who gets which connection, and when one is opened or thrown away.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial

from vkcache.errors import TimedOut
from vkcache.shell.wire.connection import BROKEN, Connection, Seat, packed

_PING = packed(b"PING")
_POLL_AFTER = 1.0  # seconds of idleness after which a connection is looked at before it is used
_LOOK_AGAIN = 0.1  # seconds after which a waiter looks whether a connection was lost to an interruption


class AllBusy(TimedOut):
    """No connection became free; the server may well be."""


class Waiter:
    """A caller that waits for a connection; woken without one, it has to look for itself."""

    __slots__ = ("connection", "ready")

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.ready = threading.Event()


class Pool:
    """A last-in-first-out list of live connections, at most *limit* of them open at once.

    A connection is popped and pushed without a lock; only opening one, or waiting for one, takes it.
    Where *limit* are busy a caller waits for at most *patience* seconds, and callers are served in the
    order in which they came. A connection that was idle for over a second is looked at before its next
    use, and for over *check_after* seconds asked.
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
        # Counted by what is alive: an exception out of a signal handler may strike between any two lines.
        self._seats: weakref.WeakSet[Seat] = weakref.WeakSet()
        self._waiters: deque[Waiter] = deque()
        self._lock = threading.Lock()

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
                found = self._opened_or_awaited(None if self._patience is None else now + self._patience)
                if found is None:
                    continue
                found.used = time.monotonic()
                return found
            idle, connection.used = now - connection.used, now
            if idle <= _POLL_AFTER or self._stands(connection, idle):
                return connection
            self.drop(connection)

    def give(self, connection: Connection) -> None:
        """Take *connection* back, for its next use."""
        if connection.generation != self._generation:
            connection.close()
            return
        if not self._waiters:
            self._idle.append(connection)
            if not self._waiters:  # looked at again: a caller may have begun to wait just before the append
                return
            try:
                connection = self._idle.pop()
            except IndexError:
                return
        self._hand_over(connection)

    def drop(self, connection: Connection) -> None:
        """Close *connection*, which can not be used again."""
        connection.close()
        with self._lock:
            self._seats.discard(connection.seat)
            self._wake_first()

    def drop_idle(self) -> None:
        """Close all connections that nobody uses now: what broke one of them broke them all."""
        while self._idle:
            try:
                self.drop(self._idle.pop())
            except IndexError:  # another thread was faster
                return

    def close(self) -> None:
        """Close all connections: the idle ones now, those in use when they are given back."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._generation += 1
            self._seats = weakref.WeakSet()
            while self._waiters:
                self._wake_first()
        for connection in idle:
            connection.close()

    def leave_to_parent(self) -> None:
        """In a child after fork: the sockets are the parent's, and so may be whoever holds the lock."""
        idle = self._idle
        self._generation += 1
        self._begin()
        for connection in idle:
            connection.close()

    def _stands(self, connection: Connection, idle: float) -> bool:
        if not connection.alive():
            return False
        if idle <= self._check_after:
            return True
        try:
            return connection.exchange(_PING, 1) == [b"PONG"]
        except BROKEN:
            return False
        except BaseException:
            self.drop(connection)  # its reply is still to come
            raise

    def _opened_or_awaited(self, deadline: float | None) -> Connection | None:
        """A new connection, or one that another caller handed over; None: look at the idle ones again."""
        seat, waiter = Seat(), Waiter()
        with self._lock:
            if self._idle:
                return None
            generation, room = self._generation, self._room()
            if room:
                self._seats.add(seat)
            else:
                self._waiters.append(waiter)
        return self._opened(seat, generation) if room else self._awaited(waiter, deadline)

    def _room(self) -> bool:
        return len(self._seats) < self._limit

    def _opened(self, seat: Seat, generation: int) -> Connection:
        try:
            connection = self._connect()
        except BaseException:
            with self._lock:
                self._seats.discard(seat)
                self._wake_first()
            raise
        connection.seat, connection.generation = seat, generation
        return connection

    def _awaited(self, waiter: Waiter, deadline: float | None) -> Connection | None:
        try:
            while not (waiter.ready.wait(_slice(deadline)) or self._idle or self._room()):
                if deadline is not None and time.monotonic() >= deadline:
                    raise AllBusy(
                        f"all max_connections={self._limit} connections were busy for the whole of "
                        "socket_timeout; raise max_connections"
                    )
        except BaseException:
            self._leave(waiter)
            if waiter.connection is not None:  # it was handed over at this very moment
                self.give(waiter.connection)
            raise
        self._leave(waiter)
        return waiter.connection

    def _leave(self, waiter: Waiter) -> None:
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _hand_over(self, connection: Connection) -> None:
        with self._lock:
            if self._waiters:
                self._waiters[0].connection = connection
                self._wake_first()
            else:
                self._idle.append(connection)

    def _wake_first(self) -> None:
        if self._waiters:
            self._waiters.popleft().ready.set()


def _slice(deadline: float | None) -> float:
    left = _LOOK_AGAIN if deadline is None else deadline - time.monotonic()
    return min(max(left, 0.0), _LOOK_AGAIN)


class WaitingPool(Pool):
    """Connections for blocking commands: as many as there are callers, and closing it ends their waits."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        super().__init__(connect, sys.maxsize, None)

    def _begin(self) -> None:
        super()._begin()
        self._busy: set[Connection] = set()

    def take(self, longest: float | None = None) -> Connection:
        """A connection whose exchange takes *longest* seconds at most; None: as long as it takes."""
        connection = super().take()
        while not connection.alive():  # always looked at: few blocking commands are safe to repeat
            self.drop(connection)
            connection = super().take()
        self._busy.add(connection)
        connection.within(longest)
        return connection

    def within(self, longest: float) -> Brief:
        """The same pool for callers that give up after so many seconds."""
        return Brief(self, longest)

    def give(self, connection: Connection) -> None:
        self._busy.discard(connection)
        super().give(connection)

    def drop(self, connection: Connection) -> None:
        self._busy.discard(connection)
        super().drop(connection)

    def close(self) -> None:
        super().close()
        for connection in list(self._busy):
            connection.interrupt()


class Brief:
    """The connections of *pool*, each for an exchange of *longest* seconds at most."""

    def __init__(self, pool: WaitingPool, longest: float) -> None:
        self.give, self.drop, self.drop_idle = pool.give, pool.drop, pool.drop_idle
        self.take = partial(pool.take, longest)


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for pool in _pools:
        pool.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)
