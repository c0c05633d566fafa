"""The thread that renews the leases of all locks that this process holds.

One daemon thread a process, begun with the first lease. A child after fork has none of its parent's
leases, and begins its own thread. A server that does not answer delays the others' renewals by one
time-out, which a third of a lease, the time between two, has to outlast.

What may enter: when a lease is due. What renewing means is told by whoever adds one.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from attrs import define, field

log = logging.getLogger("vkcache")

LONGEST: Final = 86_400.0
"""For how many seconds the thread waits at most; a system can not wait for any number of them."""


@define(eq=False)
class Renewal:
    """Something to be done *every* so many seconds, until it answers False."""

    every: float
    renew: Callable[[], bool]
    due: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.due = time.monotonic() + self.every


class Renewals:
    """What is to be renewed, and the thread that does it."""

    def __init__(self) -> None:
        self._all: set[Renewal] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._next = float("inf")

    def add(self, renewal: Renewal) -> None:
        """Renew it from now on."""
        with self._changed:
            self._all.add(renewal)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vkcache-renewals", daemon=True)
                self._thread.start()
            if renewal.due < self._next:
                self._next = renewal.due
                self._changed.notify()

    def discard(self, renewal: Renewal) -> None:
        """Renew it no more; one that is being renewed this very moment comes to its end."""
        with self._changed:
            self._all.discard(renewal)

    def _run(self) -> None:
        while True:
            for renewal in self._awaited():
                try:
                    going_on = renewal.renew()
                except Exception:  # of one cache; the others' leases must not suffer
                    log.exception("A lease was not renewed")
                    going_on = True
                renewal.due = time.monotonic() + renewal.every
                if not going_on:
                    self.discard(renewal)

    def _awaited(self) -> list[Renewal]:
        """Those that are due, as soon as there are any."""
        with self._changed:
            while True:
                now = time.monotonic()
                due = [renewal for renewal in self._all if renewal.due <= now]
                if due:
                    return due
                if self._next <= now:  # else it was for one that is gone; not to be woken anew is cheaper
                    self._next = min((renewal.due for renewal in self._all), default=float("inf"))
                self._changed.wait(min(self._next - now, LONGEST))


_of_process = Renewals()


def renewals() -> Renewals:
    """Those of this process."""
    return _of_process


def _begin_anew() -> None:
    global _of_process
    _of_process = Renewals()


os.register_at_fork(after_in_child=_begin_anew)
