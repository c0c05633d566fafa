"""Lists: lpush, lpop, lrange, lpos, lmove, blpop ...

Fails where a documented result, the answer for a missing key, or the time to live of a list is another
one on some way to build a cache; where equal items are not found; or where an item is lost. How long
a blocking call may take, and whom it must not hold up, is `tests.integration.test_blocking`'s matter.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import SECOND, VALUES, lives
from vkcache.errors import InvalidArgument, KeyNotFound, WrongType
from vkcache.shell import Client

Ask = Callable[[Client], Any]

GONE = b"\xc1\xff never written"
SHORT = 0.01

# Every method that stores nothing, on a key that is missing.
MISSING: dict[str, tuple[Ask, Any]] = {
    "llen": (lambda cache: cache.llen("{t}k"), 0),
    "lpop": (lambda cache: cache.lpop("{t}k"), None),
    "lpop count": (lambda cache: cache.lpop("{t}k", 2), []),
    "lpop none": (lambda cache: cache.lpop("{t}k", 0), []),
    "rpop": (lambda cache: cache.rpop("{t}k"), None),
    "rpop count": (lambda cache: cache.rpop("{t}k", 2), []),
    "lindex": (lambda cache: cache.lindex("{t}k", 0), None),
    "lrange": (lambda cache: cache.lrange("{t}k", 0, -1), []),
    "ltrim": (lambda cache: cache.ltrim("{t}k", 0, 5), True),
    "lrem": (lambda cache: cache.lrem("{t}k", 0, 1), 0),
    "lpos": (lambda cache: cache.lpos("{t}k", 1), None),
    "lpos count": (lambda cache: cache.lpos("{t}k", 1, count=0), []),
    "linsert": (lambda cache: cache.linsert("{t}k", "BEFORE", 1, 2), 0),
    "lmove": (lambda cache: cache.lmove("{t}k", "{t}l"), None),
    "blpop": (lambda cache: cache.blpop("{t}k", timeout=SHORT), None),
    "brpop": (lambda cache: cache.brpop("{t}k", timeout=SHORT), None),
    "blmove": (lambda cache: cache.blmove("{t}k", "{t}l", SHORT), None),
}

OTHERS: dict[str, Ask] = {
    "lpush": lambda cache: cache.lpush("{t}k", 1),
    "rpush": lambda cache: cache.rpush("{t}k", 1),
    "lset": lambda cache: cache.lset("{t}k", 0, 1),
}


@pytest.mark.parametrize("row", MISSING)
def test_a_missing_key_is_an_empty_list(cache: Client, raw: Raw, row: str) -> None:
    ask, answer = MISSING[row]
    found = ask(cache)
    assert (found, type(found)) == (answer, type(answer))
    assert raw("DBSIZE") == 0


@pytest.mark.parametrize("row", [*MISSING, *OTHERS])
def test_another_kind_of_key_is_a_wrong_type(cache: Client, row: str) -> None:
    ask = OTHERS[row] if row in OTHERS else MISSING[row][0]
    cache.set("{t}k", "a value")
    with pytest.raises(WrongType, match=r"app:1:\{t\}k"):
        ask(cache)
    with pytest.raises(TypeError):
        ask(cache)
    assert cache.get("{t}k") == "a value"


@pytest.mark.parametrize("move", ["lmove", "blmove"])
def test_a_destination_of_another_kind_keeps_the_item_where_it_is(cache: Client, move: str) -> None:
    cache.set("{t}dst", "a value")
    cache.rpush("{t}src", 1)
    with pytest.raises(WrongType):
        MOVES[move](cache, "{t}src", "{t}dst", "LEFT", "RIGHT")
    assert (cache.lrange("{t}src", 0, -1), cache.get("{t}dst")) == ([1], "a value")


@pytest.mark.parametrize("row", [*MISSING, *OTHERS])
def test_the_time_to_live_stays(cache: Client, raw: Raw, row: str) -> None:
    ask = OTHERS[row] if row in OTHERS else MISSING[row][0]
    cache.rpush("{t}k", 1, 2, 3, 1)
    cache.expire("{t}k", 60)
    ask(cache)
    assert lives(raw, "app:1:{t}k", 60 * SECOND)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_was(cache: Client, name: str) -> None:
    value = VALUES[name]
    assert cache.rpush("{t}k", value, value) == 2
    assert cache.lset("{t}k", 1, value) is True
    for found in (
        cache.lindex("{t}k", 0),
        *cache.lrange("{t}k", 0, -1),
        cache.lmove("{t}k", "{t}l"),
        *(cache.blpop("{t}l", timeout=1) or ("", None))[1:],
        *cache.lpop("{t}k", 1),
    ):
        assert found == value
        assert type(found) is type(value)


def test_pushes_answer_the_length(cache: Client) -> None:
    assert cache.rpush("k", 1, 2) == 2
    assert cache.lpush("k", 3, 4) == 4
    assert cache.lrange("k", 0, -1) == cache.lrange("k") == [4, 3, 1, 2]
    assert cache.llen("k") == 4
    assert (cache.type("k"), cache.ttl("k")) == ("list", None)


@pytest.mark.parametrize(
    "ask",
    [
        lambda cache: cache.lpush("k"),
        lambda cache: cache.rpush("k"),
        lambda cache: cache.lpop("k", -1),
        lambda cache: cache.lpos("k", 1, rank=0),
        lambda cache: cache.linsert("k", "LEFT", 1, 1),
        lambda cache: cache.lmove("k", "k", "BEFORE"),
        lambda cache: cache.blpop(timeout=1),
        lambda cache: cache.blpop("k", timeout=-1),
        lambda cache: cache.blpop("k", 1),
    ],
)
def test_a_mistake_of_the_callers_is_refused(cache: Client, ask: Ask) -> None:
    with pytest.raises(InvalidArgument):
        ask(cache)


def test_pops_take_from_their_end(cache: Client) -> None:
    cache.rpush("k", 1, 2, 3, 4, 5)
    assert (cache.lpop("k"), cache.rpop("k")) == (1, 5)
    assert cache.rpop("k", 2) == [4, 3]
    assert cache.lpop("k", 0) == []
    assert cache.lpop("k", 9) == [2]
    assert cache.has_key("k") is False


def test_ranges_take_any_index(cache: Client) -> None:
    cache.rpush("k", *range(5))
    assert cache.lrange("k", 1, 2) == [1, 2]
    assert cache.lrange("k", -2, -1) == [3, 4]
    assert cache.lrange("k", -100, 100) == [0, 1, 2, 3, 4]
    assert cache.lrange("k", 3, 1) == cache.lrange("k", 7, 9) == []
    assert (cache.lindex("k", -1), cache.lindex("k", 0), cache.lindex("k", 5)) == (4, 0, None)


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [(1, -2, [1, 2, 3]), (0, 0, [0]), (-2, 100, [3, 4]), (3, 1, []), (9, 12, []), (0, -9, [])],
)
def test_ltrim_leaves_a_range(cache: Client, start: int, end: int, left: list[int]) -> None:
    cache.rpush("k", *range(5))
    assert cache.ltrim("k", start, end) is True
    assert cache.lrange("k", 0, -1) == left
    assert cache.has_key("k") is bool(left)


def test_lset_needs_an_item(cache: Client) -> None:
    cache.rpush("k", 1, 2)
    assert cache.lset("k", -1, ("x",)) is True
    assert cache.lrange("k", 0, -1) == [1, ("x",)]
    for index in (2, -3):
        with pytest.raises(InvalidArgument, match=r"app:1:k.*index out of range"):
            cache.lset("k", index, 0)
    with pytest.raises(KeyNotFound, match="app:1:missing"):
        cache.lset("missing", 0, 0)
    assert cache.lrange("k", 0, -1) == [1, ("x",)]


@pytest.mark.parametrize(
    ("count", "removed", "left"), [(0, 3, "bb"), (2, 2, "bab"), (-2, 2, "abb"), (9, 3, "bb")]
)
def test_lrem_removes_equal_items(cache: Client, count: int, removed: int, left: str) -> None:
    cache.rpush("k", *"abaab")
    assert cache.lrem("k", count, "a") == removed
    assert "".join(cache.lrange("k", 0, -1)) == left
    assert cache.lrem("k", 0, "x") == 0


def test_equal_items_are_found_and_types_differ(cache: Client) -> None:
    long = "x" * 5000
    cache.rpush("k", 1, 1.0, True, "1", {"a": 1, "b": [1]}, long)
    for index, item in enumerate((1, 1.0, True, "1", {"b": [1], "a": 1}, long)):
        assert cache.lpos("k", item) == index
    assert cache.lpos("k", b"1") is None
    assert cache.lrem("k", 0, {"b": [1], "a": 1}) == 1
    assert cache.linsert("k", "BEFORE", long, "before") == 6
    assert cache.lindex("k", 4) == "before"


def test_lpos(cache: Client) -> None:
    cache.rpush("k", *"abcabca")
    assert cache.lpos("k", "a") == 0
    assert cache.lpos("k", "a", rank=2) == 3
    assert cache.lpos("k", "a", rank=-1) == 6
    assert cache.lpos("k", "a", count=0) == [0, 3, 6]
    assert cache.lpos("k", "a", rank=-2, count=2) == [3, 0]
    assert cache.lpos("k", "c", maxlen=2) is None
    assert cache.lpos("k", "c", count=1, maxlen=3) == [2]
    assert cache.lpos("k", "x", count=0) == []


def test_linsert(cache: Client) -> None:
    cache.rpush("k", 1, 2, 2)
    assert cache.linsert("k", "BEFORE", 2, "b") == 4
    assert cache.linsert("k", "after", 2, "a") == 5
    assert cache.lrange("k", 0, -1) == [1, "b", 2, "a", 2]
    assert cache.linsert("k", "AFTER", 7, 7) == -1
    assert cache.llen("k") == 5


Move = Callable[[Client, str, str, str, str], Any]

MOVES: dict[str, Move] = {
    "lmove": lambda cache, src, dst, side, to: cache.lmove(src, dst, side, to),
    "blmove": lambda cache, src, dst, side, to: cache.blmove(src, dst, 1, side, to),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize(
    ("side", "to", "item", "left", "there"),
    [
        ("LEFT", "RIGHT", 1, [2, 3], [9, 1]),
        ("LEFT", "LEFT", 1, [2, 3], [1, 9]),
        ("RIGHT", "RIGHT", 3, [1, 2], [9, 3]),
        ("RIGHT", "LEFT", 3, [1, 2], [3, 9]),
    ],
)
def test_a_move_goes_from_end_to_end(
    cache: Client, move: str, side: str, to: str, item: int, left: list[int], there: list[int]
) -> None:
    cache.rpush("{t}a", 1, 2, 3)
    cache.rpush("{t}b", 9)
    assert MOVES[move](cache, "{t}a", "{t}b", side, to) == item
    assert (cache.lrange("{t}a", 0, -1), cache.lrange("{t}b", 0, -1)) == (left, there)


@pytest.mark.parametrize("move", MOVES)
def test_a_move_turns_a_list_and_ends_an_empty_one(cache: Client, move: str) -> None:
    cache.rpush("{t}a", 1, 2, 3)
    assert MOVES[move](cache, "{t}a", "{t}a", "LEFT", "RIGHT") == 1
    assert cache.lrange("{t}a", 0, -1) == [2, 3, 1]
    cache.ltrim("{t}a", 0, 0)
    assert MOVES[move](cache, "{t}a", "{t}a", "LEFT", "RIGHT") == 2
    assert MOVES[move](cache, "{t}a", "{t}new", "LEFT", "RIGHT") == 2
    assert (cache.has_key("{t}a"), cache.lrange("{t}new", 0, -1)) == (False, [2])


@pytest.mark.parametrize("signing", ["pickles", "all"])
def test_items_travel_between_lists(make: Make, signing: str) -> None:
    cache = make(signing=signing)
    cache.rpush("{t}a", (1, 2), "x" * 5000)
    assert cache.lmove("{t}a", "{t}b") == (1, 2)
    assert cache.rename("{t}a", "{t}c") is True
    assert cache.lrange("{t}b", 0, -1) + cache.lrange("{t}c", 0, -1) == [(1, 2), "x" * 5000]


def test_an_unreadable_item_spoils_no_other(cache: Client, raw: Raw) -> None:
    raw("RPUSH", "app:1:k", 1, GONE, 2, GONE, GONE, GONE)
    before = cache.unreadable
    assert cache.lrange("k", 0, 2) == [1, 2]
    assert cache.lindex("k", 1) is None
    assert cache.blpop("k", timeout=1) == ("k", 1)
    assert cache.lpop("k", 2) == [2]
    assert cache.rpop("k") is None
    assert cache.blpop("k", timeout=1) == ("k", None)
    assert cache.unreadable == before + 5
    assert cache.llen("k") == 1


def test_versions_are_apart(cache: Client) -> None:
    cache.rpush("k", 1)
    cache.rpush("k", 2, version=2)
    assert cache.lrange("k", 0, -1, 2) == [2]
    assert cache.blpop("k", timeout=1, version=2) == ("k", 2)
    assert cache.llen("k") == 1


def test_a_blocking_pop_names_the_users_own_key(cache: Client) -> None:
    cache.rpush("{t}b", 1, 2)
    cache.rpush("{t}c", 3, 4)
    assert cache.blpop("{t}a", "{t}b", "{t}c", timeout=1) == ("{t}b", 1)
    assert cache.brpop(["{t}c", "{t}b"], timeout=1) == ("{t}c", 4)
    assert cache.brpop("{t}b") == ("{t}b", 2)


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda cache: cache.blpop("{t}a", "{t}b"), ("{t}b", "pushed")),
        (lambda cache: cache.brpop("{t}b", timeout=None), ("{t}b", "pushed")),
        (lambda cache: cache.blmove("{t}b", "{t}c", 0), "pushed"),
        (lambda cache: cache.blmove("{t}b", "{t}b", 30, "RIGHT", "LEFT"), "pushed"),
    ],
)
def test_a_push_wakes_whoever_waits(cache: Client, ask: Ask, answer: object) -> None:
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(ask(cache)), daemon=True)
    waiting.start()
    cache.rpush("{t}b", "pushed")
    waiting.join(20)
    assert found == [answer]
