"""The cache backends that sites come from: what each can be set to, as the settings of a site say it.

What may enter: a fact about how a peer is configured or what it can do. Nothing here imports a peer: each
environment holds only some of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from attrs import field, frozen

NONE: Final = "none"
HERD: Final = "herd"


@frozen
class Peer:
    """One backend.

    :ivar dialect: what vkcache calls it.
    :ivar hashes: the ``hash_layout`` that fits, or nothing where it has no hashes.
    :ivar serializers: by vkcache's names, the peer's own path.
    :ivar compressors: the same; "none" stands for none.
    :ivar options: the names of the two options.
    """

    dialect: str
    package: str
    backend: str
    scheme: str
    hashes: str = ""
    serializers: Mapping[str, str] = field(factory=dict)
    compressors: Mapping[str, str] = field(factory=dict)
    options: tuple[str, str] = ("SERIALIZER", "COMPRESSOR")
    herd: str = ""
    major: str = ""

    @property
    def installed(self) -> str:
        """Its version; nothing where it is not in this environment."""
        try:
            found = version(self.package)
        except PackageNotFoundError:
            return ""
        return found if found.startswith(self.major) else ""

    def setups(self) -> Iterator[Setup]:
        """Each serializer alone, and each compressor beside the first of them."""
        for serializer in self.serializers or {"pickle": ""}:
            yield Setup(self, serializer, NONE)
        for compressor in self.compressors:
            yield Setup(self, next(iter(self.serializers)), compressor)
        if self.herd:
            yield Setup(self, "pickle", NONE, HERD)


@frozen
class Setup:
    """A peer with one of its serializers and one of its compressors."""

    peer: Peer
    serializer: str
    compressor: str
    client: str = ""

    @property
    def name(self) -> str:
        said = (self.peer.dialect, self.peer.installed, self.serializer, self.compressor, self.client)
        return " ".join(word for word in said if word not in ("", NONE))

    @property
    def alias(self) -> str:
        return self.name.replace(" ", "-")

    def settings(self, host: str, port: int) -> dict[str, Any]:
        """The alias in CACHES."""
        peer, options = self.peer, {}
        for option, paths, name in (
            (peer.options[0], peer.serializers, self.serializer),
            (peer.options[1], peer.compressors, self.compressor),
        ):
            if paths.get(name):
                options[option] = paths[name]
        if self.client == HERD:
            options["CLIENT_CLASS"] = peer.herd
        return {
            "BACKEND": peer.backend,
            "LOCATION": f"{peer.scheme}{host}:{port}/0",
            "KEY_PREFIX": self.alias,
            "OPTIONS": options,
        }


def _paths(module: str, **names: str) -> dict[str, str]:
    return {name.rstrip("_"): f"{module}.{path}" for name, path in names.items()}


_VALKEY = Peer(
    "django-valkey",
    "django-valkey",
    "django_valkey.cache.ValkeyCache",
    "valkey://",
    "django-valkey",
    _paths(
        "django_valkey.serializers",
        pickle="pickle.PickleSerializer",
        json="json.JSONSerializer",
        msgpack="msgpack.MSGPackSerializer",
    ),
    _paths(
        "django_valkey.compressors",
        zlib="zlib.ZlibCompressor",
        gzip="gzip.GzipCompressor",
        bz2="bz2.Bz2Compressor",
        lzma="lzma.LzmaCompressor",
        lz4="lz4.Lz4Compressor",
        brotli="brotli.BrotliCompressor",
        zstd="zstd.ZStdCompressor",
    ),
    herd="django_valkey.client.HerdClient",
)


def _redis(major: str, hashes: str) -> Peer:
    return Peer(
        "django-redis",
        "django-redis",
        "django_redis.cache.RedisCache",
        "redis://",
        hashes,
        _paths(
            "django_redis.serializers",
            pickle="pickle.PickleSerializer",
            json="json.JSONSerializer",
            msgpack="msgpack.MSGPackSerializer",
        ),
        _paths(
            "django_redis.compressors",
            zlib="zlib.ZlibCompressor",
            gzip="gzip.GzipCompressor",
            lzma="lzma.LzmaCompressor",
            lz4="lz4.Lz4Compressor",
            zstd="zstd.ZStdCompressor",
        ),
        herd="django_redis.client.HerdClient",
        major=major,
    )


def _cachex() -> Peer:
    """Its serializers were renamed between the versions that are looked at."""
    old = not _since_0_4()
    return Peer(
        "django-cachex",
        "django-cachex",
        "django_cachex.cache.RedisCache",
        "redis://",
        "django-cachex",
        _paths(
            "django_cachex.serializers",
            pickle="pickle.PickleSerializer",
            json="json.JSONSerializer" if old else "json.JsonSerializer",
            msgpack="msgpack.MessagePackSerializer" if old else "msgpack.MsgpackSerializer",
        ),
        _paths(
            "django_cachex.compressors",
            zlib="zlib.ZlibCompressor",
            gzip="gzip.GzipCompressor",
            lzma="lzma.LzmaCompressor",
            lz4="lz4.Lz4Compressor",
            zstd="zstd.ZStdCompressor",
        ),
        options=("serializer", "compressor"),
    )


def _since_0_4() -> bool:
    try:
        return tuple(map(int, version("django-cachex").split(".")[:2])) >= (0, 4)
    except PackageNotFoundError:
        return False


PEERS: Final[tuple[Peer, ...]] = (
    _VALKEY,
    _redis("7", "django-redis-7"),
    _redis("6", "django-redis"),
    _cachex(),
    Peer(
        "django-redis-cache",
        "django-redis-cache",
        "redis_cache.RedisCache",
        "redis://",
        "",
        _paths("redis_cache.serializers", pickle="PickleSerializer", json="JSONSerializer"),
        _paths("redis_cache.compressors", zlib="ZLibCompressor", bz2="BZip2Compressor"),
        ("SERIALIZER_CLASS", "COMPRESSOR_CLASS"),
    ),
    Peer("django", "Django", "django.core.cache.backends.redis.RedisCache", "redis://"),
)
