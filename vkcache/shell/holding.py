"""What a process knows of the locks and permits that it holds, whichever kind of shell has acquired them.

What may enter: the state of a holder, and how its loss is told. Steps are carried out in `locks` and
`semaphores`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Hashable
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from attrs import define, field

from vkcache.core import locks
from vkcache.core.keyspace import on_wire
from vkcache.errors import CacheError, InvalidArgument, LockNotAcquired, LockNotOwned, Unreachable
from vkcache.shell.asking import Asking
from vkcache.shell.renewals import Renewal

_NOTHING_SAID = (None,) * 5


def this_task() -> Hashable:
    """The task that runs, None outside of tasks: who calls what is awaited."""
    with suppress(RuntimeError):  # no event loop runs here
        return asyncio.current_task()
    return None


@define(eq=False)
class Hold:
    """A lock, or permits, that this process holds, as far as it knows *until* then on the monotonic clock.

    :ivar perhaps_free: the answer to a release was lost.
    :ivar entered: a body of a semaphore's ``with`` gives it back.
    """

    held: locks.Held
    until: float
    lost: bool = False
    process: int = field(factory=os.getpid)
    renewal: Renewal | asyncio.Task[None] | None = None
    perhaps_free: bool = False
    entered: bool = False

    def not_released(self, error: CacheError) -> None:
        """A release has failed, perhaps after the server had carried it out; it may be asked for again."""
        self.perhaps_free |= isinstance(error, Unreachable) and error.maybe_executed

    def renewed(self, answer: bool | None, until: float) -> bool:
        """Whether to renew it again after this *answer*; None: the server was not asked."""
        if answer:
            self.until = max(self.until, until)
        self.lost = self.lost or answer is False
        return not self.lost


class Leased:
    """What is held by a lease, which a thread or a task asks about its own."""

    def __init__(self, kind: str, name: str) -> None:
        self._kind = kind
        self._name = name

    @property
    def name(self) -> str:
        """The key that it was asked for with."""
        return self._name

    @property
    def token(self) -> int | None:
        """The fencing token, greater with every acquire of this name; None where it is not held.

        A resource that remembers the greatest one and refuses smaller ones is safe from a holder that
        was stopped past its lease. It is the server's clock in microseconds: one that steps back hands
        out smaller ones until it has caught up.
        """
        hold = self._hold
        return None if hold is None else hold.held.fence

    @property
    def lost(self) -> bool:
        """Whether it was held and is no more: a renewal found it gone, or its lease has passed."""
        hold = self._hold
        return hold is not None and (hold.lost or time.monotonic() > hold.until)

    def check(self) -> None:
        """Nothing where it is held, as far as this process knows without asking.

        :raises LockNotOwned: it is not, or it was lost.
        """
        if self._hold is None or self.lost:
            raise self._not_owned()

    def _me(self) -> Hashable:
        """Who calls."""
        raise NotImplementedError

    @property
    def _hold(self) -> Hold | None:
        """What the caller holds, unless it is the parent's of a child after fork."""
        raise NotImplementedError

    def _released(self, hold: Hold, freed: bool) -> None:
        """Nothing where the server has freed it, or may have when it was asked before.

        :raises LockNotOwned: it was not held.
        """
        if not (freed or hold.perhaps_free):
            raise self._not_owned()

    def _not_owned(self) -> LockNotOwned:
        return LockNotOwned(f"{self._kind} {self._name!r}: not held, or its lease ran out: acquire it first")


class Holder(Leased):
    """What `Lock` and `AsyncLock` know alike: what they hold, and how its loss is told."""

    def __init__(self, terms: locks.Terms) -> None:
        super().__init__("lock", terms.name)
        self._terms = terms
        self._lock = terms.lock
        self._lease = terms.lock.lease / 1000
        self._own: Any = threading.local() if terms.thread_local else SimpleNamespace()
        # What each body of ``with`` holds, or None. Of an object that is shared `_own` knows the last only,
        # which may be another's where a body was stopped past its lease.
        self._bodies: dict[Hashable, Hold | None] = {}

    @property
    def _last(self) -> Hold | None:
        hold: Hold | None = getattr(self._own, "hold", None)
        return hold

    @property
    def _hold(self) -> Hold | None:
        hold = self._bodies.get(self._me(), self._last)
        return hold if hold is not None and hold.process == os.getpid() else None

    def _mine(self) -> Hold:
        hold = self._hold
        if hold is None:
            raise self._not_owned()
        return hold

    def _not_acquired(self) -> LockNotAcquired:
        return LockNotAcquired(f"lock {self._name!r}: others held it for all of blocking_timeout")

    def _acquiring(
        self,
        blocking: bool | None,
        limits: tuple[float | None, float | None],
        sleep: float | None,
        token: str | bytes | None,
    ) -> Asking[locks.Held | None]:
        own, (timeout, blocking_timeout) = self._terms.wait, limits
        if (blocking, *limits, sleep, token) == _NOTHING_SAID:
            return Asking(locks.acquire(self._lock, own), self._lock.held)
        limit = timeout if blocking_timeout is None else blocking_timeout
        patient = blocking is None or bool(blocking)
        if not patient and limit not in (None, -1):
            raise InvalidArgument("blocking=False waits for no time: leave timeout and blocking_timeout out")
        if limit is None and not (blocking and own.limit == 0):
            limit = own.limit
        wait = locks.wait(own.sleep if sleep is None else sleep, patient, limit)
        plan = locks.acquire(self._lock, wait, on_wire(token) if isinstance(token, str) else token)
        return Asking(plan, self._lock.held)

    def _took(self, held: locks.Held | None, asked: float) -> bool:
        if held is None:
            return False
        self._known(Hold(held, asked + self._lease))
        return True

    def _entered(self) -> Hold:
        """What the body that begins here holds."""
        self._bodies[self._me()] = hold = self._mine()
        return hold

    def _left(self) -> Hold:
        """What the body that ends here held, and gives up.

        Another thread or task may have begun it: a generator's body ends where that is closed, which for
        those that nobody iterates any more is a task of the event loop's.
        """
        if self._me() not in self._bodies and (hold := self._begun_elsewhere()) is not None:
            return hold
        try:
            return self._given_up()
        finally:
            self._bodies.pop(self._me(), None)

    def _begun_elsewhere(self) -> Hold | None:
        for body, hold in reversed(dict(self._bodies).items()):
            if hold is not None and hold.process == os.getpid():
                del self._bodies[body]
                if self._last is hold:
                    self._own.hold = None
                hold.lost = True  # to whoever began
                return hold
        return None

    def _given_up(self) -> Hold:
        hold = self._mine()
        if self._last is hold:
            self._own.hold = None
        for body, held in dict(self._bodies).items():
            if held is hold:
                self._bodies[body] = None
        return hold

    def _put_back(self, hold: Hold) -> None:
        if self._last is None:  # else another has acquired it since
            self._known(hold)

    def _known(self, hold: Hold) -> None:
        self._own.hold = hold
        if (me := self._me()) in self._bodies:
            self._bodies[me] = hold

    def _longer(self, by: float | timedelta, replace: bool) -> tuple[Hold, float]:
        """What is held, and until when, once its lease is *by* longer, or with *replace* ends after that."""
        hold, now = self._mine(), time.monotonic()
        return hold, (now if replace else hold.until) + locks.added(by) / 1000

    def _extended(self, hold: Hold, answer: bool | None, until: float) -> bool:
        if answer is False:
            hold.lost = True
            raise self._not_owned()
        if answer:
            hold.until = until
        return bool(answer)
