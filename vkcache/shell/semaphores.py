"""Semaphores as their users hold them: `Semaphore` for threads, `AsyncSemaphore` for tasks.

What may enter: which plan of `core.semaphores` a call carries out, and who holds what.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Generator, Hashable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from vkcache.core import semaphores
from vkcache.core.locks import Held
from vkcache.errors import CacheError, InvalidArgument, LockNotAcquired, LockNotOwned
from vkcache.shell.asking import Asking
from vkcache.shell.binding import AsyncExecute, Execute
from vkcache.shell.holding import Hold, Leased, this_task
from vkcache.shell.keeping import given_up, keep, kept


class Permits(Leased):
    """What `Semaphore` and `AsyncSemaphore` know alike: who holds what of it, and how its loss is told."""

    def __init__(self, terms: semaphores.Terms) -> None:
        super().__init__("semaphore", terms.name)
        self._terms = terms
        self._semaphore = terms.semaphore
        self._lease = terms.semaphore.lease / 1000
        # No lock goes with it, which a child after fork might find held for ever.
        self._holds: list[tuple[Hashable, Hold]] = []
        self._emptied: list[Hashable] = []  # whose bodies have nothing any more to give back at their ends

    @property
    def _hold(self) -> Hold | None:
        me = self._me()
        mine = [hold for owner, hold in self._rows() if owner == me]
        return mine[-1] if mine else None

    def _rows(self) -> list[tuple[Hashable, Hold]]:
        """What this process holds; in a child after fork what it holds itself.

        Made from a copy: of a list that another thread takes from meanwhile, an iteration leaves some out.
        """
        process = os.getpid()
        # No tuple: Python 3.11 crashes where garbage is collected for one, and the list shrinks meanwhile.
        return [row for row in list(self._holds) if row[1].process == process]

    def _not_acquired(self) -> LockNotAcquired:
        return LockNotAcquired(f"semaphore {self._name!r}: others held its permits for all of timeout")

    def _acquiring(self, blocking: bool, timeout: float | None) -> Asking[Held | None]:
        if not blocking and timeout is not None:
            raise InvalidArgument("blocking=False waits for no time: leave timeout out")
        given = self._terms.limit if timeout is None else semaphores.limit(timeout)
        plan = semaphores.acquire(self._semaphore, given if blocking else 0)
        return Asking(plan, self._semaphore.keys[0])

    def _took(self, held: Held | None, asked: float) -> Hold | None:
        if held is None:
            return None
        hold = Hold(held, asked + self._lease, entered=self._filled())
        self._holds.append((self._me(), hold))
        return hold

    def _given_up(self) -> tuple[Hashable, Hold]:
        """What this thread or task took last, else what another did; and who did."""
        row = self._taken_back(self._rows)
        if row[1].entered:
            self._emptied.append(row[0])
        return row

    def _left(self) -> tuple[Hashable, Hold]:
        """What a body gives back that ends: its own, though another thread or task ends it.

        A generator's body may be begun by one and ended by another, as the event loop does with those that
        nobody iterates any more.
        """
        if not self._own() and self._filled():
            raise self._not_owned()
        return self._taken_back(lambda: self._own() or [row for row in self._rows() if row[1].entered])

    def _filled(self) -> bool:
        """Whether a body of this thread or task had given back what it had, which is forgotten."""
        try:
            self._emptied.remove(self._me())
        except ValueError:
            return False
        return True

    def _own(self) -> list[tuple[Hashable, Hold]]:
        me = self._me()
        return [row for row in self._rows() if row[0] == me]

    def _taken_back(self, found: Callable[[], list[tuple[Hashable, Hold]]]) -> tuple[Hashable, Hold]:
        while rows := found():
            row = (self._own() or rows)[-1]
            with suppress(ValueError):  # another thread has just given that up
                self._holds.remove(row)
                given_up(row[1])
                return row
        raise self._not_owned()

    def _put_back(self, row: tuple[Hashable, Hold]) -> None:
        if row[1].entered:
            with suppress(ValueError):  # a body's end leaves none there
                self._emptied.remove(row[0])
        self._holds.append(row)


class Semaphore(Permits):
    """Permits that threads, processes and hosts share, with `threading.Semaphore`'s acquire and release.

    One `release` frees what one `acquire` took, however many permits that was.
    ``with cache.semaphore("k", 5): ...`` holds one for the body, and renews its lease meanwhile. The object
    may be shared by threads; each ``with`` holds what is its own.
    """

    def __init__(self, execute: Execute, terms: semaphores.Terms) -> None:
        super().__init__(terms)
        self._execute = execute

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """True: held now. False: others held them for all of the wait, or nobody answered where errors are
        ignored.

        *timeout*: the longest wait in seconds; None: as it was made with.

        :raises InvalidArgument: the time is no number of seconds, or given with ``blocking=False``.
        """
        asking = self._acquiring(blocking, timeout)
        return self._took(self._execute(asking), asking.at) is not None

    def release(self) -> None:
        """Free what this thread acquired last, else what another did, and wake who can be served next.

        :raises LockNotOwned: nothing of it is held by this object.
        """
        self._free(self._given_up())

    def _free(self, row: tuple[Hashable, Hold]) -> None:
        try:
            freed = self._execute(semaphores.release(self._semaphore, row[1].held.owner))
        except CacheError as error:
            row[1].not_released(error)
            self._put_back(row)  # so that it can be released again
            raise
        self._released(row[1], freed)

    def __enter__(self) -> Self:
        """
        :raises LockNotAcquired: others held the permits for all of the wait.
        """
        asking = self._acquiring(True, None)
        hold = self._took(self._execute(asking), asking.at)
        if hold is None:
            raise self._not_acquired()
        plan = partial(semaphores.renew, self._semaphore, hold.held.owner)
        hold.entered = True
        hold.renewal = kept(self._execute, plan, hold, self._lease)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """
        :raises LockNotOwned: it was lost meanwhile, and the body raised nothing of its own.
        """
        try:
            self._free(self._left())
        except LockNotOwned:
            if error is None:
                raise

    def _me(self) -> Hashable:
        return threading.get_ident()


class AsyncSemaphore(Permits):
    """`Semaphore` for asyncio: ``async with client.semaphore("k", 5): ...``; also where it is awaited first.

    The object may be shared by tasks. While the body runs a task of its own renews the lease.
    """

    def __init__(self, execute: AsyncExecute, terms: semaphores.Terms) -> None:
        super().__init__(terms)
        self._execute = execute

    def __await__(self) -> Generator[Any, None, Self]:
        return self
        yield  # what makes this function a generator

    async def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """See `Semaphore.acquire`."""
        asking = self._acquiring(blocking, timeout)
        return self._took(await self._execute(asking), asking.at) is not None

    async def release(self) -> None:
        """See `Semaphore.release`."""
        await self._free(self._given_up())

    async def _free(self, row: tuple[Hashable, Hold]) -> None:
        try:
            freed = await self._execute(semaphores.release(self._semaphore, row[1].held.owner))
        except CacheError as error:
            row[1].not_released(error)
            self._put_back(row)
            raise
        self._released(row[1], freed)

    async def __aenter__(self) -> Self:
        """
        :raises LockNotAcquired: others held the permits for all of the wait.
        """
        asking = self._acquiring(True, None)
        hold = self._took(await self._execute(asking), asking.at)
        if hold is None:
            raise self._not_acquired()
        plan = partial(semaphores.renew, self._semaphore, hold.held.owner)
        renewing = keep(self._execute, plan, hold, self._lease)
        hold.entered = True
        hold.renewal = asyncio.create_task(renewing, name=f"renews semaphore {self.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """
        :raises LockNotOwned: it was lost meanwhile, and the body raised nothing of its own.
        """
        try:
            await self._free(self._left())
        except LockNotOwned:
            if error is None:
                raise

    def _me(self) -> Hashable:
        return this_task()
