"""Three servers that know nothing of each other share the keys; one of them dies.

What may enter: one function for each thing that is told, in that order. Every line is also checked.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from django.conf import settings
from django.core.cache import cache

from servers import Server, Servers
from telling import tell, title, verdict
from vkcache.django import get_valkey_connection
from vkcache.errors import CrossNode, Incomplete, InvalidArgument, Unreachable
from vkcache.shell import AsyncClient, Client

SECRET = "the demo's own secret"
KEYS = [f"book:{number}" for number in range(300)]


def configure(servers: list[Server]) -> list[str]:
    """Django's settings; answers the URLs."""
    urls = [server.url for server in servers]
    row = {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": urls, "OPTIONS": {"topology": "shard"}}
    settings.configure(SECRET_KEY=SECRET, CACHES={"default": {**row, "KEY_PREFIX": "shop"}})
    print(f"CACHES['default']: LOCATION = {urls}, OPTIONS = {row['OPTIONS']}")
    return urls


def spread(servers: list[Server]) -> None:
    title("A ring says which server holds a key; calls over many keys ask all servers at the same time")
    cache.set_many({key: number for number, key in enumerate(KEYS)})
    held = [server.keys for server in servers]
    tell(f"set_many of 300 keys: the servers hold {held}", sum(held) == 300 and min(held) > 30)
    tell(f"get_many finds {len(cache.get_many(KEYS))}", len(cache.get_many(KEYS)) == 300)
    tell(f"keys('book:1*') finds {len(cache.keys('book:1*'))}", len(cache.keys("book:1*")) == 111)
    with cache.pipeline() as pipe:
        slots = [pipe.incr(key) for key in KEYS[:30]]
        pipe.execute()
    same = [slot.value for slot in slots] == list(range(1, 31))
    tell("a pipeline of 30 incr() over all servers, one round trip each", same)


def tags(servers: list[Server]) -> None:
    title("What stands in braces decides: keys of one {tag} are on one server")
    before = [server.keys for server in servers]
    for name in ("cart", "seen", "liked"):
        cache.sadd(f"{{user:17}}:{name}", "middlemarch", name)
    grown = [server.keys - then for server, then in zip(servers, before, strict=True)]
    tell(f"three sets of {{user:17}}: the servers hold {grown} more", sorted(grown) == [0, 0, 3])
    both = cache.sinter("{user:17}:cart", "{user:17}:seen", "{user:17}:liked")
    tell(f"sinter of the three = {both}", both == {"middlemarch"})
    apart = next(key for key in KEYS if home(key) != home(KEYS[0]))
    try:
        cache.mget([KEYS[0], apart])
        tell("mget over two servers did not fail", as_expected=False)
    except CrossNode as error:
        tell(f"mget, which is atomic, over two servers: CrossNode: {error}", as_expected=True)


def home(key: str) -> int:
    """The port of the server that holds *key*."""
    port: int = cache.get_client(key).connection_pool.connection_kwargs["port"]
    return port


def raw(servers: list[Server]) -> None:
    title("Raw clients: those of the server that holds a key")
    client = get_valkey_connection("default", key="book:7")
    tell(
        f"get_valkey_connection('default', key='book:7') reads {client.get(cache.make_key('book:7'))!r}",
        client.get(cache.make_key("book:7")) == b"8" and home("book:7") in {one.port for one in servers},
    )
    try:
        get_valkey_connection("default")
        tell("without a key it did not fail", as_expected=False)
    except InvalidArgument as error:
        tell(f"without a key: InvalidArgument: {error}", as_expected=True)


def dead_shard(servers: list[Server], urls: list[str]) -> None:
    title("A server is killed: its keys are missing, all others are there")
    dead = servers[1]
    lost = [key for key in KEYS if home(key) == dead.port]
    dead.kill()
    found = cache.get_many(KEYS)
    tell(
        f"get_many of 300 finds {len(found)}; {len(lost)} were on the dead server",
        set(found) == set(KEYS) - set(lost),
    )
    failed = cache.set_many(dict.fromkeys(KEYS, 1))
    tell(f"set_many answers the {len(failed)} keys that it could not store", set(failed) == set(lost))
    try:
        cache.get(lost[0])
        tell("get() of a key there did not fail", as_expected=False)
    except Unreachable as error:
        tell(f"get() of a key there: Unreachable: {error}", as_expected=True)
    with Client(urls, topology="shard", strict=True, prefix="shop", secret=SECRET) as strict:
        try:
            strict.get_many(KEYS)
            tell("strict get_many did not fail", as_expected=False)
        except Incomplete as error:
            tell(f"strict=True: Incomplete: {error}", as_expected=True)
            whole = len(error.partial) == len(found) and len(error.missing) == len(lost)
            tell(
                f"its .partial has {len(error.partial)} values, its .missing {len(error.missing)} keys", whole
            )


async def tasks(urls: list[str], servers: list[Server]) -> None:
    title("The same in tasks: AsyncClient")
    async with AsyncClient(urls, topology="shard", prefix="shop", secret=SECRET) as client:
        live = [key for key in KEYS if home(key) != servers[1].port]
        values = await asyncio.gather(*(client.get(key) for key in live))
        tell(f"{len(live)} tasks at once: all have their value", set(values) == {1})
        found = await client.get_many(KEYS)
        tell(f"await client.get_many(...) finds the same {len(found)}", set(found) == set(live))


def main() -> int:
    logging.basicConfig(stream=sys.stdout, format="    (logged: %(message)s)")
    with Servers() as started:
        servers = [started.start() for _ in range(3)]
        urls = configure(servers)
        spread(servers)
        tags(servers)
        raw(servers)
        dead_shard(servers, urls)
        asyncio.run(tasks(urls, servers))
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
