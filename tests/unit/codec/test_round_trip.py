"""Whatever goes in comes out, of the very same type, through every configuration.

Fails when a serializer is trusted with a value that it brings back as another type, or when equal
plain members would be different bytes.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.same import same
from tests.unit.codec.samples import PLAIN, RICH, deep, untimed, values
from tests.unit.shown import briefly
from vkcache.core.codec import Codec, canonical, codec
from vkcache.errors import Unencodable

KEY = b"prefix:1:key"


class Unpicklable:
    def __reduce__(self) -> str:
        raise OSError("no")


EXACT: list[Codec] = [
    codec(secrets=("s",)),
    codec(secrets=("s",), signing="all"),
    codec(signing="off"),
    codec(secrets=("s",), serializer="pickle", compressor="lzma", compress_min=0),
    codec(format="bare"),
    codec(format="bare", compressor=["lz4", "zlib"], compress_min=0),
]


@pytest.mark.parametrize("made", EXACT, ids=range(len(EXACT)))
@pytest.mark.parametrize("value", [*PLAIN, *RICH], ids=briefly)
def test_exact_types_come_back(made: Codec, value: Any) -> None:
    assert same(made.decode(made.encode(value, KEY), KEY), value)


@pytest.mark.parametrize("made", EXACT, ids=range(len(EXACT)))
@untimed
@given(value=values)
def test_nested_values_come_back(made: Codec, value: Any) -> None:
    assert same(made.decode(made.encode(value, KEY), KEY), value)


@pytest.mark.parametrize("value", PLAIN, ids=briefly)
def test_plain_values_need_no_secret(value: Any) -> None:
    for made in (codec(), codec(serializer="msgpack", compressor="none")):
        assert same(made.decode(made.encode(value)), value)


@pytest.mark.parametrize("value", [*RICH, memoryview(b"x"), lambda: None], ids=briefly)
def test_msgpack_alone_refuses_what_it_would_change(value: Any) -> None:
    with pytest.raises(Unencodable, match="msgpack can not carry"):
        codec(serializer="msgpack").encode(value)


@pytest.mark.parametrize("value", [lambda: None, memoryview(b"x"), Unpicklable()], ids=range(3))
def test_what_nothing_carries_is_unencodable(value: Any) -> None:
    with pytest.raises(Unencodable, match="pickle can not carry"):
        codec(secrets=("s",)).encode([value])


def test_cycles_travel_as_pickles() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    made = codec(secrets=("s",))
    back = made.decode(made.encode(cycle))
    assert back[0] == 1
    assert back[1] is back


def test_deep_values_come_back() -> None:
    made = codec(secrets=("s",))
    stored = made.encode(deep(600))
    assert made.encode(made.decode(stored)) == stored


def test_a_value_too_deep_for_everyone_is_unencodable() -> None:
    with pytest.raises(Unencodable, match="RecursionError"):
        codec(secrets=("s",)).encode(deep(1_000_000))


@untimed
@given(
    st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), st.lists, max_leaves=8)
)
def test_json_carries_what_json_knows(value: Any) -> None:
    for made in (codec(serializer="json"), codec(format="bare", serializer="json")):
        assert same(made.decode(made.encode(value)), value)


@pytest.mark.parametrize(
    ("value", "back"), [((1, 2), [1, 2]), ({1: 2}, {"1": 2}), ("\ud800", "\ud800"), ("ß", "ß")]
)
def test_json_is_as_lossy_as_json(value: Any, back: Any) -> None:
    made = codec(serializer="json", compressor="none")
    stored = made.encode(value)
    assert stored[:2] == b"\xc1\x80"
    assert json.loads(stored[2:]) == back == made.decode(stored)


@pytest.mark.parametrize("value", [{1, 2}, b"x", {(1,): 2}, object()], ids=briefly)
def test_json_refuses_the_rest(value: Any) -> None:
    with pytest.raises(Unencodable, match="json can not carry"):
        codec(serializer="json").encode(value)


def equal_twins() -> list[tuple[Any, Any]]:
    one, two = "".join(["a", "b"]), "".join(["a", "b"])
    ones, twos = bytes([1, 2]), bytes([1, 2])
    return [
        ({"b": 1, "a": {"d": 1, "c": 2}}, {"a": {"c": 2, "d": 1}, "b": 1}),
        ((one, one), (one, two)),
        ((ones, [ones]), (ones, [twos])),
        (({"x": one}, (one,)), ({"x": one}, (two,))),
    ]


@pytest.mark.parametrize(("one", "other"), equal_twins())
def test_equal_members_are_equal_bytes(one: Any, other: Any) -> None:
    made = codec(secrets=("s",))
    assert made.encode(canonical(one)) == made.encode(canonical(other))


@untimed
@given(values)
def test_the_canonical_form_is_an_equal_value(value: Any) -> None:
    assert canonical(value) == value or value != value or "nan" in repr(value).lower()
    assert type(canonical(value)) is type(value)


def test_what_has_no_canonical_form_stays_itself() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    ordered = OrderedDict(b=1, a=2)
    assert canonical(cycle) is cycle
    assert canonical(ordered) is ordered
    assert canonical(7) == 7
    assert list(canonical({2: "x", "a": "y"})) == [2, "a"]  # type: ignore[call-overload]  # it is a dict


def test_threads_share_a_codec() -> None:
    made = codec(secrets=("s",))
    rows: list[Any] = [[f"{i}" * 50, (i, bytearray(b"x"))] for i in range(200)] + [
        ["y" * 5000 * i] for i in range(9)
    ]

    def check(value: Any) -> bool:
        return all(same(made.decode(made.encode(value)), value) for _ in range(10))

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(check, rows))


def test_large_values_do_not_stay_in_spare_packers() -> None:
    made = codec(compressor="none")
    for value in ("x" * 2**19, "y"):
        assert made.decode(made.encode(value)) == value
