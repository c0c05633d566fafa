"""A service that three sentinels watch: its primary is killed, and writes go on at the next one.

What may enter: one function for each thing that is told, in that order. Every line is also checked.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from django.conf import settings
from django.core.cache import cache

from servers import HOST, Server, Servers, await_copies
from telling import tell, title, verdict
from vkcache.errors import Unreachable
from vkcache.shell import AsyncClient, Client

SECRET = "the demo's own secret"
LOCATION = "valkey://cache/0"
PATIENCE = 40.0  # seconds until the next primary counts as missing: sentinels may vote several times


def configure(sentinels: list[tuple[str, int]]) -> None:
    """Django's settings: the service in LOCATION, whom to ask for it in OPTIONS."""
    row = {
        "BACKEND": "vkcache.django.ValkeyCache",
        "LOCATION": LOCATION,
        "OPTIONS": {"sentinels": sentinels},
    }
    settings.configure(SECRET_KEY=SECRET, CACHES={"default": {**row, "KEY_PREFIX": "shop"}})
    print(f"CACHES['default']: LOCATION = {LOCATION!r}, OPTIONS = {row['OPTIONS']}")


def port() -> int:
    """Where the server listens to which writes go."""
    return int(cache.get_client(write=True).info("server")["tcp_port"])


def discovery(primary: Server) -> None:
    title("The service's name is enough: sentinels tell who is its primary")
    cache.set("orders", 0, timeout=None)
    tell(f"set() went to {HOST}:{port()}, the primary", port() == primary.port and primary.keys == 1)


def dead_sentinel(watchers: list[Server], sentinels: list[tuple[str, int]]) -> None:
    title("A sentinel is killed: that is no outage")
    watchers[0].kill()
    with Client(LOCATION, prefix="shop", secret=SECRET, sentinels=sentinels) as client:
        tell("a new Client asks the two others", client.get("orders") == 0)


def dead_primary(servers: list[Server]) -> None:
    title("The primary is killed while orders are counted")
    counted = [cache.incr("orders") for _ in range(1000)]
    tell(f"1000 of incr(): the counter is at {counted[-1]}", counted[-1] == 1000)
    await_copies(servers[0], servers[1:])
    servers[0].kill()
    began = time.monotonic()
    errors, longest = errors_until(lambda: cache.incr("orders"))
    took, now = time.monotonic() - began, port()
    tell(
        f"incr() fails {len(errors)} times, the longest took {longest:.2f} s", len(errors) > 0 and longest < 2
    )
    tell(f"the first: {errors[0]}", as_expected=True)
    doubtful = sum(error.maybe_executed for error in errors)
    tell(f"{doubtful} of these may have been carried out (maybe_executed), the others were not", doubtful < 2)
    tell(f"after {took:.1f} s it succeeds, at {HOST}:{now}", now in (servers[1].port, servers[2].port))
    tell(f"the counter is at {cache.get('orders')}: nothing was counted twice", cache.get("orders") == 1001)


def errors_until(call: Callable[[], object]) -> tuple[list[Unreachable], float]:
    """What *call* raised until it succeeded, and how long the longest took, in seconds.

    :raises Unreachable: it never did.
    """
    errors: list[Unreachable] = []
    longest, end = 0.0, time.monotonic() + PATIENCE
    while True:
        began = time.monotonic()
        try:
            call()
        except Unreachable as error:
            errors.append(error)
            if began > end:
                raise
        else:
            return errors, longest
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.02)


async def tasks(sentinels: list[tuple[str, int]]) -> None:
    title("The same in tasks: AsyncClient, which shares what this process knows of the service")
    async with AsyncClient(LOCATION, prefix="shop", secret=SECRET, sentinels=sentinels) as client:
        counts = await asyncio.gather(*(client.incr("orders") for _ in range(50)))
        tell(f"50 tasks count on, to {max(counts)}", sorted(counts) == list(range(1002, 1052)))
    tell(f"await cache.aget('orders') = {await cache.aget('orders')}", await cache.aget("orders") == 1051)


def main() -> int:
    with Servers() as started:
        servers = started.replicated()
        watchers = started.sentinels("cache", servers[0])
        sentinels = [(HOST, watcher.port) for watcher in watchers]
        configure(sentinels)
        discovery(servers[0])
        dead_sentinel(watchers, sentinels)
        dead_primary(servers)
        asyncio.run(tasks(sentinels))
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
