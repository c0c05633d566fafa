"""A cache of its own, made from a URL and options: what the clients for threads and for tasks have in common.

What may enter: how a client is built, and what it answers of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn, Unpack

from vkcache.core.codec import Codec
from vkcache.core.expiry import DEFAULT, Timeout
from vkcache.core.keyspace import on_wire
from vkcache.errors import Misconfigured
from vkcache.shell.keywords import Options
from vkcache.shell.naming import Spaced
from vkcache.shell.options import Settings, settings
from vkcache.shell.unreadable import Unreadable


class Standalone(Spaced):
    """A shell that is built from a URL and options."""

    def __init__(
        self,
        url: str | Sequence[str] = "memory://",
        *,
        prefix: str = "",
        version: int = 1,
        timeout: Timeout = 300,
        codec: Codec | None = None,
        **options: Unpack[Options],
    ) -> None:
        _check(prefix, version, timeout)
        chosen = settings(url, options)
        self._unreadable = Unreadable(strict=chosen.strict)
        self._open(chosen)
        keyspace = chosen.keyspace(prefix, version)
        self.space = chosen.space(keyspace, codec or chosen.codec(), timeout, self._unreadable)

    def _open(self, chosen: Settings) -> None:
        """Make the door; nothing is dialled yet."""
        raise NotImplementedError

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(
            f"{name} holds connections, so it can not be copied or pickled: build one where it is used"
        )

    @property
    def unreadable(self) -> int:
        """How many stored values could not be read so far; each counted as missing."""
        return self._unreadable.count

    def validate_key(self, key: str) -> None:
        """Nothing where *key* can be sent.

        :raises InvalidKey: it can not.
        """
        on_wire(key)


def _check(prefix: object, version: object, timeout: object) -> None:
    if not isinstance(prefix, str):
        raise Misconfigured(f"option prefix, {prefix!r}: give a str")
    if not isinstance(version, int) or isinstance(version, bool):
        raise Misconfigured(f"option version, {version!r}: give a whole number")
    if timeout is DEFAULT:
        raise Misconfigured("option timeout: DEFAULT means this very option: give seconds, or None for ever")
