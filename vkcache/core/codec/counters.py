"""Numbers as the server itself writes and adds to them: ASCII decimal, without an envelope.

What may enter: a notation that INCR, INCRBYFLOAT or their siblings produce. Python's own `int()`
and `float()` read more (``1_0``, `` 5 ``, ``nan``), so the grammar is checked before they are asked.
"""

from __future__ import annotations

import re

from vkcache.core.codec.faults import Corrupt
from vkcache.errors import InvalidArgument

MAX_DIGITS = 4300
"""Python's default limit for int <-> str, which is quadratic beyond; a fixed part of the format."""

_LIMIT = 10**MAX_DIGITS
_FLOAT = re.compile(rb"-?[0-9]{1,400}\.[0-9]{1,400}")


def write_int(value: int) -> bytes:
    """*value* in decimal.

    :raises InvalidArgument: it has more than 4,300 digits.
    """
    if -_LIMIT < value < _LIMIT:
        try:
            return b"%d" % value
        except ValueError as error:  # the process runs with a lower limit of its own
            raise InvalidArgument(f"the int has too many digits to be stored: {error}") from error
    raise InvalidArgument(f"the int has more than {MAX_DIGITS} digits; store it as text or in a tuple")


def is_int(stored: bytes) -> bool:
    """Whether *stored* is ``-?[0-9]+``."""
    return stored.isdigit() or (stored[:1] == b"-" and stored[1:].isdigit())


def read_number(stored: bytes) -> int | float:
    """The number that *stored* is, in the notations of INCR and INCRBYFLOAT.

    :raises Corrupt: it is none.
    """
    if is_int(stored):
        if len(stored) > MAX_DIGITS + (stored[:1] == b"-"):
            raise Corrupt(f"it is an int of more than {MAX_DIGITS} digits")
        return int(stored)
    if _FLOAT.fullmatch(stored):
        return float(stored)
    raise Corrupt("it is of an unknown format")


def is_number(stored: bytes) -> bool:
    """Whether `read_number` would take *stored* for a number, be it too long."""
    return is_int(stored) or _FLOAT.fullmatch(stored) is not None
