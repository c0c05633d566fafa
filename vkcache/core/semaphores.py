"""Semaphores: so many permits, held by servers' leases for all who reach them, first come, first served.

Everyone has a token. Who finds no permits free waits in a line, by the server's clock, and blocks on a
list of its own for a bounded time, then asks again; only the first of the line is served, so those who
want many permits are not passed by for ever. Who gives permits back is told who can be served next, and
wakes that one. A lost wake-up costs time; who dies holding, or waiting, is dropped when its lease, or its
place in the line, has run out.

What may enter: the plans of semaphores, and what their callers' arguments mean.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final

from attrs import frozen

from vkcache.core import lua
from vkcache.core.endings import insisted, undone
from vkcache.core.freshness import positive
from vkcache.core.keyspace import beside
from vkcache.core.lists import LONGEST_WAIT, on_wire_seconds
from vkcache.core.locks import WAIT, WAKE_MS, Held
from vkcache.core.plan import Command, Now, Sleep, Steps, Token
from vkcache.core.replies import as_sent
from vkcache.core.scripts import answered
from vkcache.core.space import Space
from vkcache.errors import CacheError, InvalidArgument

POLL: Final = 1.0
"""The longest wait, in seconds, before who waits asks for itself."""

PLACE_MS: Final = 5000
"""For how long the place of who waits is kept without being asked again."""


@frozen
class Semaphore:
    """The name and the size of a semaphore, and how much of it is asked for.

    :ivar keys: those who hold, those who wait, those of them that live, how many permits each wants.
    :ivar lease: in milliseconds.
    """

    wire: bytes
    keys: tuple[bytes, ...]
    capacity: int
    weight: int
    lease: int

    def wake(self, token: bytes) -> bytes:
        """The list on which the caller with this *token* waits."""
        return beside(b"wake-" + token, self.wire)


@frozen
class Terms:
    """What a semaphore was asked for with.

    :ivar name: the user's own.
    :ivar limit: the longest wait in seconds; None: for ever.
    """

    name: str
    semaphore: Semaphore
    limit: float | None


def terms(
    space: Space,
    key: str,
    capacity: int,
    *,
    weight: int = 1,
    lease: float | timedelta = 30,
    timeout: float | None = None,
    version: int | None = None,
) -> Terms:
    """A semaphore of this name, nothing of it held yet: ``with cache.semaphore("k", 5): ...``, for tasks
    ``async with``.

    Of *capacity* permits each holder has *weight*. First come, first served. *lease*: after how many
    seconds the permits of a holder that died are free again; it is renewed within ``with``. *timeout*:
    the longest wait in seconds; None: for ever, 0: none. All who share the name should give the same
    *capacity*.

    :raises InvalidKey: the key can not be sent.
    :raises InvalidArgument: *capacity* or *weight* is no whole number above 0, or *weight* the greater one;
        or a time is no number of seconds, or negative, or the lease is 0.
    """
    for name, number in (("capacity", capacity), ("weight", weight)):
        if not isinstance(number, int) or not 0 < number < 2**31:
            raise InvalidArgument(f"{key!r}: {name}={number!r}: give a whole number above 0")
    if weight > capacity:
        raise InvalidArgument(f"{key!r}: weight={weight} is more than all of capacity={capacity}")
    wire = space.key(key, version)
    keys = tuple([beside(kind, wire) for kind in (b"holders", b"line", b"present", b"weights")])
    semaphore = Semaphore(wire, keys, capacity, weight, positive("lease", lease))
    return Terms(key, semaphore, limit(timeout))


def limit(timeout: float | None) -> float | None:
    """The longest wait; None, and -1 as `threading` has it: for ever.

    :raises InvalidArgument: it is no number of seconds, or negative.
    """
    if timeout is None or timeout == -1:
        return None
    if not isinstance(timeout, (int, float)) or not 0 <= timeout <= LONGEST_WAIT:
        raise InvalidArgument(f"timeout={timeout!r}: give seconds, 0 or more; None waits for ever")
    return timeout


def acquire(semaphore: Semaphore, limit: float | None = None) -> Steps[Held | None]:
    """What shows that the permits are held now; None: others held them for all of the wait.

    None too where errors are ignored and nobody answered. An acquire that is ended by any exception
    leaves nothing behind.
    """
    owner = yield from Token()
    fence = yield from undone(_fence(semaphore, owner, limit), partial(release, semaphore, owner))
    return Held(owner, fence) if fence else None


def _fence(semaphore: Semaphore, owner: bytes, limit: float | None) -> Steps[int]:
    """A number greater than that of all who held before; 0: not acquired."""
    deadline = limit and (yield from Now()) + limit
    while True:
        left = POLL if limit is None else 0.0 if not deadline else deadline - (yield from Now())
        place = PLACE_MS if left > 0 else 0
        args = (owner, semaphore.weight, semaphore.capacity, semaphore.lease, place)
        answer = yield from answered(lua.TAKE, semaphore.keys, args, repeatable=True)
        if answer is None:  # errors are ignored
            return 0
        fence: int = answer[0]
        yield from _woken(semaphore, answer[1], owner)
        if fence or not place:
            return fence
        yield from _wait(semaphore, owner, max(0.001, min(left, POLL)))


def _wait(semaphore: Semaphore, owner: bytes, seconds: float) -> Steps[None]:
    reply = yield from Command(WAIT, (semaphore.wake(owner), on_wire_seconds(seconds)), as_sent)
    if reply == b"":
        yield from Sleep(seconds)


def _woken(semaphore: Semaphore, token: bytes, owner: bytes) -> Steps[None]:
    """Wake the one with this *token*, if there is one."""
    if token and token != owner:
        with suppress(CacheError):  # it asks for itself before long
            yield from answered(lua.WAKE, (semaphore.wake(token),), (WAKE_MS,))


def release(semaphore: Semaphore, owner: bytes) -> Steps[bool]:
    """True: permits were held with this token, and are free now. False: none were, and none are waited for.

    True too where errors are ignored and nobody answered. Also a caller that is cancelled releases.
    """
    return insisted(partial(_given, semaphore, owner))


def _given(semaphore: Semaphore, owner: bytes) -> Steps[bool]:
    answer = yield from answered(lua.GIVE, semaphore.keys, (owner, semaphore.capacity))
    if answer is None:
        return True
    yield from _woken(semaphore, answer[1], owner)
    return bool(answer[0])


def renew(semaphore: Semaphore, owner: bytes) -> Steps[bool | None]:
    """True: the whole of the lease is left. False: no permits are held with this token.

    None where errors are ignored and nobody answered.
    """
    reply = yield from answered(lua.KEEP, semaphore.keys, (owner, semaphore.lease), repeatable=True)
    return None if reply is None else reply == 1
