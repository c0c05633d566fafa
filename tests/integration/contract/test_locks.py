"""lock, under threads and over every place.

Fails where two hold a lock at once, where a stranger frees it, where it can be taken for a value or falls to
clear(), where a wait takes longer than it was allowed, or where a lock that was lost is still believed in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from tests.integration.contract.ways import Way
from tests.scripts import until
from vkcache.core import locks
from vkcache.errors import InvalidArgument, LockNotAcquired, LockNotOwned
from vkcache.shell import Client

HELD = b"\xffvkcache:lock:{app:1:k}"
PATIENCE = 20


def test_one_holds_it_at_a_time(cache: Client) -> None:
    mine, other = cache.lock("k"), cache.get_lock("k")
    assert (mine.locked(), mine.owned(), mine.token) == (False, False, None)
    assert mine.acquire() is True
    assert (other.locked(), mine.owned(), other.owned()) == (True, True, False)
    assert other.acquire(blocking=False) is False
    assert other.acquire(False) is False
    assert other.acquire(0) is False  # type: ignore[arg-type]  # threading.Lock takes it too
    assert other.acquire(timeout=0.01) is False
    assert other.acquire(blocking_timeout=0, sleep=5) is False
    assert cache.lock("k", blocking=False).acquire() is False
    mine.release()
    assert (mine.locked(), other.acquire(False)) == (False, True)
    other.release()


@pytest.mark.parametrize("acquired", [True, False])
def test_who_does_not_hold_it_can_not_free_it(cache: Client, acquired: bool) -> None:
    holder, stranger = cache.lock("k"), cache.lock("k")
    holder.acquire()
    if acquired:
        assert stranger.acquire(False) is False
    for call in (stranger.release, stranger.reacquire, lambda: stranger.extend(1), stranger.check):
        with pytest.raises(LockNotOwned):
            call()
    assert holder.owned()
    holder.release()
    with pytest.raises(RuntimeError):  # as threading.Lock has it
        holder.release()


def test_a_lease_that_ran_out_is_another_s(cache: Client, raw: Raw) -> None:
    first, second = cache.lock("k", timeout=0.05), cache.lock("k")
    assert first.acquire()
    assert second.acquire(timeout=PATIENCE)
    assert (first.owned(), first.lost, second.lost) == (False, True, False)
    for call in (first.check, first.reacquire, lambda: first.extend(1), first.release):
        with pytest.raises(LockNotOwned):
            call()
    assert second.owned()
    assert raw("EXISTS", HELD) == 1
    second.release()


def test_the_fence_grows(cache: Client) -> None:
    tokens = []
    for _ in range(200):
        with cache.lock("k") as lock:
            tokens.append(lock.token)
    assert all(isinstance(token, int) for token in tokens)
    assert tokens == sorted(set(tokens), key=lambda token: token or 0)


def test_a_lease_is_as_long_as_it_was_asked_for(cache: Client, raw: Raw) -> None:
    lock = cache.lock("k", timeout=50)
    lock.acquire()
    assert 49_000 < raw("PTTL", HELD) <= 50_000
    assert lock.extend(10) is True
    assert 59_000 < raw("PTTL", HELD) <= 60_000
    assert lock.extend(5.5, replace_ttl=True) is True
    assert 4_500 < raw("PTTL", HELD) <= 5_500
    assert lock.reacquire() is True
    assert 49_000 < raw("PTTL", HELD) <= 50_000
    lock.release()
    with cache.lock("k"):
        assert 29_000 < raw("PTTL", HELD) <= 30_000


def test_it_is_no_value(cache: Client, raw: Raw) -> None:
    cache.set("k", "value")
    with cache.lock("k") as lock, cache.lock("k", version=2), cache.lock("{tag}k"):
        assert cache.get("k") == "value"
        assert cache.keys() == ["k"]
        assert cache.keys("*lock*") == []
        assert cache.clear() is True
        assert cache.delete_pattern("*") == 0
        assert lock.owned()
        assert sorted(raw("KEYS", "*")) == sorted(
            [HELD, b"\xffvkcache:lock:{app:2:k}", b"\xffvkcache:lock::app:1:{tag}k"]
        )
    assert cache.get("k") is None
    assert raw("KEYS", "*") == []


def test_no_prefix_reaches_it(make: Make, raw: Raw) -> None:
    with make().lock("k"):
        for prefix in ("", "\udcffvkcache", "*", "\udcffvkcache:lock:{app"):
            cache = make(prefix=prefix)
            assert cache.keys() == cache.keys("*") == []
            assert cache.clear() is True
        assert raw("EXISTS", HELD) == 1


def test_who_waits_is_woken(cache: Client) -> None:
    """Not by a look at the lock, which it would take only after long."""
    holder = cache.lock("k")
    holder.acquire()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.lock("k", sleep=PATIENCE).acquire)
        marked(cache, "k")
        began = time.monotonic()
        holder.release()
        assert waiting.result(PATIENCE) is True
        assert time.monotonic() - began < PATIENCE / 2


def marked(cache: Client, key: str) -> None:
    """Wait until somebody waits for the lock."""
    held = locks.lock(cache.space, key).held.decode("utf-8", "surrogateescape")
    script = "return redis.call('GETRANGE', KEYS[1], 0, 0)"
    until(lambda: cache.eval_script(script, keys=[held]) == b"1", "a waiter")


def test_threads_take_turns(cache: Client) -> None:
    inside: list[int] = []
    counted = [0]

    def work() -> None:
        for _ in range(10):
            with cache.lock("k"):
                inside.append(1)
                assert len(inside) == 1
                counted[0] += 1
                inside.pop()

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(work) for _ in range(8)]:
            one.result(PATIENCE)
    assert counted == [80]


def test_what_others_hold_is_not_entered(cache: Client) -> None:
    entered = False
    with cache.lock("k"):
        with pytest.raises(LockNotAcquired), cache.lock("k", blocking_timeout=0.01):
            entered = True
        with pytest.raises(TimeoutError), cache.lock("k", blocking=False):
            entered = True
    assert not entered


def test_the_bodys_own_error_is_the_one_that_is_seen(cache: Client, raw: Raw) -> None:

    def lose(number: int) -> None:
        with cache.lock("k"):
            raw("DEL", HELD)
            1 / number

    with pytest.raises(ZeroDivisionError):
        lose(0)
    with pytest.raises(LockNotOwned):
        lose(1)
    with pytest.raises(ZeroDivisionError), cache.lock("k"):
        raise ZeroDivisionError
    assert not cache.lock("k").locked()


def test_within_with_the_lease_is_renewed(cache: Client, raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LEASE", 0.6)
    with cache.lock("k") as lock:
        held_for(lock.check, 1.0)
        assert lock.owned()
    assert raw("EXISTS", HELD) == 0
    with cache.lock("k") as lock:
        assert lock.extend(60)
        held_for(lock.check, 0.3)
        assert raw("PTTL", HELD) > 50_000  # no renewal makes it shorter


def held_for(check: Callable[[], Any], seconds: float) -> None:
    """Check for so long; what is waited for is that nothing happens."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check()
        threading.Event().wait(0.02)


def test_a_given_lease_is_not_renewed(cache: Client) -> None:
    def outstay() -> None:
        with cache.lock("k", timeout=0.1) as lock:
            until(lambda: lock.lost, "the end of the lease")
            until(lambda: not lock.owned(), "the end of the key")

    with pytest.raises(LockNotOwned):
        outstay()


def test_a_lock_that_a_renewal_finds_gone_is_lost(
    cache: Client, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LEASE", 3)

    def lose() -> None:
        with cache.lock("k") as lock:
            lock.check()
            raw("SET", HELD, b"0another")
            until(lambda: lock.lost, "the next renewal")
            with pytest.raises(LockNotOwned):
                lock.check()

    began = time.monotonic()
    with pytest.raises(LockNotOwned):
        lose()
    assert time.monotonic() - began < 2.5  # by a renewal, long before the lease has passed
    assert raw("GET", HELD) == b"0another"


@pytest.mark.parametrize("thread_local", [True, False])
def test_whose_lock_it_is(cache: Client, way: Way, thread_local: bool) -> None:
    if way.awaits and thread_local:
        pytest.skip("all tasks of a loop are in its one thread")
    lock = cache.lock("k", thread_local=thread_local)
    lock.acquire()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lock.owned).result(PATIENCE) is not thread_local
        assert (pool.submit(lambda: lock.token).result(PATIENCE) is None) is thread_local
    assert lock.owned()
    lock.release()


def test_a_token_of_the_callers_own(cache: Client, raw: Raw) -> None:
    lock = cache.lock("k")
    assert lock.acquire(token="mine")
    assert raw("GET", HELD) == b"0mine"
    lock.release()


@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.lock("k", timeout=0),
        lambda cache: cache.lock("k", sleep=-1),
        lambda cache: cache.lock("k", blocking_timeout=-5),
        lambda cache: cache.lock("k").acquire(False, 5),
        lambda cache: cache.lock("k").acquire(timeout="x"),
    ],
)
def test_what_can_not_be_meant_is_refused(cache: Client, call: Callable[[Client], Any]) -> None:
    with pytest.raises(InvalidArgument):
        call(cache)
