"""From settings to the nodes that they name.

What may enter: one branch a scheme or topology, whose module is imported when it is first named.
Nothing is opened here: the first step does that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import valkey
import valkey.asyncio

from vkcache.errors import Misconfigured
from vkcache.shell.nodes.single import Nodes, Single
from vkcache.shell.wire.opening import opener, valkey_pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from vkcache.shell.options import Settings
    from vkcache.shell.wire.connection import Connection

SCHEMES = ("valkey", "valkeys", "redis", "rediss", "unix", "embedded", "memory")


def choose(settings: Settings) -> Nodes:
    """The nodes that *settings* name.

    :raises Misconfigured: the URL can not be read, or needs a package that is not installed.
    """
    return Single(
        _opener(settings),
        waiting=_opener(settings, waiting=True),
        limit=settings.max_connections,
        patience=settings.socket_timeout,
        place=_shown(settings.url),
        check_after=settings.health_check_interval,
    )


def raw_client(settings: Settings) -> valkey.Valkey:
    """A client of valkey-py's for the same place, with a pool of its own."""
    scheme, rest = _split(settings.url)
    if scheme == "memory":
        from vkcache.shell.nodes import memory

        return memory.raw_client(rest)
    return valkey.Valkey.from_pool(_pool(settings))


def raw_async_client(settings: Settings) -> valkey.asyncio.Valkey:
    """The same for asyncio."""
    scheme, rest = _split(settings.url)
    if scheme == "memory":
        from vkcache.shell.nodes import memory

        return memory.raw_async_client(rest)
    pool = valkey.asyncio.ConnectionPool.from_url(_url(settings), **settings.dialling())
    return valkey.asyncio.Valkey.from_pool(pool)


def _opener(settings: Settings, *, waiting: bool = False) -> Callable[[], Connection]:
    scheme, rest = _split(settings.url)
    if scheme == "memory":
        from vkcache.shell.nodes import memory

        return memory.opener(rest)
    if scheme == "embedded":
        # A pool each time: the server may have been started anew, elsewhere.
        return lambda: opener(_pool(settings), waiting=waiting)()
    return opener(_pool(settings), waiting=waiting)


def _pool(settings: Settings) -> valkey.ConnectionPool:
    return valkey_pool(_url(settings), settings.dialling(), settings.pool_class)


def _url(settings: Settings) -> str:
    scheme, rest = _split(settings.url)
    if scheme != "embedded":
        return settings.url
    from vkcache.shell.nodes import embedded

    path = embedded.socket_path(rest, maxmemory=settings.maxmemory, policy=settings.maxmemory_policy)
    return f"unix://{path}"


def _split(url: str) -> tuple[str, str]:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        # Without a separator, or with an odd scheme, what stands there may be a password.
        found = f"begins with {scheme!r}" if separator and scheme.isalpha() else "has no scheme"
        raise Misconfigured(f"the URL {found}; begin it with one of {known}")
    return scheme, rest


def _shown(url: str) -> str:
    """*url* without user, password and options."""
    scheme, rest = _split(url)
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
