"""Opening streams: valkey.asyncio reads the URL, dials, and shakes hands; the transport is ours then.

What may enter: what happens once for a stream, before its first command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import valkey.asyncio
from valkey import exceptions
from valkey.asyncio.connection import AbstractConnection

from vkcache.core.plan import Reply
from vkcache.core.replies import client_number, features
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell.wire.opening import keep_alive, translated
from vkcache.shell.wire.stream import Stream

Dial: TypeAlias = Callable[[bool], Awaitable[Stream]]
"""Opens a stream in the running loop: one that all share, or with True one for a command that waits."""


def dialler(pool: valkey.asyncio.ConnectionPool, check_after: float = 0, *, reading: bool = False) -> Dial:
    """The function that opens one more stream to where *pool* points.

    All of an opening takes socket_connect_timeout and socket_timeout together at most. A stream for a
    command that waits has no time-out; TCP's keepalive notices where its server has vanished. *reading*: a
    replica of a cluster is to answer reads itself.
    """

    async def dial(waiting: bool) -> Stream:
        dialled = pool.connection_class(**pool.connection_kwargs)
        timeout, patience = dialled.socket_timeout, _patience(dialled)
        # With a time-out of its own valkey-py sends through asyncio.wait_for, which before Python 3.12
        # swallows the cancellation that comes when its work is just done.
        dialled.socket_timeout = None
        try:
            async with asyncio.timeout(patience):
                await dialled.connect()
                hello = await _hello(dialled)
                if reading:
                    await dialled.send_command("READONLY")
                    await dialled.read_response()
        except TimeoutError as error:
            raise TimedOut("the server did not finish its greeting; see socket_timeout") from error
        except exceptions.ValkeyError as error:
            raise translated(error) from error
        else:
            return _handed_over(dialled, hello, None if waiting else timeout, check_after)
        finally:
            _let_go(dialled)

    return dial


def _patience(dialled: AbstractConnection) -> float | None:
    if dialled.socket_timeout is None or dialled.socket_connect_timeout is None:
        return None
    return float(dialled.socket_connect_timeout + dialled.socket_timeout)


async def _hello(dialled: AbstractConnection) -> Reply:
    """HELLO's reply; None where an ACL forbids it."""
    await dialled.send_command("HELLO")
    try:
        return await dialled.read_response()
    except exceptions.ResponseError:
        return None


def _handed_over(
    dialled: AbstractConnection, hello: Reply, timeout: float | None, check_after: float
) -> Stream:
    writer, reader = dialled._writer, dialled._reader
    if writer is None or reader is None or writer.transport.is_closing() or reader.at_eof():
        raise Unreachable("the server closed the connection as soon as it was open")
    if timeout is None:  # the kernel notices then where the server has vanished
        keep_alive(writer.get_extra_info("socket"))
    number = client_number(hello)
    stream = Stream(writer, features(hello), client=number, timeout=timeout, check_after=check_after)
    dialled._writer = None
    return stream


def _let_go(dialled: AbstractConnection) -> None:
    """Close what was not handed over."""
    writer, dialled._reader, dialled._writer = dialled._writer, None, None
    if writer is not None:
        writer.transport.abort()
