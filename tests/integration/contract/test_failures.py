"""What callers get while the server is gone, and with ignore_exceptions.

Fails where ignore_exceptions lets an error through or answers other than an empty cache that
stores nothing, where errors of the caller are swallowed with it, or where without it a call on a
dead server does not raise Unreachable.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.contract.ways import BUILDERS, SECRET, Build
from tests.servers import Server
from vkcache.errors import InvalidArgument, KeyNotFound, Unencodable, Unreachable, WrongType
from vkcache.shell import Client
from vkcache.shell.tables import Commands

Ask = Callable[[Client], Any]

# Every method with the answer of a cache that holds nothing and stores nothing.
EMPTY: dict[str, tuple[Ask, Any]] = {
    "get": (lambda cache: cache.get("k"), None),
    "getex": (lambda cache: cache.getex("k"), None),
    "get default": (lambda cache: cache.get("k", "d"), "d"),
    "set": (lambda cache: cache.set("k", 1), False),
    "set for ever": (lambda cache: cache.set("k", 1, None), False),
    "set nx": (lambda cache: cache.set("k", 1, nx=True), False),
    "set xx": (lambda cache: cache.set("k", 1, xx=True), False),
    "set get": (lambda cache: cache.set("k", 1, get=True), None),
    "set keepttl": (lambda cache: cache.set("k", 1, keepttl=True), False),
    "add": (lambda cache: cache.add("k", 1), False),
    "delete": (lambda cache: cache.delete("k"), False),
    "delete_many": (lambda cache: cache.delete_many(["k", "l"]), 0),
    "delete_many nothing": (lambda cache: cache.delete_many([]), None),
    "touch": (lambda cache: cache.touch("k"), False),
    "touch for ever": (lambda cache: cache.touch("k", None), False),
    "expire": (lambda cache: cache.expire("k", 5), False),
    "pexpire": (lambda cache: cache.pexpire("k", 5), False),
    "expire_at": (lambda cache: cache.expire_at("k", 5), False),
    "expireat": (lambda cache: cache.expireat("k", 5), False),
    "pexpire_at": (lambda cache: cache.pexpire_at("k", 5), False),
    "pexpireat": (lambda cache: cache.pexpireat("k", 5), False),
    "expiretime": (lambda cache: cache.expiretime("k"), 0),
    "persist": (lambda cache: cache.persist("k"), False),
    "ttl": (lambda cache: cache.ttl("k"), 0),
    "pttl": (lambda cache: cache.pttl("k"), 0),
    "type": (lambda cache: cache.type("k"), None),
    "get_many": (lambda cache: cache.get_many(["k", "l"]), {}),
    "mget": (lambda cache: cache.mget(["k", "l"]), {}),
    "set_many": (lambda cache: cache.set_many({"k": 1, "l": 2}), ["k", "l"]),
    "set_many for ever": (lambda cache: cache.set_many({"k": 1, "l": 2}, None), ["k", "l"]),
    "mset": (lambda cache: cache.mset({"k": 1, "l": 2}), False),
    "mset for ever": (lambda cache: cache.mset({"k": 1, "l": 2}, None), False),
    "get_or_set": (lambda cache: cache.get_or_set("k", "computed"), "computed"),
    "get_or_set call": (lambda cache: cache.get_or_set("k", lambda: "computed"), "computed"),
    "has_key": (lambda cache: cache.has_key("k"), False),
    "in": (lambda cache: "k" in cache, False),
    "clear": (lambda cache: cache.clear(), True),
    "clear version": (lambda cache: cache.clear(3), True),
    "keys": (lambda cache: cache.keys(), []),
    "iter_keys": (lambda cache: list(cache.iter_keys()), []),
    "scan": (lambda cache: cache.scan(), (0, [])),
    "delete_pattern": (lambda cache: cache.delete_pattern("*"), 0),
    "reinsert_keys": (lambda cache: cache.reinsert_keys(), 0),
    "flush_db": (lambda cache: cache.flush_db(), False),
    "info": (lambda cache: cache.info(), {}),
}

# Of a key that is not there they raise on an empty cache too.
MISSING: dict[str, Ask] = {
    "incr": lambda cache: cache.incr("k"),
    "incr float": lambda cache: cache.incr("k", 0.5),
    "decr": lambda cache: cache.decr("k"),
    "rename": lambda cache: cache.rename("k", "l"),
    "renamenx": lambda cache: cache.renamenx("k", "l"),
    "incr_version": lambda cache: cache.incr_version("k"),
    "decr_version": lambda cache: cache.decr_version("k"),
}


@pytest.fixture(scope="module")
def stopped() -> Iterator[Server]:
    """A server that is known, and gone."""
    with Server() as server:
        server.kill()
        yield server


def opened(build: Build, server: Server, **options: Any) -> Iterator[Client]:
    cache = build(server.url, **{"prefix": "app", "secret": SECRET, **options})
    yield cache
    cache._door.nodes.close()


@pytest.fixture(params=["pickles", "all"])
def ignoring(request: pytest.FixtureRequest, build: Build, stopped: Server) -> Iterator[Client]:
    yield from opened(build, stopped, ignore_exceptions=True, signing=request.param)


@pytest.fixture
def raising(build: Build, stopped: Server) -> Iterator[Client]:
    yield from opened(build, stopped)


def test_every_method_has_its_row() -> None:
    methods = {name for name, _ in inspect.getmembers_static(Commands) if not name.startswith("_")}
    assert methods <= {row.split()[0] for row in (*EMPTY, *MISSING)}


@pytest.mark.parametrize("row", EMPTY)
def test_ignoring_answers_as_an_empty_cache(ignoring: Client, row: str) -> None:
    ask, answer = EMPTY[row]
    assert ask(ignoring) == answer


@pytest.mark.parametrize("row", MISSING)
def test_ignoring_a_missing_key_is_missing(ignoring: Client, row: str) -> None:
    with pytest.raises(KeyNotFound):
        MISSING[row](ignoring)


@pytest.mark.parametrize("row", [*EMPTY, *MISSING])
def test_without_it_a_dead_server_is_unreachable(raising: Client, row: str) -> None:
    if row == "delete_many nothing":
        assert raising.delete_many([]) is None
        return
    ask = MISSING[row] if row in MISSING else EMPTY[row][0]
    with pytest.raises(Unreachable) as raised:
        ask(raising)
    assert raised.value.maybe_executed is False
    assert isinstance(raised.value, ConnectionError)


def test_the_callers_own_mistakes_are_never_ignored(ignoring: Client) -> None:
    with pytest.raises(InvalidArgument):
        ignoring.set("k", 1, nx=True, xx=True)
    with pytest.raises(Unencodable):
        ignoring.set("k", lambda: None)
    with pytest.raises(ZeroDivisionError):
        ignoring.get_or_set("k", lambda: 1 / 0)


def test_a_wrong_type_is_never_ignored(build: Build, server: Server) -> None:
    server.flush()
    server.execute("RPUSH", "app:1:list", 1)
    for cache in opened(build, server, ignore_exceptions=True):
        with pytest.raises(WrongType):
            cache.get("list")


def test_what_is_ignored_is_logged_on_request(
    build: Build, stopped: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for log_ignored in (False, True):
        for cache in opened(build, stopped, ignore_exceptions=True, log_ignored_exceptions=log_ignored):
            with caplog.at_level(logging.WARNING, "vkcache"):
                cache.get("k")
        assert len(caplog.records) == log_ignored


def test_a_server_that_goes_and_comes_back(build: Build) -> None:
    with Server() as server:
        for cache in opened(build, server, ignore_exceptions=True):
            cache.set("k", 1)
            server.kill()
            assert cache.get("k", "default") == "default"
            assert cache.set("k", 2) is False
            server.restart()
            assert cache.get("k") is None
            assert cache.set("k", 3) is True
            assert cache.get("k") == 3


def test_a_server_out_of_memory(build: Build) -> None:
    with Server(extra=("--maxmemory", "1", "--maxmemory-policy", "noeviction")) as server:
        for cache in opened(build, server):
            assert cache.get("k") is None
            assert cache.set_many({"k": 1, "l": 2}) == ["k", "l"]
            with pytest.raises(Exception, match="OOM"):
                cache.set("k", 1)
            with pytest.raises(Exception, match="OOM"):
                cache.mset({"k": 1, "l": 2})
        for cache in opened(build, server, ignore_exceptions=True):
            assert cache.set("k", 1) is False
            assert cache.set_many({"k": 1, "l": 2}) == ["k", "l"]
            assert cache.mset({"k": 1, "l": 2}) is False


@pytest.fixture(scope="module")
def read_only() -> Iterator[Server]:
    """A server that answers reads and refuses all else, as a replica does."""
    with Server() as server:
        for signing in ("pickles", "all"):
            for cache in opened(BUILDERS["client"], server, signing=signing, prefix=signing):
                cache.set_many({"float": 1.5, "big": 10**30, "text": ("x",)})
        server.execute("ACL", "SETUSER", "default", "-@write", "-eval")
        yield server


REFUSED: dict[str, Ask] = {
    "incr float": lambda cache: cache.incr("float"),
    "incr by float": lambda cache: cache.incr("float", 0.5),
    "incr big": lambda cache: cache.incr("big", 2**64),
    "incr missing": lambda cache: cache.incr("missing", 0.5, ignore_key_check=True),
    "rename": lambda cache: cache.rename("text", "l"),
    "incr_version": lambda cache: cache.incr_version("text"),
}


@pytest.mark.parametrize("signing", ["pickles", "all"])
@pytest.mark.parametrize("row", REFUSED)
def test_ignoring_ends_where_reads_work_and_writes_are_refused(
    build: Build, read_only: Server, signing: str, row: str
) -> None:
    """What is added or moved by compare-and-set is not tried for ever."""
    for cache in opened(build, read_only, ignore_exceptions=True, signing=signing, prefix=signing):
        asked = threading.Thread(target=_asked, args=(REFUSED[row], cache), daemon=True)
        asked.start()
        asked.join(10)
        assert not asked.is_alive()


def _asked(ask: Ask, cache: Client) -> None:
    with pytest.raises(KeyNotFound):
        ask(cache)
