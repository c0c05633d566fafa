"""Single flight, fed by hand: values that grow old, and values that are deleted.

Fails where a stale value makes a caller wait, or is never computed anew; where a value is stored with
another age or for another time than its terms say; where what is wrong in the terms is noticed after
something was sent; or where a deletion leaves a flight that could still land.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.feeding import SPACE, ended, feed
from tests.unit.flying import (
    BROKEN,
    TOKEN,
    asks,
    dated,
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
from vkcache.core import flights
from vkcache.core.codec import codec
from vkcache.core.keyspace import Keyspace
from vkcache.core.plan import Batch, Now, Plan, Step, Steps, Token
from vkcache.core.space import Space
from vkcache.errors import AccessDenied, InvalidArgument, InvalidKey, OutOfMemory, Unencodable, Unreachable

NOW = 1_700_000_000.0
NOW_MS = 1_700_000_000_000
FRESH, STALE = dated(1, NOW_MS + 1), dated(1, NOW_MS)
LUCKY, UNLUCKY = b"0" * 32, b"f" * 32
"""The tokens of who computes a value the earliest, and not before its time."""


def computed() -> int:
    raise AssertionError("to call it is the shell's part")


def asked(default: Any = computed, timeout: Any = 60, **options: Any) -> Plan[Any]:
    return flights.get_or_set(SPACE, "k", default, timeout, **options)


def at(plan: Plan[Any], now: float = NOW, token: bytes = TOKEN) -> Steps[Any]:
    """*plan*, whose questions for the time and for tokens are answered by these."""
    steps: Generator[Step[Any], Any, Any] = iter(plan)
    try:
        step = next(steps)
        while True:
            if isinstance(step, (Now, Token)):
                step = steps.send(now if isinstance(step, Now) else token)
                continue
            try:
                answer = yield step
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        return end.value


def test_what_is_kept_tells_from_when_on_it_is_stale() -> None:
    """In the time after it was computed."""
    fed = feed(asked(stale_cache_timeout=10), None, TOKEN, lease(), NOW - 5, 8, NOW, 1)
    data = dated(8, NOW_MS + 60_000)
    assert said(fed)[2:] == [asks(), "Now", "Call", "Now", lands(data, 70_000)]
    assert fed.result == 8


@pytest.mark.parametrize(("began", "cost"), [(NOW - 0.25, 250_000), (NOW, 0), (NOW + 1, 0)])
def test_what_may_come_early_tells_how_long_it_took(began: float, cost: int) -> None:
    fed = feed(asked(early=1), None, TOKEN, lease(), began, 8, NOW, 1)
    assert said(fed)[-1] == lands(dated(8, NOW_MS + 60_000, cost), 60_000)


@pytest.mark.parametrize(
    ("timeout", "options", "age", "stored"),
    [
        (60, {"stale_cache_timeout": timedelta(seconds=1), "early": 2}, NOW_MS + 60_000, 61_000),
        (0, {"stale_cache_timeout": 5}, NOW_MS, 5000),
        (-60, {"stale_cache_timeout": 5}, NOW_MS, 5000),
        (0, {"early": 1}, NOW_MS, 0),
        (None, {"stale_cache_timeout": 5}, None, "-"),
        (None, {"early": 1}, None, "-"),
        (60, {"lock_timeout": 30}, None, 60_000),
    ],
)
def test_how_old_it_may_grow(
    timeout: float | None, options: dict[str, Any], age: int | None, stored: int | str
) -> None:
    fed = feed(at(asked(timeout=timeout, **options)), None, lease(), 8, 1)
    assert said(fed)[-1] == lands(b"8" if age is None else dated(8, age), stored)


def test_a_value_that_is_not_stale_is_a_hit() -> None:
    fed = feed(asked(stale_cache_timeout=10), FRESH, NOW)
    assert (said(fed), fed.result) == (["GET p:1:k", "Now"], 1)


@pytest.mark.parametrize("options", [{}, {"stale_cache_timeout": 10}, {"early": 1}])
def test_a_stale_value_is_the_answer_while_another_computes(options: dict[str, Any]) -> None:
    fed = feed(at(asked(**options)), STALE, wait())
    assert said(fed) == ["GET p:1:k", asks(STALE, waits=False)]
    assert fed.result == 1


def test_who_may_compute_it_anew_does() -> None:
    fed = feed(asked(stale_cache_timeout=10), STALE, NOW, TOKEN, lease(state=digest(STALE)), NOW, 8, NOW, 1)
    assert said(fed)[3] == asks(STALE, waits=False)
    assert said(fed)[-1] == lands(dated(8, NOW_MS + 60_000), 70_000, seen=STALE)
    assert fed.result == 8


def test_who_fails_to_compute_it_anew_is_told() -> None:
    with pytest.raises(ZeroDivisionError):
        feed(at(asked()), STALE, lease(), ZeroDivisionError(), 1)


def test_a_newer_value_that_came_meanwhile_is_the_answer() -> None:
    assert feed(at(asked()), STALE, there(FRESH)).result == 1
    assert feed(at(asked()), STALE, there(b"2")).result == 2


def test_one_that_is_stale_too_is_computed_anew_or_left_to_who_does() -> None:
    other = dated(2, NOW_MS - 1)
    fed = feed(at(asked()), STALE, there(other), wait())
    assert said(fed)[1:] == [asks(STALE, waits=False), asks(other, waits=False)]
    assert fed.result == 2


def test_who_waited_takes_what_was_made_however_old_it_is_by_now() -> None:
    assert feed(at(asked()), None, wait(), b"+" + STALE).result == 1


COSTLY = dated(1, NOW_MS + 1000, 1_000_000)
"""It is stale in a second, and took one to compute."""


@pytest.mark.parametrize(("token", "due"), [(LUCKY, True), (UNLUCKY, False)])
def test_whoever_it_falls_to_computes_before_its_time(token: bytes, due: bool) -> None:
    answers: tuple[object, ...] = (lease(), 8, 1) if due else ()
    fed = feed(at(asked(early=1), token=token), COSTLY, *answers)
    assert (fed.result, len(fed.steps)) == ((8, 4) if due else (1, 1))


def test_the_chance_is_of_the_digits_of_a_token() -> None:
    """Its first 13, of which a float holds all: 60 % of a second early for luck of exp(-0.6)."""
    for gap, due in ((598, True), (602, False)):
        stored, token = dated(1, NOW_MS + gap, 1_000_000), b"%013x" % round(16**13 * 0.5488116) + b"f" * 19
        fed = feed(at(asked(early=1), token=token), stored, *((wait(),) if due else ()))
        assert (len(fed.steps) == 2) is due


@pytest.mark.parametrize(
    ("stored", "options"),
    [(COSTLY, {}), (COSTLY, {"stale_cache_timeout": 9}), (dated(1, NOW_MS + 1), {"early": 9})],
    ids=["nobody asks for it", "kept only", "it cost nothing"],
)
def test_nothing_is_computed_before_its_time_unasked(stored: bytes, options: dict[str, Any]) -> None:
    assert feed(at(asked(**options), token=LUCKY), stored).result == 1


def test_who_is_early_answers_what_is_there_while_another_computes() -> None:
    fed = feed(at(asked(early=1), token=LUCKY), COSTLY, wait())
    assert fed.result == 1
    assert said(fed)[1].endswith(" 0")  # it will not wait


def test_a_field_that_tells_no_age_makes_nothing_old() -> None:
    space = Space(Keyspace("p", 1), codec(serializer="json", secrets=("a secret",)))
    plain = SPACE.codec.encode({"a": 1})
    none_of_them = plain[:1] + b"\x01\0\0" + plain[2:]
    odd = [SPACE.encode_dated({"a": 1}, ((number, b"?"),), b"p:1:k") for number in (3, 9)]
    for stored in (space.encode({"a": 1}), none_of_them, *odd):
        plan = flights.get_or_set(space, "k", computed, early=9)
        assert feed(at(plan, token=LUCKY), stored).result == {"a": 1}


@pytest.mark.parametrize("answer", [AccessDenied("NOPERM"), None], ids=["denied", "ignored"])
@pytest.mark.parametrize(("stored", "options"), [(STALE, {}), (COSTLY, {"early": 1})], ids=["stale", "early"])
def test_without_a_flight_what_is_due_is_replaced(
    stored: bytes, options: dict[str, Any], answer: object
) -> None:
    fed = feed(at(asked(**options), token=LUCKY), stored, answer, 8, None, stored, b"OK")
    assert said(fed)[3].startswith("SET p:1:k ")
    assert " NX " in said(fed)[3]
    assert said(fed)[4] == "GET p:1:k"
    assert said(fed)[5].startswith("SET p:1:k ")
    assert " NX " not in said(fed)[5]
    assert fed.result == 8


@pytest.mark.parametrize(("newer", "steps", "result"), [(b"2", 3, 2), (dated(2, NOW_MS - 1), 4, 7)])
def test_without_a_flight_what_is_newer_stays_unless_it_is_stale(
    newer: bytes, steps: int, result: int
) -> None:
    fed = feed(at(asked(7)), STALE, None, newer, *([b"OK"] * (steps - 3)))
    assert (len(fed.steps), fed.result) == (steps, result)


def test_a_default_that_is_no_function_is_made_anew_by_one_too_where_it_grows_old() -> None:
    fed = feed(asked(7, stale_cache_timeout=10), STALE, NOW, TOKEN, lease(), NOW, NOW, 1)
    assert said(fed)[4:] == ["Now", "Now", lands(dated(7, NOW_MS + 60_000), 70_000)]
    assert fed.result == 7


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "timeout": ({"timeout": "5"}, "timeout of type str"),
    "timeout nan": ({"timeout": float("nan")}, "None means for ever"),
    "lock_timeout 0": ({"lock_timeout": 0}, r"lock_timeout=0 must be longer"),
    "lock_timeout past": ({"lock_timeout": timedelta(-1)}, "lock_timeout=.* must be longer"),
    "lock_timeout text": ({"lock_timeout": "5"}, "lock_timeout of type str"),
    "lock_timeout nan": ({"lock_timeout": float("nan")}, "lock_timeout"),
    "stale -1": ({"stale_cache_timeout": -1}, "stale_cache_timeout=-1 must be longer"),
    "stale text": ({"stale_cache_timeout": "5"}, "stale_cache_timeout of type str"),
    "stale for ever": ({"timeout": 4e15, "stale_cache_timeout": 4e15}, "together are longer than a server"),
    "early 0": ({"early": 0}, "early=0: give a number above 0"),
    "early below": ({"early": -1}, "early=-1"),
    "early text": ({"early": "1"}, "early='1'"),
    "early nan": ({"early": float("nan")}, "early=nan"),
    "early without end": ({"early": float("inf")}, "early=inf"),
    "jitter 1": ({"jitter": 1}, "jitter=1: give the part"),
    "jitter below": ({"jitter": -0.1}, "jitter=-0.1"),
    "jitter text": ({"jitter": "x"}, "jitter='x'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_refused_before_anything_is_sent(wrong: str) -> None:
    options, remedy = WRONG[wrong]
    with pytest.raises(InvalidArgument, match=remedy):
        feed(asked(**options))


def test_a_key_that_can_not_be_sent_is_refused_too() -> None:
    with pytest.raises(InvalidKey):
        feed(flights.get_or_set(SPACE, "\ud800", 7))


@pytest.mark.parametrize("options", [{"early": 1}, {"stale_cache_timeout": 1}])
@pytest.mark.parametrize("timeout", [60, None])
def test_a_format_without_a_place_for_an_age_has_none(options: dict[str, Any], timeout: int | None) -> None:
    bare = Space(Keyspace("p", 1), codec(format="bare"))
    with pytest.raises(InvalidArgument, match="leave out format='bare'"):
        feed(flights.get_or_set(bare, "k", 7, timeout, **options))


@pytest.mark.parametrize("options", [{"early": 1}, {"stale_cache_timeout": 1}, {"lock_timeout": 30}])
def test_who_writes_for_another_backend_goes_on_without_an_age(options: dict[str, Any]) -> None:
    guest = Space(Keyspace("p", 1), codec(writes="django-redis"))
    fed = feed(flights.get_or_set(guest, "k", computed, 60, **options), None, TOKEN, lease(), 8, 1)
    assert (said(fed)[-1], fed.result) == (lands(b"8", 60_000), 8)


def test_such_a_format_has_flights_like_any_other() -> None:
    bare = Space(Keyspace("p", 1), codec(format="bare"))
    fed = feed(flights.get_or_set(bare, "k", computed, 60, lock_timeout=30), None, TOKEN, lease(), 8, 1)
    assert (said(fed)[-1], fed.result) == (lands(b"8", 60_000), 8)
    assert feed(flights.get_or_set(bare, "k", computed), b"1").result == 1
    assert feed(flights.get_or_set(bare, "k", computed), None, TOKEN, there(b"1")).result == 1
    assert bare.encode_dated(5, ((3, b"8 bytes."),), b"p:1:k") == b"5"


def test_what_can_not_be_stored_with_its_age_is_told_by_its_key() -> None:
    with pytest.raises(Unencodable, match="'p:1:k'"):
        feed(at(asked(early=1)), None, lease(), Engine(), 1)


@pytest.mark.parametrize("answers", [(), (NOW, 8)], ids=["before", "after"])
def test_who_is_ended_at_the_clock_of_a_computation_holds_nothing(answers: tuple[object, ...]) -> None:
    plan = asked(stale_cache_timeout=1)
    (left,) = ended(plan, KeyboardInterrupt(), None, TOKEN, lease(), *answers)
    assert step_said(left) == leaves()


@pytest.mark.parametrize(("answers", "result"), [([1, 1], True), ([0, 1], True), ([1, 0], False)])
def test_a_deletion_takes_the_flight_along_first(answers: list[int], result: bool) -> None:
    fed = feed(flights.delete(SPACE, "k"), answers)
    assert isinstance(fed.steps[0], Batch)  # one round trip
    assert fed.sent == [b"UNLINK \xffvkcache:flight:{p:1:k}", b"UNLINK p:1:k"]
    assert fed.result is result


def test_a_deletion_of_many_is_one_of_all_flights_and_one_of_all_keys() -> None:
    fed = feed(flights.delete_many(SPACE, ("a", "{u}b"), 2), [1, 2])
    assert len(fed.steps) == 1
    assert fed.sent == [
        b"UNLINK \xffvkcache:flight:{p:2:a} \xffvkcache:flight::p:2:{u}b",
        b"UNLINK p:2:a p:2:{u}b",
    ]
    assert fed.result == 2


def test_where_no_key_is_given_nothing_is_asked() -> None:
    assert feed(flights.delete_many(SPACE, ())).result is None


DELETIONS: tuple[Callable[[], Plan[Any]], ...] = (
    lambda: flights.delete(SPACE, "k"),
    lambda: flights.delete_many(SPACE, ["k"]),
)


@pytest.mark.parametrize("deletion", DELETIONS)
def test_who_may_not_touch_flights_deletes_all_the_same(deletion: Callable[[], Plan[Any]]) -> None:
    assert feed(deletion(), [AccessDenied("NOPERM"), 1]).result == 1


@pytest.mark.parametrize("deletion", DELETIONS)
def test_a_deletion_that_fails_is_told(deletion: Callable[[], Plan[Any]]) -> None:
    with pytest.raises(Unreachable):
        feed(deletion(), [1, Unreachable("down")])


@pytest.mark.parametrize("deletion", DELETIONS)
@pytest.mark.parametrize("gone", [1, OutOfMemory("of the keys")], ids=["keys deleted", "keys not deleted"])
def test_a_flight_that_may_go_on_is_told_after_what_became_of_the_keys(
    deletion: Callable[[], Plan[Any]], gone: object
) -> None:
    with pytest.raises(Unreachable if gone == 1 else OutOfMemory):
        feed(deletion(), [Unreachable("of the flights"), gone])


def test_a_deletion_alone_is_one_command_of_both_keys() -> None:
    command = flights.delete_alone(SPACE, "k", 2)
    assert command.keys == (b"p:2:k", b"\xffvkcache:flight:{p:2:k}")
    assert (command.decode(1), command.decode(0)) == (True, False)


def test_unreadable_news_of_a_value_with_an_age_are_no_answer() -> None:
    assert feed(at(asked()), None, wait(), b"+" + BROKEN, there(FRESH)).result == 1
