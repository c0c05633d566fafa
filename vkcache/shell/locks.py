"""Locks as their users hold them: `Lock` for threads, `AsyncLock` for tasks.

What may enter: which plan of `core.locks` a call carries out, and who renews a lease meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator, Hashable
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from vkcache.core import locks
from vkcache.errors import CacheError, LockNotOwned
from vkcache.shell.binding import AsyncExecute, Execute
from vkcache.shell.holding import Hold, Holder, this_task
from vkcache.shell.keeping import given_up, keep, kept


class Lock(Holder):
    """A lock that threads, processes and hosts share, with the interface of `threading.Lock`.

    ``with cache.lock("k"): ...`` holds it for the body. Without a *timeout*, the lease, it is held for
    30 seconds, and renewed every 10 for as long as the body runs; a given one is not renewed. A body
    that runs long asks `check` or `lost` whether it holds the lock still.

    With *thread_local* a thread that shares this object holds what it has acquired itself, no more.
    """

    def __init__(self, execute: Execute, terms: locks.Terms) -> None:
        super().__init__(terms)
        self._execute = execute

    def acquire(
        self,
        blocking: bool | None = None,
        timeout: float | None = None,
        *,
        sleep: float | None = None,
        blocking_timeout: float | None = None,
        token: str | bytes | None = None,
    ) -> bool:
        """True: it is held now. False: others held it for all of the wait, or nobody answered where
        errors are ignored.

        As `threading.Lock` has it: ``acquire(False)`` tries once, ``acquire(timeout=5)`` waits for 5
        seconds at most and ``timeout=-1`` for ever; *blocking_timeout* is another name of it. What is
        left out is as the lock was made with. *token*: the owner's token, where it is not to be random.

        :raises InvalidArgument: a time is no number of seconds, or given with ``blocking=False``.
        """
        asking = self._acquiring(blocking, (timeout, blocking_timeout), sleep, token)
        return self._took(self._execute(asking), asking.at)

    def release(self) -> None:
        """Free it, and wake one of those who wait.

        :raises LockNotOwned: it is not held by this object; whoever holds it keeps it.
        """
        self._free(self._given_up())

    def _free(self, hold: Hold) -> None:
        given_up(hold)
        try:
            freed = self._execute(locks.release(self._lock, hold.held.owner))
        except CacheError as error:
            hold.not_released(error)
            self._put_back(hold)  # so that it can be released again
            raise
        self._released(hold, freed)

    def locked(self) -> bool:
        """Whether anybody holds it."""
        return self._execute(locks.locked(self._lock))

    def owned(self) -> bool:
        """Whether this object holds it; the server is asked."""
        hold = self._hold
        return hold is not None and self._execute(locks.owned(self._lock, hold.held.owner))

    def extend(self, additional_time: float | timedelta, replace_ttl: bool = False) -> bool:
        """True: the lease is so many seconds longer; with *replace_ttl* it ends after these.

        False: nobody answered, where errors are ignored.

        :raises LockNotOwned: it is not held by this object.
        :raises InvalidArgument: the time is no number of seconds, or not above 0.
        """
        hold, until = self._longer(additional_time, replace_ttl)
        plan = locks.extend(self._lock, hold.held.owner, additional_time, replace=replace_ttl)
        return self._extended(hold, self._execute(plan), until)

    def reacquire(self) -> bool:
        """True: the lease begins anew. False: nobody answered, where errors are ignored.

        :raises LockNotOwned: it is not held by this object.
        """
        hold, until = self._mine(), time.monotonic() + self._lease
        return self._extended(hold, self._execute(locks.restart(self._lock, hold.held.owner)), until)

    def __enter__(self) -> Self:
        """
        :raises LockNotAcquired: others held it for all of the wait.
        """
        if not self.acquire():
            raise self._not_acquired()
        hold = self._entered()
        if self._terms.renewed:
            plan = partial(locks.renew, self._lock, hold.held.owner)
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


class AsyncLock(Holder):
    """`Lock` for asyncio: ``async with client.lock("k"): ...``; also where it is awaited first.

    The object may be shared by tasks; each body holds what is its own. While it runs a task of its own
    renews the lease. A task that is cancelled while it acquires leaves nothing behind; one that is
    cancelled while it releases has released.
    """

    def __init__(self, execute: AsyncExecute, terms: locks.Terms) -> None:
        super().__init__(terms)
        self._execute = execute

    def __await__(self) -> Generator[Any, None, Self]:
        return self
        yield  # what makes this function a generator

    async def acquire(
        self,
        blocking: bool | None = None,
        timeout: float | None = None,
        *,
        sleep: float | None = None,
        blocking_timeout: float | None = None,
        token: str | bytes | None = None,
    ) -> bool:
        """See `Lock.acquire`."""
        asking = self._acquiring(blocking, (timeout, blocking_timeout), sleep, token)
        return self._took(await self._execute(asking), asking.at)

    async def release(self) -> None:
        """See `Lock.release`."""
        await self._free(self._given_up())

    async def _free(self, hold: Hold) -> None:
        given_up(hold)
        try:
            freed = await self._execute(locks.release(self._lock, hold.held.owner))
        except CacheError as error:
            hold.not_released(error)
            self._put_back(hold)
            raise
        self._released(hold, freed)

    async def locked(self) -> bool:
        """Whether anybody holds it."""
        return await self._execute(locks.locked(self._lock))

    async def owned(self) -> bool:
        """Whether this object holds it; the server is asked."""
        hold = self._hold
        return hold is not None and await self._execute(locks.owned(self._lock, hold.held.owner))

    async def extend(self, additional_time: float | timedelta, replace_ttl: bool = False) -> bool:
        """See `Lock.extend`."""
        hold, until = self._longer(additional_time, replace_ttl)
        plan = locks.extend(self._lock, hold.held.owner, additional_time, replace=replace_ttl)
        return self._extended(hold, await self._execute(plan), until)

    async def reacquire(self) -> bool:
        """See `Lock.reacquire`."""
        hold, until = self._mine(), time.monotonic() + self._lease
        return self._extended(hold, await self._execute(locks.restart(self._lock, hold.held.owner)), until)

    async def __aenter__(self) -> Self:
        """
        :raises LockNotAcquired: others held it for all of the wait.
        """
        if not await self.acquire():
            raise self._not_acquired()
        hold = self._entered()
        if self._terms.renewed:
            plan = partial(locks.renew, self._lock, hold.held.owner)
            renewing = keep(self._execute, plan, hold, self._lease)
            hold.renewal = asyncio.create_task(renewing, name=f"renews lock {self.name}")
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
