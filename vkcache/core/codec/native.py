"""The native format: values in an envelope that says how to read them, counters as ASCII decimal.

What may enter: which envelope a value gets, and what an envelope must prove before it is opened.
A site may change its serializer or compressor at any time: what has a code is read whatever is
configured, what is named must be configured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import frozen
from msgpack import unpackb

from vkcache.core.codec.canonical import canonical
from vkcache.core.codec.compressors import BY_CODE as COMPRESSOR_OF
from vkcache.core.codec.compressors import NONE, Compressor
from vkcache.core.codec.counters import read_number, write_int
from vkcache.core.codec.envelope import (
    AGED,
    HAS_FIELDS,
    MAGIC,
    NAMED_COMPRESSOR,
    NAMED_SERIALIZER,
    PLAIN,
    Envelope,
    FieldId,
    Fields,
    Stored,
    parse,
    split,
    wrap,
)
from vkcache.core.codec.faults import Corrupt, undecodable
from vkcache.core.codec.serializers import BY_CODE as SERIALIZER_OF
from vkcache.core.codec.serializers import MSGPACK, Serializer
from vkcache.core.codec.signing import Signer
from vkcache.core.codec.writing import deflated, dumped, within
from vkcache.errors import Unencodable

if TYPE_CHECKING:  # it is imported where it is asked for: most caches never do
    from vkcache.core.codec.foreign import Foreign

Signing: TypeAlias = Literal["pickles", "all", "off"]


@frozen
class Native:
    """Writes and reads envelopes; made by `codec`."""

    writers: tuple[Serializer, ...]
    """Tried in order; the first that carries a value exactly writes it."""
    serializers: tuple[Serializer, ...]
    compressors: tuple[Compressor, ...]
    """The first writes."""
    signing: Signing
    signer: Signer | None
    max_value_size: int
    compress_min: int
    plain_writes: int
    """The largest msgpack body that is written with the head `PLAIN`; -1: none is."""
    plain_reads: int
    """The largest stored value with the head `PLAIN` that is read; -1: none is."""
    foreign: Foreign | None = None
    """Reads values without an envelope; None: a number is the only one."""

    @property
    def bound(self) -> bool:
        """Whether a value is readable under its own key only, so that a rename has to sign again."""
        return self.signing == "all"

    @property
    def dated(self) -> bool:
        """Always: an envelope has fields."""
        return True

    @property
    def passing(self) -> bool:
        """Never: there is a place for everything."""
        return False

    @property
    def runs_unsigned(self) -> bool:
        """Whether whoever can write to the server can run code here."""
        if self.foreign is not None and self.foreign.trusting:
            return True
        return self.signing == "off" and not all(serializer.safe for serializer in self.serializers)

    def encode(self, value: object, key: bytes = b"") -> bytes:
        """The bytes to store under the wire key *key*.

        :raises Unencodable: no serializer carries *value*, it needs a secret, or it is too large.
        :raises InvalidArgument: an int of more than 4,300 digits.
        """
        if type(value) is int:
            return write_int(value)
        serializer, body = dumped(self.writers, value)
        if serializer is MSGPACK and len(body) <= self.plain_writes:
            return PLAIN + body
        return self._wrap(serializer, body, (), key)

    def encode_part(self, value: object, *, ordered: bool = False, compressed: bool = True) -> bytes:
        """The bytes of a member of a list, a set, a hash ...: signed where it must be, for no key of its own.

        *ordered*: equal values give equal bytes, as far as `canonical` goes.

        :raises Unencodable: no serializer carries *value*, it needs a secret, or it is too large.
        :raises InvalidArgument: an int of more than 4,300 digits.
        """
        if type(value) is int:
            return write_int(value)
        serializer, body = dumped(self.writers, canonical(value) if ordered else value)
        if serializer is MSGPACK and len(body) <= self.plain_writes:
            return PLAIN + body
        return self._wrap(serializer, body, (), None, compressed)

    def encode_ranked(self, value: object) -> bytes:
        """The bytes of a member of a sorted set: equal values give equal bytes.

        :raises Unencodable: no serializer carries *value*, it needs a secret, or it is too large.
        :raises InvalidArgument: an int of more than 4,300 digits.
        """
        return self.encode_part(value, ordered=True, compressed=False)

    def decode(self, data: bytes, key: bytes = b"") -> Any:
        """The value stored as *data* under the wire key *key*.

        :raises Undecodable: it can not be read, for whatever reason.
        """
        try:
            if data[:2] == PLAIN and len(data) <= self.plain_reads:
                return unpackb(data[2:], strict_map_key=False)
            if data[:1] != MAGIC:
                return read_number(data) if self.foreign is None else self.foreign.read(data).value
            if data[:2] == AGED and len(data) <= self.plain_reads:
                return opened(data).value
            return self._open(data, key).value
        except Exception as error:
            raise undecodable(error, key) from error

    def decode_part(self, data: bytes, key: bytes = b"") -> Any:
        """The value that `encode_part` wrote, which is stored in a list, a set, a hash ... at *key*.

        :raises Undecodable: it can not be read, for whatever reason.
        """
        try:
            if data[:2] == PLAIN and len(data) <= self.plain_reads:
                return unpackb(data[2:], strict_map_key=False)
            if data[:1] == MAGIC:
                return self._open(data, None).value
            return read_number(data) if self.foreign is None else self.foreign.read(data).value
        except Exception as error:
            raise undecodable(error, key) from error

    def aged(self, data: bytes) -> bool:
        """Whether the envelope in *data*, or who wrote it without one, says that it has fields."""
        if data[:1] != MAGIC:
            return self.foreign is not None and self.foreign.may_be_stale(data)
        return data[:2] != PLAIN and len(data) > 1 and bool(data[1] & HAS_FIELDS)

    def encode_fields(self, value: object, fields: Fields, key: bytes = b"") -> bytes:
        """As `encode`, with *fields* in the envelope: one byte of id, up to 255 bytes of content each.

        An int gets an envelope too, so the server can not add to it.
        """
        serializer, body = dumped(self.writers, value)
        return self._wrap(serializer, body, fields, key)

    def decode_fields(self, data: bytes, key: bytes = b"") -> Stored:
        """As `decode`, with all fields of the envelope, known or not; a counter has none.

        :raises Undecodable: it can not be read, for whatever reason.
        """
        try:
            if data[:2] == PLAIN and len(data) <= self.plain_reads:
                return Stored(unpackb(data[2:], strict_map_key=False))
            if data[:2] == AGED and len(data) <= self.plain_reads:
                return opened(data)
            if data[:1] == MAGIC:
                return self._open(data, key)
            return Stored(read_number(data)) if self.foreign is None else self.foreign.read(data)
        except Exception as error:
            raise undecodable(error, key) from error

    def rebind(self, data: bytes, old: bytes, new: bytes) -> bytes:
        """*data*, stored under the wire key *old*, as it has to be stored under *new*; nothing is loaded.

        :raises Undecodable: it could not be read under *old*.
        """
        if self.signer is None or not self.bound or data[:1] != MAGIC:
            return data
        try:
            envelope = parse(data)
            self._admit(envelope, self._serializer(envelope), old)
        except Exception as error:
            raise undecodable(error, old) from error
        return self.signer.sign(envelope, new).to_bytes()

    def _wrap(
        self, serializer: Serializer, body: bytes, fields: Fields, key: bytes | None, compressed: bool = True
    ) -> bytes:
        signed = self.bound or (self.signing == "pickles" and not serializer.safe)
        if signed and self.signer is None:
            raise Unencodable(
                f"a value that needs {serializer.name} has to be signed: give secret= (Django: SECRET_KEY)"
            )
        within(self.max_value_size, body)
        compressor, body = self._deflated(body) if compressed else (NONE, body)
        if serializer.code == NAMED_SERIALIZER:
            fields = (*fields, (FieldId.SERIALIZER, serializer.name.encode()))
        if compressor.code == NAMED_COMPRESSOR:
            fields = (*fields, (FieldId.COMPRESSOR, compressor.name.encode()))
        envelope = wrap(serializer.code, compressor.code, fields, body)
        if signed and self.signer is not None:
            envelope = self.signer.sign(envelope, key if self.bound else None)
        return envelope.to_bytes()

    def _deflated(self, body: bytes) -> tuple[Compressor, bytes]:
        """*body*, compressed where it is long and that saves at least a tenth."""
        compressor = self.compressors[0]
        if compressor is NONE or len(body) <= self.compress_min:
            return NONE, body
        packed = deflated(compressor, body)
        return (compressor, packed) if len(packed) * 10 <= len(body) * 9 else (NONE, body)

    def _open(self, data: bytes, key: bytes | None) -> Stored:
        envelope = parse(data)
        serializer = self._serializer(envelope)
        self._admit(envelope, serializer, key)
        body = self._compressor(envelope).inflate(envelope.body, self.max_value_size)
        return Stored(serializer.loads(body), envelope.fields)

    def _admit(self, envelope: Envelope, serializer: Serializer, key: bytes | None) -> None:
        """:raises Corrupt: the envelope does not prove what it has to, so it must not be opened."""
        if self.signing == "off":
            if not (serializer.safe or serializer in self.serializers):
                raise Corrupt(f"signing is off, and {serializer.name} is not configured")
        elif not envelope.signature:
            if self.bound or not serializer.safe:
                raise Corrupt("it is not signed")
        elif self.signer is None:
            if not serializer.safe:
                raise Corrupt("its signature can not be checked without secret= (Django: SECRET_KEY)")
        elif not self._verified(self.signer, envelope, key):
            raise Corrupt("its signature does not fit: another secret, another key, or changed bytes")

    def _verified(self, signer: Signer, envelope: Envelope, key: bytes | None) -> bool:
        # Where values are not bound, those that a cache with signing="all" wrote are read as well.
        return (not self.bound and signer.verifies(envelope, None)) or signer.verifies(envelope, key)

    def _serializer(self, envelope: Envelope) -> Serializer:
        if envelope.serializer != NAMED_SERIALIZER:
            return SERIALIZER_OF[envelope.serializer]
        name = envelope.name(FieldId.SERIALIZER)
        for serializer in self.serializers:
            if serializer.code == NAMED_SERIALIZER and serializer.name == name:
                return serializer
        raise Corrupt(f"its serializer {name!r} is not configured")

    def _compressor(self, envelope: Envelope) -> Compressor:
        if envelope.compressor in COMPRESSOR_OF:
            return COMPRESSOR_OF[envelope.compressor]
        name = envelope.name(FieldId.COMPRESSOR)
        for compressor in self.compressors:
            if compressor.code == envelope.compressor and compressor.name == name:
                return compressor
        raise Corrupt(f"its compressor {name or envelope.compressor!r} is not configured")


def opened(data: bytes) -> Stored:
    """What is stored under the head `AGED`."""
    body_at = 4 + int.from_bytes(data[2:4], "big")
    if body_at > len(data):
        raise Corrupt("it is cut short")
    return Stored(unpackb(data[body_at:], strict_map_key=False), split(data[4:body_at]))
