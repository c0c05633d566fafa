"""The commands on hashes: rows as in `tests.unit.rows`.

What may enter: a row of `core.hashes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from tests.unit.feeding import SPACE
from tests.unit.rows import GONE, LONE, Engine, Floor, Refusal, Row, call
from vkcache.core import hashes, lua
from vkcache.errors import InvalidArgument, InvalidKey, Unencodable

TEXT = SPACE.content("text")
NONE = SPACE.content(None)
HALF = SPACE.content(0.5)
ADD_FLOAT = b"EVAL " + lua.ADD_FLOAT + b" 1 "


def rows() -> Iterator[Row]:
    yield from of_writing()
    yield from of_reading()
    yield from of_whole_hashes()
    yield from of_numbers()
    yield from of_random_fields()
    yield from of_pages()


def of_writing() -> Iterator[Row]:
    hset = hashes.hset
    yield Row(call(hset, "k", "f", 5), b"HSET p:1:k f 5", 1, 1)
    yield Row(call(hset, "k", "f", "text", version=2), b"HSET p:2:k f " + TEXT, 0, 0)
    yield Row(call(hset, "k", "f"), b"HSET p:1:k f " + NONE, 1, 1)
    yield Row(call(hset, "k", "é\udcff", 5), b"HSET p:1:k \xc3\xa9\xff 5", 1, 1)
    yield Row(call(hset, "k", mapping={"f": 1, "g": "text"}), b"HSET p:1:k f 1 g " + TEXT, 2, 2)
    yield Row(call(hset, "k", items=["f", 1, "g", 2]), b"HSET p:1:k f 1 g 2", 2, 2)
    yield Row(
        call(hset, "k", "f", 1, mapping={"g": 2}, items=("h", 3), version=2), b"HSET p:2:k h 3 f 1 g 2", 3, 3
    )
    yield Row(call(hset, "k", "", 5), b"HSET p:1:k  5", 1, 1)
    yield Row(call(hashes.hmset, "k", {"f": 1, "g": 2}), b"HMSET p:1:k f 1 g 2", b"OK", True)
    yield Row(call(hashes.hmset, "k", {"f": 1}, 2), b"HMSET p:2:k f 1", None, False)
    yield Row(call(hashes.hsetnx, "k", "f", "text"), b"HSETNX p:1:k f " + TEXT, 1, True)
    yield Row(call(hashes.hsetnx, "k", "f", 1, 2), b"HSETNX p:2:k f 1", 0, False)
    yield Row(call(hashes.hdel, "k", "f"), b"HDEL p:1:k f", 1, 1)
    yield Row(call(hashes.hdel, "k", "f", ["g", "h"], version=2), b"HDEL p:2:k f g h", 0, 0)


def of_reading() -> Iterator[Row]:
    hget, hmget = hashes.hget, hashes.hmget
    yield Row(call(hget, "k", "f"), b"HGET p:1:k f", b"5", 5)
    yield Row(call(hget, "k", "f"), b"HGET p:1:k f", TEXT, "text")
    yield Row(call(hget, "k", "f"), b"HGET p:1:k f", b"10.5", 10.5)  # as HINCRBYFLOAT writes
    yield Row(call(hget, "k", "f"), b"HGET p:1:k f", None, None)
    yield Row(call(hget, "k", "f", 2), b"HGET p:2:k f", b"0", 0)
    yield Row(call(hget, "k", "f", default=7), b"HGET p:1:k f", None, 7)
    yield Row(call(hget, "k", "f", default=7), b"HGET p:1:k f", GONE, 7)  # unreadable is missing
    yield Row(call(hget, "k", "f", default=7), b"HGET p:1:k f", NONE, None)  # a stored None is a hit
    yield Row(call(hmget, "k", "f", "g"), b"HMGET p:1:k f g", [b"1", None], [1, None])
    yield Row(call(hmget, "k", ["f", "g"], version=2), b"HMGET p:2:k f g", [GONE, TEXT], [None, "text"])
    yield Row(call(hmget, "k", iter(["f", "g"])), b"HMGET p:1:k f g", (), [None, None])
    yield Row(call(hashes.hexists, "k", "f"), b"HEXISTS p:1:k f", 1, True)
    yield Row(call(hashes.hexists, "k", "f", 2), b"HEXISTS p:2:k f", 0, False)
    yield Row(call(hashes.stored, "k", "f"), b"HGET p:1:k f", b"raw", b"raw")
    yield Row(call(hashes.stored, "k", "f", 2), b"HGET p:2:k f", None, None)


def of_whole_hashes() -> Iterator[Row]:
    hgetall = hashes.hgetall
    yield Row(call(hgetall, "k"), b"HGETALL p:1:k", [b"f", b"1", b"\xff", TEXT], {"f": 1, "\udcff": "text"})
    yield Row(call(hgetall, "k"), b"HGETALL p:1:k", [b"f", GONE, b"g", NONE], {"g": None})
    yield Row(call(hgetall, "k", 2), b"HGETALL p:2:k", [], {})
    yield Row(call(hashes.hkeys, "k"), b"HKEYS p:1:k", [b"f", b"\xc3\xa9"], ["f", "é"])
    yield Row(call(hashes.hkeys, "k", 2), b"HKEYS p:2:k", (), [])
    yield Row(call(hashes.hvals, "k"), b"HVALS p:1:k", [b"1", GONE, NONE, TEXT], [1, None, "text"])
    yield Row(call(hashes.hvals, "k", 2), b"HVALS p:2:k", (), [])
    yield Row(call(hashes.hlen, "k"), b"HLEN p:1:k", 3, 3)
    yield Row(call(hashes.hlen, "k", 2), b"HLEN p:2:k", 0, 0)


def of_numbers() -> Iterator[Row]:
    hincrby, by_float, add = hashes.hincrby, hashes.hincrbyfloat, hashes.add_float
    yield Row(call(hincrby, "k", "f"), b"HINCRBY p:1:k f 1", 6, 6)
    yield Row(call(hincrby, "k", "f", -(2**63), 2), b"HINCRBY p:2:k f %d" % -(2**63), -1, -1)
    yield Row(call(hincrby, "k", "f", Floor.THIRD), b"HINCRBY p:1:k f 3", 3, 3)
    yield Row(call(by_float, "k", "f"), b"HINCRBYFLOAT p:1:k f 1.0", b"1.5", 1.5)
    yield Row(call(by_float, "k", "f", 2, 3), b"HINCRBYFLOAT p:3:k f 2", b"3", 3.0)
    yield Row(call(by_float, "k", "f", -1e-07), b"HINCRBYFLOAT p:1:k f -1e-07", b"0", 0.0)
    yield Row(call(by_float, "k", "f", 10**300), b"HINCRBYFLOAT p:1:k f 1" + b"0" * 300, b"2", 2.0)
    sent = ADD_FLOAT + b"p:1:k f " + HALF + b" 0.5 1.5"
    yield Row(call(add, "k", "f", (HALF, 0.5), 1.5), sent, b"2", 2.0)
    yield Row(call(add, "k", "f", (HALF, 0.5), 1.5), sent, 0, None)
    yield Row(call(add, "k", "f", (b"x", 1e300), 1, 2), ADD_FLOAT + b"p:2:k f x 1e+300 1", b"0", 0.0)


def of_random_fields() -> Iterator[Row]:
    hrandfield = hashes.hrandfield
    yield Row(call(hrandfield, "k"), b"HRANDFIELD p:1:k", b"f", "f")
    yield Row(call(hrandfield, "k", version=2), b"HRANDFIELD p:2:k", None, None)
    yield Row(call(hrandfield, "k", 2), b"HRANDFIELD p:1:k 2", [b"f", b"g"], ["f", "g"])
    yield Row(call(hrandfield, "k", -2, 2), b"HRANDFIELD p:2:k -2", (), [])


def of_pages() -> Iterator[Row]:
    hscan = hashes.hscan
    yield Row(call(hscan, "k"), b"HSCAN p:1:k 0 COUNT 1000", [b"0", []], (0, {}))
    yield Row(
        call(hscan, "k", 7, match="f*", count=2, version=2),
        b"HSCAN p:2:k 7 MATCH f* COUNT 2",
        [b"9", [b"f", b"1", b"fg", GONE, b"\xff", TEXT]],
        (9, {"f": 1, "\udcff": "text"}),
    )


NUMBER = cast(Any, 5)
TEXTUAL = cast(Any, "1")

REFUSALS = (
    Refusal(call(hashes.hset, "k"), InvalidArgument, "mapping= or items="),
    Refusal(call(hashes.hset, "k", mapping={}), InvalidArgument, "mapping= or items="),
    Refusal(call(hashes.hset, "k", items=["f"]), InvalidArgument, "field, value, field, value"),
    Refusal(call(hashes.hset, "k", NUMBER, 5), InvalidArgument, "as a str"),
    Refusal(call(hashes.hset, "k", mapping={NUMBER: 5}), InvalidArgument, "field of type int"),
    Refusal(call(hashes.hset, "k", LONE, 5), InvalidKey, "UTF-8"),
    Refusal(call(hashes.hset, LONE, "f", 5), InvalidKey, "UTF-8"),
    Refusal(call(hashes.hset, "k", "f", Engine()), Unencodable, "Engine"),
    Refusal(call(hashes.hmset, "k", {}), InvalidArgument, "nothing to store"),
    Refusal(call(hashes.hmset, "k", {"f": Engine()}), Unencodable, "Engine"),
    Refusal(call(hashes.hdel, "k"), InvalidArgument, "no fields"),
    Refusal(call(hashes.hdel, "k", NUMBER), InvalidArgument, "as a str"),
    Refusal(call(hashes.hmget, "k", []), InvalidArgument, "no fields"),
    Refusal(call(hashes.hincrby, "k", "f", 2**63), InvalidArgument, "64 bits"),
    Refusal(call(hashes.hincrby, "k", "f", cast(Any, 0.5)), InvalidArgument, "hincrbyfloat"),
    Refusal(call(hashes.hincrbyfloat, "k", "f", float("nan")), InvalidArgument, "finite"),
    Refusal(call(hashes.hincrbyfloat, "k", "f", float("-inf")), InvalidArgument, "finite"),
    Refusal(call(hashes.hincrbyfloat, "k", "f", 10**400), InvalidArgument, "finite"),
    Refusal(call(hashes.hincrbyfloat, "k", "f", TEXTUAL), InvalidArgument, "an int or a float"),
    Refusal(call(hashes.hscan, "k", count=0), InvalidArgument, "1 or more"),
)

ROWS = tuple(rows())
