"""Values to bytes and back: public names of the codec, nothing else but what every codec can do.

What may enter: a name that other rooms use. A codec is pure: no IO, no clock, no randomness.
"""

from __future__ import annotations

from typing import Any, Protocol

from vkcache.core.codec.bare import Bare
from vkcache.core.codec.canonical import canonical
from vkcache.core.codec.envelope import FieldId, Fields, Stored
from vkcache.core.codec.guest import Guest
from vkcache.core.codec.native import Native, Signing
from vkcache.core.codec.settings import CompressorSpec, Format, SerializerSpec, codec

__all__ = [
    "Bare",
    "Codec",
    "CompressorSpec",
    "FieldId",
    "Fields",
    "Format",
    "Guest",
    "Native",
    "SerializerSpec",
    "Signing",
    "Stored",
    "canonical",
    "codec",
]


class Codec(Protocol):
    """How a space turns values into bytes."""

    @property
    def bound(self) -> bool:
        """Whether a value is readable under its own key only, so that a rename has to sign again."""

    @property
    def dated(self) -> bool:
        """Whether fields can travel with a value, such as the time from which on it is stale."""

    @property
    def passing(self) -> bool:
        """Whether values are written for another backend meanwhile: what has no place in them is left out."""

    def aged(self, data: bytes) -> bool:
        """Whether fields may travel with the value stored as *data*."""

    def encode_fields(self, value: object, fields: Fields, key: bytes = b"") -> bytes:
        """As `encode`, with *fields*; without any where the codec is not `dated`."""

    def decode_fields(self, data: bytes, key: bytes = b"") -> Stored:
        """As `decode`, with all fields that travel with the value."""

    def encode(self, value: object, key: bytes = b"") -> bytes:
        """The bytes to store under the wire key *key*.

        :raises Unencodable: *value* can not be written; nothing was sent.
        :raises InvalidArgument: an int of more than 4,300 digits; nothing was sent.
        """

    def decode(self, data: bytes, key: bytes = b"") -> Any:
        """The value stored as *data* under the wire key *key*.

        :raises Undecodable: it can not be read, for whatever reason; never anything else.
        """

    def encode_part(self, value: object, *, ordered: bool = False, compressed: bool = True) -> bytes:
        """The bytes of a member of a list, a set, a hash ... *ordered*: equal values give equal bytes.

        :raises Unencodable: *value* can not be written; nothing was sent.
        :raises InvalidArgument: an int of more than 4,300 digits; nothing was sent.
        """

    def encode_ranked(self, value: object) -> bytes:
        """The bytes of a member of a sorted set: equal values give equal bytes.

        :raises Unencodable: *value* can not be written; nothing was sent.
        :raises InvalidArgument: an int of more than 4,300 digits; nothing was sent.
        """

    def decode_part(self, data: bytes, key: bytes = b"") -> Any:
        """The value that `encode_part` wrote, stored in a list, a set, a hash ... at *key*.

        :raises Undecodable: it can not be read, for whatever reason; never anything else.
        """

    def rebind(self, data: bytes, old: bytes, new: bytes) -> bytes:
        """*data*, stored under the wire key *old*, as it has to be stored under *new*; nothing is loaded.

        :raises Undecodable: it could not be read under *old*.
        """
