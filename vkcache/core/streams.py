"""Commands on streams: XADD, XRANGE, XREAD, XTRIM ... (https://valkey.io/commands/#stream).

Ids of entries and names of fields are text; what a field holds goes through the codec, and is left
out of its entry where it can not be read.

What may enter: one function a command of valkey's stream group. Consumer groups are in
`core.streamgroups`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

from vkcache.core.keyspace import as_text, field_name
from vkcache.core.plan import Arg, Command, KeySpec, Reply, Verb
from vkcache.core.replies import number, text
from vkcache.core.space import MISSING, Space
from vkcache.errors import InvalidArgument

Entry: TypeAlias = tuple[str, dict[str, Any]]
"""An entry's id, and its fields; none where the entry was deleted and is still pending."""

_STREAMS = KeySpec(1, 0, 0, word=b"STREAMS")
OF_STREAM = KeySpec(2, 2)

XADD = Verb(b"XADD")
XLEN = Verb(b"XLEN", readonly=True, empty=0)
XRANGE = Verb(b"XRANGE", readonly=True, empty=())
XREVRANGE = Verb(b"XREVRANGE", readonly=True, empty=())
XREAD = Verb(b"XREAD", _STREAMS, readonly=True)
XREAD_BLOCKING = Verb(b"XREAD", _STREAMS, readonly=True, blocking=True)
XDEL = Verb(b"XDEL", idempotent=True, empty=0)
XTRIM = Verb(b"XTRIM", idempotent=True, empty=0)
XINFO = Verb(b"XINFO", OF_STREAM, readonly=True, empty=())


def xadd(
    space: Space,
    key: str,
    fields: Mapping[str, Any],
    id: str = "*",
    maxlen: int | None = None,
    approximate: bool = True,
    nomkstream: bool = False,
    minid: str | None = None,
    limit: int | None = None,
    version: int | None = None,
) -> Command[str | None]:
    """The id of the new entry; None where *nomkstream* is set and *key* is missing.

    The stream is trimmed as by `xtrim` where *maxlen* or *minid* is given.

    :raises InvalidArgument: no fields, or limits that contradict each other; nothing was sent.
    :raises Unencodable: a field's content can not be written; nothing was sent.
    """
    if not fields:
        raise InvalidArgument("an entry without fields: give xadd() at least one")
    args: list[Arg] = [space.key(key, version), *((b"NOMKSTREAM",) if nomkstream else ())]
    args += (*_bounds(maxlen, minid, approximate, limit), id)
    for name, value in fields.items():
        args += (field_name(name), space.content(value))
    return Command(XADD, tuple(args), text)


def _bounds(maxlen: int | None, minid: str | None, approximate: bool, limit: int | None) -> tuple[Arg, ...]:
    if maxlen is not None and minid is not None:
        raise InvalidArgument("maxlen= contradicts minid=: give one of them")
    if limit is not None and not approximate:
        raise InvalidArgument("limit= bounds the work of an approximate trim: leave approximate=False out")
    how: tuple[Arg, ...] = (b"~" if approximate else b"=",)
    if maxlen is not None:
        how = (b"MAXLEN", *how, maxlen)
    elif minid is not None:
        how = (b"MINID", *how, minid)
    elif limit is None:
        return ()
    else:
        raise InvalidArgument("limit= bounds the work of a trim: give maxlen= or minid= with it")
    return how if limit is None else (*how, b"LIMIT", limit)


def xtrim(
    space: Space,
    key: str,
    maxlen: int | None = None,
    approximate: bool = True,
    minid: str | None = None,
    limit: int | None = None,
    version: int | None = None,
) -> Command[int]:
    """How many of the oldest entries were removed: all beyond *maxlen* entries, or below the id *minid*.

    *approximate*: some more may stay, which is faster; *limit*: at most so many are looked at.

    :raises InvalidArgument: not one of *maxlen* and *minid*; nothing was sent.
    """
    bounds = _bounds(maxlen, minid, approximate, limit)
    if not bounds:
        raise InvalidArgument("xtrim() needs to know what stays: give maxlen= or minid=")
    return Command(XTRIM, (space.key(key, version), *bounds), number)


def xlen(space: Space, key: str, version: int | None = None) -> Command[int]:
    """How many entries the stream has; 0 where *key* is missing."""
    return Command(XLEN, (space.key(key, version),), number)


def xdel(space: Space, key: str, *ids: str, version: int | None = None) -> Command[int]:
    """How many of the entries *ids* were there and are not any more.

    :raises InvalidArgument: no ids; nothing was sent.
    """
    return Command(XDEL, (space.key(key, version), *some(ids)), number)


def some(ids: tuple[str, ...]) -> tuple[str, ...]:
    """*ids*, of which there must be one."""
    if not ids:
        raise InvalidArgument("no entries are named: give at least one id")
    return ids


def xrange(
    space: Space,
    key: str,
    start: str = "-",
    end: str = "+",
    count: int | None = None,
    version: int | None = None,
) -> Command[list[Entry]]:
    """The entries with ids from *start* to *end*, both included, at most *count*; [] where there are none.

    An id after ``(`` is excluded; ``-`` and ``+`` are the lowest and the highest.
    """
    wire = space.key(key, version)
    return Command(XRANGE, (wire, start, end, *at_most(count)), partial(entries, space, wire))


def xrevrange(
    space: Space,
    key: str,
    end: str = "+",
    start: str = "-",
    count: int | None = None,
    version: int | None = None,
) -> Command[list[Entry]]:
    """`xrange` from the newest to the oldest."""
    wire = space.key(key, version)
    return Command(XREVRANGE, (wire, end, start, *at_most(count)), partial(entries, space, wire))


def at_most(count: int | None) -> tuple[Arg, ...]:
    """The words that bound an answer to *count* entries; None: to no number."""
    if count is None:
        return ()
    if count < 1:
        raise InvalidArgument(f"count={count}: ask for 1 entry or more, or leave it out")
    return (b"COUNT", count)


def entries(space: Space, wire: bytes, replies: Reply) -> list[Entry]:
    """The entries of the stream at *wire* that *replies* hold."""
    return [_entry(space, wire, *reply) for reply in replies]


def _entry(space: Space, wire: bytes, id: bytes, flat: Reply) -> Entry:
    pairs = flat or ()
    read = [space.read_part(wire, MISSING, content) for content in pairs[1::2]]
    named = zip(map(as_text, pairs[::2]), read, strict=True)
    return as_text(id), {name: value for name, value in named if value is not MISSING}


def xread(
    space: Space,
    streams: Mapping[str, str],
    count: int | None = None,
    block: int | None = None,
    version: int | None = None,
) -> Command[dict[str, list[Entry]]]:
    """The entries of each of *streams* (key -> the last id known) that are newer; {} where there are none.

    An id of ``$`` means those that come from now on. *count*: at most so many a stream. *block*: wait so
    many milliseconds for the first one, 0 for ever.

    :raises InvalidArgument: no streams; nothing was sent.
    """
    verb = XREAD if block is None else XREAD_BLOCKING
    return read(space, verb, (*at_most(count), *waiting(block)), streams, version)


def waiting(block: int | None) -> tuple[Arg, ...]:
    """The words that make a read wait for *block* milliseconds; None: not at all."""
    if block is None:
        return ()
    if block < 0:
        raise InvalidArgument(f"block={block}: give milliseconds, 0 to wait for ever, None not to wait")
    return (b"BLOCK", block)


def read(
    space: Space, verb: Verb, options: tuple[Arg, ...], streams: Mapping[str, str], version: int | None
) -> Command[dict[str, list[Entry]]]:
    """The entries that a command of *verb* reads, by the user's keys of *streams*."""
    if not streams:
        raise InvalidArgument("no streams are named: give at least one key with an id")
    wires = space.keys(tuple(streams), version)
    names = dict(zip(wires, streams, strict=True))
    return Command(verb, (*options, b"STREAMS", *wires, *streams.values()), partial(_by_key, space, names))


def _by_key(space: Space, names: dict[bytes, str], reply: Reply) -> dict[str, list[Entry]]:
    return {names[wire]: entries(space, wire, replies) for wire, replies in reply or ()}


def xinfo_stream(space: Space, key: str, version: int | None = None) -> Command[dict[str, Any]]:
    """What the server says of the stream, under its own names ("length", "groups" ...).

    "first-entry" and "last-entry" are entries as `xrange` answers them, or None.

    :raises KeyNotFound: *key* is missing.
    """
    wire = space.key(key, version)
    return Command(XINFO, (b"STREAM", wire), partial(_stream, space, wire))


def _stream(space: Space, wire: bytes, reply: Reply) -> dict[str, Any]:
    said = named(reply)
    outer = {name: said[name] for name in ("first-entry", "last-entry") if said.get(name)}
    return said | {name: _entry(space, wire, *entry) for name, entry in outer.items()}


def named(flat: Reply) -> dict[str, Any]:
    """XINFO's names and what each stands for, with text as text."""
    values = [as_text(value) if isinstance(value, bytes) else value for value in flat[1::2]]
    return dict(zip(map(as_text, flat[::2]), values, strict=True))
