"""Every compressor brings bodies back, and none can be made to fill the memory.

Fails when a compressed body is cut short or has a tail unnoticed, when a claimed size is believed,
when more than max_value_size comes out, or when a body is compressed to no use.
"""

from __future__ import annotations

import bz2
import lzma
import os
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from vkcache.core.codec import Codec, codec
from vkcache.core.codec.compressors import COMPRESSORS, Compressor
from vkcache.core.codec.faults import Corrupt, TooLarge
from vkcache.errors import Misconfigured, Undecodable, Unencodable

NAMES = sorted(COMPRESSORS)
PACKING = sorted(set(NAMES) - {"none"})
TEXT = "".join(f"line {number} of some text\n" for number in range(400))
MIB = 1 << 20


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 500_000])
def test_bodies_come_back(name: str, size: int) -> None:
    one = COMPRESSORS[name]
    body = b"".join(b"%07d " % number for number in range(size // 8 + 1))[:size]
    packed = one.deflate(body)
    assert one.inflate(packed, size) == body
    assert one.deflate(body) == packed


@pytest.mark.parametrize("name", PACKING)
def test_a_value_says_its_compressor(name: str) -> None:
    stored = codec(compressor=name).encode(TEXT)
    assert stored[1] == COMPRESSORS[name].code << 2
    assert len(stored) < len(TEXT) / 2
    assert codec(compressor="none").decode(stored) == TEXT
    assert not COMPRESSORS[name].magic or stored[2:].startswith(COMPRESSORS[name].magic)


@pytest.mark.parametrize("name", PACKING)
def test_the_limit_is_exact(name: str) -> None:
    one = COMPRESSORS[name]
    for size in (1, 5000, 9 * MIB):
        packed = one.deflate(bytes(size))
        assert len(one.inflate(packed, size)) == size
        with pytest.raises(TooLarge, match=str(size - 1)):
            one.inflate(packed, size - 1)


@pytest.mark.parametrize("name", PACKING)
def test_a_body_cut_short_or_with_a_tail_is_noticed(name: str) -> None:
    one = COMPRESSORS[name]
    packed = one.deflate(TEXT.encode())
    for cut in (0, 1, 5, len(packed) // 2, len(packed) - 1):
        with pytest.raises(Exception):  # noqa: B017, PT011  each library has its own
            one.inflate(packed[:cut], MIB)
    with pytest.raises(Exception):  # noqa: B017, PT011  each library has its own
        one.inflate(packed + b"tail", MIB)


def test_a_long_zstd_body_comes_back() -> None:
    one = COMPRESSORS["zstd"]
    body = b"".join(b"%07d " % number for number in range(9 * MIB // 8))
    assert one.inflate(one.deflate(body), 9 * MIB) == body


def streamed_zstd(body: bytes) -> bytes:
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(body) + stream.flush()


def test_zstd_frames_without_a_size_are_read_and_checked() -> None:
    inflate = COMPRESSORS["zstd"].inflate
    packed = streamed_zstd(TEXT.encode())
    assert inflate(packed, MIB) == TEXT.encode()
    with pytest.raises(Corrupt, match="cut short"):
        inflate(packed[:-1], MIB)
    with pytest.raises(Corrupt, match="follows"):
        inflate(packed + b"tail", MIB)
    with pytest.raises(TooLarge):
        inflate(packed, 100)


def test_zstd_does_not_take_a_window_larger_than_its_bound() -> None:
    far = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=far).compressobj()
    packed = stream.compress(b"x") + stream.flush()
    with pytest.raises(zstandard.ZstdError):
        COMPRESSORS["zstd"].inflate(packed, MIB)


def test_zstd_does_not_believe_a_claim() -> None:
    honest = zstandard.ZstdCompressor().compress(bytes(6 * MIB))
    at = honest.index((6 * MIB).to_bytes(4, "little"))
    for claim in (1, 5 * MIB, 7 * MIB, 20 * MIB):
        lie = honest[:at] + claim.to_bytes(4, "little") + honest[at + 4 :]
        with pytest.raises(zstandard.ZstdError):
            COMPRESSORS["zstd"].inflate(lie, 64 * MIB)


def bomb(name: str, size: int) -> bytes:
    """*size* MiB of zeros, compressed without ever being held."""
    compress: Callable[[bytes], bytes]
    finish: Callable[[], bytes]
    start = b""
    if name == "zstd":
        zstd = zstandard.ZstdCompressor().compressobj()
        compress, finish = zstd.compress, zstd.flush
    elif name == "bz2":
        bzip = bz2.BZ2Compressor(1)
        compress, finish = bzip.compress, bzip.flush
    elif name == "lzma":
        xz = lzma.LZMACompressor(preset=0)
        compress, finish = xz.compress, xz.flush
    elif name == "brotli":
        import brotli

        stream = brotli.Compressor(quality=2)
        compress, finish = stream.process, stream.finish
    elif name == "lz4":
        import lz4.frame

        frame = lz4.frame.LZ4FrameCompressor()
        compress, finish, start = frame.compress, frame.flush, frame.begin()
    else:
        inflated = zlib.compressobj(wbits=31 if name == "gzip" else 15)
        compress, finish = inflated.compress, inflated.flush
    return start + b"".join([compress(bytes(MIB)) for _ in range(size)]) + finish()


BOMB_SIZE = {"bz2": 100, "lzma": 100}
GROWTH = """
import pathlib, resource, sys
from vkcache.core.codec import codec
from vkcache.errors import Undecodable
stored = pathlib.Path(sys.argv[1]).read_bytes()
warm = codec(compressor=sys.argv[2])
warm.decode(warm.encode("x" * 5000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    warm.decode(stored)
except Undecodable as error:
    assert "max_value_size" in str(error), error
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", PACKING)
def test_a_bomb_is_undecodable_and_takes_little_memory(name: str, tmp_path: Path) -> None:
    stored = bytes([0xC1, COMPRESSORS[name].code << 2]) + bomb(name, BOMB_SIZE.get(name, 300))
    path = tmp_path / "bomb"
    path.write_bytes(stored)
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, str(path), name],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert int(done.stdout) < 80  # MiB


def test_a_small_limit_is_a_small_allocation() -> None:
    made = codec(max_value_size=MIB)
    for name in ("zstd", "zlib", "brotli"):
        stored = bytes([0xC1, COMPRESSORS[name].code << 2]) + bomb(name, 30)
        tracemalloc.start()
        with pytest.raises(Undecodable):
            made.decode(stored)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        tracemalloc.stop()


def test_short_and_incompressible_bodies_stay_as_they_are() -> None:
    made = codec()
    noise = os.urandom(5000)
    assert made.encode(noise) == b"\xc1\x00\xc5\x13\x88" + noise
    assert made.encode("x" * 1000)[:2] == b"\xc1\x00"
    assert made.encode("x" * 1100)[:2] == b"\xc1\x04"
    assert codec(compress_min=10).encode("x" * 100)[:2] == b"\xc1\x04"


@pytest.mark.parametrize("settings", [{}, {"compressor": "none"}, {"format": "bare"}], ids=repr)
def test_what_would_not_be_read_back_is_not_written(settings: dict[str, Any]) -> None:
    small, large = codec(max_value_size=2000, **settings), codec(**settings)
    for value in ("x" * 3000, os.urandom(3000)):
        with pytest.raises(Unencodable, match=r"max_value_size \(2000\)"):
            small.encode(value)
        with pytest.raises(Undecodable, match="max_value_size"):
            small.decode(large.encode(value))
    assert small.decode(small.encode("x" * 1900)) == "x" * 1900


class Reverse:
    """A compressor that bounds nothing."""

    name = "reverse"

    def compress(self, body: bytes) -> bytes:
        return body[: len(body) // 2][::-1]

    def decompress(self, body: bytes) -> bytes:
        return body[::-1] * 2


class Bounded:
    """A compressor that is told its bound."""

    def __init__(self) -> None:
        self.bounds: list[int] = []

    def compress(self, body: bytes) -> bytes:
        return zlib.compress(body)

    def decompress(self, body: bytes, max_length: int = -1) -> bytes:
        self.bounds.append(max_length)
        return zlib.decompressobj().decompress(body, max_length)


def test_a_compressor_of_ones_own_is_named_in_the_value() -> None:
    made = codec(compressor=Reverse, serializer="pickle", secrets=("s",), compress_min=0)
    body = "ab" * 3000
    stored = codec(compressor=zlib).encode(body)
    assert b"zlib" in stored[:12]
    assert codec(compressor=["none", zlib]).decode(stored) == body
    with pytest.raises(Undecodable, match="'zlib' is not configured"):
        made.decode(stored)


def test_a_compressor_of_ones_own_is_bounded() -> None:
    own = Bounded()
    made = codec(compressor=own, max_value_size=5000)
    stored = made.encode("x" * 4000)
    assert f"{__name__}.Bounded".encode() in stored
    assert made.decode(stored) == "x" * 4000
    with pytest.raises(Undecodable, match="max_value_size"):
        made.decode(codec(compressor=own).encode("x" * 6000))
    assert own.bounds == [5001, 5001]
    doubling = codec(compressor=Reverse(), max_value_size=10_000)
    assert b"reverse" in doubling.encode("x" * 4000)
    with pytest.raises(Undecodable, match="max_value_size"):
        doubling.decode(codec(compressor=Reverse()).encode("x" * 40_000))


class Signatureless:
    """A function written in C need not tell its parameters."""

    __signature__ = "none"

    def __call__(self, body: bytes) -> bytes:
        return zlib.decompress(body)


class WithoutSignature:
    name = "quiet"
    decompress = Signatureless()

    def compress(self, body: bytes) -> bytes:
        return zlib.compress(body)


def test_a_compressor_that_hides_its_parameters_is_checked_afterwards() -> None:
    made = codec(compressor=WithoutSignature, max_value_size=5000)
    assert made.decode(made.encode("x" * 4000)) == "x" * 4000
    with pytest.raises(Undecodable, match="max_value_size"):
        made.decode(codec(compressor=WithoutSignature).encode("x" * 6000))


class Failing:
    name = "failing"

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def compress(self, _body: bytes) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def decompress(self, body: bytes) -> bytes:
        return body


@pytest.mark.parametrize("answer", [OSError("x"), "text", None, bytearray(5)], ids=repr)
@pytest.mark.parametrize("format", ["native", "bare"])
def test_a_compressor_that_fails_is_a_clear_error(answer: Any, format: Any) -> None:
    with pytest.raises(Unencodable, match="compressor failing"):
        codec(format=format, compressor=Failing(answer)).encode("x" * 2000)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    before: Codec = codec(compressor="lz4")
    stored = before.encode(TEXT)
    monkeypatch.setitem(sys.modules, "lz4", None)
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    with pytest.raises(Misconfigured, match=r"vkcache\[lz4\]"):
        before.encode(TEXT)
    with pytest.raises(Undecodable):
        before.decode(stored)
    monkeypatch.setattr("vkcache.core.codec.compressors.find_spec", lambda _: None)
    with pytest.raises(Misconfigured, match=r"vkcache\[brotli\]"):
        codec(compressor="brotli")


def test_importing_the_codec_imports_no_compressor() -> None:
    code = (
        "import sys; import vkcache.core.codec as c; c.codec(); "
        "print({'zstandard', 'lzma', 'bz2', 'lz4', 'brotli', 'gzip'} & {*sys.modules})"
    )
    root = Path(__file__).parents[3]
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "set()\n"


def test_spare_contexts_are_few() -> None:
    from vkcache.core.codec import compressors

    held = [compressors._deflate_zstd(TEXT.encode()) for _ in range(3)]
    spare = [list(compressors._ZSTD_OUT), list(compressors._ZSTD_IN)]
    full = [zstandard.ZstdCompressor(3) for _ in range(compressors._IDLE_MOST)]
    compressors._ZSTD_OUT[:] = [*full, zstandard.ZstdCompressor(3)]
    compressors._ZSTD_IN[:] = [zstandard.ZstdDecompressor() for _ in range(compressors._IDLE_MOST + 1)]
    packed = compressors._deflate_zstd(TEXT.encode())
    assert compressors._inflate_zstd(packed, MIB) == TEXT.encode()
    assert packed == held[0]
    compressors._deflate_zstd(b"x")
    assert len(compressors._ZSTD_OUT) == len(compressors._ZSTD_IN) == compressors._IDLE_MOST
    compressors._ZSTD_OUT[:], compressors._ZSTD_IN[:] = spare


def test_the_table_names_each_code_once() -> None:
    codes = [one.code for one in COMPRESSORS.values()]
    assert sorted(codes) == list(range(8))
    assert all(isinstance(one, Compressor) for one in COMPRESSORS.values())
