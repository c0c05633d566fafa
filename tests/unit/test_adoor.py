"""The door at which tasks perform steps.

Fails where an asynchronous step is answered otherwise than the same step in a thread: an error that is
ignored there and raised here, a batch that one command spoils, or a function that is not awaited.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.unit.feeding import SPACE
from tests.unit.nodes import AsyncMadeNodes, Raised
from tests.unit.streams import in_made_time, loop
from vkcache.core import flights, strings
from vkcache.core.plan import Batch, Call, Features, GetFeatures, Now, Sleep, Token, Transaction
from vkcache.core.replies import Fault
from vkcache.errors import AccessDenied, OutOfMemory, ReplyError, TimedOut, Unreachable, WrongType
from vkcache.shell.adoor import AsyncDoor
from vkcache.shell.run import run_async

DOWN = Raised(Unreachable("down"))
GET, SET = strings.get(SPACE, "k"), strings.set(SPACE, "k", 5)


@in_made_time
async def test_a_command_answers_its_decoded_reply() -> None:
    nodes = AsyncMadeNodes(b"5", None)
    door = AsyncDoor(nodes)
    assert await door.command(GET) == 5
    assert await door.perform(GET) is None
    assert nodes.asked == [b"GET p:1:k"] * 2


@pytest.mark.parametrize("failure", [DOWN, Raised(AccessDenied("no")), Fault("OOM full")])
@in_made_time
async def test_a_failure_is_raised_or_ignored(failure: Any) -> None:
    with pytest.raises((Unreachable, ReplyError)):
        await AsyncDoor(AsyncMadeNodes(failure)).command(GET)
    assert await AsyncDoor(AsyncMadeNodes(failure), ignore=True).command(GET) is None


@in_made_time
async def test_the_callers_mistake_and_a_cancellation_are_never_ignored() -> None:
    with pytest.raises(WrongType):
        await AsyncDoor(AsyncMadeNodes(Fault("WRONGTYPE a list")), ignore=True).command(GET)
    gone: Any = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await AsyncDoor(AsyncMadeNodes(Raised(gone)), ignore=True).command(GET)


@pytest.mark.parametrize("kind", [Batch, Transaction])
@in_made_time
async def test_in_a_batch_an_error_stands_in_its_place(kind: Any) -> None:
    nodes = AsyncMadeNodes([b"5", Fault("OOM full")])
    five, full = await AsyncDoor(nodes).perform(kind((GET, SET)))
    assert (five, type(full)) == (5, OutOfMemory)
    assert nodes.asked[0].startswith(b"MULTI; " if kind is Transaction else b"GET")


@pytest.mark.parametrize("step", [Batch((GET, SET)), Transaction((GET, SET)), GetFeatures()])
@in_made_time
async def test_a_server_that_can_not_be_asked_is_the_callers_or_ignored(step: Any) -> None:
    with pytest.raises(Unreachable):
        await AsyncDoor(AsyncMadeNodes(DOWN)).perform(step)
    expected = Features() if isinstance(step, GetFeatures) else [None, False]
    assert await AsyncDoor(AsyncMadeNodes(DOWN), ignore=True).perform(step) == expected


@in_made_time
async def test_a_function_is_called_and_awaited_where_it_answers_an_awaitable() -> None:
    async def default() -> int:
        await asyncio.sleep(0)
        return 5

    door = AsyncDoor(AsyncMadeNodes())
    assert [await door.perform(Call(default)), await door.perform(Call(lambda: 6))] == [5, 6]
    with pytest.raises(ZeroDivisionError):
        await door.perform(Call(lambda: 1 // 0))


@in_made_time
async def test_time_and_chance_are_the_shells() -> None:
    door = AsyncDoor(AsyncMadeNodes())
    begun = loop().time()
    await door.perform(Sleep(1.5))
    assert loop().time() == pytest.approx(begun + 1.5)
    tokens = {await door.perform(Token()) for _ in range(100)}
    assert {len(token) for token in tokens} == {32}
    assert len(tokens) == 100


@in_made_time
async def test_the_time_is_the_servers_and_counted_on_here() -> None:
    nodes = AsyncMadeNodes([b"12", b"500000"])
    door = AsyncDoor(nodes)
    first = await door.perform(Now())
    assert 12.5 <= first <= await door.perform(Now()) < 72.5  # the monotonic clock is the host's
    assert nodes.asked == [b"TIME"]


@pytest.mark.parametrize("failure", [DOWN, Raised(AccessDenied("no")), Fault("OOM full"), 5])
@pytest.mark.parametrize("ignore", [False, True])
@in_made_time
async def test_where_the_server_does_not_tell_the_time_it_is_this_hosts(failure: Any, ignore: bool) -> None:
    door, before = AsyncDoor(AsyncMadeNodes(failure), ignore=ignore), time.time()
    assert before <= await door.perform(Now()) <= time.time()


@in_made_time
async def test_a_plan_waits_for_a_dead_server_once_where_errors_are_ignored() -> None:
    nodes = AsyncMadeNodes(Raised(TimedOut("no answer")))
    plan = flights.get_or_set(SPACE, "k", lambda: 5)
    assert await run_async(plan, AsyncDoor(nodes, ignore=True).of_plan().perform) == 5
    assert nodes.asked == [b"GET p:1:k"]
