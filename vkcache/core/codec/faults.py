"""Why a stored value can not be read, said inside the codec, and its one translation to `Undecodable`.

What may enter: a reason that some reader has to tell from the others. Everything else that a
reader raises is translated as it is. A message never holds a part of the value.
"""

from __future__ import annotations

from vkcache.errors import Undecodable


class Corrupt(ValueError):
    """The bytes are not what the codec writes: cut short, forged, or of another format."""


class TooLarge(Corrupt):
    """The value is, or inflates to, more than max_value_size."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"it is larger than max_value_size ({limit} bytes)")


def undecodable(error: Exception, key: bytes) -> Undecodable:
    """The error for the caller: *error* in words without content, and the key on the wire."""
    reason = str(error) if isinstance(error, Corrupt) else f"it can not be loaded ({type(error).__name__})"
    return Undecodable(reason, key.decode("utf-8", "replace"))
