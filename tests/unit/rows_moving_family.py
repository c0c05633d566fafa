"""Rows of CACHES as django-valkey and django-redis document them, with what they mean here.

What may enter: a LOCATION with OPTIONS that one of the two reads, and what a row is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import valkey
from attrs import frozen

ONE = "redis://127.0.0.1:6379/1"
SEVERAL = ["redis://a:1/1", "redis://b:2/1"]
ASKED = {"SENTINELS": [("s1", 26379), ("s2", 26379)]}
NAMED: Any = (("s1", 26379), ("s2", 26379))
V, DR = "django_valkey", "django_redis"


@frozen
class Row:
    """LOCATION and OPTIONS, the settings that they mean, and the names of what is unused."""

    location: Any
    options: Mapping[str, Any]
    meant: Mapping[str, Any]
    unused: tuple[str, ...] = ()
    site: Mapping[str, Any] = {}


# Two backends of one family -------------------------------------------------------------------------------


def of_family(package: str, prefix: str) -> dict[str, Row]:
    client, pool = f"{package}.client", f"{package}.pool"
    sentinel = {"topology": "sentinel", "sentinels": NAMED, "url": "redis://service/1"}
    return {
        "documented": Row(
            ONE,
            {
                "CLIENT_CLASS": f"{client}.DefaultClient",
                "PASSWORD": "hunter2",
                "SOCKET_CONNECT_TIMEOUT": 5,
                "SOCKET_TIMEOUT": 4.5,
                "IGNORE_EXCEPTIONS": True,
                "LOG_IGNORED_EXCEPTIONS": 1,
                "CLOSE_CONNECTION": True,
                "SERIALIZER": f"{package}.serializers.msgpack.MSGPackSerializer",
                "COMPRESSOR": f"{package}.compressors.lzma.LzmaCompressor",
                "CONNECTION_POOL_CLASS": "redis.connection.BlockingConnectionPool",
                "CONNECTION_POOL_KWARGS": {
                    "max_connections": 100,
                    "retry_on_timeout": True,
                    "timeout": 20,
                    "decode_responses": False,
                },
                "PARSER_CLASS": "redis.connection._HiredisParser",
                "PICKLE_VERSION": -1,
                "REDIS_CLIENT_CLASS": "my.module.ClientClass",
                "REDIS_CLIENT_KWARGS": {"some_setting": "hunter2"},
                "BASE_CLIENT_CLASS": "my.module.ClientClass",
                "BASE_CLIENT_KWARGS": {"some_setting": "hunter2"},
                "REPLICA_READ_ONLY": True,
            },
            {
                "laid_out": "single",
                "password": "hunter2",
                "socket_connect_timeout": 5,
                "socket_timeout": 4.5,
                "ignore_exceptions": True,
                "log_ignored_exceptions": True,
                "close_connection": True,
                "serializer": "vkcache.django.serializers.MSGPACK",
                "compressor": "lzma",
                "max_connections": 100,
                "pool_class": valkey.ConnectionPool,
                "pool_kwargs": {"retry_on_timeout": True},
            },
            (
                "CONNECTION_POOL_KWARGS['timeout']",
                "PARSER_CLASS",
                "PICKLE_VERSION",
                "REDIS_CLIENT_CLASS",
                "REDIS_CLIENT_KWARGS",
                "BASE_CLIENT_CLASS",
                "BASE_CLIENT_KWARGS",
            ),
        ),
        "nothing but servers": Row(SEVERAL, {}, {"laid_out": "replicas", "serializer": None}),
        "commas": Row(",".join(SEVERAL), {"REPLICA_READ_ONLY": True}, {"laid_out": "replicas"}),
        "writes anywhere": Row(SEVERAL, {"REPLICA_READ_ONLY": False}, {}, ("REPLICA_READ_ONLY",)),
        "left out": Row(
            ONE,
            {
                "PASSWORD": None,
                "SOCKET_TIMEOUT": 0,
                "CONNECTION_POOL_KWARGS": {},
                "PARSER_CLASS": None,
                "CONNECTION_POOL_CLASS": None,
                "CLIENT_CLASS": None,
                "CONNECTION_FACTORY": "",
                "SENTINEL_KWARGS": None,
                "SERIALIZER": None,
                "IGNORE_EXCEPTIONS": None,
            },
            {"socket_timeout": 1.0, "pool_kwargs": {}, "serializer": None, "password": None},
        ),
        "herd": Row(
            ONE, {"CLIENT_CLASS": f"{client}.HerdClient"}, {"laid_out": "single", "stale_cache_timeout": 60}
        ),
        "herd, its own time": Row(
            SEVERAL,
            {"CLIENT_CLASS": f"{client}.herd.HerdClient"},
            {"laid_out": "replicas", "stale_cache_timeout": 20},
            site={"CACHE_HERD_TIMEOUT": 20},
        ),
        "shards": Row(
            SEVERAL,
            {"CLIENT_CLASS": f"{client}.ShardClient", "compat": package.replace("_", "-")},
            {"laid_out": "shard", "ring": "django-valkey", "written_as": SEVERAL},
        ),
        "sentinels": Row(
            "redis://service:6379/1?is_master=1",
            {"CLIENT_CLASS": f"{client}.SentinelClient", **ASKED, "SENTINEL_KWARGS": {"password": "x"}},
            {**sentinel, "read_from": "replica", "sentinel_kwargs": {"password": "x"}},
        ),
        "sentinels by a factory": Row(
            ["redis://:pw@service/1?is_master=1", "redis://:pw@service/1?is_master=0"],
            {
                "CLIENT_CLASS": f"{client}.default.DefaultClient",
                "CONNECTION_FACTORY": f"{pool}.SentinelConnectionFactory",
                "CONNECTION_POOL_CLASS": "redis.sentinel.SentinelConnectionPool",
                **ASKED,
            },
            {**sentinel, "url": "redis://:pw@service/1", "read_from": "replica"},
        ),
        "sentinels by the site": Row(
            "redis://service/1",
            ASKED,
            {**sentinel, "read_from": None},
            site={f"{prefix}CONNECTION_FACTORY": f"{pool}.SentinelConnectionFactory"},
        ),
        "a factory of the site's": Row(
            ONE,
            {},
            {"laid_out": "single"},
            (f"{prefix}CONNECTION_FACTORY",),
            {f"{prefix}CONNECTION_FACTORY": "my.pools.Hunter2"},
        ),
        "a factory for another row's sentinels": Row(
            ONE,
            {"compat": package.replace("_", "-")},
            {"laid_out": "single"},
            site={f"{prefix}CONNECTION_FACTORY": f"{pool}.SentinelConnectionFactory"},
        ),
        "the primary of sentinels": Row(
            "redis://service/1",
            {"CONNECTION_FACTORY": f"{pool}.SentinelConnectionFactory", **ASKED},
            {**sentinel, "read_from": None},
        ),
        "factory": Row(
            ONE, {"CONNECTION_FACTORY": f"{pool}.ConnectionFactory"}, {"laid_out": "single", "url": ONE}
        ),
        "classes of the site's own": Row(
            ONE,
            {
                "CLIENT_CLASS": "my.clients.Hunter2",
                "CONNECTION_FACTORY": "my.pools.Factory",
                "CONNECTION_POOL_CLASS": "my.pools.NoLongerThere",
            },
            {"laid_out": "single", "pool_class": valkey.ConnectionPool},
            ("CLIENT_CLASS", "CONNECTION_FACTORY", "CONNECTION_POOL_CLASS"),
        ),
        "the whole site": Row(
            ONE,
            {},
            {
                "ignore_exceptions": True,
                "log_ignored_exceptions": True,
                "close_connection": True,
                "scan_itersize": 77,
            },
            (f"{prefix}LOGGER",),
            {
                f"{prefix}IGNORE_EXCEPTIONS": True,
                f"{prefix}LOG_IGNORED_EXCEPTIONS": True,
                f"{prefix}CLOSE_CONNECTION": True,
                f"{prefix}SCAN_ITERSIZE": 77,
                f"{prefix}LOGGER": "ignored",
            },
        ),
        "the row first": Row(
            ONE,
            {"IGNORE_EXCEPTIONS": False},
            {"ignore_exceptions": False},
            site={f"{prefix}IGNORE_EXCEPTIONS": True, f"{prefix}LOGGER": "silent"},
        ),
        "another backend's row": Row(
            ONE,
            {"compat": "django"},
            {"ignore_exceptions": False, "scan_itersize": 1000},
            site={f"{prefix}IGNORE_EXCEPTIONS": True, f"{prefix}SCAN_ITERSIZE": 9, f"{prefix}LOGGER": "x"},
        ),
        "the URL's login counts": Row(
            "redis://:inside@a:1/3",
            {"PASSWORD": "hunter2", "CONNECTION_POOL_KWARGS": {"db": 9}},
            {"password": "inside", "db": 3},
            ("PASSWORD",),
        ),
        "the pool's keywords count": Row(
            ONE,
            {"SOCKET_TIMEOUT": 3, "CONNECTION_POOL_KWARGS": {"socket_timeout": 7, "db": 1}},
            {"socket_timeout": 7, "db": 1},
            ("SOCKET_TIMEOUT",),
        ),
        "some URLs have a database": Row(
            ["redis://a:1", "redis://b:2/5"],
            {"CONNECTION_POOL_KWARGS": {"db": 4, "socket_keepalive_options": {1: 2}}},
            {"dbs": [4, 5], "pool_kwargs": {"socket_keepalive_options": {1: 2}}},
        ),
        "encrypted": Row(
            "rediss://a:1/0",
            {"CONNECTION_POOL_KWARGS": {"ssl_cert_reqs": None, "ssl_ca_certs": "/ca.pem", "protocol": 3}},
            {"tls": {"ssl_check_hostname": False, "ssl_cert_reqs": None, "ssl_ca_certs": "/ca.pem"}},
            ("CONNECTION_POOL_KWARGS['protocol']",),
        ),
        "a class that encrypts": Row(
            "redis://a:1/0",
            {"CONNECTION_POOL_KWARGS": {"connection_class": valkey.SSLConnection}},
            {"url": "rediss://a:1/0"},
        ),
    }


CLUSTER: Any = "django_valkey.cluster_cache"
VALKEY: dict[str, Row] = {
    "cluster": Row(
        "valkey://a:7000",
        {
            "CLIENT_CLASS": f"{CLUSTER}.client.DefaultClusterClient",
            "BASE_CLIENT_KWARGS": {"read_from_replicas": True, "password": "hunter2", "retry": object()},
            "PARSER_CLS": "valkey.connection.PythonParser",
        },
        {"laid_out": "cluster", "read_from": "replica", "password": "hunter2"},
        ("BASE_CLIENT_KWARGS['retry']", "PARSER_CLS"),
    ),
    "cluster by a factory": Row(
        "valkey://a:7000",
        {"CONNECTION_FACTORY": f"{CLUSTER}.pool.ClusterConnectionFactory"},
        {"laid_out": "cluster"},
    ),
    "hashes": Row(
        ONE,
        {"CLIENT_CLASS": f"{V}.client.default.HashClient", "compat": "django-valkey"},
        {"hash_layout": "django-valkey-hash", "conventions": "django-valkey"},
    ),
    "tasks": Row(
        "valkey://service/0",
        {"CLIENT_CLASS": f"{V}.async_cache.client.AsyncSentinelClient", **ASKED},
        {"laid_out": "sentinel", "read_from": "replica"},
    ),
    "tasks in a herd": Row(
        ONE,
        {"CLIENT_CLASS": f"{V}.async_cache.client.herd.AsyncHerdClient"},
        {"stale_cache_timeout": 60},
    ),
    "as its source spells it": Row(
        ONE, {"LOG_IGNORE_EXCEPTIONS": True}, {"log_ignored_exceptions": True, "ignore_exceptions": False}
    ),
    "levels": Row(
        ONE,
        {"COMPRESSOR": f"{V}.compressors.brotli.BrotliCompressor"},
        {"compressor": "brotli"},
        ("CACHE_COMPRESS_LEVEL", "COMPRESS_BROTLI_LGWIN"),
        {"CACHE_COMPRESS_LEVEL": 4, "COMPRESS_BROTLI_LGWIN": 20},
    ),
    "levels of no compressor": Row(ONE, {}, {}, site={"CACHE_COMPRESS_LEVEL": 4}),
}
