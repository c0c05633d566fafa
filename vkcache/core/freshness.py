"""How old a value may grow before it is computed anew: what of that travels with it, and what follows.

What may enter: a rule about the age of values. When it is asked, and who computes, is decided in
`core.flights`.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TypeVar
from zlib import crc32

from attrs import frozen

from vkcache.core.codec.envelope import FieldId, Fields
from vkcache.core.expiry import milliseconds
from vkcache.errors import InvalidArgument

CARRIED = (FieldId.STALE_AT, FieldId.COST)
"""The fields of an envelope that belong to its value, whoever writes it again."""

_STALE_AT = int(FieldId.STALE_AT)


@frozen
class Age:
    """What a value tells of itself.

    :ivar stale_at: the server's Unix time in ms from which on it is to be computed anew; None: never.
    :ivar cost: how long it took to compute, in us.
    """

    stale_at: int | None = None
    cost: int = 0

    @classmethod
    def of(cls, fields: Fields) -> Age:
        """What *fields* say; one of another size than it travels in says nothing."""
        said = {number: int.from_bytes(content, "big") for number, content in fields if len(content) == 8}
        return cls(said.get(FieldId.STALE_AT), said.get(FieldId.COST, 0))

    @property
    def fields(self) -> Fields:
        """It, as it travels."""
        if self.stale_at is None:
            return ()
        told = ((FieldId.STALE_AT, self.stale_at), (FieldId.COST, self.cost))
        return tuple((number, said.to_bytes(8, "big")) for number, said in told if said)

    def due(self, now: float, early: float = 0, luck: float = 1) -> bool:
        """Whether it is to be computed anew at *now*, the server's Unix time in seconds.

        *early*: how eagerly before its time, 0: not at all; *luck*: above 0, up to 1, the same for all
        chances. The rule is XFetch's (Vattani, Chierichetti, Lowenstein: Optimal probabilistic cache
        stampede prevention, VLDB 2015): the longer it takes, the earlier.
        """
        ahead = -self.cost / 1e6 * early * math.log(luck)
        return self.stale_at is not None and (now + ahead) * 1000 >= self.stale_at


def stale_at(fields: Fields) -> int | None:
    """`Age.stale_at` of *fields*, for who needs no more."""
    for number, content in fields:
        if number == _STALE_AT and len(content) == 8:
            return int.from_bytes(content, "big")
    return None


def share(name: str, value: object) -> float:
    """*value* as the part of a lifetime that may be cut off: 0 or more, below 1.

    :raises InvalidArgument: it is none.
    """
    if not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise InvalidArgument(f"{name}={value!r}: give the part of a time-out to spread, 0 or more, below 1")
    return value


L = TypeVar("L", int, int | None)


def spread(lifetime: L, wire: bytes, part: float) -> L:
    """*lifetime*, in ms, cut by up to *part* of itself: for each key as much each time.

    So keys that are written together expire one after the other. None, for ever, and what has passed
    stay as they are.
    """
    if not part or lifetime is None or lifetime <= 0:
        return lifetime
    return max(1, lifetime - int(lifetime * part * crc32(wire) / 2**32))


def positive(name: str, value: float | timedelta) -> int:
    """The time *value*, in seconds, in ms.

    :raises InvalidArgument: it is no time, or not longer than 0.
    """
    made = milliseconds(value, name)
    if made is None or made <= 0:
        raise InvalidArgument(f"{name}={value!r} must be longer than 0 seconds")
    return made
