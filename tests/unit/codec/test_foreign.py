"""Values without our envelope, read and written: what tells them apart, and what refuses to be mixed.

Fails when a value of another backend is taken for another format, when a number is read less strictly than
it is written, when a stale tuple loses its time, or when what is written is not what that backend writes.
"""

from __future__ import annotations

import gzip
import json
import lzma
import pickle
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

import brotli
import msgpack
import pytest
from attrs import evolve

from vkcache.core.codec import Codec, FieldId, Guest, codec, foreign
from vkcache.core.codec.dialects import DIALECTS
from vkcache.errors import InvalidArgument, Misconfigured, Undecodable

READER = codec(reads=tuple(DIALECTS), secrets=("s",))
OF_VALKEY = codec(reads=("django-valkey",))
OF_REDIS = codec(reads=("django-redis",))
WORDS = ["word"] * 20
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Colour(IntEnum):
    RED = 3


FLOATS = {
    b"1.5": 1.5,
    b"-2.5": -2.5,
    b"inf": float("inf"),
    b"-inf": -float("inf"),
    b"1e+16": 1e16,
    b"1e-05": 1e-5,
}


@pytest.mark.parametrize("stored", FLOATS)
def test_a_float_is_text_where_django_valkey_wrote_it(stored: bytes) -> None:
    assert OF_VALKEY.decode(stored) == FLOATS[stored]
    assert type(OF_VALKEY.decode(stored)) is float


def test_nan_is_a_float_too() -> None:
    assert repr(OF_VALKEY.decode(b"nan")) == "nan"


@pytest.mark.parametrize(
    "stored", [b" 5 ", b"1_0", b"infinity", b"+5", b"Inf", b"1e5 ", b"", b"0x10", b"5\n"]
)
def test_what_python_alone_takes_for_a_number_is_none(stored: bytes) -> None:
    with pytest.raises(Undecodable):
        OF_VALKEY.decode(stored)


@pytest.mark.parametrize("stored", [b"inf", b"nan"])
def test_a_float_s_text_is_none_where_no_backend_writes_it(stored: bytes) -> None:
    with pytest.raises(Undecodable):
        OF_REDIS.decode(stored)


BODIES: list[tuple[bytes, object]] = [
    (json.dumps({"a": [1, None]}).encode(), {"a": [1, None]}),
    (b'"123"', "123"),
    (b"true", True),
    (msgpack.packb({"a": 1}), {"a": 1}),
    (msgpack.packb({1: 2}), {1: 2}),
    (msgpack.packb(MOMENT, datetime=True), MOMENT),
    (b"\x05", 5),
    (b"\x80", {}),
    (pickle.dumps({1, 2}, 2), {1, 2}),
    (brotli.compress(json.dumps(WORDS).encode()), WORDS),
    (lzma.compress(json.dumps(WORDS).encode(), format=lzma.FORMAT_ALONE), WORDS),
    (gzip.compress(pickle.dumps(WORDS, 4), mtime=0), WORDS),
]


@pytest.mark.parametrize(("stored", "value"), BODIES)
@pytest.mark.parametrize("reader", [READER, codec(reads=("django",), compressor=["zstd", "brotli"])])
def test_the_first_bytes_tell_the_format(reader: Codec, stored: bytes, value: object) -> None:
    assert reader.decode(stored) == reader.decode_part(stored) == value
    assert reader.decode_fields(stored).value == value


@pytest.mark.parametrize("stored", [b"{]", b"\xff\xfe", b"\x1f\x8bno gzip", b"\x80\x04no pickle", b"x\x9c"])
def test_what_nothing_reads_is_unreadable(stored: bytes) -> None:
    for reader in (READER, codec(reads=("django",), compressor="brotli")):
        with pytest.raises(Undecodable):
            reader.decode(stored)


def test_a_bomb_is_too_large() -> None:
    reader = codec(reads=("django",), max_value_size=1000)
    with pytest.raises(Undecodable, match="larger than max_value_size"):
        reader.decode(gzip.compress(b"0" * 10_000))
    with pytest.raises(Undecodable):
        reader.decode(brotli.compress(b'"' + b"0" * 10_000 + b'"'))


class Reversed:
    """A serializer and compressor of a user's own, which leave no mark."""

    safe = True

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()[::-1]

    def loads(self, body: bytes) -> Any:
        return json.loads(body[::-1])

    def compress(self, body: bytes) -> bytes:
        return body[::-1]

    def decompress(self, body: bytes) -> bytes:
        return body[::-1]


def test_the_user_s_own_are_asked_first() -> None:
    reader = codec(reads=("django",), serializer=["auto", Reversed()])
    assert reader.decode(b'}1 :"a"{') == {"a": 1}
    assert reader.decode(pickle.dumps((1,), 4)) == (1,)
    inflating = codec(reads=("django",), compressor=["zstd", Reversed()])
    assert inflating.decode(b'}1 :"a"{') == {"a": 1}


def marked(module: str, value: object, expiry: object) -> bytes:
    """The tuple of a backend's herd client: a marker, the value, until when it is fresh."""
    head = b"\x80\x04\x8c" + bytes([len(module)]) + module.encode() + b"\x8c\x06Marker\x93)\x81"
    body = pickle.dumps(value, 4)[2:-1] if not isinstance(value, list) else b"]"
    return head + body + pickle.dumps(expiry, 4)[2:-1] + b"\x87."


@pytest.mark.parametrize("module", ["django_valkey.base_client", "django_redis.client.herd"])
def test_a_stale_tuple_is_its_value_and_its_time(module: str) -> None:
    stored = marked(module, [], 1_700_000_000)
    assert READER.decode(stored) == []
    assert READER.aged(stored)
    assert READER.decode_fields(stored).fields == (
        (FieldId.STALE_AT, (1_700_000_000_000).to_bytes(8, "big")),
    )


@pytest.mark.parametrize("expiry", [None, -1, 2**60, "soon"])
def test_a_time_that_is_none_is_no_time(expiry: object) -> None:
    stored = marked("django_redis.client.herd", [], expiry)
    assert (READER.decode(stored), READER.decode_fields(stored).fields) == ([], ())


@pytest.mark.parametrize("stored", [b"5", pickle.dumps([1], 4), b""])
def test_what_bears_no_marker_has_no_age(stored: bytes) -> None:
    assert not READER.aged(stored)
    assert not codec().aged(stored)


def test_without_the_option_nothing_foreign_is_read() -> None:
    for stored in (pickle.dumps([1], 4), b"[1]", b"\x91\x01", b"inf"):
        with pytest.raises(Undecodable):
            codec(secrets=("s",)).decode(stored)


WRITTEN: list[tuple[str, object, bytes]] = [
    ("django-valkey", 5, b"5"),
    ("django-valkey", 1.5, b"1.5"),
    ("django-valkey", -float("inf"), b"-inf"),
    ("django-valkey", True, pickle.dumps(True)),
    ("django-valkey", Colour.RED, pickle.dumps(Colour.RED)),
    ("django-redis", 1.5, pickle.dumps(1.5)),
    ("django-cachex", (1, "a"), pickle.dumps((1, "a"))),
    ("django-redis-cache", Colour.RED, b"3"),
    ("django-redis-cache", True, pickle.dumps(True, 5)),
    ("django", [1], pickle.dumps([1], 5)),
]


@pytest.mark.parametrize(("writes", "value", "stored"), WRITTEN)
def test_it_is_written_as_that_backend_writes_it(writes: str, value: object, stored: bytes) -> None:
    guest = codec(writes=writes, secrets=("s",), reads_allow=("builtins", "tests.unit.codec.test_foreign"))
    assert guest.encode(value, b"k") == guest.encode_part(value, ordered=True, compressed=False) == stored
    assert guest.encode_fields(value, ((3, b"x" * 8),), b"k") == stored
    assert guest.decode(stored) == guest.decode_part(stored) == guest.decode_fields(stored).value == value


@pytest.mark.parametrize("value", [5, -(2**70), 1.5, (1, "a")], ids=repr)
@pytest.mark.parametrize("writes", DIALECTS)
def test_a_number_in_a_sorted_set_is_written_as_that_backend_looks_for_it(writes: str, value: object) -> None:
    guest = codec(writes=writes, secrets=("s",))
    dumped = writes == "django-redis" and isinstance(value, int)
    assert guest.encode_ranked(value) == (pickle.dumps(value, 4) if dumped else guest.encode(value))
    assert guest.decode_part(guest.encode_ranked(value)) == value


@pytest.mark.parametrize(
    ("writes", "least"), [("django-valkey", 15), ("django-cachex", 256), ("django-redis-cache", -1)]
)
def test_it_is_compressed_from_that_backend_s_length_on(writes: str, least: int) -> None:
    guest = codec(writes=writes, serializer="json", compressor="zlib")
    for size in (least, least + 1):
        text = "a" * max(0, size - 2)
        assert (guest.encode(text)[:1] == b"x") is (len(json.dumps(text)) > least)


def test_a_guest_reads_our_own_values_and_is_bound_to_none() -> None:
    guest = codec(writes="django", secrets=("s",))
    native = codec(secrets=("s",)).encode_fields((1, 2), ((3, b"x" * 8),))
    assert isinstance(guest, Guest)
    assert (guest.bound, guest.dated, guest.runs_unsigned) == (False, False, False)
    assert [one.passing for one in (guest, codec(), codec(format="bare"))] == [True, False, False]
    assert guest.decode(native) == (1, 2)
    assert guest.aged(native)
    assert guest.rebind(native, b"a", b"b") == native


class Missing:
    """A compressor whose package is not there."""

    def __call__(self, *_: object) -> bytes:
        raise Misconfigured("compressor: package 'lz4' is missing: pip install vkcache[lz4]")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = [evolve(one, inflate=Missing()) for one in foreign._MARKED]
    monkeypatch.setattr(foreign, "_MARKED", tuple(absent))
    monkeypatch.setattr(foreign, "_BROTLI", evolve(foreign._BROTLI, inflate=Missing()))
    with pytest.raises(Undecodable, match="pip install"):
        READER.decode(gzip.compress(b"[1]"))
    assert READER.decode(b"[1]") == [1]
    with pytest.raises(Undecodable, match=r"JSONDecodeError|unknown format"):
        READER.decode(b"nothing")


def test_the_bare_format_reads_others_too_where_it_is_asked_to() -> None:
    both = codec(format="bare", serializer="json", reads=("django",))
    assert both.encode([1]) == b"[1]"
    assert both.decode(pickle.dumps({1}, 4)) == {1}
    with pytest.raises(Undecodable):
        codec(format="bare", serializer="json").decode(pickle.dumps({1}, 4))


def test_an_int_of_too_many_digits_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="4300 digits"):
        codec(writes="django-redis-cache").encode(10**4301)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reads": ("django-valky",)}, "did you mean 'django-valkey'"),
        ({"writes": "jango"}, "did you mean 'django'"),
        ({"writes": "django", "format": "bare"}, "leave out format"),
        ({"writes": "django", "signing": "all"}, "leave one out"),
        ({"reads": ("django",), "signing": "all"}, "leave one out"),
    ],
)
def test_what_contradicts_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        codec(secrets=("s",), **options)
