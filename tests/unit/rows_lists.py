"""The commands on lists: rows as in `tests.unit.rows`.

What may enter: a row of `core.lists`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from tests.unit.feeding import SPACE
from tests.unit.rows import GONE, LONE, Engine, Refusal, Row, call
from vkcache.core import lists
from vkcache.errors import InvalidArgument, InvalidKey, KeyNotFound, Unencodable

TEXT = SPACE.item("text")
AB = SPACE.item({"a": 1, "b": 2})


def rows() -> Iterator[Row]:
    yield from of_ends()
    yield from of_places()
    yield from of_equal_items()
    yield from of_moves()
    yield from of_waits()


def of_ends() -> Iterator[Row]:
    yield Row(call(lists.llen, "k"), b"LLEN p:1:k", 3, 3)
    yield Row(call(lists.llen, "k", 2), b"LLEN p:2:k", 0, 0)
    for push, pop, side in ((lists.lpush, lists.lpop, b"L"), (lists.rpush, lists.rpop, b"R")):
        yield Row(call(push, "k", 1, "text"), side + b"PUSH p:1:k 1 " + TEXT, 2, 2)
        yield Row(call(push, "k", {"b": 2, "a": 1}, version=2), side + b"PUSH p:2:k " + AB, 1, 1)
        yield Row(call(pop, "k"), side + b"POP p:1:k", TEXT, "text")
        yield Row(call(pop, "k", version=2), side + b"POP p:2:k", None, None)
        yield Row(call(pop, "k"), side + b"POP p:1:k", GONE, None)
        yield Row(call(pop, "k", 3), side + b"POP p:1:k 3", [b"1", GONE, TEXT], [1, "text"])
        yield Row(call(pop, "k", 0, 2), side + b"POP p:2:k 0", None, [])


def of_places() -> Iterator[Row]:
    lindex, lrange, lset = lists.lindex, lists.lrange, lists.lset
    yield Row(call(lindex, "k", -1), b"LINDEX p:1:k -1", b"5", 5)
    yield Row(call(lindex, "k", 7, 2), b"LINDEX p:2:k 7", None, None)
    yield Row(call(lrange, "k"), b"LRANGE p:1:k 0 -1", [b"1", TEXT, GONE, AB], [1, "text", {"a": 1, "b": 2}])
    yield Row(call(lrange, "k", 1, 2, 3), b"LRANGE p:3:k 1 2", (), [])
    yield Row(call(lset, "k", -1, "text"), b"LSET p:1:k -1 " + TEXT, b"OK", True)
    yield Row(call(lset, "k", 2**31 - 1, 1), b"LSET p:1:k 2147483647 1", b"OK", True)
    yield Row(call(lset, "k", 0, 1, 2), b"LSET p:2:k 0 1", None, KeyNotFound)
    yield Row(call(lists.ltrim, "k", 0, -2), b"LTRIM p:1:k 0 -2", b"OK", True)
    yield Row(call(lists.ltrim, "k", 0, 1, 2), b"LTRIM p:2:k 0 1", None, False)


def of_equal_items() -> Iterator[Row]:
    lpos, linsert = lists.lpos, lists.linsert
    yield Row(call(lists.lrem, "k", -2, "text"), b"LREM p:1:k -2 " + TEXT, 2, 2)
    yield Row(call(lists.lrem, "k", 0, 1, 2), b"LREM p:2:k 0 1", 0, 0)
    yield Row(call(lpos, "k", "text"), b"LPOS p:1:k " + TEXT, 3, 3)
    yield Row(call(lpos, "k", 1, version=2), b"LPOS p:2:k 1", None, None)
    yield Row(call(lpos, "k", 1, rank=-2, maxlen=9), b"LPOS p:1:k 1 RANK -2 MAXLEN 9", 0, 0)
    yield Row(call(lpos, "k", 1, count=0), b"LPOS p:1:k 1 COUNT 0", [1, 3], [1, 3])
    yield Row(
        call(lpos, "k", 1, rank=2, count=1, maxlen=0, version=2),
        b"LPOS p:2:k 1 RANK 2 COUNT 1 MAXLEN 0",
        (),
        [],
    )
    yield Row(call(linsert, "k", "BEFORE", 1, "text"), b"LINSERT p:1:k BEFORE 1 " + TEXT, 4, 4)
    yield Row(call(linsert, "k", "after", 1, 2, 2), b"LINSERT p:2:k AFTER 1 2", -1, -1)


def of_moves() -> Iterator[Row]:
    lmove, blmove = lists.lmove, lists.blmove
    yield Row(call(lmove, "a", "b"), b"LMOVE p:1:a p:1:b LEFT RIGHT", TEXT, "text")
    yield Row(call(lmove, "a", "b", "right", "left", 2), b"LMOVE p:2:a p:2:b RIGHT LEFT", None, None)
    yield Row(call(blmove, "a", "b", 1.5), b"BLMOVE p:1:a p:1:b LEFT RIGHT 1.500", b"5", 5)
    yield Row(
        call(blmove, "a", "b", None, "RIGHT", "LEFT", 2), b"BLMOVE p:2:a p:2:b RIGHT LEFT 0", None, None
    )
    yield Row(call(lmove, "a", "b", version=2, version_dst=3), b"LMOVE p:2:a p:3:b LEFT RIGHT", b"5", 5)
    yield Row(call(blmove, "a", "b", 1, version_src=3), b"BLMOVE p:3:a p:1:b LEFT RIGHT 1.000", b"5", 5)


def of_waits() -> Iterator[Row]:
    for pop, name in ((lists.blpop, b"BLPOP "), (lists.brpop, b"BRPOP ")):
        yield Row(call(pop, "a", "b"), name + b"p:1:a p:1:b 0", [b"p:1:b", TEXT], ("b", "text"))
        yield Row(call(pop, ["a", "b"], timeout=2), name + b"p:1:a p:1:b 2.000", [b"p:1:a", b"1"], ("a", 1))
        yield Row(call(pop, "a", timeout=None, version=2), name + b"p:2:a 0", None, None)
        yield Row(call(pop, "a", timeout=0.0001), name + b"p:1:a 0.001", [b"p:1:a", GONE], ("a", None))


NUMBER = cast(Any, 5)

REFUSALS = (
    Refusal(call(lists.lpush, "k"), InvalidArgument, "one or more after the key"),
    Refusal(call(lists.rpush, "k"), InvalidArgument, "one or more after the key"),
    Refusal(call(lists.rpush, "k", Engine()), Unencodable, "Engine"),
    Refusal(call(lists.rpush, LONE, 1), InvalidKey, "UTF-8"),
    Refusal(call(lists.lset, "k", 2**32, 1), InvalidArgument, "no item at index"),
    Refusal(call(lists.lset, "k", -(2**31) - 1, 1), InvalidArgument, "no item at index"),
    Refusal(call(lists.lpop, "k", -1), InvalidArgument, "0 or more"),
    Refusal(call(lists.rpop, "k", -1), InvalidArgument, "count=-1"),
    Refusal(call(lists.lpos, "k", 1, rank=0), InvalidArgument, "counts from 1"),
    Refusal(call(lists.lpos, "k", 1, count=-1), InvalidArgument, "count=-1"),
    Refusal(call(lists.lpos, "k", 1, maxlen=-1), InvalidArgument, "maxlen=-1"),
    Refusal(call(lists.linsert, "k", "LEFT", 1, 2), InvalidArgument, "'BEFORE' or 'AFTER'"),
    Refusal(call(lists.lmove, "a", "b", "BEFORE"), InvalidArgument, "wherefrom="),
    Refusal(call(lists.blmove, "a", "b", 1, "LEFT", "up"), InvalidArgument, "whereto="),
    Refusal(call(lists.blmove, "a", "b", cast(Any, "1")), InvalidArgument, "number of seconds"),
    Refusal(call(lists.blpop), InvalidArgument, "one key or more"),
    Refusal(call(lists.blpop, "a", NUMBER), InvalidArgument, "timeout= is given by its name"),
    Refusal(call(lists.blpop, "a", timeout=-1), InvalidArgument, "0 or more"),
    Refusal(call(lists.brpop, "a", timeout=float("nan")), InvalidArgument, "0 or more"),
    Refusal(call(lists.brpop, "a", timeout=float("inf")), InvalidArgument, "waits for ever"),
)

ROWS = tuple(rows())
