"""Processes that use one asynchronous client, with Python's development mode on and warnings as errors.

Fails where three hundred event loops one after the other leave sockets, clients, a warning or a word
behind, or answer wrong; or where a parent and its child share a connection.

Each case is a script in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.integration.loops import FACTORIES, ids
from tests.integration.test_blocking import PATIENCE
from tests.scripts import said, started, until
from tests.servers import Server

# What every script begins with. Python's development mode tells of each callback that takes long, which
# says something of the machine alone.
SCRIPT = """
import asyncio, contextlib, gc, logging, os, sys, warnings
from vkcache.shell import AsyncClient
from tests.integration.loops import FACTORIES, descriptors
from tests.scripts import wait_for

logging.getLogger("asyncio").addFilter(lambda record: not str(record.msg).startswith("Executing "))
factory, url = FACTORIES[os.environ["FACTORY"]], os.environ["URL"]

def run(main):
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)

def say(*words):
    print(*words, flush=True)
"""

VIEW = """
from asgiref.sync import async_to_sync
from django.conf import settings
settings.configure(CACHES={"default": {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": url}})
from django.core.cache import caches
if os.environ["FACTORY"] == "uvloop":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there is no other way to tell asgiref
        import uvloop
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

@async_to_sync
async def view(number):
    assert type(asyncio.get_running_loop()) is type(factory_made)
    cache = caches["default"]
    stored = await cache.aset(f"k{number}", number, 60)
    many = await cache.aget_many([f"k{number}", "absent"])
    return stored and await cache.aget(f"k{number}") == number and many == {f"k{number}": number}

factory_made = factory()
factory_made.close()
"""

RUNS = {
    "async_to_sync": VIEW,
    "asyncio.run": """
client = AsyncClient(url)

async def request(number):
    stored = await client.set(f"k{number}", number, 60)
    many = await client.get_many([f"k{number}", "absent"])
    return stored and await client.get(f"k{number}") == number and many == {f"k{number}": number}

def view(number):
    return run(request(number))
""",
    "asyncio.run, a client each": """
async def request(number):
    async with AsyncClient(url) as client:
        return await client.set(f"k{number}", number, 60) and await client.get(f"k{number}") == number

def view(number):
    return run(request(number))
""",
}

FORK = """
client = AsyncClient(url)

async def wrong(who):
    found = 0
    for _ in range(50):
        values = await asyncio.gather(*(client.get(f"{who}{number}") for number in range(10)))
        found += sum(value != f"{who}{number}" for number, value in enumerate(values))
    return found

async def opened():
    return (await client.info("stats"))["total_connections_received"]

async def begin():
    await client.set_many({f"{who}{number}": f"{who}{number}" for who in "pc" for number in range(10)})
    return await opened()

def forked():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads may be there
        if child := os.fork():
            return child
    status = 77
    try:
        status = run(wrong("c"))
    finally:
        gc.collect()
        os._exit(status)
"""

FORKS = {
    "inside": """
async def main():
    before = await begin()
    child = forked()
    say(await wrong("p"), wait_for(child), await opened() - before)
    say(await wrong("p"), await opened() - before)

run(main())
""",
    "outside": """
with asyncio.Runner(loop_factory=factory) as runner:
    before = runner.run(begin())
    child = forked()
    say(runner.run(wrong("p")), wait_for(child), runner.run(opened()) - before)
    say(runner.run(wrong("p")), runner.run(opened()) - before)
""",
}


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server whose clients are those of these tests alone."""
    with Server() as running:
        yield running


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("form", RUNS)
def test_three_hundred_loops_one_after_the_other(own: Server, form: str, factory: str) -> None:
    script = f"""{RUNS[form]}
factory().close()  # libuv opens its own files once
before = descriptors()
right = sum(view(number) is True for number in range(300))
gc.collect()
say(right, descriptors() - before)
sys.stdin.readline()
"""
    own.flush()
    until(lambda: not ids(own), "nobody is left of the test before")
    right, more, connected = said_while(script, lambda: len(ids(own)), own, factory)
    assert right == 300
    assert connected <= 2
    assert more <= 1


def said_while(script: str, look: Callable[[], int], server: Server, factory: str) -> tuple[int, int, int]:
    """The two numbers that *script* says before it waits for a line, and what *look* sees meanwhile."""
    environment = {"PYTHONDEVMODE": "1", "URL": server.url, "FACTORY": factory}
    with started(script, environment, prelude=SCRIPT) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            seen = look()
            _, err = process.communicate("go on\n", timeout=PATIENCE)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    return int(words[0]), int(words[1]), seen


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("where", FORKS)
@pytest.mark.parametrize("place", ["server", "embedded"])
def test_parent_and_child_have_connections_of_their_own(
    own: Server, embedded_url: str, place: str, where: str, factory: str
) -> None:
    """500 gets each at the same time, 0 of them wrong; the child opens one connection, the parent none."""
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    url = own.url if place == "server" else embedded_url
    lines = said(FORK + FORKS[where], prelude=SCRIPT, URL=url, FACTORY=factory, PYTHONDEVMODE="1")
    assert lines == ["0 0 1", "0 1"]
