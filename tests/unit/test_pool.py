"""The pool of connections to one server, over connections made by hand.

Fails where more connections are open than the limit, a slot is lost by an error, a caller waits
though there is room, a broken connection is lent, or a busy one is polled before its use.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import libvalkey
import pytest

from tests.unit.nodes import Dialler, MadeConnection
from vkcache.core.plan import Reply
from vkcache.core.replies import Fault
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell.wire.pool import Pool

PING = b"*1\r\n$4\r\nPING\r\n"


class Clock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    standing = Clock()
    monkeypatch.setattr(time, "monotonic", standing)
    return standing


@pytest.fixture
def dialler() -> Dialler:
    return Dialler()


def made(dialler: Dialler, limit: int = 2, patience: float | None = 0.0, check_after: float = 0) -> Pool:
    return Pool(dialler, limit, patience, check_after)


def test_nothing_is_opened_before_it_is_needed(dialler: Dialler) -> None:
    made(dialler)
    assert dialler.opened == []


def test_the_last_connection_given_back_is_the_next_one_lent(dialler: Dialler) -> None:
    pool = made(dialler)
    first, second = pool.take(), pool.take()
    pool.give(first)
    pool.give(second)
    assert pool.take() is second
    assert pool.take() is first
    assert len(dialler.opened) == 2


def test_beyond_the_limit_a_caller_waits_for_its_patience_and_is_told_the_remedy(dialler: Dialler) -> None:
    pool = made(dialler, limit=1, patience=0.0)
    pool.take()
    with pytest.raises(TimedOut, match=r"max_connections=1 .*raise max_connections"):
        pool.take()


def test_whoever_waits_in_vain_does_not_wait_for_ever(dialler: Dialler) -> None:
    pool = made(dialler, limit=1, patience=0.001)
    pool.take()
    with pytest.raises(TimedOut):
        pool.take()


def waiting(pool: Pool, act: Callable[[], object]) -> object:
    """What a caller gets who is waiting for a connection when *act* is done."""
    got: list[object] = []

    def take() -> None:
        try:
            got.append(pool.take())
        except Exception as error:
            got.append(error)

    caller = threading.Thread(target=take, daemon=True)
    caller.start()
    while not pool._waiters:  # until it has begun to wait
        threading.Event().wait(0.001)
    act()
    caller.join(20)
    assert not caller.is_alive(), "nobody woke the caller"
    return got[0]


def test_whoever_waits_gets_the_connection_that_is_given_back(dialler: Dialler) -> None:
    pool = made(dialler, limit=1, patience=None)
    lent = pool.take()
    assert waiting(pool, lambda: pool.give(lent)) is lent


def test_whoever_waits_may_open_another_where_one_is_dropped(dialler: Dialler) -> None:
    pool = made(dialler, limit=1, patience=30)
    lent = pool.take()
    assert waiting(pool, lambda: pool.drop(lent)) is dialler.opened[1]


def test_whoever_waits_when_the_pool_is_closed_gets_a_new_one(dialler: Dialler) -> None:
    pool = made(dialler, limit=1, patience=None)
    lent = pool.take()
    fresh = waiting(pool, pool.close)
    assert fresh is dialler.opened[1]
    pool.give(lent)
    assert dialler.opened[0].closed
    pool.give(dialler.opened[1])
    assert pool.take() is fresh
    assert not pool._waiters
    assert len(pool._seats) == 1


def test_a_connection_that_can_not_be_opened_takes_no_room() -> None:
    def refuse() -> MadeConnection:
        raise Unreachable("refused")

    pool = made(Dialler(refuse), limit=1)
    for _ in range(3):
        with pytest.raises(Unreachable, match="refused"):
            pool.take()


def test_a_dropped_connection_is_closed_and_leaves_its_room(dialler: Dialler) -> None:
    pool = made(dialler, limit=1)
    pool.drop(pool.take())
    assert dialler.opened[0].closed
    assert pool.take() is dialler.opened[1]


def test_all_idle_connections_can_be_dropped(dialler: Dialler) -> None:
    pool = made(dialler, limit=3)
    lent = [pool.take() for _ in range(3)]
    pool.give(lent[0])
    pool.give(lent[1])
    pool.drop_idle()
    assert [connection.closed for connection in dialler.opened] == [True, True, False]
    assert [pool.take(), pool.take()] == dialler.opened[3:]


def test_close_closes_idle_connections_now_and_the_others_when_they_come_back(dialler: Dialler) -> None:
    pool = made(dialler)
    idle, busy = pool.take(), pool.take()
    pool.give(idle)
    pool.close()
    assert [connection.closed for connection in dialler.opened] == [True, False]
    pool.give(busy)
    assert dialler.opened[1].closed
    assert [pool.take(), pool.take()] == dialler.opened[2:]
    with pytest.raises(TimedOut):
        pool.take()


def test_a_connection_of_before_the_close_that_breaks_makes_no_room(dialler: Dialler) -> None:
    pool = made(dialler, limit=1)
    old = pool.take()
    pool.close()
    pool.take()
    pool.drop(old)
    with pytest.raises(TimedOut):
        pool.take()


def test_a_child_leaves_its_parents_sockets_alone(dialler: Dialler) -> None:
    pool = made(dialler, limit=1)
    lent = pool.take()
    with pool._lock:  # another thread of the parent's held it at the fork
        pool.leave_to_parent()
        assert pool.take() is dialler.opened[1]
    pool.give(lent)
    assert dialler.opened[0].closed


def test_a_connection_in_use_is_not_polled(dialler: Dialler, clock: Clock) -> None:
    pool = made(dialler)
    pool.give(pool.take())
    clock.now += 1.0
    pool.give(pool.take())
    assert dialler.opened[0].polled == 0


def test_one_that_was_idle_is_polled_and_replaced_where_it_does_not_stand(
    dialler: Dialler, clock: Clock
) -> None:
    pool = made(dialler, limit=1)
    pool.give(pool.take())
    clock.now += 1.1
    assert pool.take() is dialler.opened[0]
    assert dialler.opened[0].polled == 1
    assert dialler.opened[0].asked == []
    pool.give(dialler.opened[0])
    clock.now += 1.1
    dialler.opened[0].stands = False
    assert pool.take() is dialler.opened[1]
    assert dialler.opened[0].closed


def test_when_it_was_taken_is_what_counts(dialler: Dialler, clock: Clock) -> None:
    pool = made(dialler)
    connection = pool.take()
    assert connection.used == clock.now
    pool.give(connection)
    clock.now += 5
    assert pool.take().used == clock.now


def test_one_that_was_idle_for_long_is_asked(clock: Clock) -> None:
    dialler = Dialler()
    pool = made(dialler, limit=1, check_after=30)
    pool.give(pool.take())
    clock.now += 30
    pool.give(pool.take())
    assert dialler.opened[0].asked == []
    clock.now += 30.1
    assert pool.take() is dialler.opened[0]
    assert dialler.opened[0].asked == [PING]


def broken(_payload: bytes, _count: int) -> list[Reply]:
    raise ConnectionResetError


def refused(_payload: bytes, _count: int) -> list[Reply]:
    return [Fault("NOAUTH")]


def garbled(_payload: bytes, _count: int) -> list[Reply]:
    raise libvalkey.ProtocolError("odd byte")


def interrupted(_payload: bytes, _count: int) -> list[Reply]:
    raise KeyboardInterrupt


def test_an_interrupted_question_loses_no_room(clock: Clock) -> None:
    dialler = Dialler(lambda: MadeConnection(interrupted))
    pool = made(dialler, limit=1, check_after=30)
    pool.give(pool.take())
    clock.now += 31
    with pytest.raises(KeyboardInterrupt):
        pool.take()
    assert dialler.opened[0].closed
    assert pool.take() is dialler.opened[1]


@pytest.mark.parametrize("exchange", [broken, refused, garbled])
def test_one_that_does_not_answer_is_replaced(
    clock: Clock, exchange: Callable[[bytes, int], list[Reply]]
) -> None:
    dialler = Dialler(lambda: MadeConnection(exchange))
    pool = made(dialler, limit=1, check_after=30)
    pool.give(pool.take())
    clock.now += 31
    assert pool.take() is dialler.opened[1]
    assert dialler.opened[0].closed


def test_a_connection_that_is_lost_to_an_interruption_leaves_its_room() -> None:
    opened = 0

    def dial() -> MadeConnection:
        nonlocal opened
        opened += 1
        return MadeConnection()  # held by nobody but the pool and its callers

    pool = Pool(dial, 1, 0.5)
    for _ in range(3):
        pool.take()  # and forgotten, as where an exception strikes before it is given back
    assert opened == 3
    assert len(pool._seats) == 0


def test_callers_are_served_in_the_order_in_which_they_came() -> None:
    pool = Pool(MadeConnection, 1, 5.0)
    held = pool.take()
    order: list[int] = []

    def call(number: int) -> None:
        connection = pool.take()
        order.append(number)
        pool.give(connection)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(pool._waiters) <= number:  # until it has begun to wait
            time.sleep(0)
    pool.give(held)
    for _ in range(50):
        pool.give(pool.take())  # a caller that comes again and again pushes in front of nobody
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
