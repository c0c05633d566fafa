"""The server's time, as a process knows it: asked for once a minute, counted on in between.

So hosts whose own clocks are wrong agree on what is stale, and a look at the clock is no round trip.

What may enter: when the server is asked, and what is taken for its time meanwhile. Who asks is a door.
"""

from __future__ import annotations

import time
from typing import Final

EVERY: Final = 60.0
"""For how many seconds the last answer is counted on."""

AGAIN: Final = 1.0
"""After how many seconds a server that did not answer is asked again."""


class Clock:
    """How far the server's Unix time is ahead of this process's monotonic clock."""

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._asked_again = 0.0

    def now(self) -> float | None:
        """The server's Unix time in seconds; None: whoever asks is to ask the server, and to tell."""
        moment = time.monotonic()
        if self._ahead is None:  # nothing to count on: all ask, but for a while after it did not answer
            return None if moment >= self._asked_again else time.time()
        if moment >= self._asked_again:
            self._asked_again = moment + EVERY  # one asks; the others count on what was known
            return None
        return self._ahead + moment

    def told(self, asked: float, answer: float | None) -> float:
        """The time now, when the server that was asked at *asked* (monotonic) has answered *answer*.

        None: it has not, or may not. What was known is counted on further, and before there is
        anything this host's own clock.
        """
        moment = time.monotonic()
        if answer is None:
            self._asked_again = moment + AGAIN
            return time.time() if self._ahead is None else self._ahead + moment
        self._asked_again = moment + EVERY
        self._ahead = answer - (asked + moment) / 2
        return self._ahead + moment
