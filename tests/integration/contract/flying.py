"""Computations that the tests of get_or_set begin, look at, and end.

What may enter: what a test needs in order to act while somebody computes. No test of anything.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from attrs import Factory, define

from tests.integration.contract.places import Raw
from tests.scripts import until
from vkcache.core.freshness import Age
from vkcache.core.keyspace import beside
from vkcache.shell import Client

PATIENCE = 20

OURS = b"\xffvkcache:"
"""How every key begins that is no value."""


@define
class Flight:
    """A default that computes *answer*, or raises it, once it is told to.

    :ivar calls: how often it was called.
    """

    answer: object
    calls: int = 0
    _begun: threading.Event = Factory(threading.Event)
    _ending: threading.Event = Factory(threading.Event)
    _result: Future[Any] = Factory(Future)

    def __call__(self) -> object:
        self.calls += 1
        self._begun.set()
        assert self._ending.wait(PATIENCE), "nobody has ended it"
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def land(self) -> Any:
        """It ends; what its get_or_set answers."""
        self.end()
        return self._result.result(PATIENCE)

    def end(self) -> None:
        self._ending.set()

    def begin(self, pool: ThreadPoolExecutor, cache: Client, key: str, **terms: Any) -> None:
        """Return when a get_or_set of *cache* is computing."""
        pool.submit(cache.get_or_set, key, self, **terms).add_done_callback(self._ended)
        until(lambda: self._begun.is_set() or self._result.done(), "somebody computes")

    def _ended(self, found: Future[Any]) -> None:
        error = found.exception()
        self._result.set_result(found.result()) if error is None else self._result.set_exception(error)


@contextmanager
def up(cache: Client, answer: object, key: str = "k", **terms: Any) -> Iterator[Flight]:
    """While the body runs a get_or_set of *cache*, one that does nothing else, computes *answer*."""
    flight = Flight(answer)
    with ThreadPoolExecutor(1) as pool:
        try:
            flight.begin(pool, cache, key, **terms)
            yield flight
        finally:
            flight.end()


def awaited(raw: Raw, wire: bytes = b"app:1:k") -> None:
    """Return when somebody waits for the one who computes."""
    until(lambda: raw("HEXISTS", beside(b"flight", wire), "waited"), "somebody waits")


def refused() -> Any:
    """A default that is not to be called."""
    raise AssertionError("this was to be answered without a computation")


def left_beside(raw: Raw) -> list[bytes]:
    """The keys beside values that do not go within a second or so by themselves."""
    return [key for key in raw("KEYS", "*") if key.startswith(OURS) and not -2 <= _left(raw, key) <= 1000]


def _left(raw: Raw, key: bytes) -> int:
    left: int = raw("PTTL", key)
    return left if left != -1 else 10**9


def put(cache: Client, raw: Raw, value: object, age: Age, key: str = "k") -> None:
    """Store what get_or_set would have stored at the time that *age* tells of; it lives for a minute."""
    wire = cache.space.key(key)
    raw("SET", wire, cache.space.encode_dated(value, age.fields, wire), "PX", 60_000)


def age(cache: Client, raw: Raw, key: str = "k") -> Age:
    """What the stored value tells of itself."""
    wire = cache.space.key(key)
    return Age.of(cache.space.sight(wire, raw("GET", wire)).fields)


def now(raw: Raw) -> int:
    """The server's Unix time in ms."""
    seconds, us = raw("TIME")
    return int(seconds) * 1000 + int(us) // 1000
