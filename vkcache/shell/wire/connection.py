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

BROKEN: Final = (OSError, libvalkey.ProtocolError)
"""What an exchange raises; the connection can not be used again."""

PENDING: Final = object()
_CHUNK = 65536
_MOMENT = 0.001  # seconds in which what has come already is read
_UNNOTICED = 16  # the part of a time-out by which a wait may be too long


def packed(name: bytes, *args: Arg) -> bytes:
    """A command as it is sent."""
    payload: bytes = libvalkey.pack_command((name, *args))
    return payload


class Seat:
    """A place in a pool, taken for as long as somebody holds this."""

    __slots__ = ("__weakref__",)


class Interrupted(ConnectionError):
    """This process ended the wait for a reply, so nobody asks for it again."""


class Connection(Protocol):
    """What a pool keeps: something that carries packed commands to a server and brings the replies."""

    features: Features
    used: float
    """When it was last taken out of its pool, on the monotonic clock."""
    generation: int
    """Which life of its pool it belongs to."""
    seat: Seat
    sent: bool
    """Whether the last request left this process whole, so that the server may have carried it out."""

    def exchange(self, payload: bytes, count: int) -> list[Reply]:
        """The *count* replies to *payload*; an error reply is a `Fault` among them.

        :raises OSError: the connection broke, or its time ran out; it can not be used again.
        :raises libvalkey.ProtocolError: what came is no reply; it can not be used again.
        """
        ...

    def send(self, payload: bytes) -> None:
        """The first half of `exchange`, for a caller who is to have several under way at once."""
        ...

    def receive(self, count: int) -> list[Reply]:
        """The second half. What has come is read also where the time is over."""
        ...

    def within(self, seconds: float | None) -> None:
        """From now on an exchange takes so many seconds at most; None: as long as it takes."""
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

    _sock: socket.socket | None = None

    def __init__(self, sock: socket.socket, features: Features, timeout: float | None) -> None:
        self._sock = self._open = sock
        self.features = features
        self.used = time.monotonic()
        self.generation = 0
        self.seat = Seat()
        self.sent = False
        self._interrupted = False
        self._timeout = timeout
        self._kernel_timed = not isinstance(sock, ssl.SSLSocket)
        self._shortened = False
        self._reader = libvalkey.Reader(replyError=Fault, notEnoughData=PENDING)
        sock.settimeout(None)
        self._set_timeout(timeout)

    def exchange(self, payload: bytes, count: int) -> list[Reply]:
        self.send(payload)
        return self._received(count)

    def send(self, payload: bytes) -> None:
        # The kernel begins to count anew where a signal is handled meanwhile; Python's own time-out,
        # which would not, costs every call a poll().
        self.sent = False
        if len(payload) <= _CHUNK:
            self._open.sendall(payload)
        else:
            self._send_piecewise(memoryview(payload))
        self.sent = True

    def receive(self, count: int) -> list[Reply]:
        if self._timeout is not None and time.monotonic() - self.used > self._timeout / _UNNOTICED:
            self._shortened = True
            self._set_timeout(max(self.used + self._timeout - time.monotonic(), _MOMENT))
        return self._received(count)

    def _received(self, count: int) -> list[Reply]:
        if count != 1:  # as if they were one list: the reader makes it faster than a loop
            self._reader.feed(b"*%d\r\n" % count)
        reply = self._read(self._open.recv(_CHUNK))
        while reply is PENDING:
            self._shorten()
            reply = self._read(self._open.recv(_CHUNK))
        if self._shortened:
            self._set_timeout(self._timeout)
            self._shortened = False
        replies: list[Reply] = reply if count != 1 else [reply]
        return replies

    def _send_piecewise(self, payload: memoryview) -> None:
        """Send what may take longer than one time-out in all."""
        while payload:
            payload = payload[self._open.send(payload) :]
            self._shorten()

    def _read(self, chunk: bytes) -> Reply:
        """The reply that ends with *chunk*; PENDING: more of it is still to come."""
        if not chunk:
            if self._interrupted:
                raise Interrupted("the cache was closed meanwhile")
            raise ConnectionResetError("the server closed the connection")
        reader = self._reader
        reader.feed(chunk)
        reply = reader.gets()
        if reply is not PENDING and reader.has_data():  # it would be taken for the reply to the next request
            raise libvalkey.ProtocolError("more came than was asked for")
        return reply

    def _shorten(self) -> None:
        """Give the next step what is left of the time of the whole exchange."""
        if self._timeout is None:
            return
        left = self.used + self._timeout - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange took too long")
        self._shortened = True
        self._set_timeout(left)

    def within(self, seconds: float | None) -> None:
        if seconds != self._timeout:
            self._timeout = seconds
            self._set_timeout(seconds)

    def _set_timeout(self, seconds: float | None) -> None:
        if not self._kernel_timed:
            self._open.settimeout(seconds)
            return
        whole = 0.0 if seconds is None else max(seconds, 0.000001)  # to the kernel 0 is for ever
        interval = struct.pack("@ll", int(whole), int(whole % 1 * 1_000_000))
        self._open.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)
        self._open.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, interval)

    def alive(self) -> bool:
        poll = select.poll()
        poll.register(self._open, select.POLLIN | select.POLLPRI)
        return not poll.poll(0)

    def interrupt(self) -> None:
        self._interrupted = True
        with contextlib.suppress(OSError):  # the server may have been faster
            # Not the method of a TLS socket: that would take its state from under the reader.
            socket.socket.shutdown(self._open, socket.SHUT_RDWR)

    def close(self) -> None:
        self._open.close()

    def __del__(self) -> None:
        # A cache that nobody holds any more needs no farewell: its sockets close with it. There is
        # none yet where an interruption struck in the first line of __init__.
        if self._sock is not None:
            self._sock.close()
