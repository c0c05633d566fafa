"""The commands on streams and their consumer groups: rows as in `tests.unit.rows`.

What may enter: a row of `core.streams` or `core.streamgroups`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.unit.feeding import SPACE
from tests.unit.rows import GONE, LONE, Engine, Refusal, Row, call
from vkcache.core import streamgroups, streams
from vkcache.core.keyspace import CacheKey
from vkcache.core.streamgroups import Delivery, Pending
from vkcache.errors import InvalidArgument, InvalidKey, Unencodable

TEXT = SPACE.content("text")
ENTRY = [b"1-1", [b"a", b"5", b"b", TEXT]]
READ = ("1-1", {"a": 5, "b": "text"})


def rows() -> Iterator[Row]:
    yield from of_writing()
    yield from of_trimming()
    yield from of_ranges()
    yield from of_reading()
    yield from of_groups()
    yield from of_reading_in_a_group()
    yield from of_pending()
    yield from of_claiming()
    yield from of_what_the_server_says()


def of_writing() -> Iterator[Row]:
    xadd = streams.xadd
    yield Row(call(xadd, "k", {"a": 5}), b"XADD p:1:k * a 5", b"1-1", "1-1")
    yield Row(
        call(xadd, "k", {"é": "text", "b": 1}, "7-*", version=2),
        b"XADD p:2:k 7-* \xc3\xa9 " + TEXT + b" b 1",
        b"7-0",
        "7-0",
    )
    yield Row(call(xadd, "k", {"a": 5}, nomkstream=True), b"XADD p:1:k NOMKSTREAM * a 5", None, None)
    yield Row(call(xadd, "k", {"a": 5}, maxlen=9), b"XADD p:1:k MAXLEN ~ 9 * a 5", b"1-1", "1-1")
    yield Row(
        call(xadd, "k", {"a": 5}, minid="3", approximate=False), b"XADD p:1:k MINID = 3 * a 5", b"4-0", "4-0"
    )
    yield Row(
        call(xadd, "k", {"a": 5}, maxlen=0, limit=7, nomkstream=True),
        b"XADD p:1:k NOMKSTREAM MAXLEN ~ 0 LIMIT 7 * a 5",
        b"1-1",
        "1-1",
    )
    yield Row(call(streams.xlen, "k"), b"XLEN p:1:k", 3, 3)
    yield Row(call(streams.xlen, "k", 2), b"XLEN p:2:k", 0, 0)


def of_trimming() -> Iterator[Row]:
    yield Row(call(streams.xdel, "k", "1-1"), b"XDEL p:1:k 1-1", 1, 1)
    yield Row(call(streams.xdel, "k", "1-1", "2-0", version=2), b"XDEL p:2:k 1-1 2-0", 0, 0)
    yield Row(call(streams.xtrim, "k", maxlen=0), b"XTRIM p:1:k MAXLEN ~ 0", 3, 3)
    yield Row(
        call(streams.xtrim, "k", minid="2-0", limit=5, version=2), b"XTRIM p:2:k MINID ~ 2-0 LIMIT 5", 0, 0
    )
    yield Row(call(streams.xtrim, "k", maxlen=1, approximate=False), b"XTRIM p:1:k MAXLEN = 1", 2, 2)


def of_ranges() -> Iterator[Row]:
    xrange, xrevrange = streams.xrange, streams.xrevrange
    yield Row(call(xrange, "k"), b"XRANGE p:1:k - +", [ENTRY], [READ])
    yield Row(call(xrange, "k", "(1-1", "9", 2, 3), b"XRANGE p:3:k (1-1 9 COUNT 2", [], [])
    # What can not be read is left out of its entry; names are text, whatever their bytes.
    yield Row(
        call(xrange, "k"),
        b"XRANGE p:1:k - +",
        [[b"1-1", [b"a", GONE, b"\xff", b"5"]]],
        [("1-1", {"\udcff": 5})],
    )
    yield Row(
        call(xrange, "k"),
        b"XRANGE p:1:k - +",
        [[b"1-1", [b"a", SPACE.content(None)]]],
        [("1-1", {"a": None})],
    )
    yield Row(call(xrevrange, "k"), b"XREVRANGE p:1:k + -", [ENTRY], [READ])
    yield Row(call(xrevrange, "k", "9", "1", count=1, version=2), b"XREVRANGE p:2:k 9 1 COUNT 1", [], [])


def of_reading() -> Iterator[Row]:
    xread = streams.xread
    yield Row(call(xread, {"k": "0"}), b"XREAD STREAMS p:1:k 0", [[b"p:1:k", [ENTRY]]], {"k": [READ]})
    yield Row(
        call(xread, {"a": "0", "b": "$"}, count=2, version=2),
        b"XREAD COUNT 2 STREAMS p:2:a p:2:b 0 $",
        [[b"p:2:b", []]],
        {"b": []},
    )
    yield Row(
        call(xread, {CacheKey("made"): "0"}), b"XREAD STREAMS made 0", [[b"made", [ENTRY]]], {"made": [READ]}
    )
    yield Row(call(xread, {"k": "$"}, block=0), b"XREAD BLOCK 0 STREAMS p:1:k $", None, {})


def of_groups() -> Iterator[Row]:
    create, destroy, setid = (
        streamgroups.xgroup_create,
        streamgroups.xgroup_destroy,
        streamgroups.xgroup_setid,
    )
    yield Row(call(create, "k", "g"), b"XGROUP CREATE p:1:k g $", b"OK", True)
    yield Row(
        call(create, "k", "g", "0", mkstream=True, version=2),
        b"XGROUP CREATE p:2:k g 0 MKSTREAM",
        b"OK",
        True,
    )
    yield Row(call(destroy, "k", "g"), b"XGROUP DESTROY p:1:k g", 1, True)
    yield Row(call(destroy, "k", "g", 2), b"XGROUP DESTROY p:2:k g", 0, False)
    yield Row(call(setid, "k", "g", "0"), b"XGROUP SETID p:1:k g 0", b"OK", True)
    yield Row(call(setid, "k", "g", "$", version=2), b"XGROUP SETID p:2:k g $", b"OK", True)
    counted = call(create, "k", "g", "0", True, 3)
    yield Row(counted, b"XGROUP CREATE p:1:k g 0 MKSTREAM ENTRIESREAD 3", b"OK", True)
    yield Row(call(setid, "k", "g", "0", 0), b"XGROUP SETID p:1:k g 0 ENTRIESREAD 0", b"OK", True)
    gone = streamgroups.xgroup_delconsumer
    yield Row(call(gone, "k", "g", "c"), b"XGROUP DELCONSUMER p:1:k g c", 2, 2)
    yield Row(call(gone, "k", "g", "c", 2), b"XGROUP DELCONSUMER p:2:k g c", 0, 0)


def of_reading_in_a_group() -> Iterator[Row]:
    xreadgroup = streamgroups.xreadgroup
    yield Row(
        call(xreadgroup, "g", "c", {"k": ">"}),
        b"XREADGROUP GROUP g c STREAMS p:1:k >",
        [[b"p:1:k", [ENTRY]]],
        {"k": [READ]},
    )
    yield Row(
        call(xreadgroup, "g", "STREAMS", {"k": ">", "l": "0"}, count=2, block=50, noack=True, version=2),
        b"XREADGROUP GROUP g STREAMS COUNT 2 BLOCK 50 NOACK STREAMS p:2:k p:2:l > 0",
        None,
        {},
    )
    # A pending entry that was deleted.
    yield Row(
        call(xreadgroup, "g", "c", {"k": "0"}),
        b"XREADGROUP GROUP g c STREAMS p:1:k 0",
        [[b"p:1:k", [[b"1-1", None]]]],
        {"k": [("1-1", {})]},
    )


def of_pending() -> Iterator[Row]:
    xpending, ranged = streamgroups.xpending, streamgroups.xpending_range
    yield Row(call(streamgroups.xack, "k", "g", "1-1"), b"XACK p:1:k g 1-1", 1, 1)
    yield Row(call(streamgroups.xack, "k", "g", "1-1", "2", version=2), b"XACK p:2:k g 1-1 2", 0, 0)
    yield Row(
        call(xpending, "k", "g"),
        b"XPENDING p:1:k g",
        [2, b"1-1", b"2-0", [[b"c", b"2"]]],
        Pending(2, "1-1", "2-0", {"c": 2}),
    )
    yield Row(
        call(xpending, "k", "g", 2), b"XPENDING p:2:k g", [0, None, None, None], Pending(0, None, None, {})
    )
    yield Row(
        call(ranged, "k", "g", count=5),
        b"XPENDING p:1:k g - + 5",
        [[b"1-1", b"c", 7, 2]],
        [Delivery("1-1", "c", 7, 2)],
    )
    yield Row(
        call(ranged, "k", "g", "1", "9", count=5, consumer="c", idle=100, version=2),
        b"XPENDING p:2:k g IDLE 100 1 9 5 c",
        [],
        [],
    )


def of_claiming() -> Iterator[Row]:
    xclaim, xautoclaim = streamgroups.xclaim, streamgroups.xautoclaim
    yield Row(call(xclaim, "k", "g", "c", 10, "1-1"), b"XCLAIM p:1:k g c 10 1-1", [ENTRY], [READ])
    yield Row(call(xclaim, "k", "g", "c", 0, "1", "2", version=2), b"XCLAIM p:2:k g c 0 1 2", [], [])
    yield Row(
        call(xclaim, "k", "g", "c", 0, ["1", "2"], idle=5, retrycount=0, force=True),
        b"XCLAIM p:1:k g c 0 1 2 IDLE 5 RETRYCOUNT 0 FORCE",
        [],
        [],
    )
    yield Row(call(xclaim, "k", "g", "c", 0, "1", time=7), b"XCLAIM p:1:k g c 0 1 TIME 7", [], [])
    yield Row(
        call(xautoclaim, "k", "g", "c", 10),
        b"XAUTOCLAIM p:1:k g c 10 0-0",
        [b"2-0", [ENTRY], []],
        ("2-0", [READ]),
    )
    yield Row(
        call(xautoclaim, "k", "g", "c", 10, "5", count=3, version=2),
        b"XAUTOCLAIM p:2:k g c 10 5 COUNT 3",
        [b"0-0", [], [b"5-0"]],
        ("0-0", []),
    )


def of_what_the_server_says() -> Iterator[Row]:
    said = [b"length", 1, b"last-generated-id", b"1-1", b"first-entry", ENTRY, b"last-entry", ENTRY]
    told = {"length": 1, "last-generated-id": "1-1", "first-entry": READ, "last-entry": READ}
    empty = [b"length", 0, b"first-entry", None, b"last-entry", None]
    nothing = {"length": 0, "first-entry": None, "last-entry": None}
    yield Row(call(streams.xinfo_stream, "k"), b"XINFO STREAM p:1:k", said, told)
    yield Row(call(streams.xinfo_stream, "k", 2), b"XINFO STREAM p:2:k", empty, nothing)
    yield Row(call(streams.xinfo_stream, "k"), b"XINFO STREAM p:1:k", (), {})
    group = [[b"name", b"g", b"pending", 0, b"lag", None]]
    read = [{"name": "g", "pending": 0, "lag": None}]
    yield Row(call(streamgroups.xinfo_groups, "k"), b"XINFO GROUPS p:1:k", group, read)
    yield Row(call(streamgroups.xinfo_groups, "k", 2), b"XINFO GROUPS p:2:k", [], [])
    yield Row(call(streamgroups.xinfo_consumers, "k", "g"), b"XINFO CONSUMERS p:1:k g", group, read)
    yield Row(call(streamgroups.xinfo_consumers, "k", "g", 2), b"XINFO CONSUMERS p:2:k g", (), [])


REFUSALS = (
    Refusal(call(streams.xadd, "k", {}), InvalidArgument, "at least one"),
    Refusal(call(streams.xadd, "k", {LONE: 1}), InvalidKey, "UTF-8"),
    Refusal(call(streams.xadd, "k", {"a": Engine()}), Unencodable, "Engine"),
    Refusal(call(streams.xadd, "k", {"a": 1}, maxlen=1, minid="1"), InvalidArgument, "one of them"),
    Refusal(call(streams.xadd, "k", {"a": 1}, limit=1), InvalidArgument, "maxlen= or minid="),
    Refusal(
        call(streams.xadd, "k", {"a": 1}, maxlen=1, limit=1, approximate=False),
        InvalidArgument,
        "approximate",
    ),
    Refusal(call(streams.xtrim, "k"), InvalidArgument, "maxlen= or minid="),
    Refusal(call(streams.xdel, "k"), InvalidArgument, "at least one id"),
    Refusal(call(streams.xrange, "k", count=0), InvalidArgument, "1 entry or more"),
    Refusal(call(streams.xread, {}), InvalidArgument, "at least one key"),
    Refusal(call(streams.xread, {"k": "0"}, block=-1), InvalidArgument, "milliseconds"),
    Refusal(call(streams.xread, {LONE: "0"}), InvalidKey, "UTF-8"),
    Refusal(call(streamgroups.xreadgroup, "g", "c", {}), InvalidArgument, "at least one key"),
    Refusal(call(streamgroups.xack, "k", "g"), InvalidArgument, "at least one id"),
    Refusal(call(streamgroups.xclaim, "k", "g", "c", 0), InvalidArgument, "at least one id"),
    Refusal(call(streamgroups.xpending_range, "k", "g", count=0), InvalidArgument, "1 entry or more"),
)

ROWS = tuple(rows())
