"""The engine in this process as a connection.

Fails where two names share an engine or one name has two, where an error's text is not what a
server would say, or where the engine needs a socket.
"""

from __future__ import annotations

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from vkcache.core.replies import Fault
from vkcache.errors import Misconfigured, ReplyError, WrongType
from vkcache.shell import Client
from vkcache.shell.nodes import memory
from vkcache.shell.wire.connection import packed


def test_a_name_is_one_engine_and_two_names_are_two() -> None:
    Client("memory://shared").set("k", 5)
    assert Client("memory://shared").get("k") == 5
    assert Client("memory://other").get("k") is None


def test_a_connection_answers_in_order_and_an_error_as_a_server_says_it() -> None:
    connection = memory.opener("test_memory")()
    ask = packed(b"SET", b"k", b"v") + packed(b"LPUSH", b"k", b"v") + packed(b"GET", b"k")
    stored, fault, value = connection.exchange(ask, 3)
    assert (stored, value) == (b"OK", b"v")
    assert type(fault) is Fault
    assert str(fault).startswith("WRONGTYPE ")
    assert connection.alive()
    connection.close()


def test_it_knows_what_a_new_server_knows() -> None:
    with Client("memory://features") as cache:
        assert cache.set_many({"a": 1, "b": "text"}, 60) == []
        assert (cache.get("b"), cache.ttl("b")) == ("text", 60)
        assert cache.info()["valkey_version"] == "9.1.0"


def test_an_error_is_the_same_as_on_a_server() -> None:
    with Client("memory://errors") as cache:
        memory.raw_client("errors").lpush(cache.make_key("k"), "v")
        with pytest.raises(WrongType, match=r"GET ':1:k': WRONGTYPE"):
            cache.get("k")


@pytest.mark.parametrize(
    ("word", "octets"),
    [("'abc'", b"abc"), ("''", b""), ("ARGV[1]", b"\xff\x00\r\n"), ("5", b"5"), ("2.5", b"2.5")],
)
def test_its_scripts_have_a_servers_sha1hex(word: str, octets: bytes) -> None:
    with Client("memory://sha1hex") as cache:
        answer = cache.eval_script(f"return redis.sha1hex({word})", args=[b"\xff\x00\r\n"])
    assert answer == hashlib.sha1(octets, usedforsecurity=False).hexdigest().encode()


def test_its_scripts_keep_it_in_every_engine_and_after_an_error() -> None:
    for name in ("sha1hex-a", "sha1hex-b"):
        with Client(f"memory://{name}") as cache:
            with pytest.raises(ReplyError):
                cache.eval_script("return redis.call('NO SUCH')")
            assert len(cache.eval_script("return redis.sha1hex(redis.sha1hex(''))")) == 40


def test_a_list_that_is_turned_round_waits_for_its_first_item() -> None:
    """The engine's own BLMOVE answers at once where the source is missing."""
    with Client("memory://blmove") as cache, ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(cache.blmove, "news", "news", 30.0) for _ in range(2)]
        cache.rpush("news", "first")
        assert [one.result(30) for one in waiting] == ["first", "first"]
        assert cache.lrange("news", 0, -1) == ["first"]
        assert cache.blmove("none", "none", 0.001) is None


def test_without_fakeredis_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fakeredis", None)
    with pytest.raises(Misconfigured, match=r"pip install vkcache\[memory\]"):
        memory.opener("an engine that nobody made yet")
