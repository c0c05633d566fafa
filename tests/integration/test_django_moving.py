"""A site that comes from another backend and changes BACKEND alone.

Fails where a setting of the whole site is not read, or read once and for ever; where what has no meaning is
told more than once a row, as an error, or with a value; where a function of keys named in OPTIONS is not
used; or where a value that the old serializer took is refused.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from vkcache.django import UnusedSettings, ValkeyCache
from vkcache.shell import Client

HERE = "memory://moving"


@pytest.fixture(autouse=True)
def _empty() -> None:
    """All tests have one place, and come in any order."""
    with Client(HERE) as client:
        client.flush_db()


def row(options: dict[str, Any], location: Any = HERE, **beside: Any) -> dict[str, Any]:
    return {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": location, "OPTIONS": options, **beside}


def cache(alias: str = "default") -> ValkeyCache:
    made = caches[alias]
    assert isinstance(made, ValkeyCache)
    return made


def using(options: dict[str, Any], **beside: Any) -> override_settings:
    return override_settings(CACHES={"default": row(options, **beside)})


def reverse(key: str) -> str:
    return key.rpartition("|")[2]


def make(key: str, prefix: str, version: int) -> str:
    return f"{prefix}|{version}|{key}"


def test_what_is_unused_is_told_once_a_row() -> None:
    with using({"PARSER_CLASS": "hunter2.Parser", "PICKLE_VERSION": 4}):
        with pytest.warns(UnusedSettings) as told:
            assert cache().get("k") is None
        assert [str(one.message) for one in told] == [
            "CACHES: what has no meaning for this backend is not used. "
            "PARSER_CLASS: leave it out: replies are read by libvalkey, in protocol 2; "
            "PICKLE_VERSION: leave it out: pickles are written in protocol 5, and those of all others are "
            "read"
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del caches["default"]  # as in another thread
            assert cache().get("k") is None


def test_an_option_that_nobody_knows_is_an_error() -> None:
    with using({"IGNORE_EXCEPTION": True}), pytest.raises(ImproperlyConfigured) as caught:
        cache()
    assert str(caught.value) == (
        "CACHES: option 'ignore_exception' is not known; did you mean 'ignore_exceptions'?"
    )


@pytest.mark.parametrize("prefix", ["DJANGO_VALKEY", "DJANGO_REDIS"])
def test_settings_of_the_whole_site_are_read_whenever_they_change(prefix: str) -> None:
    nowhere = "valkey://127.0.0.1:1/0"
    assert ValkeyCache(nowhere, {})._site.settings.ignore_exceptions is False
    with override_settings(**{f"{prefix}_IGNORE_EXCEPTIONS": True, f"{prefix}_SCAN_ITERSIZE": 7}):
        made = ValkeyCache(nowhere, {})
        assert (made.get("k"), made.space.page) == (None, 7)
    assert ValkeyCache(nowhere, {})._site.settings.ignore_exceptions is False


def test_a_herds_time_is_the_sites() -> None:
    herd = {"OPTIONS": {"CLIENT_CLASS": "django_valkey.client.HerdClient"}}
    assert ValkeyCache(HERE, herd).space.stale == 60
    with override_settings(CACHE_HERD_TIMEOUT=20):
        made = ValkeyCache(HERE, herd)
        assert (made.space.stale, made.get_or_set("herd", lambda: 5)) == (20, 5)


@pytest.mark.parametrize("beside", [True, False])
def test_functions_of_keys_stand_in_options_or_beside_them(beside: bool) -> None:
    given = {"KEY_FUNCTION": make, "REVERSE_KEY_FUNCTION": reverse}
    with using({} if beside else given, **(given if beside else {})):
        cache().set("k", 1)
        assert (cache().make_key("k"), cache().keys()) == ("|1|k", ["k"])


def test_a_path_in_options_leads_to_a_function_of_keys() -> None:
    with using({"KEY_FUNCTION": "django.core.cache.backends.base.default_key_func"}):
        assert cache().make_key("k") == ":1:k"
    with using({"KEY_FUNCTION": "no.such"}), pytest.raises(ImproperlyConfigured, match="KEY_FUNCTION"):
        cache()


def test_their_own_reverse_of_keys_is_ours() -> None:
    with using({}, REVERSE_KEY_FUNCTION="django_redis.util.default_reverse_key"):
        cache().set("k", 1)
        assert "k" in cache().keys()  # noqa: SIM118  a cache is no dict


@pytest.mark.parametrize(
    ("path", "value", "back"),
    [
        (
            "django_valkey.serializers.json.JSONSerializer",
            datetime(2026, 1, 2, tzinfo=UTC),
            "2026-01-02T00:00:00Z",
        ),
        ("django_redis.serializers.msgpack.MSGPackSerializer", (1, 2), [1, 2]),
        ("django_cachex.serializers.pickle.PickleSerializer", {1, 2}, {1, 2}),
    ],
)
def test_what_the_old_serializer_took_is_taken(path: str, value: object, back: object) -> None:
    with using({"SERIALIZER": path}):
        cache().set("k", value)
        assert cache().get("k") == back
        cache().sadd("s", "member")
        assert cache().smembers("s") == {"member"}
        cache().delete_many(["k", "s"])


def test_what_can_not_be_a_function_of_keys_is_a_setting_that_is_wrong() -> None:
    with using({"KEY_FUNCTION": b"keys"}), pytest.raises(ImproperlyConfigured, match="KEY_FUNCTION"):
        cache().get("k")
