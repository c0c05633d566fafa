"""How long a value lives: a caller's time-out or moment, in the milliseconds that are sent.

What may enter: rules about time-outs that need no clock.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Literal, TypeAlias

from vkcache.errors import InvalidArgument


class Default(Enum):
    """The type of `DEFAULT`."""

    DEFAULT = "the cache's own time-out"


DEFAULT: Final = Default.DEFAULT
Timeout: TypeAlias = float | timedelta | Literal[Default.DEFAULT] | None
"""Seconds (an int, or a float with millisecond precision), a timedelta, None for ever, or DEFAULT."""

When: TypeAlias = datetime | float
"""A moment: a datetime (aware, or naive local time), or a Unix number."""

LONGEST = 2**62  # milliseconds; the server adds its own clock to it and must stay within 63 bits


def milliseconds(timeout: float | timedelta | None, name: str = "timeout") -> int | None:
    """*timeout* in whole milliseconds; None for ever; 0 or less where it has passed already.

    A positive time-out is never rounded to 0, which would delete the key. *name*: what errors call it.

    :raises InvalidArgument: not a time-out, or longer than a server can count.
    """
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    return _counted(seconds, 1000, name)


def whole_milliseconds(timeout: float) -> int:
    """The same of a time-out that is already given in milliseconds.

    :raises InvalidArgument: longer than a server can count.
    """
    return _counted(timeout, 1, "timeout")


def moment(when: When, scale: int) -> int:
    """The Unix time of *when* in milliseconds; *scale*: how many of them a plain number counts.

    :raises InvalidArgument: not a moment.
    """
    if isinstance(when, datetime):
        try:
            return _counted(when.timestamp(), 1000, "when")
        except (ValueError, OverflowError, OSError):  # naive, and beyond the years of the local clock
            raise InvalidArgument(
                f"when={when}: no clock reaches it; None as a timeout means for ever"
            ) from None
    return _counted(when, scale, "when")


def _counted(amount: float, scale: int, name: str) -> int:
    if not isinstance(amount, (int, float)):
        raise InvalidArgument(
            f"{name} of type {type(amount).__name__}: give a number, a date-time type or None"
        )
    if not abs(amount * scale) <= LONGEST:  # so that nan is refused too
        raise InvalidArgument(f"{name} is longer than a server can count; None means for ever")
    if amount <= 0:
        return math.floor(amount * scale)
    return max(1, round(amount * scale))
