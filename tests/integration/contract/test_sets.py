"""Sets: sadd, smembers, spop, sdiff, sscan ...

Fails where a documented result, the answer for a missing key, or the time to live of a set is another
one on some way to build a cache; where equal members are two; where a member that Python can not put
into a set is lost; or where a match reads the encoded bytes of members.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import SECOND, lives
from tests.integration.contract.ways import Build
from vkcache.errors import InvalidArgument, WrongType
from vkcache.shell import Client

Ask = Callable[[Client], Any]

MEMBERS: list[Any] = [
    1,
    -5,
    1.5,
    "text",
    "",
    b"\xff",
    None,
    True,
    (1, ("x",)),
    frozenset({1}),
    "x" * 5000,
    2**70,
]

# Every method, on a key that is missing.
MISSING: dict[str, tuple[Ask, Any]] = {
    "srem": (lambda cache: cache.srem("{k}", 1), 0),
    "smembers": (lambda cache: cache.smembers("{k}"), set()),
    "sismember": (lambda cache: cache.sismember("{k}", 1), False),
    "smismember": (lambda cache: cache.smismember("{k}", 1, 2), [False, False]),
    "scard": (lambda cache: cache.scard("{k}"), 0),
    "spop": (lambda cache: cache.spop("{k}"), None),
    "spop count": (lambda cache: cache.spop("{k}", 2), []),
    "srandmember": (lambda cache: cache.srandmember("{k}"), None),
    "srandmember count": (lambda cache: cache.srandmember("{k}", 2), []),
    "srandmember again": (lambda cache: cache.srandmember("{k}", -2), []),
    "smove": (lambda cache: cache.smove("{k}", "{k}2", 1), False),
    "sdiff": (lambda cache: cache.sdiff("{k}", "{k}2"), set()),
    "sinter": (lambda cache: cache.sinter("{k}", "{k}2"), set()),
    "sunion": (lambda cache: cache.sunion("{k}", "{k}2"), set()),
    "sdiffstore": (lambda cache: cache.sdiffstore("{k}2", "{k}"), 0),
    "sinterstore": (lambda cache: cache.sinterstore("{k}2", "{k}"), 0),
    "sunionstore": (lambda cache: cache.sunionstore("{k}2", "{k}"), 0),
    "sscan": (lambda cache: cache.sscan("{k}"), (0, set())),
    "sscan_iter": (lambda cache: list(cache.sscan_iter("{k}")), []),
}


@pytest.mark.parametrize("row", MISSING)
def test_a_missing_key_is_an_empty_set(cache: Client, raw: Raw, row: str) -> None:
    ask, answer = MISSING[row]
    found = ask(cache)
    assert (found, type(found)) == (answer, type(answer))
    assert raw("DBSIZE") == 0


@pytest.mark.parametrize("row", MISSING)
def test_without_a_server_it_is_the_same_where_errors_are_ignored(build: Build, row: str) -> None:
    ask, answer = MISSING[row]
    assert ask(build("valkey://127.0.0.1:1/0", ignore_exceptions=True)) == answer


@pytest.mark.parametrize("row", [*MISSING, "sadd"])
def test_another_kind_of_key_is_a_wrong_type(cache: Client, row: str) -> None:
    ask = MISSING[row][0] if row in MISSING else lambda cache: cache.sadd("{k}", 1)
    cache.set("{k}", "a value")
    with pytest.raises(WrongType, match=r"app:1:\{k\}"):
        ask(cache)
    with pytest.raises(TypeError):
        ask(cache)
    assert cache.get("{k}") == "a value"


def test_sadd_and_srem_count_what_changed(cache: Client) -> None:
    assert cache.sadd("k", "a", "b", "a") == 2
    assert cache.sadd("k", "b", "c") == 1
    assert cache.scard("k") == 3
    assert cache.smembers("k") == {"a", "b", "c"}
    assert cache.srem("k", "a", "x") == 1
    assert cache.srem("k", "b", "c") == 2
    assert cache.has_key("k") is False


def test_members_come_back_with_their_types(cache: Client) -> None:
    assert cache.sadd("k", *MEMBERS) == len(MEMBERS)
    found = cache.sscan_iter("k")
    assert sorted(map(repr, found)) == sorted(map(repr, MEMBERS))
    assert cache.smismember("k", *MEMBERS, 0) == [True] * len(MEMBERS) + [False]
    assert all(cache.sismember("k", member) is True for member in MEMBERS)
    assert cache.smembers("k") == set(MEMBERS)


@pytest.mark.parametrize(
    "options",
    [
        {"compressor": "zlib"},
        {"signing": "all"},
        {"format": "bare", "serializer": "msgpack", "compressor": "zlib"},
    ],
    ids=str,
)
def test_members_are_neither_compressed_nor_bound_to_their_key(
    make: Make, raw: Raw, options: dict[str, str]
) -> None:
    cache = make(**options)
    cache.sadd("{t}a", "x" * 5000, 1)
    assert b"x" * 5000 in max(raw("SMEMBERS", "app:1:{t}a"), key=len)
    assert cache.smove("{t}a", "{t}b", "x" * 5000) is True
    assert cache.sismember("{t}b", "x" * 5000) is True
    assert cache.sunion("{t}a", "{t}b") == {"x" * 5000, 1}


def test_equal_values_are_one_member_and_types_differ(cache: Client) -> None:
    assert cache.sadd("k", {"a": 1, "b": [1]}, {"b": [1], "a": 1}) == 1
    assert cache.sismember("k", {"b": [1], "a": 1}) is True
    assert cache.sadd("n", 1, True, 1.0, "1", b"1") == 5
    assert cache.scard("n") == 5
    assert sorted(map(repr, cache.sscan_iter("n"))) == ["'1'", "1", "1.0", "True", "b'1'"]


def test_unhashable_members_come_in_a_list(cache: Client) -> None:
    cache.sadd("{t}k", [1], {"a": 1}, "text")
    for found in (
        cache.smembers("{t}k"),
        cache.sdiff("{t}k", "{t}x"),
        cache.sscan("{t}k")[1],
        list(cache.sscan_iter("{t}k")),
        cache.srandmember("{t}k", 5),
    ):
        assert isinstance(found, list)
        assert sorted(map(repr, found)) == ["'text'", "[1]", "{'a': 1}"]


def test_an_unreadable_member_is_left_out(cache: Client, raw: Raw) -> None:
    cache.sadd("k", 1)
    raw("SADD", "app:1:k", b"\xc1\xff")
    assert cache.smembers("k") == {1}
    assert list(cache.sscan_iter("k")) == [1]
    assert cache.scard("k") == 2


def test_spop_takes_members_out(cache: Client) -> None:
    cache.sadd("k", *range(10))
    one = cache.spop("k")
    some = cache.spop("k", 4)
    assert isinstance(some, list)
    assert len({one, *some} | set(cache.smembers("k"))) == 10
    assert cache.scard("k") == 5
    assert cache.spop("k", 0) == []
    assert len(cache.spop("k", 100)) == 5
    assert cache.spop("k") is None


def test_srandmember_leaves_them(cache: Client) -> None:
    cache.sadd("k", "a", "b", "c")
    assert cache.srandmember("k") in {"a", "b", "c"}
    assert sorted(cache.srandmember("k", 5)) == ["a", "b", "c"]
    assert len(set(cache.srandmember("k", 2))) == 2
    again = cache.srandmember("k", -7)
    assert (len(again), set(again) <= {"a", "b", "c"}) == (7, True)
    assert cache.scard("k") == 3


def test_smove(cache: Client) -> None:
    cache.sadd("{t}a", 1, 2)
    assert cache.smove("{t}a", "{t}b", 1) is True
    assert cache.smove("{t}a", "{t}b", 1) is False
    assert (cache.smembers("{t}a"), cache.smembers("{t}b")) == ({2}, {1})


def test_several_sets(cache: Client) -> None:
    cache.sadd("{t}a", 1, 2, 3)
    cache.sadd("{t}b", 2, 3, 4)
    keys = ["{t}a", "{t}b"]
    answers = {"sdiff": {1}, "sinter": {2, 3}, "sunion": {1, 2, 3, 4}}
    for name, answer in answers.items():
        combine, store = getattr(cache, name), getattr(cache, f"{name}store")
        assert combine(*keys) == combine(keys) == combine(tuple(keys)) == combine(iter(keys)) == answer
        assert store("{t}d", *keys) == store("{t}d", keys) == len(answer)
        assert cache.smembers("{t}d") == answer
    assert cache.sdiff("{t}a") == cache.sdiff(["{t}a"]) == {1, 2, 3}
    assert cache.sinterstore("{t}d", "{t}a", "{t}missing") == 0
    assert cache.has_key("{t}d") is False


def test_a_store_replaces_whatever_is_there_for_ever(cache: Client, raw: Raw) -> None:
    cache.sadd("{t}a", 1)
    cache.set("{t}d", "text", 60)
    assert cache.sunionstore("{t}d", "{t}a", "{t}b") == 1
    assert cache.smembers("{t}d") == {1}
    assert raw("PTTL", "app:1:{t}d") == -1


def test_versions_are_apart(cache: Client) -> None:
    cache.sadd("{t}a", 1, version=2)
    assert cache.smembers("{t}a") == set()
    assert cache.smembers("{t}a", version=2) == cache.sunion("{t}a", "{t}b", version=2) == {1}
    assert cache.smove("{t}a", "{t}b", 1, version=2) is True
    assert cache.sdiffstore("{t}c", ["{t}b"], version=2) == 1
    assert list(cache.sscan_iter("{t}c", version=2)) == [1]
    assert cache.sscan("{t}c", version=2) == (0, {1})


def test_the_time_to_live_stays(cache: Client, raw: Raw) -> None:
    cache.sadd("k", 1, 2, 3, 4)
    assert raw("PTTL", "app:1:k") == -1
    cache.expire("k", 60)
    cache.sadd("k", 5)
    cache.srem("k", 1)
    cache.spop("k")
    cache.spop("k", 1)
    assert lives(raw, "app:1:k", 60 * SECOND)


@pytest.mark.parametrize("members", [range(5), range(3000), [f"m{number}" for number in range(3000)]])
def test_iterations_bring_every_member_once(cache: Client, members: Any) -> None:
    cache.sadd("k", *members)
    assert sorted(cache.sscan_iter("k", count=100)) == sorted(members)
    cursor, found = cache.sscan("k", count=100)
    while cursor:
        cursor, more = cache.sscan("k", cursor, count=100)
        found = {*found, *more}
    assert found == set(members)


def test_an_iteration_stays_whole_while_members_come_and_go(cache: Client) -> None:
    cache.sadd("k", *(f"m{number}" for number in range(1000)))
    found = []
    for number, member in enumerate(cache.sscan_iter("k", count=10)):
        found.append(member)
        if number == 5:
            cache.sadd("k", *(f"other{number}" for number in range(5000)))
        if number == 500:
            cache.srem("k", *(f"other{number}" for number in range(5000)))
    assert len(found) == len(set(found))
    assert {f"m{number}" for number in range(1000)} <= set(found)


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ("*", {"abc", "ab*", "a\nc", 12, "é", (1, 2)}),
        ("a?c", {"abc", "a\nc"}),
        ("ab\\*", {"ab*"}),
        ("[^a]*", {12, "é", (1, 2)}),
        ("?", {"é"}),
        ("1?", {12}),
        ("(1, [1-3])", {(1, 2)}),
        ("text", set()),
        ("\\xc1*", set()),
    ],
)
def test_a_match_is_over_the_text_of_members(cache: Client, match: str, found: set[Any]) -> None:
    cache.sadd("k", "abc", "ab*", "a\nc", 12, "é", (1, 2))
    assert set(cache.sscan_iter("k", match=match)) == found
    assert cache.sscan("k", match=match) == (0, found)


def test_mistakes_are_refused(cache: Client) -> None:
    for ask in (
        lambda: cache.sadd("k"),
        lambda: cache.srem("k"),
        lambda: cache.smismember("k"),
        lambda: cache.sunion(),
        lambda: cache.sunionstore("k", []),
        lambda: cache.spop("k", -1),
        lambda: cache.sscan("k", count=0),
        lambda: list(cache.sscan_iter("k", count=0)),
    ):
        with pytest.raises(InvalidArgument):
            ask()


@pytest.mark.parametrize("transaction", [True, False])
def test_a_pipeline_answers_the_same(cache: Client, transaction: bool) -> None:
    with cache.pipeline(transaction=transaction) as pipe:
        pipe.sadd("k", 1, [2])
        members = pipe.smembers("k")
        pipe.smismember("k", 1, 5)
        pipe.scard("k")
        pipe.srem("k", [2])
        popped = pipe.spop("k", 1)
        pipe.srandmember("k")
        results = pipe.execute()
    assert sorted(map(repr, members.value)) == ["1", "[2]"]
    assert [results[0], *results[2:]] == [2, [True, False], 2, 1, [1], None]
    assert popped.value == [1]
