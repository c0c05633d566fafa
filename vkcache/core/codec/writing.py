"""What every format does to a value on its way out, with the errors that the caller gets.

What may enter: a step of writing that both formats take.
"""

from __future__ import annotations

from vkcache.core.codec.compressors import Compressor
from vkcache.core.codec.serializers import Serializer
from vkcache.errors import CallError, Unencodable


def dumped(writers: tuple[Serializer, ...], value: object) -> tuple[Serializer, bytes]:
    """The first of *writers* that carries *value*, and what it wrote.

    :raises Unencodable: none of them does.
    """
    serializer, *rest = writers
    try:
        body = serializer.dumps(value)
    except Exception as error:  # kept nowhere: with its traceback it would be a cycle, at every pickle
        if rest:
            return dumped(tuple(rest), value)
        raise Unencodable(
            f"{serializer.name} can not carry this {type(value).__name__} ({type(error).__name__})"
        ) from error
    if type(body) is not bytes:
        raise Unencodable(f"serializer {serializer.name}: dumps() answers {type(body).__name__}, not bytes")
    return serializer, body


def deflated(compressor: Compressor, body: bytes) -> bytes:
    """*body*, compressed.

    :raises Unencodable: the compressor failed.
    """
    try:
        packed = compressor.deflate(body)
    except CallError:
        raise
    except Exception as error:
        raise Unencodable(f"compressor {compressor.name} failed ({type(error).__name__})") from error
    if type(packed) is not bytes:
        raise Unencodable(
            f"compressor {compressor.name}: compress() answers {type(packed).__name__}, not bytes"
        )
    return packed


def within(limit: int, body: bytes) -> None:
    """:raises Unencodable: *body* is larger than what would be read back."""
    if len(body) > limit:
        raise Unencodable(f"the value has {len(body)} bytes, more than max_value_size ({limit})")
