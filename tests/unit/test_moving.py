"""Rows of CACHES as five other backends document them, and what they mean here; nothing is opened.

Fails where an option of theirs is misread or an error, where what has no meaning is not named with what to
use instead, where a message shows a value, or where one of their packages has to be installed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import valkey

from tests.unit.rows_moving import ROWS
from tests.unit.rows_moving_family import ONE, SEVERAL, Row
from vkcache.core.codec import Native
from vkcache.django import spellings
from vkcache.django.given import Serializing
from vkcache.django.moving import Moved, moved
from vkcache.django.serializers import JSON, MSGPACK
from vkcache.django.unused import UNUSED
from vkcache.errors import Misconfigured
from vkcache.shell.options import Settings, settings


def means(
    location: Any, options: Mapping[str, Any], site: Mapping[str, Any] | None = None, **beside: Any
) -> Moved:
    return moved(location, {"OPTIONS": dict(options), **beside}, (site or {}).get)


def chosen(row: Moved) -> Settings:
    return settings(row.location, row.options)


def seen(made: Settings, name: str) -> Any:
    each = made.nodes or (made,)
    if name == "written_as":
        return [node.written for node in each]
    return [node.db for node in each] if name == "dbs" else getattr(made, name)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_row_means_what_it_meant(row: Row) -> None:
    read = means(row.location, row.options, row.site)
    assert tuple(read.unused) == row.unused or set(read.unused) == set(row.unused)
    made = settings(read.location, read.options)
    written = {"written_as", "written"}
    for name in row.meant.keys() - written:
        assert (name, seen(made, name)) == (name, row.meant[name])
    for name in row.meant.keys() & written:
        told = list(read.written) if name == "written_as" else read.written[0]
        assert told == row.meant[name]
    assert "hunter2" not in read.warning + repr(read)


def test_django_redis_cache_has_two_options_beside_options() -> None:
    read = means("a:1", {"DB": 5, "PASSWORD": "no"}, db="7", password="hunter2")
    assert (chosen(read).db, chosen(read).password) == (7, "hunter2")


def test_their_packages_are_not_needed() -> None:
    for table in (spellings.SERIALIZERS, spellings.COMPRESSORS):
        option = "serializer" if table is spellings.SERIALIZERS else "compressor"
        for path in table:
            read = means(ONE, {option.upper(): path, "secret": "s"})
            assert isinstance(chosen(read).codec(), Native)
    for path in (*spellings.CLIENTS, *spellings.FACTORIES):
        option = "CLIENT_CLASS" if path in spellings.CLIENTS else "CONNECTION_FACTORY"
        assert not means(ONE, {option: path}).unused
    assert not {"django_valkey", "django_redis", "redis_cache", "django_cachex"} & sys.modules.keys()


# The site's own classes -----------------------------------------------------------------------------------


class Plain:
    """A serializer as all know it."""

    def dumps(self, value: object) -> bytes:
        return repr(value).encode()

    def loads(self, body: bytes) -> object:
        return body.decode()


class Told(Plain):
    """One that django-redis makes with the row's options."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options


class Handing(Told):
    """One that hands its keywords on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class Keywords(Plain):
    """One that django-redis-cache makes with keywords of the row's."""

    def __init__(self, indent: int = 0, **kwargs: Any) -> None:
        self.indent, self.more = indent, kwargs


class Serializes:
    """One as django-redis-cache calls it."""

    def serialize(self, value: object) -> bytes:
        return repr(value).encode()

    def deserialize(self, body: bytes) -> object:
        return body.decode()


class OwnPool(valkey.ConnectionPool):
    """A pool of the site's own."""


class RedisPool:
    """A pool over redis-py's."""


RedisPool.__module__ = "redis.connection"
HERE = __name__


# What is unused -------------------------------------------------------------------------------------------


def test_one_warning_names_all_with_what_to_use_instead() -> None:
    read = means(ONE, {"PARSER_CLASS": "hunter2.Parser", "Pickle_Version": 4, "compress_min_length": 10})
    assert read.warning == (
        "CACHES: what has no meaning for this backend is not used. "
        "PARSER_CLASS: leave it out: replies are read by libvalkey, in protocol 2; "
        "Pickle_Version: leave it out: pickles are written in protocol 5, and those of all others are read; "
        "compress_min_length: leave it out: what is larger than 1 KiB is compressed, by the default of each "
        "algorithm"
    )
    assert means(ONE, {"SOCKET_TIMEOUT": 1}).warning == ""


@pytest.mark.parametrize("name", UNUSED)
def test_whatever_is_unused_says_what_to_do_and_breaks_nothing(name: str) -> None:
    read = means(ONE, {name: "hunter2" if name != "replica_read_only" else False})
    assert dict(read.unused) == {name: UNUSED[name]}
    assert chosen(read) == settings(ONE, {})
    assert not means(ONE, {name: None if name != "replica_read_only" else True}).unused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"SOCKET_TIMEOUT": 1, "socket_timeout": 1}, "'socket_timeout' is given twice, in capitals and not"),
        ({"SERIALIZER": "json", "SERIALIZER_CLASS": "json"}, "'serializer' is given twice, under two names"),
        ({"SOCKET_TIMOUT": 1}, "'socket_timout' is not known; did you mean 'socket_timeout'"),
        ({"SERIALIZER": "no.such.hunter"}, "option serializer, 'no.such.hunter': No module named 'no'"),
        ({"SERIALIZER": Plain, "SERIALIZER_CLASS_KWARGS": "hunter2"}, "serializer_class_kwargs, of type str"),
        ({"request_timeout": "hunter2"}, "option request_timeout: give a whole number of milliseconds"),
        ({"CONNECTION_POOL_KWARGS": "hunter2"}, "option pool_kwargs, of type str: give a dict"),
        (
            {"MASTER_CACHE": "c:3", "compat": "django-redis-cache"},
            "option master_cache: give one of the serv",
        ),
    ],
)
def test_what_was_no_setting_there_either_is_an_error(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        chosen(means(SEVERAL, options))
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", [0, "many", -1])
def test_a_page_of_the_whole_site_is_a_number(value: object) -> None:
    with pytest.raises(Misconfigured, match=r"^setting DJANGO_REDIS_SCAN_ITERSIZE, .*: give a whole number"):
        means(ONE, {}, {"DJANGO_REDIS_SCAN_ITERSIZE": value})


# How they are made and called ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Told, Handing])
@pytest.mark.parametrize("as_path", [True, False])
def test_a_serializer_that_takes_the_rows_options_gets_them(
    kind: type[Told], as_path: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, HERE, sys.modules.get(HERE) or sys.modules[kind.__module__])
    options: dict[str, Any] = {"SERIALIZER": f"{HERE}.{kind.__name__}" if as_path else kind, "PICKLE": 1}
    read = means(ONE, {**options, "COMPRESSOR": "zlib"})
    made = read.options["serializer"]
    assert type(made).__name__ == kind.__name__
    assert made.options == {**options, "COMPRESSOR": "zlib"}


def test_a_serializer_gets_the_keywords_that_stand_beside_it() -> None:
    read = means(ONE, {"SERIALIZER_CLASS": Keywords, "SERIALIZER_CLASS_KWARGS": {"indent": 2, "a": 1}})
    made = read.options["serializer"]
    assert (made.indent, made.more, read.unused) == (2, {"a": 1}, {})


def test_one_that_serializes_is_called_by_its_own_names() -> None:
    for given in (Serializes, Serializes()):
        made = means(ONE, {"SERIALIZER_CLASS": given}).options["serializer"]
        assert isinstance(made, Serializing)
        assert (made.dumps(1), made.loads(b"1")) == (b"1", "1")
        assert (made.name.rpartition(".")[2], made.safe) == ("Serializes", False)


def test_other_serializers_stay_as_they_are() -> None:
    for given in (Plain, Plain(), "json", ["json", Plain]):
        assert means(ONE, {"serializer": given}).options["serializer"] == given


def test_a_pool_over_valkeys_is_used_and_one_over_redis_is_not() -> None:
    assert means(ONE, {"CONNECTION_POOL_CLASS": OwnPool}).options["pool_class"] is OwnPool
    read = means(ONE, {"pool_class": RedisPool})
    assert ("pool_class" in read.options, [*read.unused]) == (False, ["pool_class"])
    with pytest.raises(Misconfigured, match=r"option pool_class, 'my.typo'"):
        chosen(means(ONE, {"pool_class": "my.typo"}))


# What their serializers carried ---------------------------------------------------------------------------


def test_json_and_msgpack_carry_what_theirs_did() -> None:
    written = {"when": datetime(2026, 1, 2, tzinfo=UTC), "much": [Decimal("1.5")]}
    read = {"when": "2026-01-02T00:00:00Z", "much": ["1.5"]}
    for one in (JSON, MSGPACK):
        assert one.loads(one.dumps(written)) == read
    assert MSGPACK.loads(MSGPACK.dumps({1: (2, b"3")})) == {1: [2, b"3"]}


@pytest.mark.parametrize("name", ["json.JSONSerializer", "msgpack.MSGPackSerializer"])
def test_what_they_wrote_is_read_whatever_the_serializer_is_later(name: str) -> None:
    there = chosen(means(ONE, {"SERIALIZER": f"django_redis.serializers.{name}"})).codec()
    for value in ({"a": [1, "x" * 2000]}, "x", None, True):
        for serializer in ("auto", "pickle"):
            later = settings(ONE, {"serializer": serializer, "secret": "s"}).codec()
            assert later.decode(there.encode(value)) == value
            assert later.decode_part(there.encode_part(value)) == value
