"""Locks: `threading.Lock`'s rules, held by a server for all who reach it.

A lock is one key of its own namespace, which holds its owner's token and expires with the lease. Who
does not get it marks it and blocks on a list, for a bounded time, then tries again; who releases a
marked lock pushes one wake-up there. So a lost wake-up costs time, and no key outlives its use.

The token is known before it is first sent. Whatever ends an acquire early, an error or a cancelled
caller, is followed by a delete of the lock where it holds that token, and of nothing else.

What may enter: the plans of locks, and what their callers' arguments mean. When a lease is renewed,
and which thread or task holds what, is a shell's question.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from attrs import frozen

from vkcache.core import lua
from vkcache.core.endings import insisted, undone
from vkcache.core.expiry import milliseconds
from vkcache.core.keyspace import beside
from vkcache.core.lists import LONGEST_WAIT, on_wire_seconds
from vkcache.core.plan import Command, KeySpec, Now, Reply, Sleep, Steps, Token, Verb
from vkcache.core.replies import as_sent
from vkcache.core.scripts import answered
from vkcache.core.space import Space
from vkcache.core.strings import GET_FRESH
from vkcache.errors import InvalidArgument

LEASE: Final = 30.0
"""Seconds that a lock is held for where nothing says how long, each time that the lease is renewed."""

WAKE_MS: Final = 1000
"""How long a wake-up lies there for a waiter that is between two waits."""

_NOT_ASKED: Final = b""
WAIT = Verb(b"BLPOP", KeySpec(1, -2), blocking=True, forgoes=True, empty=_NOT_ASKED)


@frozen
class Lock:
    """The name and the lease of a lock.

    :ivar held: the key that is there while it is held.
    :ivar wake: the list whose items wake waiters.
    :ivar lease: in milliseconds.
    """

    held: bytes
    wake: bytes
    lease: int


@frozen
class Wait:
    """How a caller waits: *limit* seconds at most, None for ever, 0 not at all.

    *sleep*: how long it waits to be woken before it looks for itself.
    """

    sleep: float = 0.1
    limit: float | None = None


@frozen
class Held:
    """What shows that a lock is held: its *owner*'s token, and the *fence* that its holders pass on."""

    owner: bytes
    fence: int


@frozen
class Terms:
    """What a lock was asked for with.

    :ivar name: the user's own.
    :ivar renewed: within ``with`` its lease is renewed.
    :ivar thread_local: each thread holds what it has acquired itself, no more.
    """

    name: str
    lock: Lock
    wait: Wait
    renewed: bool
    thread_local: bool


def terms(
    space: Space,
    key: str,
    version: int | None = None,
    timeout: float | timedelta | None = None,
    sleep: float = 0.1,
    blocking: bool = True,
    blocking_timeout: float | None = None,
    thread_local: bool = True,
    *,
    lease: float | timedelta | None = None,
) -> Terms:
    """A lock of this name, not yet acquired: ``with cache.lock("k"): ...``, for tasks ``async with``.

    *timeout*: the lease, in seconds; None: 30, renewed within ``with``.
    *blocking_timeout*: the longest wait; None: for ever. *sleep*: how long it waits to be woken at
    most, before it looks for itself. *thread_local*: a thread that shares the object holds what it has
    acquired itself, no more. *lease*: the lease too; with it *timeout* is the longest wait.

    :raises InvalidKey: the key can not be sent.
    :raises InvalidArgument: a time is no number of seconds, or negative, or the lease is 0.
    """
    limit = blocking_timeout
    if lease is not None:
        timeout, limit = lease, _wait_of(timeout, blocking_timeout)
    how = wait(sleep, blocking, limit)
    return Terms(key, lock(space, key, version, timeout), how, timeout is None, thread_local)


def _wait_of(timeout: float | timedelta | None, blocking_timeout: float | None) -> float | None:
    """The longest wait where the lease is given by its name."""
    if timeout is not None and blocking_timeout is not None:
        raise InvalidArgument("with lease= both timeout and blocking_timeout are the longest wait: give one")
    limit = blocking_timeout if timeout is None else timeout
    return limit.total_seconds() if isinstance(limit, timedelta) else limit


def lock(
    space: Space, key: str, version: int | None = None, timeout: float | timedelta | None = None
) -> Lock:
    """The lock of the name *key*, with a lease of *timeout* seconds; None: `LEASE`.

    :raises InvalidKey: the key can not be sent.
    :raises InvalidArgument: the lease is not longer than 0.
    """
    lease = milliseconds(LEASE if timeout is None else timeout)
    if lease is None or lease <= 0:
        raise InvalidArgument(f"{key!r}: the lease, {timeout!r}, must be longer than 0 seconds")
    wire = space.lock_key(key, version)
    return Lock(beside(b"lock", wire), beside(b"wake", wire), lease)


def wait(sleep: float, blocking: bool, limit: float | None) -> Wait:
    """How to wait; *limit* says how long at most where *blocking*, -1 or None: for ever.

    :raises InvalidArgument: a time is negative, or no number.
    """
    limit = None if limit == -1 else limit
    for name, seconds in (("sleep", sleep), ("blocking_timeout", limit or 0)):
        if not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST_WAIT:
            raise InvalidArgument(f"{name}={seconds!r}: give seconds, 0 or more; None waits for ever")
    return Wait(sleep, limit if blocking else 0)


def acquire(lock: Lock, wait: Wait, owner: bytes | None = None) -> Steps[Held | None]:
    """What shows that the lock is held now; None: others held it for all of the wait.

    None too where errors are ignored and nobody answered. *owner*: the owner's token, where it is not to
    be a new one. An acquire that is ended by any exception leaves nothing behind.

    The fence is the server's clock in microseconds, which has moved on between any two acquires of a
    lock. A server whose clock steps back hands out smaller ones until it has caught up: let servers slew.
    """
    if owner is None:
        owner = yield Token()
    trying = _Trying(lock, wait, owner)
    fence = yield from undone(trying.fence(), trying.abandoned)
    return Held(owner, fence) if fence else None


class _Trying:
    """An acquire on its way.

    :ivar waited: it was in the queue of waiters, so a wake-up may have come to it.
    """

    def __init__(self, lock: Lock, wait: Wait, owner: bytes) -> None:
        self._lock, self._wait, self._owner = lock, wait, owner
        self.waited = False

    def fence(self) -> Steps[int]:
        """The fencing token; 0: not acquired."""
        limit = self._wait.limit
        deadline = limit and (yield from Now()) + limit
        reply: int | None = yield from self._attempt()
        while reply == 0 and limit != 0:
            left = self._wait.sleep if deadline is None else deadline - (yield from Now())
            if left <= 0 and deadline is not None:
                break
            yield from self._woken(min(self._wait.sleep, left))
            reply = yield from self._attempt()
        return reply or 0  # nil where errors are ignored

    def _attempt(self) -> Steps[Reply]:
        lock, flags = self._lock, (_flag(self.waited), _flag(self._wait.limit != 0))
        return answered(lua.ACQUIRE, (lock.held,), (self._owner, lock.lease, *flags))

    def _woken(self, seconds: float) -> Steps[None]:
        self.waited = True
        seconds = max(seconds, 0.001)  # to the server 0 is for ever
        reply = yield from Command(WAIT, (self._lock.wake, on_wire_seconds(seconds)), as_sent)
        if reply == _NOT_ASKED:
            yield from Sleep(seconds)

    def abandoned(self) -> Steps[Reply]:
        keys, args = (self._lock.held, self._lock.wake), (self._owner, WAKE_MS, _flag(self.waited))
        return answered(lua.ABANDON, keys, args)


def release(lock: Lock, owner: bytes) -> Steps[bool]:
    """True: the lock was held with this token, and is free now. False: it was not, and stays as it is.

    True too where errors are ignored and nobody answered. Also a caller that is cancelled releases.
    """
    keys, args = (lock.held, lock.wake), (owner, WAKE_MS)
    reply = yield from insisted(partial(answered, lua.RELEASE, keys, args))
    return bool(reply != 0)


def extend(lock: Lock, owner: bytes, by: float | timedelta, *, replace: bool = False) -> Steps[bool | None]:
    """True: the lease is *by* seconds longer, or with *replace* ends after these. False: it is not held so.

    None where errors are ignored and nobody answered.

    :raises InvalidArgument: *by* is not longer than 0; nothing was sent.
    """
    return (yield from _extended(lock, owner, added(by), b"=" if replace else b"+"))


def added(by: float | timedelta) -> int:
    """By how many ms a lease is extended.

    :raises InvalidArgument: *by* is no time, or not longer than 0.
    """
    made = milliseconds(by)
    if made is None or made <= 0:
        raise InvalidArgument(f"a lease is extended by more than 0 seconds, not by {by!r}")
    return made


def restart(lock: Lock, owner: bytes) -> Steps[bool | None]:
    """`extend`, so that the whole of the lock's own lease is left, no more."""
    return _extended(lock, owner, lock.lease, b"=")


def renew(lock: Lock, owner: bytes) -> Steps[bool | None]:
    """`extend`, so that the whole of the lock's own lease is left, or what an `extend` has made of it."""
    return _extended(lock, owner, lock.lease, b">")


def _extended(lock: Lock, owner: bytes, lease: int, how: bytes) -> Steps[bool | None]:
    reply = yield from answered(lua.EXTEND, (lock.held,), (owner, lease, how))
    return None if reply is None else reply == 1


def locked(lock: Lock) -> Command[bool]:
    """Whether anybody holds the lock."""
    return Command(GET_FRESH, (lock.held,), lambda reply: reply is not None)


def owned(lock: Lock, owner: bytes) -> Command[bool]:
    """Whether the lock is held with this token."""
    return Command(GET_FRESH, (lock.held,), lambda reply: reply is not None and reply[1:] == owner)


def _flag(flag: bool) -> bytes:
    return b"1" if flag else b"0"
