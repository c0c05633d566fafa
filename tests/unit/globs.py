"""An oracle for the globs of KEYS and SCAN, written from https://valkey.io/commands/keys/.

What may enter: what that page says, byte by byte. ``?`` one byte, ``*`` any number of them, ``[ae]``
``[^e]`` ``[a-b]`` one of, none of, a range; a backslash takes the byte after it literally.
"""

from __future__ import annotations


def matches(pattern: bytes, key: bytes) -> bool:
    """Whether the glob *pattern* matches the whole of *key*."""
    if not pattern:
        return not key
    if pattern[:1] == b"*":
        return any(matches(pattern[1:], key[start:]) for start in range(len(key) + 1))
    accepted, rest = _one(pattern)
    return bool(key) and key[0] in accepted and matches(rest, key[1:])


def _one(pattern: bytes) -> tuple[frozenset[int], bytes]:
    """The bytes that the first element of *pattern* accepts, and what follows it."""
    first = pattern[:1]
    if first == b"?":
        return _ANY, pattern[1:]
    if first == b"\\" and len(pattern) > 1:
        return frozenset(pattern[1:2]), pattern[2:]
    if first == b"[":
        return _class(pattern[1:])
    return frozenset(first), pattern[1:]


def _class(pattern: bytes) -> tuple[frozenset[int], bytes]:
    refused = pattern[:1] == b"^"
    rest = pattern[1:] if refused else pattern
    accepted: set[int] = set()
    while rest and rest[:1] != b"]":
        if rest[:1] == b"\\" and len(rest) > 1:
            accepted.add(rest[1])
            rest = rest[2:]
        elif rest[1:2] == b"-" and len(rest) > 2:
            low, high = sorted((rest[0], rest[2]))
            accepted.update(range(low, high + 1))
            rest = rest[3:]
        else:
            accepted.add(rest[0])
            rest = rest[1:]
    return (_ANY - accepted if refused else frozenset(accepted)), rest[1:]


_ANY = frozenset(range(256))
