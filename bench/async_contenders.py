"""The async contenders: each on a loop of its own.

What may enter: a cache and its recommended settings. A package is imported by the contender that needs it and
when it is opened, so that a missing one costs only its own row. Clients that only carry bytes pack their
values as the floor does, and know their keys beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from async_floor import floor
from async_measures import FLOOR, GLIDE, MEASURES, PEER, each_width
from django_caches import cache_of
from floor import decode, encode
from in_flight import AsyncCall, Connected, on_own_loop, uvloop_loop
from payload import NAME, TIMEOUT, VALUE
from suite import Address, Contender, Suite

PATIENCE = 10_000
"""Milliseconds: a machine that stumbles for a while is to cost a slow round, not the run."""


class AsyncCache(Protocol):
    """What the Django caches have in common: the awaited half of Django's cache interface."""

    async def aget(self, key: str) -> object: ...
    async def aget_or_set(self, key: str, default: Callable[[], object], timeout: float) -> object: ...
    async def aset(self, key: str, value: object, timeout: float) -> object: ...
    async def aclose(self) -> object: ...


async def vkcache_client(address: Address, prefix: str) -> Connected:
    from vkcache.shell import AsyncClient

    cache = AsyncClient(address.url("valkey"), prefix=prefix, timeout=TIMEOUT)
    hit = partial(cache.get_or_set, NAME, dict, TIMEOUT)
    calls = each_width(partial(cache.get, NAME), partial(cache.set, NAME, VALUE, TIMEOUT), hit)
    return Connected(calls, cache.aclose)


async def django_cache(address: Address, prefix: str) -> Connected:
    """Through ``caches[alias]``; the alias of a contender is its prefix."""
    cache = cast(AsyncCache, cache_of(address, prefix))
    hit = partial(cache.aget_or_set, NAME, dict, TIMEOUT)
    calls = each_width(partial(cache.aget, NAME), partial(cache.aset, NAME, VALUE, TIMEOUT), hit)
    return Connected(calls, cache.aclose)


async def valkey_py(address: Address, prefix: str) -> Connected:
    from valkey.asyncio import Valkey

    client, key = Valkey(host=address.host, port=address.port), f"{prefix}:1:{NAME}"

    async def get() -> object:
        return decode(await client.get(key))

    async def set_() -> object:
        return await client.set(key, encode(VALUE), px=TIMEOUT * 1000)

    return Connected(each_width(get, set_), cast(AsyncCall, client.aclose))


async def valkey_glide(address: Address, prefix: str) -> Connected:
    from glide import ExpirySet, ExpiryType, GlideClient, GlideClientConfiguration, NodeAddress

    nodes = [NodeAddress(address.host, address.port)]
    client = await GlideClient.create(GlideClientConfiguration(nodes, request_timeout=PATIENCE))
    key, expiry = f"{prefix}:1:{NAME}", ExpirySet(ExpiryType.MILLSEC, TIMEOUT * 1000)

    async def get() -> object:
        return decode(await client.get(key))

    async def set_() -> object:
        return await client.set(key, encode(VALUE), expiry=expiry)

    return Connected(each_width(get, set_), client.close)


FLOOR_ON_UVLOOP = "floor on uvloop"

CONTENDERS = (
    Contender(FLOOR, on_own_loop(floor)),
    Contender(FLOOR_ON_UVLOOP, on_own_loop(floor, uvloop_loop)),
    Contender("vkcache", on_own_loop(vkcache_client), subject=True),
    Contender("vkcache on uvloop", on_own_loop(vkcache_client, uvloop_loop)),
    Contender("vkcache in Django", on_own_loop(django_cache), subject=True),
    Contender(GLIDE, on_own_loop(valkey_glide)),
    Contender("valkey.asyncio", on_own_loop(valkey_py)),
    Contender(PEER, on_own_loop(django_cache)),
)

ASYNC = Suite("async", MEASURES, CONTENDERS, baselines=(FLOOR, FLOOR_ON_UVLOOP, GLIDE, PEER))
