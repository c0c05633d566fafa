"""Several servers against one: what vkcache takes on a cluster, shards, replicas, and what others take.

The one server is the run's own, through vkcache as well: what a topology costs is the ratio to it.

What may enter: a topology, a peer that knows it, a measure of this suite, a target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Protocol, cast

from contenders import Cache, calls_of
from django_caches import cache_of
from fleet import SERVICE, Fleet, holder, start
from floor import BareSocket, decode, encode
from in_flight import AsyncCall, Connected, in_flight, on_own_loop
from libvalkey import pack_command
from payload import NAME, NAMES, PEOPLE, TIMEOUT, VALUE
from suite import Address, Calls, Contender, Measure, Open, Suite, Target

SINGLE, FLOOR, PEER = "one server", "floor, cluster", "valkey-py, cluster"
HOUR = 3600
"""Seconds: the floor writes its values once."""
MANY = 50
"""How many awaited calls are in flight."""


class Deleting(Cache, Protocol):
    """What the contenders of this suite do beside the others'."""

    def delete_many(self, keys: Sequence[str]) -> object: ...


def vkcache_over(urls: Sequence[str], **options: Any) -> Open:
    """vkcache at *urls*, or with none on the server of the run; threads and tasks have a client each."""

    async def connect(address: Address, prefix: str) -> Connected:
        from vkcache.shell import AsyncClient

        client = AsyncClient(urls or address.url("valkey"), prefix=prefix, timeout=TIMEOUT, **options)
        return Connected({f"get_{MANY}": partial(client.get, NAME)}, client.aclose)

    def opened(address: Address, prefix: str, closing: ExitStack) -> Calls:
        from vkcache.shell import Client

        client = Client(urls or address.url("valkey"), prefix=prefix, timeout=TIMEOUT, **options)
        closing.callback(client.close)
        return {**_calls_of(cast(Deleting, client)), **on_own_loop(connect)(address, prefix, closing)}

    return opened


def _calls_of(cache: Deleting) -> Calls:
    return {**calls_of(cache), "delete_many": partial(cache.delete_many, NAMES)}


def cluster_floor(servers: Sequence[Address]) -> Open:
    """Bare sockets to all *servers*: bytes made beforehand, all sent before the first reply is read."""

    def opened(_address: Address, prefix: str, closing: ExitStack) -> Calls:
        wires = [BareSocket(server) for server in servers]
        keys = {name: f"{prefix}:1:{name}".encode() for name in (NAME, *NAMES)}
        homes = {name: holder(key, len(servers)) for name, key in keys.items()}
        shares = [[name for name in NAMES if homes[name] == at] for at in range(len(servers))]
        one, get = wires[homes[NAME]], pack_command(("GET", keys[NAME]))
        gets = [b"".join(pack_command(("GET", keys[name])) for name in share) for share in shares]

        def get_many() -> object:
            for wire, request in zip(wires, gets, strict=True):
                wire.send(request)
            found: dict[str, object] = {}
            for wire, share in zip(wires, shares, strict=True):
                found.update(zip(share, map(decode, wire.received(len(share))), strict=True))
            return found

        for wire in wires:
            closing.callback(wire.close)
        for name, value in {**PEOPLE, NAME: VALUE}.items():
            wires[homes[name]].ask(pack_command(("SET", keys[name], encode(value), "EX", HOUR)))
        return {"get": lambda: decode(one.ask(get)), "get_many": get_many}

    return opened


def valkey_py(servers: Sequence[Address]) -> Open:
    """valkey-py's own cluster clients, values encoded as the floor does, keys known beforehand."""

    async def connect(_address: Address, prefix: str) -> Connected:
        from valkey.asyncio.cluster import ValkeyCluster

        client, key = ValkeyCluster(*servers[0]), f"{prefix}:1:{NAME}"

        async def get() -> object:
            return decode(await client.get(key))

        return Connected({f"get_{MANY}": get}, cast(AsyncCall, client.aclose))

    def opened(address: Address, prefix: str, closing: ExitStack) -> Calls:
        from valkey.cluster import ValkeyCluster

        client = ValkeyCluster(*servers[0])
        closing.callback(client.close)
        return {**_cluster_calls(client, prefix), **on_own_loop(connect)(address, prefix, closing)}

    return opened


def _cluster_calls(client: Any, prefix: str) -> Calls:
    key, keys = f"{prefix}:1:{NAME}", {name: f"{prefix}:1:{name}" for name in NAMES}
    milliseconds = TIMEOUT * 1000

    def get_many() -> object:
        stored = client.mget_nonatomic([*keys.values()])
        return {name: decode(one) for name, one in zip(NAMES, stored, strict=True) if one is not None}

    def set_many() -> object:  # its mset_nonatomic knows no time-out
        pipe = client.pipeline()
        for name, value in PEOPLE.items():
            pipe.set(keys[name], encode(value), px=milliseconds)
        return pipe.execute()

    return {
        "set": lambda: client.set(key, encode(VALUE), px=milliseconds),
        "get": lambda: decode(client.get(key)),
        "set_many": set_many,
        "get_many": get_many,
        "delete_many": lambda: client.delete(*keys.values()),
    }


def django_cache(backend: str, locations: Sequence[str], *, expiring: bool = True, **options: str) -> Open:
    """A Django cache at *locations*, made as ``caches`` makes one. *expiring*: set_many knows a time-out."""

    def opened(address: Address, prefix: str, closing: ExitStack) -> Calls:
        cache_of(address, "default")  # Django's settings are there then
        from django.utils.module_loading import import_string

        location = locations[0] if len(locations) == 1 else [*locations]
        params = {"KEY_PREFIX": prefix, "TIMEOUT": TIMEOUT, "OPTIONS": options}
        cache = import_string(backend)(location, params)
        closing.callback(cache.close)
        calls = _calls_of(cast(Deleting, cache))
        return calls if expiring else {**calls, "set_many": partial(cache.set_many, PEOPLE)}

    return opened


def contenders(fleet: Fleet) -> tuple[Contender, ...]:
    """All of them, on the servers of *fleet*."""
    seeds, shards, pair = (_urls(each) for each in (fleet.cluster[:1], fleet.shards, fleet.replicated))
    watched, sentinels = [f"valkey://{SERVICE}/0"], [tuple(fleet.sentinel)]
    return (
        Contender(SINGLE, vkcache_over(())),
        Contender(FLOOR, cluster_floor(fleet.cluster)),
        Contender("vkcache, cluster", vkcache_over(seeds, topology="cluster"), subject=True),
        Contender("vkcache, shards", vkcache_over(shards, topology="shard")),
        Contender("vkcache, replicas", vkcache_over(pair, topology="replicas")),
        Contender("vkcache, sentinel", vkcache_over(watched, topology="sentinel", sentinels=sentinels)),
        Contender(PEER, valkey_py(fleet.cluster)),
        Contender(
            "django-valkey, cluster",
            django_cache("django_valkey.cluster_cache.cache.ClusterValkeyCache", seeds, expiring=False),
        ),
        Contender(
            "django-valkey, shards",
            django_cache(
                "django_valkey.cache.ValkeyCache",
                shards,
                CLIENT_CLASS="django_valkey.client.ShardClient",
            ),
        ),
        Contender(
            "django-redis, shards",
            django_cache(
                "django_redis.cache.RedisCache",
                _urls(fleet.shards, "redis"),
                CLIENT_CLASS="django_redis.client.ShardClient",
            ),
        ),
    )


def _urls(servers: Sequence[Address], scheme: str = "valkey") -> list[str]:
    return [server.url(scheme) for server in servers]


def _equals(expected: object) -> Callable[[object], bool]:
    return lambda answer: answer == expected


MEASURES = (
    Measure("set", "set, with a time-out", 200, None, (Target(SINGLE, 1.15),)),
    Measure("get", "get, a hit", 200, _equals(VALUE), (Target(SINGLE, 1.15),)),
    Measure("set_many", "set_many of 100", 10, None),
    Measure("get_many", "get_many of 100", 10, _equals(PEOPLE), (Target(SINGLE, 1.6), Target(PEER, 0.3))),
    Measure("delete_many", "delete_many of 100 that are gone", 10, None),
    Measure(
        f"get_{MANY}",
        f"get, {MANY} in flight",
        500,
        _equals(VALUE),
        (Target(SINGLE, 1.3),),
        in_flight(MANY),
    ),
)
"""A set stands before the get that reads what it wrote, and delete_many behind all that read it."""


def several(stack: ExitStack) -> Suite:
    """The suite, whose servers run from now on."""
    fleet = start(stack)
    return Suite(
        "cluster",
        MEASURES,
        contenders(fleet),
        baselines=(SINGLE, FLOOR, PEER),
        servers=fleet.asked,
        same_bytes=False,
    )
