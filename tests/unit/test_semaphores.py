"""Who holds which permits, as `Semaphore` knows it. What is sent is answered by hand.

Fails where a thread takes another's permits for its own, or frees them though it holds some itself; where
those whose release failed can not be released again, or change hands; where a lost lease is not told; where
a child after fork takes its parent's permits for its own; where what others give back meanwhile ends the
process; or where ``with`` renews nothing, or goes on renewing.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import define

from tests.unit.feeding import SPACE
from tests.unit.permitting import Server
from vkcache.core import semaphores as plans
from vkcache.core.plan import Done, Plan
from vkcache.core.semaphores import terms
from vkcache.errors import InvalidArgument, LockNotAcquired, LockNotOwned, Unreachable
from vkcache.shell import asking, holding, keeping, semaphores
from vkcache.shell.renewals import Renewal
from vkcache.shell.semaphores import Semaphore

ROOT = Path(__file__).parents[2]


@define
class Times:
    """The monotonic clock."""

    passed: float = 50.0

    def monotonic(self) -> float:
        return self.passed


class Renewing:
    """What is renewed; no thread does it."""

    def __init__(self) -> None:
        self.all: list[Renewal] = []

    def add(self, renewal: Renewal) -> None:
        self.all.append(renewal)

    def discard(self, renewal: Renewal) -> None:
        self.all.remove(renewal)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    times = Times()
    for module in (asking, holding, keeping):
        monkeypatch.setattr(module, "time", times)
    return times


@pytest.fixture
def renewing(monkeypatch: pytest.MonkeyPatch) -> Renewing:
    made = Renewing()
    monkeypatch.setattr(keeping, "renewals", lambda: made)
    return made


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def permits(server: Server) -> Semaphore:
    return Semaphore(server, terms(SPACE, "k", 5, timeout=0))


def test_a_thread_holds_what_it_has_taken_until_it_gives_it_back(permits: Semaphore, server: Server) -> None:
    assert (permits.name, permits.token, permits.lost) == ("k", None, False)
    assert permits.acquire() is True
    assert (permits.token, permits.lost) == (101, False)
    permits.check()
    permits.release()
    assert (permits.token, permits.lost) == (None, False)
    assert server.sent == ["TAKE t1", "GIVE t1"]


def test_what_was_taken_last_is_given_back_first(permits: Semaphore, server: Server) -> None:
    assert [permits.acquire() for _ in range(3)] == [True] * 3
    assert permits.token == 103
    for left in (102, 101, None):
        permits.release()
        assert permits.token == left
    assert server.sent[3:] == ["GIVE t3", "GIVE t2", "GIVE t1"]


def test_another_thread_holds_nothing_and_may_give_back_all_the_same(
    permits: Semaphore, server: Server
) -> None:
    permits.acquire()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(lambda: permits.token).result() is None
        assert other.submit(lambda: permits.lost).result() is False
        with pytest.raises(LockNotOwned):
            other.submit(permits.check).result()
        other.submit(permits.release).result()
    assert (permits.token, server.holders) == (None, [])


def test_who_holds_some_gives_back_its_own(permits: Semaphore, server: Server) -> None:
    permits.acquire()
    with ThreadPoolExecutor(1) as other:
        other.submit(permits.acquire).result()
        permits.release()
        assert server.sent[-1] == "GIVE t1"
        assert other.submit(lambda: permits.token).result() == 102


def test_who_holds_nothing_of_what_nobody_holds_sends_nothing(permits: Semaphore, server: Server) -> None:
    for refused in (permits.release, permits.check):
        with pytest.raises(LockNotOwned, match="semaphore 'k': not held"):
            refused()
    assert server.sent == []


def test_what_the_server_has_given_to_others_is_told_once(permits: Semaphore, server: Server) -> None:
    permits.acquire()
    server.holders.clear()
    with pytest.raises(LockNotOwned):
        permits.release()
    assert (permits.token, server.sent) == (None, ["TAKE t1", "GIVE t1"])


def test_whose_release_failed_holds_on_and_may_release_again(permits: Semaphore, server: Server) -> None:
    permits.acquire()
    server.failing = Unreachable("down")
    with pytest.raises(Unreachable):
        permits.release()
    permits.check()
    with ThreadPoolExecutor(1) as other:
        with pytest.raises(Unreachable):
            other.submit(permits.release).result()
        assert other.submit(lambda: permits.token).result() is None
    assert permits.token == 101
    server.failing = None
    permits.release()
    assert server.holders == []


def test_nothing_is_taken_where_nobody_gives_or_answers(permits: Semaphore, server: Server) -> None:
    server.full = True
    assert (permits.acquire(), permits.acquire(blocking=False), permits.token) == (False, False, None)
    with pytest.raises(LockNotAcquired, match="semaphore 'k'"), permits:
        raise AssertionError
    server.failing = Unreachable("down")
    with pytest.raises(Unreachable):
        permits.acquire()
    assert permits.token is None
    assert server.sent[-1] == "GIVE t4"  # nor is anything left of it


@pytest.mark.parametrize(
    "given", [{"timeout": -3}, {"timeout": "x"}, {"timeout": 10**400}, {"blocking": False, "timeout": 1}]
)
def test_a_wait_that_can_not_be_is_refused(permits: Semaphore, server: Server, given: Any) -> None:
    with pytest.raises(InvalidArgument, match="timeout"):
        permits.acquire(**given)
    assert server.sent == []


@pytest.mark.parametrize(
    ("made", "given", "limit"),
    [
        (None, {}, None),
        (7, {}, 7),
        (7, {"timeout": 2}, 2),
        (7, {"timeout": -1}, None),
        (7, {"timeout": 0}, 0),
        (7, {"blocking": False}, 0),
        (None, {"blocking": False}, 0),
    ],
)
def test_how_long_it_waits(
    made: float | None, given: Any, limit: float | None, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float | None] = []

    def acquire(_: object, limit: float | None) -> Plan[None]:
        asked.append(limit)
        return Done(None)

    monkeypatch.setattr(plans, "acquire", acquire)
    assert Semaphore(server, terms(SPACE, "k", 5, timeout=made)).acquire(**given) is False
    assert asked == [limit]


def test_a_lease_that_has_passed_is_lost(permits: Semaphore, times: Times) -> None:
    permits.acquire()
    times.passed += 30
    permits.check()
    times.passed += 0.001
    assert (permits.lost, permits.token) == (True, 101)
    with pytest.raises(LockNotOwned, match="its lease ran out"):
        permits.check()


def test_a_child_after_fork_holds_nothing(
    permits: Semaphore, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    permits.acquire()
    with monkeypatch.context() as child:
        child.setattr(semaphores, "os", SimpleNamespace(getpid=lambda: -1))
        assert (permits.token, permits.lost) == (None, False)
        for refused in (permits.release, permits.check):
            with pytest.raises(LockNotOwned):
                refused()
    assert server.sent == ["TAKE t1"]
    permits.check()


def test_who_looks_while_others_give_theirs_back_sees_its_own(server: Server) -> None:
    class Me:
        """A caller in whose every comparison another gives back."""

        def __eq__(self, other: object) -> bool:
            while len(made._holds) > 1:
                del made._holds[0]
            return other is self

        __hash__ = None  # type: ignore[assignment]  # it is only compared

    class One(Semaphore):
        me: Any = "another"

        def _me(self) -> Any:
            return self.me

    made = One(server, terms(SPACE, "k", 5, timeout=0))
    made.acquire()
    made.me = Me()
    made.acquire()
    assert made.token == 102


GARBAGE = """
import gc
from vkcache.shell import Client

semaphore = Client("memory://garbage").semaphore("k", 100)

def collected(phase, info):
    if phase == "stop":
        for _ in range(10):
            semaphore.release()

gc.callbacks.append(collected)
gc.set_threshold(1)
for _ in range(20):
    gc.disable()
    for _ in range(100):
        semaphore.acquire()
    gc.enable()
    semaphore.lost
    gc.disable()
    while semaphore.token:
        semaphore.release()
"""
"""Permits are given back while garbage is collected: that may run Python code, and other threads with it."""


def test_who_looks_while_garbage_is_collected_sees_what_is_left() -> None:
    subprocess.run([sys.executable, "-c", GARBAGE], cwd=ROOT, check=True)


def test_within_a_body_the_lease_is_renewed(
    permits: Semaphore, server: Server, times: Times, renewing: Renewing
) -> None:
    with permits as held:
        assert held is permits
        (renewal,) = renewing.all
        assert renewal.every == 10
        times.passed += 25
        assert renewal.renew() is True
        times.passed += 25
        permits.check()
        server.failing = Unreachable("down")
        assert renewal.renew() is True
        times.passed += 5.001
        assert permits.lost
        server.failing = None
    assert (renewing.all, permits.token) == ([], None)
    assert server.sent == ["TAKE t1", "KEEP t1", "KEEP t1", "GIVE t1"]


def test_a_body_is_told_of_its_loss_at_the_end_where_it_raised_nothing_itself(
    permits: Semaphore, server: Server, renewing: Renewing
) -> None:
    def body(error: Exception | None) -> None:
        with permits:
            server.holders.clear()
            assert renewing.all[0].renew() is False
            assert permits.lost
            if error is not None:
                raise error

    with pytest.raises(LockNotOwned):
        body(None)
    with pytest.raises(ValueError, match="mine"):
        body(ValueError("mine"))
    assert (renewing.all, permits.token) == ([], None)


def test_a_body_that_gave_back_does_not_give_back_anothers(
    permits: Semaphore, server: Server, renewing: Renewing
) -> None:
    with ThreadPoolExecutor(1) as other:
        other.submit(permits.acquire).result()
        with pytest.raises(LockNotOwned), permits:
            permits.release()
        assert other.submit(lambda: permits.token).result() == 101
    assert (server.holders, renewing.all) == (["t1"], [])


def test_bodies_of_one_object_hold_what_is_their_own(
    permits: Semaphore, server: Server, renewing: Renewing
) -> None:
    with permits, permits:
        assert (server.holders, len(renewing.all)) == (["t1", "t2"], 2)
        with ThreadPoolExecutor(1) as other:
            other.submit(permits.__enter__).result()
            other.submit(permits.__exit__, None, None, None).result()
        assert server.holders == ["t1", "t2"]
    assert (server.holders, renewing.all) == ([], [])
