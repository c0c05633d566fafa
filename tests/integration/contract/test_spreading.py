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


def test_time_outs_are_spread_by_the_key(make: Make, raw: Raw) -> None:
    cache, plain = make(jitter=0.5), make()
    ways: list[Callable[[str], Any]] = [
        lambda key: cache.set(key, 1, 100),
        lambda key: cache.add(key, 1, 100),
        lambda key: cache.set_many({key: 1}, 100),
        lambda key: cache.mset({key: 1}, 100),
        lambda key: cache.get_or_set(key, lambda: 1, 100),
        lambda key: cache.get_or_set(key, 1, 100),
        lambda key: (cache.set(key, 1, None), cache.touch(key, 100)),
        lambda key: plain.set(key, 1, 100, jitter=0.5),
        lambda key: plain.add(key, 1, 100, jitter=0.5),
        lambda key: plain.set_many({key: 1}, 100, jitter=0.5),
        lambda key: plain.mset({key: 1}, 100, jitter=0.5),
        lambda key: plain.get_or_set(key, lambda: 1, 100, jitter=0.5),
    ]
    names = [str(number) for number in range(12)]
    ends: list[list[int]] = []
    for store in ways:
        for name in names:
            cache.delete(name)
            store(name)
        ends.append([raw("PTTL", f"app:1:{name}") for name in names])
    assert all(30 * SECOND < end <= 100 * SECOND for row in ends for end in row)
    assert max(ends[0]) - min(ends[0]) > 20 * SECOND
    assert all(
        abs(end - first) < 10 * SECOND for row in ends for end, first in zip(row, ends[0], strict=True)
    )


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
