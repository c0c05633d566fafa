"""The bytes on the wire, by tables that are written and read.

Fails when a byte of either format changes, so that what is stored today would not be read tomorrow,
or when a reader takes something for a number that the server would not.
"""

from __future__ import annotations

import pickle
import sys
import zlib
from typing import Any

import msgpack
import pytest

from tests.same import same
from tests.unit.codec.samples import Level
from vkcache.core.codec import Codec, FieldId, Native, Stored, codec
from vkcache.core.codec.envelope import parse
from vkcache.errors import InvalidArgument, Undecodable

SECRETS = ("secret",)

NATIVE: list[tuple[Any, bytes]] = [
    (0, b"0"),
    (-5, b"-5"),
    (2**70, b"1180591620717411303424"),
    (10**4300 - 1, b"9" * 4300),
    (-(10**4300) + 1, b"-" + b"9" * 4300),
    ("123", b"\xc1\x00\xa3123"),
    (True, b"\xc1\x00\xc3"),
    (None, b"\xc1\x00\xc0"),
    (1.5, b"\xc1\x00\xcb\x3f\xf8" + bytes(6)),
    (b"1", b"\xc1\x00\xc4\x011"),
    ({"b": [1, {}]}, b"\xc1\x00\x81\xa1b\x92\x01\x80"),
    ("a" * 1500, b"\xc1\x04(\xb5/\xfd`\xdf\x04]\x00\x00 \xda\x05\xdca\x01\x00\xd8\xfd\x80\x08"),
]
BARE: list[tuple[Any, bytes]] = [
    (0, b"0"),
    (-5, b"-5"),
    (10**4300 - 1, b"9" * 4300),
    ("123", pickle.dumps("123", 5)),
    (True, pickle.dumps(True, 5)),
    (1.5, pickle.dumps(1.5, 5)),
    (Level.HIGH, pickle.dumps(Level.HIGH, 5)),
    ((1, "x"), pickle.dumps((1, "x"), 5)),
    ("a" * 1500, zlib.compress(pickle.dumps("a" * 1500, 5))),
]
ROWS = [(codec(), *row) for row in NATIVE] + [(codec(format="bare", compressor="zlib"), *row) for row in BARE]


@pytest.mark.parametrize(("format", "value", "stored"), ROWS, ids=range(len(ROWS)))
def test_a_row_is_written_and_read(format: Codec, value: Any, stored: bytes) -> None:
    if stored[:2] == b"\xc1\x04":  # another zstd may choose other bytes; what is stored stays readable
        assert format.encode(value)[:2] == stored[:2]
    else:
        assert format.encode(value) == stored
    assert same(format.decode(stored), value)


@pytest.mark.parametrize(
    ("value", "number"), [((1, "x"), 0x42), ([1, 2.5], 0x00), (Level.LOW, 0x42), ("\ud800", 0x42)]
)
def test_the_tag_says_serializer_and_signature(value: Any, number: int) -> None:
    stored = codec(secrets=SECRETS).encode(value)
    assert (stored[0], stored[1]) == (0xC1, number)


SERVER_NUMBERS: list[tuple[bytes, Any]] = [
    (b"007", 7),
    (b"-0", 0),
    (b"10.5", 10.5),
    (b"-3.25", -3.25),
    (b"0.1", 0.1),
]


@pytest.mark.parametrize("format", [codec(), codec(format="bare"), codec(signing="all", secrets=SECRETS)])
@pytest.mark.parametrize(("stored", "number"), SERVER_NUMBERS)
def test_numbers_that_the_server_computes_are_read(format: Codec, stored: bytes, number: Any) -> None:
    assert same(format.decode(stored), number)


NO_NUMBERS = [
    b"",
    b" 5",
    b"5 ",
    b"5\n",
    b"\n5",
    b"+5",
    b"--5",
    b"-",
    b"1_0",
    "٣".encode(),
    b"1e5",
    b"1.",
    b".5",
    b"1.5\n",
    b"nan",
    b"inf",
    b"infinity",
    b"0x1",
    b"5\0",
    b"9" * 4301,
    b"-" + b"9" * 4301,
]


@pytest.mark.parametrize("format", [codec(), codec(format="bare"), codec(secrets=SECRETS)])
@pytest.mark.parametrize("stored", NO_NUMBERS, ids=lambda stored: repr(stored)[:12])
def test_other_notations_are_no_numbers(format: Codec, stored: bytes) -> None:
    with pytest.raises(Undecodable):
        format.decode(stored)


@pytest.mark.parametrize("format", [codec(), codec(format="bare")])
@pytest.mark.parametrize("value", [10**4300, -(10**4300), 1 << 1_000_000], ids=["least", "negative", "huge"])
def test_an_int_too_long_is_refused_in_words(format: Codec, value: int) -> None:
    with pytest.raises(InvalidArgument, match="4300 digits"):
        format.encode(value)


def test_the_interpreters_own_limit_is_a_clear_error_too() -> None:
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        with pytest.raises(InvalidArgument, match="digits"):
            codec().encode(10**1000)
        with pytest.raises(Undecodable):
            codec().decode(b"1" * 1000)
    finally:
        sys.set_int_max_str_digits(usual)


def native(**settings: Any) -> Native:
    made = codec(**settings)
    assert isinstance(made, Native)
    return made


FIELDS = ((FieldId.STALE_AT, b"\0" * 8), (200, b""), (FieldId.COST, b"x" * 255))


@pytest.mark.parametrize("value", [5, "x", (1, 2), "a" * 3000], ids=repr)
def test_fields_travel_with_a_value_and_do_not_disturb_a_plain_reader(value: Any) -> None:
    made = native(secrets=SECRETS)
    stored = made.encode_fields(value, FIELDS)
    assert same(made.decode(stored), value)
    assert made.decode_fields(stored) == Stored(value, FIELDS)


def test_a_value_without_fields_has_none() -> None:
    made = native()
    assert made.decode_fields(made.encode("x")) == Stored("x")
    assert made.decode_fields(b"12") == Stored(12)
    with pytest.raises(Undecodable, match=r"'the key': .* unknown format"):
        made.decode_fields(b"?", b"the key")


BROKEN = [
    b"\xc1",
    b"\xc1\x00",
    b"\xc1\x01",
    b"\xc1\x01\x00",
    b"\xc1\x01\x00\x05\x01\xc0",
    b"\xc1\x02\xc0",
    b"\xc1\x02" + b"s" * 15,
    b"\xc1\x01\x00\x01\x01\xc0",
    b"\xc1\x01\x00\x02\x01\x05\xc0",
    b"\xc1\x00\xc0\xc0",
    b"\xc1\x00\xc1",
    b"\xc1\x00\x81\x90\x01",
    b"\xc1\x00\xdd\xff\xff\xff\xff",
    b"\xc1\x00\xdf\xff\xff\xff\xff",
    b"\xc1\x00\xc6\xff\xff\xff\xff",
    b"\xc1\x00\xa1\xff",
    b"\xc1\x00" + b"\x91" * 100_000,
    b"\xc1\x80[",
    b"\xc1\x80" + b"[" * 100_000,
    b"\xc1\x80\xff",
    b"\xc1\x80" + b"9" * 5000,
    b"\xc1\x20\xc0",
    b"\xc1\x3c\xc0",
    b"\xc1\xc0\xc0",
    b"\xc1\x3d\x00\x03\x02\x01z\xc0",
    b"\xc1\xc1\x00\x03\x01\x01\xffz",
    b"\x80",
    b"\x80\x04.",
    b"x\x9c",
    b"\xff" * 40,
    b"{",
    b"null",
]


@pytest.mark.parametrize("stored", BROKEN, ids=lambda stored: repr(stored[:16]))
def test_broken_envelopes_are_undecodable(stored: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        codec(secrets=SECRETS).decode(stored, b"k\xff")
    assert caught.value.key == "k\ufffd"


def test_an_envelope_survives_being_taken_apart() -> None:
    stored = native(secrets=SECRETS).encode_fields((1,), FIELDS)
    assert parse(stored).to_bytes() == stored


@pytest.mark.parametrize("data", [{"x": [1, {"y": None}]}, "ä", [1.5, -3]])
def test_the_body_is_ordinary_msgpack(data: Any) -> None:
    assert msgpack.unpackb(codec().encode(data)[2:]) == data
