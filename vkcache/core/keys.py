"""Commands on keys of any kind: UNLINK, EXISTS, PEXPIRE, RENAME, SCAN ... (https://valkey.io/commands/#generic).

What may enter: one function a command of valkey's generic group, and what only walks SCAN's pages.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias, TypeVar

from vkcache.core import lua
from vkcache.core.expiry import DEFAULT, Timeout, When, moment, whole_milliseconds
from vkcache.core.keyspace import RESERVED, on_wire
from vkcache.core.plan import (
    ALL,
    COUNTED,
    FIRST_TWO,
    NO_KEYS,
    Arg,
    Command,
    Done,
    Page,
    Pages,
    Plan,
    Reply,
    Spread,
    Steps,
    Verb,
)
from vkcache.core.replies import kind, number, remaining, remaining_seconds, truth, unless_missing, yes
from vkcache.core.scanning import page_size
from vkcache.core.server import flush_db
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument, KeyNotFound

T = TypeVar("T")

UNLINK = Verb(b"UNLINK", ALL, idempotent=True, spread=Spread.SUM, empty=0)
UNLINK_WHOLE = Verb(b"UNLINK", ALL, idempotent=True, empty=0)
EXISTS = Verb(b"EXISTS", ALL, readonly=True, empty=0)
PEXPIRE = Verb(b"PEXPIRE", idempotent=True, empty=0)
PEXPIREAT = Verb(b"PEXPIREAT", idempotent=True, empty=0)
PERSIST = Verb(b"PERSIST", idempotent=True, empty=0)
TOUCH_FOR_EVER = Verb(b"EVAL", COUNTED, idempotent=True, empty=0)
PTTL = Verb(b"PTTL", readonly=True, empty=-2)
EXPIRETIME = Verb(b"EXPIRETIME", readonly=True, empty=-2)
TYPE = Verb(b"TYPE", readonly=True, empty=b"none")
TYPE_FRESH = Verb(b"TYPE", readonly=True, primary=True, empty=b"none")
RENAME = Verb(b"RENAME", FIRST_TWO)
RENAMENX = Verb(b"RENAMENX", FIRST_TWO)
SCAN = Verb(b"SCAN", NO_KEYS, readonly=True, primary=True, spread=Spread.WALK, empty=(b"0", ()))


def has_key(space: Space, key: str, version: int | None = None) -> Command[bool]:
    """Whether something is stored at *key*, readable or not."""
    return Command(EXISTS, (space.key(key, version),), truth)


def expire(space: Space, key: str, timeout: Timeout = DEFAULT, version: int | None = None) -> Command[bool]:
    """True: *key* is there and lives for *timeout* seconds from now; False: it is missing.

    None: it never expires (True also where it did not before). 0 or less: it is deleted.
    """
    return _expire(space.key(key, version), space.lifetime(timeout))


def pexpire(space: Space, key: str, timeout: Timeout = DEFAULT, version: int | None = None) -> Command[bool]:
    """`expire` with a *timeout* in milliseconds."""
    if isinstance(timeout, (int, float)):
        return _expire(space.key(key, version), whole_milliseconds(timeout))
    return expire(space, key, timeout, version)


def touch(space: Space, key: str, timeout: Timeout = DEFAULT, version: int | None = None) -> Command[bool]:
    """`expire`, under the name of Django's contract; with the cache's own jitter."""
    wire = space.key(key, version)
    return _expire(wire, space.spread(timeout, wire))


def _expire(wire: bytes, lifetime: int | None) -> Command[bool]:
    if lifetime is None:
        return Command(TOUCH_FOR_EVER, (lua.PERSIST, 1, wire), truth)
    return Command(PEXPIRE, (wire, lifetime), truth)


def expire_at(space: Space, key: str, when: When, version: int | None = None) -> Command[bool]:
    """True: *key* is there and lives until *when* (a number: Unix seconds); False: it is missing.

    A moment that has passed deletes the key.
    """
    return Command(PEXPIREAT, (space.key(key, version), moment(when, 1000)), truth)


def pexpire_at(space: Space, key: str, when: When, version: int | None = None) -> Command[bool]:
    """`expire_at` where a number is Unix milliseconds."""
    return Command(PEXPIREAT, (space.key(key, version), moment(when, 1)), truth)


def expiretime(space: Space, key: str, version: int | None = None) -> Command[int | None]:
    """The Unix second at which *key* expires; None: never; 0: it is missing."""
    return Command(EXPIRETIME, (space.key(key, version),), remaining)


def persist(space: Space, key: str, version: int | None = None) -> Command[bool]:
    """True: *key* had a time-out and has none any more; False: it is missing or had none."""
    return Command(PERSIST, (space.key(key, version),), truth)


def ttl(space: Space, key: str, version: int | None = None) -> Command[int | None]:
    """The seconds that *key* has left, rounded up; None: it never expires; 0: it is missing."""
    return _time_left(space, space.key(key, version), remaining_seconds)


def pttl(space: Space, key: str, version: int | None = None) -> Command[int | None]:
    """The milliseconds that *key* has left; None: it never expires; 0: it is missing."""
    return _time_left(space, space.key(key, version), remaining)


def _time_left(space: Space, wire: bytes, decode: Callable[[Reply], int | None]) -> Command[int | None]:
    missing = space.conventions.missing_ttl
    return Command(PTTL, (wire,), unless_missing(missing, decode) if missing else decode)


def type(space: Space, key: str, version: int | None = None) -> Command[str | None]:
    """The kind of value, "string", "list", "set", "hash", "zset" or "stream"; None where *key* is missing."""
    return Command(TYPE, (space.key(key, version),), kind)


def rename(
    space: Space,
    src: str,
    dst: str,
    version: int | None = None,
    version_src: int | None = None,
    version_dst: int | None = None,
) -> Command[bool]:
    """True: what was at *src* is at *dst* now, with its time to live; what was at *dst* is gone.

    :raises KeyNotFound: nothing is stored at *src*.
    """
    wires = from_to(space, src, dst, (version, version_src, version_dst))
    return Command(RENAME, wires, partial(_renamed, src, yes))


def renamenx(
    space: Space,
    src: str,
    dst: str,
    version: int | None = None,
    version_src: int | None = None,
    version_dst: int | None = None,
) -> Command[bool]:
    """`rename` where nothing is stored at *dst*: True; else False, and nothing changes.

    :raises KeyNotFound: nothing is stored at *src*.
    """
    wires = from_to(space, src, dst, (version, version_src, version_dst))
    return Command(RENAMENX, wires, partial(_renamed, src, truth))


Versions: TypeAlias = tuple[int | None, int | None, int | None]
"""Of both keys where nothing else is said, of the one, of the other."""


def from_to(space: Space, src: str, dst: str, versions: Versions) -> tuple[bytes, bytes]:
    """Two keys on the wire, each of its own version where that is given, else of the first of *versions*."""
    both, of_src, of_dst = versions
    return space.key(src, both if of_src is None else of_src), space.key(
        dst, both if of_dst is None else of_dst
    )


def _renamed(src: str, decode: Callable[[Reply], T], reply: Reply) -> T:
    if reply is None:  # what stands for a server that could not be asked: it holds nothing
        raise KeyNotFound(f"{src!r}: nothing is stored there")
    return decode(reply)


def incr_version(space: Space, key: str, delta: int = 1, version: int | None = None) -> Command[int]:
    """The version at which the value of *key* is found now: *version* + *delta*. Its time to live stays.

    :raises KeyNotFound: nothing is stored there.
    :raises InvalidArgument: *delta* is no whole number.
    """
    source = space.keyspace.version if version is None else version
    target = source + _whole(delta)
    wires = (space.key(key, source), space.key(key, target))
    return Command(RENAME, wires, partial(_renamed, key, lambda _: target))


def decr_version(space: Space, key: str, delta: int = 1, version: int | None = None) -> Command[int]:
    """`incr_version` by -*delta*."""
    return incr_version(space, key, -_whole(delta), version)


def _whole(delta: object) -> int:
    if not isinstance(delta, int):
        raise InvalidArgument(f"delta, {delta!r}: give a whole number")
    return delta


def scan(
    space: Space,
    cursor: int = 0,
    pattern: str = "*",
    count: int | None = None,
    key_type: str | None = None,
    version: int | None = None,
) -> Command[tuple[int, list[str]]]:
    """The next cursor (0: that was the last page) and a page of the user's own key names.

    A name may come twice in one iteration, and a page may be empty (https://valkey.io/commands/scan/).
    """
    if key_type is not None and not isinstance(key_type, str):
        raise InvalidArgument("key_type is the name of a kind of value; version= is given by its name")
    names = partial(space.keyspace.names, version=version)
    page = page_of(cursor, space.pattern(pattern, version), page_size(space, count), key_type)
    return Command(page.verb, page.args, lambda reply: _then(page.decode(reply), names))


_Wires: TypeAlias = list[bytes]


def _then(page: tuple[int, _Wires], names: Callable[[_Wires], list[str]]) -> tuple[int, list[str]]:
    return page[0], names(page[1])


def page_of(
    cursor: int, match: bytes, count: int, key_type: str | None = None
) -> Command[tuple[int, _Wires]]:
    args: tuple[Arg, ...] = (cursor, b"MATCH", match, b"COUNT", count)
    if key_type is not None:
        args += (b"TYPE", key_type)
    return Command(SCAN, args, _scanned)


def _scanned(reply: Reply) -> tuple[int, _Wires]:
    cursor, wires = reply
    return int(cursor), [wire for wire in wires if not wire.startswith(RESERVED)]


def iter_keys(
    space: Space, pattern: str = "*", itersize: int | None = None, version: int | None = None
) -> Pages[str]:
    """The user's own names of the keys that match the glob *pattern*, each once, *itersize* to a round trip.

    Keys that come or go meanwhile may be seen or not (https://valkey.io/commands/scan/).
    """
    match, count = space.pattern(pattern, version), page_size(space, itersize)
    seen: set[bytes] = set()
    cursor, wires = yield from page_of(0, match, count)
    while True:
        fresh = [wire for wire in dict.fromkeys(wires) if wire not in seen]
        seen.update(fresh)
        yield Page(space.keyspace.names(fresh, version))
        if cursor == 0:
            return
        cursor, wires = yield from page_of(cursor, match, count)


def keys(space: Space, pattern: str = "*", version: int | None = None) -> Steps[list[str]]:
    """The user's own names of all keys that match the glob *pattern*; by SCAN, which holds no server up."""
    match = space.pattern(pattern, version)
    found: dict[bytes, None] = {}
    cursor = -1
    while cursor:
        cursor, wires = yield from page_of(max(cursor, 0), match, space.page)
        found.update(dict.fromkeys(wires))
    return space.keyspace.names(list(found), version)


def each_page(
    space: Space,
    match: bytes,
    work: Callable[[_Wires], Plan[int]],
    itersize: int | None = None,
    key_type: str | None = None,
) -> Steps[int]:
    """The sum of what *work* answers for every page of the keys that match; memory for one page."""
    count, total, cursor = page_size(space, itersize), 0, -1
    while cursor:
        cursor, wires = yield from page_of(max(cursor, 0), match, count, key_type)
        if wires:
            total += yield from work(wires)
    return total


def _unlink(wires: _Wires) -> Command[int]:
    return Command(UNLINK, tuple(wires), number)


def delete_pattern(
    space: Space,
    pattern: str,
    version: int | None = None,
    prefix: str | None = None,
    *,
    itersize: int | None = None,
) -> Steps[int]:
    """How many keys matched the glob *pattern* and are gone; SCAN and UNLINK, *itersize* keys at a time.

    *prefix*: in the place of the cache's own; it matches literally.
    """
    match = space.under(prefix).pattern(pattern, version)
    return (yield from each_page(space, match, _unlink, itersize))


def clear_all_versions(space: Space, itersize: int | None = None) -> Steps[int]:
    """How many keys of this cache, of all versions, are gone. No other cache's are.

    :raises Misconfigured: nothing in its keys tells them from other caches'.
    """
    keyspace = space.keyspace

    def unlink_own(wires: _Wires) -> Plan[int]:
        own = keyspace.owned(wires)
        return _unlink(own) if own else Done(0)

    match = on_wire(keyspace.pattern_of_all_versions())
    return (yield from each_page(space, match, unlink_own, itersize))


def clear(space: Space, version: int | None = None, *, itersize: int | None = None) -> Steps[bool]:
    """True: all keys of this cache are gone, of all versions or of the one named. No other cache's are.

    Conventions of other backends: of its own version where none is named, or the whole database (`flush_db`).

    :raises Misconfigured: nothing in its keys tells them from other caches'.
    """
    keyspace, cleared = space.keyspace, space.conventions.cleared
    if version is None and cleared == "database":
        return (yield from flush_db(space))
    if version is None and cleared == "version":
        version = keyspace.version
    if version is not None:
        yield from each_page(space, on_wire(keyspace.pattern_of_version(version)), _unlink, itersize)
        return True
    yield from clear_all_versions(space, itersize)
    return True
