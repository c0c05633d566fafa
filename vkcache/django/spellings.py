"""How other cache backends spell what a row of CACHES says, as data.

What may enter: a name or dotted path of theirs with what it stands for here, or with what to use instead
where it stands for nothing. None of their packages is imported: it may be gone. How a row is read by these
tables is said in `moving`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any, Final

from vkcache.django.unused import COMPRESSION, LOGGED

_LIKE_VALKEY: Final = ("django_valkey", "django_redis")

# Options under another name ---------------------------------------------------------------------------------

RENAMED: Final[Mapping[str, str]] = {
    "connection_pool_class": "pool_class",
    "connection_pool_kwargs": "pool_kwargs",
    "connection_pool_class_kwargs": "pool_kwargs",
    "serializer_class": "serializer",
    "compressor_class": "compressor",
    "log_ignore_exceptions": "log_ignored_exceptions",
}
"""Their options whose value is read as ours."""

OF_REDIS_CACHE: Final = frozenset(
    (
        "serializer_class",
        "serializer_class_kwargs",
        "compressor_class",
        "compressor_class_kwargs",
        "connection_pool_class_kwargs",
        "master_cache",
    )
)
"""The options that django-redis-cache alone has."""

OF_OTHERS: Final = OF_REDIS_CACHE | {
    "client_class",
    "connection_factory",
    "connection_pool_class",
    "connection_pool_kwargs",
}
"""Options that tell that a row was written for another backend."""

# Servers ----------------------------------------------------------------------------------------------------

HERD: Final = {"stale_cache_timeout": 60}
_SENTINEL: Final = {"topology": "sentinel", "read_from": "replica"}
_CLIENTS_LIKE_VALKEY: Final[tuple[tuple[str, str, Mapping[str, Any]], ...]] = (
    ("default", "DefaultClient", {}),
    ("herd", "HerdClient", HERD),
    ("sentinel", "SentinelClient", _SENTINEL),
    ("sharded", "ShardClient", {"topology": "shard"}),
)

CLIENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    **{
        f"{package}.client.{place}{name}": meant
        for package, (module, name, meant) in product(_LIKE_VALKEY, _CLIENTS_LIKE_VALKEY)
        for place in ("", f"{module}.")
    },
    **{
        f"django_valkey.async_cache.client.{place}Async{name}": meant
        for module, name, meant in _CLIENTS_LIKE_VALKEY[:3]
        for place in ("", f"{module}.")
    },
    **{
        f"django_valkey.{place}HashClient": {"hash_layout": "django-valkey-hash"}
        for place in (
            "client.",
            "client.default.",
            "async_cache.client.Async",
            "async_cache.client.default.Async",
        )
    },
    **{
        f"django_valkey.cluster_cache.client.{place}DefaultClusterClient": {"topology": "cluster"}
        for place in ("", "default.")
    },
}
"""CLIENT_CLASS: the options that it stands for."""

FACTORIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "django_valkey.pool.ConnectionFactory": {},
    "django_valkey.pool.SentinelConnectionFactory": {"topology": "sentinel"},
    "django_valkey.async_cache.pool.AsyncConnectionFactory": {},
    "django_valkey.async_cache.pool.AsyncSentinelConnectionFactory": {"topology": "sentinel"},
    "django_valkey.cluster_cache.pool.ClusterConnectionFactory": {"topology": "cluster"},
    "django_redis.pool.ConnectionFactory": {},
    "django_redis.pool.SentinelConnectionFactory": {"topology": "sentinel"},
}
"""CONNECTION_FACTORY: the options that it stands for."""

# Values -----------------------------------------------------------------------------------------------------

_JSON: Final = "vkcache.django.serializers.JSON"
_MSGPACK: Final = "vkcache.django.serializers.MSGPACK"

SERIALIZERS: Final[Mapping[str, str | None]] = {
    **{f"{package}.serializers.pickle.PickleSerializer": "pickle" for package in _LIKE_VALKEY},
    **{f"{package}.serializers.json.JSONSerializer": _JSON for package in _LIKE_VALKEY},
    **{f"{package}.serializers.msgpack.MSGPackSerializer": _MSGPACK for package in _LIKE_VALKEY},
    "django_valkey.serializers.msgspec.MsgSpecJsonSerializer": _JSON,
    "django_valkey.serializers.msgspec.MsgSpecMsgPackSerializer": _MSGPACK,
    "django_cachex.serializers.pickle.PickleSerializer": "pickle",
    "django_cachex.serializers.json.JsonSerializer": _JSON,
    "django_cachex.serializers.orjson.OrjsonSerializer": _JSON,
    "django_cachex.serializers.msgpack.MsgpackSerializer": _MSGPACK,
    "django_cachex.serializers.ormsgpack.OrmsgpackSerializer": _MSGPACK,
    "redis_cache.serializers.PickleSerializer": "pickle",
    "redis_cache.serializers.JSONSerializer": "json",
    "redis_cache.serializers.MSGPackSerializer": _MSGPACK,
    "redis_cache.serializers.YAMLSerializer": None,
    "redis_cache.serializers.DummySerializer": None,
    "django.core.cache.backends.redis.RedisSerializer": "pickle",
}
"""What reads and writes what theirs does; None: nothing."""

_COMPRESSORS_LIKE_VALKEY: Final = (
    ("identity", "Identity", "none"),
    ("zlib", "Zlib", "zlib"),
    ("gzip", "Gzip", "gzip"),
    ("bz2", "Bz2", "bz2"),
    ("lzma", "Lzma", "lzma"),
    ("lz4", "Lz4", "lz4"),
    ("brotli", "Brotli", "brotli"),
    ("zstd", "ZStd", "zstd"),
)

COMPRESSORS: Final[Mapping[str, str | None]] = {
    **{
        f"{package}.compressors.{module}.{name}Compressor": ours
        for package, (module, name, ours) in product(_LIKE_VALKEY, _COMPRESSORS_LIKE_VALKEY)
        if package == "django_valkey" or ours not in ("bz2", "brotli")
    },
    **{
        f"django_cachex.compressors.{name}.{name.capitalize()}Compressor": name
        for name in ("zlib", "gzip", "lzma", "lz4", "zstd")
    },
    "redis_cache.compressors.NoopCompressor": "none",
    "redis_cache.compressors.ZLibCompressor": "zlib",
    "redis_cache.compressors.BZip2Compressor": "bz2",
}
"""What reads and writes what theirs does."""

REVERSE_KEY_FUNCTIONS: Final = frozenset(f"{package}.util.default_reverse_key" for package in _LIKE_VALKEY)
"""Their own, for keys as Django makes them."""

# Settings of the whole site ---------------------------------------------------------------------------------

PREFIXES: Final[Mapping[str, str]] = {"django-valkey": "DJANGO_VALKEY_", "django-redis": "DJANGO_REDIS_"}
"""How the settings of the whole site begin, by the backend that reads them."""

SITE_OPTIONS: Final[Mapping[str, str]] = {
    "IGNORE_EXCEPTIONS": "ignore_exceptions",
    "LOG_IGNORED_EXCEPTIONS": "log_ignored_exceptions",
    "CLOSE_CONNECTION": "close_connection",
    "SCAN_ITERSIZE": "scan_itersize",
}
"""Behind such a prefix: the options whose default they are."""

HERD_SETTING: Final = "CACHE_HERD_TIMEOUT"

SITE_UNUSED: Final[Mapping[str, str]] = {
    **{f"{prefix}LOGGER": LOGGED for prefix in PREFIXES.values()},
    **dict.fromkeys(
        (
            "CACHE_COMPRESS_LEVEL",
            "CACHE_COMPRESS_MIN_LENGTH",
            "COMPRESS_BROTLI_LGBLOCK",
            "COMPRESS_BROTLI_LGWIN",
            "COMPRESS_BROTLI_MODE",
            "COMPRESS_LZ4_BLOCK_LINKED",
            "COMPRESS_LZ4_BLOCK_SIZE",
            "COMPRESS_LZ4_CONTENT_CHECKSUM",
            "COMPRESS_LZ4_STORE_SIZE",
            "COMPRESS_LZMA_CHECK",
            "COMPRESS_LZMA_FILTERS",
            "COMPRESS_LZMA_FORMAT",
            "COMPRESS_ZLIB_WBITS",
            "COMPRESS_ZSTD_DICT",
            "COMPRESS_ZSTD_OPTIONS",
            "DECOMPRESS_LZMA_FILTERS",
            "DECOMPRESS_LZMA_FORMAT",
            "DECOMPRESS_LZMA_MEMLIMIT",
            "DECOMPRESS_ZSTD_DICT",
            "DECOMPRESS_ZSTD_OPTIONS",
        ),
        COMPRESSION,
    ),
}
"""Settings of the whole site that mean nothing here, with what to use instead."""

SITE_SETTINGS: Final = frozenset(
    (
        HERD_SETTING,
        "VKCACHE_SCAN_ITERSIZE",
        *SITE_UNUSED,
        *(prefix + name for prefix, name in product(PREFIXES.values(), SITE_OPTIONS)),
        *(f"{prefix}CONNECTION_FACTORY" for prefix in PREFIXES.values()),
    )
)
"""All settings of the whole site that are read by these tables."""
