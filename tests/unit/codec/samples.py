"""Values of many types.

What may enter: a value that some cache could bring back as another type, or a strategy of such.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st

untimed = settings(deadline=None)
"""Whether a test passes does not depend on how busy the machine is."""


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Colour(Enum):
    RED = "red"


class SafeText(str):
    """A str subclass, as Django's SafeString is."""

    __slots__ = ()


class Number(int):
    """An int subclass."""


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def __eq__(self, other: object) -> bool:
        return type(other) is Point and (self.x, self.y) == (other.x, other.y)

    def __hash__(self) -> int:
        return hash((self.x, self.y))


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


PLAIN: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    -5,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
    1.5,
    -0.0,
    0.1,
    math.inf,
    -math.inf,
    math.nan,
    "",
    "123",
    "-5",
    "1.5",
    "Grüße ✓",
    "\0",
    b"",
    b"\xc1\x00",
    b"12",
    b"\xff" * 300,
    [],
    {},
    [[]],
    [None, [True, {}]],
    {"a": 1},
    {1: "int", None: "none", False: [], b"b": b"x", "s": {}},
    {-1: {2: {3: 4.5}}},
    "é" * 2000,
    list(range(190, 200)),
)
"""What msgpack carries exactly."""

RICH: tuple[Any, ...] = (
    (),
    (1, 2),
    [(1,)],
    {1, 2},
    frozenset({"a"}),
    bytearray(b"x"),
    [{"deep": [bytearray(b"y")]}],
    1j,
    2.5 + 0j,
    {(1, 2): "tuple key"},
    Level.HIGH,
    [Level.LOW],
    Colour.RED,
    SafeText("<b>"),
    {"k": SafeText("v")},
    Number(7),
    OrderedDict([("b", 1), ("a", 2)]),
    Decimal("1.50"),
    UUID(int=5),
    date(2024, 2, 29),
    timedelta(days=1),
    datetime(2024, 1, 2, 3, 4, 5, 678, UTC),
    datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(2024, 1, 2),
    Point(1, 2),
    range(3),
    [2**64],
    {"n": -(2**70)},
    "\ud800",
    {2**80: 1},
    Ellipsis,
)
"""What only a pickle carries exactly."""

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
)
_hashable = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5)
_leaves = (
    _scalars
    | st.binary().map(bytearray)
    | st.sampled_from([*Level, *Colour])
    | st.text().map(SafeText)
    | st.sets(_hashable)
    | st.frozensets(_hashable)
    | st.datetimes(timezones=st.just(UTC) | st.none())
    | st.uuids()
)
values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(_hashable, inner),
    max_leaves=12,
)
