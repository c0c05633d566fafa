"""A cache that writes as another backend does, and reads our own envelopes as well: the way back.

What may enter: which of the two formats a question is asked of.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from vkcache.core.codec.bare import Bare
from vkcache.core.codec.envelope import Fields, Stored
from vkcache.core.codec.native import Native


@frozen
class Guest:
    """Writes bare values and reads whatever `Native` does; made by `codec`."""

    reader: Native
    writer: Bare

    @property
    def bound(self) -> bool:
        """Never: a bare value is the same under every key."""
        return False

    @property
    def dated(self) -> bool:
        """Never: there is no place for fields."""
        return False

    @property
    def passing(self) -> bool:
        """Always: code that asks for more goes on without it."""
        return True

    @property
    def runs_unsigned(self) -> bool:
        """Whether whoever can write to the server can run code here."""
        return self.reader.runs_unsigned

    def aged(self, data: bytes) -> bool:
        """Whether *data* says that it has fields."""
        return self.reader.aged(data)

    def encode(self, value: object, key: bytes = b"") -> bytes:
        """The bytes to store; *key* plays no part.

        :raises Unencodable: the serializer does not carry *value*, or it is too large.
        :raises InvalidArgument: an int of more than 4,300 digits.
        """
        return self.writer.encode(value, key)

    def encode_fields(self, value: object, fields: Fields, key: bytes = b"") -> bytes:  # noqa: ARG002  as Native's
        """`encode`: a bare value has no fields."""
        return self.writer.encode(value, key)

    def encode_part(self, value: object, *, ordered: bool = False, compressed: bool = True) -> bytes:  # noqa: ARG002  as Native's
        """The bytes of a member of a list, a set, a hash ...: a value's, for which the other backend looks.

        :raises Unencodable: the serializer does not carry *value*, or it is too large.
        :raises InvalidArgument: an int of more than 4,300 digits.
        """
        return self.writer.encode(value)

    def encode_ranked(self, value: object) -> bytes:
        """The bytes of a member of a sorted set: as the other backend looks for it.

        :raises Unencodable: the serializer does not carry *value*, or it is too large.
        :raises InvalidArgument: an int of more than 4,300 digits.
        """
        writer = self.writer
        return writer.encode(value) if writer.dialect.ranked else writer.dump(value)

    def decode(self, data: bytes, key: bytes = b"") -> Any:
        """The value stored as *data* under the wire key *key*.

        :raises Undecodable: it can not be read, for whatever reason.
        """
        return self.reader.decode(data, key)

    def decode_part(self, data: bytes, key: bytes = b"") -> Any:
        """The value that `encode_part` wrote, here or elsewhere.

        :raises Undecodable: it can not be read, for whatever reason.
        """
        return self.reader.decode_part(data, key)

    def decode_fields(self, data: bytes, key: bytes = b"") -> Stored:
        """As `decode`, with all fields that travel with the value.

        :raises Undecodable: it can not be read, for whatever reason.
        """
        return self.reader.decode_fields(data, key)

    def rebind(self, data: bytes, old: bytes, new: bytes) -> bytes:
        """*data* as it has to be stored under *new*.

        :raises Undecodable: it could not be read under *old*.
        """
        return self.reader.rebind(data, old, new)
