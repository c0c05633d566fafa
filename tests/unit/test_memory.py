"""The engine in this process as a connection.

Fails where two names share an engine or one name has two, where an error's text is not what a
server would say, or where the engine needs a socket.
"""

from __future__ import annotations

import sys

import pytest

from vkcache.core.replies import Fault
from vkcache.errors import Misconfigured, WrongType
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


def test_without_fakeredis_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fakeredis", None)
    with pytest.raises(Misconfigured, match=r"pip install vkcache\[memory\]"):
        memory.opener("an engine that nobody made yet")
