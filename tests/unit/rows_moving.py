"""Rows of CACHES as five other backends document them, with what they mean here.

What may enter: a LOCATION with OPTIONS that one of them reads, as a row of `ROWS`.
"""

from __future__ import annotations

from tests.unit.rows_moving_family import DR, ONE, VALKEY, Row, V, of_family

# django-cachex and Django's own ---------------------------------------------------------------------------

LIKE_DJANGO: dict[str, Row] = {
    "connections": Row(
        ["redis://a:1", "redis://b:2"],
        {
            "db": "3",
            "username": "me",
            "password": "hunter2",
            "pool_class": "redis.BlockingConnectionPool",
            "parser_class": "redis.connection.PythonParser",
            "max_connections": None,
            "health_check_interval": 30,
            "client_name": "site",
            "socket_keepalive": True,
            "retry_on_timeout": True,
            "retry_on_error": [OSError],
            "protocol": 2,
            "socket_type": 0,
        },
        {
            "laid_out": "replicas",
            "db": 3,
            "username": "me",
            "password": "hunter2",
            "max_connections": 50,
            "health_check_interval": 30,
            "client_name": "site",
            "socket_keepalive": True,
            "pool_kwargs": {"retry_on_timeout": True, "socket_type": 0},
        },
        ("parser_class", "retry_on_error"),
    ),
    "semicolons": Row("redis://a:1;redis://b:2", {}, {"laid_out": "replicas"}),
    "a serializer": Row(
        ONE, {"serializer": "django.core.cache.backends.redis.RedisSerializer"}, {"serializer": "pickle"}
    ),
    "eviction": Row(ONE, {"MAX_ENTRIES": 1000, "CULL_FREQUENCY": 3}, {}, ("MAX_ENTRIES", "CULL_FREQUENCY")),
    "several of each": Row(
        ONE,
        {
            "serializer": [
                "django_cachex.serializers.orjson.OrjsonSerializer",
                "django_cachex.serializers.json.JsonSerializer",
                "django_cachex.serializers.pickle.PickleSerializer",
            ],
            "compressor": [
                "django_cachex.compressors.zstd.ZstdCompressor",
                "django_cachex.compressors.gzip.GzipCompressor",
            ],
            "async_pool_class": "my.Pool",
            "stampede_prevention": True,
        },
        {
            "serializer": ["vkcache.django.serializers.JSON", "pickle"],
            "compressor": ["zstd", "gzip"],
            "stale_cache_timeout": 60,
        },
        ("async_pool_class",),
    ),
    "stampedes": Row(
        ONE,
        {"stampede_prevention": {"buffer": 30, "beta": 2.0}},
        {"stale_cache_timeout": 30},
        ("stampede_prevention",),
    ),
    "no stampedes": Row(ONE, {"stampede_prevention": False}, {"stale_cache_timeout": None}),
    "sentinels": Row(
        "valkey://service:26379/0",
        {"sentinels": [["s1", 26379]], "sentinel_kwargs": {}, "compat": "django-cachex"},
        {"laid_out": "sentinel", "url": "valkey://service/0", "read_from": "replica"},
    ),
    "cluster": Row(
        "valkey://a:1",
        {"topology": "cluster", "read_from_replicas": True, "require_full_coverage": True},
        {"laid_out": "cluster", "read_from": "replica"},
        ("require_full_coverage",),
    ),
    "glide": Row(
        "valkey://a:1/2",
        {"use_tls": True, "request_timeout": 250, "compat": "django-cachex", "db": 3},
        {"url": "valkeys://a:1/2", "socket_timeout": 0.25, "db": 2},
        ("db",),
    ),
}

# django-redis-cache ---------------------------------------------------------------------------------------

REDIS_CACHE: dict[str, Row] = {
    "documented": Row(
        "127.0.0.1:6379",
        {
            "DB": 2,
            "PASSWORD": "hunter2",
            "PARSER_CLASS": "redis.connection.HiredisParser",
            "CONNECTION_POOL_CLASS": "redis.BlockingConnectionPool",
            "CONNECTION_POOL_CLASS_KWARGS": {"max_connections": 50, "timeout": 20},
            "SERIALIZER_CLASS": "redis_cache.serializers.PickleSerializer",
            "SERIALIZER_CLASS_KWARGS": {"pickle_version": -1},
            "COMPRESSOR_CLASS": "redis_cache.compressors.ZLibCompressor",
            "COMPRESSOR_CLASS_KWARGS": {"level": 5},
            "PICKLE_VERSION": 2,
            "SOCKET_TIMEOUT": None,
            "SOCKET_CONNECT_TIMEOUT": 2,
        },
        {
            "url": "redis://127.0.0.1:6379",
            "written": "127.0.0.1:6379",
            "db": 2,
            "password": "hunter2",
            "max_connections": 50,
            "serializer": "pickle",
            "compressor": "zlib",
            "socket_timeout": None,
            "socket_connect_timeout": 2,
        },
        (
            "CONNECTION_POOL_CLASS_KWARGS['timeout']",
            "COMPRESSOR_CLASS_KWARGS",
            "PARSER_CLASS",
            "PICKLE_VERSION",
        ),
    ),
    "its address in brackets": Row("[::1]:6379", {}, {"url": "redis://[::1]:6379", "db": 1}),
    "its database": Row("::1:6379", {}, {"url": "redis://[::1]:6379", "db": 1}),
    "a URL's database": Row("redis://a:1/0", {"compat": "django-redis-cache"}, {"db": 0}),
    "a socket": Row("/path to/socket", {}, {"url": "unix:///path%20to/socket", "db": 1}),
    "a socket's URL": Row("unix://:pw@/s.sock?db=3", {"compat": "django-redis-cache"}, {"db": 3}),
    "replicas": Row(
        "a:1,b:2,c:3",
        {"MASTER_CACHE": "b:2"},
        {"laid_out": "replicas", "read_from": "any", "written_as": ["b:2", "a:1", "c:3"], "dbs": [1, 1, 1]},
    ),
    "shards": Row(
        ["a:1", "redis://b:2", "redis://c:3/4"],
        {"topology": "shard"},
        {
            "laid_out": "shard",
            "ring": "django-redis-cache",
            "written_as": ["a:1", "redis://b:2", "redis://c:3/4"],
            "dbs": [1, 1, 4],
        },
    ),
    "no counterpart": Row(
        "a:1",
        {"SERIALIZER_CLASS": "redis_cache.serializers.YAMLSerializer"},
        {"serializer": None},
        ("SERIALIZER_CLASS",),
    ),
    "no counterpart either": Row(
        "a:1",
        {
            "SERIALIZER_CLASS": "redis_cache.serializers.DummySerializer",
            "COMPRESSOR_CLASS": "redis_cache.compressors.NoopCompressor",
        },
        {"serializer": None, "compressor": "none"},
        ("SERIALIZER_CLASS",),
    ),
}

ROWS: dict[str, Row] = {
    **{f"V: {name}": row for name, row in of_family(V, "DJANGO_VALKEY_").items()},
    **{f"DR: {name}": row for name, row in of_family(DR, "DJANGO_REDIS_").items()},
    **{f"V: {name}": row for name, row in VALKEY.items()},
    **{f"X, D: {name}": row for name, row in LIKE_DJANGO.items()},
    **{f"R: {name}": row for name, row in REDIS_CACHE.items()},
}
