"""The words of the benchmark: a suite times its measures on its contenders.

What may enter: a type that more than one module needs. To add a measure, write one `Measure` in the
suite's module and one entry under its name in the calls of each contender that can do it; to add a
contender, write one `Contender`. Nothing else knows their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple, TypeAlias

Call: TypeAlias = Callable[[], object]
"""One operation of a contender, everything it needs already bound."""

Calls: TypeAlias = Mapping[str, Call]
"""The operations of one contender by the name of the measure; a measure that is not in it is not timed."""


class Address(NamedTuple):
    """Where the server of this run listens."""

    host: str
    port: int

    def url(self, scheme: str) -> str:
        return f"{scheme}://{self.host}:{self.port}/0"


Open: TypeAlias = Callable[[Address, str, ExitStack], Calls]
"""Connects a contender whose keys bear the prefix; what is to be closed at the end is put on the stack."""


@dataclass(frozen=True)
class Driver:
    """How the calls of a measure are made: *once* answers the result, *timed* the seconds per call."""

    once: Callable[[Call], object]
    timed: Callable[[Call, int], float]


def _in_a_row(call: Call, times: int) -> float:
    start = perf_counter()
    for _ in range(times):
        call()
    return (perf_counter() - start) / times


ONE_BY_ONE = Driver(once=lambda call: call(), timed=_in_a_row)


@dataclass(frozen=True)
class Target:
    """The most that a subject's time may be, as a multiple of that of *against*."""

    against: str
    at_most: float


@dataclass(frozen=True)
class Measure:
    """One operation: *per_slice* calls are timed together; *right* tells whether an answer is the true one.

    Without *right* any answer will do: for a write, the read that follows tells. *pace* is a target
    that is told against the same contender's time in another measure.
    """

    name: str
    title: str
    per_slice: int
    right: Callable[[object], bool] | None
    targets: tuple[Target, ...] = ()
    driver: Driver = ONE_BY_ONE
    pace: Target | None = None
    told: Callable[[Sequence[str]], str] | None = None
    """How the commands of one call are summed up, where not as a list."""


def slug(name: str) -> str:
    return re.sub(r"\W+", "-", name.lower())


@dataclass(frozen=True)
class Contender:
    """Somebody who does the operations. *open* may raise: then only this contender is left out.

    A *subject* is held to the targets.
    """

    name: str
    open: Open
    subject: bool = False

    @property
    def prefix(self) -> str:
        """The prefix of this contender's keys, so that no one reads what another wrote."""
        return slug(self.name)


@dataclass(frozen=True)
class Suite:
    """Measures and contenders that are run interleaved.

    Ratios are told against the *baselines*, the first of which is the floor; *same_bytes*: subjects are to
    send what it sends. *servers*: those that are asked beside the one of the run.
    """

    name: str
    measures: tuple[Measure, ...]
    contenders: tuple[Contender, ...]
    baselines: tuple[str, ...]
    servers: tuple[Address, ...] = ()
    same_bytes: bool = True
