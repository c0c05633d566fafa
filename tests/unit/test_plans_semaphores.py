"""The plans of semaphores, fed by hand.

Fails where an acquire is sent before its token is known, or ends early and leaves permits or a place in
the line behind; where who waits asks again without a wait, waits longer than it was allowed, or for ever;
where who can be served next is not woken, or one wakes oneself; where a cancelled release does not
release; or where two keys of semaphores can be the same, or live in different slots.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.feeding import SPACE, feed
from tests.unit.scripted import ended, said, script
from vkcache.core import lua, semaphores
from vkcache.core.keyspace import beside, owner
from vkcache.core.locks import WAIT, Held
from vkcache.core.plan import Now, Sleep, Token
from vkcache.core.semaphores import PLACE_MS, POLL
from vkcache.core.slots import slot
from vkcache.errors import InvalidArgument, InvalidKey, NoScript, ReplyError, Unreachable

SEMAPHORE = semaphores.terms(SPACE, "k", 5, weight=2).semaphore
OWNER, OTHER = b"0123456789abcdef0123456789abcdef", b"fedcba9876543210fedcba9876543210"
HELD = Held(OWNER, 1700000000000001)
TAKEN, BUSY = [HELD.fence, b""], [0, b""]
FOUR = " ".join(f"\xffvkcache:{kind}:{{p:1:k}}" for kind in ("holders", "line", "present", "weights"))
AT_ONCE = f"TAKE 4 {FOUR} {OWNER.decode()} 2 5 30000 0"
IN_LINE = f"TAKE 4 {FOUR} {OWNER.decode()} 2 5 30000 5000"
GIVEN = f"GIVE 4 {FOUR} {OWNER.decode()} 5"
WOKEN = f"WAKE 1 \xffvkcache:wake-{OTHER.decode()}:{{p:1:k}} 1000"

Thrown = (KeyboardInterrupt(), asyncio.CancelledError(), SystemExit(1), Unreachable("down"), ValueError())


def waited(seconds: str) -> str:
    return f"BLPOP \xffvkcache:wake-{OWNER.decode()}:{{p:1:k}} {seconds}"


def test_what_is_free_is_taken_by_one_script() -> None:
    fed = feed(semaphores.acquire(SEMAPHORE), OWNER, TAKEN)
    assert (said(fed), fed.result) == (["Token", IN_LINE], HELD)


@pytest.mark.parametrize(("answer", "result"), [(TAKEN, HELD), (BUSY, None)])
def test_without_a_wait_there_is_no_place_in_the_line_and_no_look_at_the_clock(
    answer: list[Any], result: Held | None
) -> None:
    fed = feed(semaphores.acquire(SEMAPHORE, 0), OWNER, answer)
    assert (said(fed), fed.result) == (["Token", AT_ONCE], result)


@pytest.mark.parametrize("reply", [None, [b"key", b""]], ids=["not woken", "woken"])
def test_who_waits_asks_again_woken_or_not(reply: object) -> None:
    fed = feed(semaphores.acquire(SEMAPHORE), OWNER, BUSY, reply, BUSY, reply, TAKEN)
    wait = waited("1.000")
    assert said(fed) == ["Token", IN_LINE, wait, IN_LINE, wait, IN_LINE]
    assert fed.result == HELD


def test_a_place_in_the_line_outlasts_a_wait() -> None:
    assert PLACE_MS > POLL * 1000


def test_a_wait_ends_in_time_and_leaves_the_line() -> None:
    fed = feed(
        semaphores.acquire(SEMAPHORE, 1.5), OWNER, 10.0, 10.0, BUSY, None, 11.1, BUSY, None, 11.6, BUSY
    )
    assert fed.result is None
    assert said(fed) == [
        *("Token", "Now"),  # before it is asked for the first time, which may be slow
        *("Now", IN_LINE, waited("1.000")),
        *("Now", IN_LINE, waited("0.400")),
        *("Now", AT_ONCE),  # the server forgets who does not wait any more
    ]


def test_what_is_free_at_the_last_moment_is_taken() -> None:
    fed = feed(semaphores.acquire(SEMAPHORE, 0.5), OWNER, 10.0, 10.0, BUSY, None, 10.5, TAKEN)
    assert fed.result == HELD


def test_a_wait_of_no_time_is_not_for_ever() -> None:
    fed = feed(semaphores.acquire(SEMAPHORE, 0.0001), OWNER, 10.0, 10.0, BUSY, None, 11.0, BUSY)
    assert said(fed)[4] == waited("0.001")


def test_the_clock_is_asked_only_where_time_is_limited() -> None:
    fed = feed(semaphores.acquire(SEMAPHORE), OWNER, BUSY, None, TAKEN)
    assert not any(isinstance(step, Now) for step in fed.steps)


def test_a_wait_that_is_not_carried_out_is_slept() -> None:
    """Errors are ignored, and the server refuses BLPOP."""
    fed = feed(semaphores.acquire(SEMAPHORE), OWNER, BUSY, WAIT.empty, None, TAKEN)
    assert (fed.steps[3], fed.result) == (Sleep(1.0), HELD)


def test_where_errors_are_ignored_and_nobody_answers_nothing_is_held() -> None:
    assert said(fed := feed(semaphores.acquire(SEMAPHORE), OWNER, None)) == ["Token", IN_LINE]
    assert fed.result is None
    assert feed(semaphores.acquire(SEMAPHORE), OWNER, BUSY, WAIT.empty, None, None).result is None


@pytest.mark.parametrize("then", [1, None, Unreachable("down"), ReplyError("OOM")], ids=repr)
def test_the_next_that_can_be_served_is_woken_whatever_comes_of_it(then: object) -> None:
    fed = feed(semaphores.acquire(SEMAPHORE, 0), OWNER, [HELD.fence, OTHER], then)
    assert (said(fed), fed.result) == (["Token", AT_ONCE, WOKEN], HELD)
    released = feed(semaphores.release(SEMAPHORE, OWNER), [1, OTHER], then)
    assert (said(released), released.result) == ([GIVEN, WOKEN], True)


def test_who_waits_wakes_another_before_its_own_wait() -> None:
    fed = feed(semaphores.acquire(SEMAPHORE), OWNER, [0, OTHER], 1, None, TAKEN)
    assert said(fed) == ["Token", IN_LINE, WOKEN, waited("1.000"), IN_LINE]


def test_nobody_wakes_oneself() -> None:
    fed = feed(semaphores.acquire(SEMAPHORE), OWNER, [0, OWNER], None, TAKEN)
    assert said(fed) == ["Token", IN_LINE, waited("1.000"), IN_LINE]


def test_a_wake_up_is_sent_whole_where_the_server_does_not_know_it() -> None:
    fed = feed(semaphores.release(SEMAPHORE, OWNER), [1, OTHER], NoScript("NOSCRIPT"), 1)
    assert fed.sent[-1].startswith(b"EVAL " + lua.WAKE)


STAGES: dict[str, tuple[object, ...]] = {
    "the clock": (OWNER,),
    "the clock again": (OWNER, 10.0),
    "the first time": (OWNER, 10.0, 10.0),
    "a wake-up of another": (OWNER, 10.0, 10.0, [0, OTHER]),
    "the wait": (OWNER, 10.0, 10.0, BUSY),
    "a later clock": (OWNER, 10.0, 10.0, BUSY, None),
    "a later time": (OWNER, 10.0, 10.0, BUSY, None, 10.1),
    "a wake-up when it is held": (OWNER, 10.0, 10.0, BUSY, None, 10.1, [HELD.fence, OTHER]),
}


@pytest.mark.parametrize(
    ("stage", "error"),
    [
        pytest.param(stage, error, id=f"{stage}, {type(error).__name__}")
        for stage in STAGES
        for error in Thrown
        if not (isinstance(error, Unreachable) and "wake-up" in stage)  # which is not told
    ],
)
def test_an_acquire_that_is_ended_gives_back_once(stage: str, error: BaseException) -> None:
    plan = semaphores.acquire(SEMAPHORE, 5)
    assert [script(step) for step in ended(plan, error, *STAGES[stage], then=[1, b""])] == [GIVEN]


def test_who_gives_up_wakes_the_next() -> None:
    after = ended(semaphores.acquire(SEMAPHORE), asyncio.CancelledError(), OWNER, BUSY, then=[0, OTHER])
    assert [script(step) for step in after] == [GIVEN, WOKEN]


def test_before_the_token_is_there_nothing_is_given_back() -> None:
    assert ended(semaphores.acquire(SEMAPHORE), KeyboardInterrupt()) == []


def test_the_first_error_is_the_one_that_is_raised() -> None:
    first = Unreachable("first")
    with pytest.raises(Unreachable) as raised:
        feed(semaphores.acquire(SEMAPHORE), OWNER, first, Unreachable("second"))
    assert raised.value is first


@pytest.mark.parametrize(
    "plan",
    [semaphores.acquire(SEMAPHORE), semaphores.release(SEMAPHORE, OWNER)],
    ids=["acquire", "release"],
)
def test_a_plan_that_nobody_carries_out_any_more_asks_for_nothing(plan: Any) -> None:
    step = next(plan)
    if isinstance(step, Token):
        plan.send(OWNER)
    plan.close()  # raises RuntimeError where the plan asks for another step


@pytest.mark.parametrize(
    ("reply", "freed"), [([1, b""], True), ([0, b""], False), ([1, OWNER], True), (None, True)]
)
def test_release(reply: object, freed: bool) -> None:
    fed = feed(semaphores.release(SEMAPHORE, OWNER), reply)
    assert (said(fed), fed.result) == ([GIVEN], freed)


def test_a_stranger_frees_nothing_and_wakes_whom_it_finds() -> None:
    fed = feed(semaphores.release(SEMAPHORE, OWNER), [0, OTHER], 1)
    assert (said(fed), fed.result) == ([GIVEN, WOKEN], False)


@pytest.mark.parametrize("error", Thrown[:3], ids=lambda error: type(error).__name__)
def test_a_release_that_is_cancelled_releases(error: BaseException) -> None:
    after = ended(semaphores.release(SEMAPHORE, OWNER), error, then=[1, OTHER])
    assert [script(step) for step in after] == [GIVEN, WOKEN]


def test_a_release_that_is_cancelled_and_can_not_be_sent_tells_of_the_cancelling() -> None:
    with pytest.raises(ValueError, match="mine"):
        feed(semaphores.release(SEMAPHORE, OWNER), ValueError("mine"), Unreachable("down"))


@pytest.mark.parametrize("error", [ReplyError("READONLY"), Unreachable("down")], ids=repr)
def test_a_release_that_fails_is_not_repeated(error: Exception) -> None:
    with pytest.raises(type(error)):
        feed(semaphores.release(SEMAPHORE, OWNER), error)


@pytest.mark.parametrize(("reply", "result"), [(1, True), (0, False), (None, None)])
def test_renew(reply: int | None, result: bool | None) -> None:
    fed = feed(semaphores.renew(SEMAPHORE, OWNER), reply)
    assert (said(fed), fed.result) == ([f"KEEP 4 {FOUR} {OWNER.decode()} 30000"], result)


@pytest.mark.parametrize(
    ("given", "semaphore", "limit"),
    [
        ({}, (5, 1, 30_000), None),
        ({"weight": 5}, (5, 5, 30_000), None),
        ({"lease": 0.0001, "timeout": 0}, (5, 1, 1), 0),
        ({"lease": timedelta(minutes=2), "timeout": -1}, (5, 1, 120_000), None),
        ({"timeout": 2.5}, (5, 1, 30_000), 2.5),
    ],
)
def test_what_a_semaphore_is_asked_for_with(
    given: Any, semaphore: tuple[int, int, int], limit: float | None
) -> None:
    terms = semaphores.terms(SPACE, "k", 5, **given)
    made = terms.semaphore
    assert (terms.name, terms.limit) == ("k", limit)
    assert (made.wire, made.capacity, made.weight, made.lease) == (b"p:1:k", *semaphore)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"capacity": 0}, "'k': capacity=0: give a whole number above 0"),
        ({"capacity": -1}, "capacity=-1"),
        ({"capacity": 2.0}, "capacity=2.0"),
        ({"capacity": "5"}, "capacity='5'"),
        ({"capacity": 2**31}, "capacity="),
        ({"weight": 0}, "'k': weight=0: give a whole number above 0"),
        ({"weight": None}, "weight=None"),
        ({"weight": 6}, "'k': weight=6 is more than all of capacity=5"),
        ({"lease": 0}, "lease=0 must be longer"),
        ({"lease": -1}, "lease=-1 must be longer"),
        ({"lease": None}, "lease=None must be longer"),
        ({"lease": "x"}, "lease of type str"),
        ({"lease": float("nan")}, "lease is longer"),
        ({"timeout": -2}, "timeout=-2: give seconds, 0 or more; None waits for ever"),
        ({"timeout": "1"}, "timeout='1'"),
        ({"timeout": float("nan")}, "timeout=nan"),
    ],
)
def test_what_can_not_be_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        semaphores.terms(SPACE, "k", **{"capacity": 5, **given})
    assert message in str(caught.value)


def test_a_key_that_can_not_be_sent_is_refused() -> None:
    with pytest.raises(InvalidKey):
        semaphores.terms(SPACE, "\udcff" * 3 + "vkcache:\ud800", 5)


def test_prefix_and_version_belong_to_the_name() -> None:
    assert semaphores.terms(SPACE, "k", 5, version=2).semaphore.keys[0] == b"\xffvkcache:holders:{p:2:k}"


@pytest.mark.parametrize("name", ["k", "{u}:1", "a{u}:2", "{}k", "}", "{k", "k}"])
def test_all_keys_of_a_semaphore_live_in_the_slot_of_its_name(name: str) -> None:
    made = semaphores.terms(SPACE, name, 5).semaphore
    keys = [*made.keys, made.wake(OWNER), made.wake(OTHER)]
    assert {slot(key) for key in keys} == {slot(made.wire)}
    assert {owner(key) for key in keys} == {made.wire}


def test_no_two_kinds_share_a_key() -> None:
    kinds = (b"lock", b"wake", b"flight")
    made = [*SEMAPHORE.keys, SEMAPHORE.wake(OWNER), SEMAPHORE.wake(OTHER)]
    others = [beside(kind, SEMAPHORE.wire) for kind in kinds]
    assert len({*made, *others, SEMAPHORE.wire}) == len(made) + len(others) + 1
