"""The CACHES backend within Django: its contract, its settings, and what threads and aliases share.

Fails when a Django project that swaps its BACKEND would see another behaviour than Django's cache
contract promises, when a wrong setting is accepted or named badly, or when aliases with different
options share connections.
"""

from __future__ import annotations

import asyncio
import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT, CacheKeyWarning
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_finished
from django.test import override_settings

from tests.servers import Server
from vkcache.django import ValkeyCache, get_valkey_connection, util
from vkcache.errors import KeyNotFound
from vkcache.shell import Client


def made(url: str, options: dict[str, Any] | None = None, **top: Any) -> ValkeyCache:
    return ValkeyCache(url, {"OPTIONS": options or {}, "KEY_PREFIX": "dj", **top})


def reversed_words(key: str, prefix: str, version: int) -> str:
    return f"{key}/{version}/{prefix}"


def words_again(key: str) -> str:
    return key.split("/")[0]


class Shouting(ValkeyCache):
    """Django's documentation lets a subclass override both of these."""

    def make_key(self, key: str, version: int | None = None) -> str:
        return f"SHOUT:{version or self.version}:{key.upper()}"

    def validate_key(self, key: str) -> None:
        if key.endswith("!"):
            raise ValueError("no shouting")


@pytest.fixture
def cache(url: str) -> ValkeyCache:
    return made(url)


# Django's contract ----------------------------------------------------------------------------------------


def test_djangos_own_default_mark_means_the_caches_timeout(url: str) -> None:
    cache = made(url, TIMEOUT=77)
    cache.set("a", 1, DEFAULT_TIMEOUT)
    cache.set("b", 1)
    cache.set_many({"c": 1}, DEFAULT_TIMEOUT)
    assert (cache.ttl("a"), cache.ttl("b"), cache.ttl("c")) == (77, 77, 77)


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(None, None), (5, 5), ("6", 6), (2.5, 3), (timedelta(minutes=1), 60)]
)
def test_timeout_setting(url: str, timeout: Any, seconds: int | None) -> None:
    cache = made(url, TIMEOUT=timeout)
    cache.set("a", 1)
    assert cache.ttl("a") == seconds


def test_missing_keys_raise_what_djangos_own_caches_raise(cache: ValkeyCache) -> None:
    for call in (cache.incr, cache.decr, cache.incr_version, cache.decr_version):
        with pytest.raises(ValueError, match="missing") as caught:
            call("missing")
        assert isinstance(caught.value, KeyNotFound)


def test_a_key_that_memcached_would_refuse_warns_and_works(cache: ValkeyCache) -> None:
    with pytest.warns(CacheKeyWarning, match="characters that will cause errors"):
        cache.set("with space", 1)
    with pytest.warns(CacheKeyWarning, match="longer than 250"):
        cache.set("k" * 250, 2)
    with pytest.warns(CacheKeyWarning):
        assert cache.get_many(["with space"]) == {"with space": 1}


def test_a_subclass_may_override_make_key_and_validate_key(url: str) -> None:
    cache = Shouting(url, {"KEY_PREFIX": "dj"})
    cache.set("word", 1)
    assert cache.get_client().keys("*") == [b"SHOUT:1:WORD"]
    assert cache.get("word") == 1
    with pytest.raises(ValueError, match="no shouting"):
        cache.get("word!")
    with pytest.raises(ValueError, match="no shouting"):
        cache.get_many(["word!"])


def test_key_function_and_its_reverse(url: str) -> None:
    names: dict[str, Any] = {
        "KEY_FUNCTION": f"{__name__}.reversed_words",
        "REVERSE_KEY_FUNCTION": f"{__name__}.words_again",
    }
    cache = made(url, **names, VERSION=4)
    cache.set("word", 1)
    assert cache.get_client().keys("*") == [b"word/4/dj"]
    assert (cache.keys(), cache.reverse_key("word/4/dj")) == (["word"], "word")
    assert cache.delete_pattern("w*") == 1


def test_version_setting_is_the_default_version(url: str) -> None:
    cache = made(url, VERSION=3)
    cache.set("a", 1)
    assert (cache.get("a", version=3), cache.get("a", version=1), cache.incr_version("a")) == (1, None, 4)


def test_close_at_the_end_of_a_request_keeps_connections_unless_told(url: str, server: Server) -> None:
    rows = {"default": {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": url}}
    for close_connection, kept in ((False, True), (True, False)):
        options = {"close_connection": close_connection, "client_name": f"site-{close_connection}"}
        with override_settings(CACHES={"default": {**rows["default"], "OPTIONS": options}}):
            caches["default"].set("a", 1)
            request_finished.send(sender=None)
            seen = f"name=site-{close_connection} " in connected(server)
        assert seen is kept


def connected(server: Server) -> str:
    from valkey import Valkey

    with Valkey.from_url(server.url) as raw:
        return "".join(f"name={client['name']} \n" for client in raw.client_list())


def test_async_siblings_answer_the_same(cache: ValkeyCache) -> None:
    async def calls() -> list[Any]:
        await cache.aset("a", (1, 2))
        return [
            await cache.aget("a"),
            await cache.aget_many(["a", "b"]),
            await cache.aincr("n", ignore_key_check=True),
            await cache.ahas_key("a"),
            sorted([key async for key in cache.aiter_keys("*")]),
            await cache.attl("a"),
            await cache.aget_or_set("c", lambda: 7),
            await cache.adelete_many(["a", "c"]),
        ]

    assert asyncio.run(calls()) == [(1, 2), {"a": (1, 2)}, 1, True, ["a", "n"], 300, 7, 2]


# What is shared -------------------------------------------------------------------------------------------


def test_instances_of_one_row_share_connections_and_others_do_not(url: str) -> None:
    same, again = made(url), made(url)
    other = made(url, {"socket_timeout": 2})
    assert same._door is again._door
    assert same._door is not other._door


def test_threads_share_one_pool(url: str, server: Server) -> None:
    options = {"client_name": "threads"}
    rows = {"default": {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": url, "OPTIONS": options}}
    with override_settings(CACHES=rows):
        caches["default"].set("a", 1)
        for _ in range(20):
            thread = threading.Thread(target=lambda: caches["default"].get("a"))
            thread.start()
            thread.join()
        assert connected(server).count("name=threads ") == 1


def test_a_changed_setting_closes_what_was_built_from_the_old_one(url: str, server: Server) -> None:
    with override_settings(
        CACHES={
            "default": {
                "BACKEND": "vkcache.django.ValkeyCache",
                "LOCATION": url,
                "OPTIONS": {"client_name": "old"},
            }
        }
    ):
        caches["default"].set("a", 1)
        assert "name=old " in connected(server)
    assert "name=old " not in connected(server)


def test_secret_key_fallbacks_still_verify(url: str) -> None:
    with override_settings(SECRET_KEY="old"):
        made(url).set("a", date(2026, 1, 2))
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        assert made(url).get("a") == date(2026, 1, 2)
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[]):
        cache = made(url)
        assert (cache.get("a"), cache.unreadable) == (None, 1)


def test_a_plain_client_with_the_sites_secret_shares_its_values(url: str) -> None:
    with override_settings(SECRET_KEY="shared"):
        made(url).set("a", {1, 2})
    assert Client(url, prefix="dj", secret="shared").get("a") == {1, 2}


# Settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"socket_timout": 1}, r"'socket_timout' is not known; did you mean 'socket_timeout'"),
        ({"SOCKET_TIMEOUT": -1}, r"socket_timeout, -1: give a number of seconds"),
        ({"socket_timeout": 1, "SOCKET_TIMEOUT": 1}, r"'socket_timeout' is given twice"),
        ({"max_connections": 0}, r"max_connections, 0: give a whole number"),
        ({"JITTER": 1}, r"jitter, 1: give the part of each time-out to spread, 0 or more, below 1"),
        ({"topology": "clusters"}, r"topology, 'clusters': give one of single, replicas, shard"),
        ({"serializer": "no.such.Thing"}, r"serializer, 'no.such.Thing'"),
        ({"compressor": "zstdd"}, r"zstd"),
        ({"password": 17}, r"password, of type int"),
    ],
)
def test_a_wrong_option_is_named_with_its_remedy(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said):
        made("valkey://127.0.0.1:1/0", options)


@pytest.mark.parametrize(
    ("location", "top", "said"),
    [
        ("valkey://a/0,valkey://b/0", {"OPTIONS": {"topology": "single"}}, "2 URLs are given"),
        (["valkey://a/0", "valkey://b/0"], {"OPTIONS": {"topology": "single"}}, "2 URLs are given"),
        ("", {}, "no URL is given"),
        ([], {}, "no URL is given"),
        ("http://a/0", {}, "begin it with one of valkey://"),
        ("valkey://a/0", {"TIMEOUT": "soon"}, "TIMEOUT"),
        ("valkey://a/0", {"TIMOUT": 1}, "'TIMOUT' is not known; did you mean 'TIMEOUT'"),
        ("valkey://a/0", {"REVERSE_KEY_FUNCTION": "no.such"}, "REVERSE_KEY_FUNCTION"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(location: Any, top: dict[str, Any], said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said):
        made(location, **top)


def test_capitals_and_a_list_location_are_accepted(url: str) -> None:
    cache = made([url], {"SOCKET_TIMEOUT": 2, "SERIALIZER": "json", "COMPRESSOR": "zlib"})  # type: ignore[arg-type]
    cache.set("a", [1])
    assert cache.get("a") == [1]


def test_jitter_is_that_of_all_keys_and_spaces_of_a_cache(url: str) -> None:
    cache = made(url, {"JITTER": 0.5}, TIMEOUT=1000)
    cache.set_many({f"k{number}": number for number in range(50)})
    assert (cache.space.jitter, cache._cache.space.jitter, made(url).space.jitter) == (0.5, 0.5, 0)
    left = [cache.ttl(f"k{number}") or 0 for number in range(50)]
    assert all(400 < one <= 1000 for one in left)
    assert len(set(left)) > 25


# Raw access -----------------------------------------------------------------------------------------------


def test_raw_clients_see_the_bytes(cache: ValkeyCache) -> None:
    cache.set("a", {"x": 1})
    key = cache.make_key("a")
    stored: Any = cache.get_client("a", write=True).get(key)
    assert (key, cache.decode(stored), cache.encode({"x": 1})) == ("dj:1:a", {"x": 1}, stored)

    async def awaited() -> bytes:
        client = await cache.get_async_client("a")
        try:
            found: bytes = await client.get(key)
            return found
        finally:
            await client.aclose()

    assert asyncio.run(awaited()) == stored


def test_get_valkey_connection(url: str) -> None:
    rows = {
        "default": {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": url},
        "other": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    }
    with override_settings(CACHES=rows):
        assert get_valkey_connection("default").ping() is True
        with pytest.raises(ImproperlyConfigured, match="LocMemCache; set its BACKEND"):
            get_valkey_connection("other")


def test_the_cache_beneath_takes_ready_made_keys(cache: ValkeyCache) -> None:
    cache.set("a", 1)
    assert cache._cache.incr(cache.make_and_validate_key("a")) == 2
    assert cache.get("a") == 2
    assert list(cache._cache.iter_keys("dj:*")) == ["dj:1:a"]
    assert asyncio.run(cache._cache.aget("dj:1:a")) == 2


def test_the_documented_functions_of_django_valkey(cache: ValkeyCache) -> None:
    key = util.make_key("a", cache.key_func, 2, "p")
    assert (key, util.make_key(key, cache.key_func, 9, "x")) == ("p:2:a", "p:2:a")
    assert util.make_pattern("*", cache.key_func, 1, "p*") == "p\\*:1:*"
    cache.set(key, 5)
    assert cache.get_client().get("p:2:a") == b"5"
    serializer, compressor = cache.client._serializer, cache.client._compressor
    for value in ("text", 7, {"x": [1]}):
        assert util.decode(util.encode(value, serializer, compressor), serializer, compressor) == value
