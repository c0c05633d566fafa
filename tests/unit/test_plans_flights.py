"""Single flight, fed by hand: who computes a value, and who waits for it.

Fails where a hit is more than one round trip; where who waits does so for longer than its lock_timeout,
looks again without a wait, or sleeps though there are news; where a computation that is ended keeps its
lease; where what is void is answered in the place of a newer value; or where a user's rights, or errors
that are ignored, stand between a caller and its value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.feeding import SPACE, ended, feed
from tests.unit.flying import (
    BROKEN,
    EPOCH,
    HOLDER,
    OTHER,
    THEIRS,
    TOKEN,
    asks,
    digest,
    lands,
    lease,
    leaves,
    said,
    step_said,
    there,
    wait,
)
from tests.unit.rows import Engine
from vkcache.core import flights, lua
from vkcache.core.plan import Call, Plan, Sleep
from vkcache.errors import AccessDenied, NoScript, OutOfMemory, Unencodable, Unreachable

TURN = f"BLMOVE {THEIRS} {THEIRS} LEFT LEFT"
THROWN = (KeyboardInterrupt(), asyncio.CancelledError(), SystemExit(1), Unreachable("down"), ValueError())


class Costly:
    """A default that counts how often it is computed."""

    def __init__(self) -> None:
        self.computed = 0

    def __call__(self) -> int:
        self.computed += 1
        return 7


def asked(default: Any = Costly, **options: Any) -> Plan[Any]:
    """A get_or_set of a default that only a shell may call."""
    return flights.get_or_set(SPACE, "k", Costly() if default is Costly else default, **options)


@pytest.mark.parametrize("default", [Costly(), 7])
def test_a_hit_is_one_step(default: object) -> None:
    fed = feed(flights.get_or_set(SPACE, "k", default, 5, 2), b"1")
    assert (said(fed), fed.result) == (["GET p:2:k"], 1)
    assert getattr(default, "computed", 0) == 0


def test_a_stored_none_is_a_hit() -> None:
    assert feed(asked(), SPACE.encode(None)).result is None


@pytest.mark.parametrize("landed", [1, None], ids=["stored", "ignored"])
def test_who_misses_and_is_the_first_computes_and_stores(landed: int | None) -> None:
    costly = Costly()
    fed = feed(flights.get_or_set(SPACE, "k", costly, 5), None, TOKEN, lease(), 8, landed)
    assert said(fed) == ["GET p:1:k", "Token", asks(), "Call", lands(b"8", 5000)]
    assert fed.steps[3] == Call(costly)
    assert (fed.result, costly.computed) == (8, 0)  # to call it is the shell's part


def test_the_lease_is_the_callers_lock_timeout() -> None:
    fed = feed(asked(lock_timeout=2.5), None, TOKEN, lease(), 8, 1)
    assert said(fed)[2] == asks(lease=2500)


def test_a_value_that_came_meanwhile_is_the_answer() -> None:
    fed = feed(asked(), None, TOKEN, there(b"1"))
    assert (said(fed), fed.result) == (["GET p:1:k", "Token", asks()], 1)


@pytest.mark.parametrize("broken", [BROKEN, b"\xc1\x00\xc1", b"x"], ids=["aged", "plain", "no number"])
def test_what_can_not_be_read_counts_as_missing_and_is_replaced(broken: bytes) -> None:
    fed = feed(asked(), broken, TOKEN, lease(state=digest(broken)), 8, 1)
    assert said(fed)[2] == asks(broken)
    assert said(fed)[4] == lands(b"8", seen=broken)
    assert fed.result == 8


def test_what_came_meanwhile_and_can_not_be_read_is_not_answered_again() -> None:
    fed = feed(asked(), None, TOKEN, there(BROKEN), lease(), 8, 1)
    assert said(fed)[2:4] == [asks(), asks(BROKEN)]
    assert fed.result == 8


def test_who_waits_takes_the_value_from_the_news() -> None:
    fed = feed(asked(), None, TOKEN, wait(), 100.0, b"+1")
    assert said(fed) == ["GET p:1:k", "Token", asks(), "Now", f"{TURN} 1.000"]
    assert fed.result == 1


@pytest.mark.parametrize("news", [b"", None], ids=["it failed, or is void", "none in time"])
def test_where_there_is_no_value_who_waits_looks_again_at_once(news: bytes | None) -> None:
    fed = feed(asked(), None, TOKEN, wait(), 100.0, news, lease(), 8, 1)
    assert said(fed)[4:] == [f"{TURN} 1.000", asks(), "Call", lands(b"8")]
    assert fed.result == 8


@pytest.mark.parametrize(
    "answer", [flights.TURN.empty, AccessDenied("NOPERM")], ids=["errors are ignored", "who may not block"]
)
def test_a_wait_that_is_not_carried_out_is_slept(answer: object) -> None:
    fed = feed(asked(), None, TOKEN, wait(250), 100.0, answer, None, there(b"1"))
    assert fed.steps[5] == Sleep(0.25)
    assert (said(fed)[6], fed.result) == (asks(), 1)


@pytest.mark.parametrize("news", [b"-", b"", b"+" + BROKEN])
def test_who_is_still_there_after_its_news_is_asked_for_none_again(news: bytes) -> None:
    """Whoever has put them there: else those who wait would ask as fast as they can."""
    fed = feed(asked(), None, TOKEN, wait(), 100.0, news, wait(250), 100.0, None, lease(), 8, 1)
    assert said(fed)[4:8] == [f"{TURN} 1.000", asks(BROKEN if news[1:] else None), "Now", "Sleep"]
    assert (fed.steps[7], fed.result) == (Sleep(0.25), 8)


def test_news_that_can_not_be_read_are_no_answer() -> None:
    fed = feed(asked(), None, TOKEN, wait(), 100.0, b"+" + BROKEN, lease(), 8, 1)
    assert (said(fed)[5], fed.result) == (asks(BROKEN), 8)


@pytest.mark.parametrize(
    ("left", "options", "seconds"),
    [
        (30_000, {}, "1.000"),
        (30_000, {"lock_timeout": 0.4}, "0.400"),
        (70, {}, "0.070"),
        (70, {"lock_timeout": 0.02}, "0.020"),
        (0, {}, "0.001"),  # 0 would be for ever
        (-5, {}, "0.001"),
    ],
)
def test_a_wait_ends_before_anything_that_may_change(
    left: int, options: dict[str, float], seconds: str
) -> None:
    fed = feed(asked(**options), None, TOKEN, wait(left), 100.0, b"+1")
    assert said(fed)[4] == f"{TURN} {seconds}"


def test_who_has_waited_for_its_own_lock_timeout_takes_over_from_that_holder() -> None:
    fed = feed(
        asked(lock_timeout=2),
        *(None, TOKEN),
        *(wait(), 100.0, None),
        *(wait(), 101.5, None),
        *(wait(), 102.0),
        *(lease(EPOCH), 8, 1),
    )
    usual, late = asks(lease=2000), asks(overdue=HOLDER, lease=2000)
    assert said(fed)[2:] == [
        *(usual, "Now", f"{TURN} 1.000"),
        *(usual, "Now", f"{TURN} 0.500"),
        *(usual, "Now", late),
        *("Call", lands(b"8", epoch=EPOCH)),
    ]


def test_another_holder_is_waited_for_anew() -> None:
    fed = feed(
        asked(lock_timeout=2),
        *(None, TOKEN),
        *(wait(), 100.0, None),
        *(wait(holder=OTHER), 101.9, None),
        *(wait(holder=OTHER), 103.5, None),
        *(wait(holder=OTHER), 103.9),
        there(b"1"),
    )
    assert [line.split()[-1] for line in said(fed) if line.startswith("BLMOVE")] == [
        "1.000",
        "1.000",
        "0.400",
    ]
    assert said(fed)[-1] == asks(overdue=OTHER, lease=2000)


@pytest.mark.parametrize(
    ("answer", "result"),
    [([b"1"], 1), (0, 8), ([BROKEN], 8)],
    ids=["a newer value is there", "it was deleted", "what is there can not be read"],
)
def test_what_was_computed_is_void_where_the_value_was_touched_meanwhile(answer: object, result: int) -> None:
    fed = feed(asked(), None, TOKEN, lease(), 8, answer)
    assert (said(fed)[-1], fed.result) == (lands(b"8"), result)


@pytest.mark.parametrize(
    ("timeout", "stored"), [(None, "-"), (0, 0), (-1, 0), (1.5, 1500)], ids=["for ever", "0", "past", "1.5"]
)
def test_for_how_long_it_is_stored(timeout: float | None, stored: int | str) -> None:
    fed = feed(asked(timeout=timeout), None, TOKEN, lease(), 8, 1)
    assert (said(fed)[-1], fed.result) == (lands(b"8", stored), 8)


def test_jitter_shortens_it_as_it_does_that_of_set() -> None:
    fed = feed(asked(timeout=100, jitter=0.5), None, TOKEN, lease(), 8, 1)
    spread = SPACE.spread(100, b"p:1:k", 0.5)
    assert said(fed)[-1] == lands(b"8", spread or "-")
    assert spread is not None
    assert 50_000 < spread < 100_000


STAGES: dict[str, tuple[tuple[object, ...], bytes]] = {
    "asking for the lease": ((None, TOKEN), TOKEN),
    "computing": ((None, TOKEN, lease()), TOKEN),
    "landing": ((None, TOKEN, lease(), 8), TOKEN),
    "computing in the place of another": ((None, TOKEN, lease(EPOCH)), EPOCH),
    "the clock": ((None, TOKEN, wait()), TOKEN),
    "waiting": ((None, TOKEN, wait(), 100.0), EPOCH),
    "sleeping": ((None, TOKEN, wait(), 100.0, flights.TURN.empty), EPOCH),
    "asking again": ((None, TOKEN, wait(), 100.0, None), EPOCH),
    "computing later": ((None, TOKEN, wait(), 100.0, None, lease(EPOCH)), EPOCH),
    "storing alone": ((None, TOKEN, None, 8), TOKEN),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("error", THROWN, ids=lambda error: type(error).__name__)
def test_who_is_ended_holds_nothing(stage: str, error: BaseException) -> None:
    answers, epoch = STAGES[stage]
    (left,) = ended(asked(), error, *answers)
    assert step_said(left) == leaves(epoch)


@pytest.mark.parametrize("answers", [(), (None,)], ids=["looking", "the token"])
def test_who_holds_nothing_yet_puts_nothing_back(answers: tuple[object, ...]) -> None:
    assert ended(asked(), KeyboardInterrupt(), *answers) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_plan_that_nobody_carries_out_any_more_asks_for_nothing(stage: str) -> None:
    steps = iter(asked())
    step = next(steps)
    for answer in STAGES[stage][0]:
        step = steps.send(step.decode(answer) if hasattr(step, "decode") else answer)
    steps.close()  # would raise RuntimeError


def test_what_it_is_ended_with_a_second_time_is_raised_and_nothing_more_is_sent() -> None:
    steps = iter(asked())
    next(steps)
    for answer in (SPACE.sight(b"p:1:k", None), TOKEN, lease()):
        steps.send(answer)
    assert step_said(steps.throw(ValueError())).startswith("LEAVE")
    with pytest.raises(asyncio.CancelledError):
        steps.throw(asyncio.CancelledError())


@pytest.mark.parametrize("second", [Unreachable("second"), AccessDenied("no"), 0, 1, None])
def test_an_error_of_the_default_is_its_callers_whatever_becomes_of_the_lease(second: object) -> None:
    first = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError) as raised:
        feed(asked(), None, TOKEN, lease(), first, second)
    assert raised.value is first


def test_what_can_not_be_stored_is_told_and_left_to_others() -> None:
    fed: list[str] = []
    steps = iter(asked())
    next(steps)
    for answer in (SPACE.sight(b"p:1:k", None), TOKEN, lease()):
        steps.send(answer)
    fed.append(step_said(steps.send(Engine())))
    with pytest.raises(Unencodable, match="'p:1:k'"):
        steps.send(1)
    assert fed == [leaves()]


def test_a_server_without_the_script_is_sent_all_of_it() -> None:
    fed = feed(asked(), None, TOKEN, NoScript("NOSCRIPT"), lease(), 8, NoScript("NOSCRIPT"), 1)
    assert fed.sent[2].startswith(b"EVAL " + lua.LEASE + b" 2 p:1:k ")
    assert fed.sent[-1].startswith(b"EVAL " + lua.LAND + b" 3 p:1:k ")
    assert fed.result == 8


@pytest.mark.parametrize("answer", [AccessDenied("NOPERM"), None], ids=["denied", "ignored"])
def test_who_can_have_no_flight_computes_alone(answer: object) -> None:
    costly: Callable[[], int] = Costly()
    fed = feed(asked(costly), None, TOKEN, answer, 8, b"OK")
    assert said(fed) == ["GET p:1:k", "Token", asks(), "Call", "SET p:1:k 8 NX PX 300000"]
    assert (fed.steps[3], fed.result) == (Call(costly), 8)


def test_every_other_error_of_the_server_is_told() -> None:
    with pytest.raises(OutOfMemory):
        feed(asked(), None, TOKEN, OutOfMemory("OOM"), 0)


def test_a_default_that_is_no_function_needs_no_flight() -> None:
    fed = feed(asked(7), None, b"OK")
    assert (said(fed), fed.result) == (["GET p:1:k", "SET p:1:k 7 NX PX 300000"], 7)


def test_without_a_flight_who_stores_first_is_right() -> None:
    fed = feed(asked(7), None, None, b"1")
    assert said(fed) == ["GET p:1:k", "SET p:1:k 7 NX PX 300000", "GET p:1:k"]
    assert fed.result == 1


@pytest.mark.parametrize("there", [BROKEN, None], ids=["unreadable", "gone again, or ignored"])
def test_without_a_flight_what_can_not_be_read_is_replaced(there: bytes | None) -> None:
    for stored in (b"OK", None):
        fed = feed(asked(7), there, None, there, stored)
        assert (said(fed)[3], fed.result) == ("SET p:1:k 7 PX 300000", 7)


def test_without_a_flight_what_is_never_there_is_not_stored() -> None:
    fed = feed(asked(7, timeout=0), None)
    assert (said(fed), fed.result) == (["GET p:1:k"], 7)


def test_without_a_flight_it_may_stay_for_ever() -> None:
    assert said(feed(asked(7, timeout=None), None, b"OK"))[1] == "SET p:1:k 7 NX"
