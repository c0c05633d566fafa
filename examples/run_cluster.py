"""A cluster of six: calls over many slots, a slot that moves while it is read, and a primary that dies.

What may enter: one function for each thing that is told, in that order. Every line is also checked.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.core.cache import cache

from servers import HOST, Server, Servers, await_copies, await_well, move_slot
from telling import tell, title, verdict
from vkcache.core.slots import slot
from vkcache.errors import CacheError, CrossNode, ReplyError, Unreachable
from vkcache.shell import AsyncClient, Client

SECRET = "the demo's own secret"
KEYS = [f"book:{number}" for number in range(300)]
PATIENCE = 40.0  # seconds until a replica that does not take over counts as missing


def configure(seed: str) -> None:
    """Django's settings: one server of the cluster, or several, and the topology."""
    row = {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": seed, "OPTIONS": {"topology": "cluster"}}
    settings.configure(SECRET_KEY=SECRET, CACHES={"default": {**row, "KEY_PREFIX": "shop"}})
    print(f"CACHES['default']: LOCATION = {seed!r}, OPTIONS = {row['OPTIONS']}")


def spread(primaries: list[Server]) -> None:
    title("One seed is enough; calls over many slots ask all primaries at the same time")
    cache.set_many(dict.fromkeys(KEYS, "a book"))
    held = [server.keys for server in primaries]
    tell(f"set_many of 300 keys: the primaries hold {held}", sum(held) == 300 and min(held) > 0)
    tell(f"get_many finds {len(cache.get_many(KEYS))}", len(cache.get_many(KEYS)) == 300)
    names = cache.keys("book:1*")
    tell(f"keys('book:1*'), by SCAN over all primaries, finds {len(names)}", len(names) == 111)


def tags() -> None:
    title("Keys with the same {tag} share a slot")
    cache.sadd("{user:17}:cart", "middlemarch", "the-waves")
    cache.sadd("{user:17}:seen", "middlemarch")
    both = cache.sinter("{user:17}:cart", "{user:17}:seen")
    tell(f"sinter of two sets of {{user:17}} = {both}", both == {"middlemarch"})
    with cache.lock("{user:17}:lock") as lock, cache.pipeline() as pipe:
        renamed = pipe.rename("{user:17}:seen", "{user:17}:read")
        pipe.expire("{user:17}:read", 60)
        pipe.execute()
        tell(
            "under a lock, a transaction of one slot: rename and expire",
            bool(renamed.value and lock.locked()),
        )
    try:
        cache.sinter("book:1", "book:2")
        tell("sinter over two slots did not fail", as_expected=False)
    except CrossNode as error:
        tell(f"over two slots: CrossNode: {error}", as_expected=True)


def moving(primaries: list[Server]) -> None:
    title("Slots move to another primary while a thread counts in them")
    source, target, _ = primaries
    names = [name for number in range(60) if home(name := f"sold:{number}") == source.port]
    cache.set_many(dict.fromkeys(names, 0), timeout=None)
    over = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        counting = threads.submit(count, names, over)
        try:
            for name in names:
                move_slot(slot(cache.make_key(name).encode()), source, target, primaries)
        finally:
            over.set()
        counted = counting.result()
    whole = cache.get_many(names) == counted
    tell(
        f"{sum(counted.values())} of incr() while {len(names)} slots moved: none failed, none is lost", whole
    )
    moved = all(home(name) == target.port for name in names)
    tell("and the keys are at the other primary now", moved and len(names) > 5)


def count(names: list[str], over: threading.Event) -> Counter[str]:
    """How often each of *names* was counted until it was *over*."""
    counted: Counter[str] = Counter()
    for name in itertools.cycle(names):
        if over.is_set():
            break
        cache.incr(name)
        counted[name] += 1
    return counted


def dead_primary(nodes: list[Server]) -> None:
    title("A primary is killed: its replica takes over")
    for primary, replica in zip(nodes[:3], nodes[3:], strict=True):
        await_copies(primary, [replica])
    key = next(name for name in KEYS if home(name) == nodes[0].port)
    nodes[0].kill()
    began = time.monotonic()
    errors, longest = errors_until(lambda: cache.set(key, "a new book"))
    took = time.monotonic() - began
    tell(f"set() fails {len(errors)} times, the longest took {longest:.2f} s", longest < 2)
    for text in dict.fromkeys(map(str, errors)):
        print(f"        {text}")
    tell(f"after {took:.1f} s it succeeds, at {HOST}:{home(key)}", home(key) == nodes[3].port)
    await_well(nodes)
    found = cache.get_many(KEYS)
    tell(f"get_many finds {len(found)}, the new one too", len(found) == 300 and found[key] == "a new book")


def home(key: str) -> int:
    """The port of the server that holds *key*."""
    port: int = cache.get_client(key, write=True).connection_pool.connection_kwargs["port"]
    return port


def errors_until(call: Callable[[], object]) -> tuple[list[CacheError], float]:
    """What *call* raised until it succeeded, and how long the longest took, in seconds.

    :raises CacheError: it never did.
    """
    errors: list[CacheError] = []
    longest, end = 0.0, time.monotonic() + PATIENCE
    while True:
        began = time.monotonic()
        try:
            call()
        except (Unreachable, ReplyError) as error:  # the latter: CLUSTERDOWN
            errors.append(error)
            if began > end:
                raise
        else:
            return errors, longest
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.02)


async def tasks(seeds: list[str]) -> None:
    title("The same in tasks: AsyncClient")
    async with AsyncClient(seeds, topology="cluster", prefix="shop", secret=SECRET) as client:
        values = await asyncio.gather(*(client.get(key) for key in KEYS))
        tell(f"300 tasks at once: {sum(value is not None for value in values)} values", None not in values)


def replicas(seeds: list[str], nodes: list[Server]) -> None:
    title("Reads from replicas on request")
    for primary, replica in zip(nodes[1:3], nodes[4:], strict=True):
        await_copies(primary, [replica])
    before = sum(node.calls("get") for node in nodes[4:])
    with Client(seeds, topology="cluster", read_from="replica", prefix="shop", secret=SECRET) as client:
        found = sum(client.get(key) is not None for key in KEYS)
    answered = sum(node.calls("get") for node in nodes[4:]) - before
    tell(
        f'read_from="replica": {found} values, {answered} of them from replicas',
        found == 300 and answered > 0,
    )


def main() -> int:
    with Servers() as started:
        nodes = started.cluster()
        seeds = [node.url for node in nodes]
        configure(seeds[1])
        spread(nodes[:3])
        tags()
        moving(nodes[:3])
        dead_primary(nodes)
        asyncio.run(tasks(seeds))
        replicas(seeds, nodes)
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
