"""Compressors: seven algorithms, none at all, and how one of the user's own becomes one of them.

What may enter: a compressor with a code of its own in the envelope, whose output can be bounded
while it is inflated; a size that the compressed bytes claim is never trusted with more memory
than `_CLAIM`. Their packages are imported at the first use.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Protocol

from attrs import frozen

from vkcache.core.codec.envelope import NAMED_COMPRESSOR
from vkcache.core.codec.faults import Corrupt, TooLarge
from vkcache.core.codec.naming import given_name
from vkcache.errors import Misconfigured

_MIB = 1 << 20
_FIRST_STEP = 1 << 16
_LAST_STEP = 4 * _MIB
_CLAIM = 8 * _MIB
_WINDOW = 8 * _MIB  # what every zstd decoder must offer, and more than levels up to 19 use
_ZSTD_PIECE = 128  # 4 bytes of input give at most 128 KiB, so a piece at most 4 MiB
_LZMA_MEMORY = 16 * _MIB  # preset 6, the default, takes 9 MiB; a bomb must not bring 80 of its own
_IDLE_MOST = 4


class CustomCompressor(Protocol):
    """What the user may give: an object, a module or a class with these two.

    Where its decompress() takes ``max_length`` it is given; ``name`` is what the stored value calls
    it, and its dotted path where it has none.
    """

    def compress(self, body: bytes, /) -> bytes: ...

    @property
    def decompress(self) -> Callable[..., bytes]: ...


@frozen
class Compressor:
    """One way to make bytes fewer. *inflate* takes the bytes and the most that may come out."""

    name: str
    code: int
    deflate: Callable[[bytes], bytes]
    inflate: Callable[[bytes, int], bytes]
    magic: tuple[bytes, ...] = ()
    """What its output may begin with; nothing where it has no mark."""
    package: str = ""
    """What has to be installed and is not always."""


class _Stream(Protocol):
    """The streaming interface of bz2, lzma and lz4."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, body: bytes, max_length: int, /) -> bytes: ...


def _drain(read: Callable[[int], bytes], finished: Callable[[], bool], limit: int) -> bytes:
    """All that *read*, asked for a number of bytes at most, gives until it is *finished*."""
    parts: list[bytes] = []
    total = 0
    while not finished():
        step = min(max(total, _FIRST_STEP), _LAST_STEP, limit + 1 - total)
        part = read(step)
        total += len(part)
        if total > limit:
            raise TooLarge(limit)
        if not part and not finished():
            raise Corrupt("its compressed body is cut short")
        parts.append(part)
    return b"".join(parts)


def _no_rest(rest: bytes) -> None:
    if rest:
        raise Corrupt("something follows its compressed body")


def _inflate_stream(stream: _Stream, body: bytes, limit: int) -> bytes:
    source = [body]
    plain = _drain(
        lambda step: stream.decompress(source.pop() if source else b"", step), lambda: stream.eof, limit
    )
    _no_rest(stream.unused_data)
    return plain


def _inflate_zlib(body: bytes, limit: int, wbits: int = 15) -> bytes:
    import zlib

    stream = zlib.decompressobj(wbits)
    source = [body]

    def read(step: int) -> bytes:
        part = stream.decompress(source.pop(), step)
        source.append(stream.unconsumed_tail)
        return part

    plain = _drain(read, lambda: stream.eof, limit)
    _no_rest(stream.unused_data)
    return plain


def _deflate_zlib(body: bytes) -> bytes:
    import zlib

    return zlib.compress(body)


def _deflate_gzip(body: bytes) -> bytes:
    import zlib

    return zlib.compress(body, wbits=31)  # without a time, so equal values stay equal bytes


def _inflate_gzip(body: bytes, limit: int) -> bytes:
    return _inflate_zlib(body, limit, 31)


def _deflate_lzma(body: bytes) -> bytes:
    import lzma

    return lzma.compress(body)


def _inflate_lzma(body: bytes, limit: int) -> bytes:
    import lzma

    return _inflate_stream(lzma.LZMADecompressor(memlimit=_LZMA_MEMORY), body, limit)


def _deflate_bz2(body: bytes) -> bytes:
    import bz2

    return bz2.compress(body)


def _inflate_bz2(body: bytes, limit: int) -> bytes:
    import bz2

    return _inflate_stream(bz2.BZ2Decompressor(), body, limit)


def _deflate_lz4(body: bytes) -> bytes:
    packed: bytes = _optional("lz4.frame", "lz4").compress(body)
    return packed


def _inflate_lz4(body: bytes, limit: int) -> bytes:
    return _inflate_stream(_optional("lz4.frame", "lz4").LZ4FrameDecompressor(), body, limit)


def _deflate_brotli(body: bytes) -> bytes:
    packed: bytes = _optional("brotli", "brotli").compress(body, quality=5)
    return packed


def _inflate_brotli(body: bytes, limit: int) -> bytes:
    stream = _optional("brotli", "brotli").Decompressor()
    source = [body]

    def read(step: int) -> bytes:
        part: bytes = stream.process(source.pop() if source else b"", output_buffer_limit=step)
        return part

    return _drain(read, stream.is_finished, limit)


# A context costs ten times what a small value costs, and is not safe to share: a call takes one
# out of the list, which is atomic, and puts it back.
_ZSTD_OUT: list[Any] = []
_ZSTD_IN: list[Any] = []


def _spare(contexts: list[Any]) -> Any:
    try:
        return contexts.pop()
    except IndexError:
        return None


def _deflate_zstd(body: bytes) -> bytes:
    import zstandard

    context: zstandard.ZstdCompressor = _spare(_ZSTD_OUT) or zstandard.ZstdCompressor(3)
    packed = context.compress(body)
    if len(_ZSTD_OUT) < _IDLE_MOST:
        _ZSTD_OUT.append(context)
    return packed


def _inflate_zstd(body: bytes, limit: int) -> bytes:
    import zstandard

    claimed = zstandard.frame_content_size(body)
    if claimed > limit:
        raise TooLarge(limit)
    if not 0 <= claimed <= _CLAIM:
        return _inflate_zstd_pieces(body, limit)
    context: zstandard.ZstdDecompressor = _spare(_ZSTD_IN) or zstandard.ZstdDecompressor()
    plain = context.decompress(body, allow_extra_data=False)
    if len(_ZSTD_IN) < _IDLE_MOST:
        _ZSTD_IN.append(context)
    return plain


def _inflate_zstd_pieces(body: bytes, limit: int) -> bytes:
    """As `_drain`: zstandard can bound what it reads, not what it answers."""
    import zstandard

    stream = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
    parts: list[bytes] = []
    total = 0
    for at in range(0, len(body), _ZSTD_PIECE):
        parts.append(stream.decompress(body[at : at + _ZSTD_PIECE]))
        total += len(parts[-1])
        if total > limit:
            raise TooLarge(limit)
    if not stream.eof:
        raise Corrupt("its compressed body is cut short")
    _no_rest(stream.unused_data)
    return b"".join(parts)


def _same(body: bytes) -> bytes:
    return body


def _inflate_none(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise TooLarge(limit)
    return body


NONE = Compressor("none", 0, _same, _inflate_none)
COMPRESSORS = {
    compressor.name: compressor
    for compressor in (
        NONE,
        Compressor("zstd", 1, _deflate_zstd, _inflate_zstd, (b"\x28\xb5\x2f\xfd",), "zstandard"),
        Compressor(
            "zlib", 2, _deflate_zlib, _inflate_zlib, (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
        ),
        Compressor("gzip", 3, _deflate_gzip, _inflate_gzip, (b"\x1f\x8b",)),
        Compressor("lzma", 4, _deflate_lzma, _inflate_lzma, (b"\xfd7zXZ\0", b"\x5d\0\0")),
        Compressor("bz2", 5, _deflate_bz2, _inflate_bz2, (b"BZh",)),
        Compressor("lz4", 6, _deflate_lz4, _inflate_lz4, (b"\x04\x22\x4d\x18",), "lz4"),
        Compressor("brotli", 7, _deflate_brotli, _inflate_brotli, (), "brotli"),
    )
}
BY_CODE = {compressor.code: compressor for compressor in COMPRESSORS.values()}


def installed(compressor: Compressor) -> Compressor:
    """*compressor*, whose package is there.

    :raises Misconfigured: it is not installed.
    """
    if compressor.package and find_spec(compressor.package) is None:
        raise _missing(compressor.package)
    return compressor


def _optional(module: str, package: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise _missing(package) from error


def _missing(package: str) -> Misconfigured:
    return Misconfigured(f"compressor: package {package!r} is missing: pip install vkcache[{package}]")


@frozen
class _Inflate:
    """A custom decompress(), bounded while it runs where it can be, afterwards where not."""

    decompress: Callable[..., bytes]
    bounded: bool

    def __call__(self, body: bytes, limit: int) -> bytes:
        plain = self.decompress(body, max_length=limit + 1) if self.bounded else self.decompress(body)
        return _inflate_none(plain, limit)


def custom_compressor(given: CustomCompressor) -> Compressor:
    """*given* as a compressor whose name stands in the envelope.

    :raises Misconfigured: it lacks compress() or decompress().
    """
    deflate, inflate = getattr(given, "compress", None), getattr(given, "decompress", None)
    if not (callable(deflate) and callable(inflate)):
        raise Misconfigured(f"compressor: {type(given).__name__} object has no compress() and decompress()")
    bounded = _Inflate(inflate, _takes_max_length(inflate))
    return Compressor(given_name(given, "compressor"), NAMED_COMPRESSOR, deflate, bounded)


def _takes_max_length(function: Callable[..., bytes]) -> bool:
    try:
        return "max_length" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C, without a signature
        return False
