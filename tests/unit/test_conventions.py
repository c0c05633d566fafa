"""Conventions: what a command answers where the backends that sites come from answer different things.

Fails where a backend's row of the conventions has another answer than its own, where a command asks other
bytes for that than it does natively, or where what conventions do not name changes with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from tests.unit.feeding import SPACE, feed, words
from tests.unit.rows import GONE, Row, call
from vkcache.core import flights, keys, locks, semaphores, sets, sortedsets, strings
from vkcache.core.conventions import CONVENTIONS
from vkcache.core.expiry import DEFAULT
from vkcache.core.plan import Batch, Command, Features, GetFeatures, Plan, Transaction
from vkcache.core.space import Space
from vkcache.errors import Aborted, InvalidArgument, OutOfMemory, ReplyError, Unreachable

SPACES = {name: evolve(SPACE, conventions=conventions) for name, conventions in CONVENTIONS.items()}
V, X, DR, R, NATIVE = (
    SPACES[name]
    for name in ("django-valkey", "django-cachex", "django-redis", "django-redis-cache", "native")
)
ALL = tuple(SPACES.values())

ADDED, MADE = b"SET p:1:k 5 NX PX 300000", b"SET p:1:k 5 PX 300000"
TEXT, DICT = SPACE.member("text"), SPACE.member({"a": 1})
BOTH: dict[str, object] = {"a": 1, "b": 2}
OLD, NEW = Features("valkey", (9, 0, 4)), Features("valkey", (9, 1, 0))
STORES = [b"SET p:1:a 1 PX 60000", b"SET p:1:b 2 PX 60000"]


def same(spaces: tuple[Space, ...], row: Row) -> list[tuple[Space, Row]]:
    return [(space, row) for space in spaces]


def those_of_set() -> list[tuple[Space, Row]]:
    set = strings.set
    stored = [
        Row(call(set, "k", 5), MADE, b"OK", True),
        Row(call(set, "k", 5, None), b"SET p:1:k 5", b"OK", True),
        Row(call(set, "k", 5, 0), b"UNLINK p:1:k", 0, True),
        Row(call(set, "k", 5, keepttl=True), b"SET p:1:k 5 KEEPTTL", b"OK", True),
    ]
    stopped = [
        Row(call(set, "k", 5, nx=True), ADDED, None, False),
        Row(call(set, "k", 5, xx=True, keepttl=True), b"SET p:1:k 5 XX KEEPTTL", None, False),
        Row(call(set, "k", 5, 0, nx=True), b"EXISTS p:1:k", 1, False),
        Row(call(set, "k", 5, 0, xx=True), b"UNLINK p:1:k", 0, False),
    ]
    not_stopped = [
        Row(call(set, "k", 5, nx=True), ADDED, b"OK", True),
        Row(call(set, "k", 5, 0, nx=True), b"EXISTS p:1:k", 0, True),
        Row(call(set, "k", 5, 0, xx=True), b"UNLINK p:1:k", 1, True),
        Row(call(set, "k", 5, get=True), b"SET p:1:k 5 GET PX 300000", b"4", 4),
    ]
    return [
        *(pair for row in stored for pair in same((NATIVE, V, DR, R), row)),
        *((X, evolve(row, result=None)) for row in stored),
        *(pair for row in stopped for pair in same((NATIVE, X, DR, R), row)),
        *((V, evolve(row, result=None)) for row in stopped),
        *(pair for row in not_stopped for pair in same(ALL, row)),
    ]


def those_of_add() -> list[tuple[Space, Row]]:
    add = strings.add
    refused = [
        Row(call(add, "k", 5), ADDED, None, False),
        Row(call(add, "k", 5, None, 2), b"SET p:2:k 5 NX", None, False),
        Row(call(add, "k", 5, 0), b"EXISTS p:1:k", 1, False),
    ]
    done = [Row(call(add, "k", 5), ADDED, b"OK", True), Row(call(add, "k", 5, 0), b"EXISTS p:1:k", 0, True)]
    return [
        *(pair for row in refused for pair in same((NATIVE, X, DR, R), row)),
        *((V, evolve(row, result=None)) for row in refused),
        *(pair for row in done for pair in same(ALL, row)),
    ]


def those_of_time_left() -> list[tuple[Space, Row]]:
    asked = (call(keys.ttl, "k"), call(keys.pttl, "k"))
    missing = [Row(one, b"PTTL p:1:k", -2, 0) for one in asked]
    known = [Row(one, b"PTTL p:1:k", -1, None) for one in asked]
    known += [Row(asked[0], b"PTTL p:1:k", 1001, 2), Row(asked[1], b"PTTL p:1:k", 1001, 1001)]
    known += [Row(one, b"PTTL p:1:k", 0, 0) for one in asked]  # within its last millisecond
    return [
        *(pair for row in missing for pair in same((NATIVE, V, DR, R), row)),
        *((X, evolve(row, result=-2)) for row in missing),
        *(pair for row in known for pair in same(ALL, row)),
    ]


def those_of_members() -> list[tuple[Space, Row]]:
    several = Row(call(sets.spop, "k", 2), b"SPOP p:1:k 2", [b"1", TEXT, GONE], [1, "text"])
    page = Row(call(sets.sscan, "k"), b"SSCAN p:1:k 0 COUNT 1000", [b"0", [b"1", TEXT]], (0, {1, "text"}))
    matched = call(sets.sscan, "k", 7, match="t*", count=5)
    return [
        *same((NATIVE, X, R), several),
        *same((V, DR), evolve(several, result={1, "text"})),
        *same((V, DR), evolve(several, reply=[DICT, DICT], result=[{"a": 1}, {"a": 1}])),
        *same((V, DR), evolve(several, reply=(), result=set())),
        *same(ALL, Row(call(sets.spop, "k"), b"SPOP p:1:k", TEXT, "text")),
        *same(ALL, Row(call(sets.srandmember, "k", 2), b"SRANDMEMBER p:1:k 2", [b"1"], [1])),
        *same((NATIVE, X, R), page),
        *same((V, DR), evolve(page, result={1, "text"})),
        *same((V, DR), evolve(page, reply=[b"0", [DICT]], result=[{"a": 1}])),
        *same((V, DR), Row(matched, b"SSCAN p:1:k 7 COUNT 5", [b"9", [b"1", TEXT]], {"text"})),
    ]


def those_of_scores() -> list[tuple[Space, Row]]:
    pops = {sortedsets.zpopmin: b"ZPOPMIN p:1:k", sortedsets.zpopmax: b"ZPOPMAX p:1:k"}
    return [
        pair
        for pop, sent in pops.items()
        for pair in (
            *same((NATIVE, V, X, R), Row(call(pop, "k"), sent, [TEXT, b"2"], [("text", 2.0)])),
            *same((NATIVE, V, X, R), Row(call(pop, "k"), sent, [], [])),
            (DR, Row(call(pop, "k"), sent, [TEXT, b"2"], ("text", 2.0))),
            (DR, Row(call(pop, "k"), sent, [], None)),
            (DR, Row(call(pop, "k"), sent, [GONE, b"2"], None)),
            *same(ALL, Row(call(pop, "k", 1), sent + b" 1", [TEXT, b"2"], [("text", 2.0)])),
        )
    ]


ROWS = [
    *those_of_set(),
    *those_of_add(),
    *those_of_time_left(),
    *those_of_members(),
    *those_of_scores(),
]


def named(given: object) -> str:
    spaces = [name for name, space in SPACES.items() if space is given]
    return spaces[0] if spaces else str(given.asked) if isinstance(given, Row) else ""


@pytest.mark.parametrize(("space", "row"), ROWS, ids=named)
def test_a_command_is_the_native_one_and_its_answer_the_backends_own(space: Space, row: Row) -> None:
    command = row.asked(space)
    assert isinstance(command, Command)
    assert words(command) == row.sent
    result = command.decode(row.reply)
    assert (result, type(result)) == (row.result, type(row.result))


def test_where_no_key_is_named_for_deletion_each_answers_its_own() -> None:
    found = {name: feed(flights.delete_many(space, [])).result for name, space in SPACES.items()}
    assert found == {
        "native": None,
        "django-valkey": 0,
        "django-cachex": None,
        "django-redis": 0,
        "django-redis-cache": None,
    }
    assert all(feed(flights.delete_many(space, ["a"]), [0, 1]).result == 1 for space in ALL)


PAGE = b"SCAN 0 MATCH %b COUNT 1000"


@pytest.mark.parametrize(
    ("space", "sent"),
    [(NATIVE, PAGE % b"p:*:*"), (X, PAGE % b"p:1:*"), *((space, b"FLUSHDB") for space in (V, DR, R))],
    ids=named,
)
def test_clear_takes_what_the_backend_would(space: Space, sent: bytes) -> None:
    fed = feed(keys.clear(space), b"OK" if sent == b"FLUSHDB" else [b"0", []])
    assert (fed.sent, fed.result) == ([sent], True)


@pytest.mark.parametrize("space", ALL, ids=named)
def test_clear_of_a_version_takes_no_other(space: Space) -> None:
    """Whole databases too: who names a version never meant the others."""
    fed = feed(keys.clear(space, 2), [b"0", [b"p:2:k"]], 1)
    assert (fed.sent, fed.result) == ([PAGE % b"p:2:*", b"UNLINK p:2:k"], True)


@pytest.mark.parametrize(
    ("space", "step"),
    [(NATIVE, Batch), (V, Batch), (DR, Batch), (X, Transaction), (R, Transaction)],
    ids=named,
)
def test_set_many_is_one_transaction_where_the_backends_is(space: Space, step: type) -> None:
    fed = feed(strings.set_many(space, BOTH, 60), OLD, [b"OK", b"OK"])
    assert [type(one) for one in fed.steps] == [GetFeatures, step]
    assert (fed.sent, fed.result) == (STORES, [])
    assert not (
        isinstance(fed.steps[1], Transaction) and fed.steps[1].whole
    )  # a cut by nodes goes on working


@pytest.mark.parametrize(
    ("timeout", "features", "sent", "reply"),
    [
        (60, NEW, b"MSETEX 2 p:1:a 1 p:1:b 2 PX 60000", 1),
        (None, OLD, b"MSET p:1:a 1 p:1:b 2", b"OK"),
        (0, OLD, b"UNLINK p:1:a p:1:b", 2),
    ],
)
def test_what_is_one_command_needs_no_transaction(
    timeout: int | None, features: Features, sent: bytes, reply: object
) -> None:
    fed = feed(strings.set_many(X, BOTH, timeout), features, [reply])
    assert isinstance(fed.steps[1], Batch)
    assert (fed.sent, fed.result) == ([sent], [])


def test_a_transaction_names_the_keys_that_it_could_not_store() -> None:
    full, gone = OutOfMemory("SET p:1:a: OOM"), Unreachable("gone")
    assert feed(strings.set_many(X, BOTH, 60), OLD, [full, gone]).result == ["a", "b"]
    assert feed(strings.set_many(X, BOTH, 60), OLD, [Aborted("EXECABORT"), full]).result == ["a", "b"]
    refused = ReplyError("SET p:1:b: ERR")
    with pytest.raises(ReplyError) as caught:
        feed(strings.set_many(X, BOTH, 60), OLD, [b"OK", refused])
    assert caught.value is refused


class Stop(Exception):
    """The test has seen enough."""


def terms_of(space: Space, monkeypatch: pytest.MonkeyPatch, *args: Any, **kwargs: Any) -> tuple[bytes, Any]:
    """The key and the terms that a get_or_set with these arguments has."""
    seen: list[Any] = []

    class Seeker:
        def __init__(self, _space: Space, wire: bytes, _default: object, terms: flights.Terms) -> None:
            seen.extend((wire, terms))
            raise Stop

    monkeypatch.setattr(flights, "_Seeker", Seeker)
    with pytest.raises(Stop):
        feed(flights.get_or_set(space, "k", 5, *args, **kwargs), None)
    return seen[0], seen[1]


def named_and_placed() -> Mapping[str, tuple[Space, tuple[Any, ...], dict[str, Any], bytes, tuple[int, int]]]:
    one, two, usual = b"p:1:k", b"p:2:k", (flights.LEASE_MS, 0)
    return {
        "native": (NATIVE, (60, 2), {}, two, usual),
        "native, all named": (NATIVE, (60,), {"version": 2, "lock_timeout": 5}, two, (5000, 0)),
        "native, both": (V, (60, 2), {"stale_cache_timeout": 7}, two, (flights.LEASE_MS, 7000)),
        "lock_timeout": (R, (60, 5), {}, one, (5000, 0)),
        "stale too": (R, (60, 5, 7), {}, one, (5000, 7000)),
        "stale alone": (R, (DEFAULT, None, 7), {}, one, (flights.LEASE_MS, 7000)),
        "a named version": (R, (60, 5), {"version": 2, "stale_cache_timeout": 7}, two, (5000, 7000)),
        "all named": (R, (60,), {"version": 2, "lock_timeout": 5}, two, (5000, 0)),
    }


@pytest.mark.parametrize("row", named_and_placed())
def test_the_arguments_after_the_timeout_are_the_backends_own(
    row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, args, named, key, times = named_and_placed()[row]
    wire, terms = terms_of(space, monkeypatch, *args, **named)
    assert (wire, (terms.lease, terms.keep)) == (key, times)


TWICE: dict[str, Callable[[], Plan[Any]]] = {
    "a version": lambda: flights.get_or_set(NATIVE, "k", 5, 60, 2, version=2),
    "a time": lambda: flights.get_or_set(R, "k", 5, 60, 2, lock_timeout=2),
    "the other time": lambda: flights.get_or_set(R, "k", 5, 60, 2, 3, stale_cache_timeout=2),
    "too many": lambda: flights.get_or_set(NATIVE, "k", 5, 60, 2, 3),
    "too many times": lambda: flights.get_or_set(R, "k", 5, 60, 2, 3, 4),
}


@pytest.mark.parametrize("row", TWICE)
def test_an_argument_that_comes_twice_is_refused(row: str) -> None:
    with pytest.raises(TypeError, match=r"get_or_set\(\) takes .* after timeout, once"):
        next(iter(TWICE[row]()))


def test_the_caches_own_stale_time_counts_where_a_call_says_none(monkeypatch: pytest.MonkeyPatch) -> None:
    space = evolve(SPACE, stale=60)
    assert terms_of(space, monkeypatch)[1].keep == 60_000
    assert terms_of(space, monkeypatch, stale_cache_timeout=7)[1].keep == 7000
    assert terms_of(space, monkeypatch, stale_cache_timeout=0)[1].keep == 0
    assert terms_of(SPACE, monkeypatch)[1].keep == 0


@pytest.mark.parametrize("space", ALL, ids=named)
def test_a_lock_is_told_from_that_of_another_cache_where_the_backends_is(space: Space) -> None:
    held = locks.lock(space, "k", 2).held
    assert held == (b"\xffvkcache:lock:{k}" if space is R else b"\xffvkcache:lock:{p:2:k}")
    permits = semaphores.terms(space, "k", 2, version=2).semaphore
    assert permits.wire == b"p:2:k"  # no backend of these conventions has any


def test_the_lease_has_a_name_of_its_own() -> None:
    terms = locks.terms(SPACE, "k", lease=5)
    assert (terms.lock.lease, terms.wait.limit, terms.renewed) == (5000, None, False)
    limits: tuple[dict[str, Any], ...] = (
        {"timeout": 3},
        {"timeout": timedelta(seconds=3)},
        {"blocking_timeout": 3},
    )
    for waits in limits:
        terms = locks.terms(SPACE, "k", lease=5, **waits)
        assert (terms.lock.lease, terms.wait.limit) == (5000, 3)
    assert locks.terms(SPACE, "k", timeout=5, blocking_timeout=3) == locks.terms(
        SPACE, "k", lease=5, timeout=3
    )


def test_of_two_longest_waits_neither_is_taken() -> None:
    with pytest.raises(InvalidArgument, match="give one"):
        locks.terms(SPACE, "k", lease=5, timeout=3, blocking_timeout=3)
    with pytest.raises(InvalidArgument, match="longer than 0"):
        locks.terms(SPACE, "k", lease=0)
