"""Sorted sets: zadd, zrange, zscore, zpopmin, zscan ...

Fails where a documented result, the answer for a missing key, or the time to live of a sorted set is
another one on some way to build a cache, where a flag of zadd() does something else than it says, or
where a score loses its value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import SECOND, lives
from tests.integration.contract.ways import Build
from vkcache.errors import InvalidArgument, WrongType
from vkcache.shell import Client

Ask = Callable[[Client], Any]

# Every method, on a key that is missing.
MISSING: dict[str, tuple[Ask, Any]] = {
    "zadd xx": (lambda cache: cache.zadd("k", {1: 1}, xx=True), 0),
    "zadd xx incr": (lambda cache: cache.zadd("k", {1: 1}, xx=True, incr=True), None),
    "zcard": (lambda cache: cache.zcard("k"), 0),
    "zcount": (lambda cache: cache.zcount("k", "-inf", "+inf"), 0),
    "zrange": (lambda cache: cache.zrange("k", 0, -1), []),
    "zrange withscores": (lambda cache: cache.zrange("k", 0, -1, withscores=True), []),
    "zrange_withscores": (lambda cache: cache.zrange_withscores("k", 0, -1), []),
    "zrevrange": (lambda cache: cache.zrevrange("k", 0, -1), []),
    "zrangebyscore": (lambda cache: cache.zrangebyscore("k", 0, 5), []),
    "zrangebyscore_withscores": (lambda cache: cache.zrangebyscore_withscores("k", 0, 5), []),
    "zrevrangebyscore": (lambda cache: cache.zrevrangebyscore("k", 5, 0), []),
    "zrank": (lambda cache: cache.zrank("k", 1), None),
    "zrevrank": (lambda cache: cache.zrevrank("k", 1), None),
    "zrem": (lambda cache: cache.zrem("k", 1), 0),
    "zremrangebyrank": (lambda cache: cache.zremrangebyrank("k", 0, -1), 0),
    "zremrangebyscore": (lambda cache: cache.zremrangebyscore("k", 0, 5), 0),
    "zscore": (lambda cache: cache.zscore("k", 1), None),
    "zmscore": (lambda cache: cache.zmscore("k", 1, 2), [None, None]),
    "zpopmin": (lambda cache: cache.zpopmin("k"), []),
    "zpopmin count": (lambda cache: cache.zpopmin("k", 2), []),
    "zpopmax": (lambda cache: cache.zpopmax("k"), []),
    "zscan": (lambda cache: cache.zscan("k"), (0, [])),
    "zscan_iter": (lambda cache: list(cache.zscan_iter("k")), []),
}
CREATING: dict[str, Ask] = {
    "zadd": lambda cache: cache.zadd("k", {1: 1}),
    "zincrby": lambda cache: cache.zincrby("k", 1, 1),
}
LETTERS = {"a": 1, "b": 2.5, "c": 3, "d": 3}


@pytest.fixture
def letters(cache: Client) -> Client:
    """A cache that holds `LETTERS`."""
    cache.zadd("k", LETTERS)
    return cache


@pytest.mark.parametrize("row", MISSING)
def test_a_missing_key_is_an_empty_sorted_set(cache: Client, raw: Raw, row: str) -> None:
    ask, answer = MISSING[row]
    found = ask(cache)
    assert (found, type(found)) == (answer, type(answer))
    assert raw("DBSIZE") == 0


@pytest.mark.parametrize("row", MISSING)
def test_without_a_server_it_is_the_same_where_errors_are_ignored(build: Build, row: str) -> None:
    ask, answer = MISSING[row]
    assert ask(build("valkey://127.0.0.1:1/0", ignore_exceptions=True)) == answer


@pytest.mark.parametrize("row", [*MISSING, *CREATING])
def test_another_kind_of_key_is_a_wrong_type(cache: Client, row: str) -> None:
    ask = MISSING[row][0] if row in MISSING else CREATING[row]
    cache.sadd("k", 1)
    with pytest.raises(WrongType, match="app:1:k"):
        ask(cache)
    with pytest.raises(TypeError):
        ask(cache)
    assert cache.smembers("k") == {1}


def test_zadd_counts_the_new_ones_and_with_ch_the_changed_ones_too(cache: Client) -> None:
    assert cache.zadd("k", {"a": 1, "b": 2}) == 2
    assert cache.zadd("k", {"a": 5, "c": 3}) == 1
    assert cache.zadd("k", {"a": 6, "b": 2, "d": 4}, ch=True) == 2
    assert cache.zrange_withscores("k", 0, -1) == [("b", 2.0), ("c", 3.0), ("d", 4.0), ("a", 6.0)]


FLAGS: list[tuple[dict[str, bool], dict[str, float], int, dict[str, float]]] = [
    ({"nx": True}, {"a": 9, "x": 9}, 1, {"a": 5, "x": 9}),
    ({"xx": True}, {"a": 9, "x": 9}, 0, {"a": 9}),
    ({"xx": True, "ch": True}, {"a": 9, "x": 9}, 1, {"a": 9}),
    ({"gt": True}, {"a": 4, "x": 9}, 1, {"a": 5, "x": 9}),
    ({"gt": True, "ch": True}, {"a": 6}, 1, {"a": 6}),
    ({"lt": True}, {"a": 6, "x": 9}, 1, {"a": 5, "x": 9}),
    ({"lt": True, "ch": True}, {"a": 4}, 1, {"a": 4}),
    ({"xx": True, "gt": True, "ch": True}, {"a": 6, "x": 9}, 1, {"a": 6}),
    ({"xx": True, "lt": True}, {"a": 6, "x": 9}, 0, {"a": 5}),
]


@pytest.mark.parametrize(("flags", "mapping", "answer", "left"), FLAGS, ids=lambda value: str(value))
def test_the_flags_of_zadd(
    cache: Client, flags: dict[str, bool], mapping: dict[str, float], answer: int, left: dict[str, float]
) -> None:
    cache.zadd("k", {"a": 5})
    assert cache.zadd("k", mapping, **flags) == answer
    assert dict(cache.zrange_withscores("k", 0, -1)) == left


def test_zadd_with_incr_answers_the_new_score_or_none(cache: Client) -> None:
    assert cache.zadd("k", {"a": 1.5}, incr=True) == 1.5
    assert cache.zadd("k", {"a": 2}, incr=True) == 3.5
    assert cache.zadd("k", {"a": 1}, incr=True, nx=True) is None
    assert cache.zadd("k", {"a": -1}, incr=True, gt=True) is None
    assert cache.zadd("k", {"b": 1}, incr=True, xx=True) is None
    assert cache.zadd("k", {"a": -1}, incr=True, lt=True) == 2.5


SCORES = [
    0,
    -1,
    1.5,
    0.1,
    1e300,
    -1e-300,
    2**53,
    2**63,
    12345678901234567890,
    math.inf,
    -math.inf,
    True,
    math.pi,
]


@pytest.mark.parametrize("score", SCORES)
def test_a_score_comes_back_as_the_float_it_is(cache: Client, score: float) -> None:
    cache.zadd("k", {"a": score})
    expected = float(score)
    assert cache.zscore("k", "a") == expected
    assert type(cache.zscore("k", "a")) is float
    assert cache.zmscore("k", "a", "x") == [expected, None]
    assert cache.zrange("k", 0, -1, withscores=True) == [("a", expected)]
    assert cache.zscan("k") == (0, [("a", expected)])
    assert cache.zcount("k", score, score) == 1
    assert cache.zpopmax("k") == [("a", expected)]


def test_zincrby(cache: Client) -> None:
    assert cache.zincrby("k", 2, "a") == 2.0
    assert cache.zincrby("k", -0.5, "a") == 1.5
    assert type(cache.zincrby("k", 1, "b")) is float
    assert cache.zincrby("k", math.inf, "b") == math.inf


def test_members_of_any_kind(cache: Client) -> None:
    members: list[Any] = [1, 1.5, "text", b"\xff", None, False, (1, "x"), frozenset({1}), "x" * 5000]
    cache.zadd("k", {member: place for place, member in enumerate(members)})
    found = cache.zrange("k", 0, -1)
    assert (found, list(map(type, found))) == (members, list(map(type, members)))
    assert [cache.zrank("k", member) for member in members] == list(range(len(members)))
    cache.zincrby("k", 100, {"b": 1, "a": [2]})
    assert cache.zscore("k", {"a": [2], "b": 1}) == 100
    assert cache.zrevrange("k", 0, 0, withscores=True) == [({"a": [2], "b": 1}, 100.0)]
    assert cache.zrem("k", {"a": [2], "b": 1}, None) == 2


def test_ranges_by_position(letters: Client) -> None:
    assert letters.zrange("k", 0, -1) == ["a", "b", "c", "d"]
    assert letters.zrange("k", 1, 2) == ["b", "c"]
    assert letters.zrange("k", -2, 99) == ["c", "d"]
    assert letters.zrange("k", 3, 1) == []
    assert letters.zrange("k", 0, 1, desc=True) == letters.zrevrange("k", 0, 1) == ["d", "c"]
    assert letters.zrange("k", 0, 1, withscores=True) == [("a", 1.0), ("b", 2.5)]
    assert letters.zrange("k", 1, 1, withscores=True, score_cast_func=int) == [("b", 2)]
    assert letters.zrange("k", 2, 2, desc=True, withscores=True) == [("b", 2.5)]
    assert letters.zrange_withscores("k", 3, 3, desc=True) == [("a", 1.0)]
    assert letters.zrevrange("k", 0, 0, withscores=True, score_cast_func=str) == [("d", "3.0")]


def test_ranges_by_score(letters: Client) -> None:
    assert letters.zrangebyscore("k", 1, 2.5) == ["a", "b"]
    assert letters.zrangebyscore("k", "(1", "(3") == ["b"]
    assert letters.zrangebyscore("k", "-inf", "+inf") == ["a", "b", "c", "d"]
    assert letters.zrangebyscore("k", -math.inf, math.inf, start=1, num=2) == ["b", "c"]
    assert letters.zrangebyscore("k", 0, 9, start=2, num=-1) == ["c", "d"]
    assert letters.zrangebyscore("k", 0, 9, start=0, num=0) == []
    assert letters.zrangebyscore("k", 5, 1) == []
    assert letters.zrangebyscore("k", 1, 1, withscores=True, score_cast_func=int) == [("a", 1)]
    assert letters.zrangebyscore_withscores("k", 2, "inf", start=0, num=1) == [("b", 2.5)]
    assert letters.zrevrangebyscore("k", 3, "(1") == ["d", "c", "b"]
    assert letters.zrevrangebyscore("k", "+inf", "-inf", start=1, num=2, withscores=True) == [
        ("c", 3.0),
        ("b", 2.5),
    ]
    assert letters.zcount("k", 1, 3) == 4
    assert letters.zcount("k", "(1", "(3") == 1


def test_ranks(letters: Client) -> None:
    assert [letters.zrank("k", member) for member in "abcdx"] == [0, 1, 2, 3, None]
    assert [letters.zrevrank("k", member) for member in "abcdx"] == [3, 2, 1, 0, None]


def test_removals_count(letters: Client) -> None:
    assert letters.zrem("k", "a", "x") == 1
    assert letters.zremrangebyscore("k", "(2.5", 3) == 2
    assert letters.zremrangebyrank("k", 5, 9) == 0
    assert letters.zremrangebyrank("k", 0, -1) == 1
    assert letters.has_key("k") is False


def test_pops_take_the_ends(letters: Client) -> None:
    assert letters.zpopmin("k") == [("a", 1.0)]
    assert letters.zpopmax("k", 2) == [("d", 3.0), ("c", 3.0)]
    assert letters.zpopmin("k", 0) == []
    assert letters.zpopmin("k", 5) == [("b", 2.5)]
    assert letters.zpopmax("k") == []


def test_an_unreadable_member_is_left_out(cache: Client, raw: Raw) -> None:
    cache.zadd("k", {1: 1})
    raw("ZADD", "app:1:k", 2, b"\xc1\xff")
    assert cache.zrange("k", 0, -1) == [1]
    assert cache.zrange_withscores("k", 0, -1) == list(cache.zscan_iter("k")) == [(1, 1.0)]
    assert cache.zcard("k") == 2


def test_versions_are_apart(cache: Client) -> None:
    cache.zadd("k", {1: 1}, version=2)
    assert cache.zcard("k") == 0
    assert cache.zrange("k", 0, -1, version=2) == [1]
    assert cache.zscan("k", version=2) == (0, [(1, 1.0)])


def test_the_time_to_live_stays(letters: Client, raw: Raw) -> None:
    assert raw("PTTL", "app:1:k") == -1
    letters.expire("k", 60)
    letters.zadd("k", {"e": 1, "f": 2})
    letters.zincrby("k", 1, "a")
    letters.zrem("k", "b")
    letters.zpopmin("k")
    letters.zremrangebyrank("k", 0, 0)
    assert lives(raw, "app:1:k", 60 * SECOND)


@pytest.mark.parametrize("size", [5, 3000])
def test_iterations_bring_every_member_once(cache: Client, size: int) -> None:
    scores = {f"m{number}": float(number) for number in range(size)}
    cache.zadd("k", scores)
    found = list(cache.zscan_iter("k", count=100))
    assert (len(found), dict(found)) == (size, scores)
    cursor, page = cache.zscan("k", count=100)
    while cursor:
        cursor, more = cache.zscan("k", cursor, count=100)
        page += more
    assert dict(page) == scores
    assert sorted(cache.zscan_iter("k", match="m?")) == sorted(
        (f"m{n}", float(n)) for n in range(min(size, 10))
    )


def test_a_match_is_over_the_text_of_members(cache: Client) -> None:
    cache.zadd("k", {"abc": 1, 12: 2, (1, 2): 3})
    assert cache.zscan("k", match="1?") == (0, [(12, 2.0)])
    assert list(cache.zscan_iter("k", match="(1*")) == [((1, 2), 3.0)]


def test_mistakes_are_refused(cache: Client) -> None:
    for ask in (
        lambda: cache.zadd("k", {}),
        lambda: cache.zadd("k", {1: math.nan}),
        lambda: cache.zadd("k", {1: 1}, nx=True, xx=True),
        lambda: cache.zadd("k", {1: 1}, nx=True, gt=True),
        lambda: cache.zadd("k", {1: 1}, gt=True, lt=True),
        lambda: cache.zadd("k", {1: 1, 2: 2}, incr=True),
        lambda: cache.zcount("k", "low", 1),
        lambda: cache.zrangebyscore("k", 0, 1, start=1),
        lambda: cache.zpopmin("k", -1),
        lambda: cache.zrem("k"),
        lambda: cache.zmscore("k"),
        lambda: list(cache.zscan_iter("k", count=0)),
    ):
        with pytest.raises(InvalidArgument):
            ask()


@pytest.mark.parametrize("transaction", [True, False])
def test_a_pipeline_answers_the_same(cache: Client, transaction: bool) -> None:
    with cache.pipeline(transaction=transaction) as pipe:
        pipe.zadd("k", LETTERS)
        score = pipe.zscore("k", "b")
        pipe.zrange("k", 0, 1, withscores=True)
        pipe.zrank("k", "x")
        pipe.zpopmax("k")
        pipe.zincrby("k", 1, "a")
        results = pipe.execute()
    assert results == [4, 2.5, [("a", 1.0), ("b", 2.5)], None, [("d", 3.0)], 2.0]
    assert score.value == 2.5
