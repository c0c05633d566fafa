"""get_or_set where several miss a value, and where it is written meanwhile.

Fails where two compute what one should, where anybody gets None, an older value than the newest or another's
error, where what was deleted or set during a computation is overwritten, or where a key beside a value
outlives its use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.flying import PATIENCE, awaited, left_beside, now, put, refused, up
from tests.integration.contract.places import Raw
from tests.integration.contract.test_unreadable import CORRUPT
from tests.integration.contract.test_values import SECOND, lives
from tests.scripts import until
from vkcache.core.freshness import Age
from vkcache.core.keyspace import beside
from vkcache.errors import InvalidArgument, Undecodable, Unencodable, WrongType
from vkcache.shell import Client

WIRE = b"app:1:k"
FLIGHT = b"\xffvkcache:flight:{app:1:k}"
OLD = Age(stale_at=1)

# Alone ------------------------------------------------------------------------------------------------------


def test_a_miss_leaves_the_value_alone_behind(cache: Client, raw: Raw) -> None:
    assert cache.get_or_set("k", lambda: "made", 60) == "made"
    assert cache.get_or_set("k", refused) == "made"
    assert raw("KEYS", "*") == [WIRE]
    assert lives(raw, "app:1:k", 60 * SECOND)
    assert cache.get_or_set("k", lambda: "second", 60, 2) == "second"
    assert (cache.get("k"), cache.get("k", version=2)) == ("made", "second")


def test_none_is_a_value(cache: Client) -> None:
    assert cache.get_or_set("k", lambda: None) is None
    assert cache.has_key("k")
    assert cache.get_or_set("k", refused) is None
    assert cache.get("k", "missing") is None


@pytest.mark.parametrize("kind", ["of another format", "not msgpack", "unsigned pickle"])
def test_what_can_not_be_read_is_computed_anew(cache: Client, raw: Raw, kind: str) -> None:
    raw("SET", "app:1:k", CORRUPT[kind])
    assert cache.get_or_set("k", lambda: ["new"]) == ["new"]
    assert cache.get("k") == ["new"]
    assert left_beside(raw) == []


def test_strict_raises_and_leaves_it(make: Make, raw: Raw) -> None:
    raw("SET", "app:1:k", CORRUPT["not msgpack"])
    with pytest.raises(Undecodable, match="app:1:k"):
        make(strict=True).get_or_set("k", refused)
    assert raw("KEYS", "*") == [WIRE]
    assert raw("GET", "app:1:k") == CORRUPT["not msgpack"]


@pytest.mark.parametrize("default", ["given", lambda: "given"], ids=["value", "function"])
@pytest.mark.parametrize("timeout", [None, 0, -1, 0.0, timedelta(seconds=-3)])
def test_time_outs(cache: Client, raw: Raw, default: object, timeout: Any) -> None:
    for _ in range(2):
        assert cache.get_or_set("k", default, timeout) == "given"
    assert raw("KEYS", "*") == ([WIRE] if timeout is None else [])
    assert timeout is not None or raw("PTTL", "app:1:k") == -1


@pytest.mark.parametrize(
    ("default", "error"),
    [(lambda: 1 / 0, ZeroDivisionError), (lambda: lambda: None, Unencodable)],
    ids=["raises", "unencodable"],
)
def test_after_an_error_nothing_is_stored_and_the_next_caller_computes(
    cache: Client, raw: Raw, default: Callable[[], object], error: type[Exception]
) -> None:
    for _ in range(2):
        with pytest.raises(error):
            cache.get_or_set("k", default)
        assert raw("KEYS", "*") == []
    assert cache.get_or_set("k", lambda: "made") == "made"


def test_what_is_no_value_is_told(cache: Client, raw: Raw) -> None:
    raw("RPUSH", "app:1:k", 1)
    with pytest.raises(WrongType):
        cache.get_or_set("k", refused)
    assert raw("KEYS", "*") == [WIRE]


@pytest.mark.parametrize(
    "terms",
    [
        *({"lock_timeout": wrong} for wrong in (0, -1, "x")),
        *({"stale_cache_timeout": wrong} for wrong in (-1, "x")),
        *({"early": wrong} for wrong in (0, -1, "x", float("nan"), float("inf"))),
        *({"jitter": wrong} for wrong in (1, -0.1, "x", float("nan"))),
    ],
    ids=str,
)
def test_what_can_not_be_meant_is_refused(cache: Client, raw: Raw, terms: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(terms))):
        cache.get_or_set("k", refused, 60, **terms)
    assert raw("DBSIZE") == 0


@pytest.mark.parametrize("terms", [{"stale_cache_timeout": 5}, {"early": 1}], ids=str)
def test_values_without_a_place_for_their_age_have_none(make: Make, raw: Raw, terms: dict[str, Any]) -> None:
    bare = make(format="bare", serializer="json")
    with pytest.raises(InvalidArgument, match="bare"):
        bare.get_or_set("k", refused, 60, **terms)
    assert raw("DBSIZE") == 0
    assert bare.get_or_set("k", lambda: ["made"], lock_timeout=5) == ["made"]
    assert raw("GET", "app:1:k") == b'["made"]'


# Several ----------------------------------------------------------------------------------------------------


def test_one_computes_for_all(make: Make, raw: Raw) -> None:
    cache, other = make(), make()
    with up(other, ("made",)) as flight, ThreadPoolExecutor(6) as pool:
        assert raw("KEYS", "*") == [FLIGHT]
        waiting = [pool.submit(one.get_or_set, "k", refused) for one in (cache, cache, cache, make())]
        awaited(raw)
        flight.end()
        assert [one.result(PATIENCE) for one in waiting] == [("made",)] * 4
        assert flight.land() == ("made",)
    assert flight.calls == 1
    assert left_beside(raw) == []


def test_a_cold_key_is_computed_once(make: Make, raw: Raw) -> None:
    caches = (make(), make())
    calls: list[int] = []
    start = threading.Barrier(8)

    def compute() -> str:
        calls.append(1)
        return "made"

    def work(number: int) -> object:
        start.wait(PATIENCE)
        return caches[number % 2].get_or_set("k", compute)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(8))) == {"made"}
    assert len(calls) == 1
    assert left_beside(raw) == []


@pytest.mark.parametrize("value", [None, 7])
def test_who_waits_is_told_of_every_value(make: Make, raw: Raw, value: object) -> None:
    cache = make()
    with up(make(), value) as flight, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.get_or_set, "k", refused)
        awaited(raw)
        flight.end()
        assert waiting.result(PATIENCE) == value


def test_who_waits_is_told_of_a_value_that_is_not_kept(make: Make, raw: Raw) -> None:
    cache = make()
    with up(make(), "made", timeout=0) as flight, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.get_or_set, "k", refused)
        awaited(raw)
        flight.end()
        assert waiting.result(PATIENCE) == "made"
    assert cache.get("k") is None


def test_who_waits_takes_over_from_who_fails(make: Make, raw: Raw) -> None:
    cache = make()
    calls: list[int] = []

    def second() -> str:
        calls.append(1)
        return "second"

    with up(make(), LookupError("of the first")) as flight, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(cache.get_or_set, "k", second) for _ in range(3)]
        awaited(raw)
        with pytest.raises(LookupError, match="of the first"):
            flight.land()
        assert [one.result(PATIENCE) for one in waiting] == ["second"] * 3
    assert len(calls) == 1
    assert cache.get("k") == "second"
    assert left_beside(raw) == []


@pytest.mark.parametrize("whose", ["holder", "waiter"])
def test_a_computation_that_takes_longer_than_it_may_is_not_waited_for(
    make: Make, raw: Raw, whose: str
) -> None:
    cache = make()
    short: dict[str, Any] = {"lock_timeout": 0.1}
    with up(make(), "late", **(short if whose == "holder" else {})) as flight:
        made = cache.get_or_set("k", lambda: "mine", **(short if whose == "waiter" else {}))
        assert (made, cache.get("k")) == ("mine", "mine")
        assert flight.land() == "mine"  # it is there already
    assert cache.get("k") == "mine"
    assert left_beside(raw) == []


def test_late_is_not_in_vain(make: Make, raw: Raw) -> None:
    """Past its lease a computation still lands, where nobody has taken over."""
    with up(make(), "late", lock_timeout=0.001) as flight:
        ends = int(raw("HGET", FLIGHT, "until"))
        until(lambda: now(raw) > ends, "the end of the lease")
        assert flight.land() == "late"
    assert make().get("k") == "late"
    assert left_beside(raw) == []


def test_what_need_not_be_computed_waits_for_nobody(make: Make) -> None:
    cache = make()
    with up(make(), "computed") as flight:
        assert cache.get_or_set("k", "given") == "given"
        assert flight.land() == "given"
    assert cache.get("k") == "given"


# Meanwhile --------------------------------------------------------------------------------------------------

WRITES: dict[str, tuple[Callable[[Client], Any], object]] = {
    "set": (lambda cache: cache.set("k", "newer"), "newer"),
    "set none": (lambda cache: cache.set("k", None), None),
    "add": (lambda cache: cache.add("k", "newer"), "newer"),
    "set_many": (lambda cache: cache.set_many({"k": "newer"}), "newer"),
    "mset": (lambda cache: cache.mset({"k": "newer"}), "newer"),
    "incr": (lambda cache: cache.incr("k", 5, ignore_key_check=True), 5),
}


@pytest.mark.parametrize("write", WRITES)
def test_what_was_written_meanwhile_stays_and_is_the_answer(make: Make, raw: Raw, write: str) -> None:
    call, newer = WRITES[write]
    cache = make()
    with up(make(), "older") as flight, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.get_or_set, "k", refused)
        awaited(raw)
        call(cache)
        assert flight.land() == newer
        assert waiting.result(PATIENCE) == newer
    assert cache.get("k", "missing") == newer
    assert left_beside(raw) == []


def _deleted_by_pipeline(cache: Client) -> None:
    with cache.pipeline() as pipe:
        slot = pipe.delete("k")
        pipe.execute()
    assert slot.value is False


DELETES: dict[str, Callable[[Client], Any]] = {
    "delete": lambda cache: cache.delete("k"),
    "delete_many": lambda cache: cache.delete_many(["a", "k", "b"]),
    "pipeline": _deleted_by_pipeline,
    "set and delete": lambda cache: (cache.set("k", "newer"), cache.delete("k")),
}


@pytest.mark.parametrize("delete", DELETES)
def test_what_was_deleted_meanwhile_stays_so(make: Make, raw: Raw, delete: str) -> None:
    cache = make()
    with up(make(), "older") as flight:
        DELETES[delete](cache)
        assert flight.land() == "older"
    assert cache.get("k") is None
    assert raw("EXISTS", "app:1:k") == 0
    assert left_beside(raw) == []
    assert cache.get_or_set("k", lambda: "new") == "new"


@pytest.mark.parametrize("delete", DELETES)
def test_who_waits_for_what_was_deleted_computes(make: Make, raw: Raw, delete: str) -> None:
    cache = make()
    with up(make(), "older") as flight, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.get_or_set, "k", lambda: "new")
        awaited(raw)
        DELETES[delete](cache)
        assert flight.land() in ("older", "new")
        assert waiting.result(PATIENCE) == "new"
    assert cache.get("k") == "new"
    assert left_beside(raw) == []


@pytest.mark.parametrize("first", ["older", "newer"])
def test_two_computations_with_a_delete_between(make: Make, raw: Raw, first: str) -> None:
    cache = make()
    with up(make(), "older") as older:
        assert cache.delete("k") is False
        with up(make(), "newer") as newer:
            if first == "older":
                assert older.land() == "older"
                assert raw("EXISTS", "app:1:k") == 0
                assert newer.land() == "newer"
            else:
                assert newer.land() == older.land() == "newer"
    assert cache.get("k") == "newer"
    assert left_beside(raw) == []


def test_an_old_value_that_is_deleted_meanwhile_does_not_come_back(make: Make, raw: Raw) -> None:
    cache = make()
    put(cache, raw, "old", OLD)
    with up(make(), "new") as flight:
        assert cache.delete("k") is True
        assert flight.land() == "new"
    assert cache.get("k") is None
    assert left_beside(raw) == []


NAMES = ["a}b", "{", "}", "{}", "}{", "{x}y", "a{b", "{a}{b}", "{a{b}c}d", "{}{x}", "::", "", "a b\n", "ü"]


ANY_NAME = pytest.mark.parametrize("key", NAMES)
UNWARNED = pytest.mark.filterwarnings("ignore::django.core.cache.backends.base.CacheKeyWarning")


@UNWARNED
@ANY_NAME
def test_any_name_can_be_computed_and_deleted(make: Make, raw: Raw, key: str) -> None:
    cache = make()
    wire = f"app:1:{key}".encode()
    with up(make(), "made", key) as flight, ThreadPoolExecutor(1) as pool:
        assert raw("EXISTS", beside(b"flight", wire)) == 1
        waiting = pool.submit(cache.get_or_set, key, refused)
        awaited(raw, wire)
        assert flight.land() == waiting.result(PATIENCE) == "made"
    assert cache.decode(raw("GET", wire)) == cache.get(key) == "made"
    assert cache.delete(key) is True
    assert cache.delete_many([key]) == 0
    with up(make(), "older", key) as flight, cache.pipeline() as pipe:
        pipe.delete(key)
        pipe.execute()
        assert flight.land() == "older"
    assert cache.get(key) is None
    assert left_beside(raw) == []


@UNWARNED
@ANY_NAME
def test_any_name_can_be_held(make: Make, raw: Raw, key: str) -> None:
    cache = make()
    with cache.lock(key) as lock, cache.semaphore(key, 1) as permits:
        assert cache.lock(key).acquire(False) is False
        assert cache.semaphore(key, 1).acquire(False) is False
        assert cache.get(key) is None
        assert cache.keys() == []
        lock.check()
        permits.check()
    assert left_beside(raw) == []
