"""jitter: keys that are stored together expire apart.

Fails where a time-out is not spread, is made longer, is another for the same key, or where one that is none
(for ever, passed already) is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import SECOND, lives
from vkcache.errors import InvalidArgument
from vkcache.shell import Client

NAMES = [str(number) for number in range(12)]

# Each stores a key for 100 seconds: in a cache of jitter 0.5, or of none.
BY_THE_CACHE: dict[str, Callable[[Client, str], Any]] = {
    "set": lambda cache, key: cache.set(key, 1, 100),
    "add": lambda cache, key: cache.add(key, 1, 100),
    "set_many": lambda cache, key: cache.set_many({key: 1}, 100),
    "mset": lambda cache, key: cache.mset({key: 1}, 100),
    "get_or_set": lambda cache, key: cache.get_or_set(key, 1, 100),
    "get_or_set call": lambda cache, key: cache.get_or_set(key, lambda: 1, 100),
    "touch": lambda cache, key: (cache.set(key, 1, None), cache.touch(key, 100)),
}
BY_THE_CALL: dict[str, Callable[[Client, str], Any]] = {
    "set": lambda cache, key: cache.set(key, 1, 100, jitter=0.5),
    "add": lambda cache, key: cache.add(key, 1, 100, jitter=0.5),
    "set_many": lambda cache, key: cache.set_many({key: 1}, 100, jitter=0.5),
    "mset": lambda cache, key: cache.mset({key: 1}, 100, jitter=0.5),
    "get_or_set": lambda cache, key: cache.get_or_set(key, 1, 100, jitter=0.5),
    "get_or_set call": lambda cache, key: cache.get_or_set(key, lambda: 1, 100, jitter=0.5),
}


def _ends(cache: Client, raw: Raw, store: Callable[[Client, str], Any]) -> list[int]:
    cache.delete_many(NAMES)
    for name in NAMES:
        store(cache, name)
    return [raw("PTTL", f"app:1:{name}") for name in NAMES]


def test_time_outs_are_spread_by_the_key(make: Make, raw: Raw) -> None:
    rows = [_ends(make(jitter=0.5), raw, store) for store in BY_THE_CACHE.values()]
    rows += [_ends(make(), raw, store) for store in BY_THE_CALL.values()]
    assert all(30 * SECOND < end <= 100 * SECOND for row in rows for end in row)
    first = rows[0]
    assert max(first) - min(first) > 20 * SECOND
    assert all(abs(end - its) < 10 * SECOND for row in rows for end, its in zip(row, first, strict=True))


def test_what_is_spread_is_never_longer_nor_for_ever_shorter(make: Make, raw: Raw) -> None:
    cache = make(jitter=0.9)
    cache.set("ever", 1, None)
    cache.set("soon", 1, 0.05)
    cache.set("k", 1, 100, jitter=0)
    assert raw("PTTL", "app:1:ever") == -1
    assert raw("PTTL", "app:1:soon") <= 50
    assert lives(raw, "app:1:k", 100 * SECOND)
    cache.set("k", 1, 0)
    assert raw("EXISTS", "app:1:k") == 0
    wrong: tuple[Any, ...] = (1, -0.5, "x")
    for jitter in wrong:
        with pytest.raises(InvalidArgument, match="jitter"):
            cache.set("k", 1, jitter=jitter)
