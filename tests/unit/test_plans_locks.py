"""The plans of locks, fed by hand.

Fails where an acquire is sent before its token is known, or ends early and leaves the lock behind; where a
waiter looks again without a wait, waits longer than it was allowed, or for ever; where a cancelled
release does not release; or where the keys of two locks, or of a lock and a value, can be the same.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.feeding import SPACE, feed
from tests.unit.scripted import ended, said, script
from vkcache.core import locks
from vkcache.core.keyspace import RAW, RESERVED, Keyspace, beside, owner
from vkcache.core.locks import Held, Wait
from vkcache.core.plan import Now, Plan, Sleep, Token
from vkcache.core.slots import slot
from vkcache.errors import InvalidArgument, InvalidKey, ReplyError, Unreachable
from vkcache.shell.locks import Lock

LOCK = locks.lock(SPACE, "k")
OWNER = b"0123456789abcdef0123456789abcdef"
HELD = Held(OWNER, 1700000000000001)
FENCE = HELD.fence
ONCE, FOR_EVER = Wait(0.1, 0), Wait(0.1, None)
BUSY = 0

Thrown = (KeyboardInterrupt(), asyncio.CancelledError(), SystemExit(1), Unreachable("down"), ValueError())


def test_one_try_is_one_script() -> None:
    fed = feed(locks.acquire(LOCK, ONCE), OWNER, FENCE)
    assert said(fed) == ["Token", f"ACQUIRE 1 \xffvkcache:lock:{{p:1:k}} {OWNER.decode()} 30000 0 0"]
    assert fed.result == HELD


@pytest.mark.parametrize("reply", [BUSY, None], ids=["held by another", "ignored"])
def test_one_try_in_vain(reply: int | None) -> None:
    assert feed(locks.acquire(LOCK, ONCE), OWNER, reply).result is None


def test_a_token_of_the_callers_own() -> None:
    fed = feed(locks.acquire(LOCK, ONCE, b"mine"), FENCE)
    assert (said(fed)[0].split()[3], fed.result) == ("mine", Held(b"mine", FENCE))


def test_a_waiter_is_woken_and_tries_again() -> None:
    fed = feed(locks.acquire(LOCK, FOR_EVER), OWNER, BUSY, None, BUSY, [b"wake", b""], FENCE)
    first, later = (
        f"ACQUIRE 1 \xffvkcache:lock:{{p:1:k}} {OWNER.decode()} 30000 {flags}" for flags in ("0 1", "1 1")
    )
    wait = "BLPOP \xffvkcache:wake:{p:1:k} 0.100"
    assert said(fed) == ["Token", first, wait, later, wait, later]
    assert fed.result == HELD


def test_a_wait_ends_in_time() -> None:
    fed = feed(
        locks.acquire(LOCK, Wait(0.1, 0.25)), OWNER, 10.0, BUSY, 10.0, None, BUSY, 10.22, None, BUSY, 10.26
    )
    assert fed.result is None
    assert [line.split()[2] for line in said(fed) if line.startswith("BLPOP")] == ["0.100", "0.030"]
    assert said(fed)[1] == "Now"  # before the first try, which may be slow


@pytest.mark.parametrize("sleep", [0, 0.0001])
def test_a_wait_of_no_time_is_not_for_ever(sleep: float) -> None:
    fed = feed(locks.acquire(LOCK, Wait(sleep, None)), OWNER, BUSY, None, FENCE)
    assert said(fed)[2].endswith(" 0.001")


def test_a_wait_that_is_not_carried_out_is_slept() -> None:
    """Errors are ignored, and the server refuses BLPOP."""
    fed = feed(locks.acquire(LOCK, FOR_EVER), OWNER, BUSY, locks.WAIT.empty, None, FENCE)
    assert fed.steps[3] == Sleep(0.1)
    assert fed.result == HELD


def test_who_waits_for_a_server_that_is_gone_is_told_where_errors_are_ignored() -> None:
    assert feed(locks.acquire(LOCK, FOR_EVER), OWNER, BUSY, locks.WAIT.empty, None, None).result is None


STAGES: dict[str, tuple[tuple[object, ...], str]] = {
    "the clock": ((OWNER,), "0"),
    "the first try": ((OWNER, 10.0), "0"),
    "the clock again": ((OWNER, 10.0, BUSY), "0"),
    "the wait": ((OWNER, 10.0, BUSY, 10.0), "1"),
    "a later try": ((OWNER, 10.0, BUSY, 10.0, None), "1"),
    "a later clock": ((OWNER, 10.0, BUSY, 10.0, None, BUSY), "1"),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("error", Thrown, ids=lambda error: type(error).__name__)
def test_an_acquire_that_is_ended_leaves_nothing(stage: str, error: BaseException) -> None:
    answers, waited = STAGES[stage]
    (abandon,) = ended(locks.acquire(LOCK, Wait(0.1, 5)), error, *answers)
    keys = "\xffvkcache:lock:{p:1:k} \xffvkcache:wake:{p:1:k}"
    assert script(abandon) == f"ABANDON 2 {keys} {OWNER.decode()} 1000 {waited}"


def test_before_the_token_is_there_nothing_is_put_back() -> None:
    assert ended(locks.acquire(LOCK, ONCE), KeyboardInterrupt()) == []


def test_the_first_error_is_the_one_that_is_raised() -> None:
    first = Unreachable("first")
    with pytest.raises(Unreachable) as raised:
        feed(locks.acquire(LOCK, ONCE), OWNER, first, Unreachable("second"))
    assert raised.value is first


@pytest.mark.parametrize(
    "plan", [locks.acquire(LOCK, ONCE), locks.release(LOCK, OWNER)], ids=["acquire", "release"]
)
def test_a_plan_that_nobody_carries_out_any_more_asks_for_nothing(plan: Any) -> None:
    step = next(plan)
    if isinstance(step, Token):
        plan.send(OWNER)
    plan.close()


@pytest.mark.parametrize(("reply", "freed"), [(1, True), (0, False), (None, True)])
def test_release(reply: int | None, freed: bool) -> None:
    fed = feed(locks.release(LOCK, OWNER), reply)
    keys = "\xffvkcache:lock:{p:1:k} \xffvkcache:wake:{p:1:k}"
    assert (said(fed), fed.result) == ([f"RELEASE 2 {keys} {OWNER.decode()} 1000"], freed)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), asyncio.CancelledError()], ids=["interrupted", "cancelled"]
)
def test_a_release_that_is_cancelled_releases(error: BaseException) -> None:
    (again,) = ended(locks.release(LOCK, OWNER), error)
    assert script(again).startswith("RELEASE ")


def test_a_release_that_fails_is_not_repeated() -> None:
    with pytest.raises(ReplyError):
        feed(locks.release(LOCK, OWNER), ReplyError("READONLY"))


@pytest.mark.parametrize(
    ("plan", "sent"),
    [
        (locks.extend(LOCK, OWNER, 1.5), "1500 +"),
        (locks.extend(LOCK, OWNER, timedelta(minutes=1), replace=True), "60000 ="),
        (locks.restart(LOCK, OWNER), "30000 ="),
        (locks.renew(LOCK, OWNER), "30000 >"),
    ],
)
def test_extend(plan: Plan[bool | None], sent: str) -> None:
    fed = feed(plan, 1)
    assert said(fed) == [f"EXTEND 1 \xffvkcache:lock:{{p:1:k}} {OWNER.decode()} {sent}"]
    assert fed.result is True


@pytest.mark.parametrize(("reply", "result"), [(0, False), (None, None)])
def test_what_is_not_held_is_not_extended(reply: int | None, result: bool | None) -> None:
    assert feed(locks.renew(LOCK, OWNER), reply).result is result


@pytest.mark.parametrize("by", [0, -1, None, "5", float("nan")])
def test_an_extension_is_longer_than_nothing(by: Any) -> None:
    with pytest.raises(InvalidArgument):
        feed(locks.extend(LOCK, OWNER, by))


@pytest.mark.parametrize("by", [0, None, "5", [], float("inf"), 10**400])
def test_an_extension_that_is_none_is_told_of_whoever_holds(by: Any) -> None:
    def acquired(plan: Plan[Any], /) -> Any:
        return feed(plan, OWNER, 7).result

    held = Lock(acquired, locks.terms(SPACE, "k"))
    assert held.acquire()
    with pytest.raises(InvalidArgument):
        held.extend(by)


@pytest.mark.parametrize(
    ("stored", "locked", "owned"),
    [(None, False, False), (b"0" + OWNER, True, True), (b"1" + OWNER, True, True), (b"0other", True, False)],
)
def test_what_is_seen_of_a_lock(stored: bytes | None, locked: bool, owned: bool) -> None:
    assert feed(locks.locked(LOCK), stored).result is locked
    assert feed(locks.owned(LOCK, OWNER), stored).result is owned


@pytest.mark.parametrize("lease", [0, -1, "x", float("nan")])
def test_a_lease_is_longer_than_nothing(lease: Any) -> None:
    with pytest.raises(InvalidArgument):
        locks.lock(SPACE, "k", None, lease)


@pytest.mark.parametrize(
    ("given", "wait"),
    [
        ((0.1, True, None), Wait(0.1, None)),
        ((0.5, True, -1), Wait(0.5, None)),
        ((0.1, True, 2), Wait(0.1, 2)),
        ((0.1, False, 2), Wait(0.1, 0)),
    ],
)
def test_how_to_wait(given: tuple[float, bool, float | None], wait: Wait) -> None:
    assert locks.wait(*given) == wait


@pytest.mark.parametrize(
    "given", [(-1, True, None), (0.1, True, -2), ("x", True, 1), (0.1, True, float("inf"))]
)
def test_a_wait_is_a_time(given: Any) -> None:
    with pytest.raises(InvalidArgument):
        locks.wait(*given)


def test_prefix_and_version_belong_to_the_name() -> None:
    assert locks.lock(SPACE, "k", 2).held == b"\xffvkcache:lock:{p:2:k}"
    assert locks.lock(SPACE, "k", 2).lease == 30000


NAMES = (
    b"k",
    b"p:1:k",
    b"{k}",
    b"{u}:1",
    b"a{u}:2",
    b"",
    b"}",
    b"a}b",
    b"{}",
    b"{}k",
    b"{k",
    b"k}",
    b"{*}",
    b"*",
    b":",
)


def test_no_two_names_share_a_key() -> None:
    made = [beside(kind, wire) for wire in NAMES for kind in (b"lock", b"wake")]
    assert len({*made, *NAMES}) == len(made) + len(NAMES)


@pytest.mark.parametrize("wire", NAMES)
def test_all_keys_of_a_lock_live_in_one_slot(wire: bytes) -> None:
    assert slot(beside(b"lock", wire)) == slot(beside(b"wake", wire))


@pytest.mark.parametrize("wire", [b"k", b"p:1:k", b"{k}", b"{u}:1", b"a{u}:2", b"{k", b"k}", b"{}", b""])
def test_which_is_that_of_the_value(wire: bytes) -> None:
    assert slot(beside(b"lock", wire)) == slot(wire)
    assert owner(beside(b"lock", wire)) == owner(wire) == wire


@pytest.mark.parametrize("keyspace", [RAW, Keyspace(prefix="\udcffvkcache")])
def test_no_value_has_the_key_of_a_lock(keyspace: Keyspace) -> None:
    with pytest.raises(InvalidKey):
        keyspace.wire("\udcffvkcache:lock:{k}")


def test_other_bytes_that_are_no_text_name_a_value() -> None:
    assert RAW.wire("\udcff") == b"\xff"


def test_the_clock_is_asked_only_where_time_is_limited() -> None:
    fed = feed(locks.acquire(LOCK, FOR_EVER), OWNER, BUSY, None, FENCE)
    assert not any(isinstance(step, Now) for step in fed.steps)
    assert RESERVED == b"\xffvkcache:"
