"""What is stored, as it would be stored today: what differs is replaced, where it is still what was read.

Between the reading and the replacing anybody may write. Each is replaced by a script that first compares
it, so what was written meanwhile stays, and so does every time to live.

What may enter: what is true of a value and of an element alike. Which there are is `core.migrating`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add
from typing import Final, TypeAlias

from attrs import evolve, frozen

from vkcache.core import lua, strings
from vkcache.core.codec.counters import is_number
from vkcache.core.freshness import CARRIED, stale_at
from vkcache.core.plan import Arg, Batch, Command, Steps
from vkcache.core.replies import truth
from vkcache.core.space import Space
from vkcache.errors import CacheError, CallError, Undecodable, WrongType

AT_ONCE: Final = 2 * 2**20
"""How many bytes are read, or sent, before what was read is done with; one value may be larger."""

_LARGE: Final = 2**16
_PICKLED: Final = b"\x80"
_REASONS, _NAMES = 20, 5


@frozen
class Refusal:
    """Values that stay as they are, for one *reason*: how many, and the first keys that hold some."""

    reason: str
    count: int
    keys: tuple[bytes, ...]

    def __add__(self, other: Refusal) -> Refusal:
        keys = tuple(dict.fromkeys((*self.keys, *other.keys)))[:_NAMES]
        return evolve(self, count=self.count + other.count, keys=keys)


@frozen
class Tally:
    """What has become of values: those of strings, and each element of what is no string.

    :ivar seen: how many there were. One that comes or goes meanwhile may be counted twice, or not.
    :ivar rewritten: those that are stored in today's form now and were not; as a trial, that would be.
    :ivar merged: those among them that became one with an equal element.
    :ivar current: those that were.
    :ivar changed: those that were replaced or removed meanwhile, and left as somebody else wrote them.
    :ivar left: those that nobody can rewrite: entries of streams, and what modules store.
    :ivar refused: those that can not be read, or not be written today, by their reasons.
    """

    seen: int = 0
    rewritten: int = 0
    merged: int = 0
    current: int = 0
    changed: int = 0
    left: int = 0
    refused: tuple[Refusal, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.seen + other.seen,
            self.rewritten + other.rewritten,
            self.merged + other.merged,
            self.current + other.current,
            self.changed + other.changed,
            self.left + other.left,
            _united(self.refused, other.refused) if other.refused else self.refused,
        )


NOTHING: Final = Tally()


def _united(these: tuple[Refusal, ...], others: tuple[Refusal, ...]) -> tuple[Refusal, ...]:
    known = {refusal.reason: refusal for refusal in these}
    for refusal in others:
        reason = refusal.reason
        if reason not in known and len(known) >= _REASONS:
            refusal = evolve(refusal, reason=(reason := "other reasons"))
        known[reason] = known[reason] + refusal if reason in known else refusal
    return tuple(known.values())


def total(tallies: Iterable[Tally]) -> Tally:
    """All of *tallies* as one."""
    return reduce(add, tallies, NOTHING)


@frozen
class Row:
    """What is stored under *key*: in the field or at the index *name*, or as the value or member itself."""

    key: bytes
    name: bytes | int
    stored: bytes


Swap: TypeAlias = tuple[Row, bytes]
"""What was read, and what is to stand in its place."""

Again: TypeAlias = Callable[[Row], bytes]
"""What is stored, as it would be stored today. Raises `Undecodable` or a `CallError` where it can not be."""

AgainOf: TypeAlias = Callable[[Space, Row], bytes]
"""`Again` of the space whose codec reads and writes."""

Refuse: TypeAlias = Callable[[Row, CacheError], Tally]
"""What it means that a value can not be read, or not be written."""

Send: TypeAlias = Callable[[Sequence[Swap]], Steps[list[int]]]
"""Replaces each that is still what was read: 0 it was not, 1 it was, 2 it became one with an equal one."""


def counted(row: Row, error: CacheError) -> Tally:
    """A `Refuse`: it is counted by its reason."""
    reason = error.reason if isinstance(error, Undecodable) else f"it can not be written today: {error}"
    return Tally(1, refused=(Refusal(reason, 1, (row.key,)),))


def value(space: Space, row: Row) -> bytes:
    """An `Again` for the value of a string; what belongs to the value goes along."""
    found = space.codec.decode_fields(row.stored, row.key)
    if not found.fields and _stays(found.value, row.stored):
        return row.stored
    fields = tuple((number, content) for number, content in found.fields if number in CARRIED)
    if fields:
        return space.codec.encode_fields(found.value, fields, row.key)
    return space.codec.encode(found.value, row.key)


def content(space: Space, row: Row) -> bytes:
    """An `Again` for what a field of a hash holds."""
    found = space.codec.decode_part(row.stored, row.key)
    if _stays(found, row.stored):
        return row.stored
    # HINCRBYFLOAT writes this, and adds to it in one step; what other backends read has no such notation.
    if type(found) is float and space.codec.dated and is_number(row.stored):
        return row.stored
    return space.content(found)


def _stays(found: object, stored: bytes) -> bool:
    """Whether *stored*, read as *found*, is a counter's digits, a bitmap or another program's."""
    # An int is written in digits by everybody. What is one otherwise, if no pickle, only looks like it:
    # to msgpack most bytes are a small int each.
    return type(found) is int and not stored.startswith(_PICKLED)


def member(space: Space, row: Row) -> bytes:
    """An `Again` for a member of a set or a sorted set."""
    return space.member(space.codec.decode_part(row.stored, row.key))


def item(space: Space, row: Row) -> bytes:
    """An `Again` for an item of a list."""
    return space.item(space.codec.decode_part(row.stored, row.key))


def rewritten(rows: Iterable[Row], again: Again, send: Send, refuse: Refuse = counted) -> Steps[Tally]:
    """What became of *rows*; at most `AT_ONCE` bytes of what is new are kept, or one value."""
    tally, pending, size = NOTHING, list[Swap](), 0
    for row in rows:
        try:
            new = again(row)
        except (Undecodable, CallError) as error:
            tally += refuse(row, error)
            continue
        if new == row.stored:
            tally += _CURRENT
            continue
        pending.append((row, new))
        size += len(row.stored) + len(new)
        if size >= AT_ONCE:
            tally += _outcome((yield from send(pending)))
            pending, size = [], 0
    if pending:
        tally += _outcome((yield from send(pending)))
    return tally


_CURRENT: Final = Tally(1, current=1)


def _outcome(states: list[int]) -> Tally:
    changed = states.count(0)
    return Tally(len(states), rewritten=len(states) - changed, merged=states.count(2), changed=changed)


def on_trial(swaps: Sequence[Swap]) -> Steps[list[int]]:
    """A `Send` that sends nothing, and answers what is to be expected."""
    return [1] * len(swaps)
    yield  # what makes this function a generator


def values_sent(space: Space, swaps: Sequence[Swap]) -> Steps[list[int]]:
    """A `Send` for values of strings."""
    commands = [
        Command(strings.EVAL, (*_compared(row), new, *_until(space, row)), truth) for row, new in swaps
    ]
    results = yield from Batch(tuple(commands))
    return [int(_still(result)) for result in results]


def _until(space: Space, row: Row) -> tuple[int, ...]:
    """When the value is to end, in ms of Unix time, where today's form has no place for when it is stale."""
    if space.codec.dated or not space.codec.aged(row.stored):
        return ()
    ends = stale_at(space.codec.decode_fields(row.stored, row.key).fields)
    return () if ends is None else (ends,)


def _compared(row: Row) -> tuple[Arg, ...]:
    """The script that compares, and what with; a large value is not sent back to be compared."""
    if len(row.stored) < _LARGE:
        return lua.SWAP, 1, row.key, row.stored
    return lua.SWAP_LARGE, 1, row.key, hashlib.sha1(row.stored, usedforsecurity=False).hexdigest()


def _still(result: bool | CacheError) -> bool:
    """*result*; False where the key holds something of another kind meanwhile.

    :raises CacheError: it is another error.
    """
    if isinstance(result, WrongType):
        return False
    if isinstance(result, CacheError):
        raise result
    return result


def elements_sent(script: bytes, swaps: Sequence[Swap]) -> Steps[list[int]]:
    """A `Send` for elements of one key, by its *script*."""
    words = [word for row, new in swaps for word in (row.name, row.stored, new)]
    command = Command(strings.EVAL, (script, 1, swaps[0][0].key, *words), list[int])
    try:
        return (yield from command)
    except WrongType:
        return [0] * len(swaps)
