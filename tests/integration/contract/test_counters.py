"""incr and decr.

Fails where an addition is lost (threads, numbers beyond 64 bits), where the time to live changes,
or where something that is no number is added to.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import SECOND, lives
from vkcache.errors import InvalidArgument, KeyNotFound, WrongType
from vkcache.shell import Client

THREADS = 6
EACH = 40
MOST = 2**63 - 1
LEAST = -(2**63)


@pytest.mark.parametrize(
    ("stored", "delta", "total"),
    [
        (1, 1, 2),
        (1, -5, -4),
        (2**53, 1, 2**53 + 1),
        (MOST - 1, 1, MOST),
        (MOST, 1, MOST + 1),
        (MOST, MOST, 2 * MOST),
        (MOST + 1, -1, MOST),
        (LEAST, -1, LEAST - 1),
        (LEAST - 1, 1, LEAST),
        (10**30, 10**30, 2 * 10**30),
        (1, 10**30, 10**30 + 1),
        (1, 0.5, 1.5),
        (1.5, 1, 2.5),
        (1.5, 0.25, 1.75),
        (-0.5, -1, -1.5),
        (True, 1, 2),
    ],
)
def test_the_sum_is_exact(cache: Client, stored: float, delta: float, total: float) -> None:
    cache.set("k", stored)
    result = cache.incr("k", delta)
    assert (result, type(result)) == (total, type(total))
    found = cache.get("k")
    assert (found, type(found)) == (total, type(total))
    assert cache.decr("k", delta) == stored
    assert cache.get("k") == stored


@pytest.mark.parametrize("stored", [5, 2.5, 10**25])
@pytest.mark.parametrize("delta", [1, 0.5, 10**25])
def test_the_time_to_live_stays(cache: Client, raw: Raw, stored: float, delta: float) -> None:
    cache.set("k", stored, 60)
    cache.incr("k", delta)
    assert lives(raw, "app:1:k", 60 * SECOND)
    cache.set("ever", stored, None)
    cache.incr("ever", delta)
    assert raw("PTTL", "app:1:ever") == -1


@pytest.mark.parametrize("delta", [1, 0.5, 2**70])
def test_a_missing_key_is_an_error(cache: Client, raw: Raw, delta: float) -> None:
    for add in (cache.incr, cache.decr):
        with pytest.raises(KeyNotFound):
            add("k", delta)
        with pytest.raises(ValueError, match="k"):
            add("k", delta)
    assert raw("DBSIZE") == 0


@pytest.mark.parametrize("delta", [3, 0.5, 2**70])
def test_ignore_key_check_creates_without_a_timeout(cache: Client, raw: Raw, delta: float) -> None:
    assert cache.incr("k", delta, ignore_key_check=True) == delta
    assert cache.get("k") == delta
    assert raw("PTTL", "app:1:k") == -1
    assert cache.decr("down", delta, ignore_key_check=True) == -delta
    assert cache.incr("k", delta, ignore_key_check=True) == 2 * delta


@pytest.mark.parametrize("value", ["text", "5", None, [1], (1,), b"1"])
def test_what_is_no_number_stays(cache: Client, value: object) -> None:
    cache.set("k", value)
    for delta in (1, 0.5):
        with pytest.raises(WrongType, match="'k'"):
            cache.incr("k", delta)
    with pytest.raises(TypeError):
        cache.decr("k")
    assert cache.get("k") == value


def test_a_delta_that_is_no_number_is_refused(cache: Client) -> None:
    cache.set("k", 1)
    for add in (cache.incr, cache.decr):
        with pytest.raises(WrongType):
            add("k", "1")  # type: ignore[arg-type]  # what is tested
    assert cache.get("k") == 1


def test_a_list_is_the_wrong_type(cache: Client, raw: Raw) -> None:
    raw("LPUSH", "app:1:k", 1)
    for delta in (1, 0.5):
        with pytest.raises(WrongType):
            cache.incr("k", delta)


def test_an_unreadable_value_is_nothing_to_count_from(cache: Client, raw: Raw) -> None:
    raw("SET", "app:1:k", b"\xc1\x00\xc1")
    with pytest.raises(KeyNotFound):
        cache.incr("k")


def test_a_sum_that_no_float_holds_is_refused(cache: Client) -> None:
    cache.set("k", 10**400)
    with pytest.raises(InvalidArgument):
        cache.incr("k", 0.5)
    assert cache.get("k") == 10**400


def test_versions_count_apart(cache: Client) -> None:
    cache.set("k", 1)
    cache.set("k", 10, version=2)
    assert cache.incr("k", 1, 2) == 11
    assert cache.incr("k", version=2) == 12
    assert cache.decr("k", 2, 2) == 10
    assert cache.get("k") == 1


SMALL = (1, 1, 1, -1, 2, 3)
MIXED = (1, 1, 1, -1, 2**64, -(2**64) - 7)


@pytest.mark.parametrize(
    ("start", "deltas"), [(0, MIXED), (MOST - THREADS * EACH // 2, SMALL), (10**30, MIXED), (0.5, SMALL)]
)
def test_no_addition_is_lost(cache: Client, start: float, deltas: tuple[int, ...]) -> None:
    """Threads add small and large numbers to one key, across the border of 64 bits."""
    cache.set("k", start)

    def add(delta: int) -> None:
        for _ in range(EACH):
            cache.incr("k", delta)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(add, deltas))
    assert cache.get("k") == start + EACH * sum(deltas)
