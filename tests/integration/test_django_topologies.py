"""Django's CACHES over several servers: settings in, the right servers out.

Fails when a row of CACHES that names several servers is not understood as it was meant, or a contradiction in
it is not named with its remedy, or with a password; when a raw client is not the one of the server that holds
its key; or when aliases over one cluster do not share what is known of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import pytest
import valkey
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from tests.clusters import Clustered
from tests.servers import HOST
from tests.topologies import Fleet, Replicated, Sharded, Watched
from vkcache.django import ValkeyCache, get_valkey_connection
from vkcache.errors import CrossNode, InvalidArgument, Unreachable

Row: TypeAlias = "tuple[type[Fleet], str, Callable[[Any], dict[str, Any]]]"
"""The servers, the topology that the settings mean, and LOCATION and OPTIONS for them."""


def watched_by(fleet: Watched) -> list[str]:
    return [f"{host}:{port}" for host, port in fleet.sentinels]


ROWS: dict[str, Row] = {
    "a list": (Replicated, "replicas", lambda fleet: {"LOCATION": fleet.urls}),
    "commas": (Replicated, "replicas", lambda fleet: {"LOCATION": ",".join(fleet.urls)}),
    "semicolons": (Replicated, "replicas", lambda fleet: {"LOCATION": "; ".join(fleet.urls)}),
    "replicas in capitals": (
        Replicated,
        "replicas",
        lambda fleet: {
            "LOCATION": tuple(fleet.urls),
            "OPTIONS": {"TOPOLOGY": "replicas", "READ_FROM": "any", "READ_YOUR_WRITES": True},
        },
    ),
    "shards": (Sharded, "shard", lambda fleet: {"LOCATION": fleet.urls, "OPTIONS": {"topology": "shard"}}),
    "shards in capitals": (
        Sharded,
        "shard",
        lambda fleet: {
            "LOCATION": ";".join(fleet.urls),
            "OPTIONS": {"TOPOLOGY": "shard", "RING": "django-redis-cache"},
        },
    ),
    "sentinels": (
        Watched,
        "sentinel",
        lambda fleet: {
            "LOCATION": f"valkey://{fleet.service}/0",
            "OPTIONS": {"topology": "sentinel", "sentinels": fleet.sentinels},
        },
    ),
    "sentinels in capitals": (
        Watched,
        "sentinel",
        lambda fleet: {
            "LOCATION": f"redis://{fleet.service}/0",
            "OPTIONS": {"SENTINELS": watched_by(fleet), "SENTINEL_KWARGS": {"socket_timeout": 1}},
        },
    ),
    "a seed": (
        Clustered,
        "cluster",
        lambda fleet: {"LOCATION": fleet.urls[4], "OPTIONS": {"topology": "cluster"}},
    ),
    "seeds in capitals": (
        Clustered,
        "cluster",
        lambda fleet: {"LOCATION": fleet.urls, "OPTIONS": {"TOPOLOGY": "cluster", "READ_FROM": "replica"}},
    ),
}
V = "django_valkey"
MOVED: dict[str, Row] = {
    "V: default": (
        Replicated,
        "replicas",
        lambda fleet: {
            "LOCATION": ",".join(fleet.urls),
            "OPTIONS": {"CLIENT_CLASS": f"{V}.client.DefaultClient", "compat": "django-valkey"},
        },
    ),
    "DR: herd": (
        Replicated,
        "single",
        lambda fleet: {
            "LOCATION": fleet.urls[0],
            "OPTIONS": {"CLIENT_CLASS": "django_redis.client.HerdClient", "compat": "django-redis"},
        },
    ),
    "DR: sentinels": (
        Watched,
        "sentinel",
        lambda fleet: {
            "LOCATION": f"redis://{fleet.service}:6379/0",
            "OPTIONS": {
                "CLIENT_CLASS": "django_redis.client.SentinelClient",
                "SENTINELS": fleet.sentinels,
                "CONNECTION_POOL_CLASS": "redis.sentinel.SentinelConnectionPool",
            },
        },
    ),
    "V: shards": (
        Sharded,
        "shard",
        lambda fleet: {
            "LOCATION": fleet.urls,
            "OPTIONS": {"CLIENT_CLASS": f"{V}.client.sharded.ShardClient"},
        },
    ),
    "V: cluster": (
        Clustered,
        "cluster",
        lambda fleet: {
            "LOCATION": fleet.urls[0],
            "OPTIONS": {"CLIENT_CLASS": f"{V}.cluster_cache.client.DefaultClusterClient"},
        },
    ),
    "R: shards": (
        Sharded,
        "shard",
        lambda fleet: {
            "LOCATION": [f"{HOST}:{server.port}" for server in fleet.servers],
            "OPTIONS": {"topology": "shard", "compat": "django-redis-cache"},
        },
    ),
}
"""Rows as other backends have them."""
BY_KEY = ("shards", "shards in capitals", "a seed", "seeds in capitals")


@pytest.fixture(scope="module")
def fleets() -> Iterator[Mapping[type[Fleet], Any]]:
    """The sets of servers of this module. They start before its first test, which none of them is part of."""
    with Replicated() as replicated, Sharded() as sharded, Watched() as watched, Clustered() as clustered:
        yield {type(fleet): fleet for fleet in (replicated, sharded, watched, clustered)}


class Site:
    """Django with one row of CACHES over its servers."""

    def __init__(self, fleet: Any, topology: str) -> None:
        self.fleet, self.topology = fleet, topology

    @property
    def cache(self) -> ValkeyCache:
        cache = caches["default"]
        assert isinstance(cache, ValkeyCache)
        return cache

    def copied(self) -> None:
        """Return when replicas have what was written."""
        if not isinstance(self.fleet, Sharded):
            self.fleet.await_replication()


def configured(site: Site, rows: dict[str, dict[str, Any]]) -> Iterator[Site]:
    backend = {"BACKEND": "vkcache.django.ValkeyCache", "KEY_PREFIX": "dj"}
    with override_settings(CACHES={alias: {**backend, **row} for alias, row in rows.items()}):
        yield site


@pytest.fixture
def site(request: pytest.FixtureRequest, fleets: Mapping[type[Fleet], Any]) -> Iterator[Site]:
    kind, topology, row = {**ROWS, **MOVED}[request.param]
    fleet = fleets[kind]
    fleet.flush()
    yield from configured(Site(fleet, topology), {"default": row(fleet)})


def each(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("site", names or [*ROWS], indirect=True)


@each(*ROWS, *MOVED)
def test_settings_mean_what_they_say(site: Site) -> None:
    assert site.cache._site.settings.laid_out == site.topology
    names = [f"k{number}" for number in range(50)]
    site.cache.set("one", (1, "two"))
    assert site.cache.set_many(dict.fromkeys(names, 5)) == []
    site.copied()
    assert site.cache.get("one") == (1, "two")
    assert site.cache.get_many([*names, "missing"]) == dict.fromkeys(names, 5)
    assert sorted(site.cache.keys("k*")) == sorted(names)
    assert site.cache.delete_many(names) == 50
    site.copied()
    assert not site.cache.get_many(names)


@each()
def test_tasks_read_what_was_written(site: Site) -> None:
    async def write() -> None:
        await site.cache.aset("one", (1, "two"))
        assert await site.cache.aset_many({"a": 1, "b": 2}) == []

    async def read() -> None:
        assert await site.cache.aget("one") == (1, "two")
        assert await site.cache.aget_many(["a", "b", "c"]) == {"a": 1, "b": 2}
        async with await site.cache.get_async_client("one", write=True) as client:
            assert await client.get(site.cache.make_key("one")) == site.cache.encode((1, "two"))

    asyncio.run(write())
    site.copied()
    asyncio.run(read())


@each()
def test_a_raw_client_is_the_one_of_the_server_that_holds_its_key(site: Site) -> None:
    names = [f"k{number}" for number in range(20)]
    site.cache.set_many({name: number for number, name in enumerate(names)})
    site.copied()
    for number, name in enumerate(names):
        for client in (
            site.cache.get_client(name, write=True),
            site.cache.get_client(key=name),
            get_valkey_connection("default", write=False, key=name),
            get_valkey_connection("default", True, name),
        ):
            assert client.get(site.cache.make_key(name)) == b"%d" % number


@each(*BY_KEY)
def test_without_a_key_there_is_no_raw_client_of_several_servers(site: Site) -> None:
    for call in (site.cache.get_client, get_valkey_connection):
        with pytest.raises(InvalidArgument, match=r"^give key=: keys live on several servers"):
            call()
    with pytest.raises(InvalidArgument, match=r"^give key="):
        asyncio.run(site.cache.get_async_client())


@each("shards", "a seed")
def test_a_call_over_several_servers_that_must_not_be_cut_up_names_its_keys(site: Site) -> None:
    names = [f"k{number}" for number in range(20)]
    with pytest.raises(CrossNode, match=r"^MGET 'dj:1:k0', .*\{user:1\}:name") as caught:
        site.cache.mget(names)
    assert isinstance(caught.value, ValueError)


@each("a list", "replicas in capitals")
def test_a_raw_client_for_reading_is_a_replicas(site: Site) -> None:
    primary, *replicas = [server.port for server in site.fleet.servers]
    for client in (site.cache.get_client(write=True), get_valkey_connection("default")):
        assert port(client) == primary
    readers = {port(get_valkey_connection("default", write=False)) for _ in range(6)}
    assert readers - {primary} == set(replicas)


@each("sentinels")
def test_a_raw_client_of_a_service_is_its_primarys(site: Site) -> None:
    assert port(site.cache.get_client()) == port(site.cache.get_client(write=True)) == site.fleet.primary.port


def port(client: valkey.Valkey) -> int:
    number: int = client.connection_pool.connection_kwargs["port"]
    return number


@each()
def test_commands_on_keys_that_are_ready_made(site: Site) -> None:
    key = site.cache.make_key("k")
    site.cache._cache.set(key, {"a": 1})
    site.copied()
    assert site.cache.get("k") == site.cache._cache.get(key) == {"a": 1}
    assert asyncio.run(site.cache._cache.aget(key)) == {"a": 1}
    assert site.cache._cache.delete(key)


# What aliases share ---------------------------------------------------------------------------------------


def test_aliases_over_one_cluster_share_what_is_known_of_it(fleets: Mapping[type[Fleet], Any]) -> None:
    cluster: Clustered = fleets[Clustered]
    cluster.flush()
    row = {"LOCATION": cluster.urls, "OPTIONS": {"topology": "cluster"}}
    others = {**row, "LOCATION": cluster.urls[::-1], "KEY_PREFIX": "other"}
    for site in configured(Site(cluster, "cluster"), {"default": row, "others": others}):
        site.cache.set_many({f"k{number}": number for number in range(50)})
        looked = looks(cluster)
        assert caches["others"].get_many([f"k{number}" for number in range(50)]) == {}
        caches["others"].set("k1", "another")
        assert looks(cluster) == looked > 0
        assert (site.cache.get("k1"), caches["others"].get("k1")) == (1, "another")


def looks(cluster: Clustered) -> int:
    """How often its servers were asked for the layout."""
    counts = 0
    for server in cluster.servers:
        told = server.execute("INFO", "commandstats")
        assert isinstance(told, dict)
        counts += told.get("cmdstat_cluster|slots", {}).get("calls", 0)
    return counts


# Credentials ----------------------------------------------------------------------------------------------


def test_sentinels_have_credentials_of_their_own(fleets: Mapping[type[Fleet], Any]) -> None:
    watched: Watched = fleets[Watched]
    row: dict[str, Any] = {"LOCATION": "valkey://cache/0"}
    rights = ("ACL", "SETUSER", "asker", "on", ">hunter2", "+@all", "allchannels")
    named = {"sentinels": watched.sentinels, "sentinel_kwargs": {"username": "asker", "password": "hunter2"}}
    denied = {**named, "sentinel_kwargs": {"username": "asker", "password": "hunter3"}}
    for watcher in watched.watchers:
        watcher.execute(*rights)
    rows = {"default": {**row, "OPTIONS": named}, "denied": {**row, "OPTIONS": denied}}
    for site in configured(Site(watched, "sentinel"), rows):
        site.cache.set("k", 1)
        assert site.cache.get("k") == 1
        asked = ", ".join(watched_by(watched))
        with pytest.raises(Unreachable) as caught:
            caches["denied"].get("k")
        assert str(caught.value).startswith(f"no sentinel names a primary of 'cache' (asked: {asked})")
        assert "hunter" not in str(caught.value)


# What is refused ------------------------------------------------------------------------------------------

ONE, TWO = "valkey://:hunter2@localhost:7001/0", "valkey://:hunter2@localhost:7002/0"
SERVICE = "valkey://:hunter2@service/0"
ASKED: dict[str, Any] = {"sentinels": [(HOST, 26379)]}
REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    ([ONE, TWO], {"topology": "single"}, "option topology, 'single': 2 URLs are given; give one, or"),
    ([ONE, TWO], {"TOPOLOGY": "ring"}, "option topology, 'ring': give one of single, replicas, shard,"),
    (ONE, {"topology": "replicas"}, "option topology, 'replicas': give several URLs, the primary's first"),
    (
        SERVICE,
        {"topology": "sentinel"},
        "option topology, 'sentinel': give sentinels=[(host, port), ...] too",
    ),
    ([ONE, TWO], ASKED, "option sentinels: 2 URLs are given; give one, valkey://service/db, and read_from="),
    ("valkey://:hunter2@service:6379/0", ASKED, "option sentinels: give a URL that names the service they"),
    ("valkey:///0", ASKED, "option sentinels: give a URL that names the service they watch, without a port"),
    (SERVICE, {"SENTINELS": []}, "option sentinels: give a list of (host, port), one at least"),
    (SERVICE, {"sentinels": "localhost:26379"}, "option sentinels: give a list of (host, port)"),
    (SERVICE, {"sentinels": ["localhost"]}, "option sentinels: give each as (host, port), such as"),
    (SERVICE, {"sentinels": [("localhost", "hunter2")]}, "option sentinels: give each as (host, port), such"),
    (SERVICE, {**ASKED, "topology": "shard"}, "option sentinels is for topology='sentinel', and this one is"),
    (SERVICE, {**ASKED, "sentinel_kwargs": "hunter2"}, "option sentinel_kwargs, of type str: give a dict"),
    (SERVICE, {**ASKED, "sentinel_kwargs": {"pasword": "hunter2"}}, "option sentinel_kwargs: 'pasword' can"),
    (SERVICE, {**ASKED, "sentinel_kwargs": {"host": "hunter2"}}, "option sentinel_kwargs: 'host' can not be"),
    (
        SERVICE,
        {"SENTINEL_KWARGS": {"password": "hunter2"}},
        "option sentinel_kwargs is for topology='sentinel",
    ),
    (
        SERVICE,
        {**ASKED, "pool_class": "valkey.sentinel.SentinelConnectionPool"},
        "option pool_class: leave it out: sentinels= is enough",
    ),
    (f"{SERVICE}?is_master=1", ASKED, "option is_master can not be used with this URL: leave it out"),
    ([f"{ONE}?colour=red", TWO], {}, "option colour can not be used with this URL: leave it out"),
    ([ONE, TWO], {"topology": "cluster", "pool_kwargs": {"colour": "red"}}, "option colour can not be used"),
    (ONE, {"read_from": "replica"}, "option read_from is for topology='replicas' or 'sentinel' or 'cluster'"),
    ([ONE, TWO], {"read_from": "slaves"}, 'option read_from, \'slaves\': give "replica", "primary" or "any"'),
    ([ONE, TWO], {"topology": "shard", "read_your_writes": True}, "option read_your_writes is for topology="),
    ([ONE, TWO], {"read_your_writes": -1}, "option read_your_writes, -1: give True, or for how many seconds"),
    (
        [ONE, TWO],
        {"ring": "django-valkey"},
        "option ring is for topology='shard', and this one is 'replicas'",
    ),
    ([ONE, TWO], {"topology": "shard", "ring": "jump"}, "option ring, 'jump': give one of django-valkey, dj"),
    ([ONE, ONE], {}, "a URL is given twice: give each server once"),
    ([ONE, "memory://"], {}, "option topology, 'replicas': give URLs of hosts, valkey://host:port"),
    (["memory://a", "memory://b"], {"topology": "shard"}, "option topology, 'shard': give URLs of hosts,"),
    ("unix:///hunter2", {"topology": "cluster"}, "option topology, 'cluster': give URLs of hosts,"),
    ([], {}, "no URL is given: give one, such as 'valkey://127.0.0.1:6379/0'"),
    ([ONE, 7], {}, "LOCATION, of type list: give a URL as a str"),
    ([ONE, "hunter2@localhost"], {}, "the URL has no scheme; begin it with one of valkey://"),
]


@pytest.mark.parametrize(("location", "options", "said"), REFUSED, ids=[str(n) for n in range(len(REFUSED))])
def test_what_contradicts_is_named_with_its_remedy_and_without_a_password(
    location: Any, options: dict[str, Any], said: str
) -> None:
    row = {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": location, "OPTIONS": options}
    with override_settings(CACHES={"default": row}), pytest.raises(ImproperlyConfigured) as caught:
        _ = caches["default"].get
    assert str(caught.value).startswith(f"CACHES: {said}")
    assert "hunter2" not in str(caught.value)
