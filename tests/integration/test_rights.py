"""What is left to a user whom the server's ACL allows its values alone, and the rights that are enough.

Fails where get_or_set or delete end in an error for want of a right, where a lock is taken without one, or
where the rights that docs/one-at-a-time.md names are not enough.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.servers import HOST, Server
from vkcache.errors import AccessDenied
from vkcache.shell import Client

CALLERS = 4
DOC = Path(__file__).parents[2] / "docs" / "one-at-a-time.md"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    with Server() as server:
        yield server


def client(server: Server, *rights: str | bytes) -> Client:
    """That of a user who has these *rights* and no others."""
    server.execute("ACL", "SETUSER", "app", "reset", "on", ">pw", *rights)
    return Client(address(server), prefix="shop")


def address(server: Server) -> str:
    return f"valkey://app:pw@{HOST}:{server.port}/0"


def documented() -> list[bytes]:
    """The rights that the document gives to the user ``app``, as valkey-cli reads them."""
    line = next(line for line in DOC.read_text().splitlines() if "ACL SETUSER app" in line)
    words = [word.strip('"') for word in line.split("SETUSER app", 1)[1].split()]
    return [word.encode().replace(rb"\xff", b"\xff") for word in words if not word.startswith((">", "on"))]


def test_values_are_made_and_deleted_with_the_right_to_values_alone(guarded: Server) -> None:
    with client(guarded, "+@all", "~shop:*") as cache:
        assert cache.get_or_set("a", lambda: "made") == "made"
        assert cache.get("a") == "made"
        assert (cache.delete("a"), cache.get("a"), cache.delete_many(["a", "b"])) == (True, None, 0)
        for refused in (cache.lock("a").acquire, cache.semaphore("a", 2).acquire):
            with pytest.raises(AccessDenied, match="vkcache:"):
                refused()


@pytest.mark.parametrize("missing", ["blmove", "time", "evalsha", "hset"])
def test_get_or_set_answers_without_a_command_that_it_would_use(guarded: Server, missing: str) -> None:
    with client(guarded, "+@all", "~*", f"-{missing}") as cache:
        begun = threading.Event()

        def made() -> str:
            begun.wait(0.2)
            return "made"

        with ThreadPoolExecutor(CALLERS) as threads:
            values = [threads.submit(cache.get_or_set, missing, made) for _ in range(CALLERS)]
            assert {value.result() for value in values} == {"made"}
        assert cache.get(missing) == "made"


def test_the_documented_rights_are_enough(guarded: Server) -> None:
    with client(guarded, *documented()) as cache, Client(address(guarded), prefix="other") as other:
        for key in ("k", "{tag}k", "k}"):
            assert cache.get_or_set(key, lambda: "made", 60, early=1) == "made"
            with cache.lock(key) as lock, cache.semaphore(key, 2):
                assert lock.token
            with cache.pipeline() as pipe:
                pipe.delete(key)
                assert pipe.execute() == [True]
            for refused in (partial(other.get, key), other.lock(key).acquire):
                with pytest.raises(AccessDenied):
                    refused()
