"""Commands on bitmaps: SETBIT, GETBIT, BITCOUNT, BITOP (https://valkey.io/commands/#bitmap).

The bytes of a bitmap are bits and nothing else: the codec neither writes nor reads them, so `get` of
such a key is a miss, and what `set` stored is no bitmap.

What may enter: one function a command of valkey's bitmap group.
"""

from __future__ import annotations

from typing import Final, Literal

from vkcache.core.plan import Command, KeySpec, Verb
from vkcache.core.replies import number
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument

# Carried out twice SETBIT leaves the same, and answers otherwise: its first caller would see a bit that
# seems to be another's.
SETBIT = Verb(b"SETBIT", empty=0)
GETBIT = Verb(b"GETBIT", readonly=True, empty=0)
BITCOUNT = Verb(b"BITCOUNT", readonly=True, empty=0)
BITOP = Verb(b"BITOP", KeySpec(2, -1), empty=0)

_LONGEST: Final = 2**32
_OPERATIONS: Final = ("AND", "OR", "XOR", "NOT")


def setbit(
    space: Space, key: str, offset: int, value: bool | Literal[0, 1], version: int | None = None
) -> Command[int]:
    """The bit, 0 or 1, that was at *offset* before; it is *value* now. The key's time to live stays.

    A missing *key* is created, without a time-out; bits in between are 0. Offset 0 is the highest bit of
    the first byte.

    :raises InvalidArgument: *offset* is out of range, or *value* no bit; nothing was sent.
    """
    if value not in (0, 1):
        raise InvalidArgument("a bit is 0 or 1")
    return Command(SETBIT, (space.key(key, version), _checked(offset), int(value)), number)


def getbit(space: Space, key: str, offset: int, version: int | None = None) -> Command[int]:
    """The bit, 0 or 1, at *offset*; 0 where *key* is missing or shorter.

    :raises InvalidArgument: *offset* is out of range; nothing was sent.
    """
    return Command(GETBIT, (space.key(key, version), _checked(offset)), number)


def _checked(offset: int) -> int:
    if not 0 <= offset < _LONGEST:
        raise InvalidArgument(f"offset {offset}: a bitmap has bits 0 to {_LONGEST - 1}")
    return offset


def bitcount(
    space: Space,
    key: str,
    start: int = 0,
    end: int = -1,
    *,
    unit: Literal["BYTE", "BIT"] = "BYTE",
    version: int | None = None,
) -> Command[int]:
    """How many bits from *start* to *end*, both included, are 1; 0 where *key* is missing.

    *unit*: what *start* and *end* count; negative ones count from the end.

    :raises InvalidArgument: an unknown *unit*; nothing was sent.
    """
    if unit not in ("BYTE", "BIT"):
        raise InvalidArgument(f"unit={unit!r}: give 'BYTE' or 'BIT'")
    # A server before Valkey 7.0 knows bytes alone, and no word for them.
    counted = (b"BIT",) if unit == "BIT" else ()
    return Command(BITCOUNT, (space.key(key, version), start, end, *counted), number)


def bitop(
    space: Space,
    operation: Literal["AND", "OR", "XOR", "NOT"],
    dest: str,
    *keys: str,
    version: int | None = None,
) -> Command[int]:
    """The length in bytes of what *dest* holds now: the bitmaps *keys*, joined bit by bit.

    Missing keys count as zeros. A result of no bytes deletes *dest*. *dest* has no time-out then.

    :raises InvalidArgument: an unknown *operation*, no *keys*, or several for NOT; nothing was sent.
    """
    if operation not in _OPERATIONS:
        raise InvalidArgument(f"operation {operation!r}: give one of {', '.join(_OPERATIONS)}")
    if not keys or (operation == "NOT" and len(keys) > 1):
        raise InvalidArgument(f"bitop {operation} of {len(keys)} keys: NOT takes one, the others one or more")
    return Command(BITOP, (operation, *space.keys((dest, *keys), version)), number)
