"""One connection of one event loop, which all tasks of the loop share.

Requests are written as they come and replies arrive in the same order, so each reply belongs to the
oldest request that is still owed one. A caller that is cancelled leaves its place in that queue: the
reply is read and thrown away, and no other can shift into it. Everything that is sent within one tick
of the loop leaves in one write. One timer watches the oldest request of all.

What may enter: how bytes leave and replies find their callers. Who opens a stream, and what its loss
means for a command, is decided in `opening` and in `nodes`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sized
from typing import Any, TypeAlias

import libvalkey

from vkcache.core.plan import Features, Reply
from vkcache.core.replies import Fault
from vkcache.shell.wire.connection import PENDING, packed

WINDOW = 4 * 2**20
"""Bytes that may be on their way without an answer; what comes beyond them waits its turn in this process."""

_BUFFER = 65536
_IDLE = 1.0  # seconds after which a connection is looked at before it is used
_LATE = 0.05  # seconds by which a timer may be late before the loop itself is held to be what was slow
_PING = packed(b"PING")

_Owed: TypeAlias = tuple["asyncio.Future[Any]", int, float, int]
"""Whose reply is to come, of how many parts, when it was asked for, and the bytes that asked for it."""


class Lost(Exception):
    """A request will not be answered, because of *cause*; *sent*: it may have been carried out."""

    def __init__(self, cause: Exception, *, sent: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.sent = sent


class Stream(asyncio.BufferedProtocol):
    """A connection that *writer* has opened in the running loop; its transport is this one's from now on.

    *client*: the number by which the server knows the connection. *timeout*: seconds within which each
    request must be answered; None: as long as it takes. *check_after*: seconds of silence after which
    the server is asked whether it is there before anything else is sent.

    :ivar lost: why nothing can be sent any more; None: it can.
    :ivar gone: is done when the socket is closed.
    :ivar owner: lives for as long as the loop keeps the connection.
    """

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        features: Features,
        *,
        client: int | None = None,
        timeout: float | None,
        check_after: float = 0,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.features = features
        self.client = client
        self.lost: Exception | None = None
        self.gone: asyncio.Future[None] = self.loop.create_future()
        self.owner: object = None
        self._writer = writer  # kept: a writer that nobody holds closes its transport
        self._transport = writer.transport
        self._timeout = timeout
        self._check_after = check_after or float("inf")
        self._reader = libvalkey.Reader(replyError=Fault, notEnoughData=PENDING)
        # TLS fills slices of it; those of a bytearray would be copies.
        self._buffer = memoryview(bytearray(_BUFFER))
        self._parts: list[Reply] = []
        self._owed: deque[_Owed] = deque()
        self._outgoing: list[bytes] = []
        self._held: deque[tuple[bytes, _Owed]] = deque()
        self._shut = 0  # for how many reasons nothing may leave now
        self._in_flight = 0
        self._flushing = False
        self._at_once = False
        # What has yet to run in this tick; not every kind of loop tells.
        self._ready: Sized | None = getattr(self.loop, "_ready", None)
        self._checking = False
        self._tick = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._spared: _Owed | None = None
        self._transport.set_protocol(self)

    def send(self, payload: bytes, count: int = 0) -> asyncio.Future[Any]:
        """The reply to *payload*, or with a *count* the list of so many; an error reply is a `Fault`.

        The request is on its way when this returns, whether or not anybody awaits the answer. `Lost` is
        raised there where none comes.
        """
        future: asyncio.Future[Any] = self.loop.create_future()
        if self.lost is not None:
            future.set_exception(Lost(self.lost, sent=False))
            return future
        if not self._flushing:
            self._begin_tick()
        owed = (future, count, self._tick, len(payload))
        if self._shut or self._held or self._in_flight > WINDOW:
            self._held.append((payload, owed))
        else:
            self._outgoing.append(payload)
            self._owed.append(owed)
            self._in_flight += len(payload)
        if self._at_once:
            self._flush()
        return future

    def abort(self, cause: Exception) -> None:
        """Close at once: all that is still owed is lost because of *cause*."""
        if self.lost is not None:
            return
        self.lost = cause
        self._shut += 1
        if self._timer is not None:
            self._timer.cancel()
        sent = len(self._owed) - len(self._outgoing)
        owed = [*self._owed, *(held for _, held in self._held)]
        for collection in (self._owed, self._outgoing, self._held):
            collection.clear()
        for place, (future, *_) in enumerate(owed):
            if not future.done():
                future.set_exception(Lost(cause, sent=place < sent))
        self._transport.abort()

    def _begin_tick(self) -> None:
        now = self.loop.time()
        idle, self._tick = now - self._tick, now
        self._flushing = True
        if self._owed or idle <= _IDLE:
            # Where nothing else is to run in this tick nothing can join, and a turn of the loop is saved.
            self._at_once = self._ready is not None and not self._ready
            if not self._at_once:
                self.loop.call_soon(self._flush)
        else:  # what has come meanwhile is read first: the server may have hung up long ago
            self.loop.call_soon(self.loop.call_soon, self._flush)
            if idle > self._check_after:
                self._check()
        if self._timer is None and self._timeout is not None:
            self._timer = self.loop.call_at(now + self._timeout, self._watch, now + self._timeout)

    def _flush(self) -> None:
        self._flushing = self._at_once = False
        if self._outgoing:
            payloads, self._outgoing = self._outgoing, []
            self._transport.write(b"".join(payloads) if len(payloads) > 1 else payloads[0])

    def _admit(self) -> None:
        """Let those that were held leave, as far as there is room."""
        while self._held and not self._shut and self._in_flight <= WINDOW:
            payload, owed = self._held.popleft()
            if owed[0].done():  # cancelled meanwhile: nothing was sent
                continue
            self._outgoing.append(payload)
            self._owed.append(owed)
            self._in_flight += len(payload)
        if self._outgoing and not self._flushing:
            self._flushing = True
            self.loop.call_soon(self._flush)

    def _check(self) -> None:
        """Ask whether the server is there; until it says so nothing else is sent."""
        pong: asyncio.Future[Any] = self.loop.create_future()
        self._owed.append((pong, 0, self._tick, 0))
        self._outgoing.append(_PING)
        self._shut += 1
        self._checking = True
        pong.add_done_callback(self._checked)

    def _checked(self, pong: asyncio.Future[Any]) -> None:
        self._checking = False
        if pong.exception() is None:
            self._shut -= 1
            self._admit()

    def _watch(self, due: float) -> None:
        """Look whether the oldest request has had its time. Only then is a timer set again."""
        self._timer = None
        if self._timeout is None or not (self._owed or self._held):
            return
        oldest = self._owed[0] if self._owed else self._held[0][1]
        now = self.loop.time()
        end = oldest[2] + self._timeout
        if end <= now and now - due > _LATE and oldest is not self._spared:
            # It is the loop that was held up: what has come meanwhile is read first.
            self._spared, end = oldest, now + _LATE
        if end > now:
            self._timer = self.loop.call_at(end, self._watch, end)
        elif self._checking:
            self.abort(ConnectionResetError("no answer to a PING"))
        else:
            self.abort(TimeoutError("no answer in time"))

    # called by the loop

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # it is no more than a hint
        return self._buffer

    def buffer_updated(self, size: int) -> None:
        try:
            self._reader.feed(self._buffer, 0, size)  # type: ignore[arg-type]  # its stubs know only bytes
            while (reply := self._reader.gets()) is not PENDING:
                self._hand_out(reply)
        except libvalkey.ProtocolError as error:
            self.abort(error)
        if self._held:
            self._admit()

    def _hand_out(self, reply: Reply) -> None:
        if len(self._owed) == len(self._outgoing):  # what is still in this process can have no reply
            raise libvalkey.ProtocolError("more came than was asked for")
        future, count, _, size = self._owed[0]
        if count:
            self._parts.append(reply)
            if len(self._parts) < count:
                return
            reply, self._parts = self._parts, []
        self._owed.popleft()
        self._in_flight -= size
        if not future.done():
            future.set_result(reply)

    def eof_received(self) -> None:
        self.abort(ConnectionResetError("the server closed the connection"))

    def connection_lost(self, error: Exception | None) -> None:
        self.abort(error or ConnectionResetError("the server closed the connection"))
        if not self.gone.done():
            self.gone.set_result(None)

    def pause_writing(self) -> None:
        self._shut += 1

    def resume_writing(self) -> None:
        self._shut -= 1
        self._admit()
