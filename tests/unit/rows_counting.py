"""The commands on bitmaps, HyperLogLogs and places: rows as in `tests.unit.rows`.

What may enter: a row of `core.bitmaps`, `core.hyperloglog` or `core.geo`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from tests.unit.feeding import SPACE
from tests.unit.rows import GONE, LONE, Engine, Refusal, Row, call
from vkcache.core import bitmaps, geo, hyperloglog
from vkcache.errors import InvalidArgument, InvalidKey, Unencodable

TEXT = SPACE.member("text")
PAIR = SPACE.member((1, 2))
WRONG = cast(Any, "of")


def rows() -> Iterator[Row]:
    yield from of_bits()
    yield from of_members()
    yield from of_places()
    yield from of_searches()


def of_bits() -> Iterator[Row]:
    setbit, bitcount, bitop = bitmaps.setbit, bitmaps.bitcount, bitmaps.bitop
    yield Row(call(setbit, "k", 7, 1), b"SETBIT p:1:k 7 1", 0, 0)
    yield Row(call(setbit, "k", 2**32 - 1, False, 2), b"SETBIT p:2:k 4294967295 0", 1, 1)
    yield Row(call(bitmaps.getbit, "k", 7), b"GETBIT p:1:k 7", 1, 1)
    yield Row(call(bitmaps.getbit, "k", 0, 2), b"GETBIT p:2:k 0", 0, 0)
    yield Row(call(bitcount, "k"), b"BITCOUNT p:1:k 0 -1", 3, 3)
    yield Row(call(bitcount, "k", 1, 9, unit="BIT", version=2), b"BITCOUNT p:2:k 1 9 BIT", 0, 0)
    yield Row(call(bitop, "AND", "d", "a", "b"), b"BITOP AND p:1:d p:1:a p:1:b", 3, 3)
    yield Row(call(bitop, "NOT", "d", "a", version=2), b"BITOP NOT p:2:d p:2:a", 0, 0)


def of_members() -> Iterator[Row]:
    pfadd, pfcount, pfmerge = hyperloglog.pfadd, hyperloglog.pfcount, hyperloglog.pfmerge
    yield Row(call(pfadd, "k", 1, "text"), b"PFADD p:1:k 1 " + TEXT, 1, True)
    yield Row(call(pfadd, "k", (1, 2), version=2), b"PFADD p:2:k " + PAIR, 0, False)
    yield Row(call(pfcount, "a"), b"PFCOUNT p:1:a", 3, 3)
    yield Row(call(pfcount, "a", "b", version=2), b"PFCOUNT p:2:a p:2:b", 0, 0)
    yield Row(call(pfmerge, "d", "a", "b"), b"PFMERGE p:1:d p:1:a p:1:b", b"OK", True)
    yield Row(call(pfmerge, "d", "a", version=2), b"PFMERGE p:2:d p:2:a", b"OK", True)


def of_places() -> Iterator[Row]:
    geoadd, geodist, geopos = geo.geoadd, geo.geodist, geo.geopos
    yield Row(call(geoadd, "k", {"text": (13.5, -38)}), b"GEOADD p:1:k 13.5 -38.0 " + TEXT, 1, 1)
    yield Row(
        call(geoadd, "k", {1: (-180, 85.05112878), (1, 2): (1e-7, 0)}, nx=True, ch=True, version=2),
        b"GEOADD p:2:k NX CH -180.0 85.05112878 1 1e-07 0.0 " + PAIR,
        0,
        0,
    )
    yield Row(call(geoadd, "k", {1: (0, 0)}, xx=True), b"GEOADD p:1:k XX 0.0 0.0 1", 0, 0)
    yield Row(call(geodist, "k", 1, "text"), b"GEODIST p:1:k 1 " + TEXT + b" m", b"166274.1516", 166274.1516)
    yield Row(call(geodist, "k", 1, 2, "km", 2), b"GEODIST p:2:k 1 2 km", None, None)
    yield Row(
        call(geopos, "k", 1, "text"),
        b"GEOPOS p:1:k 1 " + TEXT,
        [[b"13.5", b"-38"], None],
        [(13.5, -38.0), None],
    )
    yield Row(call(geopos, "k", 1, 2, version=2), b"GEOPOS p:2:k 1 2", (), [None, None])


def of_searches() -> Iterator[Row]:
    search, found = geo.geosearch, geo.geosearch_with
    yield Row(
        call(search, "k", member="text", radius=5),
        b"GEOSEARCH p:1:k FROMMEMBER " + TEXT + b" BYRADIUS 5.0 m",
        [TEXT, GONE, b"1"],
        ["text", 1],
    )
    yield Row(
        call(
            search,
            "k",
            longitude=0,
            latitude=-1.5,
            width=2,
            height=3,
            unit="km",
            sort="ASC",
            count=2,
            any=True,
        ),
        b"GEOSEARCH p:1:k FROMLONLAT 0.0 -1.5 BYBOX 2.0 3.0 km ASC COUNT 2 ANY",
        [],
        [],
    )
    yield Row(
        call(found, "k", member=0, radius=5, sort="DESC", count=2, version=2),
        b"GEOSEARCH p:2:k FROMMEMBER 0 BYRADIUS 5.0 m DESC COUNT 2 WITHDIST WITHCOORD",
        [[b"0", b"0.0000", [b"1.5", b"2.5"]], [GONE, b"1.5", [b"1", b"2"]]],
        [(0, 0.0, (1.5, 2.5))],
    )
    yield Row(
        call(found, "k", member=0, radius=5),
        b"GEOSEARCH p:1:k FROMMEMBER 0 BYRADIUS 5.0 m WITHDIST WITHCOORD",
        (),
        [],
    )


REFUSALS = (
    Refusal(call(bitmaps.setbit, LONE, 1, 1), InvalidKey, "UTF-8"),
    Refusal(call(bitmaps.setbit, "k", 1, cast(Any, 2)), InvalidArgument, "0 or 1"),
    Refusal(call(bitmaps.setbit, "k", -1, 1), InvalidArgument, "bits 0 to"),
    Refusal(call(bitmaps.getbit, "k", 2**32), InvalidArgument, "bits 0 to"),
    Refusal(call(bitmaps.bitcount, "k", unit=WRONG), InvalidArgument, "'BYTE' or 'BIT'"),
    Refusal(call(bitmaps.bitop, WRONG, "d", "a"), InvalidArgument, "AND, OR, XOR, NOT"),
    Refusal(call(bitmaps.bitop, "AND", "d"), InvalidArgument, "one or more"),
    Refusal(call(bitmaps.bitop, "NOT", "d", "a", "b"), InvalidArgument, "NOT takes one"),
    Refusal(call(hyperloglog.pfadd, "k"), InvalidArgument, "one or more"),
    Refusal(call(hyperloglog.pfadd, "k", Engine()), Unencodable, "Engine"),
    Refusal(call(hyperloglog.pfcount), InvalidArgument, "at least one key"),
    Refusal(call(hyperloglog.pfmerge, "d"), InvalidArgument, "at least one key"),
    Refusal(call(geo.geoadd, "k", {}), InvalidArgument, "at least one"),
    Refusal(call(geo.geoadd, "k", {1: (0, 0)}, nx=True, xx=True), InvalidArgument, "give one"),
    Refusal(call(geo.geoadd, "k", {1: (181, 0)}), InvalidArgument, "longitude"),
    Refusal(call(geo.geoadd, "k", {1: (0, float("nan"))}), InvalidArgument, "latitude"),
    Refusal(call(geo.geodist, "k", 1, 2, WRONG), InvalidArgument, "m, km, mi, ft"),
    Refusal(call(geo.geopos, "k"), InvalidArgument, "one or more"),
    Refusal(call(geo.geosearch, "k", radius=1), InvalidArgument, "member="),
    Refusal(
        call(geo.geosearch, "k", member=1, longitude=1, latitude=1, radius=1), InvalidArgument, "member="
    ),
    Refusal(call(geo.geosearch, "k", longitude=1, radius=1), InvalidArgument, "latitude="),
    Refusal(call(geo.geosearch, "k", member=1), InvalidArgument, "radius="),
    Refusal(call(geo.geosearch, "k", member=1, radius=1, width=1, height=1), InvalidArgument, "radius="),
    Refusal(call(geo.geosearch, "k", member=1, width=1), InvalidArgument, "height="),
    Refusal(call(geo.geosearch, "k", member=1, radius=1, unit=WRONG), InvalidArgument, "m, km, mi, ft"),
    Refusal(call(geo.geosearch, "k", member=1, radius=1, sort=WRONG), InvalidArgument, "'ASC'"),
    Refusal(call(geo.geosearch, "k", member=1, radius=1, count=0), InvalidArgument, "1 member or more"),
    Refusal(call(geo.geosearch, "k", member=1, radius=1, any=True), InvalidArgument, "count="),
)

ROWS = tuple(rows())
