"""Opening connections: valkey-py reads the URL, dials, and shakes hands; the socket is ours then.

What may enter: what happens once for a connection, before its first command.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import valkey
import valkey.asyncio
from valkey import exceptions

from vkcache.core.plan import Features
from vkcache.core.replies import features
from vkcache.errors import AccessDenied, CacheError, Misconfigured, ReplyError, TimedOut, Unreachable
from vkcache.shell.wire.connection import SocketConnection

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

_Pool = TypeVar("_Pool", valkey.ConnectionPool, valkey.asyncio.ConnectionPool)
_Socket: TypeAlias = "socket.socket | TransportSocket"

_UNFIT = (TypeError, ValueError, AttributeError, exceptions.ValkeyError)
"""What valkey-py raises where an option has a name or a value that it does not know."""
# Seconds of silence before the first probe, and between the next ones; how many in vain are the end.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


def valkey_pool(url: str, kwargs: Mapping[str, Any], pool_class: type[_Pool]) -> _Pool:
    """A pool of valkey-py's that knows how to reach *url*; nothing is opened.

    :raises Misconfigured: the URL can not be read, or an option does not fit it.
    """
    pool: _Pool | None = _made(pool_class.from_url, {**kwargs, "url": url})
    if pool is not None and _made(pool.connection_class, pool.connection_kwargs) is not None:
        return pool
    # Not raised where it was caught: what Python says of an argument may quote it.
    raise Misconfigured(_unfit(pool_class, kwargs if pool is None else pool.connection_kwargs, pool))


def _made(make: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
    """What *make* makes; None where an argument does not fit."""
    try:
        return make(**kwargs)
    except _UNFIT:
        return None


def _unfit(pool_class: type[_Pool], kwargs: Mapping[str, Any], pool: _Pool | None) -> str:
    """What to say of *kwargs*: the one without which the rest fits is to blame."""
    make = pool_class if pool is None else pool.connection_class
    for name in kwargs:
        if _made(make, {known: value for known, value in kwargs.items() if known != name}) is not None:
            return f"option {name} can not be used with this URL: leave it out, or correct its name or value"
    return (
        "the URL, or more than one option beside it (pool_kwargs, pool_class), can not be used: quote the "
        "parts of the URL, and give only options that valkey-py has for its kind"
    )


def opener(
    pool: valkey.ConnectionPool, *, waiting: bool = False, reading: bool = False
) -> Callable[[], SocketConnection]:
    """The function that opens one more connection to where *pool* points.

    All of an opening takes socket_connect_timeout and socket_timeout together at most. *waiting*: once it
    is open, a reply may take as long as it likes; a server that has vanished without a word is noticed by
    TCP's keepalive. *reading*: a replica of a cluster is to answer reads itself.
    """

    def open_one() -> SocketConnection:
        dialled = pool.connection_class(**pool.connection_kwargs)
        _bound(dialled)
        try:
            dialled.connect()
            known = _features(dialled)
            if reading:
                dialled.send_command("READONLY")
                dialled.read_response()
        except exceptions.ValkeyError as error:
            dialled.disconnect()
            raise translated(error) from error
        except BaseException:
            dialled.disconnect()
            raise
        sock, dialled._sock = dialled._sock, None
        if isinstance(sock, _Hurried):
            sock = sock.sock
        if waiting:
            keep_alive(sock)
        return SocketConnection(sock, known, None if waiting else dialled.socket_timeout)

    return open_one


class _Hurried:
    """A socket whose calls all end by one moment, however slowly the other side's bytes come."""

    def __init__(self, sock: socket.socket, end: float) -> None:
        self.sock = sock
        self._end = end

    def sendall(self, payload: bytes) -> None:
        self._hurry()
        self.sock.sendall(payload)

    def recv(self, size: int) -> bytes:
        self._hurry()
        return self.sock.recv(size)

    def recv_into(self, buffer: bytearray) -> int:
        self._hurry()
        return self.sock.recv_into(buffer)

    def _hurry(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the server did not finish its greeting")
        self.sock.settimeout(left)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


def _bound(dialled: valkey.Connection) -> None:
    """Let all that *dialled* says before our first command end by one moment, set now."""
    if dialled.socket_timeout is None or dialled.socket_connect_timeout is None:
        return
    end = time.monotonic() + dialled.socket_connect_timeout + dialled.socket_timeout
    greet = dialled.valkey_connect_func or type(dialled).on_connect

    def hurry(connection: Any) -> None:
        connection._sock = _Hurried(connection._sock, end)
        greet(connection)

    dialled.valkey_connect_func = hurry


def keep_alive(sock: _Socket) -> None:
    """Let the kernel notice that the other side has vanished without a word."""
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


def translated(error: exceptions.ValkeyError) -> CacheError:
    """What valkey-py raised while it opened a connection, in the words of this package."""
    said = str(error)
    if isinstance(error, (exceptions.AuthenticationError, exceptions.NoPermissionError)):
        return AccessDenied(f"{said}; check username, password or credential_provider")
    if isinstance(error, exceptions.TimeoutError):
        return TimedOut(f"{said}; see socket_connect_timeout and socket_timeout")
    if isinstance(error, exceptions.ConnectionError):
        return Unreachable(said)
    return ReplyError(said)
