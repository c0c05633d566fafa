"""Values that tell their age: how long they are kept, when they are computed anew, and what else sees them.

Fails where anybody waits though an older value is there, where a value is not computed anew when it is stale,
or before where the caller is eager, where plain commands do not see a value that tells its age, or where the
age is lost when the value moves or is written in today's format.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.flying import PATIENCE, age, left_beside, now, put, refused, up
from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import SECOND, lives
from vkcache.core.freshness import Age
from vkcache.shell import Client

WIRE = b"app:1:k"
OLD = Age(stale_at=1)
FAR = 4_000_000_000_000  # ms: a time that no test sees


def test_a_stale_value_is_there_for_longer(cache: Client, raw: Raw) -> None:
    assert cache.get_or_set("k", lambda: ["v"], 60, stale_cache_timeout=timedelta(seconds=40)) == ["v"]
    assert lives(raw, "app:1:k", 100 * SECOND)
    stale_at = age(cache, raw).stale_at
    assert stale_at is not None
    assert now(raw) + 25 * SECOND < stale_at <= now(raw) + 61 * SECOND
    assert cache.get_or_set("k", refused, stale_cache_timeout=40) == ["v"]
    assert cache.get_or_set("e", lambda: ["v"], None, stale_cache_timeout=40) == ["v"]
    assert (raw("PTTL", "app:1:e"), age(cache, raw, "e")) == (-1, Age())


def test_a_stale_value_is_computed_anew(cache: Client, raw: Raw) -> None:
    put(cache, raw, "old", OLD)
    assert cache.get("k") == "old"
    assert cache.get_or_set("k", lambda: "new", 60) == "new"
    assert (cache.get("k"), age(cache, raw)) == ("new", Age())
    put(cache, raw, "old", OLD)
    assert cache.get_or_set("k", "given", 60, stale_cache_timeout=5) == "given"
    assert left_beside(raw) == []


def test_while_it_is_computed_nobody_waits(make: Make, raw: Raw) -> None:
    cache = make()
    put(cache, raw, "old", OLD)
    with up(make(), "new", timeout=60, stale_cache_timeout=60) as flight:
        for terms in ({}, {"stale_cache_timeout": 60}, {"early": 1}):
            assert cache.get_or_set("k", refused, 60, **terms) == "old"
        assert flight.land() == "new"
    assert cache.get_or_set("k", refused, stale_cache_timeout=60) == "new"
    assert left_beside(raw) == []


def test_an_error_leaves_the_stale_value(make: Make, raw: Raw) -> None:
    cache = make()
    put(cache, raw, "old", OLD)
    with up(make(), LookupError("of its own")) as flight:
        with pytest.raises(LookupError):
            flight.land()
        assert cache.get("k") == "old"
    assert cache.get_or_set("k", lambda: "new") == "new"
    assert left_beside(raw) == []


def test_before_its_time(cache: Client, raw: Raw) -> None:
    """What takes years to compute is computed anew by who is eager, and by nobody else."""
    put(cache, raw, "old", Age(FAR, cost=10**18))
    assert cache.get_or_set("k", refused, 60) == "old"
    assert cache.get_or_set("k", refused, 60, stale_cache_timeout=60) == "old"
    assert cache.get_or_set("k", lambda: "new", 60, early=1e6) == "new"
    put(cache, raw, "cheap", Age(FAR, cost=1))
    assert cache.get_or_set("k", refused, 60, early=1) == "cheap"
    put(cache, raw, "unknown", Age(FAR))
    assert cache.get_or_set("k", refused, 60, early=1e6) == "unknown"


def test_its_cost_is_measured(cache: Client, raw: Raw) -> None:
    def slow() -> str:
        threading.Event().wait(0.05)
        return "made"

    assert cache.get_or_set("k", slow, 60, early=1) == "made"
    told = age(cache, raw)
    assert told.stale_at is not None
    assert 40_000 < told.cost < PATIENCE * 10**6
    assert lives(raw, "app:1:k", 60 * SECOND)


SIGNED = pytest.mark.parametrize("signing", ["pickles", "all"])


@SIGNED
@pytest.mark.parametrize(
    "value", [["v"], ("v",), None, "x" * 5000], ids=["msgpack", "pickle", "none", "long"]
)
def test_plain_commands_see_the_value(make: Make, raw: Raw, signing: str, value: object) -> None:
    cache = make(signing=signing)
    put(cache, raw, value, OLD)
    assert cache.get("k", "missing") == value
    assert cache.get_many(["k"]) == cache.mget(["k"]) == {"k": value}
    assert cache.has_key("k")
    assert cache.add("k", "other") is False
    assert lives(raw, "app:1:k", 60 * SECOND)
    assert cache.touch("k", 500) is True
    assert cache.getex("k", 400) == value
    assert lives(raw, "app:1:k", 400 * SECOND)
    assert age(cache, raw) == OLD
    assert cache.set("k", "other", get=True) == value
    assert cache.delete("k") is True


@SIGNED
def test_it_moves_with_the_value(make: Make, raw: Raw, signing: str) -> None:
    cache = make(signing=signing)
    put(cache, raw, ["v"], OLD, "{t}k")
    assert cache.rename("{t}k", "{t}l") is True
    assert (cache.get("{t}l"), age(cache, raw, "{t}l")) == (["v"], OLD)
    assert cache.incr_version("{t}l") == 2
    assert cache.incr_version("{t}l", -1, 2) == 1
    assert (cache.get("{t}l"), age(cache, raw, "{t}l")) == (["v"], OLD)
    assert lives(raw, "app:1:{t}l", 60 * SECOND)


@SIGNED
def test_what_is_counted_keeps_its_time(make: Make, raw: Raw, signing: str) -> None:
    cache = make(signing=signing)
    assert cache.get_or_set("k", lambda: 5, 60, stale_cache_timeout=40) == 5
    assert (cache.incr("k"), cache.decr("k", 2), cache.incr("k", 0.5)) == (6, 4, 4.5)
    assert lives(raw, "app:1:k", 100 * SECOND)


def test_reinsert_keys_keeps_it(make: Make, raw: Raw) -> None:
    before, after = make(compressor="zlib"), make(compressor="gzip")
    put(before, raw, "x" * 5000, Age(FAR, 17))
    stored = raw("GET", WIRE)
    assert after.reinsert_keys() == 1
    assert raw("GET", WIRE) != stored
    assert (after.get("k"), age(after, raw)) == ("x" * 5000, Age(FAR, 17))
    assert lives(raw, "app:1:k", 60 * SECOND)
