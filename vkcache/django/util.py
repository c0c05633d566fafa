"""Functions that django-valkey documents, over this library's keys and values.

What may enter: a function under the name and with the arguments that code written for it calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from vkcache.core.codec import Codec, codec
from vkcache.core.keyspace import CacheKey, Keyspace

__all__ = ["CacheKey", "decode", "encode", "make_key", "make_pattern"]


def make_key(key: str, key_func: Callable[[str, str, int], str], version: int, prefix: str) -> CacheKey:
    """The key on the wire; a `CacheKey` comes back as it is."""
    return key if isinstance(key, CacheKey) else CacheKey(key_func(key, prefix, version))


def make_pattern(
    pattern: str, key_func: Callable[[str, str, int], str], version: int, prefix: str
) -> CacheKey:
    """A glob for keys on the wire; *prefix* and *version* match literally.

    :raises Misconfigured: the keys that *key_func* makes do not hold such names as they are.
    """
    if isinstance(pattern, CacheKey):
        return pattern
    return CacheKey(Keyspace(prefix, version, key_func).pattern(pattern))


@frozen
class WholeCodec:
    """A cache's way to write values, signature and compression included, as a serializer."""

    codec: Codec

    def dumps(self, value: object) -> bytes:
        return self.codec.encode(value)

    def loads(self, value: bytes) -> Any:
        return self.codec.decode(value)


class NoCompressor:
    """The compressor beside a serializer that compresses by itself."""

    def compress(self, value: bytes) -> bytes:
        return value

    def decompress(self, value: bytes) -> bytes:
        return value


def encode(value: object, serializer: Any, compressor: Any) -> bytes:
    """*value* as this serializer and compressor alone write it; an exact int as digits.

    :raises Unencodable: they can not.
    """
    return codec(format="bare", serializer=serializer, compressor=compressor).encode(value)


def decode(value: bytes, serializer: Any, compressor: Any) -> Any:
    """The value of bytes that `encode` made.

    :raises Undecodable: they are something else.
    """
    return codec(format="bare", serializer=serializer, compressor=compressor).decode(value)
