"""Members of lists, sets and hashes: equal values in equal bytes, signed for no key.

Fails when equal members would be stored twice, when a set's member is compressed, or when a member
could pass for the value of a key, or the other way round.
"""

from __future__ import annotations

from datetime import date

import pytest

from vkcache.core.codec import Codec, codec
from vkcache.errors import Undecodable

LONG = "x" * 5000
CODECS = {
    "native": codec(secrets=("s",)),
    "all": codec(secrets=("s",), signing="all"),
    "bare": codec(format="bare", compressor="zlib"),
}


@pytest.fixture(params=CODECS)
def written(request: pytest.FixtureRequest) -> Codec:
    return CODECS[str(request.param)]


@pytest.mark.parametrize(
    "value", [1, -5, 1.5, "a", b"a", None, True, (1, 2), {"b": 1, "a": [2]}, date(2026, 1, 2), LONG]
)
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_member_reads_back_as_itself(
    written: Codec, value: object, ordered: bool, compressed: bool
) -> None:
    stored = written.encode_part(value, ordered=ordered, compressed=compressed)
    read = written.decode_part(stored, b"k")
    assert (read, type(read)) == (value, type(value))


def test_equal_members_are_equal_bytes(written: Codec) -> None:
    assert written.encode_part({"a": 1, "b": 2}, ordered=True) == written.encode_part(
        {"b": 2, "a": 1}, ordered=True
    )
    assert written.encode_part({"a": 1, "b": 2}) != written.encode_part({"b": 2, "a": 1})


def test_only_what_is_not_compared_is_compressed(written: Codec) -> None:
    assert len(written.encode_part(LONG)) < 500 < 5000 < len(written.encode_part(LONG, compressed=False))


def test_an_int_is_a_counter_everywhere(written: Codec) -> None:
    assert written.encode_part(17) == written.encode_ranked(17) == b"17"


def test_a_member_is_no_value_and_a_value_is_no_member_where_values_are_bound() -> None:
    bound = CODECS["all"]
    member, value = bound.encode_part("text"), bound.encode("text", b"k")
    assert (bound.decode_part(member, b"k"), bound.decode(value, b"k")) == ("text", "text")
    with pytest.raises(Undecodable):
        bound.decode(member, b"k")
    with pytest.raises(Undecodable):
        bound.decode_part(value, b"k")


@pytest.mark.parametrize("stored", [b"", b"\xc1", b"\xc1\x40\x80", b"nonsense"])
def test_what_is_no_member_can_not_be_read(stored: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        CODECS["native"].decode_part(stored, b"the key")
    assert caught.value.key == "the key"


def test_a_bare_value_is_the_same_under_another_key() -> None:
    assert CODECS["bare"].rebind(b"x", b"old", b"new") == b"x"
