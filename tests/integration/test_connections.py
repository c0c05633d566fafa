"""The pool and its connections: threads, forks, restarts, limits.

Fails where a call gets another call's reply, or none though the server works, where more than
max_connections are open, or where a child process uses its parent's sockets.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.proxies import Link, Proxy, passed
from tests.servers import Server
from vkcache.errors import TimedOut
from vkcache.shell import Client
from vkcache.shell.nodes.choosing import choose
from vkcache.shell.nodes.single import Single
from vkcache.shell.options import settings
from vkcache.shell.wire.pool import Pool

THREADS = 50
NAME = "of-the-test"
LIMIT = 10


@pytest.fixture
def own() -> Iterator[Server]:
    """A server that the test may pause, restart or count the connections of."""
    with Server() as server:
        yield server


def connected(server: Server) -> int:
    """How many connections with the name `NAME` the server has."""
    said = server.execute("CLIENT", "LIST")
    assert isinstance(said, bytes)
    return said.count(f" name={NAME} ".encode())


def pool_of(cache: Client) -> Pool:
    nodes = cache._door.nodes
    assert isinstance(nodes, Single)
    return nodes._pool


def test_fifty_threads_on_ten_connections_and_a_paused_server(own: Server) -> None:
    names = [f"k{number}" for number in range(THREADS)]
    with (
        Client(own.url, client_name=NAME, max_connections=LIMIT, socket_timeout=10) as cache,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        cache.set_many({name: name for name in names})
        all_there = threading.Barrier(THREADS + 1)

        def ask(name: str) -> object:
            all_there.wait()
            return cache.get(name)

        asked = [threads.submit(ask, name) for name in names]
        own.pause(0.5)
        all_there.wait()
        assert [answer.result() for answer in asked] == names
        assert connected(own) <= LIMIT


def test_threads_never_get_each_others_replies(own: Server) -> None:
    with (
        Client(own.url, client_name=NAME, max_connections=4, socket_timeout=10) as cache,
        ThreadPoolExecutor(12) as threads,
    ):

        def work(thread: int) -> int:
            right = 0
            for number in range(100):
                name = f"{thread}:{number}"
                cache.set(name, name)
                right += cache.get(name) == name and cache.get_many([name, "missing"]) == {name: name}
            return right

        assert list(threads.map(work, range(12))) == [100] * 12
        assert connected(own) <= 4


FORKING = """
import os, sys, threading
from vkcache.shell import Client
cache = Client(sys.argv[1], socket_timeout=20)
names = [f"k{n}" for n in range(20)]
cache.set_many({name: name for name in names})
done = threading.Event()
wrong = []

def hammer():
    while not done.is_set():
        for name in names:
            if cache.get(name) != name:
                wrong.append(name)

threads = [threading.Thread(target=hammer) for _ in range(int(sys.argv[2]))]
for thread in threads:
    thread.start()

def child(number):
    own = f"own{number}"
    cache.set(own, own)
    faults = 0
    for turn in range(500):
        name = own if turn % 2 else names[turn % 20]
        faults += cache.get(name) != name
    os._exit(min(faults, 100))

children = []
for number in range(5):
    pid = os.fork()
    if not pid:
        child(number)
    children.append(pid)
for turn in range(500):
    name = names[turn % 20]
    if cache.get(name) != name:
        wrong.append(name)
ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
done.set()
for thread in threads:
    thread.join()
print(ended, len(wrong))
"""


@pytest.mark.parametrize("threads", [0, 3])
def test_parent_and_children_after_a_fork(own: Server, threads: int) -> None:
    """Five children make 500 gets each, the parent too; with *threads* that are in the middle of calls."""
    # A fork beside threads is what is tested, and newer Pythons warn of it.
    command = [
        sys.executable,
        "-W",
        "error",
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        FORKING,
        own.url,
        str(threads),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout.strip(), ended.stderr) == ("[0, 0, 0, 0, 0] 0", "")


def test_a_restarted_server_is_found_again(own: Server) -> None:
    with Client(own.url, client_name=NAME, socket_timeout=10) as cache:
        together = threading.Barrier(5)
        with ThreadPoolExecutor(5) as threads:
            list(threads.map(lambda number: (together.wait(), cache.set(f"k{number}", 1)), range(5)))
        own.restart()
        assert cache.set("k", 1) is True
        assert cache.get("k") == 1
        own.restart()
        assert cache.get_many(["k"]) == {}
        own.restart()
        assert cache.mset({"a": 1, "b": 2}, 60) is True
        own.restart()
        assert cache.delete("a") is False


def test_a_connection_that_idled_is_looked_at_before_its_use(own: Server) -> None:
    """What must not be repeated works too, where the server closed the connection while nobody used it."""
    with Client(own.url, client_name=NAME) as cache:
        cache.set("k", 1)
        own.execute("CLIENT", "KILL", "TYPE", "normal")
        while connected(own):
            pass  # an older server closes them a moment later
        for connection in pool_of(cache)._idle:
            connection.used -= 10
        assert cache.incr("k") == 2


@pytest.mark.parametrize(("interval", "pings"), [(0, 0), (60, 0), (5, 1)])
def test_a_connection_is_asked_after_the_health_check_interval(
    own: Server, interval: float, pings: int
) -> None:
    with Client(own.url, client_name=NAME, health_check_interval=interval) as cache:
        cache.set("k", 1)
        own.execute("CONFIG", "RESETSTAT")
        for connection in pool_of(cache)._idle:
            connection.used -= 10
        assert cache.get("k") == 1
        assert cache.get("k") == 1
        said = own.execute("INFO", "commandstats")
        assert isinstance(said, dict)
        assert said.get("cmdstat_ping", {"calls": 0})["calls"] == pings


def test_when_all_connections_stay_busy_the_error_names_max_connections(own: Server) -> None:
    with Client(own.url, client_name=NAME, max_connections=2, socket_timeout=0.5) as cache:
        cache.set("k", 1)
        pool = pool_of(cache)
        busy = [pool.take(), pool.take()]
        with pytest.raises(TimedOut, match="max_connections=2") as raised:
            cache.get("k")
        assert raised.value.maybe_executed is False
        for connection in busy:
            pool.give(connection)
        assert cache.get("k") == 1
        assert connected(own) == 2


def test_a_caller_that_waits_gets_the_connection_that_is_given_back(own: Server) -> None:
    with (
        Client(own.url, client_name=NAME, max_connections=1, socket_timeout=10) as cache,
        ThreadPoolExecutor() as threads,
    ):
        cache.set("k", 1)
        pool = pool_of(cache)
        busy = pool.take()
        waiting = threads.submit(cache.get, "k")
        pool.give(busy)
        assert waiting.result() == 1


def test_connections_that_fail_to_open_are_not_counted(own: Server) -> None:
    with Client(own.url, client_name=NAME, max_connections=1, socket_timeout=5) as cache:
        own.kill()
        for _ in range(3):
            with pytest.raises(ConnectionError, match="refused"):
                cache.get("k")
        own.restart()
        assert cache.set("k", 1) is True


class Interruption(BaseException):
    """As KeyboardInterrupt, raised by a signal in the middle of a call."""


def test_an_interrupted_call_leaves_its_reply_to_nobody(own: Server) -> None:
    def interrupt(link: Link, chunk: bytes) -> None:
        proxy.behaviour = passed
        os.kill(os.getpid(), signal.SIGUSR1)
        interrupted.wait()
        passed(link, chunk)

    def raising(*_: object) -> None:
        raise Interruption

    interrupted = threading.Event()
    before = signal.signal(signal.SIGUSR1, raising)
    try:
        with Proxy(own.port) as proxy, Client(proxy.url, max_connections=1, socket_timeout=10) as cache:
            cache.set_many({"a": "of a", "b": "of b"})
            proxy.behaviour = interrupt
            with pytest.raises(Interruption):
                cache.get("a")
            interrupted.set()
            assert [cache.get(key) for key in "bab"] == ["of b", "of a", "of b"]
    finally:
        interrupted.set()
        signal.signal(signal.SIGUSR1, before)


def test_an_interrupted_wait_for_a_connection_takes_none(own: Server) -> None:
    def raising(*_: object) -> None:
        raise Interruption

    before = signal.signal(signal.SIGALRM, raising)
    try:
        with Client(own.url, client_name=NAME, max_connections=1, socket_timeout=10) as cache:
            pool = pool_of(cache)
            busy = pool.take()
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interruption):
                cache.get("a")
            pool.give(busy)
            assert cache.set("a", 1) is True
    finally:
        signal.signal(signal.SIGALRM, before)


def test_close_while_others_use_it(own: Server) -> None:
    with Client(own.url, client_name=NAME, socket_timeout=10) as cache, ThreadPoolExecutor() as threads:
        cache.set("k", "v")

        def work(_: int) -> bool:
            return all(cache.get("k") == "v" for _ in range(200))

        working = [threads.submit(work, number) for number in range(4)]
        for _ in range(50):
            cache.close()
        assert all(one.result() for one in working)
        cache.close()
        assert cache.get("k") == "v"
    assert connected(own) == 0


def test_a_client_connects_with_its_first_call_alone(own: Server) -> None:
    with Client(own.url, client_name=NAME):
        assert connected(own) == 0


def test_what_is_chosen_twice_shares_nothing(own: Server) -> None:
    one, other = (choose(settings(own.url, {})) for _ in range(2))
    assert one is not other
