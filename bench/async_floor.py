"""The async floor: what an awaited call costs when only the loop, the wire and the encoding are paid for.

A bare asyncio Protocol sends the very bytes that vkcache sends and decodes the same replies with the same C
code; replies complete futures in order. It has no pool, no errors, no time-outs, no bounds, no cancellation.
One at a time a request is written at once; with others under way all of a loop's turn leave in one write.

What may enter: the calls of one more measure.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from async_measures import each_width
from floor import Reply, Requests, decode
from in_flight import Connected
from libvalkey import Reader
from suite import Address


class BareProtocol(asyncio.Protocol):
    """One connection; both kinds of `ask` answer a future of the parsed reply."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = Reader()
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._unsent: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        reader, waiting = self._reader, self._waiting
        reader.feed(data)
        while (reply := reader.gets()) is not False:
            waiting.popleft().set_result(reply)

    def ask_now(self, request: bytes) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append(future)
        self._write(request)
        return future

    def ask(self, request: bytes) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append(future)
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(request)
        return future

    def _flush(self) -> None:
        self._write(b"".join(self._unsent))
        self._unsent.clear()


async def floor(address: Address, prefix: str) -> Connected:
    """Serializes and packs at every call."""
    transport, bare = await asyncio.get_running_loop().create_connection(BareProtocol, *address)
    ask, ask_now, requests = bare.ask, bare.ask_now, Requests(prefix)

    async def get() -> object:
        return decode(await ask(requests.get()))

    async def get_now() -> object:
        return decode(await ask_now(requests.get()))

    async def set_() -> object:
        return await ask(requests.set())

    async def set_now() -> object:
        return await ask_now(requests.set())

    async def close() -> None:
        transport.close()

    calls = {**each_width(get, set_, get), "get_1": get_now, "set_1": set_now, "get_or_set_1": get_now}
    return Connected(calls, close)
