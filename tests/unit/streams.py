"""Streams over transports made by hand, in a loop whose time is made too: no socket, no waiting.

What may enter: what a loop, a transport or a server's bytes do to a stream, as a test tells them to.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeAlias, cast

from vkcache.core.plan import Features
from vkcache.shell.wire.stream import Lost, Stream

P = ParamSpec("P")


class _Jumping(selectors.SelectSelector):
    """Does not wait for a timer: the loop's time becomes the timer's."""

    loop: MadeLoop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing is left that could ever happen"
        self.loop.now += timeout
        return super().select(0)


class MadeLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes where a test says so, or where nothing is left but to await a timer.

    :ivar timers: all that were ever set.
    :ivar unheard: what would have been logged, as of an error that nobody was told.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[asyncio.TimerHandle] = []
        self.unheard: list[dict[str, Any]] = []
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)
        self.set_exception_handler(lambda _, context: self.unheard.append(context))

    def time(self) -> float:
        return self.now

    def call_at(  # type: ignore[override]  # the loop's own says which arguments belong to which callback
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        self.timers.append(super().call_at(when, callback, *args, context=context))
        return self.timers[-1]

    def pending(self) -> list[float]:
        """When the timers are due that are still to come."""
        return [timer.when() for timer in self.timers if not timer.cancelled() and timer.when() > self.now]


def loop() -> MadeLoop:
    """The running one."""
    return cast(MadeLoop, asyncio.get_running_loop())


def in_made_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """*test*, carried out by a `MadeLoop`; an error that nobody was told fails it."""

    @functools.wraps(test)
    def plain(*args: P.args, **kwargs: P.kwargs) -> None:
        made = MadeLoop()
        with asyncio.Runner(loop_factory=lambda: made) as runner:
            runner.run(test(*args, **kwargs))
        gc.collect()
        assert [context["message"] for context in made.unheard] == []

    return plain


async def ticks(count: int = 3) -> None:
    """Let the loop do what it has to do by now."""
    for _ in range(count):
        await asyncio.sleep(0)


def busy() -> None:
    """Give the loop something else to do in this tick, so that what is sent now may be joined by more."""
    loop().call_soon(lambda: None)


class MadeTransport(asyncio.Transport):
    """Keeps what is written, and lets *react* answer."""

    def __init__(self, react: Reaction | None = None) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False
        self._react = react

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.stream = cast(Stream, protocol)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        if self._react is not None:
            asyncio.get_running_loop().call_soon(self._react, self.stream, bytes(data))

    def abort(self) -> None:
        if not self.aborted:
            self.aborted = True
            asyncio.get_running_loop().call_soon(self.stream.connection_lost, None)

    def is_closing(self) -> bool:
        return self.aborted


Reaction: TypeAlias = Callable[[Stream, bytes], None]
"""What happens to a stream after something was written to it."""


class _Writer:
    def __init__(self, transport: MadeTransport) -> None:
        self.transport = transport


def made(
    react: Reaction | None = None,
    *,
    timeout: float | None = 1.0,
    check_after: float = 0,
    client: int | None = 7,
) -> tuple[Stream, MadeTransport]:
    """A stream in the running loop, and its transport."""
    transport = MadeTransport(react)
    writer = cast(asyncio.StreamWriter, _Writer(transport))
    features = Features("valkey", (9, 1, 0))
    return Stream(writer, features, client=client, timeout=timeout, check_after=check_after), transport


def bulk(*values: bytes) -> bytes:
    """Replies as a server sends them."""
    return b"".join(b"$%d\r\n%b\r\n" % (len(value), value) for value in values)


def feed(stream: Stream, data: bytes, piece: int = 65536) -> None:
    """Let *data* arrive in pieces of that many bytes."""
    for start in range(0, len(data), piece):
        part = data[start : start + piece]
        stream.get_buffer(-1)[: len(part)] = part
        stream.buffer_updated(len(part))


def lost(reply: asyncio.Future[Any]) -> Lost:
    """What the caller is told, who gets no reply."""
    error = reply.exception()
    assert isinstance(error, Lost)
    return error


class MadeDial:
    """Opens a stream for each of *ways* in turn: what reacts to its writes, or the error that opening it is.

    :ivar opened: the streams that were opened.
    :ivar asked: for each opening whether it was for one that waits.
    :ivar gate: openings wait for it where it is there.
    """

    def __init__(self, *ways: Reaction | Exception | None, client: int | None = 7) -> None:
        self.opened: list[tuple[Stream, MadeTransport]] = []
        self.asked: list[bool] = []
        self.gate: asyncio.Event | None = None
        self._ways = list(ways)
        self._client = client

    async def __call__(self, waiting: bool) -> Stream:
        self.asked.append(waiting)
        way = self._ways.pop(0)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(way, Exception):
            raise way
        client = None if self._client is None else self._client + len(self.opened)
        self.opened.append(made(way, timeout=None if waiting else 1.0, client=client))
        return self.opened[-1][0]

    @property
    def written(self) -> list[bytes]:
        """What was written to each stream."""
        return [b"".join(transport.written) for _, transport in self.opened]


def answering(*replies: bytes) -> Reaction:
    """Each write is answered with the next of *replies*, ready as they are sent."""
    rest = list(replies)
    return lambda stream, _: feed(stream, rest.pop(0))


def cutting(error: Exception | None = None) -> Reaction:
    """The connection is lost as soon as something was written."""
    return lambda stream, _: stream.connection_lost(error)


def silent(_stream: Stream, _payload: bytes) -> None:
    """Nothing comes."""
