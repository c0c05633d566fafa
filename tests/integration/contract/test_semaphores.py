"""semaphore, under threads and over every place.

Fails where more hold permits than there are, where one who came later is served first, where a stranger
frees what others hold, where permits that were lost are still believed in, or where anything of a semaphore
outlives its use.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.flying import PATIENCE, left_beside
from tests.integration.contract.places import Raw
from tests.scripts import until
from vkcache.errors import InvalidArgument, LockNotAcquired, LockNotOwned
from vkcache.shell import Client

HOLDERS = b"\xffvkcache:holders:{app:1:k}"
LINE = b"\xffvkcache:line:{app:1:k}"


def test_no_more_than_there_are(cache: Client) -> None:
    first, second, third = (cache.semaphore("k", 2) for _ in range(3))
    assert first.acquire() is second.acquire() is True
    assert third.acquire(blocking=False) is False
    assert third.acquire(False) is False
    assert third.acquire(timeout=0) is False
    assert third.acquire(timeout=0.01) is False
    assert cache.semaphore("k", 2, timeout=0.01).acquire() is False
    first.release()
    assert third.acquire(False) is True
    second.release()
    third.release()


def test_weights(cache: Client) -> None:
    light, heavy, heavier = (cache.semaphore("k", 5, weight=weight) for weight in (1, 3, 5))
    assert heavy.acquire(False) is True
    assert cache.semaphore("k", 5, weight=3).acquire(False) is False
    assert light.acquire(False) is light.acquire(False) is True
    assert light.acquire(False) is False
    heavy.release()
    assert heavier.acquire(False) is False
    light.release()
    light.release()
    assert heavier.acquire(False) is True
    assert light.acquire(False) is False
    heavier.release()


def test_names_and_versions_are_apart(make: Make, raw: Raw) -> None:
    cache = make()
    ones = [cache.semaphore("k", 1), cache.semaphore("l", 1), cache.semaphore("k", 1, version=2)]
    ones.append(make(prefix="other").semaphore("k", 1))
    assert all(one.acquire(False) for one in ones)
    assert [one.name for one in ones] == ["k", "l", "k", "k"]
    for one in ones:
        one.release()
    assert raw("KEYS", "*") == []


def test_it_is_no_value(cache: Client, raw: Raw) -> None:
    cache.set("k", "value")
    with cache.semaphore("k", 1) as permits, cache.lock("k"):
        assert cache.get("k") == "value"
        assert cache.keys() == ["k"]
        assert cache.clear() is True
        assert cache.delete_pattern("*") == 0
        assert cache.delete("k") is False
        permits.check()
        assert raw("ZCARD", HOLDERS) == 1
    assert raw("KEYS", "*") == []


def in_line(raw: Raw, number: int) -> None:
    """Wait until so many wait."""
    until(lambda: raw("ZCARD", LINE) == number, f"{number} wait")


def test_first_come_first_served(cache: Client, raw: Raw) -> None:
    served: list[int] = []

    def work(number: int) -> None:
        with cache.semaphore("k", 1):
            served.append(number)

    holder = cache.semaphore("k", 1)
    holder.acquire()
    with ThreadPoolExecutor(5) as pool:
        waiting = []
        for number in range(5):
            waiting.append(pool.submit(work, number))
            in_line(raw, number + 1)
        assert cache.semaphore("k", 1).acquire(False) is False
        holder.release()
        for one in waiting:
            one.result(PATIENCE)
    assert served == [0, 1, 2, 3, 4]
    assert left_beside(raw) == []


def test_who_wants_many_is_not_passed_by(cache: Client, raw: Raw) -> None:
    small, big = cache.semaphore("k", 2), cache.semaphore("k", 2, weight=2)
    small.acquire()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(big.acquire)
        in_line(raw, 1)
        assert cache.semaphore("k", 2).acquire(False) is False  # one is free, and not for who comes now
        assert not waiting.done()
        small.release()
        assert waiting.result(PATIENCE) is True
    big.release()
    assert left_beside(raw) == []


def test_who_gives_up_lets_the_next_one_by(cache: Client, raw: Raw) -> None:
    holder = cache.semaphore("k", 2)
    holder.acquire()
    with ThreadPoolExecutor(2) as pool:
        giving_up = pool.submit(cache.semaphore("k", 2, weight=2).acquire, timeout=0.3)
        in_line(raw, 1)
        small = cache.semaphore("k", 2)
        waiting = pool.submit(small.acquire)
        assert giving_up.result(PATIENCE) is False
        assert waiting.result(PATIENCE) is True
    small.release()
    holder.release()
    assert left_beside(raw) == []


def test_who_waits_is_woken(cache: Client, raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by asking again, which it would do only after long."""
    monkeypatch.setattr("vkcache.core.semaphores.POLL", PATIENCE)
    monkeypatch.setattr("vkcache.core.semaphores.PLACE_MS", 2000 * PATIENCE)
    holder, next_one = cache.semaphore("k", 1), cache.semaphore("k", 1)
    holder.acquire()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next_one.acquire)
        in_line(raw, 1)
        began = time.monotonic()
        holder.release()
        assert waiting.result(PATIENCE) is True
        assert time.monotonic() - began < PATIENCE / 2
    next_one.release()
    assert left_beside(raw) == []


def test_threads_share_permits(make: Make, raw: Raw) -> None:
    caches = (make(), make())
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(8):
            with caches[number % 2].semaphore("k", 3):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(work, number) for number in range(8)]:
            one.result(PATIENCE)
    assert len(most) == 64
    assert max(most) <= 3
    assert left_beside(raw) == []


def test_threads_may_share_the_object(cache: Client, raw: Raw) -> None:
    """Each holds what is its own, and may free what another acquired."""
    permits = cache.semaphore("k", 3)

    def work() -> bool:
        with permits:
            return permits.token is not None and not permits.lost

    with permits, ThreadPoolExecutor(1) as pool:
        mine = permits.token
        assert pool.submit(lambda: permits.token).result(PATIENCE) is None
        assert pool.submit(work).result(PATIENCE)
        assert permits.token == mine
    permits.acquire()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(permits.release).result(PATIENCE)
    assert permits.token is None
    assert raw("KEYS", "*") == []


def test_who_holds_nothing_can_free_nothing(cache: Client, raw: Raw) -> None:
    holder, stranger = cache.semaphore("k", 1), cache.semaphore("k", 1)
    holder.acquire()
    assert stranger.acquire(False) is False
    for call in (stranger.release, lambda: stranger.check()):
        with pytest.raises(LockNotOwned):
            call()
    assert raw("ZCARD", HOLDERS) == 1
    holder.release()
    with pytest.raises(RuntimeError):  # as what threading has for it
        holder.release()
    assert raw("KEYS", "*") == []


def test_the_fence_grows(cache: Client) -> None:
    tokens = []
    for _ in range(50):
        with cache.semaphore("k", 2) as permits:
            assert isinstance(permits.token, int)
            tokens.append(permits.token)
        assert permits.token is None
    assert tokens == sorted(set(tokens))


def test_what_others_hold_is_not_entered(cache: Client, raw: Raw) -> None:
    entered = False
    with cache.semaphore("k", 1):
        with pytest.raises(LockNotAcquired), cache.semaphore("k", 1, timeout=0.01):
            entered = True
        with pytest.raises(TimeoutError), cache.semaphore("k", 1, timeout=0):
            entered = True
    assert not entered
    assert raw("KEYS", "*") == []


def test_a_lease_that_ran_out_is_another_s(cache: Client, raw: Raw) -> None:
    first, second = cache.semaphore("k", 1, lease=0.05), cache.semaphore("k", 1)
    assert first.acquire()
    assert second.acquire(timeout=PATIENCE)
    assert (first.lost, second.lost) == (True, False)
    with pytest.raises(LockNotOwned):
        first.check()
    with pytest.raises(LockNotOwned):
        first.release()
    assert raw("ZCARD", HOLDERS) == 1
    second.check()
    second.release()
    assert raw("KEYS", "*") == []


def test_within_with_the_lease_is_renewed(cache: Client, raw: Raw) -> None:
    with cache.semaphore("k", 1, lease=1) as permits:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:  # what is waited for is that nothing happens
            permits.check()
            threading.Event().wait(0.02)
        assert cache.semaphore("k", 1).acquire(False) is False
    assert raw("KEYS", "*") == []


def test_permits_that_a_renewal_finds_gone_are_lost(cache: Client, raw: Raw) -> None:
    def lose() -> None:
        with cache.semaphore("k", 1, lease=3) as permits:
            permits.check()
            raw("DEL", HOLDERS)
            until(lambda: permits.lost, "the next renewal")
            with pytest.raises(LockNotOwned):
                permits.check()

    began = time.monotonic()
    with pytest.raises(LockNotOwned):
        lose()
    assert time.monotonic() - began < 2.5  # by a renewal, long before the lease has passed


def test_the_bodys_own_error_is_the_one_that_is_seen(cache: Client, raw: Raw) -> None:
    def lose(number: int) -> None:
        with cache.semaphore("k", 1):
            raw("DEL", HOLDERS)
            1 / number

    with pytest.raises(ZeroDivisionError):
        lose(0)
    with pytest.raises(LockNotOwned):
        lose(1)
    with pytest.raises(ZeroDivisionError), cache.semaphore("k", 1):
        raise ZeroDivisionError
    assert cache.semaphore("k", 1).acquire(False) is True


def test_all_that_is_kept_ends_with_the_lease(cache: Client, raw: Raw) -> None:
    holder = cache.semaphore("k", 1, lease=20)
    holder.acquire()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.semaphore("k", 1).acquire, timeout=0.5)
        in_line(raw, 1)
        assert all(0 < raw("PTTL", key) <= 30_000 for key in raw("KEYS", "*"))
        assert waiting.result(PATIENCE) is False
    assert raw("ZCARD", LINE) == 0
    assert all(0 < raw("PTTL", key) <= 30_000 for key in raw("KEYS", "*"))
    holder.release()
    assert raw("KEYS", "*") == []


def test_who_died_holding_or_waiting_is_dropped(cache: Client, raw: Raw) -> None:
    cache.semaphore("k", 2, weight=2, lease=0.05).acquire()  # and never released
    served = cache.semaphore("k", 2, weight=2)
    assert served.acquire(timeout=PATIENCE) is True
    for key, score in ((LINE, 1), (b"\xffvkcache:present:{app:1:k}", 1)):  # who waits, and asked in 1970 last
        raw("ZADD", key, score, "dead")
    raw("HSET", b"\xffvkcache:weights:{app:1:k}", "dead", 1)
    served.release()
    assert served.acquire(False) is True
    served.release()
    assert raw("KEYS", "*") == []


@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.semaphore("k", 0),
        lambda cache: cache.semaphore("k", 1.5),
        lambda cache: cache.semaphore("k", "x"),
        lambda cache: cache.semaphore("k", 2, weight=0),
        lambda cache: cache.semaphore("k", 2, weight=3),
        lambda cache: cache.semaphore("k", 2, lease=0),
        lambda cache: cache.semaphore("k", 2, lease="x"),
        lambda cache: cache.semaphore("k", 2, timeout=-5),
        lambda cache: cache.semaphore("k", 2, timeout=float("nan")),
        lambda cache: cache.semaphore("k", 2).acquire(False, 5),
        lambda cache: cache.semaphore("k", 2).acquire(timeout="x"),
    ],
)
def test_what_can_not_be_meant_is_refused(cache: Client, raw: Raw, call: Callable[[Client], Any]) -> None:
    with pytest.raises(InvalidArgument):
        call(cache)
    assert raw("DBSIZE") == 0
