"""The pipeline for tasks.

Fails where queueing needs an await or sends something, where results come in another order than the
calls, or where what was queued is sent twice or after the block was left.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.feeding import SPACE
from tests.unit.nodes import AsyncMadeNodes, Raised
from tests.unit.streams import in_made_time
from vkcache.core import lists
from vkcache.core.replies import Fault
from vkcache.errors import InvalidArgument, OutOfMemory, Unreachable
from vkcache.shell.adoor import AsyncDoor
from vkcache.shell.pipeline import AsyncPipeline


def pipeline(*answers: object, transaction: bool = False) -> tuple[AsyncPipeline, AsyncMadeNodes]:
    nodes = AsyncMadeNodes(*answers)
    return AsyncPipeline(AsyncDoor(nodes), SPACE, transaction=transaction), nodes


@in_made_time
async def test_calls_are_queued_at_once_and_answered_in_order() -> None:
    pipe, nodes = pipeline([b"5", b"6"])
    first, second = pipe.get("a"), pipe.get("b")
    assert (nodes.asked, len(pipe)) == ([], 2)
    assert await pipe.execute() == [5, 6]
    assert [first.value, second.value, len(pipe)] == [5, 6, 0]
    assert nodes.asked == [b"GET p:1:a; GET p:1:b"]
    assert await pipe.execute() == []


@in_made_time
async def test_with_a_transaction_all_are_carried_out_together() -> None:
    pipe, nodes = pipeline([b"5"], transaction=True)
    pipe.get("a")
    assert await pipe.execute() == [5]
    assert nodes.asked == [b"MULTI; GET p:1:a"]


@in_made_time
async def test_the_first_error_is_raised_or_stands_in_its_place() -> None:
    for raising in (True, False):
        pipe, _ = pipeline([b"5", Fault("OOM full")])
        value, stored = pipe.get("a"), pipe.set("b", 1)
        if raising:
            with pytest.raises(OutOfMemory):
                await pipe.execute()
        else:
            five, full = await pipe.execute(raise_on_error=False)
            assert (five, type(full)) == (5, OutOfMemory)
        assert value.value == 5
        with pytest.raises(OutOfMemory):
            _ = stored.value


@in_made_time
async def test_what_was_lost_or_cancelled_is_not_sent_again() -> None:
    pipe, nodes = pipeline(Raised(Unreachable("down")), [b"6"])
    pipe.get("a")
    with pytest.raises(Unreachable):
        await pipe.execute()
    pipe.get("b")
    task = asyncio.create_task(pipe.execute())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (len(pipe), nodes.asked) == (0, [b"GET p:1:a"])


@in_made_time
async def test_it_may_be_awaited_and_a_block_that_is_left_forgets_what_is_queued() -> None:
    pipe, nodes = pipeline()
    assert await pipe is pipe
    async with pipe as same:
        assert same is pipe
        pipe.get("a")
    assert (len(pipe), nodes.asked) == (0, [])


@in_made_time
async def test_what_waits_or_can_not_be_sent_is_refused_when_it_is_queued() -> None:
    pipe, _ = pipeline()
    with pytest.raises(InvalidArgument, match="BLPOP waits"):
        pipe.queue(lists.blpop(SPACE, "a"))
    assert len(pipe) == 0
