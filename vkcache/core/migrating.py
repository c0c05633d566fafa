"""Every value of a cache, as it would be stored today: strings, and what hashes, lists and sets hold.

Keys are walked over by SCAN, large ones by pages of their own, so that neither the number of keys nor
the size of one bounds what can be migrated. What is done already is skipped: to begin anew is right
too, only slower.

What may enter: which values there are, and in what portions they are read. How one is replaced is
`core.rewriting`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeAlias

from attrs import evolve, frozen

from vkcache.core import lua
from vkcache.core.hashes import HSCAN
from vkcache.core.keys import TYPE_FRESH, page_of
from vkcache.core.keyspace import on_wire
from vkcache.core.lists import LRANGE_FRESH
from vkcache.core.plan import Batch, Command, Page, Pages, Reply, Steps, Verb
from vkcache.core.replies import kind, number, raised
from vkcache.core.rewriting import (
    AT_ONCE,
    NOTHING,
    AgainOf,
    Refuse,
    Row,
    Send,
    Tally,
    content,
    elements_sent,
    item,
    member,
    on_trial,
    rewritten,
    value,
    values_sent,
)
from vkcache.core.scanning import page_size
from vkcache.core.sets import SSCAN
from vkcache.core.sortedsets import ZSCAN
from vkcache.core.space import Space
from vkcache.core.streams import XLEN
from vkcache.core.strings import MGET_FRESH, STRLEN
from vkcache.errors import CacheError, WrongType

_FASTER: Final = 8
"""By which factor a page of elements may be longer than the one before, as long as they are small."""


@frozen
class Place:
    """How far a migration has come: what SCAN found before *cursor*, in all *part*s before, is done."""

    part: int = 0
    cursor: int = 0


BEGINNING: Final = Place()


@frozen
class Portion:
    """What a migration has just done.

    :ivar place: where another one may begin, so that what comes before it is done.
    :ivar scanned: how many keys of the server were looked over, about: also those of others.
    """

    place: Place
    tally: Tally = NOTHING
    scanned: int = 0


@frozen
class _Run:
    """What all portions have in common, and the place at which they are done."""

    space: Space
    size: int
    trial: bool
    place: Place = BEGINNING

    def done(self, tally: Tally) -> Page[Portion]:
        return Page((Portion(self.place, tally),))

    def rewritten(self, rows: Iterable[Row], again: AgainOf, send: Send) -> Steps[Tally]:
        return rewritten(rows, partial(again, self.space), on_trial if self.trial else send)


def migrate(
    space: Space, *, place: Place = BEGINNING, trial: bool = False, itersize: int | None = None
) -> Pages[Portion]:
    """What is done, a portion at a time; then every value of this cache, of all versions, is in today's form.

    Times to live stay. Safe while the site runs: what changes meanwhile is left as it was written.
    *trial*: nothing is written. *itersize*: how many keys, or elements of one key, a portion has at most.

    :raises Misconfigured: the key function makes keys that no pattern finds, or that nothing tells apart.
    """
    run, parts = _Run(space, page_size(space, itersize), trial), _parts(space)
    for part in range(place.part, len(parts)):
        match, key_type, portions = parts[part]
        cursor = place.cursor if part == place.part else 0
        while True:
            here = evolve(run, place=Place(part, cursor))
            cursor, wires = yield from page_of(cursor, match, run.size, key_type)
            yield from portions(here, tuple(dict.fromkeys(wires)))
            reached = Place(part, cursor) if cursor else Place(part + 1)
            yield Page((Portion(reached, scanned=run.size),))
            if cursor == 0:
                break


_Portions: TypeAlias = Callable[[_Run, tuple[bytes, ...]], Pages[Portion]]


def _parts(space: Space) -> tuple[tuple[bytes, str | None, _Portions], ...]:
    """What SCAN is to match, of which type, and what is done with what it finds."""
    own = (on_wire(space.keyspace.pattern_of_all_versions()), None, _own)
    if space.hashes.key_made:
        return (own,)
    return own, (b"*", "hash", _bare_hashes)


def _own(run: _Run, wires: tuple[bytes, ...]) -> Pages[Portion]:
    """Keys of this cache, of whatever kind."""
    own = tuple(run.space.keyspace.owned(wires))
    if not own:
        return
    sizes = yield from Batch(tuple([Command(STRLEN, (wire,), number) for wire in own]))
    found = list(zip(own, sizes, strict=True))
    for some in _portioned([(wire, size) for wire, size in found if not isinstance(size, CacheError)]):
        yield run.done((yield from _strings(run, some)))
    others = tuple([wire for wire, size in found if isinstance(_no_string(size), WrongType)])
    if others:
        kinds = yield from Batch(tuple([Command(TYPE_FRESH, (wire,), kind) for wire in others]))
        for wire, named in zip(others, raised(kinds), strict=True):
            yield from _of_kind(run, wire, named)


def _no_string(size: int | CacheError) -> int | WrongType:
    """The answer to STRLEN.

    :raises CacheError: it is an error other than that of a key which holds no string.
    """
    if isinstance(size, CacheError) and not isinstance(size, WrongType):
        raise size
    return size


def _portioned(found: list[tuple[bytes, int]]) -> list[tuple[bytes, ...]]:
    """The keys in portions whose values have `AT_ONCE` bytes at most, or that are one key."""
    portions: list[list[bytes]] = []
    held = AT_ONCE
    for wire, size in found:
        if held + size > AT_ONCE:
            portions.append([])
            held = 0
        portions[-1].append(wire)
        held += size
    return [tuple(portion) for portion in portions]


def _strings(run: _Run, wires: tuple[bytes, ...]) -> Steps[Tally]:
    replies = yield from Command(MGET_FRESH, wires, list[bytes | None])
    rows = [Row(wire, b"", stored) for wire, stored in zip(wires, replies, strict=True) if stored is not None]
    gone = len(wires) - len(rows)
    tally = yield from run.rewritten(rows, value, partial(values_sent, run.space))
    return tally + Tally(gone, changed=gone)


def reinserted(space: Space, wires: list[bytes], refuse: Refuse) -> Steps[int]:
    """How many of the strings at *wires* are in today's form now."""
    own = tuple(space.keyspace.owned(wires))
    if not own:
        return 0
    replies = yield from Command(MGET_FRESH, own, list[bytes | None])
    rows = [Row(wire, b"", stored) for wire, stored in zip(own, replies, strict=False) if stored is not None]
    tally = yield from rewritten(rows, partial(value, space), partial(values_sent, space), refuse)
    return tally.rewritten + tally.current


_PageOf: TypeAlias = Callable[[bytes, int, int], Command[tuple[int, list[Row]]]]


@frozen
class _Kind:
    """How the elements of one kind of key are read page by page, and replaced.

    *page*: the command for the page at a cursor, of about so many; its result is the next cursor, 0 at the
    end, and what is stored.
    """

    page: _PageOf
    again: AgainOf
    script: bytes


def _scanned(verb: Verb, rows: Callable[[bytes, list[bytes]], list[Row]]) -> _PageOf:
    def page(wire: bytes, cursor: int, size: int) -> Command[tuple[int, list[Row]]]:
        args = (wire, cursor, b"COUNT", size)
        return Command(verb, args, lambda reply: (int(reply[0]), rows(wire, reply[1])))

    return page


def _fields(wire: bytes, reply: list[bytes]) -> list[Row]:
    return [Row(wire, name, stored) for name, stored in zip(reply[::2], reply[1::2], strict=True)]


def _members(wire: bytes, reply: list[bytes]) -> list[Row]:
    return [Row(wire, b"", stored) for stored in reply]


def _ranked(wire: bytes, reply: list[bytes]) -> list[Row]:
    return _members(wire, reply[::2])


def _items(wire: bytes, cursor: int, size: int) -> Command[tuple[int, list[Row]]]:
    def read(reply: Reply) -> tuple[int, list[Row]]:
        rows = [Row(wire, index, stored) for index, stored in enumerate(reply, cursor)]
        return cursor + size if len(rows) == size else 0, rows

    return Command(LRANGE_FRESH, (wire, cursor, cursor + size - 1), read)


_HASH: Final = _Kind(_scanned(HSCAN, _fields), content, lua.SWAP_FIELDS)
_KINDS: Final = {
    "hash": _HASH,
    "list": _Kind(_items, item, lua.SWAP_ITEMS),
    "set": _Kind(_scanned(SSCAN, _members), member, lua.SWAP_MEMBERS),
    "zset": _Kind(_scanned(ZSCAN, _ranked), member, lua.SWAP_RANKED),
}


def _of_kind(run: _Run, wire: bytes, named: str | None) -> Pages[Portion]:
    """The elements of the key *wire*; None: it is gone."""
    if named in _KINDS:
        yield from _elements(run, _KINDS[named], wire)
    elif named is None or named == "string":
        yield run.done(Tally(1, changed=1))
    else:
        count = (yield from _entries(wire)) if named == "stream" else 1
        yield run.done(Tally(count, left=count))


def _entries(wire: bytes) -> Steps[int]:
    try:
        return (yield from Command(XLEN, (wire,), number))
    except WrongType:
        return 0


def _bare_hashes(run: _Run, wires: tuple[bytes, ...]) -> Pages[Portion]:
    """Hashes whose fields bear prefix and version, and not their keys: those fields are this cache's."""
    owned = run.space.keyspace.owned
    for wire in wires:
        if not owned([wire]):
            yield from _elements(
                run, _HASH, wire, lambda row: isinstance(row.name, bytes) and bool(owned([row.name]))
            )


def _elements(
    run: _Run, kind: _Kind, wire: bytes, ours: Callable[[Row], bool] | None = None
) -> Pages[Portion]:
    """The elements of one key, first few at a time, then as many as their size allows."""
    cursor, size, largest = 0, 1, 1
    while True:
        try:
            cursor, rows = yield from kind.page(wire, cursor, size)
        except WrongType:
            yield run.done(Tally(1, changed=1))
            return
        largest = max(largest, *[len(row.stored) for row in rows], 1)
        own = rows if ours is None else [row for row in rows if ours(row)]
        yield run.done((yield from run.rewritten(own, kind.again, partial(elements_sent, kind.script))))
        if cursor == 0:
            return
        size = max(1, min(size * _FASTER, run.size, AT_ONCE // largest))
