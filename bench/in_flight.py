"""Calls that are awaited: on whose loop, and how many of them at a time.

Every contender has an event loop of its own, which stands still while others have their turn; a client's
tasks in the background stay on the loop that they began on. Time is taken inside the loop, from when all
workers are ready, so that starting the loop and making the tasks cost nobody anything.

What may enter: how awaited calls are made and timed; who makes them stands elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple, TypeAlias

from suite import Address, Call, Calls, Driver, Open

AsyncCall: TypeAlias = Callable[[], Awaitable[object]]
"""One operation of a contender, everything it needs already bound; awaited on the contender's own loop."""


class Connected(NamedTuple):
    """What a contender can do once it is connected: its operations by the name of the measure."""

    calls: Mapping[str, AsyncCall]
    close: AsyncCall


Connect: TypeAlias = Callable[[Address, str], Coroutine[object, object, Connected]]
NewLoop: TypeAlias = Callable[[], asyncio.AbstractEventLoop]


async def _once(call: AsyncCall) -> object:
    return await call()


async def _worker(call: AsyncCall, turns: Iterator[int], gate: asyncio.Event) -> float:
    """Takes turns until none is left, and tells when that was."""
    await gate.wait()
    for _ in turns:
        await call()
    return perf_counter()


async def _shared_out(call: AsyncCall, times: int, width: int) -> float:
    """Seconds per call where *width* workers make *times* calls, each its next one as soon as it can."""
    turns, gate = iter(range(times)), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(_worker(call, turns, gate)) for _ in range(width)]
        await asyncio.sleep(0)  # now every worker stands at the gate
        start = perf_counter()
        gate.set()
    return (max(worker.result() for worker in workers) - start) / times


@dataclass(frozen=True)
class OnLoop:
    """An awaited call with the loop that carries it."""

    runner: asyncio.Runner
    awaited: AsyncCall

    def __call__(self) -> object:
        return self.runner.run(_once(self.awaited))

    def timed(self, times: int, width: int) -> float:
        return self.runner.run(_shared_out(self.awaited, times, width))


def in_flight(width: int) -> Driver:
    """Keeps *width* calls under way at any time."""

    def timed(call: Call, times: int) -> float:
        if not isinstance(call, OnLoop):
            raise TypeError(f"{call!r}: only an awaited call can be one of {width} in flight")
        return call.timed(times, width)

    return Driver(once=lambda call: call(), timed=timed)


def on_own_loop(connect: Connect, new_loop: NewLoop = asyncio.new_event_loop) -> Open:
    """How a contender is opened that *connect* connects, on a loop that nobody else uses."""

    def opened(address: Address, prefix: str, closing: ExitStack) -> Calls:
        runner = closing.enter_context(asyncio.Runner(loop_factory=new_loop))
        connected = runner.run(connect(address, prefix))
        closing.callback(OnLoop(runner, connected.close))
        return {name: OnLoop(runner, awaited) for name, awaited in connected.calls.items()}

    return opened


def uvloop_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
