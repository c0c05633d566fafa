"""Commands on places: GEOADD, GEODIST, GEOPOS, GEOSEARCH (https://valkey.io/commands/#geo).

A geo set is a sorted set whose scores are places; members are removed by `zrem`. Positions are
(longitude, latitude) in degrees, and come back within 0.6 m of what was stored.

What may enter: one function a command of valkey's geo group.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import chain
from typing import Any, Final, Literal, TypeAlias

from vkcache.core.plan import Arg, Command, Reply, Verb
from vkcache.core.replies import number
from vkcache.core.sets import encoded
from vkcache.core.space import MISSING, Space
from vkcache.errors import InvalidArgument

Position: TypeAlias = tuple[float, float]
"""(longitude, latitude) in degrees."""

Found: TypeAlias = tuple[Any, float, Position]
"""(member, its distance from the centre, its position)."""

Unit: TypeAlias = Literal["m", "km", "mi", "ft"]
Sort: TypeAlias = Literal["ASC", "DESC"]

GEOADD = Verb(b"GEOADD", idempotent=True, empty=0)
GEODIST = Verb(b"GEODIST", readonly=True)
GEOPOS = Verb(b"GEOPOS", readonly=True, empty=())
GEOSEARCH = Verb(b"GEOSEARCH", readonly=True, empty=())

_UNITS: Final = ("m", "km", "mi", "ft")
_NORTH: Final = 85.05112878  # the square of the Mercator projection ends there


def geoadd(
    space: Space,
    key: str,
    members: Mapping[Any, Position],
    *,
    nx: bool = False,
    xx: bool = False,
    ch: bool = False,
    version: int | None = None,
) -> Command[int]:
    """How many of *members* are new; with *ch* also those that moved. *nx*: only new ones, *xx*: only known.

    :raises InvalidArgument: no members, a position off the map, or *nx* with *xx*; nothing was sent.
    :raises WrongType: the key holds something else.
    """
    if not members:
        raise InvalidArgument("no members: give geoadd() at least one, as member -> (longitude, latitude)")
    if nx and xx:
        raise InvalidArgument("nx=True (only new ones) contradicts xx=True (only known ones): give one")
    flags = zip((nx, xx, ch), (b"NX", b"XX", b"CH"), strict=True)
    rows: list[tuple[Arg, ...]] = [(*_on_map(*place), space.member(name)) for name, place in members.items()]
    words = (word for flag, word in flags if flag)
    return Command(GEOADD, (space.key(key, version), *words, *chain.from_iterable(rows)), number)


def _on_map(longitude: float, latitude: float) -> tuple[str, str]:
    if not (-180 <= longitude <= 180 and -_NORTH <= latitude <= _NORTH):
        raise InvalidArgument(f"a position is (longitude to +-180, latitude to +-{_NORTH}), in degrees")
    return repr(float(longitude)), repr(float(latitude))


def geodist(
    space: Space, key: str, a: Any, b: Any, unit: Unit = "m", version: int | None = None
) -> Command[float | None]:
    """How far *a* is from *b*, in *unit*; None where *key* or one of them is missing.

    :raises InvalidArgument: an unknown *unit*; nothing was sent.
    """
    args = (space.key(key, version), space.member(a), space.member(b), _known(unit))
    return Command(GEODIST, args, _distance)


def _known(unit: Unit) -> str:
    if unit not in _UNITS:
        raise InvalidArgument(f"unit={unit!r}: give one of {', '.join(_UNITS)}")
    return unit


def _distance(reply: Reply) -> float | None:
    return None if reply is None else float(reply)


def geopos(
    space: Space, key: str, *members: Any, version: int | None = None
) -> Command[list[Position | None]]:
    """The position of each of *members*, in their order; None for those that are missing.

    :raises InvalidArgument: no members; nothing was sent.
    """
    args = (space.key(key, version), *encoded(space.member, members))
    return Command(GEOPOS, args, partial(_positions, len(members)))


def _positions(count: int, replies: Reply) -> list[Position | None]:
    # An empty answer stands for a server that could not be asked: nothing was found.
    return [None if reply is None else _position(reply) for reply in replies or [None] * count]


def _position(reply: Reply) -> Position:
    longitude, latitude = reply
    return float(longitude), float(latitude)


def geosearch(
    space: Space,
    key: str,
    *,
    member: Any = None,
    longitude: float | None = None,
    latitude: float | None = None,
    radius: float | None = None,
    width: float | None = None,
    height: float | None = None,
    unit: Unit = "m",
    sort: Sort | None = None,
    count: int | None = None,
    any: bool = False,
    version: int | None = None,
) -> Command[list[Any]]:
    """The members around a *member* or a position, within a *radius* or a box; [] where *key* is missing.

    *sort*: "ASC" is the nearest first. *count*: the nearest so many; with *any* the first that are found.

    :raises InvalidArgument: not one centre, not one area, or no *unit*, *sort* or *count*; nothing was sent.
    :raises KeyNotFound: there is no such *member*.
    """
    wire = space.key(key, version)
    centre = _centre(space, member, longitude, latitude)
    args = (wire, *centre, *_area(radius, width, height, unit), *_order(sort, count, any))
    return Command(GEOSEARCH, args, space.parts(wire))


def geosearch_with(
    space: Space,
    key: str,
    *,
    member: Any = None,
    longitude: float | None = None,
    latitude: float | None = None,
    radius: float | None = None,
    width: float | None = None,
    height: float | None = None,
    unit: Unit = "m",
    sort: Sort | None = None,
    count: int | None = None,
    any: bool = False,
    version: int | None = None,
) -> Command[list[Found]]:
    """`geosearch`, where each member comes with its distance from the centre, in *unit*, and its position."""
    plain = geosearch(
        space,
        key,
        member=member,
        longitude=longitude,
        latitude=latitude,
        radius=radius,
        width=width,
        height=height,
        unit=unit,
        sort=sort,
        count=count,
        any=any,
        version=version,
    )
    wire = space.key(key, version)
    return Command(GEOSEARCH, (*plain.args, b"WITHDIST", b"WITHCOORD"), partial(_found, space, wire))


def _centre(space: Space, member: Any, longitude: float | None, latitude: float | None) -> tuple[Arg, ...]:
    if longitude is not None and latitude is not None and member is None:
        return (b"FROMLONLAT", *_on_map(longitude, latitude))
    if member is None or longitude is not None or latitude is not None:
        raise InvalidArgument("around what: give member=, or longitude= and latitude=")
    return b"FROMMEMBER", space.member(member)


def _area(radius: float | None, width: float | None, height: float | None, unit: Unit) -> tuple[Arg, ...]:
    if width is not None and height is not None and radius is None:
        return b"BYBOX", repr(float(width)), repr(float(height)), _known(unit)
    if radius is None or width is not None or height is not None:
        raise InvalidArgument("how far: give radius=, or width= and height=")
    return b"BYRADIUS", repr(float(radius)), _known(unit)


def _order(sort: Sort | None, count: int | None, any: bool) -> tuple[Arg, ...]:
    if sort not in (None, "ASC", "DESC"):
        raise InvalidArgument(f"sort={sort!r}: give 'ASC', 'DESC' or None")
    if any and count is None:
        raise InvalidArgument("any=True takes the first that are found: give count= with it")
    if count is not None and count < 1:
        raise InvalidArgument(f"count={count}: ask for 1 member or more, or leave it out")
    limit = () if count is None else (b"COUNT", count, *((b"ANY",) if any else ()))
    return (*(() if sort is None else (sort,)), *limit)


def _found(space: Space, wire: bytes, replies: Reply) -> list[Found]:
    rows = [(space.read_part(wire, MISSING, member), *rest) for member, *rest in replies]
    return [(member, float(far), _position(where)) for member, far, where in rows if member is not MISSING]
