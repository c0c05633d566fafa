"""The contenders of locks: what a lock costs that nobody else wants, and how soon the next of many has it.

The floor of a lock is one command, a get over a bare socket. A lock and its release can not take less than
two round trips; how long vkcache's own two take with nothing around them is told beside it.

What may enter: a lock and its recommended settings, a measure of the suite, a target. A package is imported
by the contender that needs it and when it is opened, so that a missing one costs only its own row.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from hashlib import sha1
from typing import Any, TypeAlias, cast

from async_floor import BareProtocol
from django_caches import cache_of
from floor import BareSocket, Requests, encode
from hand_over import (
    Contest,
    among_tasks,
    among_threads,
    as_above,
    at_the_end,
    in_the_middle,
    one_by_one,
    per_hand_over,
)
from in_flight import AsyncCall, Connected, in_flight, on_own_loop
from libvalkey import pack_command
from payload import VALUE
from suite import Address, Calls, Contender, Measure, Open, Suite, Target

LEASE = 30
"""Seconds; vkcache's own, and given to locks that would be held for ever without."""
LOCK = "report"
ROUND_TRIPS = 2.3


Locks: TypeAlias = Callable[[str], Any]
"""A lock of this name; the peers' ones have no class in common."""


def calls_of(locks: Locks) -> Calls:
    lock = locks(LOCK)

    def pair() -> None:
        lock.acquire()
        lock.release()

    def body() -> None:
        with locks(LOCK):
            pass

    contest = Contest(among_threads(partial(locks, "wanted")))
    return {"lock": pair, "with": body, "hand_over": contest, "hand_over_p99": lambda: contest.last}


def async_calls_of(locks: Locks) -> dict[str, AsyncCall]:
    lock, contested = locks(LOCK), among_tasks(partial(locks, "wanted"))
    last: list[float] = []

    async def pair() -> None:
        await lock.acquire()
        await lock.release()

    async def contest() -> list[float]:
        last[:] = await contested()
        return last

    async def remembered() -> list[float]:
        return last

    return {"alock": pair, "ahand_over": contest, "ahand_over_p99": remembered}


def both(threads: Open, tasks: Open) -> Open:
    """A contender that has locks for threads and for tasks."""

    def opened(address: Address, prefix: str, closing: ExitStack) -> Calls:
        return {**threads(address, prefix, closing), **tasks(address, prefix, closing)}

    return opened


def one_get(address: Address, prefix: str, closing: ExitStack) -> Calls:
    bare, requests = BareSocket(address), Requests(prefix)
    closing.callback(bare.close)
    bare.ask(pack_command(("SET", f"{prefix}:1:{LOCK}", encode(VALUE), "EX", LEASE)))
    return {"lock": lambda: bare.ask(requests.get()), "with": lambda: bare.ask(requests.get())}


async def one_get_awaited(address: Address, prefix: str) -> Connected:
    transport, bare = await get_running_loop().create_connection(BareProtocol, *address)
    requests = Requests(prefix)

    async def get() -> object:
        return await bare.ask_now(requests.get())

    async def close() -> None:
        transport.close()

    return Connected({"alock": get}, close)


def both_scripts(address: Address, prefix: str, closing: ExitStack) -> Calls:
    """The bytes of vkcache's acquire and release, made before the clock starts."""
    from vkcache.core import lua

    bare, token = BareSocket(address), b"0" * 32
    closing.callback(bare.close)
    held, wake = f"{prefix}:lock", f"{prefix}:wake"
    for script in (lua.ACQUIRE, lua.RELEASE):
        bare.ask(pack_command(("SCRIPT", "LOAD", script)))
    acquire = pack_command(("EVALSHA", _digest(lua.ACQUIRE), 1, held, token, LEASE * 1000, b"0", b"1"))
    release = pack_command(("EVALSHA", _digest(lua.RELEASE), 2, held, wake, token, 1000))
    return {"lock": lambda: (bare.ask(acquire), bare.ask(release))}


def _digest(script: bytes) -> str:
    return sha1(script, usedforsecurity=False).hexdigest()


def vkcache_client(address: Address, prefix: str, closing: ExitStack) -> Calls:
    from vkcache.shell import Client

    cache = Client(address.url("valkey"), prefix=prefix)
    closing.callback(cache.close)
    return calls_of(cache.lock)  # as it is recommended: without a lease of its own, "with" renews it


async def vkcache_async(address: Address, prefix: str) -> Connected:
    from vkcache.shell import AsyncClient

    cache = AsyncClient(address.url("valkey"), prefix=prefix)
    return Connected(async_calls_of(cache.lock), cache.aclose)


def valkey_py(address: Address, prefix: str, closing: ExitStack) -> Calls:  # noqa: ARG001  # one of its kind
    from valkey import Valkey

    client = Valkey(host=address.host, port=address.port)
    closing.callback(client.close)
    return calls_of(partial(client.lock, timeout=LEASE))


async def valkey_asyncio(address: Address, prefix: str) -> Connected:  # noqa: ARG001  # one of its kind
    from valkey.asyncio import Valkey

    client = Valkey(host=address.host, port=address.port)
    return Connected(async_calls_of(partial(client.lock, timeout=LEASE)), cast(AsyncCall, client.aclose))


def django_cache(address: Address, prefix: str, closing: ExitStack) -> Calls:
    """Through ``caches[alias]``; the alias of a contender is its prefix."""
    cache = cast(Any, cache_of(address, prefix))
    closing.callback(cache.close)
    locks = cache.lock if hasattr(cache, "lock") else cache.get_lock
    return calls_of(partial(locks, timeout=LEASE))


def of_a_driver(address: Address, prefix: str, closing: ExitStack) -> Calls:
    """A Django cache that hands out its driver's own locks; one of these is contested already."""
    calls = django_cache(address, prefix, closing)
    return {name: calls[name] for name in ("lock", "with")}


FLOOR, SCRIPTS, PEER = "floor: one get", "floor: both scripts", "valkey-py"

CONTENDERS = (
    Contender(FLOOR, both(one_get, on_own_loop(one_get_awaited))),
    Contender(SCRIPTS, both_scripts),
    Contender("vkcache", both(vkcache_client, on_own_loop(vkcache_async)), subject=True),
    Contender("vkcache in Django", django_cache, subject=True),
    Contender(PEER, both(valkey_py, on_own_loop(valkey_asyncio))),
    Contender("django-redis", of_a_driver),
    Contender("django-valkey", of_a_driver),
)

_AT_MOST = (Target(FLOOR, ROUND_TRIPS),)
_MIDDLE, _END = "from release to the next holder, 20 want it", "the same, 99 of 100 take no longer"

MEASURES = (
    Measure("lock", "lock and unlock", 200, None, _AT_MOST),
    Measure("with", "with cache.lock(): pass", 100, None),
    Measure("alock", "lock and unlock, awaited", 200, None, _AT_MOST, in_flight(1)),
    Measure("hand_over", _MIDDLE, 1, one_by_one, driver=in_the_middle, told=per_hand_over),
    Measure("hand_over_p99", _END, 1, one_by_one, driver=at_the_end, told=as_above),
    Measure("ahand_over", f"{_MIDDLE}, awaited", 1, one_by_one, driver=in_the_middle, told=per_hand_over),
    Measure("ahand_over_p99", f"{_END}, awaited", 1, one_by_one, driver=at_the_end, told=as_above),
)

LOCKS = Suite("locks", MEASURES, CONTENDERS, baselines=(FLOOR, SCRIPTS, PEER), same_bytes=False)
