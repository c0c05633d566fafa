"""Stored values whose bytes were changed: a value, or `Undecodable`; nothing else, and never much memory.

Fails when some input reaches a library whose exception is not translated, or whose memory is not bounded.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.codec.samples import untimed
from vkcache.core.codec import Codec, codec
from vkcache.core.codec.compressors import COMPRESSORS
from vkcache.errors import Undecodable

VALUES: list[Any] = [
    {"id": 7, "name": "Ada", "tags": ["a", "b"], "x": 1.5},
    (1, "x", {2.5}),
    "text " * 100,
    -123456,
    [[{"deep": [None, True]}] * 5] * 10,
]
MADE: list[Codec] = [
    *[codec(secrets=("s",), compressor=name, compress_min=0) for name in COMPRESSORS],
    codec(secrets=("s",), signing="all"),
    codec(serializer="json", compress_min=0),
    codec(format="bare", serializer=["json", "msgpack"], compressor=sorted(COMPRESSORS), compress_min=0),
]


def changed(random: Random, stored: bytes) -> bytes:
    """*stored* with a few bytes flipped, cut out, doubled, or replaced by ones that mean something."""
    work = bytearray(stored)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(work) + 1)
        match random.randrange(5):
            case 0 if at < len(work):
                work[at] ^= 1 << random.randrange(8)
            case 1:
                del work[at:]
            case 2:
                del work[at : at + random.randint(1, 4)]
            case 3:
                work[at:at] = random.choice(
                    [b"\xff\xff\xff\xff", b"\xc1", b"\0", b"\xdd\x7f\xff\xff\xff", b"9" * 50]
                )
            case _ if at < min(len(work), 24):
                work[at] = random.randrange(256)
    return bytes(work)


@pytest.mark.parametrize("made", MADE, ids=range(len(MADE)))
def test_changed_bytes_are_a_value_or_undecodable(made: Codec) -> None:
    random = Random(2024)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stored = [
        made.encode(value, b"key") for value in VALUES if not isinstance(value, tuple) or made in MADE[:9]
    ]
    for one in stored:
        for _ in range(600):
            with suppress(Undecodable):
                made.decode(changed(random, one), b"key")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024 < 100


@pytest.mark.parametrize("made", MADE, ids=range(len(MADE)))
@untimed
@given(noise=st.binary())
def test_noise_is_a_value_or_undecodable(made: Codec, noise: bytes) -> None:
    for stored in (noise, b"\xc1" + noise, b"\xc1\x00" + noise, b"\xc1\x80" + noise):
        with suppress(Undecodable):
            made.decode(stored, b"key")


class Hostile:
    """Reads back as something that raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (_raise, ("x",))


def _raise(text: str) -> None:
    raise RecursionError(text)


class Gone:
    """A class that is missing when its value is read."""


def test_a_pickle_that_raises_or_lost_its_class_is_undecodable(monkeypatch: pytest.MonkeyPatch) -> None:
    made = codec(secrets=("s",))
    with pytest.raises(Undecodable, match="RecursionError"):
        made.decode(made.encode(Hostile()), b"key")
    stored = made.encode([Gone()])
    monkeypatch.delattr(f"{__name__}.Gone")
    with pytest.raises(Undecodable, match=r"^'key': .*AttributeError"):
        made.decode(stored, b"key")
