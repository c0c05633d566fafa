"""Hash slots, as clusters place keys by them (https://valkey.io/topics/cluster-spec).

What may enter: what follows from the bytes of keys alone.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Sequence
from functools import lru_cache

SLOTS = 16384


def slot(key: bytes) -> int:
    """The hash slot of *key*, or of its hash tag."""
    return crc_hqx(tag(key), 0) & 16383


def slots(keys: Sequence[bytes]) -> list[int]:
    """The hash slots of *keys*; a little faster than one by one."""
    if b"{" in b"".join(keys):
        return [slot(key) for key in keys]
    return [crc_hqx(key, 0) & 16383 for key in keys]


def tag(key: bytes) -> bytes:
    """What of *key* decides on its slot: its first braces' content, else all of it."""
    if b"{" in key:
        opened = key.find(b"{")
        closed = key.find(b"}", opened)
        if closed > opened + 1:
            return key[opened + 1 : closed]
    return key


def tag_of(slot: int) -> bytes:
    """A hash tag that is in *slot*, always the same one."""
    return _tags()[slot]


@lru_cache(maxsize=1)
def _tags() -> dict[int, bytes]:
    """One for each slot, found by trying."""
    found: dict[int, bytes] = {}
    number = 0
    while len(found) < SLOTS:
        found.setdefault(crc_hqx(b"%d" % number, 0) & 16383, b"%d" % number)
        number += 1
    return found
