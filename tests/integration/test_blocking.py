"""Calls that wait on the server: blpop, brpop, blmove.

Fails where socket_timeout ends a wait, where a waiting caller takes a connection that another needs or
holds another up, or where a wait goes on although the cache was closed, the server is gone, or the
caller was interrupted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.servers import Server, find_server, supports_tls
from vkcache.django import ValkeyCache
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell import Client
from vkcache.shell.nodes import memory

SOCKET_TIMEOUT = 0.2
LONGER = 2 * SOCKET_TIMEOUT
PATIENCE = 20  # seconds after which a test that waits in vain gives up
WAITERS = 20
ENGINE = "blocking"


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    with Server(unix=True) as running:
        yield running


@pytest.fixture
def own() -> Iterator[Server]:
    """A server that the test may stop."""
    with Server() as running:
        yield running


@pytest.fixture(params=["tcp", "unix", "memory"])
def place(request: pytest.FixtureRequest, shared: Server) -> str:
    if request.param == "memory":
        memory.raw_client(ENGINE).flushall()
        return f"memory://{ENGINE}"
    shared.flush()
    return shared.url if request.param == "tcp" else shared.unix_url or ""


@pytest.fixture
def cache(place: str, threads: ThreadPoolExecutor) -> Iterator[Client]:
    """A cache that allows few connections; closed while the threads are still there."""
    assert threads
    with Client(place, prefix="b", socket_timeout=PATIENCE, max_connections=2) as made:
        until_blocked(made, 0)  # nobody is left of the test before
        yield made


@pytest.fixture
def hurried(place: str, cache: Client) -> Iterator[Client]:
    """The same with little time, for the tests of that alone: on a busy machine any call may need more."""
    assert cache
    with Client(place, prefix="b", socket_timeout=SOCKET_TIMEOUT, max_connections=2) as made:
        yield made


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(WAITERS) as pool:
        yield pool


def blocked(cache: Client) -> int:
    """How many callers wait within the server or the engine."""
    if cache.info("server").get("server_name") == "memory":
        return sum(socket._blocked for socket in memory.engine(ENGINE).sockets)
    return int(cache.info("clients")["blocked_clients"])


def until_blocked(cache: Client, callers: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while blocked(cache) != callers:
        assert time.monotonic() < deadline, f"{blocked(cache)} of {callers} wait"
        threading.Event().wait(0.002)


def outcome(waiting: Future[Any]) -> object:
    """What the call answered or raised."""
    return waiting.exception(PATIENCE) or waiting.result()


WAITS: dict[str, Callable[[Client, float], Any]] = {
    "blpop": lambda cache, timeout: cache.blpop("a", "b", timeout=timeout),
    "brpop": lambda cache, timeout: cache.brpop("a", timeout=timeout),
    "blmove": lambda cache, timeout: cache.blmove("a", "b", timeout),
}


@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_outlives_the_socket_timeout_and_ends_with_none(hurried: Client, wait: str) -> None:
    assert WAITS[wait](hurried, LONGER) is None
    assert WAITS[wait](hurried, 0.001) is None


@pytest.mark.parametrize("timeout", [0, PATIENCE])
def test_what_comes_after_the_socket_timeout_is_answered(
    cache: Client, hurried: Client, threads: ThreadPoolExecutor, timeout: float
) -> None:
    waiting = threads.submit(hurried.blpop, "a", "b", timeout=timeout)
    until_blocked(cache, 1)
    assert hurried.blpop("other", timeout=LONGER) is None  # so long it waits for certain
    assert not waiting.done()
    cache.rpush("b", ["x", 1], "y")
    assert outcome(waiting) == ("b", ["x", 1])
    assert cache.lrange("b", 0, -1) == ["y"]


def test_waiting_callers_hold_nobody_up(cache: Client, threads: ThreadPoolExecutor) -> None:
    """Twenty wait where two connections are allowed, and each is answered once."""
    cache.set("k", 5)
    waiting = [threads.submit(cache.blpop, "a", timeout=0) for _ in range(WAITERS)]
    until_blocked(cache, WAITERS)
    for number in range(200):
        assert cache.get("k") == 5
        assert cache.incr("n") == number + 1 if number else cache.set("n", 1)
    assert not any(one.done() for one in waiting)
    assert cache.rpush("a", *range(WAITERS)) >= 0
    answers = [("a", number) for number in range(WAITERS)]
    assert sorted(answer for one in waiting if (answer := one.result(PATIENCE))) == answers
    assert cache.llen("a") == 0


def test_an_item_goes_to_one_of_those_who_wait(cache: Client, threads: ThreadPoolExecutor) -> None:
    waiting = [threads.submit(cache.blmove, "a", f"to{i}", PATIENCE) for i in range(3)]
    until_blocked(cache, 3)
    for number in range(3):
        cache.rpush("a", number)
    assert sorted(map(Future.result, waiting)) == [0, 1, 2]
    assert sum(cache.llen(f"to{i}") for i in range(3)) == 3


def test_connections_of_waits_are_used_again(cache: Client) -> None:
    if cache.info("server").get("server_name") == "memory":
        pytest.skip("an engine in this process counts no connections")
    cache.blpop("a", timeout=0.001)
    before = cache.info("stats")["total_connections_received"]
    for _ in range(5):
        cache.blpop("a", timeout=0.001)
    assert cache.info("stats")["total_connections_received"] == before


def test_to_close_the_cache_ends_a_wait(cache: Client, threads: ThreadPoolExecutor) -> None:
    waiting = [threads.submit(cache.blpop, "a", timeout=0), threads.submit(cache.blmove, "a", "b", 0)]
    until_blocked(cache, 2)
    cache.close()
    for one in waiting:
        error = outcome(one)
        assert isinstance(error, Unreachable)
        assert "closed" in str(error)
        assert error.maybe_executed is True
    assert cache.blpop("a", timeout=0.001) is None  # the next call opens a new connection
    cache.rpush("a", 1)
    assert cache.blpop("a", timeout=PATIENCE) == ("a", 1)


@pytest.mark.parametrize("ignore", [False, True])
def test_a_server_that_is_killed_ends_a_wait(own: Server, threads: ThreadPoolExecutor, ignore: bool) -> None:
    with Client(own.url, ignore_exceptions=ignore) as cache:
        waiting = threads.submit(cache.blpop, "a", timeout=0)
        until_blocked(cache, 1)
        own.kill()
        error = outcome(waiting)
        assert isinstance(error, Unreachable) is not ignore
        assert not isinstance(error, TimedOut)
        own.restart()
        assert cache.set("k", 1) is True  # which may be repeated, over a new connection
        assert cache.rpush("a", 1) == 1
        assert cache.blpop("a", timeout=PATIENCE) == ("a", 1)


def test_a_connection_that_the_server_has_closed_meanwhile_carries_no_wait(own: Server) -> None:
    with Client(own.url) as cache:
        assert cache.blpop("a", timeout=0.001) is None
        own.restart()
        own.execute("RPUSH", ":1:a", 1)
        assert cache.blpop("a", timeout=PATIENCE) == ("a", 1)


def test_a_wait_on_a_server_that_is_gone_is_unreachable() -> None:
    with Server() as server, Client(server.url) as cache:
        server.kill()
        with pytest.raises(Unreachable) as raised:
            cache.blpop("a", timeout=0)
        assert raised.value.maybe_executed is False


def test_an_interrupted_wait_drops_its_connection(cache: Client, threads: ThreadPoolExecutor) -> None:
    """Ctrl-C: the reply that is still to come is nobody else's."""

    def press() -> None:
        until_blocked(cache, 1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    pressed = threads.submit(press)
    with pytest.raises(KeyboardInterrupt):
        cache.blpop("a", timeout=PATIENCE)
    assert outcome(pressed) is None
    cache.rpush("b", "for b")
    assert cache.blpop("b", timeout=PATIENCE) == ("b", "for b")


def test_a_fork_leaves_the_parents_waits_alone(cache: Client, threads: ThreadPoolExecutor) -> None:
    if not hasattr(os, "fork") or cache.info("server").get("server_name") == "memory":
        pytest.skip("a fork takes a copy of the engine along")
    waiting = threads.submit(cache.blpop, "a", timeout=0)
    until_blocked(cache, 1)
    child = os.fork()
    if child == 0:  # pragma: no cover
        cache.close()
        os._exit(0 if cache.blpop("b", timeout=0.001) is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not waiting.done()
    cache.rpush("a", 1)
    assert outcome(waiting) == ("a", 1)


@pytest.mark.parametrize("scheme", ["valkey", "memory"])
def test_an_awaited_wait_holds_up_no_other_call_of_its_loop(shared: Server, scheme: str) -> None:
    """Django's backend carries its other awaited calls out in one thread."""
    shared.flush()
    backend = ValkeyCache(shared.url if scheme == "valkey" else f"memory://{os.urandom(8).hex()}", {})

    async def waited() -> list[Any]:
        waiting = [asyncio.ensure_future(backend.ablpop("a", timeout=PATIENCE)) for _ in range(WAITERS)]
        for number in range(WAITERS):
            await backend.arpush("a", number)
        return [answer[1] for answer in await asyncio.gather(*waiting) if answer]

    assert sorted(asyncio.run(waited())) == list(range(WAITERS))
    backend._door.nodes.close()


def test_a_wait_over_tls(threads: ThreadPoolExecutor) -> None:
    if not supports_tls(find_server()):
        pytest.skip("this server was built without TLS")
    with (
        Server(tls=True) as server,
        Client(server.url, ssl_ca_certs=str(server.ca_file), socket_timeout=SOCKET_TIMEOUT) as cache,
    ):
        assert cache.blpop("a", timeout=LONGER) is None
        waiting = threads.submit(cache.blpop, "a", timeout=0)
        until_blocked(cache, 1)
        cache.close()
        assert isinstance(outcome(waiting), Unreachable)
