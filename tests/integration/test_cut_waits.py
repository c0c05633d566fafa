"""Fails where who waits to be woken gets an error because its connection broke, though the server is there.

That it ends where the server is silent, or the cache is closed, is shown with other waits in `test_blocking`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import valkey

from tests.integration.contract.ways import Build, build_async, build_client, end
from tests.servers import await_that
from vkcache.shell import Client

PATIENCE = 20


@pytest.fixture(params=[build_client, build_async])
def cache(request: pytest.FixtureRequest, url: str) -> Iterator[Client]:
    build: Build = request.param
    made = build(url)
    yield made
    end(made)


def cut(url: str, command: str) -> None:
    """Cut the connection of whoever waits by *command*, as soon as somebody does."""
    with valkey.Valkey.from_url(url) as raw:

        def waiting() -> list[str]:
            return [row["id"] for row in raw.client_list() if row["cmd"] == command]

        await_that(lambda: bool(waiting()), f"somebody waits by {command}")
        for number in waiting():
            raw.client_kill_filter(_id=number)


def test_who_waits_for_a_value_waits_on(cache: Client, url: str) -> None:
    begun, done = threading.Event(), threading.Event()

    def compute() -> int:
        begun.set()
        return 7 if done.wait(PATIENCE) else 0

    with ThreadPoolExecutor(2) as pool, Client(url) as other:
        first = pool.submit(other.get_or_set, "k", compute)
        assert begun.wait(PATIENCE)
        second = pool.submit(cache.get_or_set, "k", lambda: 8)
        cut(url, "blmove")
        done.set()
        assert (first.result(PATIENCE), second.result(PATIENCE)) == (7, 7)


@pytest.mark.parametrize("waited", [lambda one: one.lock("k"), lambda one: one.semaphore("k", 1)])
def test_who_waits_for_a_lock_or_a_permit_waits_on(
    cache: Client, url: str, waited: Callable[[Client], threading.Lock]
) -> None:
    with ThreadPoolExecutor(1) as pool, Client(url) as other:
        with waited(other):
            held = waited(cache)
            acquiring = pool.submit(held.acquire)
            cut(url, "blpop")
        assert acquiring.result(PATIENCE)
