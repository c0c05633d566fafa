"""Commands on lists: LPUSH, LRANGE, LPOS, BLPOP ... (https://valkey.io/commands/#list).

The server finds an item by its bytes, and equal values are written as equal bytes, as far as
`codec.canonical` goes. Indexes count from 0, and from -1 at the end; both ends of a range belong to
it. An item that can not be read is None where it is asked for alone, and left out of a list.

What may enter: one function a command of valkey's list group.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from vkcache.core.keys import from_to
from vkcache.core.plan import FIRST_TWO, Arg, Command, KeySpec, Reply, Verb
from vkcache.core.replies import number, ok
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument, KeyNotFound

_ALL_BUT_LAST = KeySpec(1, -2)

LLEN = Verb(b"LLEN", readonly=True, empty=0)
LPUSH = Verb(b"LPUSH", empty=0)
RPUSH = Verb(b"RPUSH", empty=0)
LPOP = Verb(b"LPOP")
RPOP = Verb(b"RPOP")
LINDEX = Verb(b"LINDEX", readonly=True)
LRANGE = Verb(b"LRANGE", readonly=True, empty=())
LRANGE_FRESH = Verb(b"LRANGE", readonly=True, primary=True, empty=())
LSET = Verb(b"LSET")  # not safe to repeat: meanwhile the index may be another item's
LTRIM = Verb(b"LTRIM")
LREM = Verb(b"LREM", empty=0)
LPOS = Verb(b"LPOS", readonly=True)
LPOS_SEVERAL = Verb(b"LPOS", readonly=True, empty=())
LINSERT = Verb(b"LINSERT", empty=0)
LMOVE = Verb(b"LMOVE", FIRST_TWO)
BLPOP = Verb(b"BLPOP", _ALL_BUT_LAST, blocking=True)
BRPOP = Verb(b"BRPOP", _ALL_BUT_LAST, blocking=True)
BLMOVE = Verb(b"BLMOVE", FIRST_TWO, blocking=True)

_ENDS = ("LEFT", "RIGHT")
LONGEST_WAIT = 10**9  # seconds; a server refuses what it can not add to its clock


def llen(space: Space, key: str, version: int | None = None) -> Command[int]:
    """How many items the list has; 0 where *key* is missing."""
    return Command(LLEN, (space.key(key, version),), number)


def lpush(space: Space, key: str, *values: object, version: int | None = None) -> Command[int]:
    """How many items the list has after *values* were put before its first, one by one: the last comes first.

    Where *key* is missing it is created, without a time-out.

    :raises InvalidArgument: no value is given; nothing was sent.
    :raises Unencodable: a value can not be stored; nothing was sent.
    """
    return _push(space, LPUSH, key, values, version)


def rpush(space: Space, key: str, *values: object, version: int | None = None) -> Command[int]:
    """How many items the list has after *values* were put behind its last, one by one; see `lpush`."""
    return _push(space, RPUSH, key, values, version)


def _push(
    space: Space, verb: Verb, key: str, values: tuple[object, ...], version: int | None
) -> Command[int]:
    if not values:
        raise InvalidArgument("no values to push: give one or more after the key")
    return Command(verb, (space.key(key, version), *[space.item(value) for value in values]), number)


def lpop(space: Space, key: str, count: int | None = None, version: int | None = None) -> Command[Any]:
    """The first item, which is not in the list any more; None where *key* is missing.

    With *count*: a list of the first so many, or of all where there are fewer; empty where *key* is missing.

    :raises InvalidArgument: *count* is negative; nothing was sent.
    """
    return _pop(space, LPOP, key, count, version)


def rpop(space: Space, key: str, count: int | None = None, version: int | None = None) -> Command[Any]:
    """The last item, or with *count* the last ones, the very last first; see `lpop`."""
    return _pop(space, RPOP, key, count, version)


def _pop(space: Space, verb: Verb, key: str, count: int | None, version: int | None) -> Command[Any]:
    wire = space.key(key, version)
    if count is None:
        return Command(verb, (wire,), space.part(wire))
    return Command(verb, (wire, _natural("count", count)), partial(_items, space, wire))


def _items(space: Space, wire: bytes, reply: Reply) -> list[Any]:
    return space.read_parts(wire, reply or ())


def lindex(space: Space, key: str, index: int, version: int | None = None) -> Command[Any]:
    """The item at *index*; None where there is none, or *key* is missing."""
    wire = space.key(key, version)
    return Command(LINDEX, (wire, index), space.part(wire))


def lrange(
    space: Space, key: str, start: int = 0, end: int = -1, version: int | None = None
) -> Command[list[Any]]:
    """The items from *start* to *end*, *end* included; empty where there are none, or *key* is missing."""
    wire = space.key(key, version)
    return Command(LRANGE, (wire, start, end), space.parts(wire))


def lset(space: Space, key: str, index: int, value: object, version: int | None = None) -> Command[bool]:
    """True: *value* is the item at *index* now.

    :raises KeyNotFound: nothing is stored at *key*.
    :raises InvalidArgument: the list has no item at *index*.
    :raises Unencodable: the value can not be stored; nothing was sent.
    """
    if not isinstance(index, int) or not -(2**31) <= index < 2**31:
        # The server takes the lower 32 bits of an index, and another item with them.
        raise InvalidArgument(f"{key!r}: a list has no item at index {index!r}")
    return Command(LSET, (space.key(key, version), index, space.item(value)), partial(_was_set, key))


def _was_set(key: str, reply: Reply) -> bool:
    if reply is None:  # what stands for a server that could not be asked: it holds nothing
        raise KeyNotFound(f"{key!r}: nothing is stored there")
    return ok(reply)


def ltrim(space: Space, key: str, start: int, end: int, version: int | None = None) -> Command[bool]:
    """True: of the list its items from *start* to *end*, *end* included, are left; without any it is gone."""
    return Command(LTRIM, (space.key(key, version), start, end), ok)


def lrem(space: Space, key: str, count: int, value: object, version: int | None = None) -> Command[int]:
    """How many items equal to *value* were removed: at most *count* from the first on; 0 for all.

    A negative *count*: at most so many from the last on.

    :raises Unencodable: the value can not be stored; nothing was sent.
    """
    return Command(LREM, (space.key(key, version), count, space.item(value)), number)


def lpos(
    space: Space,
    key: str,
    value: object,
    rank: int | None = None,
    count: int | None = None,
    maxlen: int | None = None,
    version: int | None = None,
) -> Command[Any]:
    """The index of the first item equal to *value*; None where there is none.

    With *count*: a list of the first so many indexes, 0 for all; empty where there are none. *rank*: 2
    for the second match and those after it ..., negative to search from the end. *maxlen*: how many
    items to compare at most, 0 for all.

    :raises InvalidArgument: *rank* is 0, or *count* or *maxlen* is negative; nothing was sent.
    """
    args: list[Arg] = [space.key(key, version), space.item(value)]
    if rank is not None:
        if rank == 0:
            raise InvalidArgument("rank counts from 1, or from -1 at the end: give one of these")
        args += (b"RANK", rank)
    for name, limit in (("count", count), ("maxlen", maxlen)):
        if limit is not None:
            args += (name.upper(), _natural(name, limit))
    return Command(LPOS if count is None else LPOS_SEVERAL, tuple(args), _index if count is None else list)


def _index(reply: Reply) -> int | None:
    return None if reply is None else int(reply)


def linsert(
    space: Space, key: str, where: str, pivot: object, value: object, version: int | None = None
) -> Command[int]:
    """How many items the list has after *value* was put *where* ("BEFORE" or "AFTER") the first *pivot*.

    -1: no item equals *pivot*; 0: *key* is missing; nothing changes then.

    :raises InvalidArgument: *where* is something else; nothing was sent.
    :raises Unencodable: a value can not be stored; nothing was sent.
    """
    side = _word("where", where, ("BEFORE", "AFTER"))
    return Command(LINSERT, (space.key(key, version), side, space.item(pivot), space.item(value)), number)


def lmove(
    space: Space,
    src: str,
    dst: str,
    wherefrom: str = "LEFT",
    whereto: str = "RIGHT",
    version: int | None = None,
    version_src: int | None = None,
    version_dst: int | None = None,
) -> Command[Any]:
    """The item that was at the end *wherefrom* of *src* and is at the end *whereto* of *dst* now.

    None: *src* is missing, and nothing changes.

    :raises InvalidArgument: an end is neither "LEFT" nor "RIGHT"; nothing was sent.
    """
    wires = from_to(space, src, dst, (version, version_src, version_dst))
    return Command(LMOVE, (*wires, *_ends(wherefrom, whereto)), space.part(wires[0]))


def blpop(
    space: Space, *keys: str | Iterable[str], timeout: float | None = 0, version: int | None = None
) -> Command[tuple[str, Any] | None]:
    """The first item of the first of *keys* that has one, with that key; it is not in the list any more.

    Where none has one, the call waits for the first that comes, for *timeout* seconds; 0 or None: for
    as long as it takes. None: nothing came. *keys*: one by one, or as one sequence.

    :raises InvalidArgument: no key is given, or the time-out is no number of seconds; nothing was sent.
    """
    return _await(space, BLPOP, keys, timeout, version)


def brpop(
    space: Space, *keys: str | Iterable[str], timeout: float | None = 0, version: int | None = None
) -> Command[tuple[str, Any] | None]:
    """The last item of the first of *keys* that has one, with that key; see `blpop`."""
    return _await(space, BRPOP, keys, timeout, version)


def _await(
    space: Space,
    verb: Verb,
    keys: tuple[str | Iterable[str], ...],
    timeout: float | None,
    version: int | None,
) -> Command[tuple[str, Any] | None]:
    several = [[one] if isinstance(one, str) or not isinstance(one, Iterable) else one for one in keys]
    names = tuple([name for some in several for name in some])
    if not names or not all(isinstance(name, str) for name in names):
        raise InvalidArgument("give one key or more, each a str; timeout= is given by its name")
    wires = space.keys(names, version)
    named = dict(zip(wires, names, strict=True))
    return Command(verb, (*wires, on_wire_seconds(timeout)), partial(_popped, space, named))


def _popped(space: Space, names: dict[bytes, str], reply: Reply) -> tuple[str, Any] | None:
    if reply is None:
        return None
    wire, item = reply
    return names[wire], space.read_part(wire, None, item)


def blmove(
    space: Space,
    src: str,
    dst: str,
    timeout: float | None,
    wherefrom: str = "LEFT",
    whereto: str = "RIGHT",
    version: int | None = None,
    version_src: int | None = None,
    version_dst: int | None = None,
) -> Command[Any]:
    """`lmove`, which waits for an item of *src* for *timeout* seconds; 0 or None: for as long as it takes.

    None: nothing came.

    :raises InvalidArgument: an end is neither "LEFT" nor "RIGHT", or the time-out is no number of seconds.
    """
    wires = from_to(space, src, dst, (version, version_src, version_dst))
    args = (*wires, *_ends(wherefrom, whereto), on_wire_seconds(timeout))
    return Command(BLMOVE, args, space.part(wires[0]))


def _ends(wherefrom: str, whereto: str) -> tuple[str, str]:
    return _word("wherefrom", wherefrom, _ENDS), _word("whereto", whereto, _ENDS)


def _word(name: str, given: str, allowed: tuple[str, str]) -> str:
    word = str(given).upper()
    if word not in allowed:
        raise InvalidArgument(f"{name}={given!r}: give {allowed[0]!r} or {allowed[1]!r}")
    return word


def _natural(name: str, given: int) -> int:
    if given < 0:
        raise InvalidArgument(f"{name}={given}: give 0 or more")
    return given


def on_wire_seconds(timeout: float | None) -> bytes:
    """*timeout* in the notation of a server; a short one is never rounded to 0, which would wait for ever."""
    seconds = 0 if timeout is None else timeout
    if not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST_WAIT:
        raise InvalidArgument("timeout is a number of seconds, 0 or more; 0 or None waits for ever")
    return b"%.3f" % max(seconds, 0.001) if seconds else b"0"
