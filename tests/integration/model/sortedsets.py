"""Sorted sets in a model.

What may enter: a method as `vkcache.core.sortedsets` has it, and its calls.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from hypothesis import strategies as st

from tests.integration.model.sets import matching
from tests.integration.model.store import (
    COUNTS,
    MEMBERS,
    ODD_MEMBERS,
    PATTERNS,
    AnyOrder,
    Store,
    identity,
    keys_of,
    op,
)

Pairs: TypeAlias = list[tuple[Any, float]]


class SortedSets(Store):
    """What a cache answers to commands on sorted sets. What is held: (member, score) by identity."""

    def ordered(self, key: str) -> Pairs:
        """The members with their scores, as a server orders them."""
        held: Pairs = list(self.read(key, "zset").values())
        return sorted(held, key=lambda pair: (pair[1], self.wire(pair[0])))

    def _put(self, key: str, member: Any, score: float) -> None:
        self.write(key, "zset", {**self.read(key, "zset"), identity(member): (member, score)})

    def _drop(self, key: str, pairs: Pairs) -> int:
        return self.zrem(key, *(member for member, _ in pairs))

    def zadd(self, key: str, mapping: dict[Any, float], **flags: bool) -> Any:
        self.read(key, "zset")
        added = changed = 0
        score: float | None = None
        for member, given in mapping.items():
            old = self.zscore(key, member)
            score = _to_write(old, given + (old or 0.0) if flags.get("incr") else float(given), flags)
            if score is not None:
                added += old is None
                changed += score != old
                self._put(key, member, score)
        if flags.get("incr"):
            return score
        return changed if flags.get("ch") else added

    def zincrby(self, key: str, amount: float, member: Any) -> float:
        score = (self.zscore(key, member) or 0.0) + amount
        self._put(key, member, score)
        return score

    def zscore(self, key: str, member: Any) -> float | None:
        pair = self.read(key, "zset").get(identity(member))
        return None if pair is None else pair[1]

    def zmscore(self, key: str, *members: Any) -> list[float | None]:
        return [self.zscore(key, member) for member in members]

    def zcard(self, key: str) -> int:
        return len(self.ordered(key))

    def zcount(self, key: str, min: Any, max: Any) -> int:
        return len(self._between(key, min, max))

    def zrank(self, key: str, member: Any) -> int | None:
        return _place(self.ordered(key), member)

    def zrevrank(self, key: str, member: Any) -> int | None:
        return _place(self.ordered(key)[::-1], member)

    def zrange(
        self, key: str, start: int, end: int, desc: bool = False, withscores: bool = False
    ) -> list[Any]:
        pairs = self.ordered(key)
        return _shown(_slice(pairs[::-1] if desc else pairs, start, end), withscores)

    def zrevrange(self, key: str, start: int, end: int, withscores: bool = False) -> list[Any]:
        return self.zrange(key, start, end, True, withscores)

    def zrangebyscore(self, key: str, min: Any, max: Any, **how: Any) -> list[Any]:
        return _limited(self._between(key, min, max), **how)

    def zrevrangebyscore(self, key: str, max: Any, min: Any, **how: Any) -> list[Any]:
        return _limited(self._between(key, min, max)[::-1], **how)

    def _between(self, key: str, low: Any, high: Any) -> Pairs:
        return [pair for pair in self.ordered(key) if _over(low, pair[1], 1) and _over(high, pair[1], -1)]

    def zrem(self, key: str, *members: Any) -> int:
        held = self.read(key, "zset")
        gone = {identity(member) for member in members} & held.keys()
        self.write(key, "zset", {one: held[one] for one in held.keys() - gone})
        return len(gone)

    def zremrangebyrank(self, key: str, start: int, end: int) -> int:
        return self._drop(key, _slice(self.ordered(key), start, end))

    def zremrangebyscore(self, key: str, min: Any, max: Any) -> int:
        return self._drop(key, self._between(key, min, max))

    def zpopmin(self, key: str, count: int = 1) -> Pairs:
        pairs = self.ordered(key)[:count]
        self._drop(key, pairs)
        return pairs

    def zpopmax(self, key: str, count: int = 1) -> Pairs:
        pairs = self.ordered(key)[::-1][:count]
        self._drop(key, pairs)
        return pairs

    def zscan_iter(self, key: str, match: str | None = None) -> AnyOrder:
        pairs = self.ordered(key)
        found = list(map(identity, matching([member for member, _ in pairs], match)))
        return AnyOrder(pair for pair in pairs if identity(pair[0]) in found)


def _to_write(old: float | None, new: float, flags: dict[str, bool]) -> float | None:
    """The score to write; None where a flag says that nothing is."""
    if old is None:
        return None if flags.get("xx") else new
    stopped = flags.get("nx") or (flags.get("gt") and new <= old) or (flags.get("lt") and new >= old)
    return None if stopped else new


def _place(pairs: Pairs, member: Any) -> int | None:
    places = [place for place, pair in enumerate(pairs) if identity(pair[0]) == identity(member)]
    return places[0] if places else None


def _slice(pairs: Pairs, start: int, end: int) -> Pairs:
    first = max(start + len(pairs) if start < 0 else start, 0)
    last = end + len(pairs) if end < 0 else end
    return pairs[first : last + 1] if last >= 0 else []


def _over(bound: Any, score: float, sign: int) -> bool:
    """Whether *score* is within a lower (*sign* 1) or an upper bound (-1)."""
    excluded = isinstance(bound, str) and bound.startswith("(")
    limit = float(bound[1:] if excluded else bound)
    return score * sign > limit * sign if excluded else score * sign >= limit * sign


def _limited(pairs: Pairs, start: int = 0, num: int = -1, withscores: bool = False) -> list[Any]:
    return _shown(pairs[start:] if num < 0 else pairs[start : start + num], withscores)


def _shown(pairs: Pairs, withscores: bool) -> list[Any]:
    return list(pairs) if withscores else [member for member, _ in pairs]


KEYS = keys_of("sorted")
SCORES = st.sampled_from([0, 1, -1, 2, 0.5, -2.5, 1e20])  # of which no sum is nan
MAPPINGS = st.dictionaries(MEMBERS, SCORES | st.just(math.inf), min_size=2, max_size=8)
ONE = st.dictionaries(MEMBERS, SCORES, min_size=1, max_size=1)
BOUNDS = SCORES | st.sampled_from(["-inf", "+inf", "(1", "(0.5", "(-inf", "2", -math.inf])
PLACES = st.integers(-6, 6)
SOME = st.lists(ODD_MEMBERS, min_size=1, max_size=4)
LIMIT = {"start": st.integers(0, 3), "num": st.integers(-1, 3), "withscores": st.booleans()}

BEGINNING = tuple(op("zadd", st.just(key), MAPPINGS) for key in ("sorted", "other sorted"))
OPERATIONS = (
    op("zadd", KEYS, MAPPINGS, ch=st.booleans()),
    op("zadd", KEYS, MAPPINGS, nx=True, ch=st.booleans()),
    op("zadd", KEYS, MAPPINGS, xx=True, ch=st.booleans()),
    op("zadd", KEYS, MAPPINGS, gt=True, ch=st.booleans(), xx=st.booleans()),
    op("zadd", KEYS, MAPPINGS, lt=True, ch=st.booleans(), xx=st.booleans()),
    op("zadd", KEYS, ONE, incr=True, gt=st.booleans()),
    op("zadd", KEYS, ONE, incr=True, nx=st.booleans()),
    op("zadd", KEYS, ONE, incr=True, xx=True, lt=st.booleans()),
    op("zincrby", KEYS, SCORES, ODD_MEMBERS),
    op("zscore", KEYS, ODD_MEMBERS),
    op("zmscore", KEYS, more=SOME),
    op("zcard", KEYS),
    op("zcount", KEYS, BOUNDS, BOUNDS),
    op("zrank", KEYS, ODD_MEMBERS),
    op("zrevrank", KEYS, ODD_MEMBERS),
    op("zrange", KEYS, PLACES, PLACES, desc=st.booleans(), withscores=st.booleans()),
    op("zrevrange", KEYS, PLACES, PLACES, withscores=st.booleans()),
    op("zrangebyscore", KEYS, BOUNDS, BOUNDS, withscores=st.booleans()),
    op("zrangebyscore", KEYS, BOUNDS, BOUNDS, **LIMIT),
    op("zrevrangebyscore", KEYS, BOUNDS, BOUNDS, **LIMIT),
    op("zrem", KEYS, more=SOME),
    op("zremrangebyrank", KEYS, PLACES, PLACES),
    op("zremrangebyscore", KEYS, BOUNDS, BOUNDS),
    op("zpopmin", KEYS),
    op("zpopmin", KEYS, COUNTS),
    op("zpopmax", KEYS),
    op("zpopmax", KEYS, COUNTS),
    op("zscan_iter", KEYS, match=PATTERNS),
)
