"""Commands on hashes: HSET, HGETALL, HINCRBY, HSCAN ... (https://valkey.io/commands/#hash).

A field's name is text. The cache's layout says what it, and the hash's key, are called on the wire. What
it holds goes through the codec; a float that HINCRBYFLOAT has written is the server's own decimal text,
and read as a float, or as an int where no fraction is left.

What may enter: one function a command of valkey's hash group. What takes several steps is in
`core.compound`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from vkcache.core import lua
from vkcache.core.plan import COUNTED, Arg, Command, Pages, Reply, Verb
from vkcache.core.replies import number, ok, truth, unread
from vkcache.core.scanning import Rows, each_once, page_size
from vkcache.core.space import MISSING, Space
from vkcache.errors import InvalidArgument

HSET = Verb(b"HSET", idempotent=True, empty=0)
HMSET = Verb(b"HMSET", idempotent=True)
HSETNX = Verb(b"HSETNX", empty=0)
HDEL = Verb(b"HDEL", idempotent=True, empty=0)
HEXISTS = Verb(b"HEXISTS", readonly=True, empty=0)
HGET = Verb(b"HGET", readonly=True)
HGET_FRESH = Verb(b"HGET", readonly=True, primary=True)
HMGET = Verb(b"HMGET", readonly=True, empty=())
HGETALL = Verb(b"HGETALL", readonly=True, empty=())
HKEYS = Verb(b"HKEYS", readonly=True, empty=())
HVALS = Verb(b"HVALS", readonly=True, empty=())
HLEN = Verb(b"HLEN", readonly=True, empty=0)
HINCRBY = Verb(b"HINCRBY", empty=0)
HINCRBYFLOAT = Verb(b"HINCRBYFLOAT", empty=b"0")
HRANDFIELD = Verb(b"HRANDFIELD", readonly=True)
HRANDFIELD_SEVERAL = Verb(b"HRANDFIELD", readonly=True, empty=())
HSCAN = Verb(b"HSCAN", readonly=True, primary=True, empty=(b"0", ()))
ADD_FLOAT = Verb(b"EVAL", COUNTED, empty=b"0")

_INT64 = 2**63


def _at(space: Space, key: str, field: str, version: int | None) -> tuple[bytes, bytes]:
    """The hash and the field as they are called on the wire."""
    return space.hash_keys.wire(key, version), space.hash_fields.wire(field, version)


def hset(
    space: Space,
    key: str,
    field: str | None = None,
    value: object = None,
    version: int | None = None,
    *,
    mapping: Mapping[str, object] | None = None,
    items: Sequence[Any] | None = None,
) -> Command[int]:
    """How many fields were not in the hash and are now; those that were hold something else now.

    *field* holds *value*, None included, and with it may come *mapping*, and *items*: a field, its
    value, the next field ... Where *key* is missing it is created, without a time-out.

    :raises InvalidArgument: nothing to store, or an item without its value; nothing was sent.
    :raises Unencodable: a value can not be stored; nothing was sent.
    """
    if mapping is None and items is None and field is not None:
        wire, name = space.hash_keys.wire(key, version), space.hash_fields.wire(field, version)
        return Command(HSET, (wire, name, space.content(value)), number)
    flat = items or ()
    if len(flat) % 2:
        raise InvalidArgument("items= has a field without its value: give field, value, field, value ...")
    pairs = [*zip(flat[::2], flat[1::2], strict=True), *([] if field is None else [(field, value)])]
    return Command(HSET, _stores(space, key, [*pairs, *(mapping or {}).items()], version), number)


def hmset(space: Space, key: str, mapping: Mapping[str, object], version: int | None = None) -> Command[bool]:
    """True: all fields of *mapping* are in the hash.

    :raises InvalidArgument: the mapping is empty; nothing was sent.
    :raises Unencodable: a value can not be stored; nothing was sent.
    """
    return Command(HMSET, _stores(space, key, mapping.items(), version), ok)


def _stores(
    space: Space, key: str, pairs: Iterable[tuple[str, object]], version: int | None
) -> tuple[Arg, ...]:
    args: list[Arg] = [space.hash_keys.wire(key, version)]
    for field, value in pairs:
        args += (space.hash_fields.wire(field, version), space.content(value))
    if len(args) == 1:
        raise InvalidArgument("nothing to store: give a field and its value, mapping= or items=")
    return tuple(args)


def hsetnx(space: Space, key: str, field: str, value: object, version: int | None = None) -> Command[bool]:
    """True: *field* was not in the hash and holds *value* now; False: it was, and stays as it is.

    :raises Unencodable: the value can not be stored; nothing was sent.
    """
    return Command(HSETNX, (*_at(space, key, field, version), space.content(value)), truth)


def hdel(space: Space, key: str, *fields: str | Iterable[str], version: int | None = None) -> Command[int]:
    """How many of *fields*, one by one or as one sequence, were in the hash and are not any more.

    :raises InvalidArgument: no field is given; nothing was sent.
    """
    return Command(HDEL, (space.hash_keys.wire(key, version), *_names(space, fields, version)), number)


def hexists(space: Space, key: str, field: str, version: int | None = None) -> Command[bool]:
    """Whether *field* is in the hash, readable or not."""
    return Command(HEXISTS, _at(space, key, field, version), truth)


def hget(
    space: Space, key: str, field: str, version: int | None = None, *, default: Any = None
) -> Command[Any]:
    """What *field* holds; *default* where it, or *key*, is missing."""
    wire, name = space.hash_keys.wire(key, version), space.hash_fields.wire(field, version)
    return Command(HGET, (wire, name), partial(space.read_part, wire, default))


def hmget(
    space: Space, key: str, *fields: str | Iterable[str], version: int | None = None
) -> Command[list[Any]]:
    """What each of *fields*, one by one or as one sequence, holds, in their order; None where one is missing.

    :raises InvalidArgument: no field is given; nothing was sent.
    """
    wire, names = space.hash_keys.wire(key, version), _names(space, fields, version)
    read, absent = space.part(wire), (None,) * len(names)
    return Command(HMGET, (wire, *names), lambda reply: [read(one) for one in reply or absent])


def hgetall(space: Space, key: str, version: int | None = None) -> Command[dict[str, Any]]:
    """All fields and what they hold; empty where *key* is missing. What can not be read is left out."""
    wire = space.hash_keys.wire(key, version)
    return Command(HGETALL, (wire,), lambda reply: _fields(space, version, _rows(space, wire, reply)))


def hkeys(space: Space, key: str, version: int | None = None) -> Command[list[str]]:
    """The names of all fields; empty where *key* is missing."""
    return Command(HKEYS, (space.hash_keys.wire(key, version),), partial(_called, space))


def _called(space: Space, replies: Reply) -> list[str]:
    """The user's names of fields."""
    return list(map(space.hash_fields.text, replies))


def hvals(space: Space, key: str, version: int | None = None) -> Command[list[Any]]:
    """What all fields hold; empty where *key* is missing. What can not be read is left out."""
    wire = space.hash_keys.wire(key, version)
    return Command(HVALS, (wire,), space.parts(wire))


def hlen(space: Space, key: str, version: int | None = None) -> Command[int]:
    """How many fields the hash has; 0 where *key* is missing."""
    return Command(HLEN, (space.hash_keys.wire(key, version),), number)


def hincrby(space: Space, key: str, field: str, amount: int = 1, version: int | None = None) -> Command[int]:
    """The number in *field* after *amount* was added to it; a missing one, or *key*, counts as 0.

    :raises InvalidArgument: *amount* is no integer of 64 bits; nothing was sent.
    :raises NotCounter: the field holds no integer of 64 bits, or the sum is none.
    """
    if not isinstance(amount, int) or not -_INT64 <= amount < _INT64:
        raise InvalidArgument("hincrby adds an amount that is an int of 64 bits; hincrbyfloat adds floats")
    return Command(HINCRBY, (*_at(space, key, field, version), b"%d" % amount), number)


def hincrbyfloat(
    space: Space, key: str, field: str, amount: float = 1.0, version: int | None = None
) -> Command[float]:
    """`hincrby` with a fraction, in the server's notation: `hget` reads the sum.

    :raises InvalidArgument: *amount* is no finite number; nothing was sent.
    :raises NotCounter: the field holds no number that the server can add to. A float that `hset` has
        written is none; `core.compound.hincrbyfloat` adds to that too.
    """
    return Command(HINCRBYFLOAT, (*_at(space, key, field, version), _addend(amount)), float)


def _addend(amount: float) -> bytes:
    try:
        finite = isinstance(amount, (int, float)) and math.isfinite(amount)
    except OverflowError:  # an int that no float holds
        finite = False
    if not finite:
        raise InvalidArgument("hincrbyfloat adds a finite number: give amount an int or a float")
    return b"%d" % amount if isinstance(amount, int) else repr(float(amount)).encode()


def stored(space: Space, key: str, field: str, version: int | None = None) -> Command[bytes | None]:
    """The bytes in *field* as they are; None where it is missing."""
    return Command(HGET_FRESH, _at(space, key, field, version), unread)


def add_float(
    space: Space,
    key: str,
    field: str,
    expected: tuple[bytes, float],
    amount: float,
    version: int | None = None,
) -> Command[float | None]:
    """`hincrbyfloat` where *field* holds the bytes of *expected*, which mean its number; else None."""
    held, meant = expected
    words = (held, repr(float(meant)).encode(), _addend(amount))
    return Command(ADD_FLOAT, (lua.ADD_FLOAT, 1, *_at(space, key, field, version), *words), _sum)


def _sum(reply: Reply) -> float | None:
    return None if reply == 0 else float(reply)


def hrandfield(
    space: Space, key: str, count: int | None = None, version: int | None = None
) -> Command[str | list[str] | None]:
    """The name of a random field; None where *key* is missing.

    With *count*: a list of so many different ones, or of all where there are fewer; with a negative
    one exactly so many, among which one may come several times. Empty where *key* is missing.
    """
    wire = space.hash_keys.wire(key, version)
    if count is None:
        name = space.hash_fields.text
        return Command(HRANDFIELD, (wire,), lambda reply: None if reply is None else name(reply))
    return Command(HRANDFIELD_SEVERAL, (wire, count), partial(_called, space))


def hscan(
    space: Space,
    key: str,
    cursor: int = 0,
    *,
    match: str | None = None,
    count: int | None = None,
    version: int | None = None,
) -> Command[tuple[int, dict[str, Any]]]:
    """The next cursor (0: that was the last page) and a page of fields with what they hold.

    *match*: only those whose name the glob matches; a page may be empty then. About *count* fields are
    looked at, all of a small hash. A field may come on two pages; one that can not be read on none.
    """
    page = _page(space, key, match, count, version, cursor)

    def then(reply: Reply) -> tuple[int, dict[str, Any]]:
        following, rows = page.decode(reply)
        return following, _fields(space, version, rows)

    return Command(page.verb, page.args, then)


def hscan_iter(
    space: Space, key: str, *, match: str | None = None, count: int | None = None, version: int | None = None
) -> Pages[tuple[str, Any]]:
    """The fields with what they hold, each once, about *count* to a round trip; *match* as in `hscan`.

    Fields that come or go meanwhile may be seen or not (https://valkey.io/commands/scan/).
    """
    return each_once(partial(_page, space, key, match, count, version))


_Held: TypeAlias = Rows[tuple[str, Any]]


def _page(
    space: Space, key: str, match: str | None, count: int | None, version: int | None, cursor: int
) -> Command[tuple[int, _Held]]:
    wire = space.hash_keys.wire(key, version)
    matching: tuple[Arg, ...] = () if match is None else (b"MATCH", space.hash_fields.pattern(match, version))
    args = (wire, cursor, *matching, b"COUNT", page_size(space, count))
    return Command(HSCAN, args, lambda reply: (int(reply[0]), _rows(space, wire, reply[1])))


def _rows(space: Space, wire: bytes, reply: Reply) -> _Held:
    """The readable fields of a flat list of names and contents."""
    pairs = zip(reply[::2], reply[1::2], strict=True)
    read = [(name, space.read_part(wire, MISSING, content)) for name, content in pairs]
    text = space.hash_fields.text
    return [(name, (text(name), value)) for name, value in read if value is not MISSING]


def _fields(space: Space, version: int | None, rows: _Held) -> dict[str, Any]:
    if space.hashes.fields_made:
        wire = space.hash_fields.wire  # a field of this version counts, not another's of the same name
        rows = sorted(rows, key=lambda row: row[0] == wire(row[1][0], version))
    return dict(field for _, field in rows)


def _names(space: Space, fields: tuple[str | Iterable[str], ...], version: int | None) -> list[bytes]:
    several = [[one] if isinstance(one, str) or not isinstance(one, Iterable) else one for one in fields]
    wire = space.hash_fields.wire
    names = [wire(name, version) for some in several for name in some]
    if not names:
        raise InvalidArgument("no fields: give one or more after the key")
    return names
