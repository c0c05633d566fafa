"""One connection to one server, as little as a round trip needs.

valkey-py opens the socket (TLS, AUTH, SELECT, client name); from then on bytes go over the socket
itself and replies are read by a libvalkey Reader of our own.

What may enter: sending packed commands and reading their replies. Which connection is used, and
what an error means, is decided in `pool` and in `nodes`.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from typing import Final, Protocol

import libvalkey

from vkcache.core.plan import Arg, Features, Reply
from vkcache.core.replies import Fault

PENDING: Final = object()
_CHUNK = 65536


def packed(name: bytes, *args: Arg) -> bytes:
    """A command as it is sent."""
    payload: bytes = libvalkey.pack_command((name, *args))
    return payload


class Interrupted(ConnectionError):
    """This process ended the wait for a reply, so nobody asks for it again."""


class Connection(Protocol):
    """What a pool keeps: something that carries packed commands to a server and brings the replies."""

    features: Features
    used: float
    """When it was last taken out of its pool, on the monotonic clock."""
    generation: int
    """Which life of its pool it belongs to."""
    sent: bool
    """Whether the last request left this process whole, so that the server may have carried it out."""

    def exchange(self, payload: bytes, count: int) -> list[Reply]:
        """The *count* replies to *payload*; an error reply is a `Fault` among them.

        :raises OSError: the connection broke, or its time ran out; it can not be used again.
        """
        ...

    def alive(self) -> bool:
        """Whether the connection still stands and owes no bytes."""
        ...

    def interrupt(self) -> None:
        """End the wait of whoever is within `exchange`, in another thread: it raises `Interrupted`."""
        ...

    def close(self) -> None: ...


class SocketConnection:
    """A connection over a TCP or unix socket, plain or TLS. For one caller at a time: a pool lends it."""

    def __init__(self, sock: socket.socket, features: Features, timeout: float | None) -> None:
        self.features = features
        self.used = time.monotonic()
        self.generation = 0
        self.sent = False
        self._interrupted = False
        self._sock = sock
        self._timeout = timeout
        self._kernel_timed = not isinstance(sock, ssl.SSLSocket)
        self._reader = libvalkey.Reader(replyError=Fault, notEnoughData=PENDING)
        self._set_timeout(timeout, first=True)

    def exchange(self, payload: bytes, count: int) -> list[Reply]:
        self.sent = False
        self._sock.sendall(payload)
        self.sent = True
        replies: list[Reply] = []
        chunk = self._sock.recv(_CHUNK)
        while self._read(chunk, replies, count):
            chunk = self._more()
        return replies

    def _read(self, chunk: bytes, replies: list[Reply], count: int) -> bool:
        """Whether replies are still owed after *chunk*."""
        if not chunk:
            if self._interrupted:
                raise Interrupted("the cache was closed meanwhile")
            raise ConnectionResetError("the server closed the connection")
        reader = self._reader
        reader.feed(chunk)
        while len(replies) < count:
            reply = reader.gets()
            if reply is PENDING:
                return True
            replies.append(reply)
        return False

    def _more(self) -> bytes:
        """The next bytes, within what is left of the time of the whole exchange."""
        if self._timeout is None:
            return self._sock.recv(_CHUNK)
        left = self.used + self._timeout - time.monotonic()
        if left <= 0:
            raise TimeoutError("the reply did not come whole")
        self._set_timeout(left)
        chunk = self._sock.recv(_CHUNK)
        self._set_timeout(self._timeout)
        return chunk

    def _set_timeout(self, seconds: float | None, *, first: bool = False) -> None:
        # Python's own socket time-out costs a poll() before every call; the kernel's costs nothing.
        if not self._kernel_timed:
            self._sock.settimeout(seconds)
            return
        if first:
            self._sock.settimeout(None)
        whole = max(seconds or 0.0, 0.000001) if seconds is not None else 0.0
        interval = struct.pack("@ll", int(whole), int(whole % 1 * 1_000_000))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)
        if first:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, interval)

    def alive(self) -> bool:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | select.POLLPRI)
        return not poll.poll(0)

    def interrupt(self) -> None:
        self._interrupted = True
        with contextlib.suppress(OSError):  # the server may have been faster
            # Not the method of a TLS socket: that would take its state from under the reader.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()

    def __del__(self) -> None:
        # A cache that nobody holds any more needs no farewell: its sockets close with it.
        self._sock.close()
