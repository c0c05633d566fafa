"""Where client and server run: on one processor, on two, or wherever the scheduler puts them.

On loopback this decides more than any library does. A round trip between two processors waits for each of
them to wake up; on one processor the reply comes as soon as the server has written it. Left to itself the
scheduler changes between the two for seconds at a time, so that medians of the same code differ many times
over from run to run. Hence every suite runs under each placement, and each has tables of its own:

- together: waiting is shortest, so what a client itself takes shows most;
- apart: a wake-up is part of every call, as it is when the server is another machine;
- free: what happens when nobody looks after it.

A client's own threads that carry its bytes are part of it, and stand where it stands.

What may enter: a placement.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Placement:
    """*client* and *server* tell the processors that each may use; nobody is pinned where they are empty."""

    name: str
    title: str
    client: frozenset[int]
    server: frozenset[int]

    @contextmanager
    def held(self, servers: Sequence[int]) -> Iterator[None]:
        """Pins this process and the main threads of *servers*, and gives all back what this thread had."""
        if not self.client:
            yield
            return
        before = os.sched_getaffinity(0)
        _pin_all_threads(self.client)
        for pid in servers:
            os.sched_setaffinity(pid, self.server)
        try:
            yield
        finally:
            _pin_all_threads(before)
            for pid in servers:
                os.sched_setaffinity(pid, before)


def _pin_all_threads(processors: Set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), processors)


FREE = Placement("free", "client and server wherever the scheduler puts them", frozenset(), frozenset())


def placements() -> tuple[Placement, ...]:
    """Those that this machine allows: *free* alone where a system can not pin."""
    if not hasattr(os, "sched_getaffinity"):
        return (FREE,)
    usable = sorted(os.sched_getaffinity(0))
    first, last = frozenset(usable[:1]), frozenset(usable[-1:])
    together = Placement("together", "client and server share one processor", first, first)
    apart = Placement("apart", "client and server each on a processor of its own", first, last)
    return (together, apart, FREE) if first != last else (together,)
