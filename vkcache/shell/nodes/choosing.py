"""From settings to the nodes that they name.

What may enter: one branch a scheme or topology, whose module is imported when it is first named.
Nothing is opened here: the first step does that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import valkey
import valkey.asyncio

from vkcache.shell.nodes.asingle import AsyncSingle
from vkcache.shell.nodes.base import AsyncNodes, Nodes
from vkcache.shell.nodes.single import Single
from vkcache.shell.urls import shown, split
from vkcache.shell.wire.aopening import Dial, dialler
from vkcache.shell.wire.opening import opener, valkey_pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from vkcache.shell.nodes.layout import Node
    from vkcache.shell.options import Settings
    from vkcache.shell.wire.connection import Connection
    from vkcache.shell.wire.stream import Stream

N = TypeVar("N")


def choose(settings: Settings) -> Nodes:
    """The nodes that *settings* name.

    :raises Misconfigured: an option does not fit the URL, or a package is needed that is not installed.
    """
    if settings.laid_out == "single":
        return _single(settings)
    from vkcache.shell.nodes import laying, several

    for one in settings.nodes or (settings,):
        _opener(one)  # that its options fit: servers are reached later, and some are not known yet
    layout, of = laying.lay_out(settings)
    return several.Several(layout, lambda node: _single(of(node), node.reading), _brief(_single, of), of)


def choose_async(settings: Settings) -> AsyncNodes:
    """The same for tasks.

    :raises Misconfigured: an option does not fit the URL, or a package is needed that is not installed.
    """
    scheme, rest = split(settings.url)
    if scheme == "memory":
        from vkcache.shell.nodes import amemory, memory

        return amemory.AsyncMemory(_single(settings), memory.opener(rest))
    if settings.laid_out == "single":
        return _async_single(settings)
    from vkcache.shell.nodes import aseveral, laying

    for one in settings.nodes or (settings,):
        _dialler(one)
    layout, of = laying.lay_out(settings)
    return aseveral.AsyncSeveral(
        layout, lambda node: _async_single(of(node), node.reading), _brief(_async_single, of), of
    )


def _brief(make: Callable[[Settings], N], of: Callable[[Node], Settings]) -> Callable[[Node], N]:
    """What makes the connections for one short question to a node."""
    from vkcache.shell.nodes.laying import brief

    return lambda node: make(brief(of(node)))


def _single(settings: Settings, reading: bool = False) -> Single:
    return Single(
        _opener(settings, reading=reading),
        waiting=_opener(settings, waiting=True, reading=reading),
        limit=settings.max_connections,
        patience=settings.socket_timeout,
        place=shown(settings.url),
        check_after=settings.health_check_interval,
    )


def _async_single(settings: Settings, reading: bool = False) -> AsyncSingle:
    dial = _dialler(settings, reading=reading)
    return AsyncSingle(dial, shown(settings.url), settings.socket_timeout)


def server(nodes: Nodes, settings: Settings, key: bytes | None, *, write: bool) -> Settings:
    """The settings of the one server of *settings* that holds *key*; *nodes* are those that they name.

    :raises InvalidArgument: without a *key* it could be any of several.
    :raises Unreachable: it can not be found out.
    """
    if settings.laid_out == "single":
        return settings
    from vkcache.shell.nodes.several import Several

    assert isinstance(nodes, Several)
    return nodes.server(key, write=write)


async def async_server(nodes: AsyncNodes, settings: Settings, key: bytes | None, *, write: bool) -> Settings:
    """The same for tasks."""
    if settings.laid_out == "single":
        return settings
    from vkcache.shell.nodes.aseveral import AsyncSeveral

    assert isinstance(nodes, AsyncSeveral)
    return await nodes.server(key, write=write)


def raw_client(settings: Settings) -> valkey.Valkey:
    """A client of valkey-py's for the same place, with a pool of its own."""
    scheme, rest = split(settings.url)
    if scheme == "memory":
        from vkcache.shell.nodes import memory

        return memory.raw_client(rest)
    return valkey.Valkey.from_pool(_pool(settings, _url(settings), own=True))


def raw_async_client(settings: Settings) -> valkey.asyncio.Valkey:
    """The same for asyncio."""
    scheme, rest = split(settings.url)
    if scheme == "memory":
        from vkcache.shell.nodes import memory

        return memory.raw_async_client(rest)
    pool = _async_pool(settings, _url(settings), own=True)
    return valkey.asyncio.Valkey.from_pool(pool)


def _opener(settings: Settings, *, waiting: bool = False, reading: bool = False) -> Callable[[], Connection]:
    scheme, rest = split(settings.url)
    if scheme == "memory":
        from vkcache.shell.nodes import memory

        return memory.opener(rest)
    if scheme == "embedded":
        from vkcache.shell.nodes import embedded

        embedded.limits(settings.maxmemory, settings.maxmemory_policy)
        _pool(settings, "unix://")  # where it will be is not known yet, whether the options fit is
        # A pool each time: the server may have been started anew.
        return lambda: opener(_pool(settings, _url(settings)), waiting=waiting)()
    return opener(_pool(settings, settings.url), waiting=waiting, reading=reading)


def _dialler(settings: Settings, *, reading: bool = False) -> Dial:
    check_after = settings.health_check_interval
    if split(settings.url)[0] != "embedded":
        return dialler(_async_pool(settings, settings.url), check_after, reading=reading)
    _opener(settings)  # that its own options fit
    _async_pool(settings, "unix://")

    async def dial(waiting: bool) -> Stream:
        url = await asyncio.to_thread(_url, settings)  # it may have to be started first
        return await dialler(_async_pool(settings, url), check_after)(waiting)

    return dial


def _pool(settings: Settings, url: str, *, own: bool = False) -> valkey.ConnectionPool:
    """valkey-py's pool for *url*; *own*: it is used as a pool, and is to have the pool's settings too."""
    pooling = settings.pooling() if own else {}
    return valkey_pool(url, {**settings.dialling(), **pooling}, settings.pool_class)


def _async_pool(settings: Settings, url: str, *, own: bool = False) -> valkey.asyncio.ConnectionPool:
    pooling = settings.pooling() if own else {}
    return valkey_pool(url, {**settings.dialling(), **pooling}, valkey.asyncio.ConnectionPool)


def _url(settings: Settings) -> str:
    scheme, rest = split(settings.url)
    if scheme != "embedded":
        return settings.url
    from vkcache.shell.nodes import embedded

    path = embedded.socket_path(rest, maxmemory=settings.maxmemory, policy=settings.maxmemory_policy)
    return f"unix://{path}"
