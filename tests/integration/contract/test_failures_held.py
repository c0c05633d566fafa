"""get_or_set, locks and semaphores where the server is gone, or refuses what they need.

Fails where with ignore_exceptions a dead server keeps anybody waiting or calls a default more than once,
where without it the failure is hidden, or where a user without scripts, or without keys beside those of
values, can not read, compute or delete values any more.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.contract.flying import refused, up
from tests.integration.contract.ways import SECRET, Build
from tests.scripts import until
from tests.servers import Server
from vkcache.errors import AccessDenied, LockNotAcquired, LockNotOwned, Unreachable
from vkcache.shell import Client
from vkcache.shell.binding import hold
from vkcache.shell.tables import Commands

Ask = Callable[[Client], Any]

FLIGHT = b"\xffvkcache:flight:{app:1:k}"

PATIENCE = 10
"""Seconds in which a call on a dead server has long ended; the longest wait that is asked for is longer."""

HELD: dict[str, Ask] = {
    "lock": lambda cache: cache.lock("k", blocking_timeout=10 * PATIENCE),
    "lock for ever": lambda cache: cache.lock("k"),
    "get_lock": lambda cache: cache.get_lock("k"),
    "semaphore": lambda cache: cache.semaphore("k", 2, timeout=10 * PATIENCE),
    "semaphore for ever": lambda cache: cache.semaphore("k", 2),
}


def test_every_hold_has_its_row() -> None:
    holds = {name for name, line in inspect.getmembers_static(Commands) if isinstance(line, hold)}
    assert holds == {row.split()[0] for row in HELD}


@pytest.fixture(scope="module")
def stopped() -> Iterator[Server]:
    """A server that is known, and gone."""
    with Server() as server:
        server.kill()
        yield server


@pytest.fixture
def ignoring(build: Build, stopped: Server) -> Client:
    return build(stopped.url, prefix="app", secret=SECRET, ignore_exceptions=True)


@pytest.fixture
def raising(build: Build, stopped: Server) -> Client:
    return build(stopped.url, prefix="app", secret=SECRET)


def soon(ask: Callable[[], Any]) -> Any:
    """What *ask* answers, before its caller has lost patience."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result(PATIENCE)


def entered(cache: Client, row: str) -> None:
    with HELD[row](cache):
        raise AssertionError("it was entered without being held")


@pytest.mark.parametrize("row", HELD)
def test_ignoring_nothing_is_held(ignoring: Client, row: str) -> None:
    held = HELD[row](ignoring)
    assert soon(held.acquire) is False
    assert soon(lambda: held.acquire(False)) is False
    assert held.token is None
    with pytest.raises(LockNotOwned):
        held.release()
    with pytest.raises(LockNotAcquired):
        soon(lambda: entered(ignoring, row))


@pytest.mark.parametrize("row", HELD)
def test_without_it_a_dead_server_is_unreachable(raising: Client, row: str) -> None:
    with pytest.raises(Unreachable):
        soon(HELD[row](raising).acquire)
    with pytest.raises(Unreachable):
        soon(lambda: entered(raising, row))


TERMS: tuple[dict[str, Any], ...] = (
    {},
    {"lock_timeout": 10 * PATIENCE},
    {"stale_cache_timeout": 60},
    {"early": 1, "stale_cache_timeout": 60, "jitter": 0.1},
)


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_ignoring_every_caller_computes_once(ignoring: Client, terms: dict[str, Any]) -> None:
    calls: list[int] = []

    def compute() -> int:
        calls.append(1)
        return len(calls)

    for number in (1, 2):
        assert soon(lambda: ignoring.get_or_set("k", compute, 60, **terms)) == number
    assert soon(lambda: ignoring.get_or_set("k", "given", 60, **terms)) == "given"
    assert len(calls) == 2
    with pytest.raises(ZeroDivisionError):
        soon(lambda: ignoring.get_or_set("k", lambda: 1 / 0, 60, **terms))


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_without_it_nothing_is_computed(raising: Client, terms: dict[str, Any]) -> None:
    calls: list[int] = []
    with pytest.raises(Unreachable):
        soon(lambda: raising.get_or_set("k", lambda: calls.append(1), 60, **terms))
    assert calls == []


@pytest.mark.parametrize("ignore", [True, False])
def test_a_server_that_dies_during_a_computation(build: Build, ignore: bool) -> None:
    """Where errors are ignored the value is there for who computed it; else its caller is told."""
    with Server() as server:
        cache = build(server.url, prefix="app", secret=SECRET, ignore_exceptions=ignore)

        def compute() -> str:
            server.kill()
            return "made"

        if ignore:
            assert soon(lambda: cache.get_or_set("k", compute)) == "made"
        else:
            with pytest.raises(Unreachable):
                soon(lambda: cache.get_or_set("k", compute))


@pytest.mark.parametrize("row", ["lock", "semaphore"])
def test_a_server_that_dies_while_it_is_held(build: Build, row: str) -> None:
    """Nobody can tell that it is held still."""
    with Server() as server:
        cache = build(server.url, prefix="app", secret=SECRET, ignore_exceptions=True)

        def outlive() -> None:
            with HELD[row](cache) as held:
                server.kill()
                held.check()
            assert held.token is None

        soon(outlive)


# Rights -----------------------------------------------------------------------------------------------------

USERS = {
    "no scripts, own keys": ("~app:*", "+@all", "-@scripting"),
    "no scripts": ("~*", "+@all", "-@scripting"),
    "own keys": ("~app:*", "+@all"),
    "no scripts, own keys, no time": ("~app:*", "+@all", "-@scripting", "-time"),
    "no time": ("~*", "+@all", "-time"),
    "no hashes": ("~*", "+@all", "-@hash"),
    "no blocking": ("~*", "+@all", "-@blocking"),
}


User = Callable[[str], Client]


@pytest.fixture
def user(build: Build, server: Server) -> Iterator[User]:
    """The cache of one of `USERS`."""
    server.flush()

    def one(name: str) -> Client:
        server.execute("ACL", "SETUSER", "limited", "reset", "on", ">pass", *USERS[name])
        return build(server.url.replace("://", "://limited:pass@"), prefix="app", secret=SECRET)

    yield one
    server.execute("ACL", "DELUSER", "limited")


@pytest.fixture(params=USERS)
def limited(request: pytest.FixtureRequest, user: User) -> Client:
    """The cache of a user who may not do all that vkcache can do."""
    return user(str(request.param))


def test_values_are_deleted(limited: Client) -> None:
    limited.set_many({"a": 1, "b": 2, "c": 3})
    assert limited.delete("a") is True
    assert limited.delete("a") is False
    assert limited.delete_many(["a", "b", "c"]) == 2
    assert limited.keys() == []


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_values_are_computed(limited: Client, terms: dict[str, Any]) -> None:
    calls: list[int] = []

    def compute() -> list[int]:
        calls.append(1)
        return calls

    assert limited.get_or_set("k", compute, 60, **terms) == [1]
    assert limited.get_or_set("k", compute, 60, **terms) == [1]
    assert limited.get("k") == [1]
    assert limited.get_or_set("l", "given", 60, **terms) == "given"
    with pytest.raises(ZeroDivisionError):
        limited.get_or_set("m", lambda: 1 / 0, 60, **terms)
    assert limited.get("m") is None
    assert len(calls) == 1


def test_who_may_not_block_waits_all_the_same(user: User, build: Build, server: Server) -> None:
    limited = user("no blocking")
    with up(build(server.url, prefix="app", secret=SECRET), "made") as flight, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limited.get_or_set, "k", refused)
        until(lambda: bool(server.execute("HEXISTS", FLIGHT, "waited")), "somebody waits")
        assert flight.land() == "made"
        assert waiting.result(PATIENCE) == "made"


@pytest.mark.parametrize("row", HELD)
def test_who_may_not_hold_is_told(user: User, row: str) -> None:
    limited = user("no scripts, own keys")
    with pytest.raises(AccessDenied):
        soon(HELD[row](limited).acquire)
    with pytest.raises(AccessDenied):
        soon(lambda: entered(limited, row))
