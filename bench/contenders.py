"""The sync contenders and what is asked of them.

What may enter: a cache and its recommended settings, a measure of the sync suite, a target. A package is
imported by the contender that needs it and when it is opened, so that a missing one costs only its own row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Protocol, cast

from django_caches import cache_of
from floor import floor, strict_floor
from payload import FIELD, HASH, NAME, NAMES, PEOPLE, QUARTER, TIMEOUT, VALUE
from suite import Address, Calls, Contender, Measure, Suite, Target


class Cache(Protocol):
    """What the contenders have in common: Django's cache interface."""

    def get(self, key: str) -> object: ...
    def set(self, key: str, value: object, timeout: float) -> object: ...
    def get_many(self, keys: Iterable[str]) -> object: ...
    def get_or_set(self, key: str, default: Callable[[], object], timeout: float) -> object: ...
    def set_many(self, data: Mapping[str, object], timeout: float) -> object: ...
    def close(self) -> object: ...


def calls_of(cache: Cache) -> Calls:
    return {
        "get": partial(cache.get, NAME),
        "get_or_set": partial(cache.get_or_set, NAME, dict, TIMEOUT),
        "set": partial(cache.set, NAME, VALUE, TIMEOUT),
        "get_many": partial(cache.get_many, NAMES),
        "set_many": partial(cache.set_many, PEOPLE, TIMEOUT),
    }


def vkcache_client(address: Address, prefix: str, closing: ExitStack) -> Calls:
    from vkcache.shell import Client

    cache = Client(address.url("valkey"), prefix=prefix, timeout=TIMEOUT)
    closing.callback(cache.close)

    def pipeline() -> list[object]:
        pipe = cache.pipeline(transaction=False)
        for _ in range(QUARTER):
            pipe.set(NAME, VALUE, TIMEOUT)
            pipe.get(NAME)
            pipe.hset(HASH, FIELD, VALUE)
            pipe.hget(HASH, FIELD)
        return pipe.execute()

    return {
        **calls_of(cast(Cache, cache)),
        "hset": partial(cache.hset, HASH, FIELD, VALUE),
        "hget": partial(cache.hget, HASH, FIELD),
        "pipeline": pipeline,
    }


def django_cache(address: Address, prefix: str, closing: ExitStack) -> Calls:
    """Through ``caches[alias]``; the alias of a contender is its prefix."""
    cache = cast(Cache, cache_of(address, prefix))
    closing.callback(cache.close)
    return calls_of(cache)


FLOOR, STRICT_FLOOR, PEER = "floor", "floor, bytes ready", "django-valkey"

CONTENDERS = (
    Contender(STRICT_FLOOR, strict_floor),
    Contender(FLOOR, floor),
    Contender("vkcache", vkcache_client, subject=True),
    Contender("vkcache in Django", django_cache, subject=True),
    Contender("Django RedisCache", django_cache),
    Contender("django-redis", django_cache),
    Contender(PEER, django_cache),
)


def _equals(expected: object) -> Callable[[object], bool]:
    return lambda answer: answer == expected


MEASURES = (
    Measure("set", "set, with a time-out", 200, None, (Target(FLOOR, 1.35), Target(PEER, 0.70))),
    Measure("get", "get, a hit", 200, _equals(VALUE), (Target(FLOOR, 1.35), Target(PEER, 0.70))),
    Measure("get_or_set", "get_or_set, a hit", 200, _equals(VALUE), (), pace=Target("get", 1.1)),
    Measure("set_many", "set_many of 100", 20, None, (Target(FLOOR, 2.0), Target(PEER, 0.40))),
    Measure("get_many", "get_many of 100", 20, _equals(PEOPLE), (Target(FLOOR, 1.8), Target(PEER, 0.40))),
    Measure("hset", "hset of one field", 200, None, (Target(FLOOR, 1.4),)),
    Measure("hget", "hget of one field", 200, _equals(VALUE), (Target(FLOOR, 1.4),)),
    Measure("pipeline", "a pipeline of 100", 10, None, (Target(FLOOR, 2.0),)),
)
"""A set stands before the get that reads what it wrote."""

SYNC = Suite("sync", MEASURES, CONTENDERS, baselines=(FLOOR, STRICT_FLOOR, PEER))
