"""Opening connections: valkey-py reads the URL, dials, and shakes hands; the socket is ours then.

What may enter: what happens once for a connection, before its first command.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

import valkey
from valkey import exceptions

from vkcache.core.plan import Features
from vkcache.core.replies import features
from vkcache.errors import AccessDenied, Misconfigured, ReplyError, TimedOut, Unreachable
from vkcache.shell.wire.connection import SocketConnection

# Seconds of silence before the first probe, and between the next ones; how many in vain are the end.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


def valkey_pool(
    url: str, kwargs: Mapping[str, Any], pool_class: type[valkey.ConnectionPool] = valkey.ConnectionPool
) -> valkey.ConnectionPool:
    """A pool of valkey-py's that knows how to reach *url*; nothing is opened.

    :raises Misconfigured: the URL can not be read.
    """
    try:
        pool: valkey.ConnectionPool = pool_class.from_url(url, **kwargs)
    except (ValueError, TypeError, exceptions.ValkeyError) as error:
        raise Misconfigured(
            f"the URL or an option can not be used ({type(error).__name__}): quote the parts of the URL, "
            "and give ssl_ options with valkeys:// or rediss:// only"
        ) from None
    return pool


def opener(pool: valkey.ConnectionPool, *, waiting: bool = False) -> Callable[[], SocketConnection]:
    """The function that opens one more connection to where *pool* points.

    *waiting*: once it is open, a reply may take as long as it likes; a server that has vanished without
    a word is noticed by TCP's keepalive.
    """

    def open_one() -> SocketConnection:
        try:
            dialled = pool.connection_class(**pool.connection_kwargs)
        except TypeError as error:
            raise Misconfigured(f"an option does not fit this kind of URL: {error}") from None
        try:
            dialled.connect()
            known = _features(dialled)
        except exceptions.ValkeyError as error:
            dialled.disconnect()
            raise _translated(error) from error
        except BaseException:
            dialled.disconnect()
            raise
        sock, dialled._sock = dialled._sock, None
        if waiting:
            _keep_alive(sock)
        return SocketConnection(sock, known, None if waiting else dialled.socket_timeout)

    return open_one


def _keep_alive(sock: socket.socket) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _features(dialled: valkey.Connection) -> Features:
    try:
        dialled.send_command("HELLO")
        return features(dialled.read_response())
    except exceptions.ResponseError:  # an ACL may forbid HELLO: assume nothing newer
        return Features()


def _translated(error: exceptions.ValkeyError) -> Exception:
    said = str(error)
    if isinstance(error, (exceptions.AuthenticationError, exceptions.NoPermissionError)):
        return AccessDenied(f"{said}; check username, password or credential_provider")
    if isinstance(error, exceptions.TimeoutError):
        return TimedOut(f"{said}; see socket_connect_timeout and socket_timeout")
    if isinstance(error, exceptions.ConnectionError):
        return Unreachable(said)
    return ReplyError(said)
