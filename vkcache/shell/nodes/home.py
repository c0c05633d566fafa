"""What one event loop has of one server: a stream that its tasks share, and streams for those that wait.

It lives for as long as the loop keeps one of its connections. A loop that ends in order
(``asyncio.run``, ``async_to_sync``) first closes its asynchronous generators; one of them is kept
here, so that the connections end while they can still be closed.

What may enter: when a stream is opened, lent, taken back, and closed. What is sent is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from copy import copy
from typing import Any

from vkcache.core.plan import Reply
from vkcache.errors import CacheError, Unreachable
from vkcache.shell.wire.aopening import Dial
from vkcache.shell.wire.connection import Interrupted, packed
from vkcache.shell.wire.stream import Lost, Stream

_SPARE = 16  # streams for waiting commands that are kept for the next ones
_UNBLOCK_SECONDS = 1.0
_UNBLOCK_AGAIN = 0.01
_CLOSED = "the cache was closed meanwhile"


class Home:
    """The connections of the running loop to the server that *dial* reaches."""

    def __init__(self, dial: Dial) -> None:
        self.loop = asyncio.get_running_loop()
        self.stream: Stream | None = None
        self._dial = dial
        self._opening: asyncio.Task[Stream] | None = None
        self._spare: list[Stream] = []
        self._streams: set[Stream] = set()
        self._tended: set[asyncio.Task[Any]] = set()
        self._farewell: AsyncGenerator[None, None] | None = None
        self._closings = 0
        self._over = False

    async def connected(self) -> Stream:
        """The stream that all share, opened if need be: once, however many ask for it.

        :raises Unreachable: it can not be opened.
        """
        if self.stream is not None and self.stream.lost is None:
            return self.stream
        opening = self._opening
        if opening is None or opening.done():  # one that is cancelled before it begins clears nothing away
            opening = self._opening = self.loop.create_task(self._opened())
            opening.add_done_callback(_seen)
        return await _shared(opening)

    async def _opened(self) -> Stream:
        try:
            self.stream = await self._new(waiting=False)
            return self.stream
        finally:
            self._opening = None

    async def _new(self, *, waiting: bool) -> Stream:
        if self._farewell is None:
            self._farewell = self._until_the_end()
            await anext(self._farewell)
        closings = self._closings
        stream = await self._dial(waiting)
        if self._over or self._closings != closings:
            stream.abort(Interrupted(_CLOSED))
            raise Unreachable(_CLOSED)
        stream.owner = self
        self._streams.add(stream)
        stream.gone.add_done_callback(lambda _: self._streams.discard(stream))
        return stream

    async def wait(self, payload: bytes, count: int = 0) -> Reply:
        """The reply to a request that may wait for long, on a stream of its own; a list, with a *count*.

        :raises Lost: there is none.
        :raises Unreachable: no stream can be opened.
        """
        stream = await self._lent()
        reply = stream.send(payload, count)
        try:
            answer = await asyncio.shield(reply)
        except asyncio.CancelledError:
            reply.add_done_callback(_seen)
            task = self.loop.create_task(self._ended(stream, reply))
            self._tend(task)
            await asyncio.shield(task)  # what is pushed after the caller has ended is not handed to it
            raise
        self._keep(stream)
        return answer

    async def _lent(self) -> Stream:
        """A stream for one caller; where that is cancelled meanwhile, the stream is for another."""
        while self._spare:
            if (stream := self._spare.pop()).lost is None:
                return stream
        opening = self.loop.create_task(self._new(waiting=True))
        self._tend(opening)
        try:
            return await _shared(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._keep_opened)
            raise

    def _tend(self, task: asyncio.Task[Any]) -> None:
        """Let *task* end with the connections."""
        self._tended.add(task)
        task.add_done_callback(self._tended.discard)

    def _keep_opened(self, opening: asyncio.Task[Stream]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self._keep(opening.result())

    def _keep(self, stream: Stream) -> None:
        if len(self._spare) < _SPARE:
            self._spare.append(stream)
        else:
            stream.abort(Interrupted("more streams than are needed"))

    async def _ended(self, stream: Stream, reply: asyncio.Future[Reply]) -> None:
        """End a wait whose caller has gone, so that the server hands out nothing more to it."""
        try:
            async with asyncio.timeout(_UNBLOCK_SECONDS):
                if stream.client is None:
                    raise TimeoutError
                # Both answers are awaited: an UNBLOCK that comes late would end the next one's wait. One that
                # comes before the command it is to end finds nothing to do, and is sent again.
                while not reply.done():
                    await (await self.connected()).send(packed(b"CLIENT", b"UNBLOCK", stream.client))
                    await asyncio.wait((reply,), timeout=_UNBLOCK_AGAIN)
                await reply
        except (Lost, CacheError, TimeoutError):
            stream.abort(Interrupted("its caller has gone"))
        except BaseException:
            stream.abort(Interrupted("its loop ends"))
            raise
        else:
            self._keep(stream)

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._over = True
            await self.close()

    async def close(self) -> None:
        """Close all connections, and answer when the sockets are closed."""
        tasks = [*self._tended, *([self._opening] if self._opening else [])]
        for task in tasks:
            task.cancel()
        streams = list(self._streams)
        self.abort()
        await asyncio.gather(*tasks, *(stream.gone for stream in streams), return_exceptions=True)

    def abort(self) -> None:
        """Close all connections, those that are being opened too, for somebody who can not wait."""
        self._closings += 1
        for stream in list(self._streams):
            stream.abort(Interrupted(_CLOSED))


async def _shared(opening: asyncio.Task[Stream]) -> Stream:
    """The stream of an *opening* that goes on where one who awaits it is cancelled."""
    try:
        return await asyncio.shield(opening)
    except CacheError as error:
        raise copy(error) from error  # many may ask, and each has a traceback of its own
    except asyncio.CancelledError:
        if opening.cancelled() and not _cancelling():
            raise Unreachable(_CLOSED) from None
        raise


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _seen(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():  # its error is told to whoever still waits; where nobody does, to nobody
        task.exception()
