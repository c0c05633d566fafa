"""Commands on sets: SADD, SMEMBERS, SDIFF, SSCAN ... (https://valkey.io/commands/#set).

The server compares members by their bytes, and equal values are written as equal bytes: ``{"a": 1,
"b": 2}`` and ``{"b": 2, "a": 1}`` are one member. 1, 1.0 and True are three; as Python holds them for
equal, they are one in the Python set that comes back. Not one member, though equal: values that hold
a set, whose order, hence its pickle, is its process's own; dicts in another order whose names are not
all text; objects of one's own whose attributes were set in another order; and whatever was written
before the serializer was changed.

What may enter: one function a command of valkey's set group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

from vkcache.core.globs import accepts
from vkcache.core.keys import Versions, from_to
from vkcache.core.plan import ALL, FIRST_TWO, Command, Pages, Reply, Verb
from vkcache.core.replies import number, truth
from vkcache.core.scanning import Rows, each_once, page_size
from vkcache.core.space import MISSING, Space
from vkcache.errors import InvalidArgument

Members: TypeAlias = set[Any] | list[Any]
"""A set; a list where a member can not be in one (a dict, a list), as no member is left out for that."""

SADD = Verb(b"SADD", idempotent=True, empty=0)
SREM = Verb(b"SREM", idempotent=True, empty=0)
SMEMBERS = Verb(b"SMEMBERS", readonly=True, empty=())
SISMEMBER = Verb(b"SISMEMBER", readonly=True, empty=0)
SMISMEMBER = Verb(b"SMISMEMBER", readonly=True, empty=())
SCARD = Verb(b"SCARD", readonly=True, empty=0)
SPOP = Verb(b"SPOP")
SPOP_SEVERAL = Verb(b"SPOP", empty=())
SRANDMEMBER = Verb(b"SRANDMEMBER", readonly=True)
SRANDMEMBER_SEVERAL = Verb(b"SRANDMEMBER", readonly=True, empty=())
SMOVE = Verb(b"SMOVE", FIRST_TWO, idempotent=True, empty=0)
SDIFF = Verb(b"SDIFF", ALL, readonly=True, empty=())
SINTER = Verb(b"SINTER", ALL, readonly=True, empty=())
SUNION = Verb(b"SUNION", ALL, readonly=True, empty=())
SDIFFSTORE = Verb(b"SDIFFSTORE", ALL, empty=0)  # where it overwrites what it subtracts, a repetition differs
SINTERSTORE = Verb(b"SINTERSTORE", ALL, idempotent=True, empty=0)
SUNIONSTORE = Verb(b"SUNIONSTORE", ALL, idempotent=True, empty=0)
SSCAN = Verb(b"SSCAN", readonly=True, primary=True, empty=(b"0", ()))


def sadd(space: Space, key: str, *members: object, version: int | None = None) -> Command[int]:
    """How many of *members* were not in the set and are now; where *key* is missing it is created.

    :raises InvalidArgument: no member is given; nothing was sent.
    """
    return Command(SADD, (space.key(key, version), *encoded(space.member, members)), number)


def srem(space: Space, key: str, *members: object, version: int | None = None) -> Command[int]:
    """How many of *members* were in the set and are not any more; 0 where *key* is missing.

    :raises InvalidArgument: no member is given; nothing was sent.
    """
    return Command(SREM, (space.key(key, version), *encoded(space.member, members)), number)


def smembers(space: Space, key: str, version: int | None = None) -> Command[Members]:
    """All members; an empty set where *key* is missing, a list where a member is unhashable."""
    wire = space.key(key, version)
    return Command(SMEMBERS, (wire,), partial(_members, space, wire))


def sismember(space: Space, key: str, member: object, version: int | None = None) -> Command[bool]:
    """Whether *member* is in the set; False where *key* is missing."""
    return Command(SISMEMBER, (space.key(key, version), space.member(member)), truth)


def smismember(space: Space, key: str, *members: object, version: int | None = None) -> Command[list[bool]]:
    """Whether each of *members* is in the set, in their order; all False where *key* is missing.

    :raises InvalidArgument: no member is given; nothing was sent.
    """
    absent = [False] * len(members)
    args = (space.key(key, version), *encoded(space.member, members))
    return Command(SMISMEMBER, args, lambda reply: [truth(one) for one in reply] or absent)


def scard(space: Space, key: str, version: int | None = None) -> Command[int]:
    """How many members the set has; 0 where *key* is missing."""
    return Command(SCARD, (space.key(key, version),), number)


def spop(space: Space, key: str, count: int | None = None, version: int | None = None) -> Command[Any]:
    """A random member, which is not in the set any more; None where *key* is missing.

    With *count*: a list of so many of them, or of all where there are fewer.

    :raises InvalidArgument: *count* is negative; nothing was sent.
    """
    if count is not None and count < 0:
        raise InvalidArgument(f"spop of {count} members: give a count of 0 or more, or none")
    wire = space.key(key, version)
    if count is not None and space.conventions.popped_as_set:
        return Command(SPOP_SEVERAL, (wire, count), partial(_members, space, wire))
    return _random(space, (SPOP, SPOP_SEVERAL), wire, count)


def srandmember(space: Space, key: str, count: int | None = None, version: int | None = None) -> Command[Any]:
    """A random member, which stays in the set; None where *key* is missing.

    With *count*: a list of so many different ones, or of all where there are fewer; with a negative
    one exactly so many, among which one may come several times.
    """
    return _random(space, (SRANDMEMBER, SRANDMEMBER_SEVERAL), space.key(key, version), count)


def _random(space: Space, verbs: tuple[Verb, Verb], wire: bytes, count: int | None) -> Command[Any]:
    one, several = verbs
    if count is None:
        return Command(one, (wire,), space.part(wire))
    return Command(several, (wire, count), space.parts(wire))


def smove(
    space: Space,
    src: str,
    dst: str,
    member: object,
    version: int | None = None,
    version_src: int | None = None,
    version_dst: int | None = None,
) -> Command[bool]:
    """True: *member* was in *src* and is in *dst* now; False: it was not, and nothing changes."""
    wires = from_to(space, src, dst, (version, version_src, version_dst))
    return Command(SMOVE, (*wires, space.member(member)), truth)


def sdiff(space: Space, *keys: str | Iterable[str], version: int | None = None) -> Command[Members]:
    """What is in the first of *keys* and in none of the others; a missing one is an empty set.

    *keys* of this and the following: one by one, or as one sequence.

    :raises InvalidArgument: no key is given; nothing was sent.
    """
    return _combined(space, SDIFF, keys, version)


def sinter(space: Space, *keys: str | Iterable[str], version: int | None = None) -> Command[Members]:
    """What is in all of *keys*; see `sdiff`."""
    return _combined(space, SINTER, keys, version)


def sunion(space: Space, *keys: str | Iterable[str], version: int | None = None) -> Command[Members]:
    """What is in any of *keys*; see `sdiff`."""
    return _combined(space, SUNION, keys, version)


def sdiffstore(
    space: Space,
    dest: str,
    *keys: str | Iterable[str],
    version: int | None = None,
    version_dest: int | None = None,
    version_keys: int | None = None,
) -> Command[int]:
    """How many members `sdiff` has, which are what *dest* holds now, for ever; with 0 *dest* is gone."""
    return _stored(space, SDIFFSTORE, dest, keys, (version, version_dest, version_keys))


def sinterstore(
    space: Space,
    dest: str,
    *keys: str | Iterable[str],
    version: int | None = None,
    version_dest: int | None = None,
    version_keys: int | None = None,
) -> Command[int]:
    """How many members `sinter` has, which are what *dest* holds now, for ever; with 0 *dest* is gone."""
    return _stored(space, SINTERSTORE, dest, keys, (version, version_dest, version_keys))


def sunionstore(
    space: Space,
    dest: str,
    *keys: str | Iterable[str],
    version: int | None = None,
    version_dest: int | None = None,
    version_keys: int | None = None,
) -> Command[int]:
    """How many members `sunion` has, which are what *dest* holds now, for ever; with 0 *dest* is gone."""
    return _stored(space, SUNIONSTORE, dest, keys, (version, version_dest, version_keys))


_Names: TypeAlias = tuple[str | Iterable[str], ...]


def _combined(space: Space, verb: Verb, keys: _Names, version: int | None) -> Command[Members]:
    wires = _wires(space, keys, version)
    return Command(verb, wires, partial(_members, space, wires[0]))


def _stored(space: Space, verb: Verb, dest: str, keys: _Names, versions: Versions) -> Command[int]:
    both, of_dest, of_keys = versions
    wire = space.key(dest, both if of_dest is None else of_dest)
    return Command(verb, (wire, *_wires(space, keys, both if of_keys is None else of_keys)), number)


def _wires(space: Space, keys: _Names, version: int | None) -> tuple[bytes, ...]:
    names = [name for one in keys for name in ([one] if isinstance(one, str) else one)]
    if not names:
        raise InvalidArgument("no keys of sets: give one key or more")
    return space.keys(tuple(names), version)


def sscan(
    space: Space,
    key: str,
    cursor: int = 0,
    match: str | None = None,
    count: int | None = None,
    version: int | None = None,
) -> Command[tuple[int, Members]]:
    """The next cursor (0: that was the last page) and a page of members.

    *match*: only those whose text, ``str(member)``, the glob matches; a page may be empty then. About
    *count* members are looked at, all of a small set. A member may come on two pages.
    """
    page = _page(space, key, match, count, version, cursor)
    then: Callable[[tuple[int, Rows[Any]]], Any] = _alone if space.conventions.scanned_as_set else _then
    return Command(page.verb, page.args, lambda reply: then(page.decode(reply)))


def sscan_iter(
    space: Space, key: str, match: str | None = None, count: int | None = None, version: int | None = None
) -> Pages[Any]:
    """The members, each once, about *count* to a round trip; *match* as in `sscan`.

    Members that come or go meanwhile may be seen or not (https://valkey.io/commands/scan/).
    """
    return each_once(partial(_page, space, key, match, count, version))


def _page(
    space: Space, key: str, match: str | None, count: int | None, version: int | None, cursor: int
) -> Command[tuple[int, Rows[Any]]]:
    wire, matches = space.key(key, version), accepts(match)

    def read(reply: Reply) -> tuple[int, Rows[Any]]:
        rows = [(member, space.read_part(wire, MISSING, member)) for member in reply[1]]
        return int(reply[0]), [row for row in rows if row[1] is not MISSING and matches(row[1])]

    return Command(SSCAN, (wire, cursor, b"COUNT", page_size(space, count)), read)


def _then(page: tuple[int, Rows[Any]]) -> tuple[int, Members]:
    return page[0], _gathered([member for _, member in page[1]])


def _alone(page: tuple[int, Rows[Any]]) -> Members:
    return _then(page)[1]


def _members(space: Space, wire: bytes, reply: Reply) -> Members:
    return _gathered(space.read_parts(wire, reply))


def _gathered(members: list[Any]) -> Members:
    try:
        return set(members)
    except TypeError:
        return members


def encoded(write: Callable[[object], bytes], members: tuple[object, ...]) -> list[bytes]:
    """The bytes that *write* makes of each of *members*.

    :raises InvalidArgument: there are none.
    """
    if not members:
        raise InvalidArgument("no members: give one or more after the key")
    return [write(member) for member in members]
