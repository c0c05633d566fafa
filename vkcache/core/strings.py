"""Commands on values: GET, SET, MGET, MSET, INCRBY ... (https://valkey.io/commands/#string).

What may enter: one function a command of valkey's string group. What takes several steps is in
`core.compound`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import chain, islice
from typing import Any, TypeAlias

from vkcache.core import lua
from vkcache.core.expiry import DEFAULT, Timeout
from vkcache.core.freshness import spread
from vkcache.core.keys import EXISTS, UNLINK, UNLINK_WHOLE
from vkcache.core.plan import (
    ALL,
    COUNTED,
    COUNTED_PAIRS,
    PAIRS,
    Arg,
    Batch,
    Command,
    Done,
    GetFeatures,
    Plan,
    Reply,
    Spread,
    Steps,
    Transaction,
    Verb,
)
from vkcache.core.replies import falsehood, nothing, ok, raised, refusing, truth, unread, yes
from vkcache.core.space import MISSING, Space
from vkcache.errors import (
    Aborted,
    CacheError,
    Incomplete,
    InvalidArgument,
    KeyNotFound,
    NotCounter,
    OutOfMemory,
    Unreachable,
)

GET = Verb(b"GET", readonly=True)
GET_FRESH = Verb(b"GET", readonly=True, primary=True)
GETDEL = Verb(b"GETDEL")
GETEX = Verb(b"GETEX", idempotent=True)
SET = Verb(b"SET", idempotent=True)
SET_IF = Verb(b"SET")
MGET = Verb(b"MGET", ALL, readonly=True, empty=())
MGET_SPREAD = Verb(b"MGET", ALL, readonly=True, spread=Spread.GATHER, empty=())
MGET_FRESH = Verb(b"MGET", ALL, readonly=True, primary=True, spread=Spread.GATHER, empty=())
STRLEN = Verb(b"STRLEN", readonly=True, primary=True, empty=0)
MSET = Verb(b"MSET", PAIRS, idempotent=True)
MSET_SPREAD = Verb(b"MSET", PAIRS, idempotent=True, spread=Spread.ALL_OK)
MSETEX = Verb(b"MSETEX", COUNTED_PAIRS, idempotent=True, empty=0)
MSETEX_SPREAD = Verb(b"MSETEX", COUNTED_PAIRS, idempotent=True, spread=Spread.ALL_OK, empty=0)
EVAL = Verb(b"EVAL", COUNTED)

_INT64 = 2**63


def get(space: Space, key: str, default: Any = None, version: int | None = None) -> Command[Any]:
    """The value of *key*; *default* where it is missing. A stored None is a hit and answers None.

    :raises WrongType: the key holds a list, a set, a hash ...
    """
    wire = space.key(key, version)
    return Command(GET, (wire,), partial(space.read, wire, default))


def getex(space: Space, key: str, timeout: Timeout = DEFAULT, version: int | None = None) -> Command[Any]:
    """The value of *key*, which lives for *timeout* from now on; None where it is missing.

    None: it never expires any more. 0 or less: it is deleted.
    """
    wire, lifetime = space.key(key, version), space.lifetime(timeout)
    if lifetime is not None and lifetime <= 0:
        return Command(GETDEL, (wire,), space.value(wire))
    words: tuple[Arg, ...] = (b"PERSIST",) if lifetime is None else (b"PX", lifetime)
    return Command(GETEX, (wire, *words), space.value(wire))


def set(
    space: Space,
    key: str,
    value: object,
    timeout: Timeout = DEFAULT,
    version: int | None = None,
    *,
    nx: bool = False,
    xx: bool = False,
    get: bool = False,
    keepttl: bool = False,
    jitter: float | None = None,
) -> Command[bool | Any]:
    """True: *value* is stored for *timeout*; False: *nx* (if missing) or *xx* (if there) stopped it.

    A time-out of 0 or less leaves nothing stored. With *get*: the old value, or None. *keepttl*: the
    value keeps the time to live that the key has. *jitter*: the part of *timeout*, below 1, by which keys
    that are stored together expire apart; None: the cache's own.

    :raises InvalidArgument: *nx* with *xx*, or *keepttl* with a time-out; nothing was sent.
    :raises Unencodable: the value can not be stored; nothing was sent.
    """
    wire = space.keyspace.wire(key, version)
    stored = space.encode(value, wire)
    lifetime = space.spread(timeout, wire, jitter)
    if nx or xx or get or keepttl:
        if keepttl and not space.means_default(timeout):
            raise InvalidArgument("keepttl=True keeps the time-out that is there: give no timeout= with it")
        return _set_if(space, wire, stored, lifetime, (nx, xx, get, keepttl))
    told = ok if space.conventions.stored else nothing
    if lifetime is None:
        return Command(SET, (wire, stored), told)
    if lifetime <= 0:
        return Command(UNLINK, (wire,), yes if told is ok else nothing)
    return Command(SET, (wire, stored, b"PX", b"%d" % lifetime), told)


_Flags: TypeAlias = tuple[bool, bool, bool, bool]
"""nx, xx, get, keepttl."""


def _set_if(
    space: Space, wire: bytes, stored: bytes, lifetime: int | None, flags: _Flags
) -> Command[bool | Any]:
    nx, xx, get, keepttl = flags
    if nx and xx:
        raise InvalidArgument("nx=True (only if missing) contradicts xx=True (only if there): give one")
    if lifetime is not None and lifetime <= 0 and not keepttl:
        return _set_expired(space, wire, nx, get)
    words = zip(flags, (b"NX", b"XX", b"GET", b"KEEPTTL"), strict=True)
    args: list[Arg] = [wire, stored, *(word for flag, word in words if flag)]
    if lifetime is not None and not keepttl:
        args += (b"PX", lifetime)
    if get:
        return Command(SET_IF, tuple(args), space.value(wire))
    if nx or xx:
        return Command(SET_IF, tuple(args), refusing(space.conventions.stopped, ok))
    return Command(SET, tuple(args), ok if space.conventions.stored else nothing)


def _set_expired(space: Space, wire: bytes, nx: bool, get: bool) -> Command[bool | Any]:
    """What is left of a SET with a condition, NX, XX or GET, whose value would be gone at once."""
    if get:
        return Command(GET if nx else GETDEL, (wire,), space.value(wire))
    if nx:
        return Command(EXISTS, (wire,), refusing(space.conventions.stopped, falsehood))
    return Command(UNLINK, (wire,), refusing(space.conventions.stopped, truth))


def add(
    space: Space,
    key: str,
    value: object,
    timeout: Timeout = DEFAULT,
    version: int | None = None,
    *,
    jitter: float | None = None,
) -> Command[bool]:
    """True: nothing was stored at *key* and *value* is now; False: the key is there and stays as it is."""
    wire = space.keyspace.wire(key, version)
    stored, told = space.encode(value, wire), space.conventions.not_added
    lifetime = space.spread(timeout, wire, jitter)
    if lifetime is None:
        return Command(SET_IF, (wire, stored, b"NX"), refusing(told, ok))
    if lifetime <= 0:
        return Command(EXISTS, (wire,), refusing(told, falsehood))
    return Command(SET_IF, (wire, stored, b"NX", b"PX", b"%d" % lifetime), refusing(told, ok))


def get_many(space: Space, keys: Iterable[str], version: int | None = None) -> Plan[dict[str, Any]]:
    """The values of those *keys* that are there, in the order asked; one round trip a node."""
    return _mget(space, MGET_SPREAD, keys, version)


def mget(space: Space, keys: Iterable[str], version: int | None = None) -> Plan[dict[str, Any]]:
    """The same as one atomic MGET: all values are of one moment."""
    return _mget(space, MGET, keys, version)


def _mget(space: Space, verb: Verb, keys: Iterable[str], version: int | None) -> Plan[dict[str, Any]]:
    names = tuple(dict.fromkeys(keys))
    if not names:
        return Done({})
    wires = space.keys(names, version)
    return Command(verb, wires, partial(_found, space, names, wires))


def _found(space: Space, names: tuple[str, ...], wires: tuple[bytes, ...], replies: Reply) -> dict[str, Any]:
    # An empty answer stands for a server that could not be asked: nothing was found.
    rows = zip(names, wires, replies, strict=bool(replies))
    read = space.read
    found = {name: read(wire, MISSING, reply) for name, wire, reply in rows if reply is not None}
    return {name: value for name, value in found.items() if value is not MISSING}


def set_many(
    space: Space,
    data: Mapping[str, object],
    timeout: Timeout = DEFAULT,
    version: int | None = None,
    *,
    jitter: float | None = None,
) -> Steps[list[str]]:
    """The keys that could not be stored, normally none: a server is out of memory, or one of several is gone.

    One round trip a node. *jitter*: see `set`.

    :raises Unreachable: no server could be reached.
    :raises Unencodable: a value can not be stored; nothing was sent.
    """
    rows, lifetime, part = _rows(space, data, version), space.lifetime(timeout), space.share(jitter)
    if not rows:
        return []
    features = yield from GetFeatures()
    msetex = MSETEX_SPREAD if features.msetex else None
    commands = _stores(rows, lifetime, part, (MSET_SPREAD, UNLINK, msetex))
    if space.conventions.many_at_once and len(commands) > 1:  # one is carried out at once by itself
        return _failed(tuple(data), commands, (yield from Transaction(commands, whole=False)))
    return _failed(tuple(data), commands, (yield from Batch(commands)))


def mset(
    space: Space,
    data: Mapping[str, object],
    timeout: Timeout = DEFAULT,
    version: int | None = None,
    *,
    jitter: float | None = None,
) -> Steps[bool]:
    """True: all of *data* is stored, at one moment. *jitter*: see `set`.

    :raises Unencodable: a value can not be stored; nothing was sent.
    """
    rows, lifetime, part = _rows(space, data, version), space.lifetime(timeout), space.share(jitter)
    if not rows:
        return True
    features = yield from GetFeatures()
    commands = _stores(rows, lifetime, part, (MSET, UNLINK_WHOLE, MSETEX if features.msetex else None))
    if len(commands) == 1:
        return (yield from commands[0])
    stored: list[bool] = raised((yield from Transaction(commands)))
    return all(stored)


_Rows: TypeAlias = list[tuple[bytes, bytes]]


def _rows(space: Space, data: Mapping[str, object], version: int | None) -> _Rows:
    wire, encode = space.keyspace.wire, space.encode
    wires = [(wire(name, version), value) for name, value in data.items()]
    return [(key, encode(value, key)) for key, value in wires]


def _stores(
    rows: _Rows, lifetime: int | None, part: float, verbs: tuple[Verb, Verb, Verb | None]
) -> tuple[Command[bool], ...]:
    """One command that stores all *rows* where the server has one, else a command for each.

    *part*: by which of *lifetime* they expire apart.
    """
    mset, unlink, msetex = verbs
    if lifetime is None:
        return (Command(mset, tuple(chain.from_iterable(rows)), ok),)
    if lifetime <= 0:
        return (Command(unlink, tuple([key for key, _ in rows]), yes),)
    if msetex is not None and not part:
        return (Command(msetex, (len(rows), *chain.from_iterable(rows), b"PX", lifetime), truth),)
    return tuple(
        [Command(SET, (key, stored, b"PX", b"%d" % spread(lifetime, key, part)), ok) for key, stored in rows]
    )


_OF_ONE_KEY = (OutOfMemory, Unreachable, Aborted)
"""The errors with which a key counts as one that could not be stored."""


def _failed(
    names: tuple[str, ...], commands: tuple[Command[bool], ...], results: list[bool | CacheError]
) -> list[str]:
    failed: list[str] = []
    rest = iter(names)
    for command, result in zip(commands, results, strict=True):
        written = dict(zip(command.keys, islice(rest, len(command.keys)), strict=False))
        if isinstance(result, Incomplete):
            failed += [name for key, name in written.items() if key in result.missing]
        elif isinstance(result, CacheError) and not isinstance(result, _OF_ONE_KEY):
            raise result
        elif result is not True:
            failed += written.values()
    return failed


def incr(
    space: Space, key: str, delta: int = 1, version: int | None = None, *, ignore_key_check: bool = False
) -> Command[int]:
    """The number at *key* after *delta* was added to it; its time to live stays. Atomic, one round trip.

    *ignore_key_check*: a missing key counts as 0 and is created, without a time-out.

    :raises KeyNotFound: nothing is stored there.
    :raises NotCounter: the value or *delta* is no integer of 64 bits; `core.compound.incr` adds others too.
    :raises WrongType: the key holds a list, a set, a hash ...
    """
    wire = space.key(key, version)
    if not isinstance(delta, int) or not -_INT64 <= delta < _INT64:
        raise NotCounter(f"{key!r}: delta is no integer of 64 bits, which is all that a server can add")
    args = (lua.INCR, 1, wire, b"%d" % delta, b"1" if ignore_key_check else b"0")
    return Command(EVAL, args, partial(_counted, key))


def decr(
    space: Space, key: str, delta: int = 1, version: int | None = None, *, ignore_key_check: bool = False
) -> Command[int]:
    """`incr` by -*delta*."""
    negative = -delta if isinstance(delta, int) else delta  # which `incr` refuses
    return incr(space, key, negative, version, ignore_key_check=ignore_key_check)


def _counted(key: str, reply: Reply) -> int:
    if reply is None:
        raise KeyNotFound(f"{key!r}: nothing is stored there to count from; add() it first")
    if isinstance(reply, list):
        raise NotCounter(f"{key!r} holds no integer of 64 bits, which is all that a server can add to")
    return int(reply)


def stored(space: Space, key: str, version: int | None = None) -> Command[bytes | None]:
    """The bytes at *key* as they are; None where it is missing."""
    return Command(GET_FRESH, (space.key(key, version),), unread)


def swap(space: Space, key: str, expected: bytes, new: bytes, version: int | None = None) -> Command[bool]:
    """True: *key* held the bytes *expected* and holds *new* now, with the same time to live; else False.

    :raises KeyNotFound: errors are ignored and there was one. An answer of False would be tried again.
    """
    return Command(EVAL, (lua.SWAP, 1, space.key(key, version), expected, new), partial(_swapped, key))


def _swapped(key: str, reply: Reply) -> bool:
    if reply is None:
        raise KeyNotFound(f"{key!r}: the server stores nothing there")
    return bool(reply)
