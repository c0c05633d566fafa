"""Hashes: hset, hget, hgetall, hincrbyfloat, hscan ...

Fails where a documented result, the answer for a missing key, or the time to live of a hash is another
one on some way to build a cache; where a field's content changes its type; where an addition is lost;
or where one unreadable field spoils the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import SECOND, VALUES, lives
from vkcache.errors import InvalidArgument, NotCounter, WrongType
from vkcache.shell import Client

Ask = Callable[[Client], Any]

GONE = b"\xc1\xff never written"

# Every method that stores nothing, on a key that is missing.
MISSING: dict[str, tuple[Ask, Any]] = {
    "hdel": (lambda cache: cache.hdel("k", "f"), 0),
    "hexists": (lambda cache: cache.hexists("k", "f"), False),
    "hget": (lambda cache: cache.hget("k", "f"), None),
    "hget default": (lambda cache: cache.hget("k", "f", default=7), 7),
    "hgetall": (lambda cache: cache.hgetall("k"), {}),
    "hkeys": (lambda cache: cache.hkeys("k"), []),
    "hlen": (lambda cache: cache.hlen("k"), 0),
    "hmget": (lambda cache: cache.hmget("k", "f", "g"), [None, None]),
    "hvals": (lambda cache: cache.hvals("k"), []),
    "hscan": (lambda cache: cache.hscan("k"), (0, {})),
    "hscan_iter": (lambda cache: list(cache.hscan_iter("k")), []),
    "hrandfield": (lambda cache: cache.hrandfield("k"), None),
    "hrandfield count": (lambda cache: cache.hrandfield("k", 2), []),
    "hrandfield again": (lambda cache: cache.hrandfield("k", -2), []),
}

# Every method that creates the hash.
CREATING: dict[str, tuple[Ask, Any]] = {
    "hset": (lambda cache: cache.hset("k", "f", 1), 1),
    "hmset": (lambda cache: cache.hmset("k", {"f": 1}), True),
    "hsetnx": (lambda cache: cache.hsetnx("k", "f", 1), True),
    "hincrby": (lambda cache: cache.hincrby("k", "f"), 1),
    "hincrbyfloat": (lambda cache: cache.hincrbyfloat("k", "f"), 1.0),
}


@pytest.mark.parametrize("row", MISSING)
def test_a_missing_key_is_an_empty_hash(cache: Client, raw: Raw, row: str) -> None:
    ask, answer = MISSING[row]
    found = ask(cache)
    assert (found, type(found)) == (answer, type(answer))
    assert raw("DBSIZE") == 0


@pytest.mark.parametrize("row", CREATING)
def test_a_missing_key_is_created_without_a_timeout(cache: Client, raw: Raw, row: str) -> None:
    ask, answer = CREATING[row]
    found = ask(cache)
    assert (found, type(found)) == (answer, type(answer))
    assert cache.hgetall("k") == {"f": 1}
    assert (raw("PTTL", "app:1:k"), cache.type("k")) == (-1, "hash")


@pytest.mark.parametrize("row", [*MISSING, *CREATING])
def test_another_kind_of_key_is_a_wrong_type(cache: Client, row: str) -> None:
    ask = {**MISSING, **CREATING}[row][0]
    cache.set("k", "a value")
    with pytest.raises(WrongType, match="app:1:k"):
        ask(cache)
    with pytest.raises(TypeError):
        ask(cache)
    assert cache.get("k") == "a value"


@pytest.mark.parametrize("row", [*MISSING, *CREATING])
def test_the_time_to_live_stays(cache: Client, raw: Raw, row: str) -> None:
    cache.hset("k", mapping={"f": 1, "x": 2})
    cache.expire("k", 60)
    {**MISSING, **CREATING}[row][0](cache)
    assert lives(raw, "app:1:k", 60 * SECOND)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_was(cache: Client, name: str) -> None:
    value = VALUES[name]
    assert cache.hset("k", "f", value) == 1
    assert cache.hset("k", mapping={"g": value}, items=["h", value]) == 2
    for found in (
        cache.hget("k", "f"),
        cache.hgetall("k")["g"],
        *cache.hvals("k"),
        *cache.hmget("k", "g", "h"),
        cache.hscan("k")[1]["h"],
    ):
        assert found == value
        assert type(found) is type(value)


def test_hset_counts_the_new_fields(cache: Client) -> None:
    assert cache.hset("k", "a", 1) == 1
    assert cache.hset("k", "a", 2) == 0
    assert cache.hset("k", "b", None, mapping={"a": 3, "c": 4}, items=["d", 5, "a", 0]) == 3
    assert cache.hgetall("k") == {"a": 3, "b": None, "c": 4, "d": 5}
    assert cache.hmset("k", {"a": 6, "e": 7}) is True
    assert (cache.hlen("k"), cache.hget("k", "a")) == (5, 6)
    assert cache.hget("k", "b", default=1) is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda cache: cache.hset("k"),
        lambda cache: cache.hset("k", mapping={}),
        lambda cache: cache.hset("k", items=["a", 1, "b"]),
        lambda cache: cache.hset("k", 5, 5),
        lambda cache: cache.hmset("k", {}),
        lambda cache: cache.hdel("k"),
        lambda cache: cache.hmget("k", []),
        lambda cache: cache.hincrby("k", "f", 0.5),
        lambda cache: cache.hincrbyfloat("k", "f", math.nan),
    ],
)
def test_a_mistake_of_the_callers_stores_nothing(cache: Client, raw: Raw, ask: Ask) -> None:
    with pytest.raises(InvalidArgument):
        ask(cache)
    assert raw("DBSIZE") == 0


def test_hsetnx_leaves_a_field_as_it_is(cache: Client) -> None:
    assert cache.hsetnx("k", "a", 1) is True
    assert cache.hsetnx("k", "a", 2) is False
    assert cache.hget("k", "a") == 1


def test_fields_are_plain_text(cache: Client, raw: Raw) -> None:
    names = ["", "a b", "ключ", "new\nline", "nul\0", "*", "5"]
    cache.hset("k", mapping=dict.fromkeys(names, 1))
    assert sorted(raw("HKEYS", "app:1:k")) == sorted(name.encode() for name in names)
    assert sorted(cache.hkeys("k")) == sorted(names)
    raw("HSET", "app:1:k", b"\xff", 2)
    assert "\udcff" in cache.hkeys("k")
    assert cache.hget("k", "\udcff") == 2
    assert cache.hdel("k", "\udcff", *names) == len(names) + 1
    assert cache.has_key("k") is False


def test_hdel_hexists_and_hmget_take_one_sequence_too(cache: Client) -> None:
    cache.hset("k", mapping={"a": 1, "b": (2,), "c": None})
    assert cache.hmget("k", ["a", "x", "b", "c"]) == [1, None, (2,), None]
    assert cache.hmget("k", "b", "a") == [(2,), 1]
    assert cache.hexists("k", "c") is True
    assert cache.hdel("k", ["a", "b"]) == 2
    assert cache.hdel("k", "a", "c") == 1


def test_versions_are_apart(cache: Client) -> None:
    cache.hset("k", "f", 1)
    assert cache.hset("k", "f", 2, version=2) == 1
    assert (cache.hget("k", "f"), cache.hget("k", "f", version=2), cache.hget("k", "f", 2)) == (1, 2, 2)
    assert cache.hincrby("k", "f", 1, 2) == 3
    assert cache.hgetall("k", 2) == {"f": 3}


def test_an_unreadable_field_is_missing_and_spoils_no_other(cache: Client, raw: Raw) -> None:
    cache.hset("k", mapping={"a": 1, "b": 2})
    raw("HSET", "app:1:k", "bad", GONE)
    before = cache.unreadable
    assert cache.hget("k", "bad", default=7) == 7
    assert cache.hgetall("k") == {"a": 1, "b": 2}
    assert sorted(cache.hvals("k")) == [1, 2]
    assert cache.hmget("k", "a", "bad", "b") == [1, None, 2]
    assert cache.hscan("k") == (0, {"a": 1, "b": 2})
    assert dict(cache.hscan_iter("k")) == {"a": 1, "b": 2}
    assert cache.unreadable == before + 6
    assert cache.hlen("k") == 3


def test_hincrby(cache: Client) -> None:
    cache.hset("k", "f", 5)
    assert cache.hincrby("k", "f") == 6
    assert cache.hincrby("k", "f", -10) == -4
    assert cache.hincrby("k", "g", 2**63 - 1) == 2**63 - 1
    with pytest.raises(NotCounter, match="app:1:k"):
        cache.hincrby("k", "g")
    assert cache.hgetall("k") == {"f": -4, "g": 2**63 - 1}


@pytest.mark.parametrize("held", ["text", "5", None, [1], 1.5, 2**70])
def test_hincrby_of_no_integer_is_a_wrong_type(cache: Client, held: object) -> None:
    cache.hset("k", "f", held)
    with pytest.raises(WrongType, match="app:1:k"):
        cache.hincrby("k", "f")
    assert cache.hget("k", "f") == held


def test_hget_reads_what_hincrbyfloat_wrote(cache: Client) -> None:
    assert cache.hincrbyfloat("k", "f", 10.5) == 10.5
    found = cache.hget("k", "f")
    assert (found, type(found)) == (10.5, float)
    assert cache.hincrbyfloat("k", "f", -0.25) == 10.25
    assert cache.hincrbyfloat("k", "f", 1) == 11.25
    total = cache.hincrbyfloat("k", "f", 0.75)
    assert (total, type(total)) == (12.0, float)
    assert cache.hget("k", "f") == 12


@pytest.mark.parametrize("fmt", ["native", "bare"])
@pytest.mark.parametrize("held", [1.5, 0.1, -0.0, 1e300, 1e-7, 5, -(2**62), 2**70])
def test_hincrbyfloat_adds_to_any_number_that_hset_wrote(make: Make, held: float, fmt: str) -> None:
    cache = make(format=fmt, serializer="json" if fmt == "bare" else "auto")
    cache.hset("k", "f", held)
    assert cache.hincrbyfloat("k", "f", 0.25) == pytest.approx(held + 0.25, abs=1e-12)
    assert cache.hincrbyfloat("k", "f", 1) == pytest.approx(held + 1.25, abs=1e-12)
    assert cache.hget("k", "f") == pytest.approx(held + 1.25, abs=1e-12)


def test_fractions_are_added_as_the_server_adds(cache: Client) -> None:
    cache.hset("k", "f", 0.1)
    assert cache.hincrbyfloat("k", "f", 0.2) == 0.3


@pytest.mark.parametrize("held", ["text", "1.5", None, [1.5], True, math.inf])
def test_hincrbyfloat_of_no_number_is_a_wrong_type(cache: Client, held: object) -> None:
    cache.hset("k", "f", held)
    with pytest.raises(NotCounter, match="app:1:k"):
        cache.hincrbyfloat("k", "f", 0.5)
    assert cache.hget("k", "f") == held


def test_no_addition_of_a_float_is_lost(cache: Client) -> None:
    """Threads add while the field is turned into the server's notation."""

    def add(field: int) -> None:
        cache.hincrbyfloat("k", f"f{field % 10}", 0.5)

    cache.hset("k", mapping={f"f{i}": 0.25 for i in range(10)})
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(add, range(200)))
    assert cache.hgetall("k") == {f"f{i}": 10.25 for i in range(10)}


def test_a_pipeline_adds_to_what_the_server_can_add_to(cache: Client) -> None:
    cache.hset("k", "f", 1.5)
    pipe = cache.pipeline()
    pipe.hincrbyfloat("k", "new", 1.5)
    refused = pipe.hincrbyfloat("k", "f", 1.5)
    kept = pipe.hgetall("k")
    pipe.execute(raise_on_error=False)
    with pytest.raises(NotCounter):
        _ = refused.value
    assert kept.value == {"f": 1.5, "new": 1.5}


def test_hrandfield(cache: Client) -> None:
    names = {"a", "b", "c"}
    cache.hset("k", mapping=dict.fromkeys(names, 1))
    assert cache.hrandfield("k") in names
    found = cache.hrandfield("k", 2)
    assert isinstance(found, list)
    assert len(found) == len(set(found) & names) == 2
    assert sorted(cache.hrandfield("k", 9) or ()) == sorted(names)
    repeated = cache.hrandfield("k", -9)
    assert isinstance(repeated, list)
    assert (len(repeated), set(repeated) <= names) == (9, True)
    assert cache.hrandfield("k", 0) == []


def test_hscan_goes_on_from_its_cursor_and_matches_names(cache: Client) -> None:
    everything = {f"f{i}": ("value", i) for i in range(1000)}
    cache.hset("k", mapping=everything)
    found: dict[str, Any] = {}
    cursor, page = cache.hscan("k", count=50)
    assert cursor
    assert page
    while cursor:
        found |= page
        cursor, page = cache.hscan("k", cursor, count=50)
    assert found | page == everything
    pairs = list(cache.hscan_iter("k", match="f1?", count=100))
    assert sorted(pairs) == [(f"f{i}", ("value", i)) for i in range(10, 20)]
    assert len(list(cache.hscan_iter("k", count=7))) == 1000
    assert cache.hscan("k", match="g*", count=2000) == (0, {})


def test_fields_that_go_meanwhile_are_no_error(cache: Client) -> None:
    cache.hset("k", mapping={f"f{i}": i for i in range(1000)})
    pairs = cache.hscan_iter("k", count=20)
    found = [next(pairs)]
    cache.delete("k")
    found += pairs
    assert len(found) == len(set(found)) < 1000


@pytest.mark.parametrize("signing", ["pickles", "all"])
def test_contents_travel_with_their_hash(make: Make, signing: str) -> None:
    cache = make(signing=signing)
    cache.hset("{t}a", mapping={"f": (1, 2), "g": "x" * 5000})
    assert cache.rename("{t}a", "{t}b") is True
    assert cache.hgetall("{t}b") == {"f": (1, 2), "g": "x" * 5000}
