"""10,000 keys, several lists of servers, and which server each key lives on by each ring.

What may enter: what a recording of a ring is made of. Nothing here imports a peer at its head.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

Home: TypeAlias = Callable[[str], int]

RECORDING: Final = Path(__file__).parents[1] / "unit" / "wire" / "rings.json"
FIRST: Final = 200
PIECES: Final = ("{", "}", "{a}", "{}", ":", "user", "1", "\u00fc", "\u2603", " ", "\U0001f600", "x" * 40)
SERVERS: Final[tuple[tuple[tuple[str, int, int], ...], ...]] = (
    (("127.0.0.1", 7001, 0), ("127.0.0.1", 7002, 0)),
    (("cache-a.example.org", 6379, 0), ("cache-b.example.org", 6379, 0), ("10.0.0.3", 6380, 2)),
    tuple((f"10.1.0.{host}", 6379, 1) for host in range(1, 8)),
    (("only.example.org", 6379, 0),),
)
"""Host, port and database of each server."""


def keys(count: int = 10_000) -> list[str]:
    """Keys as they are on the wire, of all kinds, always the same ones."""
    random = Random(7)
    plain = [f"p:1:key{number}" for number in range(count // 2)]
    odd = [
        "p:2:" + "".join(random.choices(PIECES, k=random.randrange(1, 9))) for _ in range(count - len(plain))
    ]
    return plain + odd


def recorded(home: Home) -> dict[str, Any]:
    """The first answers of *home*, and a digest over all."""
    answers = [home(key) for key in keys()]
    return {"first": answers[:FIRST], "all": sha256(bytes(answers)).hexdigest()}


def locations(servers: Sequence[tuple[str, int, int]], scheme: str) -> list[str]:
    return [f"{scheme}://{host}:{port}/{db}" for host, port, db in servers]


def by_peer(name: str, servers: Sequence[tuple[str, int, int]]) -> Home:
    """The ring of the peer of that *name*, as its own client for shards answers; nothing is dialled."""
    return _PEERS[name](servers)


def _of_names(path: str, scheme: str) -> Callable[[Sequence[tuple[str, int, int]]], Home]:
    def make(servers: Sequence[tuple[str, int, int]]) -> Home:
        module, _, name = path.rpartition(".")
        client = getattr(__import__(module, fromlist=[name]), name)
        written = locations(servers, scheme)
        made = client(written, {"OPTIONS": {}}, _Backend())
        return lambda key: written.index(made.get_server_name(key))

    return make


class _Backend:
    """What the clients ask of the cache that they belong to: nothing, where keys are made already."""

    default_timeout = 300
    key_prefix = ""
    version = 1


def _of_addresses(servers: Sequence[tuple[str, int, int]]) -> Home:
    from redis_cache import ShardedRedisCache

    cache = ShardedRedisCache(locations(servers, "redis"), {"OPTIONS": {}})
    nodes = list(cache.clients.values())
    return lambda key: nodes.index(cache.get_client(key))


_PEERS: Final = {
    "django-valkey": _of_names("django_valkey.client.ShardClient", "valkey"),
    "django-redis": _of_names("django_redis.client.ShardClient", "redis"),
    "django-redis-cache": _of_addresses,
}
PEERS: Final = tuple(_PEERS)


def by_ours(name: str, servers: Sequence[tuple[str, int, int]]) -> Home:
    """Where vkcache looks for what the peer of that *name* stored, by the URLs of its settings."""
    from vkcache.shell.nodes.laying import lay_out
    from vkcache.shell.options import settings

    ring = "django-redis-cache" if name == "django-redis-cache" else "django-valkey"
    written = locations(servers, "valkey" if name == "django-valkey" else "redis")
    layout, _ = lay_out(settings(written, {"topology": "shard", "ring": ring}))
    return lambda key: layout.place_of(key.encode())


def recording() -> dict[str, Any]:
    """What was recorded: by peer, a row for each list of servers."""
    found: dict[str, Any] = json.loads(RECORDING.read_text("ascii")) if RECORDING.exists() else {}
    return found
