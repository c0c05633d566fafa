"""The CACHES backend's keys and settings: key functions, overridden make_key, names, sharing of raw clients.

Fails when a cache whose keys a function or a subclass makes recurses, finds or deletes keys of others,
or says that it deleted what it did not; when a wrong setting is not named; when a setting of the whole
site is not read; or when raw clients do not share a pool.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from vkcache.core.keyspace import CacheKey
from vkcache.django import ValkeyCache, util
from vkcache.errors import InvalidArgument, Misconfigured

BACKEND = "vkcache.django.ValkeyCache"


def made(url: Any, **top: Any) -> ValkeyCache:
    return ValkeyCache(url, {"KEY_PREFIX": "dj", **top})


def slashes(key: str, prefix: str, version: int) -> str:
    return f"{prefix}/{int(version)}/{key}"


def of_slashes(key: str) -> str:
    return key.split("/", 2)[2]


def hashing(key: str, prefix: str, version: int) -> str:
    return f"{prefix}:{version}:{hashlib.sha256(key.encode()).hexdigest()}"


def answers_bytes(key: str, *_: object) -> bytes:
    return key.encode()


FUNCTION = {"KEY_FUNCTION": slashes, "REVERSE_KEY_FUNCTION": of_slashes}


def found(cache: ValkeyCache, pattern: str = "*") -> list[bytes]:
    wires: Any = cache.get_client().keys(pattern)
    return sorted(wires)


def connected(cache: ValkeyCache) -> dict[str, str]:
    """The name of every connection that the server has, by its id."""
    clients: Any = cache.get_client().client_list()
    return {client["id"]: client["name"] for client in clients}


class Tenant(ValkeyCache):
    """Builds on the key that it inherits, as Django's documentation has it."""

    def make_key(self, key: str, version: int | None = None) -> str:
        return f"tenant*:{super().make_key(key, version)}"


# Keys -----------------------------------------------------------------------------------------------------


def test_a_make_key_that_builds_on_the_inherited_one(url: str) -> None:
    cache, others = Tenant(url, {"KEY_PREFIX": "dj"}), made(url)
    raw = cache.get_client()
    for version in (1, 2):
        cache.set("word", 1, version=version)
        others.set("word", 1, version=version)
    raw.set("tenantless:dj:1:word", 1)
    assert raw.exists("tenant*:dj:1:word", "tenant*:dj:2:word") == 2
    assert (cache.get("word"), cache.make_and_validate_key("word", 2)) == (1, "tenant*:dj:2:word")
    assert cache.make_pattern("w*") == "tenant\\*:dj:1:w*"
    assert cache.delete_pattern("w*") == 1
    assert cache.clear() is True
    assert found(cache) == [b"dj:1:word", b"dj:2:word", b"tenantless:dj:1:word"]


def test_make_key_is_djangos(url: str) -> None:
    assert made(url).make_key("a", 3) == "dj:3:a"
    assert made(url, VERSION=2, KEY_FUNCTION=slashes).make_key("a") == "dj/2/a"
    assert made(url).make_key(CacheKey("ready")) == "ready"
    assert Tenant(url, {"KEY_FUNCTION": slashes}).make_key("a") == "tenant*:/1/a"


def test_a_key_functions_cache_walks_and_clears_its_own_keys_alone(url: str) -> None:
    cache, others = made(url, KEY_PREFIX="d*", **FUNCTION), made(url, KEY_PREFIX="dx", **FUNCTION)
    for version in (1, 2):
        cache.set_many({"a": 1, "b": {"x": 1}}, version=version)
        others.set("a", 1, version=version)
    raw = cache.get_client()
    raw.set("d*/x/a", 1)
    assert sorted(cache.keys()) == sorted(cache.iter_keys("*")) == ["a", "b"]
    assert sorted(cache.scan(count=100)[1]) == ["a", "b"]
    assert cache.reinsert_keys() == 4
    assert cache.delete_pattern("a*", version=2) == 1
    assert cache.clear(version=1) is True
    assert found(cache, "d[*]*") == [b"d*/2/b", b"d*/x/a"]
    assert cache.clear() is True
    assert found(cache) == [b"d*/x/a", b"dx/1/a", b"dx/2/a"]


def test_a_hashing_function_is_told_so_where_a_pattern_is_needed(url: str) -> None:
    cache = made(url, KEY_FUNCTION=hashing)
    cache.set("a", 1)
    for call in (cache.clear, cache.keys, cache.scan, cache.reinsert_keys):
        with pytest.raises(Misconfigured, match=r"KEY_FUNCTION.*flush_db"):
            call()
    for walk in (lambda: list(cache.iter_keys()), lambda: cache.delete_pattern("a*")):
        with pytest.raises(Misconfigured, match=r"KEY_FUNCTION.*flush_db"):
            walk()
    assert cache.get("a") == 1


def test_a_function_that_answers_no_str_is_named(url: str) -> None:
    with pytest.raises(Misconfigured, match="KEY_FUNCTION answers bytes"):
        made(url, KEY_FUNCTION=answers_bytes).get("a")


def test_the_cache_beneath_deletes_whole_keys_and_clears_nothing(url: str) -> None:
    cache = made(url)
    cache.set_many({"a": 1, "b": 1})
    for clear in (cache._cache.clear, lambda: cache._cache.clear(version=1), cache._cache.reinsert_keys):
        with pytest.raises(Misconfigured, match="flush_db"):
            clear()
    assert cache._cache.delete_pattern("dj:1:a*") == 1
    assert cache.keys() == ["b"]


def test_make_pattern_over_a_function_that_wants_a_number() -> None:
    assert util.make_pattern("a*", slashes, 2, "p*") == "p\\*/2/a*"
    assert util.make_pattern(CacheKey("whole*"), slashes, 2, "p*") == "whole*"


def test_a_default_that_has_to_be_awaited_is_for_the_awaited_method(url: str) -> None:
    async def default() -> int:
        return 5

    with pytest.raises(InvalidArgument, match="give a plain function, not one that answers an awaitable"):
        made(url).get_or_set("a", default)
    assert asyncio.run(made(url).aget_or_set("a", default)) == 5


# Settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "top", "said"),
    [
        ("valkey://a/0", {"key_prefix": "x"}, "'key_prefix' is not known; did you mean 'KEY_PREFIX'"),
        ("valkey://a/0", {"version": 2}, "'version' is not known; did you mean 'VERSION'"),
        ("valkey://a/0", {5: 2}, "setting 5 is not known"),
        ("valkey://a/0", {"OPTIONS": None}, "OPTIONS: give a dict"),
        ("valkey://a/0", {"OPTIONS": {5: 1}}, "OPTIONS: give a dict whose keys are the names"),
        ("valkey://a/0", {"KEY_PREFIX": 5}, "KEY_PREFIX, 5: give a str"),
        ("valkey://a/0", {"KEY_PREFIX": None}, "KEY_PREFIX, None: give a str"),
        ("valkey://a/0", {"VERSION": "7"}, "VERSION, '7': give a whole number"),
        ("valkey://a/0", {"VERSION": True}, "VERSION, True: give a whole number"),
        ("valkey://a/0", {"KEY_FUNCTION": "no.such"}, "KEY_FUNCTION, 'no.such'"),
        ("valkey://a/0", {"KEY_FUNCTION": 5}, "KEY_FUNCTION, 5"),
        (None, {}, "LOCATION, of type NoneType: give a URL as a str"),
        (Path("/run/s"), {}, "LOCATION, of type PosixPath: give a URL as a str"),
        (["valkey://a/0", None], {}, "LOCATION, of type list: give a URL"),
        ("valkey://a/0; valkey://a/0", {}, "a URL is given twice"),
    ],
)
def test_a_wrong_setting_is_named(location: Any, top: dict[Any, Any], said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said):
        ValkeyCache(location, top)


def test_an_equal_value_of_another_type_is_refused_although_its_like_is_known(url: str) -> None:
    made(url, VERSION=1)
    with pytest.raises(ImproperlyConfigured, match=r"VERSION, 1\.0"):
        made(url, VERSION=1.0)


def test_what_django_reads_in_lower_case_is_accepted(url: str) -> None:
    cache = made(url, timeout=7, max_entries=5, cull_frequency=2)
    cache.set("a", 1)
    assert (cache.ttl("a"), cache.default_timeout) == (7, 7)


@pytest.mark.parametrize("password", ["p,w", "p;w", "p,valkey"])
def test_a_password_may_hold_what_separates_urls(password: str) -> None:
    cache = made(f"valkey://:{password}@127.0.0.1:1/0,")
    assert cache.get_client().connection_pool.connection_kwargs["password"] == password


@pytest.mark.parametrize("setting", ["VKCACHE_SCAN_ITERSIZE", "DJANGO_VALKEY_SCAN_ITERSIZE"])
def test_a_page_may_be_set_for_the_whole_site(url: str, setting: str) -> None:
    with override_settings(**{setting: 77}):
        assert made(url).space.page == 77
        assert made(url, OPTIONS={"SCAN_ITERSIZE": 5}).space.page == 5
    assert made(url).space.page == 1000
    for wrong in (0, "many"):
        with (
            override_settings(**{setting: wrong}),
            pytest.raises(ImproperlyConfigured, match=f"{setting}, {wrong!r}: give a whole number above 0"),
        ):
            made(url)


def test_the_projects_own_page_comes_before_the_older_name(url: str) -> None:
    with override_settings(VKCACHE_SCAN_ITERSIZE=7, DJANGO_VALKEY_SCAN_ITERSIZE=8):
        assert made(url).space.page == 7


# Raw clients ----------------------------------------------------------------------------------------------


def test_raw_clients_of_one_row_share_a_pool_that_ends_with_the_row(url: str) -> None:
    row = {"BACKEND": BACKEND, "LOCATION": url, "OPTIONS": {"client_name": "raw-of-row"}}
    with override_settings(CACHES={"default": row}):
        cache = caches["default"]
        assert isinstance(cache, ValkeyCache)
        for _ in range(3):
            with cache.get_client() as raw:
                raw.ping()
        assert cache.get_client() is raw
        named = [number for number, name in connected(cache).items() if name == "raw-of-row"]
        assert len(named) == 1
    assert not set(named).intersection(connected(made(url)))
