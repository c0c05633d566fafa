"""The commands on sets and sorted sets: rows as in `tests.unit.rows`.

What may enter: a row of `core.sets` or `core.sortedsets`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

from tests.unit.feeding import SPACE
from tests.unit.rows import GONE, LONE, Engine, Floor, Refusal, Row, call
from vkcache.core import sets, sortedsets
from vkcache.core.plan import Reply
from vkcache.errors import InvalidArgument, InvalidKey, Unencodable

TEXT = SPACE.member("text")
PAIR = SPACE.member((1, 2))
LIST = SPACE.member([1])
AB = SPACE.member({"a": 1, "b": 2})


def rows() -> Iterator[Row]:
    yield from of_members()
    yield from of_random_members()
    yield from of_several_sets()
    yield from of_a_sets_pages()
    yield from of_zadd()
    yield from of_scores()
    yield from of_ranges()
    yield from of_ranges_of_scores()
    yield from of_ranks()
    yield from of_pops()
    yield from of_a_sorted_sets_pages()


def of_members() -> Iterator[Row]:
    sadd, smembers, smismember = sets.sadd, sets.smembers, sets.smismember
    yield Row(call(sadd, "k", 1, "text"), b"SADD p:1:k 1 " + TEXT, 2, 2)
    yield Row(call(sadd, "k", {"b": 2, "a": 1}, version=2), b"SADD p:2:k " + AB, 0, 0)
    yield Row(call(sadd, "k", (1, 2)), b"SADD p:1:k " + PAIR, 1, 1)
    yield Row(call(sets.srem, "k", 1, 2), b"SREM p:1:k 1 2", 1, 1)
    yield Row(call(sets.srem, "k", "text", version=2), b"SREM p:2:k " + TEXT, 0, 0)
    yield Row(call(smembers, "k"), b"SMEMBERS p:1:k", [b"1", TEXT, PAIR], {1, "text", (1, 2)})
    yield Row(call(smembers, "k"), b"SMEMBERS p:1:k", [], set())
    yield Row(call(smembers, "k", 2), b"SMEMBERS p:2:k", [b"1", LIST], [1, [1]])
    yield Row(call(smembers, "k"), b"SMEMBERS p:1:k", [b"1", GONE], {1})  # unreadable is missing
    yield Row(call(sets.sismember, "k", 1), b"SISMEMBER p:1:k 1", 1, True)
    yield Row(call(sets.sismember, "k", "text", 2), b"SISMEMBER p:2:k " + TEXT, 0, False)
    yield Row(call(smismember, "k", 1, 2), b"SMISMEMBER p:1:k 1 2", [1, 0], [True, False])
    yield Row(call(smismember, "k", 1, 2, version=2), b"SMISMEMBER p:2:k 1 2", (), [False, False])
    yield Row(call(sets.scard, "k"), b"SCARD p:1:k", 3, 3)
    yield Row(call(sets.scard, "k", 2), b"SCARD p:2:k", 0, 0)
    yield Row(call(sets.smove, "a", "b", "text"), b"SMOVE p:1:a p:1:b " + TEXT, 1, True)
    yield Row(call(sets.smove, "a", "b", 1, 2), b"SMOVE p:2:a p:2:b 1", 0, False)
    yield Row(call(sets.smove, "a", "b", 1, 2, version_src=3), b"SMOVE p:3:a p:2:b 1", 1, True)


def of_random_members() -> Iterator[Row]:
    for function, name in ((sets.spop, b"SPOP"), (sets.srandmember, b"SRANDMEMBER")):
        yield Row(call(function, "k"), name + b" p:1:k", TEXT, "text")
        yield Row(call(function, "k", version=2), name + b" p:2:k", None, None)
        yield Row(call(function, "k"), name + b" p:1:k", GONE, None)
        yield Row(call(function, "k", 2), name + b" p:1:k 2", [TEXT, LIST], ["text", [1]])
        yield Row(call(function, "k", 0, 2), name + b" p:2:k 0", [], [])
    yield Row(call(sets.srandmember, "k", -2), b"SRANDMEMBER p:1:k -2", [TEXT, TEXT], ["text", "text"])


def of_several_sets() -> Iterator[Row]:
    for function, name in ((sets.sdiff, b"SDIFF"), (sets.sinter, b"SINTER"), (sets.sunion, b"SUNION")):
        yield Row(call(function, "a", "b"), name + b" p:1:a p:1:b", [b"1", TEXT], {1, "text"})
        yield Row(call(function, ["a", "b"]), name + b" p:1:a p:1:b", [], set())
        yield Row(call(function, iter(["a"]), version=2), name + b" p:2:a", [LIST], [[1]])
    yield Row(call(sets.sdiff, "abc"), b"SDIFF p:1:abc", [], set())
    for store, name in (
        (sets.sdiffstore, b"SDIFFSTORE"),
        (sets.sinterstore, b"SINTERSTORE"),
        (sets.sunionstore, b"SUNIONSTORE"),
    ):
        yield Row(call(store, "d", "a", "b"), name + b" p:1:d p:1:a p:1:b", 2, 2)
        yield Row(call(store, "d", ("a", "b"), version=2), name + b" p:2:d p:2:a p:2:b", 0, 0)
        yield Row(call(store, "d", "a", version=2, version_dest=3), name + b" p:3:d p:2:a", 0, 0)
        yield Row(call(store, "d", "a", version_keys=4), name + b" p:1:d p:4:a", 0, 0)


def of_a_sets_pages() -> Iterator[Row]:
    sscan = sets.sscan
    page: Reply = [b"7", [b"12", TEXT, GONE, b"2"]]
    yield Row(call(sscan, "k"), b"SSCAN p:1:k 0 COUNT 1000", page, (7, {12, 2, "text"}))
    yield Row(call(sscan, "k", 7, match="t?x*"), b"SSCAN p:1:k 7 COUNT 1000", page, (7, {"text"}))
    yield Row(call(sscan, "k", match="1*", count=5, version=2), b"SSCAN p:2:k 0 COUNT 5", page, (7, {12}))
    yield Row(call(sscan, "k"), b"SSCAN p:1:k 0 COUNT 1000", [b"0", []], (0, set()))
    yield Row(call(sscan, "k", match="[[]*"), b"SSCAN p:1:k 0 COUNT 1000", [b"0", [LIST, b"1"]], (0, [[1]]))


def of_zadd() -> Iterator[Row]:
    zadd = sortedsets.zadd
    several: dict[Any, float] = {"text": 1.5, 7: -2}
    yield Row(call(zadd, "k", several), b"ZADD p:1:k 1.5 " + TEXT + b" -2 7", 2, 2)
    yield Row(call(zadd, "k", {1: 2}, version=2), b"ZADD p:2:k 2 1", 0, 0)
    yield Row(call(zadd, "k", {1: math.inf, 2: -math.inf}), b"ZADD p:1:k inf 1 -inf 2", 2, 2)
    yield Row(call(zadd, "k", {1: 1e300, 2: 0.1}), b"ZADD p:1:k 1e+300 1 0.1 2", 2, 2)
    yield Row(call(zadd, "k", {1: True, 2: Floor.THIRD}), b"ZADD p:1:k 1 1 3 2", 2, 2)
    yield Row(call(zadd, "k", {1: 2**53 + 1}), b"ZADD p:1:k 9007199254740992 1", 1, 1)
    yield Row(call(zadd, "k", {1: 2}, nx=True), b"ZADD p:1:k NX 2 1", 0, 0)
    yield Row(call(zadd, "k", {1: 2}, xx=True, ch=True), b"ZADD p:1:k XX CH 2 1", 1, 1)
    yield Row(call(zadd, "k", {1: 2}, xx=True, gt=True), b"ZADD p:1:k XX GT 2 1", 0, 0)
    yield Row(call(zadd, "k", {1: 2}, lt=True), b"ZADD p:1:k LT 2 1", 1, 1)
    yield Row(call(zadd, "k", {1: 2}, incr=True), b"ZADD p:1:k INCR 2 1", b"4.5", 4.5)
    yield Row(call(zadd, "k", {1: 2}, incr=True, nx=True), b"ZADD p:1:k NX INCR 2 1", None, None)


def of_scores() -> Iterator[Row]:
    zscore, zmscore = sortedsets.zscore, sortedsets.zmscore
    yield Row(call(sortedsets.zcard, "k"), b"ZCARD p:1:k", 2, 2)
    yield Row(call(sortedsets.zcard, "k", 2), b"ZCARD p:2:k", 0, 0)
    yield Row(call(sortedsets.zcount, "k", 1, 2.5), b"ZCOUNT p:1:k 1 2.5", 2, 2)
    yield Row(call(sortedsets.zcount, "k", "-inf", "(5", 2), b"ZCOUNT p:2:k -inf (5", 0, 0)
    yield Row(call(sortedsets.zincrby, "k", 2, 1), b"ZINCRBY p:1:k 2 1", b"3", 3.0)
    yield Row(call(sortedsets.zincrby, "k", -0.5, "text", 2), b"ZINCRBY p:2:k -0.5 " + TEXT, b"-0.5", -0.5)
    yield Row(call(sortedsets.zincrby, "k", 2, 1), b"ZINCRBY p:1:k 2 1", None, 2.0)  # errors are ignored
    yield Row(call(zscore, "k", "text"), b"ZSCORE p:1:k " + TEXT, b"1.5", 1.5)
    yield Row(call(zscore, "k", 1), b"ZSCORE p:1:k 1", b"-inf", -math.inf)
    yield Row(call(zscore, "k", 1, 2), b"ZSCORE p:2:k 1", None, None)
    yield Row(call(zmscore, "k", 1, 2), b"ZMSCORE p:1:k 1 2", [b"3", None], [3.0, None])
    yield Row(call(zmscore, "k", 1, 2, version=2), b"ZMSCORE p:2:k 1 2", (), [None, None])


def of_ranges() -> Iterator[Row]:
    zrange, zrevrange = sortedsets.zrange, sortedsets.zrevrange
    scored = [b"7", b"1", TEXT, b"2.5"]
    pairs = [(7, 1.0), ("text", 2.5)]
    yield Row(call(zrange, "k", 0, -1), b"ZRANGE p:1:k 0 -1", [b"7", LIST], [7, [1]])
    yield Row(call(zrange, "k", 1, 2, version=2), b"ZRANGE p:2:k 1 2", [], [])
    yield Row(call(zrange, "k", 0, 1, desc=True), b"ZRANGE p:1:k 0 1 REV", [TEXT, GONE], ["text"])
    yield Row(call(zrange, "k", 0, 1, withscores=True), b"ZRANGE p:1:k 0 1 WITHSCORES", scored, pairs)
    yield Row(
        call(zrange, "k", 0, 1, desc=True, withscores=True, score_cast_func=int),
        b"ZRANGE p:1:k 0 1 REV WITHSCORES",
        scored,
        [(7, 1), ("text", 2)],
    )
    yield Row(
        call(zrange, "k", 0, 1, withscores=True),
        b"ZRANGE p:1:k 0 1 WITHSCORES",
        [GONE, b"1", b"7", b"2"],
        [(7, 2.0)],
    )
    yield Row(
        call(sortedsets.zrange_withscores, "k", 0, 1, desc=True, version=2),
        b"ZRANGE p:2:k 0 1 REV WITHSCORES",
        scored,
        pairs,
    )
    yield Row(call(zrevrange, "k", 0, -1), b"ZRANGE p:1:k 0 -1 REV", [TEXT], ["text"])
    yield Row(
        call(zrevrange, "k", 0, -1, withscores=True, score_cast_func=str, version=2),
        b"ZRANGE p:2:k 0 -1 REV WITHSCORES",
        scored,
        [(7, "1.0"), ("text", "2.5")],
    )


def of_ranges_of_scores() -> Iterator[Row]:
    zrangebyscore, zrevrangebyscore = sortedsets.zrangebyscore, sortedsets.zrevrangebyscore
    scored = [b"7", b"1"]
    yield Row(call(zrangebyscore, "k", 1, 2), b"ZRANGE p:1:k 1 2 BYSCORE", [b"7"], [7])
    yield Row(call(zrangebyscore, "k", "(1", "+inf"), b"ZRANGE p:1:k (1 inf BYSCORE", [], [])
    yield Row(call(zrangebyscore, "k", " ( 1"[1:], "(-Inf"), b"ZRANGE p:1:k (1 (-inf BYSCORE", [], [])
    yield Row(
        call(zrangebyscore, "k", 1, 2, start=3, num=-1, withscores=True, score_cast_func=int, version=2),
        b"ZRANGE p:2:k 1 2 BYSCORE LIMIT 3 -1 WITHSCORES",
        scored,
        [(7, 1)],
    )
    yield Row(
        call(sortedsets.zrangebyscore_withscores, "k", 1, 2, start=0, num=1, version=2),
        b"ZRANGE p:2:k 1 2 BYSCORE LIMIT 0 1 WITHSCORES",
        scored,
        [(7, 1.0)],
    )
    yield Row(call(zrevrangebyscore, "k", 2, 1), b"ZRANGE p:1:k 2 1 BYSCORE REV", [b"7"], [7])
    yield Row(
        call(zrevrangebyscore, "k", "inf", "(1", start=0, num=2, withscores=True, version=2),
        b"ZRANGE p:2:k inf (1 BYSCORE REV LIMIT 0 2 WITHSCORES",
        scored,
        [(7, 1.0)],
    )


def of_ranks() -> Iterator[Row]:
    zremrangebyscore = sortedsets.zremrangebyscore
    for function, name in ((sortedsets.zrank, b"ZRANK"), (sortedsets.zrevrank, b"ZREVRANK")):
        yield Row(call(function, "k", "text"), name + b" p:1:k " + TEXT, 0, 0)
        yield Row(call(function, "k", 1, 2), name + b" p:2:k 1", None, None)
    yield Row(call(sortedsets.zrem, "k", 1, "text"), b"ZREM p:1:k 1 " + TEXT, 2, 2)
    yield Row(call(sortedsets.zrem, "k", 1, version=2), b"ZREM p:2:k 1", 0, 0)
    yield Row(call(sortedsets.zremrangebyrank, "k", 0, -2, 2), b"ZREMRANGEBYRANK p:2:k 0 -2", 3, 3)
    yield Row(call(zremrangebyscore, "k", "-inf", 5), b"ZREMRANGEBYSCORE p:1:k -inf 5", 3, 3)
    yield Row(call(zremrangebyscore, "k", 1, "(5", 2), b"ZREMRANGEBYSCORE p:2:k 1 (5", 0, 0)


def of_pops() -> Iterator[Row]:
    for function, name in ((sortedsets.zpopmin, b"ZPOPMIN"), (sortedsets.zpopmax, b"ZPOPMAX")):
        yield Row(call(function, "k"), name + b" p:1:k", [TEXT, b"1.5"], [("text", 1.5)])
        yield Row(call(function, "k", version=2), name + b" p:2:k", [], [])
        yield Row(
            call(function, "k", 2, 2), name + b" p:2:k 2", [b"7", b"1", b"8", b"2"], [(7, 1.0), (8, 2.0)]
        )
        yield Row(call(function, "k", 0), name + b" p:1:k 0", [], [])


def of_a_sorted_sets_pages() -> Iterator[Row]:
    zscan = sortedsets.zscan
    page: Reply = [b"7", [b"12", b"1", TEXT, b"2", GONE, b"3"]]
    both = [(12, 1.0), ("text", 2.0)]
    yield Row(call(zscan, "k"), b"ZSCAN p:1:k 0 COUNT 1000", page, (7, both))
    yield Row(call(zscan, "k", 7, match="t*", version=2), b"ZSCAN p:2:k 7 COUNT 1000", page, (7, both[1:]))
    yield Row(call(zscan, "k", count=5), b"ZSCAN p:1:k 0 COUNT 5", [b"0", []], (0, []))


NAN = float("nan")
WRONG = cast(Any, "5")

REFUSALS = (
    Refusal(call(sets.sadd, "k"), InvalidArgument, "one or more after the key"),
    Refusal(call(sets.srem, "k"), InvalidArgument, "one or more after the key"),
    Refusal(call(sets.smismember, "k"), InvalidArgument, "one or more after the key"),
    Refusal(call(sets.sadd, LONE, 1), InvalidKey, "UTF-8"),
    Refusal(call(sets.sadd, "k", 1, Engine()), Unencodable, "Engine"),
    Refusal(call(sets.spop, "k", -1), InvalidArgument, "0 or more"),
    Refusal(call(sets.sdiff), InvalidArgument, "one key or more"),
    Refusal(call(sets.sunion, []), InvalidArgument, "one key or more"),
    Refusal(call(sets.sinterstore, "d"), InvalidArgument, "one key or more"),
    Refusal(call(sets.sscan, "k", count=0), InvalidArgument, "1 or more"),
    Refusal(call(sortedsets.zadd, "k", {}), InvalidArgument, "one member or more"),
    Refusal(call(sortedsets.zadd, "k", {1: 1}, nx=True, xx=True), InvalidArgument, "nx stands without"),
    Refusal(call(sortedsets.zadd, "k", {1: 1}, nx=True, gt=True), InvalidArgument, "nx stands without"),
    Refusal(call(sortedsets.zadd, "k", {1: 1}, nx=True, lt=True), InvalidArgument, "nx stands without"),
    Refusal(call(sortedsets.zadd, "k", {1: 1}, gt=True, lt=True), InvalidArgument, "gt without lt"),
    Refusal(call(sortedsets.zadd, "k", {1: 1, 2: 2}, incr=True), InvalidArgument, "give one"),
    Refusal(call(sortedsets.zadd, "k", {1: NAN}), InvalidArgument, "nan"),
    Refusal(call(sortedsets.zadd, "k", {1: WRONG}), InvalidArgument, "a score of type str"),
    Refusal(call(sortedsets.zadd, "k", {1: 10**400}), InvalidArgument, "math.inf"),
    Refusal(call(sortedsets.zadd, "k", {Engine(): 1}), Unencodable, "Engine"),
    Refusal(call(sortedsets.zincrby, "k", NAN, 1), InvalidArgument, "nan"),
    Refusal(call(sortedsets.zcount, "k", "((5", 1), InvalidArgument, "'(5'"),
    Refusal(call(sortedsets.zcount, "k", "", 1), InvalidArgument, "'(5'"),
    Refusal(call(sortedsets.zcount, "k", 1, "nan"), InvalidArgument, "'(5'"),
    Refusal(call(sortedsets.zcount, "k", 1, NAN), InvalidArgument, "nan"),
    Refusal(call(sortedsets.zcount, "k", cast(Any, None), 1), InvalidArgument, "a score of type NoneType"),
    Refusal(call(sortedsets.zrangebyscore, "k", 0, 1, start=1), InvalidArgument, "go together"),
    Refusal(call(sortedsets.zrevrangebyscore, "k", 1, 0, num=1), InvalidArgument, "go together"),
    Refusal(call(sortedsets.zrem, "k"), InvalidArgument, "one or more after the key"),
    Refusal(call(sortedsets.zmscore, "k"), InvalidArgument, "one or more after the key"),
    Refusal(call(sortedsets.zpopmin, "k", -1), InvalidArgument, "0 or more"),
    Refusal(call(sortedsets.zscan, "k", count=0), InvalidArgument, "1 or more"),
)

ROWS = tuple(rows())
