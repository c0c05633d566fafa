"""One value at a time: get, set, add, delete, has_key.

Fails where a stored value comes back other than it was, where a condition (nx, xx) or a time-out of
set() does other than documented, or where a missing key is answered like a stored one.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from vkcache.errors import InvalidArgument, Unencodable
from vkcache.shell import Client


class Colour(enum.IntEnum):
    RED = 3


VALUES: dict[str, object] = {
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "negative": -5,
    "int64": 2**63 - 1,
    "big": 10**40,
    "float": 1.5,
    "infinity": float("inf"),
    "empty text": "",
    "digits": "12",
    "text": "grüße\n\0",
    "bytes": b"\x00\xc1\xff",
    "bytearray": bytearray(b"x"),
    "list": [1, "two", None],
    "tuple": (1, (2,)),
    "set": {1, 2},
    "frozenset": frozenset({"a"}),
    "dict": {"a": {1: [b"x"]}, 2: (3,)},
    "int enum": Colour.RED,
    "time": datetime.datetime(2026, 3, 1, 12, 30, tzinfo=datetime.UTC),
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID(int=7),
    "long": "x" * 100_000,
}

SECOND = 1000
DEFAULT_MS = 300 * SECOND


def lives(raw: Raw, wire: str, most: int) -> bool:
    """Whether the key has *most* ms left, or up to half a minute less, which the test may have taken."""
    left: int = raw("PTTL", wire)
    return max(0, most - 30 * SECOND) < left <= most


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_was(cache: Client, name: str) -> None:
    assert cache.set("k", VALUES[name]) is True
    found = cache.get("k")
    assert found == VALUES[name]
    assert type(found) is type(VALUES[name])


def test_get_of_a_missing_key_is_the_default(cache: Client) -> None:
    assert cache.get("k") is None
    assert cache.get("k", "other") == "other"
    assert cache.get("k", default=[]) == []


def test_a_stored_none_is_a_hit(cache: Client) -> None:
    cache.set("k", None)
    assert cache.get("k", "default") is None
    assert cache.has_key("k") is True
    assert cache.get_many(["k"]) == {"k": None}
    assert cache.add("k", 1) is False
    assert cache.get_or_set("k", 2) is None


def test_an_integer_is_stored_as_digits(cache: Client, raw: Raw) -> None:
    cache.set("k", -12)
    assert raw("GET", "app:1:k") == b"-12"


def test_keys_are_prefix_version_and_key(cache: Client, raw: Raw) -> None:
    cache.set("k", 1)
    cache.set("k", 2, version=7)
    assert sorted(raw("KEYS", "*")) == [b"app:1:k", b"app:7:k"]


def server_ms(raw: Raw) -> int:
    seconds, micros = raw("TIME")
    return int(seconds) * SECOND + int(micros) // SECOND


@pytest.mark.parametrize(
    ("timeout", "ms"),
    [
        (10, 10_000),
        (0.25, 250),
        (90.5, 90_500),
        (timedelta(minutes=1), 60_000),
        (timedelta(milliseconds=700), 700),
    ],
)
@pytest.mark.parametrize("name", ["set", "add"])
def test_a_timeout_counts_milliseconds(cache: Client, raw: Raw, name: str, timeout: Any, ms: int) -> None:
    before = server_ms(raw)
    assert getattr(cache, name)("k", 1, timeout) is True
    expires, after = raw("PEXPIRETIME", "app:1:k"), server_ms(raw)
    assert before + ms <= expires <= after + ms or (expires == -2 and after >= before + ms)


def test_a_timeout_below_a_millisecond_is_one(cache: Client, raw: Raw) -> None:
    before = server_ms(raw)
    assert cache.set("k", 1, 0.0001) is True
    assert raw("PEXPIRETIME", "app:1:k") in {-2, *range(before, server_ms(raw) + 2)}


def test_where_no_timeout_is_given_the_cache_has_one(make: Make, raw: Raw) -> None:
    make().set("k", 1)
    assert lives(raw, "app:1:k", DEFAULT_MS)
    make(timeout=None).set("k", 1)
    assert raw("PTTL", "app:1:k") == -1
    make(timeout=60).add("added", 1)
    assert lives(raw, "app:1:added", 60 * SECOND)


def test_a_cache_whose_timeout_is_zero_stores_nothing(make: Make, raw: Raw) -> None:
    cache = make(timeout=0)
    assert cache.set("k", 1) is True
    assert raw("DBSIZE") == 0


def test_none_is_for_ever(cache: Client, raw: Raw) -> None:
    cache.set("k", 1, None)
    assert raw("PTTL", "app:1:k") == -1


@pytest.mark.parametrize("timeout", [0, -1, -0.5, timedelta(0), timedelta(seconds=-3)])
def test_a_timeout_that_has_passed_deletes(cache: Client, raw: Raw, timeout: Any) -> None:
    cache.set("k", "old")
    assert cache.set("k", "new", timeout) is True
    assert raw("EXISTS", "app:1:k") == 0
    assert cache.set("k", "new", timeout) is True


def test_a_passed_timeout_with_nx_looks_whether_it_would_have_stored(cache: Client) -> None:
    assert cache.set("k", 1, 0, nx=True) is True
    cache.set("k", "there")
    assert cache.set("k", 1, 0, nx=True) is False
    assert cache.add("k", 1, 0) is False
    assert cache.get("k") == "there"


def test_a_passed_timeout_with_xx_deletes_what_is_there(cache: Client) -> None:
    assert cache.set("k", 1, 0, xx=True) is False
    cache.set("k", "there")
    assert cache.set("k", 1, 0, xx=True) is True
    assert cache.get("k") is None


def test_a_passed_timeout_with_get_answers_the_old_value(cache: Client) -> None:
    assert cache.set("k", 1, 0, get=True) is None
    cache.set("k", "there")
    assert cache.set("k", 1, 0, nx=True, get=True) == "there"
    assert cache.set("k", 1, 0, get=True) == "there"
    assert cache.get("k") is None


def test_nx_stores_only_where_nothing_is(cache: Client, raw: Raw) -> None:
    assert cache.set("k", "first", 60, nx=True) is True
    assert lives(raw, "app:1:k", 60 * SECOND)
    assert cache.set("k", "second", nx=True) is False
    assert cache.get("k") == "first"


def test_xx_stores_only_where_something_is(cache: Client, raw: Raw) -> None:
    assert cache.set("k", "first", xx=True) is False
    assert cache.get("k") is None
    cache.set("k", "first")
    assert cache.set("k", "second", 60, xx=True) is True
    assert cache.get("k") == "second"
    assert lives(raw, "app:1:k", 60 * SECOND)


def test_get_answers_the_old_value(cache: Client) -> None:
    assert cache.set("k", ("first",), get=True) is None
    assert cache.set("k", 2, get=True) == ("first",)
    assert cache.set("k", 3, get=True, xx=True) == 2
    assert cache.set("k", 4, get=True, nx=True) == 3
    assert cache.get("k") == 3
    assert cache.set("other", 5, get=True, xx=True) is None
    assert cache.get("other") is None
    assert cache.set("other", 6, get=True, nx=True) is None
    assert cache.get("other") == 6


@pytest.mark.parametrize("flags", [{}, {"xx": True}, {"get": True}, {"xx": True, "get": True}])
def test_keepttl_keeps_what_is_left(cache: Client, raw: Raw, flags: dict[str, bool]) -> None:
    cache.set("k", "old", 60)
    assert cache.set("k", "new", keepttl=True, **flags) == ("old" if "get" in flags else True)
    assert cache.get("k") == "new"
    assert lives(raw, "app:1:k", 60 * SECOND)


def test_keepttl_of_a_persistent_or_missing_key_has_no_timeout(cache: Client, raw: Raw) -> None:
    cache.set("there", 1, None)
    for key in ("there", "missing"):
        cache.set(key, 2, keepttl=True)
        assert raw("PTTL", f"app:1:{key}") == -1


@pytest.mark.parametrize("flags", [{"nx": True, "xx": True}, {"keepttl": True, "timeout": 5}])
def test_flags_that_contradict_are_refused(cache: Client, flags: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        cache.set("k", 1, **flags)
    assert cache.get("k") is None


@pytest.mark.parametrize("timeout", ["5", float("nan"), float("inf"), 1e300, object()])
def test_what_is_no_timeout_is_refused(cache: Client, timeout: Any) -> None:
    with pytest.raises(InvalidArgument):
        cache.set("k", 1, timeout)
    assert cache.get("k") is None


def test_a_value_that_nothing_carries_is_refused(cache: Client, raw: Raw) -> None:
    with pytest.raises(Unencodable):
        cache.set("k", lambda: None)
    assert raw("DBSIZE") == 0


def test_a_value_that_needs_a_secret_is_refused_without_one(make: Make, raw: Raw) -> None:
    cache = make(secret=None)
    with pytest.raises(Unencodable, match="secret="):
        cache.set("k", (1,))
    assert raw("DBSIZE") == 0
    assert cache.set("k", [1]) is True


def test_an_int_of_too_many_digits_is_refused(cache: Client, raw: Raw) -> None:
    with pytest.raises(InvalidArgument):
        cache.set("k", 10**4300)
    assert raw("DBSIZE") == 0


def test_add_stores_once(cache: Client) -> None:
    assert cache.add("k", "first") is True
    assert cache.add("k", "second") is False
    assert cache.get("k") == "first"
    assert cache.add("k", "other", 60, 2) is True
    assert cache.get("k", version=2) == "other"


def test_delete_says_whether_it_was_there(cache: Client) -> None:
    cache.set("k", 1)
    assert cache.delete("k") is True
    assert cache.delete("k") is False
    cache.set("k", 1, version=2)
    assert cache.delete("k", version=2) is True


def test_delete_many_counts_what_was_there(cache: Client) -> None:
    cache.set_many({"a": 1, "b": 2, "c": 3})
    assert cache.delete_many(key for key in ("a", "b", "missing")) == 2
    assert cache.keys() == ["c"]
    assert cache.delete_many([]) is None
    assert cache.delete_many({"c": None}, version=2) == 0


def test_has_key_and_in(cache: Client, raw: Raw) -> None:
    cache.set("k", 0)
    raw("LPUSH", "app:1:list", 1)
    assert cache.has_key("k") is True
    assert cache.has_key("list") is True
    assert cache.has_key("missing") is False
    assert cache.has_key("k", version=2) is False
    assert "k" in cache
    assert "missing" not in cache


def test_versions_are_apart(cache: Client) -> None:
    cache.set("k", "one")
    cache.set("k", "two", version=2)
    assert cache.get("k") == "one"
    assert cache.get("k", version=2) == "two"
    assert cache.get("k", None, 3) is None
    assert cache.get_many(["k"], 2) == {"k": "two"}
