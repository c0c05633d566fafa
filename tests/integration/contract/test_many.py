"""Several values in one call: get_many, mget, set_many, mset.

Fails where an iterable is read twice, where order, time-outs or the documented results are wrong,
or where others see a part of what mset() stores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import DEFAULT_MS, SECOND, lives
from vkcache.core.plan import Features
from vkcache.errors import Unencodable
from vkcache.shell import Client

ROUNDS = 60


@pytest.fixture(params=["newest", "without MSETEX"])
def several(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, cache: Client) -> Client:
    """A cache on a server as it is, and as one that has no MSETEX."""
    if request.param != "newest":
        monkeypatch.setattr(Features, "msetex", False)
    return cache


def store(cache: Client, name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(cache, name)
    return function


def fetch(cache: Client, name: str) -> Callable[..., dict[str, Any]]:
    function: Callable[..., dict[str, Any]] = getattr(cache, name)
    return function


WRITERS = {"set_many": [], "mset": True}
READERS = ["get_many", "mget"]


@pytest.mark.parametrize("name", READERS)
def test_the_found_ones_in_the_order_asked(cache: Client, name: str) -> None:
    cache.set_many({"{t}a": 1, "{t}b": None, "{t}c": ("x",)})
    asked = ["{t}c", "{t}missing", "{t}a", "{t}b", "{t}c"]
    found = fetch(cache, name)(asked)
    assert list(found.items()) == [("{t}c", ("x",)), ("{t}a", 1), ("{t}b", None)]


@pytest.mark.parametrize("name", READERS)
def test_any_iterable_is_read_once(cache: Client, name: str) -> None:
    cache.set_many({"{t}a": 1, "{t}b": 2})

    def names() -> Iterator[str]:
        yield "{t}a"
        yield "{t}b"

    both = {"{t}a": 1, "{t}b": 2}
    read = fetch(cache, name)
    assert read(names()) == both
    assert read({"{t}a": 0, "{t}b": 0}) == both
    assert read({"{t}a", "{t}b"}) == both
    assert read(()) == {}


@pytest.mark.parametrize("name", READERS)
def test_no_key_found_is_an_empty_dict(cache: Client, name: str) -> None:
    assert fetch(cache, name)(["{t}a", "{t}b"]) == {}


def test_a_key_that_is_a_list_is_no_value(cache: Client, raw: Raw) -> None:
    raw("LPUSH", "app:1:{t}list", 1)
    cache.set("{t}a", 1)
    assert cache.get_many(["{t}list", "{t}a"]) == {"{t}a": 1}


@pytest.mark.parametrize("name", WRITERS)
def test_all_is_stored_for_the_default_time(several: Client, raw: Raw, name: str) -> None:
    assert store(several, name)({"{t}a": 1, "{t}b": (2,), "{t}c": "x" * 5000}) == WRITERS[name]
    assert several.get_many(["{t}a", "{t}b", "{t}c"]) == {"{t}a": 1, "{t}b": (2,), "{t}c": "x" * 5000}
    assert all(lives(raw, f"app:1:{{t}}{key}", DEFAULT_MS) for key in "abc")


@pytest.mark.parametrize("name", WRITERS)
def test_the_timeout_holds_for_all(several: Client, raw: Raw, name: str) -> None:
    write, wires = store(several, name), ("app:1:{t}a", "app:1:{t}b")
    write({"{t}a": 1, "{t}b": 2}, 60.5)
    assert all(lives(raw, wire, 60 * SECOND + 500) for wire in wires)
    write({"{t}a": 3, "{t}b": 4}, timeout=None)
    assert [raw("PTTL", wire) for wire in wires] == [-1, -1]
    assert write({"{t}a": 5, "{t}b": 6}, 0) == WRITERS[name]
    assert raw("DBSIZE") == 0


@pytest.mark.parametrize("name", WRITERS)
def test_a_version_can_be_named(several: Client, name: str) -> None:
    store(several, name)({"{t}a": 1, "{t}b": 2}, 60, 5)
    assert several.get("{t}a") is None
    assert several.mget(["{t}a", "{t}b"], version=5) == {"{t}a": 1, "{t}b": 2}


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_to_store_is_a_success(several: Client, name: str) -> None:
    assert store(several, name)({}) == WRITERS[name]


@pytest.mark.parametrize("name", WRITERS)
def test_what_can_not_be_written_keeps_all_from_being_sent(several: Client, raw: Raw, name: str) -> None:
    with pytest.raises(Unencodable):
        store(several, name)({"{t}a": 1, "{t}b": threading.Lock()})
    assert raw("DBSIZE") == 0


def test_many_keys_at_once(several: Client) -> None:
    data = {f"{{t}}{number}": number for number in range(2000)}
    assert several.set_many(data) == []
    assert several.get_many(data) == data
    assert several.delete_many(data) == 2000


def test_a_list_in_the_way_is_replaced(several: Client, raw: Raw) -> None:
    raw("LPUSH", "app:1:{t}a", 1)
    assert several.mset({"{t}a": 1, "{t}b": 2}) is True
    assert several.mget(["{t}a", "{t}b"]) == {"{t}a": 1, "{t}b": 2}


@pytest.mark.parametrize("timeout", [60, None])
def test_mset_is_seen_whole_or_not_at_all(several: Client, timeout: int | None) -> None:
    keys = [f"{{t}}{number}" for number in range(8)]
    several.mset(dict.fromkeys(keys, 0), timeout)
    done = threading.Event()

    def seen() -> set[int]:
        different = set()
        while not done.is_set():
            found = several.mget(keys)
            different.add(len(set(found.values())) if len(found) == len(keys) else 0)
        return different

    with ThreadPoolExecutor() as threads:
        reader = threads.submit(seen)
        try:
            for number in range(ROUNDS):
                several.mset(dict.fromkeys(keys, number), timeout)
        finally:
            done.set()
        assert reader.result() <= {1}
