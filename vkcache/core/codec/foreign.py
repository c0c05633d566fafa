"""Values without our envelope, as other cache backends wrote them: option ``reads``.

Nothing in such a value says how to read it, but its first bytes tell a pickle, JSON and msgpack apart, and
all compressors but brotli leave a mark. Nobody signs, so a pickle is loaded as `unpickling` allows.

What may enter: how such a value is recognised. What differs between backends is in `dialects`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgpack
from attrs import frozen

from vkcache.core.codec.compressors import COMPRESSORS, NONE, Compressor
from vkcache.core.codec.counters import is_number, read_number
from vkcache.core.codec.envelope import FieldId, Stored
from vkcache.core.codec.faults import Corrupt, TooLarge
from vkcache.core.codec.serializers import Serializer
from vkcache.core.codec.unpickling import EVERYTHING, Marker, is_pickle, unpickle
from vkcache.errors import Misconfigured

_MARKED = tuple(compressor for compressor in COMPRESSORS.values() if compressor.magic)
_BROTLI = COMPRESSORS["brotli"]
_FLOAT = re.compile(rb"-?(?:[0-9]{1,400}(?:\.[0-9]{1,400})?(?:e[+-]?[0-9]{1,4})?|inf)|nan").fullmatch
_HERD_HEAD = 80  # the longer of the two markers' paths ends within so many bytes
_UTC_TIMES = 3  # msgpack's times become datetimes in UTC
_MOST_SECONDS = 1 << 53


@frozen
class Foreign:
    """Reads what other backends wrote; made by `codec`.

    :ivar floats: a float is its text.
    :ivar modules: what a pickle may name.
    :ivar serializers: those of the user's own, asked first.
    :ivar compressors: those without a mark that the user named, asked first.
    :ivar limit: the most bytes that a value may have.
    """

    floats: bool
    modules: tuple[str, ...]
    serializers: tuple[Serializer, ...]
    compressors: tuple[Compressor, ...]
    limit: int

    @property
    def trusting(self) -> bool:
        """Whether a pickle may name anything."""
        return EVERYTHING in self.modules

    def may_be_stale(self, data: bytes) -> bool:
        """Whether *data* may be a tuple that tells when its value is stale; not where it is compressed."""
        return data[:1] == b"\x80" and b"Marker" in data[:_HERD_HEAD]

    def read(self, data: bytes) -> Stored:
        """The value stored as *data*, and with it when it is stale where the backend noted that.

        :raises Corrupt: it is of no known format.
        :raises Exception: whatever its types raise.
        """
        if is_number(data):
            return Stored(read_number(data))
        if self.floats and _FLOAT(data):
            return Stored(float(data))
        fault: Exception = Corrupt("it is of an unknown format")
        for body in self._bodies(data):
            try:
                return _unmarked(self._load(body))
            except Exception as error:
                fault = error if isinstance(error, Corrupt) or not isinstance(fault, Corrupt) else fault
        raise fault

    def _bodies(self, data: bytes) -> Iterator[bytes]:
        """What a serializer may have written, the likeliest first."""
        marked = [one for one in _MARKED if data.startswith(one.magic)]
        for compressor in (*self.compressors, *marked):
            body = self._inflated(compressor, data)
            if body is not None:
                yield body
        yield NONE.inflate(data, self.limit)
        if _BROTLI not in self.compressors:
            body = self._inflated(_BROTLI, data)
            if body is not None:
                yield body

    def _inflated(self, compressor: Compressor, data: bytes) -> bytes | None:
        """None where *compressor* has not written *data*: a value below a threshold is stored as it is."""
        try:
            return compressor.inflate(data, self.limit)
        except TooLarge:
            if compressor.magic:
                raise
        except Misconfigured as error:  # its package is missing
            if compressor.magic:
                raise Corrupt(str(error)) from error
        except Exception:
            pass
        return None

    def _load(self, body: bytes) -> Any:
        for serializer in self.serializers:
            try:
                return serializer.loads(body)
            except Exception:
                continue
        if is_pickle(body):
            return unpickle(body, self.modules)
        if len(body) > 1 and body[0] < 0x80:  # msgpack begins so only where it is one small number
            if body.strip() != body:
                raise Corrupt("it is of an unknown format")  # JSON's space around a value, which none writes
            return json.loads(body)
        return msgpack.unpackb(body, strict_map_key=False, timestamp=_UTC_TIMES)


def _unmarked(value: Any) -> Stored:
    """*value*, out of the tuple that says until when it is fresh, in seconds of Unix time."""
    if type(value) is not tuple or len(value) != 3 or type(value[0]) is not Marker:
        return Stored(value)
    expiry = value[2]
    if type(expiry) is not int or not 0 <= expiry < _MOST_SECONDS:
        return Stored(value[1])
    return Stored(value[1], ((FieldId.STALE_AT, (expiry * 1000).to_bytes(8, "big")),))
