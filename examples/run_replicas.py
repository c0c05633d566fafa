"""A primary and two replicas: who answers reads, reading one's own writes, and what a dead server costs.

What may enter: one function for each thing that is told, in that order. Every line is also checked.
"""

from __future__ import annotations

import asyncio
import sys
import time

from django.conf import settings
from django.core.cache import cache, caches

from servers import Server, Servers, await_copies
from telling import tell, title, verdict
from vkcache.errors import Unreachable
from vkcache.shell import AsyncClient, Client

SECRET = "the demo's own secret"
KEYS = [f"book:{number}" for number in range(100)]


def configure(servers: list[Server]) -> None:
    """Django's settings: several URLs in LOCATION, the primary's first."""
    urls = [server.url for server in servers]
    row = {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": urls, "KEY_PREFIX": "shop"}
    own = {**row, "OPTIONS": {"read_your_writes": True}}
    settings.configure(SECRET_KEY=SECRET, CACHES={"default": row, "own-writes": own})
    print(f"CACHES['default']['LOCATION'] = {urls}")


def answered(servers: list[Server], command: str = "get") -> list[int]:
    """How many calls of *command* each server has carried out; 0 for a dead one."""
    return [server.calls(command) if server.runs else 0 for server in servers]


def more(before: list[int], after: list[int]) -> list[int]:
    return [now - then for then, now in zip(before, after, strict=True)]


def spread_reads(servers: list[Server]) -> None:
    title("Writes go to the primary, reads to the replicas")
    cache.set_many(dict.fromkeys(KEYS, "a book"))
    await_copies(servers[0], servers[1:])
    before = answered(servers)
    found = sum(cache.get(key) == "a book" for key in KEYS * 3)
    counts = more(before, answered(servers))
    tell(f"300 of get(): {found} values; primary and replicas answered {counts}", found == 300)
    tell("both replicas took their turn, the primary none", counts == [0, 150, 150])
    with Client([one.url for one in servers], prefix="shop", secret=SECRET, read_from="any") as client:
        before = answered(servers)
        same = all(client.get(key) == "a book" for key in KEYS[:90])
        counts = more(before, answered(servers))
        tell(
            f'Client(..., read_from="any"): 90 reads were answered {counts}', same and counts == [30, 30, 30]
        )


def own_writes(servers: list[Server]) -> None:
    title("read_your_writes=True: for a second after a write, its thread or task reads from the primary")
    mine, before = caches["own-writes"], answered(servers)
    seen = 0
    for number in range(100):
        mine.set("counted", number)
        seen += mine.get("counted") == number
    counts = more(before, answered(servers))
    tell(f"100 times set() and get(): {seen} own writes were seen", seen == 100)
    tell(f"and the primary answered: {counts}", counts == [100, 0, 0])


async def tasks(servers: list[Server]) -> None:
    title("The same in tasks: AsyncClient, and Django's a-prefixed methods")
    async with AsyncClient([one.url for one in servers], prefix="shop", secret=SECRET) as client:
        before = answered(servers)
        values = await asyncio.gather(*(client.get(key) for key in KEYS))
        counts = more(before, answered(servers))
        tell(f"100 tasks at once: answered {counts}", set(values) == {"a book"} and counts == [0, 50, 50])
    tell("await cache.aget_many(...) finds all 100", len(await cache.aget_many(KEYS)) == 100)


def dead_replica(servers: list[Server]) -> None:
    title("A replica is killed")
    servers[1].kill()
    began, before = time.monotonic(), answered(servers)
    found = sum(cache.get(key) == "a book" for key in KEYS * 3)
    counts = more(before, answered(servers))
    tell(f"300 of get(): {found} values, in {time.monotonic() - began:.2f} s", found == 300)
    tell(f"the other replica answers: {counts[2]} of 300", counts[2] >= 299)


def dead_primary(servers: list[Server]) -> None:
    title("The primary is killed too: nobody else may take writes, and reads go on")
    servers[0].kill()
    for what in ("over the connection that was open", "once more"):
        try:
            cache.set("book:1", "lost")
            tell("set() did not fail", as_expected=False)
        except Unreachable as error:
            tell(f"set() {what}: {type(error).__name__}: {error}", as_expected=True)
            last = error
    known = not last.maybe_executed
    tell(f"the last was not carried out for certain: maybe_executed = {last.maybe_executed}", known)
    found = sum(cache.get(key) == "a book" for key in KEYS)
    tell(f"100 of get() from the last replica: {found} values", found == 100)


def main() -> int:
    with Servers() as started:
        servers = started.replicated()
        configure(servers)
        spread_reads(servers)
        own_writes(servers)
        asyncio.run(tasks(servers))
        dead_replica(servers)
        dead_primary(servers)
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
