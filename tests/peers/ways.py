"""The ways in which a value is kept on the server, each as a peer and as vkcache goes it.

What may enter: a way that more than one backend has. *key* is a name of the user's own throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, TypeAlias

from attrs import frozen

from vkcache.shell.client import Client

Put: TypeAlias = Callable[[Any, str, Any], Any]
Get: TypeAlias = Callable[[Any, str], Any]
Found: TypeAlias = Callable[[Any, str, Any], Any]


@frozen
class Way:
    """*put* keeps one value, *get* answers it; *found*: whether it is recognised where it is a member."""

    name: str
    needs: str
    put: Put
    get: Get
    found: Found | None = None
    hashable: bool = False

    def carries(self, cache: object, value: object) -> bool:
        """Whether *cache* has this way, and *value* can go it."""
        return hasattr(cache, self.needs) and (isinstance(value, Hashable) or not self.hashable)


def _one_of(members: Any) -> Any:
    (member,) = members
    return member


def _hash_item(cache: Any, key: str) -> Any:
    """The value of the one field, of a peer that writes fields and has no way to read one."""
    if hasattr(cache, "hget"):
        return cache.hget(key, "field")
    client, decode = cache.client.get_client(write=True), cache.client.decode
    fields = client.hgetall(key) or client.hgetall(cache.client.make_key(key))
    return decode(_one_of(fields.values()))


def _many(cache: Any, key: str, value: Any) -> None:
    cache.set_many({key: value})


PLAIN: Final = Way(
    "value", "get", lambda cache, key, value: cache.set(key, value), lambda cache, key: cache.get(key)
)
WAYS: Final = (
    PLAIN,
    Way("many values", "set_many", _many, lambda cache, key: cache.get_many([key])[key]),
    Way(
        "set member",
        "smembers",
        lambda cache, key, value: cache.sadd(key, value),
        lambda cache, key: _one_of(cache.smembers(key)),
        lambda cache, key, value: bool(cache.sismember(key, value)),
        hashable=True,
    ),
    Way(
        "sorted-set member",
        "zrange",
        lambda cache, key, value: cache.zadd(key, {value: 1.5}),
        lambda cache, key: _one_of(cache.zrange(key, 0, -1)),
        lambda cache, key, value: cache.zscore(key, value) == 1.5,
        hashable=True,
    ),
    Way(
        "list item",
        "lrange",
        lambda cache, key, value: cache.rpush(key, value),
        lambda cache, key: _one_of(cache.lrange(key, 0, -1)),
        lambda cache, key, value: cache.lpos(key, value) == 0,
    ),
    Way("hash field", "hset", lambda cache, key, value: cache.hset(key, "field", value), _hash_item),
)


def ours(setup: Any, url: str) -> Client:
    """The cache that takes the place of *setup*, or stands beside it."""
    hashes = {"hash_layout": setup.peer.hashes} if setup.peer.hashes else {}
    return Client(
        url,
        prefix=setup.alias,
        reads=[setup.peer.dialect],
        writes=setup.peer.dialect,
        serializer=setup.serializer,
        compressor=setup.compressor,
        **hashes,
    )
