"""The bare format: what a serializer wrote, what a compressor made of it, and nothing else.

So django-redis, django-valkey, django-cachex and Django's own backend write and read. Nothing in a
value says how to read it and nothing is signed: what is configured is tried in order.
What may enter: how such a value is told from the others.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from vkcache.core.codec.canonical import canonical
from vkcache.core.codec.compressors import NONE, Compressor
from vkcache.core.codec.counters import is_number, read_number, write_int
from vkcache.core.codec.dialects import NO_DIALECT, Dialect
from vkcache.core.codec.envelope import Fields, Stored
from vkcache.core.codec.faults import TooLarge, undecodable
from vkcache.core.codec.serializers import Serializer
from vkcache.core.codec.writing import deflated, dumped, within


@frozen
class Bare:
    """Writes and reads values without an envelope; made by `codec`."""

    serializers: tuple[Serializer, ...]
    """The first writes, all are tried in reading."""
    compressors: tuple[Compressor, ...]
    """The first writes, all are tried in reading."""
    max_value_size: int
    compress_min: int
    dialect: Dialect = NO_DIALECT
    """How numbers are written."""

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
        """Never: the format was chosen, and what it has no place for is refused."""
        return False

    @property
    def runs_unsigned(self) -> bool:
        """Whether whoever can write to the server can run code here."""
        return not all(serializer.safe for serializer in self.serializers)

    def encode(self, value: object, key: bytes = b"") -> bytes:  # noqa: ARG002  a codec's signature
        """The bytes to store; *key* plays no part.

        :raises Unencodable: the serializer does not carry *value*, or it is too large.
        :raises InvalidArgument: an int of more than 4,300 digits.
        """
        kind = type(value)
        if isinstance(value, int) and (kind is int or (self.dialect.whole and kind is not bool)):
            return write_int(int(value))
        if kind is float and self.dialect.floats:
            return repr(value).encode()
        return self.dump(value)

    def dump(self, value: object) -> bytes:
        """What the serializer and the compressor make of *value*, be it a number.

        :raises Unencodable: the serializer does not carry *value*, or it is too large.
        """
        body = dumped(self.serializers[:1], value)[1]
        within(self.max_value_size, body)
        compressor = self.compressors[0]
        if compressor is NONE or len(body) <= self.compress_min:
            return body
        return deflated(compressor, body)

    def decode(self, data: bytes, key: bytes = b"") -> Any:
        """The value stored as *data* under the wire key *key*.

        :raises Undecodable: it can not be read, for whatever reason.
        """
        try:
            if is_number(data):
                return read_number(data)
            return _load(self.serializers, self._inflated(data))
        except Exception as error:
            raise undecodable(error, key) from error

    def aged(self, data: bytes) -> bool:  # noqa: ARG002  as Native's
        """Never."""
        return False

    def encode_fields(self, value: object, fields: Fields, key: bytes = b"") -> bytes:  # noqa: ARG002  as Native's
        """`encode`: a bare value has no fields."""
        return self.encode(value, key)

    def decode_fields(self, data: bytes, key: bytes = b"") -> Stored:
        """`decode`, without fields.

        :raises Undecodable: it can not be read, for whatever reason.
        """
        return Stored(self.decode(data, key))

    def encode_part(self, value: object, *, ordered: bool = False, compressed: bool = True) -> bytes:
        """The bytes of a member of a list, a set, a hash ...

        *ordered*: equal values give equal bytes, as far as `canonical` goes.

        :raises Unencodable: the serializer does not carry *value*, or it is too large.
        :raises InvalidArgument: an int of more than 4,300 digits.
        """
        writer = self if compressed else evolve(self, compressors=(NONE,))
        return writer.encode(canonical(value) if ordered else value)

    def encode_ranked(self, value: object) -> bytes:
        """The bytes of a member of a sorted set: equal values give equal bytes, as far as `canonical` goes.

        :raises Unencodable: the serializer does not carry *value*, or it is too large.
        :raises InvalidArgument: an int of more than 4,300 digits.
        """
        return self.encode_part(value, ordered=True, compressed=False)

    def decode_part(self, data: bytes, key: bytes = b"") -> Any:
        """The value that `encode_part` wrote.

        :raises Undecodable: it can not be read, for whatever reason.
        """
        return self.decode(data, key)

    def rebind(self, data: bytes, old: bytes, new: bytes) -> bytes:  # noqa: ARG002  as Native's
        """*data* itself: nothing in it depends on its key."""
        return data

    def _inflated(self, data: bytes) -> bytes:
        for compressor in self.compressors:
            if compressor is NONE or (compressor.magic and not data.startswith(compressor.magic)):
                continue
            try:
                return compressor.inflate(data, self.max_value_size)
            except TooLarge:
                if compressor.magic:  # without a mark, it may never have been compressed
                    raise
            except Exception:
                continue  # written before compression was switched on, or below its threshold
        return NONE.inflate(data, self.max_value_size)


def _load(serializers: tuple[Serializer, ...], body: bytes) -> Any:
    """What the first of *serializers* reads that can; where none can, the error of the last."""
    try:
        return serializers[0].loads(body)
    except Exception:
        if len(serializers) == 1:
            raise
    return _load(serializers[1:], body)
