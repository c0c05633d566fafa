"""Leases that are renewed while a body runs, for threads and for tasks.

What may enter: how a renewal is carried out, and ended. What it sends is a plan of the core's; when it is
due for threads is decided in `renewals`.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable

from vkcache.core.plan import Plan
from vkcache.errors import CacheError
from vkcache.shell.binding import AsyncExecute, Execute
from vkcache.shell.holding import Hold
from vkcache.shell.renewals import Renewal, renewals

Renew = Callable[[], Plan[bool | None]]
"""The plan that renews: True: done. False: it is lost. None: nobody answered, where errors are ignored."""


def kept(execute: Execute, renew: Renew, hold: Hold, lease: float) -> Renewal:
    """The renewal of *hold*, three times in a *lease* of so many seconds, in the thread of all renewals.

    It ends with whoever holds, whose ``with`` a signal may have ended before it began.
    """
    known = weakref.ref(hold)

    def renewed() -> bool:
        held, until = known(), time.monotonic() + lease
        if held is None:
            return False
        try:
            answer = execute(renew())
        except CacheError:
            answer = None
        return held.renewed(answer, until)

    renewal = Renewal(lease / 3, renewed)
    renewals().add(renewal)
    return renewal


async def keep(execute: AsyncExecute, renew: Renew, hold: Hold, lease: float) -> None:
    """Renew *hold*, three times in a *lease* of so many seconds, until it is lost or this is cancelled."""
    going_on = True
    while going_on:
        await asyncio.sleep(lease / 3)
        until = time.monotonic() + lease
        try:
            answer = await execute(renew())
        except CacheError:
            answer = None
        going_on = hold.renewed(answer, until)


def given_up(hold: Hold) -> None:
    """Renew it no more."""
    if isinstance(hold.renewal, Renewal):
        renewals().discard(hold.renewal)
    elif hold.renewal is not None:
        hold.renewal.cancel()
