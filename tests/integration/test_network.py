"""A network that fails: silent, slow, cut, garbled, encrypted; and values that are too large.

Fails where a call does not end within its time-out, where a write that may have been carried out
is sent again, where fragments or large replies are misread, or where a password gets into an error.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from tests.integration.proxies import (
    Behaviour,
    Link,
    Proxy,
    cut,
    dripping,
    garbled,
    in_pieces,
    passed,
    swallowed,
)
from tests.integration.test_connections import pool_of
from tests.servers import HOST, Server, find_server, free_port, supports_tls
from vkcache.errors import AccessDenied, ReplyError, TimedOut, Unreachable
from vkcache.shell import Client

LONG = 5.0  # seconds; calls here have to end within a tenth of it, and machines are slow at times
LARGE = 10 * 2**20


@pytest.fixture
def proxy(server: Server, url: str) -> Iterator[Proxy]:
    assert url
    with Proxy(server.port) as between:
        yield between


@pytest.fixture
def cache(proxy: Proxy) -> Iterator[Client]:
    with Client(proxy.url, socket_timeout=20, secret="of the tests") as client:
        client.set_many({"k": "v", "count": 1, "long": "x" * 900})
        yield client


@pytest.mark.parametrize(
    "behaviour", [swallowed, dripping(0.1), dripping(1)], ids=["silent", "drip", "drop a second"]
)
def test_a_call_ends_at_its_timeout(proxy: Proxy, cache: Client, behaviour: Behaviour) -> None:
    with Client(proxy.url, socket_timeout=0.5, secret="of the tests") as hurried:
        assert hurried.get("k") == cache.get("k") == "v"
        proxy.behaviour = behaviour
        began = time.monotonic()
        with pytest.raises(TimedOut, match="socket_timeout") as raised:
            hurried.get("long")
        assert time.monotonic() - began < LONG
        assert raised.value.maybe_executed is True
        proxy.behaviour = passed
        assert hurried.get("k") == "v"


def test_a_server_that_takes_nothing_in_is_a_timeout() -> None:
    with Server() as stopped, Client(stopped.url, socket_timeout=1, compressor="none") as cache:
        cache.set("k", 1)
        stopped._process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(TimedOut) as raised:
                cache.set("k", b"x" * LARGE * 4)
            assert raised.value.maybe_executed is False
            assert time.monotonic() - began < LONG
        finally:
            stopped._process.send_signal(signal.SIGCONT)
        assert cache.get("k") == 1


def test_a_server_that_accepts_and_says_nothing_is_a_timeout(proxy: Proxy) -> None:
    proxy.behaviour = swallowed
    with Client(proxy.url, socket_timeout=0.2, socket_connect_timeout=0.2) as cache:
        began = time.monotonic()
        with pytest.raises(TimedOut) as raised:
            cache.incr("k")
        assert time.monotonic() - began < LONG
        assert raised.value.maybe_executed is False


def test_what_may_have_been_carried_out_is_not_sent_again(
    server: Server, proxy: Proxy, cache: Client
) -> None:
    calls: dict[str, Callable[[], object]] = {
        "count": lambda: cache.incr("count"),
        "new": lambda: cache.add("new", 1),
    }
    for key, call in calls.items():
        assert cache.get("k") == "v"  # a connection stands
        proxy.behaviour = cut
        with pytest.raises(Unreachable) as raised:
            call()
        assert raised.value.maybe_executed is True
        assert server.execute("GET", f":1:{key}") == (b"2" if key == "count" else b"1")
        proxy.behaviour = passed
    assert cache.incr("count") == 3


def test_what_is_safe_to_repeat_is_sent_again(proxy: Proxy, cache: Client) -> None:
    def cut_once(link: Link, chunk: bytes) -> None:
        proxy.behaviour = passed
        cut(link, chunk)

    answers: tuple[tuple[Callable[[], object], object], ...] = (
        (lambda: cache.get("k"), "v"),
        (lambda: cache.set("other", 1), True),
        (lambda: cache.get_many(["k", "missing"]), {"k": "v"}),
        (lambda: cache.touch("k", None), True),
        (lambda: cache.delete("k"), False),  # the first time it was there
    )
    for call, answer in answers:
        proxy.behaviour = cut_once
        assert call() == answer


def test_a_connection_that_breaks_again_is_unreachable(proxy: Proxy, cache: Client) -> None:
    opened = proxy.opened
    proxy.behaviour = cut
    with pytest.raises(Unreachable):
        cache.get("k")
    assert proxy.opened <= opened + 2
    proxy.behaviour = passed
    assert cache.get("k") == "v"


def test_what_is_no_reply_is_unreachable_and_forgotten(proxy: Proxy, cache: Client) -> None:
    proxy.behaviour = garbled
    with pytest.raises(Unreachable):
        cache.get("k")
    proxy.behaviour = passed
    assert [cache.get("k"), cache.get("count")] == ["v", 1]


@pytest.mark.parametrize("behaviour", [garbled, cut, swallowed])
def test_a_connection_that_fails_its_check_is_replaced(server: Server, behaviour: Behaviour) -> None:
    """The check of an idle connection is no call of the user's: what fails there is not raised."""

    def once(link: Link, chunk: bytes) -> None:
        between.behaviour = passed
        behaviour(link, chunk)

    with (
        Proxy(server.port) as between,
        Client(between.url, socket_timeout=1, health_check_interval=1) as cache,
    ):
        cache.set("count", 1)
        for connection in pool_of(cache)._idle:
            connection.used -= 10
        between.behaviour = once
        assert cache.incr("count") == 2


def test_replies_in_pieces_of_a_byte(server: Server) -> None:
    with Proxy(server.port) as proxy, Client(proxy.url, socket_timeout=10, secret="of the tests") as cache:
        proxy.behaviour = in_pieces
        stored = {f"{{t}}{number}": ("x" * number, number) for number in range(40)}
        assert cache.set_many(stored) == []
        assert cache.get_many([*stored, "{t}missing"]) == stored
        assert cache.incr("{t}count", ignore_key_check=True) == 1
        assert sorted(cache.keys("{t}1?")) == sorted(f"{{t}}1{number}" for number in range(10))
        assert cache.clear() is True


@pytest.mark.parametrize("compressor", ["none", "zstd"])
def test_a_value_of_ten_megabytes(url: str, compressor: str) -> None:
    value = bytes(range(256)) * (LARGE // 256)
    with Client(url, compressor=compressor, socket_timeout=20) as cache:
        assert cache.set("k", value) is True
        assert cache.get("k") == value
        assert cache.get_many(["k", "missing"]) == {"k": value}
        assert cache.get("missing") is None


UNSIGNED = ("-W", "ignore:this cache unpickles what is not signed")  # of the bare format: not what is tested
BOMBED = """
import resource, sys
from vkcache.shell import Client
url, format, compressor = sys.argv[1:]
cache = Client(url, socket_timeout=20, secret="of the tests", format=format, compressor=compressor)
cache.set("k", ["x" * 5000]), cache.get("k"), cache.get("small")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
print(cache.get("bomb", "missing"), cache.get_many(["bomb"]), cache.unreadable)
print((peak() - before) * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.parametrize(
    ("name", "format", "head"), [("zlib", "native", 0x08), ("zstd", "native", 0x04), ("zlib", "bare", 0)]
)
def test_a_bomb_is_a_miss_and_takes_no_memory(
    server: Server, url: str, name: str, format: str, head: int
) -> None:
    bomb = (b"\xc1" + bytes((head,)) if head else b"") + _deflated(name)
    assert len(bomb) < 320_000
    server.execute("SET", ":1:bomb", bomb)
    command = [sys.executable, "-W", "error", *UNSIGNED, "-c", BOMBED, url, format, name]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    answer, grown = ended.stdout.splitlines()
    assert answer == "missing {} 2"
    assert int(grown) < 80 * 2**20


def _deflated(name: str) -> bytes:
    """300 MB of zeros, in the way of the compressor *name*."""
    zeros = bytes(2**20)
    packer = zlib.compressobj(9) if name == "zlib" else zstandard.ZstdCompressor().compressobj()
    return b"".join([packer.compress(zeros) for _ in range(300)] + [packer.flush()])


def said(error: BaseException | None) -> str:
    """What an error and those that led to it say."""
    found = []
    while error is not None:
        found += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    return " ".join(found)


PASSWORD = "pass word/é:@"


def test_a_password_is_needed_and_never_shown() -> None:
    with Server(password=PASSWORD) as guarded:
        with Client(guarded.url) as cache:
            assert cache.set("k", 1) is True
        with Client(f"valkey://{HOST}:{guarded.port}/0", password=PASSWORD) as cache:
            assert cache.get("k") == 1
        place = f"{HOST}:{guarded.port}/0"
        for refused in (
            Client(f"valkey://user:wr0ng@{place}"),
            Client(f"valkey://{place}", password="wr0ng"),
            Client(f"valkey://{place}", username="somebody", password="wr0ng"),
            Client(f"valkey://{place}"),
        ):
            with pytest.raises(AccessDenied) as raised:
                refused.get("k")
            assert isinstance(raised.value, PermissionError)
            assert "password" in str(raised.value)
            assert "wr0ng" not in said(raised.value)


def test_an_unreachable_place_is_named_without_its_password() -> None:
    port = free_port()
    for url in (f"valkey://user:s3cret@{HOST}:{port}/0", "unix://user:s3cret@/nonexistent/s"):
        with pytest.raises(Unreachable) as raised:
            Client(url).get("k")
        assert raised.value.maybe_executed is False
        assert "s3cret" not in said(raised.value)


def test_what_an_acl_forbids_is_denied() -> None:
    with Server() as guarded, Client(guarded.url) as cache:
        guarded.execute("ACL", "SETUSER", "default", "-unlink")
        assert cache.set("k", 1) is True
        with pytest.raises(AccessDenied, match="unlink"):
            cache.delete("k")
        assert cache.get("k") == 1


def test_a_database_that_is_not_there_is_the_servers_answer(server: Server) -> None:
    with pytest.raises(ReplyError):
        Client(f"valkey://{HOST}:{server.port}/9999").get("k")


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Server]:
    names = [str(find_server()), "valkey-server", "redis-server"]
    found = [Path(path) for name in names if (path := shutil.which(name))]
    able = next((binary for binary in found if supports_tls(binary)), None)
    if able is None:
        pytest.skip("no server here was built with TLS")
    with Server(tls=True, binary=able) as server:
        yield server


def test_tls(encrypted: Server) -> None:
    encrypted.flush()
    with Client(
        encrypted.url, ssl_ca_certs=str(encrypted.ca_file), socket_timeout=20, secret="of the tests"
    ) as cache:
        value = ("x", bytes(range(256)) * (LARGE // 256))
        assert cache.set_many({"a": 1, "b": value}) == []
        assert cache.get_many(["b", "a"]) == {"b": value, "a": 1}
        assert cache.incr("a") == 2
        for connection in pool_of(cache)._idle:
            connection.used -= 10
        assert cache.incr("a") == 3


def test_tls_ends_at_its_timeout(encrypted: Server) -> None:
    with Client(encrypted.url, ssl_ca_certs=str(encrypted.ca_file), socket_timeout=1) as cache:
        cache.set("k", 1)
        encrypted._process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(TimedOut):
                cache.get("k")
            assert time.monotonic() - began < LONG
        finally:
            encrypted._process.send_signal(signal.SIGCONT)
        assert cache.get("k") == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted: Server) -> None:
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        Client(encrypted.url).get("k")


def test_a_restarted_tls_server_is_found_again(encrypted: Server) -> None:
    with (
        Server(tls=True, binary=encrypted.binary) as server,
        Client(server.url, ssl_ca_certs=str(server.ca_file), socket_timeout=10) as cache,
    ):
        cache.set("k", 1)
        server.restart()
        assert cache.get("k") is None
