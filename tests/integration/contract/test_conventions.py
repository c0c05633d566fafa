"""Conventions and hash layouts of the backends that sites come from, on every way to build a cache.

Fails where an option for conventions or for a hash layout does not reach the commands of some shell; where
a transaction of set_many refuses keys that live apart; or where what another backend has left in a hash is
not found, or not under its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from tests.integration.contract.test_hashes import CREATING, MISSING
from tests.integration.contract.ways import Way
from vkcache.core.conventions import CONVENTIONS
from vkcache.errors import KeyNotFound
from vkcache.shell import Client

V, X, DR, R = "django-valkey", "django-cachex", "django-redis", "django-redis-cache"

# What a call answers natively, and by those conventions that have another answer.
ANSWERS: dict[str, tuple[Callable[[Client], Any], Any, dict[str, Any]]] = {
    "set": (lambda cache: cache.set("new", 1), True, {X: None}),
    "set for ever": (lambda cache: cache.set("new", 1, None), True, {X: None}),
    "set expired": (lambda cache: cache.set("there", 1, 0), True, {X: None}),
    "set nx": (lambda cache: cache.set("there", 1, nx=True), False, {V: None}),
    "set nx done": (lambda cache: cache.set("new", 1, nx=True), True, {}),
    "set xx": (lambda cache: cache.set("new", 1, xx=True), False, {V: None}),
    "add": (lambda cache: cache.add("there", 1), False, {V: None}),
    "add done": (lambda cache: cache.add("new", 1), True, {}),
    "ttl": (lambda cache: cache.ttl("new"), 0, {X: -2}),
    "pttl": (lambda cache: cache.pttl("new"), 0, {X: -2}),
    "ttl for ever": (lambda cache: cache.ttl("there"), None, {}),
    "delete_many": (lambda cache: cache.delete_many([]), None, {V: 0, DR: 0}),
    "delete_many of one": (lambda cache: cache.delete_many(["there"]), 1, {}),
    "spop": (lambda cache: cache.spop("set", 5), [1], {V: {1}, DR: {1}}),
    "spop of one": (lambda cache: cache.spop("set"), 1, {}),
    "spop unhashable": (lambda cache: cache.spop("dicts", 5), [{"a": 1}], {}),
    "sscan": (lambda cache: cache.sscan("set"), (0, {1}), {V: {1}, DR: {1}}),
    "zpopmin": (lambda cache: cache.zpopmin("zset"), [("m", 2.0)], {DR: ("m", 2.0)}),
    "zpopmax": (lambda cache: cache.zpopmax("zset"), [("m", 2.0)], {DR: ("m", 2.0)}),
    "zpopmax of none": (lambda cache: cache.zpopmax("new"), [], {DR: None}),
    "zpopmin with count": (lambda cache: cache.zpopmin("zset", 1), [("m", 2.0)], {}),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_answers_are_those_of_the_conventions(make: Make, name: str) -> None:
    cache = make(conventions=name)
    found, expected = {}, {}
    for row, (ask, native, others) in ANSWERS.items():
        cache.delete_many(["new", "there", "set", "dicts", "zset"])
        cache.set("there", 7, None)
        cache.sadd("set", 1)
        cache.sadd("dicts", {"a": 1})
        cache.zadd("zset", {"m": 2})
        found[row], expected[row] = ask(cache), others.get(name, native)
    assert found == expected
    assert {row: type(one) for row, one in found.items()} == {row: type(one) for row, one in expected.items()}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_counter_that_is_missing_is_an_error_for_all(make: Make, name: str) -> None:
    with pytest.raises(KeyNotFound):
        make(conventions=name).incr("k")


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("native", {"other:1:k"}),
        (X, {"app:2:k", "other:1:k"}),
        (V, set()),
        (DR, set()),
        (R, set()),
    ],
)
def test_clear_takes_what_the_conventions_say(make: Make, raw: Raw, name: str, left: set[str]) -> None:
    cache = make(conventions=name)
    others = ("app:1:k", "app:2:k", "other:1:k")
    raw("MSET", *(word for key in others for word in (key, 1)))
    assert cache.clear() is True
    assert {key.decode() for key in raw("KEYS", "*")} == left


@pytest.mark.parametrize("name", CONVENTIONS)
def test_clear_of_a_version_leaves_all_others(make: Make, raw: Raw, name: str) -> None:
    cache = make(conventions=name)
    raw("MSET", "app:1:k", 1, "app:2:k", 1, "other:1:k", 1)
    assert cache.clear(version=2) is True
    assert {key.decode() for key in raw("KEYS", "*")} == {"app:1:k", "other:1:k"}


@pytest.mark.parametrize("name", [X, R])
def test_set_many_as_a_transaction_stores_keys_that_live_apart(make: Make, raw: Raw, name: str) -> None:
    cache = make(conventions=name, jitter=0.01)  # with a jitter no server has one command for it
    rows: dict[str, object] = {f"k{number}": number for number in range(50)}
    assert cache.set_many(rows, 60) == []
    assert cache.get_many(rows) == rows
    assert 0 < raw("PTTL", "app:1:k7") <= 60_000
    assert cache.set_many({}) == []


def test_the_arguments_of_get_or_set_are_those_of_the_conventions(make: Make, raw: Raw) -> None:
    assert make().get_or_set("a", 1, 60, 2) == 1
    other = make(conventions=R)
    assert other.get_or_set("b", 1, 60, 5) == 1
    assert other.get_or_set("c", 1, 60, 5, version=2) == 1
    assert other.get_or_set("d", 1, 60, 5, 600) == 1
    assert {key.decode() for key in raw("KEYS", "*")} == {"app:2:a", "app:1:b", "app:2:c", "app:1:d"}
    assert raw("PTTL", "app:1:d") > 600_000


def test_a_caches_own_stale_time_lengthens_what_get_or_set_stores(make: Make, raw: Raw) -> None:
    cache = make(stale_cache_timeout=600)
    assert cache.get_or_set("a", lambda: "value", 60) == "value"
    assert 600_000 < raw("PTTL", "app:1:a") <= 660_000
    cache.set("b", "value", 60)
    assert raw("PTTL", "app:1:b") <= 60_000
    bare = make(stale_cache_timeout=600, format="bare")  # it has no place for a value's age
    assert bare.get_or_set("c", lambda: "value", 60) == "value"
    assert raw("PTTL", "app:1:c") <= 60_000


@pytest.mark.parametrize(("name", "shared"), [("native", False), (V, False), (X, False), (R, True)])
def test_caches_share_locks_where_the_conventions_have_them_do(make: Make, name: str, shared: bool) -> None:
    mine, theirs = make(conventions=name), make(conventions=name, prefix="other")
    held, wanted = mine.lock("k", lease=60), theirs.lock("k", lease=60)
    assert held.acquire()
    assert wanted.acquire(blocking=False) is not shared
    held.release()


def test_a_lease_has_a_name_of_its_own_and_timeout_is_then_the_wait(make: Make, raw: Raw) -> None:
    cache = make()
    held = cache.lock("k", lease=60)
    assert held.acquire()
    [key] = raw("KEYS", b"\xffvkcache:lock:*")
    assert 30_000 < raw("PTTL", key) <= 60_000
    assert cache.lock("k", lease=60, timeout=0.01).acquire() is False
    held.release()


LAYOUTS = {
    "native": ("app:%d:h", ""),
    V: ("h", "app:%d:"),
    "django-valkey-hash": ("app:%d:h", "app:%d:"),
    X: ("app:%d:h", ""),
    DR: ("h", "app:%d:"),
    "django-redis-7": ("app:%d:h", ""),
}


def at(layout: str, version: int) -> tuple[str, str]:
    """The key of the hash, and how its fields' names begin."""
    key, head = (text.replace("%d", str(version)) for text in LAYOUTS[layout])
    return key, head


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("version", [1, 2])
def test_what_another_backend_left_in_a_hash_is_found(
    make: Make, raw: Raw, layout: str, version: int
) -> None:
    cache = make(hash_layout=layout)
    key, head = at(layout, version)
    raw("HSET", key, head + "f", 5, head + "a:b", 6)
    assert cache.hget("h", "f", version) == 5
    assert cache.hexists("h", "a:b", version)
    assert cache.hmget("h", "a:b", "f", version=version) == [6, 5]
    assert cache.hgetall("h", version) == {"f": 5, "a:b": 6}
    assert sorted(cache.hkeys("h", version)) == ["a:b", "f"]
    assert sorted(cache.hvals("h", version)) == [5, 6]
    assert cache.hlen("h", version) == 2
    assert cache.hrandfield("h", 5, version) in (["f", "a:b"], ["a:b", "f"])
    assert cache.hscan("h", match="a*", version=version) == (0, {"a:b": 6})
    assert list(cache.hscan_iter("h", match="?", version=version)) == [("f", 5)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_written_is_where_the_other_backend_looks(make: Make, raw: Raw, layout: str) -> None:
    cache = make(hash_layout=layout, prefix="a*[")
    key, head = (text.replace("app", "a*[") for text in at(layout, 1))
    cache.hset("h", "f", 1, mapping={"g": 2})
    cache.hmset("h", {"i": 0.5, "j": 3})
    assert cache.hsetnx("h", "k", 4) is True
    assert cache.hsetnx("h", "k", 5) is False
    assert cache.hincrby("h", "f", 2) == 3
    assert cache.hincrbyfloat("h", "f", 0.5) == 3.5
    if not hasattr(cache, "_transaction"):
        assert cache.hincrbyfloat("h", "i", 0.5) == 1.0  # a float that hset has written: several steps
    assert cache.hdel("h", "g", "j", "none") == 2
    assert {name.decode() for name in raw("HGETALL", key)} == {head + name for name in "fik"}
    assert raw("DBSIZE") == 1
    assert cache.hscan("h", match="[fk]") == (0, {"f": 3.5, "k": 4})
    assert cache.hkeys("missing") == []


@pytest.mark.parametrize("layout", [V, "django-valkey-hash"])
def test_a_field_without_the_prefix_is_called_as_it_is(make: Make, raw: Raw, layout: str) -> None:
    cache = make(hash_layout=layout)
    raw("HSET", at(layout, 1)[0], "raw", 1, "app:1:f", 2, "app:2:f", 3)
    assert cache.hgetall("h") == {"raw": 1, "f": 2}
    assert cache.hget("h", "f") == 2
    assert sorted(cache.hkeys("h")) == ["f", "f", "raw"]
    assert cache.hlen("h") == 3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_missing_hash_is_empty_and_comes_to_be_in_every_layout(make: Make, layout: str) -> None:
    cache = make(hash_layout=layout)
    assert {row: ask(cache) for row, (ask, _) in MISSING.items()} == {
        row: answer for row, (_, answer) in MISSING.items()
    }
    for row, (ask, answer) in CREATING.items():
        cache.flush_db()
        assert ask(cache) == answer, row
        assert cache.hget("k", "f") == 1, row


def test_compat_is_both_at_once(make: Make, raw: Raw, way: Way) -> None:
    cache = make(compat=V)
    assert cache.set("k", 1, nx=True) is True
    assert cache.set("k", 1, nx=True) is None
    cache.hset("h", "f", 1)
    assert raw("HGET", "h", "app:1:f") == b"1", way.name
