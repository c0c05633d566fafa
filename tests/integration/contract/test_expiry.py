"""Time to live: ttl, pttl, touch, expire and its kin, persist, type.

Fails where a remaining time, a moment or the answer for a missing or persistent key is other than
documented, or where an alias does other than what it stands for.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import DEFAULT_MS, SECOND, lives
from vkcache.errors import InvalidArgument
from vkcache.shell import Client

LATER = 2_000_000_000  # Unix seconds
WIRE = "app:1:k"


def of(cache: Client, name: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(cache, name)
    return method


def test_ttl_counts_seconds_up(cache: Client, raw: Raw) -> None:
    cache.set("k", 1, 60)
    assert 30 < (cache.ttl("k") or 0) <= 60
    raw("PEXPIRE", WIRE, 100_400)
    assert 71 <= (cache.ttl("k") or 0) <= 101


def test_pttl_counts_milliseconds(cache: Client) -> None:
    cache.set("k", 1, 60.5)
    assert 30_000 < (cache.pttl("k") or 0) <= 60_500


@pytest.mark.parametrize("name", ["ttl", "pttl", "expiretime"])
def test_for_ever_is_none_and_missing_is_zero(cache: Client, name: str) -> None:
    cache.set("ever", 1, None)
    assert of(cache, name)("ever") is None
    assert of(cache, name)("missing") == 0
    assert of(cache, name)("ever", version=2) == 0


@pytest.mark.parametrize("name", ["touch", "expire"])
def test_a_key_that_is_there_gets_a_new_time(cache: Client, raw: Raw, name: str) -> None:
    expire = of(cache, name)
    cache.set("k", 1, None)
    assert expire("k", 60.5) is True
    assert lives(raw, WIRE, 60 * SECOND + 500)
    assert expire("k", timedelta(minutes=2)) is True
    assert lives(raw, WIRE, 120 * SECOND)
    assert expire("k") is True
    assert lives(raw, WIRE, DEFAULT_MS)
    assert expire("k", timeout=60) is True
    assert lives(raw, WIRE, 60 * SECOND)


def test_pexpire_counts_milliseconds(cache: Client, raw: Raw) -> None:
    cache.set("k", 1)
    assert cache.pexpire("k", 60_500) is True
    assert lives(raw, WIRE, 60_500)
    assert cache.pexpire("k", timedelta(minutes=2)) is True
    assert lives(raw, WIRE, 120 * SECOND)
    assert cache.pexpire("k") is True
    assert lives(raw, WIRE, DEFAULT_MS)


EXPIRES = ["touch", "expire", "pexpire"]


@pytest.mark.parametrize("name", EXPIRES)
def test_none_means_for_ever_also_where_it_was(cache: Client, raw: Raw, name: str) -> None:
    cache.set("k", "v", 60)
    for _ in range(2):
        assert of(cache, name)("k", None) is True
        assert raw("PTTL", WIRE) == -1
    assert cache.get("k") == "v"


@pytest.mark.parametrize("name", EXPIRES)
@pytest.mark.parametrize("timeout", [0, -1, -0.5])
def test_what_has_passed_deletes(cache: Client, raw: Raw, name: str, timeout: float) -> None:
    cache.set("k", 1)
    assert of(cache, name)("k", timeout) is True
    assert raw("EXISTS", WIRE) == 0


@pytest.mark.parametrize("name", EXPIRES)
@pytest.mark.parametrize("timeout", [60, None, 0])
def test_a_missing_key_can_not_be_given_a_time(
    cache: Client, raw: Raw, name: str, timeout: int | None
) -> None:
    assert of(cache, name)("k", timeout) is False
    assert raw("EXISTS", WIRE) == 0
    cache.set("k", 1, None)
    assert of(cache, name)("k", timeout, version=2) is False
    assert raw("PTTL", WIRE) == -1


@pytest.mark.parametrize("name", EXPIRES)
def test_what_is_no_timeout_is_refused(cache: Client, raw: Raw, name: str) -> None:
    cache.set("k", 1, None)
    for timeout in ("60", float("nan")):
        with pytest.raises(InvalidArgument):
            of(cache, name)("k", timeout)
    assert raw("PTTL", WIRE) == -1


NAIVE = datetime.datetime.fromtimestamp(LATER)
AWARE = datetime.datetime.fromtimestamp(LATER, datetime.timezone(timedelta(hours=5)))


@pytest.mark.parametrize(
    ("names", "when"),
    [
        (("expire_at", "expireat"), LATER),
        (("expire_at", "expireat"), float(LATER)),
        (("pexpire_at", "pexpireat"), LATER * 1000),
        (("expire_at", "expireat", "pexpire_at", "pexpireat"), NAIVE),
        (("expire_at", "expireat", "pexpire_at", "pexpireat"), AWARE),
    ],
)
def test_a_moment_can_be_given(cache: Client, raw: Raw, names: tuple[str, ...], when: Any) -> None:
    for name in names:
        cache.set("k", 1, None)
        assert of(cache, name)("k", when) is True
        assert raw("PEXPIRETIME", WIRE) == LATER * 1000
        assert cache.expiretime("k") == LATER
        assert of(cache, name)("missing", when) is False


def test_a_moment_has_milliseconds(cache: Client, raw: Raw) -> None:
    cache.set("k", 1)
    cache.expire_at("k", LATER + 0.25)
    assert raw("PEXPIRETIME", WIRE) == LATER * 1000 + 250
    cache.expire_at("k", AWARE + timedelta(milliseconds=125))
    assert raw("PEXPIRETIME", WIRE) == LATER * 1000 + 125


@pytest.mark.parametrize("name", ["expire_at", "expireat", "pexpire_at", "pexpireat"])
def test_a_moment_that_has_passed_deletes(cache: Client, raw: Raw, name: str) -> None:
    for when in (time.time() - 1, -5, datetime.datetime.now() - timedelta(seconds=1)):
        cache.set("k", 1)
        assert of(cache, name)("k", when) is True
        assert raw("EXISTS", WIRE) == 0


def test_persist_says_whether_there_was_a_time(cache: Client, raw: Raw) -> None:
    cache.set("k", 1, 60)
    assert cache.persist("k") is True
    assert raw("PTTL", WIRE) == -1
    assert cache.persist("k") is False
    assert cache.persist("missing") is False


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("SET", WIRE, 1), "string"),
        (("LPUSH", WIRE, 1), "list"),
        (("SADD", WIRE, 1), "set"),
        (("HSET", WIRE, "f", 1), "hash"),
        (("ZADD", WIRE, 1, "m"), "zset"),
        (("XADD", WIRE, "*", "f", 1), "stream"),
        (("PING",), None),
    ],
)
def test_type_names_the_kind_of_value(
    cache: Client, raw: Raw, words: tuple[str, ...], kind: str | None
) -> None:
    raw(*words)
    assert cache.type("k") == kind


def test_every_kind_of_value_can_be_given_a_time(cache: Client, raw: Raw) -> None:
    raw("LPUSH", WIRE, 1)
    assert cache.touch("k", 60) is True
    assert 30 < (cache.ttl("k") or 0) <= 60
    assert cache.persist("k") is True


def test_getex_reads_and_gives_another_time(cache: Client) -> None:
    cache.set("k", (1, 2), 10)
    assert (cache.getex("k", 100), cache.ttl("k")) == ((1, 2), 100)
    assert (cache.getex("k", None), cache.ttl("k")) == ((1, 2), None)
    assert (cache.getex("k", 0), cache.has_key("k"), cache.getex("k")) == ((1, 2), False, None)
