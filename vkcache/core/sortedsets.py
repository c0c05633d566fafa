"""Commands on sorted sets: ZADD, ZRANGE, ZSCORE, ZSCAN ... (https://valkey.io/commands/#sorted-set).

Members are those of `core.sets`, equal ones written as equal bytes. Scores are floats of 64 bits;
they may be infinite. Members of one score are ordered by their bytes, which is not always the order
that Python has for the values.

What may enter: one function a command of valkey's sorted-set group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from vkcache.core.globs import accepts
from vkcache.core.plan import Arg, Command, Pages, Reply, Verb
from vkcache.core.replies import number
from vkcache.core.scanning import Rows, each_once, page_size
from vkcache.core.sets import encoded
from vkcache.core.space import MISSING, Space
from vkcache.errors import InvalidArgument

Scored: TypeAlias = tuple[Any, float]
"""A member and its score."""
Bound: TypeAlias = float | str
"""An end of a range of scores: a number, "-inf", "+inf", or a number that is not itself in it, "(5"."""
Cast: TypeAlias = Callable[[float], Any]
"""What a score goes through on its way back."""

ZADD = Verb(b"ZADD", idempotent=True, empty=0)
ZADD_NEW = Verb(b"ZADD", empty=0)
ZADD_INCR = Verb(b"ZADD")
ZCARD = Verb(b"ZCARD", readonly=True, empty=0)
ZCOUNT = Verb(b"ZCOUNT", readonly=True, empty=0)
ZINCRBY = Verb(b"ZINCRBY")
ZRANGE = Verb(b"ZRANGE", readonly=True, empty=())
ZRANK = Verb(b"ZRANK", readonly=True)
ZREVRANK = Verb(b"ZREVRANK", readonly=True)
ZREM = Verb(b"ZREM", idempotent=True, empty=0)
ZREMRANGEBYRANK = Verb(b"ZREMRANGEBYRANK", empty=0)
ZREMRANGEBYSCORE = Verb(b"ZREMRANGEBYSCORE", idempotent=True, empty=0)
ZSCORE = Verb(b"ZSCORE", readonly=True)
ZMSCORE = Verb(b"ZMSCORE", readonly=True, empty=())
ZPOPMIN = Verb(b"ZPOPMIN", empty=())
ZPOPMAX = Verb(b"ZPOPMAX", empty=())
ZSCAN = Verb(b"ZSCAN", readonly=True, primary=True, empty=(b"0", ()))


def zadd(
    space: Space,
    key: str,
    mapping: Mapping[Any, float],
    *,
    nx: bool = False,
    xx: bool = False,
    ch: bool = False,
    gt: bool = False,
    lt: bool = False,
    incr: bool = False,
    version: int | None = None,
) -> Command[int | Any]:
    """How many members of *mapping* (member to score) are new; with *ch*: new, or of another score now.

    *nx*: members that are there keep their score; *xx*: no new ones; *gt*, *lt*: members that are there
    get the new score only where it is greater, less. With *incr*: the score is added to that of the one
    member, and the answer is the sum as a float, or None where a flag stopped it.

    :raises InvalidArgument: *mapping* is empty, a score is no number, or flags contradict; nothing was sent.
    """
    flags = (nx, xx, gt, lt, ch, incr)
    _check_flags(flags, len(mapping))
    words = zip(flags, (b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"), strict=True)
    args: list[Arg] = [space.key(key, version), *(word for flag, word in words if flag)]
    for member, score in mapping.items():
        args += (_sent(score), space.ranked(member))
    if incr:
        return Command(ZADD_INCR, tuple(args), _score)
    return Command(ZADD_NEW if nx else ZADD, tuple(args), number)


def _check_flags(flags: tuple[bool, bool, bool, bool, bool, bool], members: int) -> None:
    nx, xx, gt, lt, _, incr = flags
    if (nx and (xx or gt or lt)) or (gt and lt):
        raise InvalidArgument("zadd: nx stands without xx, gt and lt, and gt without lt: give one of them")
    if not members:
        raise InvalidArgument("zadd of no members: give a mapping of one member or more to scores")
    if incr and members > 1:
        raise InvalidArgument(f"zadd with incr=True of {members} members: give one, or use a pipeline")


def zcard(space: Space, key: str, version: int | None = None) -> Command[int]:
    """How many members the sorted set has; 0 where *key* is missing."""
    return Command(ZCARD, (space.key(key, version),), number)


def zcount(space: Space, key: str, min: Bound, max: Bound, version: int | None = None) -> Command[int]:
    """How many members have a score from *min* to *max*; 0 where *key* is missing.

    :raises InvalidArgument: a bound is no `Bound`; nothing was sent.
    """
    return Command(ZCOUNT, (space.key(key, version), _bound(min), _bound(max)), number)


def zincrby(
    space: Space, key: str, amount: float, member: object, version: int | None = None
) -> Command[float]:
    """The score of *member* after *amount* was added to it; it counts as 0 where it is missing.

    :raises InvalidArgument: *amount* is no number; nothing was sent.
    """
    args = (space.key(key, version), _sent(amount), space.ranked(member))
    return Command(ZINCRBY, args, lambda reply: float(amount if reply is None else reply))


def zrange(
    space: Space,
    key: str,
    start: int,
    end: int,
    desc: bool = False,
    withscores: bool = False,
    score_cast_func: Cast = float,
    version: int | None = None,
) -> Command[list[Any]]:
    """The members from position *start* to *end*, both of them included, by rising score.

    0 is the first, -1 the last. *desc*: by falling score, 0 is the highest. *withscores*: pairs of a
    member and what *score_cast_func* makes of its score, a float. An empty list where *key* is missing.
    """
    words = (b"REV",) if desc else ()
    return _range(space, key, (start, end, *words), withscores, score_cast_func, version)


def zrange_withscores(
    space: Space, key: str, start: int, end: int, *, desc: bool = False, version: int | None = None
) -> Command[list[Scored]]:
    """`zrange` with scores, typed so."""
    return zrange(space, key, start, end, desc=desc, withscores=True, version=version)


def zrevrange(
    space: Space,
    key: str,
    start: int,
    end: int,
    withscores: bool = False,
    score_cast_func: Cast = float,
    version: int | None = None,
) -> Command[list[Any]]:
    """`zrange` by falling score."""
    args = (start, end, b"REV")
    return _range(space, key, args, withscores, score_cast_func, version)


def zrangebyscore(
    space: Space,
    key: str,
    min: Bound,
    max: Bound,
    start: int | None = None,
    num: int | None = None,
    withscores: bool = False,
    score_cast_func: Cast = float,
    version: int | None = None,
) -> Command[list[Any]]:
    """The members whose score is from *min* to *max*, by rising score; *withscores* as in `zrange`.

    *start* and *num*: of these, *num* from position *start* on; a negative *num*: all from there on.

    :raises InvalidArgument: a bound is no `Bound`, or *start* is given without *num*; nothing was sent.
    """
    args = (_bound(min), _bound(max), b"BYSCORE", *_limit(start, num))
    return _range(space, key, args, withscores, score_cast_func, version)


def zrangebyscore_withscores(
    space: Space,
    key: str,
    min: Bound,
    max: Bound,
    *,
    start: int | None = None,
    num: int | None = None,
    version: int | None = None,
) -> Command[list[Scored]]:
    """`zrangebyscore` with scores, typed so."""
    return zrangebyscore(space, key, min, max, start=start, num=num, withscores=True, version=version)


def zrevrangebyscore(
    space: Space,
    key: str,
    max: Bound,
    min: Bound,
    start: int | None = None,
    num: int | None = None,
    withscores: bool = False,
    score_cast_func: Cast = float,
    version: int | None = None,
) -> Command[list[Any]]:
    """`zrangebyscore` by falling score; *max* comes first."""
    args = (_bound(max), _bound(min), b"BYSCORE", b"REV", *_limit(start, num))
    return _range(space, key, args, withscores, score_cast_func, version)


def _range(
    space: Space, key: str, args: tuple[Arg, ...], withscores: bool, cast: Cast, version: int | None
) -> Command[list[Any]]:
    wire = space.key(key, version)
    if withscores:
        return Command(ZRANGE, (wire, *args, b"WITHSCORES"), partial(_scored, space, wire, cast))
    return Command(ZRANGE, (wire, *args), space.parts(wire))


def _limit(start: int | None, num: int | None) -> tuple[Arg, ...]:
    if start is None and num is None:
        return ()
    if start is None or num is None:
        raise InvalidArgument("start= and num= go together: give both or neither")
    return (b"LIMIT", start, num)


def zrank(space: Space, key: str, member: object, version: int | None = None) -> Command[int | None]:
    """The position of *member* by rising score, from 0; None where it or *key* is missing."""
    return Command(ZRANK, (space.key(key, version), space.ranked(member)), _rank)


def zrevrank(space: Space, key: str, member: object, version: int | None = None) -> Command[int | None]:
    """The position of *member* by falling score, from 0; None where it or *key* is missing."""
    return Command(ZREVRANK, (space.key(key, version), space.ranked(member)), _rank)


def zrem(space: Space, key: str, *members: object, version: int | None = None) -> Command[int]:
    """How many of *members* were there and are not any more; 0 where *key* is missing.

    :raises InvalidArgument: no member is given; nothing was sent.
    """
    return Command(ZREM, (space.key(key, version), *encoded(space.ranked, members)), number)


def zremrangebyrank(space: Space, key: str, start: int, end: int, version: int | None = None) -> Command[int]:
    """How many members were removed: those from position *start* to *end* by rising score (see `zrange`)."""
    return Command(ZREMRANGEBYRANK, (space.key(key, version), start, end), number)


def zremrangebyscore(
    space: Space, key: str, min: Bound, max: Bound, version: int | None = None
) -> Command[int]:
    """How many members were removed: those whose score is from *min* to *max*.

    :raises InvalidArgument: a bound is no `Bound`; nothing was sent.
    """
    return Command(ZREMRANGEBYSCORE, (space.key(key, version), _bound(min), _bound(max)), number)


def zscore(space: Space, key: str, member: object, version: int | None = None) -> Command[float | None]:
    """The score of *member*; None where it or *key* is missing."""
    return Command(ZSCORE, (space.key(key, version), space.ranked(member)), _score)


def zmscore(
    space: Space, key: str, *members: object, version: int | None = None
) -> Command[list[float | None]]:
    """The score of each of *members*, in their order; None for one that is missing.

    :raises InvalidArgument: no member is given; nothing was sent.
    """
    absent: list[float | None] = [None] * len(members)
    args = (space.key(key, version), *encoded(space.ranked, members))
    return Command(ZMSCORE, args, lambda reply: [_score(one) for one in reply] or absent)


def zpopmin(
    space: Space, key: str, count: int | None = None, version: int | None = None
) -> Command[list[Scored]]:
    """The member of the lowest score with it, not there any more; an empty list where *key* is missing.

    With *count*: so many of them, the lowest first, or all where there are fewer.

    :raises InvalidArgument: *count* is negative; nothing was sent.
    """
    return _pop(space, ZPOPMIN, key, count, version)


def zpopmax(
    space: Space, key: str, count: int | None = None, version: int | None = None
) -> Command[list[Scored]]:
    """`zpopmin` of the highest score; with *count* the highest first."""
    return _pop(space, ZPOPMAX, key, count, version)


def _pop(space: Space, verb: Verb, key: str, count: int | None, version: int | None) -> Command[list[Scored]]:
    if count is not None and count < 0:
        raise InvalidArgument(f"a pop of {count} members: give a count of 0 or more, or none")
    wire = space.key(key, version)
    args: tuple[Arg, ...] = (wire,) if count is None else (wire, count)
    read = partial(_scored, space, wire, float)
    if count is None and space.conventions.popped_alone:
        return Command(verb, args, _first_of(read))
    return Command(verb, args, read)


def _first_of(read: Callable[[Reply], list[Scored]]) -> Callable[[Reply], Any]:
    return lambda reply: next(iter(read(reply)), None)


def zscan(
    space: Space,
    key: str,
    cursor: int = 0,
    *,
    match: str | None = None,
    count: int | None = None,
    version: int | None = None,
) -> Command[tuple[int, list[Scored]]]:
    """The next cursor (0: that was the last page) and a page of members with their scores.

    *match*: only those whose text, ``str(member)``, the glob matches; a page may be empty then. About
    *count* members are looked at, all of a small set. A member may come on two pages.
    """
    page = _page(space, key, match, count, version, cursor)
    return Command(page.verb, page.args, lambda reply: _then(page.decode(reply)))


def zscan_iter(
    space: Space, key: str, *, match: str | None = None, count: int | None = None, version: int | None = None
) -> Pages[Scored]:
    """The members with their scores, each member once, about *count* to a round trip; *match* as in `zscan`.

    Members that come or go meanwhile may be seen or not (https://valkey.io/commands/scan/).
    """
    return each_once(partial(_page, space, key, match, count, version))


def _page(
    space: Space, key: str, match: str | None, count: int | None, version: int | None, cursor: int
) -> Command[tuple[int, Rows[Scored]]]:
    wire, matches = space.key(key, version), accepts(match)

    def read(reply: Reply) -> tuple[int, Rows[Scored]]:
        rows = _rows(space, wire, float, reply[1])
        return int(reply[0]), [row for row in rows if matches(row[1][0])]

    return Command(ZSCAN, (wire, cursor, b"COUNT", page_size(space, count)), read)


def _then(page: tuple[int, Rows[Scored]]) -> tuple[int, list[Scored]]:
    return page[0], [scored for _, scored in page[1]]


def _scored(space: Space, wire: bytes, cast: Cast, reply: Reply) -> list[tuple[Any, Any]]:
    return [scored for _, scored in _rows(space, wire, cast, reply)]


def _rows(space: Space, wire: bytes, cast: Cast, reply: Reply) -> Rows[tuple[Any, Any]]:
    """The readable members of *reply*, a flat list of members and scores."""
    rows = zip(reply[::2], reply[1::2], strict=True)
    read = [(member, space.read_part(wire, MISSING, member), score) for member, score in rows]
    return [(member, (value, cast(float(score)))) for member, value, score in read if value is not MISSING]


def _rank(reply: Reply) -> int | None:
    return None if reply is None else int(reply)


def _score(reply: Reply) -> float | None:
    return None if reply is None else float(reply)


def _sent(score: float) -> bytes:
    if not isinstance(score, (int, float)):
        raise InvalidArgument(f"a score of type {type(score).__name__}: give an int or a float")
    return _written(score)


def _bound(bound: Bound) -> bytes:
    """*bound* as the server reads it; what a float is, Python says."""
    if not isinstance(bound, str):
        return _sent(bound)
    excluded = bound.startswith("(")
    try:
        return b"(" * excluded + _written(float(bound[excluded:]))
    except ValueError:
        raise InvalidArgument("a bound of scores: give a number, '-inf', '+inf' or '(5'") from None


def _written(score: float) -> bytes:
    try:
        exact = float(score)
    except OverflowError:
        raise InvalidArgument("a score beyond what a float can hold: math.inf is the greatest") from None
    if exact != exact:
        raise InvalidArgument("a score of nan, which has no order: give a number")
    return repr(exact).removesuffix(".0").encode()
