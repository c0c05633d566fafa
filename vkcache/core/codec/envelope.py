"""The native envelope: how a stored value says which serializer, compressor and signature it bears.

::

    0xC1 | tag | [signature: 16 bytes] | [length: 2 bytes | field ...] | body
    tag:   serializer << 6 | compressor << 2 | signed << 1 | has fields
    field: id: 1 byte | length: 1 byte | content

0xC1 never begins msgpack, a pickle, JSON, or the output of a compressor. Integers are big-endian.
What may enter: how bytes are laid out, and the ids of fields. A reader skips the ids that it does
not know, so a new field is no new format; nothing may enter that an older reader would get wrong.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeAlias

from attrs import frozen

from vkcache.core.codec.faults import Corrupt

MAGIC = b"\xc1"
PLAIN = b"\xc1\x00"
"""The head of most values: msgpack, neither compressed nor signed, without fields."""
AGED = b"\xc1\x01"
"""The same with fields."""

SIGNATURE_SIZE = 16
NAMED_SERIALIZER = 3
NAMED_COMPRESSOR = 15
_SIGNED = 2
HAS_FIELDS = 1


class FieldId(IntEnum):
    """What the fields of an envelope mean."""

    SERIALIZER = 1  # the name of a serializer that has no code
    COMPRESSOR = 2  # the name of a compressor that has no code
    STALE_AT = 3  # the server's Unix time in ms from which on the value is stale: 8 bytes
    COST = 4  # how long it took to compute the value, in us: 8 bytes


Fields: TypeAlias = tuple[tuple[int, bytes], ...]


@frozen
class Stored:
    """A value and the fields that travel with it in its envelope."""

    value: Any
    fields: Fields = ()


@frozen
class Envelope:
    """A stored value, taken apart; *block* is the fields with their length, or empty."""

    tag: int
    signature: bytes
    block: bytes
    body: bytes

    @property
    def serializer(self) -> int:
        return self.tag >> 6

    @property
    def compressor(self) -> int:
        return self.tag >> 2 & 15

    @property
    def fields(self) -> Fields:
        """The fields in their order.

        :raises Corrupt: the lengths do not add up.
        """
        return split(self.block[2:])

    def name(self, field: FieldId) -> str:
        """The text of *field*; "" where it is missing."""
        return dict(self.fields).get(field, b"").decode()

    @property
    def covered(self) -> bytes:
        """What a signature covers: all but itself."""
        return b"".join((bytes((self.tag | _SIGNED,)), self.block, self.body))

    def sign(self, signature: bytes) -> Envelope:
        """The same value under *signature*."""
        return Envelope(self.tag | _SIGNED, signature, self.block, self.body)

    def to_bytes(self) -> bytes:
        return b"".join((MAGIC, bytes((self.tag,)), self.signature, self.block, self.body))


def wrap(serializer: int, compressor: int, fields: Fields, body: bytes) -> Envelope:
    """An unsigned envelope."""
    content = b"".join(bytes((number, len(value))) + value for number, value in fields)
    block = len(content).to_bytes(2, "big") + content if fields else b""
    return Envelope(serializer << 6 | compressor << 2 | bool(fields), b"", block, body)


def parse(stored: bytes) -> Envelope:
    """*stored*, taken apart; nothing in it is trusted yet.

    :raises Corrupt: it is cut short, or no envelope.
    """
    if stored[:1] != MAGIC or len(stored) < 2:
        raise Corrupt("it is of an unknown format")
    tag, at = stored[1], 2
    start = at + SIGNATURE_SIZE if tag & _SIGNED else at
    body_at = start
    if tag & HAS_FIELDS:
        body_at += 2 + int.from_bytes(stored[start : start + 2], "big")
    if body_at > len(stored) or (tag & HAS_FIELDS and start + 2 > len(stored)):
        raise Corrupt("it is cut short")
    return Envelope(tag, stored[at:start], stored[start:body_at], stored[body_at:])


def split(content: bytes) -> Fields:
    """The fields of which *content* is made.

    :raises Corrupt: the lengths do not add up.
    """
    fields: list[tuple[int, bytes]] = []
    at = 0
    while at < len(content):
        end = at + 2 + content[at + 1] if at + 1 < len(content) else len(content) + 1
        if end > len(content):
            raise Corrupt("its fields are cut short")
        fields.append((content[at], content[at + 2 : end]))
        at = end
    return tuple(fields)
