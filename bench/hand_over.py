"""A lock that many want: how long it lies between one who releases it and the next.

Twenty wait for it while another holds it. Then each has it once, for a millisecond. Time is taken in the
order of the releases and acquires, which is the same for both since only one has the lock.

What may enter: how a lock is contended, and what is told of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import random
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Final, TypeAlias, cast

from audit import names
from suite import ONE_BY_ONE, Call, Driver

WAITERS: Final = 20
HELD: Final = 0.001
"""Seconds."""
ARRIVING: Final = 0.1
"""Seconds in which they come, one now and one then, so that those who poll do not all do so at once."""

Make: TypeAlias = Callable[[], Any]
"""A lock of the same name each time; the peers' ones have no class in common."""


class Contest:
    """The seconds of each hand-over; they are remembered, as two measures tell of the same contest."""

    def __init__(self, contested: Callable[[], list[float]]) -> None:
        self._contested = contested
        self.last: list[float] = []

    def __call__(self) -> list[float]:
        self.last = self._contested()
        return self.last


def among_threads(make: Make) -> Callable[[], list[float]]:
    """A contest of threads."""

    def contested() -> list[float]:
        freed: list[float] = []
        taken: list[float] = []

        def turn() -> None:
            time.sleep(random() * ARRIVING)
            lock = make()
            lock.acquire()
            taken.append(perf_counter())
            time.sleep(HELD)
            freed.append(perf_counter())
            lock.release()

        first = make()
        first.acquire()
        with ThreadPoolExecutor(WAITERS) as pool:
            turns = [pool.submit(turn) for _ in range(WAITERS)]
            time.sleep(ARRIVING + HELD)
            freed.append(perf_counter())
            first.release()
            for one in turns:
                one.result()
        return _between(freed, taken)

    return contested


def among_tasks(make: Make) -> Callable[[], Coroutine[Any, Any, list[float]]]:
    """A contest of tasks."""

    async def contested() -> list[float]:
        freed: list[float] = []
        taken: list[float] = []

        async def turn() -> None:
            await asyncio.sleep(random() * ARRIVING)
            lock = make()
            await lock.acquire()
            taken.append(perf_counter())
            await asyncio.sleep(HELD)
            freed.append(perf_counter())
            await lock.release()

        first = make()
        await first.acquire()
        async with asyncio.TaskGroup() as group:
            for _ in range(WAITERS):
                group.create_task(turn())
            await asyncio.sleep(ARRIVING + HELD)
            freed.append(perf_counter())
            await first.release()
        return _between(freed, taken)

    return contested


def _between(freed: Sequence[float], taken: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in zip(freed, taken, strict=False)]


def _middle(call: Call, times: int) -> float:
    return median([seconds for _ in range(times) for seconds in cast(list[float], call())])


def _end(call: Call, _times: int) -> float:
    return quantiles(cast(list[float], call()), n=100, method="inclusive")[-1]


in_the_middle: Final = Driver(ONE_BY_ONE.once, _middle)
at_the_end: Final = Driver(ONE_BY_ONE.once, _end)


def one_by_one(answer: object) -> bool:
    """Whether each of those who wanted it had it once, one after the other."""
    taken = cast(list[float], answer)
    return len(taken) == WAITERS and min(taken) > 0


def per_hand_over(commands: Sequence[str]) -> str:
    """How many commands a server carried out for each hand-over, those that scripts call among them."""
    counted = Counter(names(commands)).most_common()
    each = ", ".join(f"{times / WAITERS:.1f} {name}" for name, times in counted)
    return f"{len(commands) / WAITERS:.1f} a hand-over: {each}"


def as_above(_commands: Sequence[str]) -> str:
    """For what is told of the contest of another measure."""
    return "as above"
