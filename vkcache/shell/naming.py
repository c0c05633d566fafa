"""What a shell answers without a server: keys, patterns, and the bytes of values.

What may enter: a question about the space of a cache that is no step.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from vkcache.core.space import Space
from vkcache.shell.binding import Shell


class Spaced(Shell):
    """A shell whose space may be asked."""

    def _space_of(self, version: int | None) -> Space:
        """The space in which calls that name no version mean *version*."""
        if version is None:
            return self.space
        return evolve(self.space, keyspace=evolve(self.space.keyspace, version=version))

    def make_key(self, key: str, version: int | None = None) -> str:
        """The key on the wire."""
        return self.space.keyspace.make(key, version)

    def make_pattern(self, pattern: str, version: int | None = None, prefix: str | None = None) -> str:
        """A glob for the keys on the wire whose names match *pattern*; prefix and version match literally.

        *prefix*: in the place of the cache's own.
        """
        return self.space.under(prefix).keyspace.pattern(pattern, version)

    def reverse_key(self, key: str) -> str:
        """The user's own name of a key on the wire.

        :raises InvalidKey: the key is not of this cache.
        """
        return self.space.keyspace.reverse(key)

    def encode(self, value: object) -> bytes:
        """The bytes that are stored for *value*.

        :raises Unencodable: the codec can not write it.
        """
        return self.space.encode(value)

    def decode(self, data: bytes) -> Any:
        """The value of stored bytes.

        :raises Undecodable: they can not be read.
        """
        return self.space.codec.decode(data)
