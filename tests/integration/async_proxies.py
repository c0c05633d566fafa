"""A TCP proxy that mistreats connections in either direction, thousands of times and at random.

It runs in a thread of its own on an event loop of its own, so it keeps time while the caller's loop is
busy. Whatever is random in it comes from a `Random` that the test seeds.

What may enter: a way in which a network fails that is decided anew for every chunk, or that needs less
than a millisecond. It knows bytes, no commands. For one failure at a time see `proxies`.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import threading
from collections.abc import Awaitable, Callable
from random import Random
from types import TracebackType
from typing import Self, TypeAlias

from tests.servers import HOST

_CHUNK = 65536
_PATIENCE = 20.0  # seconds in which a proxy that was told to end has ended


class Way:
    """One direction of one connection.

    :ivar calmed: is set when the network is to be sound from now on, which ends every wait.
    """

    def __init__(self, to: asyncio.StreamWriter, calmed: asyncio.Event) -> None:
        self._to = to
        self._calmed = calmed

    def pass_on(self, chunk: bytes) -> None:
        if self._to.is_closing():
            raise ConnectionResetError("the other end has gone")
        self._to.write(chunk)

    async def wait(self, seconds: float) -> None:
        """Nothing moves for so long."""
        # Not asyncio.wait_for: before Python 3.12 it swallows a cancellation that comes just as what it
        # waits for is done, and the link would never end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._calmed.wait()

    def cut(self) -> None:
        """The connection breaks; what was passed on before it may arrive or not."""
        self._to.transport.abort()


Treatment: TypeAlias = Callable[[Way, bytes], Awaitable[None]]
"""What becomes of some bytes on their way."""


async def passed(way: Way, chunk: bytes) -> None:
    way.pass_on(chunk)


def delayed(chance: Random, most: float) -> Treatment:
    """After up to *most* seconds."""

    async def delay(way: Way, chunk: bytes) -> None:
        await asyncio.sleep(chance.uniform(0, most))
        way.pass_on(chunk)

    return delay


async def in_fives(way: Way, chunk: bytes) -> None:
    """Five bytes at a time."""
    for start in range(0, len(chunk), 5):
        way.pass_on(chunk[start : start + 5])
        await asyncio.sleep(0)


class Storm:
    """A treatment: cut with the chance *cuts*, stalled with *stalls*, in pieces of five with *pieces*.

    Before a cut some of the chunk may still be passed on. A stall takes up to *longest* seconds.

    :ivar suffered: how often each happened.
    """

    def __init__(
        self, chance: Random, *, cuts: float, stalls: float, pieces: float, longest: float = 0.4
    ) -> None:
        self._chance = chance
        self._fates = ("cut", "stalled", "pieces", "passed")
        self._weights = (cuts, stalls, pieces, 1 - cuts - stalls - pieces)
        self._longest = longest
        self.suffered = dict.fromkeys(self._fates, 0)

    async def __call__(self, way: Way, chunk: bytes) -> None:
        fate = self._chance.choices(self._fates, self._weights)[0]
        self.suffered[fate] += 1
        if fate == "cut":
            way.pass_on(chunk[: self._chance.randrange(len(chunk) + 1)])
            way.cut()
        elif fate == "stalled":
            await way.wait(self._chance.uniform(0, self._longest))
            way.pass_on(chunk)
        elif fate == "pieces":
            await in_fives(way, chunk)
        else:
            way.pass_on(chunk)


class AsyncProxy:
    """Forwards to the server at *port*; as a context manager it ends all it has started.

    :ivar requests: what becomes of the bytes to the server from now on.
    :ivar replies: what becomes of the bytes from the server from now on.
    :ivar opened: how many connections there were.
    :ivar most: how many of them there were at once.
    """

    def __init__(self, port: int, *, requests: Treatment = passed, replies: Treatment = passed) -> None:
        self._to = port
        self.requests = requests
        self.replies = replies
        self.opened = 0
        self.most = 0
        self._links: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"valkey://{HOST}:{self.port}/0"

    def calm(self) -> None:
        """The network is sound from now on; what was stalled has been passed on when this returns."""

        async def calm() -> None:
            self.requests = self.replies = passed
            self._calmed.set()
            await asyncio.sleep(0.01)  # the waits that have just ended pass their bytes on

        asyncio.run_coroutine_threadsafe(calm(), self._loop).result()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "the proxy has not ended"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=_fine_grained) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._ended, self._calmed = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        listener = await asyncio.start_server(self._accepted, HOST, 0)
        self.port: int = listener.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ended.wait()
        listener.close()
        await asyncio.sleep(0.01)  # what is being accepted just now becomes a link yet
        while self._links:
            await asyncio.wait(self._links)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        link = self._loop.create_task(self._link(reader, writer))
        self._links.add(link)
        self.most = max(self.most, len(self._links))
        link.add_done_callback(self._links.discard)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward both ways until one end hangs up, or the proxy ends."""
        answers, server = await asyncio.open_connection(HOST, self._to)
        works = (
            self._forward(reader, Way(server, self._calmed), "requests"),
            self._forward(answers, Way(writer, self._calmed), "replies"),
            self._ended.wait(),
        )
        tasks = [asyncio.ensure_future(work) for work in works]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for end in (writer, server):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

    async def _forward(self, source: asyncio.StreamReader, way: Way, direction: str) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(_CHUNK):
                treatment: Treatment = getattr(self, direction)
                await treatment(way, chunk)


def _fine_grained() -> asyncio.AbstractEventLoop:
    """A loop that waits for microseconds: epoll rounds up to whole milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())
