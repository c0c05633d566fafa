"""Plans of several steps: what one command of the server can not do.

What may enter: a generator that asks with ``yield from``, and decides between its steps. It holds
no connection and no clock; between two steps anything may happen on the server, and the plan says
why that does no harm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, wraps
from typing import Concatenate, ParamSpec, TypeVar

from vkcache.core import hashes, keys, lua, strings
from vkcache.core.keyspace import as_text, on_wire
from vkcache.core.migrating import reinserted
from vkcache.core.plan import Command, Plan, Reply, Steps
from vkcache.core.replies import unread
from vkcache.core.rewriting import NOTHING, Row, Tally
from vkcache.core.space import MISSING, Space
from vkcache.errors import (
    CacheError,
    InvalidArgument,
    KeyNotFound,
    NotCounter,
    Undecodable,
    Unencodable,
    WrongType,
)

P = ParamSpec("P")
T = TypeVar("T")


def incr(
    space: Space, key: str, delta: float = 1, version: int | None = None, *, ignore_key_check: bool = False
) -> Steps[int | float]:
    """The number at *key* after *delta* was added to it; its time to live stays.

    One atomic round trip for integers of 64 bits. A float, or an integer beyond, is added here and
    stored by compare-and-set, again where another caller was faster: nothing is lost.
    *ignore_key_check*: a missing key counts as 0 and is created, without a time-out.

    :raises KeyNotFound: nothing is stored there, or nothing readable.
    :raises WrongType: the value or *delta* is not a number.
    """
    _checked(key, delta)
    if isinstance(delta, int):
        try:
            return (yield from strings.incr(space, key, delta, version, ignore_key_check=ignore_key_check))
        except NotCounter:
            pass
    while True:
        stored = yield from strings.stored(space, key, version)
        if stored is None and ignore_key_check:
            ignore_key_check = False  # once: where errors are ignored, nothing is ever there nor stored
            if (yield from strings.set(space, key, delta, None, version, nx=True)):
                return delta
            continue
        total = _sum(space, key, stored, delta, version)
        new = space.encode(total, space.key(key, version))
        if stored is not None and (yield from strings.swap(space, key, stored, new, version)):
            return total


def _sum(space: Space, key: str, stored: bytes | None, delta: float, version: int | None) -> int | float:
    value = space.read(space.key(key, version), MISSING, stored)
    if value is MISSING:
        raise KeyNotFound(f"{key!r}: nothing is stored there to count from; add() it first")
    if not isinstance(value, (int, float)):
        raise WrongType(f"{key!r} holds a {type(value).__name__}, to which nothing can be added")
    try:
        return value + delta
    except OverflowError:
        raise InvalidArgument(f"{key!r}: the sum is beyond what a float can hold; add an int") from None


def decr(
    space: Space, key: str, delta: float = 1, version: int | None = None, *, ignore_key_check: bool = False
) -> Steps[int | float]:
    """`incr` by -*delta*."""
    return incr(space, key, -_checked(key, delta), version, ignore_key_check=ignore_key_check)


def _checked(key: str, delta: float) -> float:
    if not isinstance(delta, (int, float)):
        raise WrongType(f"{key!r}: delta of type {type(delta).__name__}; give an int or a float")
    return delta


def hincrbyfloat(
    space: Space, key: str, field: str, amount: float = 1.0, version: int | None = None
) -> Steps[float]:
    """The number in *field* after *amount* was added to it; a missing one, or *key*, counts as 0.

    One atomic round trip where an int is stored, or what this wrote. A float that `hset` wrote is first
    turned into the server's notation, by compare-and-set: nothing is lost.

    :raises InvalidArgument: *amount* is no finite number; nothing was sent.
    :raises NotCounter: the field holds no finite number.
    """
    while True:
        try:
            return (yield from hashes.hincrbyfloat(space, key, field, amount, version))
        except NotCounter as error:
            refused = error
        held = yield from hashes.stored(space, key, field, version)
        number = space.read_part(space.hash_keys.wire(key, version), MISSING, held)
        if held is None or not isinstance(number, float) or not math.isfinite(number):
            raise refused
        added = yield from hashes.add_float(space, key, field, (held, number), amount, version)
        if added is not None:
            return added


def signing_anew(
    rename: Callable[Concatenate[Space, P], Command[T]],
) -> Callable[Concatenate[Space, P], Plan[T]]:
    """*rename*, or where values are signed for their keys the plan that signs the value for its new one."""

    @wraps(rename)
    def plan(space: Space, /, *args: P.args, **kwargs: P.kwargs) -> Plan[T]:
        command = rename(space, *args, **kwargs)
        return _signed_anew(space, command) if space.codec.bound else command

    return plan


rename = signing_anew(keys.rename)
renamenx = signing_anew(keys.renamenx)
incr_version = signing_anew(keys.incr_version)
decr_version = signing_anew(keys.decr_version)


def alone(rename: Callable[Concatenate[Space, P], Command[T]]) -> Callable[Concatenate[Space, P], Command[T]]:
    """*rename* for a pipeline, which can not sign a value for its new key.

    :raises InvalidArgument: values are signed for their keys.
    """

    @wraps(rename)
    def command(space: Space, /, *args: P.args, **kwargs: P.kwargs) -> Command[T]:
        if space.codec.bound:
            raise InvalidArgument(
                "with signing='all' a renamed value is signed anew: call this on the cache itself"
            )
        return rename(space, *args, **kwargs)

    return command


def _signed_anew(space: Space, rename: Command[T]) -> Steps[T]:
    source, target = (bytes(key) for key in rename.keys if isinstance(key, bytes))
    only_new = b"1" if rename.verb is keys.RENAMENX else b"0"
    while True:
        try:
            stored = yield from Command(strings.GET_FRESH, (source,), unread)
        except WrongType:  # the members of a list, a set, a hash ... are not bound to its key
            return (yield from rename)
        signed = _rebound(space, stored, source, target)
        if stored is None or signed is None:
            raise KeyNotFound(f"{as_text(source)!r}: nothing readable is stored there")
        args = (lua.MOVE, 2, source, target, stored, signed, only_new)
        outcome = yield from Command(strings.EVAL, args, partial(_outcome, source))
        if outcome:
            return rename.decode(outcome == 1)


def _outcome(source: bytes, reply: Reply) -> int:
    """MOVE's answer; where errors are ignored there may be none, and 0 would be tried again for ever."""
    if reply is None:
        raise KeyNotFound(f"{as_text(source)!r}: nothing readable is stored there")
    return int(reply)


def _rebound(space: Space, stored: bytes | None, source: bytes, target: bytes) -> bytes | None:
    """*stored* as it has to be stored at *target*; None where nothing readable is."""
    try:
        return None if stored is None else space.codec.rebind(stored, source, target)
    except Undecodable as error:
        space.unreadable(error)
        return None


def reinsert_keys(space: Space, *, itersize: int | None = None) -> Steps[int]:
    """How many values of this cache, of all versions, are in today's format now; their times to live stay.

    Safe while the site runs: a value that changes meanwhile is left as it was just written. What can
    not be read is left too, and not counted.
    """
    match = on_wire(space.keyspace.pattern_of_all_versions())

    def refuse(row: Row, error: CacheError) -> Tally:
        if isinstance(error, Undecodable):
            space.unreadable(error)
            return NOTHING
        if isinstance(error, Unencodable):
            raise Unencodable(f"{as_text(row.key)!r}: {error}") from error
        raise error

    return keys.each_page(space, match, partial(reinserted, space, refuse=refuse), itersize, "string")
