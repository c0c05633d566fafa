"""What may be configured, what custom serializers mean, and what bare values are read as.

Fails when a wrong setting is accepted or refused without its remedy, when a change of settings makes
stored values unreadable, or when a bare value is taken for what it is not.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle
import zlib
from typing import Any

import msgpack
import pytest

from tests.same import same
from tests.unit.shown import briefly
from vkcache.core.codec import Bare, Codec, Native, codec
from vkcache.core.codec.compressors import COMPRESSORS
from vkcache.errors import Misconfigured, Undecodable, Unencodable

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"format": "nativ"}, "format: 'nativ' is unknown; did you mean 'native'"),
    ({"signing": "pickle"}, "signing: 'pickle' is unknown; did you mean 'pickles'"),
    ({"serializer": "msgpac"}, "serializer: 'msgpac' is unknown; did you mean 'msgpack'"),
    ({"serializer": "atuo"}, "did you mean 'auto'"),
    ({"serializer": ["json", "xml!"]}, "known are auto, json, msgpack, pickle"),
    ({"compressor": "ztsd"}, "compressor: 'ztsd' is unknown; did you mean 'zstd'"),
    ({"compressor": ["zstd", "qqq"]}, "known are brotli"),
    ({"serializer": object()}, "serializer: object object has no dumps"),
    ({"serializer": 5}, "serializer: int object has no dumps"),
    ({"compressor": object}, "compressor: object object has no compress"),
    ({"max_value_size": 0}, "max_value_size: 0 is no number of bytes"),
    ({"max_value_size": True}, "max_value_size: True"),
    ({"compress_min": -1}, "compress_min: -1"),
    ({"compress_min": "1"}, "compress_min: '1'"),
]


@pytest.mark.parametrize(("settings", "words"), WRONG, ids=briefly)
def test_a_wrong_setting_is_named_with_its_remedy(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        codec(**settings)
    assert words in str(caught.value)


@pytest.mark.parametrize("empty", [None, (), []])
def test_nothing_given_is_the_default(empty: Any) -> None:
    assert codec(serializer=empty, compressor=empty) == codec(serializer="auto", compressor="zstd")
    bare = codec(format="bare", serializer=empty, compressor=empty)
    assert bare == codec(format="bare", serializer="auto", compressor="none")
    assert isinstance(bare, Bare)
    assert isinstance(codec(), Native)


class Upper:
    """Text only; can run code, for all that is known."""

    def dumps(self, value: Any) -> bytes:
        if not isinstance(value, str):
            raise TypeError(value)
        return value.upper().encode()

    def loads(self, body: bytes) -> str:
        return body.decode().lower()


class SafeUpper(Upper):
    name = "upper"
    safe = True


def named(name: Any) -> SafeUpper:
    made = SafeUpper()
    made.name = name
    return made


def test_a_serializer_of_ones_own_is_signed_unless_it_is_safe() -> None:
    with pytest.raises(Unencodable, match="secret="):
        codec(serializer=Upper()).encode("x")
    signed = codec(serializer=Upper(), secrets=("s",)).encode("x")
    assert signed[1] == 0b11_0000_11
    assert f"{__name__}.Upper".encode() in signed
    assert codec(serializer=["auto", Upper], secrets=("s",)).decode(signed) == "x"
    safe = codec(serializer=SafeUpper)
    assert safe.encode("x") == b"\xc1\xc1\x00\x07\x01\x05upperX"
    assert safe.decode(safe.encode("x")) == "x"


def test_a_serializer_that_is_not_configured_is_a_miss() -> None:
    stored = codec(serializer=SafeUpper).encode("x")
    for made in (codec(), codec(serializer=["json", named("lower")])):
        with pytest.raises(Undecodable, match="'upper' is not configured"):
            made.decode(stored)
    with pytest.raises(Undecodable, match="'' is not configured"):
        codec(serializer=SafeUpper).decode(b"\xc1\xc0X")


@pytest.mark.parametrize("name", [None, "", 5])
def test_a_name_that_is_none_is_the_dotted_path(name: Any) -> None:
    assert f"{__name__}.SafeUpper".encode() in codec(serializer=named(name)).encode("x")


def test_names_fit_into_an_envelope_and_differ() -> None:
    with pytest.raises(Misconfigured, match="255 bytes"):
        codec(serializer=named("é" * 128))
    assert codec(serializer=named("é" * 127)).encode("x")
    with pytest.raises(Misconfigured, match="two are named 'upper'"):
        codec(serializer=[named("upper"), named("upper")])
    one = named("upper")
    assert codec(serializer=[one, one, "json", "json"]).decode(b"\xc1\x801") == 1
    assert codec(serializer=one) == codec(serializer=one)


def test_a_serializer_that_answers_text_is_a_clear_error() -> None:
    with pytest.raises(Unencodable, match=r"json: dumps\(\) answers str, not bytes"):
        codec(serializer=json, signing="off").encode("x")  # type: ignore[arg-type]  # the mistake itself
    with pytest.raises(Unencodable, match=r"Upper can not carry this list \(TypeError\)"):
        codec(serializer=Upper, signing="off").encode([])


def test_stored_values_outlive_a_change_of_settings() -> None:
    value = {"text": "x" * 2000}
    old = [
        codec(serializer=serializer, compressor=compressor, secrets=("s",), compress_min=0)
        for serializer in ("auto", "msgpack", "pickle", "json")
        for compressor in COMPRESSORS
    ]
    for made in old:
        assert codec(secrets=("s",)).decode(made.encode(value)) == value


BODY = pickle.dumps("x" * 500, 4)
COMPRESSED = [
    ("zlib", zlib.compress(BODY)),
    ("zlib", zlib.compress(BODY, 1)),
    ("zlib", zlib.compress(BODY, 9)),
    ("gzip", gzip.compress(BODY, mtime=0)),
    ("bz2", bz2.compress(BODY)),
    ("lzma", lzma.compress(BODY)),
    ("lzma", lzma.compress(BODY, lzma.FORMAT_ALONE)),
    ("lz4", COMPRESSORS["lz4"].deflate(BODY)),
    ("zstd", COMPRESSORS["zstd"].deflate(BODY)),
    ("brotli", COMPRESSORS["brotli"].deflate(BODY)),
]


@pytest.mark.parametrize(("name", "stored"), [*COMPRESSED, ("none", BODY)])
def test_bare_values_of_every_compressor_are_told_apart(name: str, stored: bytes) -> None:
    names = ["zlib", "bz2", "lzma", "gzip", "lz4", "zstd", "brotli"]
    for order in (names, ["none", *names], ["zlib", "none", *names[1:]]):
        ordered: Codec = codec(format="bare", compressor=order)
        assert ordered.decode(stored) == "x" * 500
    assert codec(format="bare", compressor=name).decode(stored) == "x" * 500


@pytest.mark.parametrize("name", sorted(set(COMPRESSORS) - {"none", "brotli"}))
def test_a_bare_bomb_is_undecodable(name: str) -> None:
    made = codec(format="bare", compressor=name, max_value_size=1000)
    with pytest.raises(Undecodable, match="max_value_size"):
        made.decode(COMPRESSORS[name].deflate(pickle.dumps("x" * 5000)))


def test_what_only_might_be_compressed_is_taken_as_it_is() -> None:
    made = codec(format="bare", compressor="brotli", max_value_size=1000)
    assert made.decode(BODY) == "x" * 500
    with pytest.raises(Undecodable):
        made.decode(COMPRESSORS["brotli"].deflate(pickle.dumps("x" * 5000)))
    assert codec(format="bare", serializer="json", compressor="gzip").decode(b'"a"') == "a"


class ReadsAll:
    """A serializer that reads whatever there is."""

    safe = True

    def dumps(self, value: Any) -> bytes:
        return bytes(value)

    def loads(self, body: bytes) -> bytes:
        return body


def test_a_value_with_a_mark_that_does_not_inflate_is_taken_as_it_is() -> None:
    made = codec(format="bare", serializer=ReadsAll, compressor=["gzip", "zlib"])
    assert made.decode(b"\x1f\x8b not gzip") == b"\x1f\x8b not gzip"


FIRST = [
    ("json", "msgpack", "pickle"),
    ("pickle", "json", "msgpack"),
]


@pytest.mark.parametrize("order", FIRST)
@pytest.mark.parametrize(
    "stored", [json.dumps({"a": [1]}).encode(), msgpack.packb({"a": [1]}), pickle.dumps({"a": [1]}, 4)]
)
def test_bare_values_are_read_by_the_serializer_that_can(order: tuple[str, ...], stored: bytes) -> None:
    assert codec(format="bare", serializer=order).decode(stored) == {"a": [1]}


@pytest.mark.parametrize("serializer", ["json", "msgpack", "pickle"])
@pytest.mark.parametrize("value", ["5", True, None, [1], {"a": 1.5}, -0.5, 48, -5], ids=repr)
def test_bare_values_are_what_the_serializer_wrote(serializer: str, value: Any) -> None:
    made = codec(format="bare", serializer=serializer, compress_min=0)
    assert same(made.decode(made.encode(value)), value)
    assert made.encode(value)[:1] != b"\xc1"


def test_bare_values_that_nobody_reads_are_undecodable() -> None:
    for stored in (b"", b"?", b"\xc1\x00\xc0", b"\x80\x04", b"\x80\x04cnowhere\nNothing\n."):
        with pytest.raises(Undecodable) as caught:
            codec(format="bare", serializer=["pickle", "json"]).decode(stored, b"the key")
        assert caught.value.key == "the key"


def test_an_error_does_not_repeat_the_value() -> None:
    for stored in (b"\xc1\x80hunter2", b"\xc1\x00hunter2", b"hunter2"):
        with pytest.raises(Undecodable) as caught:
            codec().decode(stored, b"key")
        assert "hunter2" not in str(caught.value)
