"""Bitmaps and HyperLogLogs.

Fails where a bit or a count is not what the documentation says, where a missing key or another kind of
key is answered otherwise, or where a time to live is lost.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.contract.places import Raw
from vkcache.errors import WrongType
from vkcache.shell import Client


def test_bits(cache: Client, raw: Raw) -> None:
    assert cache.setbit("b", 7, 1) == 0
    assert cache.setbit("b", 7, True) == 1
    assert (cache.getbit("b", 7), cache.getbit("b", 0), cache.getbit("b", 2**32 - 1)) == (1, 0, 0)
    assert raw("GET", "app:1:b") == b"\x01"
    assert cache.setbit("b", 16, 1, version=2) == 0
    assert (cache.bitcount("b"), cache.bitcount("b", version=2)) == (1, 1)
    assert cache.get("b", "no value") == "no value"


def test_counting_bits(cache: Client, raw: Raw) -> None:
    raw("SET", "app:1:b", b"\xff\x0f\x01")
    assert cache.bitcount("b") == 13
    assert cache.bitcount("b", 1) == 5
    assert cache.bitcount("b", -2, -2) == 4
    assert cache.bitcount("b", 4, 11, unit="BIT") == 4
    assert cache.bitcount("b", 9, 99) == 0


def test_joining_bitmaps(cache: Client, raw: Raw) -> None:
    raw("SET", "app:1:{b}1", b"\x0f\x01")
    raw("SET", "app:1:{b}2", b"\x3c")
    cache.set("{b}d", "overwritten", 1000)
    wanted = {"AND": b"\x0c\x00", "OR": b"\x3f\x01", "XOR": b"\x33\x01"}
    for operation, result in wanted.items():
        assert cache.bitop(operation, "{b}d", "{b}1", "{b}2") == 2  # type: ignore[arg-type]  # a str, not the literal
        assert raw("GET", "app:1:{b}d") == result
    assert cache.ttl("{b}d") is None
    assert cache.bitop("NOT", "{b}d", "{b}2") == 1
    assert raw("GET", "app:1:{b}d") == b"\xc3"
    assert cache.bitop("OR", "{b}d", "{b}missing") == 0
    assert cache.has_key("{b}d") is False


def test_missing_bitmaps_are_all_zeros(cache: Client) -> None:
    assert (cache.getbit("b", 5), cache.bitcount("b")) == (0, 0)
    assert cache.has_key("b") is False


def test_counting_members(cache: Client) -> None:
    assert cache.pfadd("h", 1, "text", (1, 2), None) is True
    assert cache.pfadd("h", (1, 2)) is False
    assert cache.pfadd("{h}2", {"a": 1, "b": 2}) is True
    assert cache.pfadd("{h}2", {"b": 2, "a": 1}) is False
    assert cache.pfcount("h") == 4
    assert cache.pfcount("missing") == 0
    assert cache.pfadd("h", 1, version=2) is True
    assert cache.pfcount("h", version=2) == 1


def test_joining_counts(cache: Client) -> None:
    cache.pfadd("{h}1", 1, 2)
    cache.pfadd("{h}2", 2, 3)
    assert cache.pfcount("{h}1", "{h}2", "{h}missing") == 3
    assert cache.pfmerge("{h}1", "{h}2", "{h}missing") is True
    assert (cache.pfcount("{h}1"), cache.pfcount("{h}2")) == (3, 2)


def test_many_members_are_counted_to_a_few_in_a_hundred(cache: Client) -> None:
    cache.pfadd("h", *range(3000))
    assert 2850 < cache.pfcount("h") < 3150


def test_the_time_to_live_stays(cache: Client) -> None:
    cache.setbit("b", 1, 1)
    cache.pfadd("{h}", 1)
    cache.pfadd("{h}2", 2)
    cache.expire("b", 1000)
    cache.expire("{h}", 1000)
    cache.setbit("b", 9, 1)
    cache.pfadd("{h}", 3)
    cache.pfmerge("{h}", "{h}2")
    for key in ("b", "{h}"):
        left = cache.ttl(key)
        assert left is not None
        assert 900 < left <= 1000


OF_MEMBERS: list[Callable[[Client, str], object]] = [
    lambda cache, key: cache.pfadd(key, 1),
    lambda cache, key: cache.pfcount(key),
    lambda cache, key: cache.pfmerge("{k}d", key),
]
OF_BITS: list[Callable[[Client, str], object]] = [
    lambda cache, key: cache.setbit(key, 1, 1),
    lambda cache, key: cache.getbit(key, 1),
    lambda cache, key: cache.bitcount(key),
    lambda cache, key: cache.bitop("OR", "{k}d", key),
]


def test_another_kind_of_key(cache: Client) -> None:
    cache.xadd("{k}s", {"a": 1})
    cache.set("{k}v", "text")
    for key in ("{k}s", "{k}v"):
        for call in OF_MEMBERS:
            with pytest.raises(WrongType, match="app:1:"):
                call(cache, key)
    for call in OF_BITS:
        with pytest.raises(WrongType, match="app:1:"):
            call(cache, "{k}s")
