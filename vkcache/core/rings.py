"""Rings of shards: which of several servers that know nothing of each other holds a key.

Every ring here is one that another cache backend has stored data by, so its arithmetic is given: a key
that moves is a key that is lost.

What may enter: a ring, as a function of the names of its nodes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from hashlib import md5, sha256
from typing import Final

from attrs import frozen

from vkcache.core.keyspace import owner

_tagged = re.compile(rb".*\{(.*)\}").match


@frozen
class Ring:
    """The shards' points on a circle; a key belongs to the last point that is not beyond its own."""

    points: tuple[str | int, ...]
    owners: tuple[int, ...]
    point: Callable[[bytes], str | int]

    def locate(self, key: bytes) -> int:
        """The number of the shard that holds *key*."""
        return self.owners[bisect_right(self.points, self.point(owner(key))) - 1]


def _ring(points: dict[str | int, int], point: Callable[[bytes], str | int]) -> Ring:
    rows = sorted(points.items())
    return Ring(tuple(at for at, _ in rows), tuple(owner for _, owner in rows), point)


def by_location(locations: Sequence[str]) -> Ring:
    """The ring of django-valkey's and django-redis's ShardClient, over the URLs exactly as they are written.

    Of a key with braces the text in the last of them decides.
    """
    points: dict[str | int, int] = {
        sha256(f"{location}:{replica}".encode()).hexdigest(): number
        for number, location in enumerate(locations)
        for replica in range(128)
    }
    return _ring(points, _hash_of_tag)


def _hash_of_tag(key: bytes) -> str:
    tagged = _tagged(key) if b"{" in key else None
    return sha256(key if tagged is None else tagged[1]).hexdigest()


def by_address(nodes: Sequence[str]) -> Ring:
    """The ring of django-redis-cache's ShardedRedisCache; a node is named as `address_name` says.

    Braces in a key mean nothing to it.
    """
    points: dict[str | int, int] = {
        _low_bits(f"{replica}:{node}".encode()): number
        for number, node in enumerate(nodes)
        for replica in range(16)
    }
    return _ring(points, _low_bits)


def _low_bits(text: bytes) -> int:
    return int(md5(text, usedforsecurity=False).hexdigest()[-8:], 16)


def address_name(host: str | None, port: int | None, db: int, path: str | None) -> str:
    """The name by which `by_address` knows a node.

    *path*: of a Unix socket; without one "" where a URL names the node, None where it speaks TLS or a bare
    address does. A bare path has neither host nor port, a URL's has the usual ones.
    """
    return str((host, port, db, path))


RINGS: Final = ("django-valkey", "django-redis-cache")
"""The rings by the names of the backends that stored by them."""
