"""The drivers of plans, in a task.

Fails where an error or a cancellation of a step does not reach the plan at the place that asked, where
what the plan does about it is not carried out, or where pages stay open that nobody reads any more.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.streams import in_made_time, ticks
from vkcache.core.plan import Done, Now, Page, Pages, Sleep, Step, Steps
from vkcache.shell.run import run_async, stream_async


class Performer:
    """Answers each step with the next of *answers*; an exception is raised, `...` is never answered."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.steps: list[Step[Any]] = []

    async def __call__(self, step: Step[Any]) -> Any:
        self.steps.append(step)
        answer = self.answers.pop(0)
        await asyncio.sleep(0)
        if answer is ...:
            await asyncio.get_running_loop().create_future()
        if isinstance(answer, BaseException):
            raise answer
        return answer


def add_times() -> Steps[float]:
    first = yield from Now()
    second = yield from Now()
    return first + second


def put_back() -> Steps[str]:
    """Something is to be put back, in two steps, whatever happens."""
    try:
        yield from Now()
    finally:
        yield from Sleep(1)
        yield from Sleep(2)
    return "whole"


@in_made_time
async def test_a_plan_gets_the_results_of_its_steps_in_their_order() -> None:
    perform = Performer(1.0, 2.5)
    assert await run_async(add_times(), perform) == 3.5
    assert perform.steps == [Now(), Now()]


@in_made_time
async def test_a_step_alone_is_a_plan_and_a_plan_may_need_none() -> None:
    assert await run_async(Now(), Performer(5.0)) == 5.0
    assert await run_async(Done(5), Performer()) == 5


@pytest.mark.parametrize("error", [OSError("it"), asyncio.CancelledError("it"), KeyError("it")])
@in_made_time
async def test_an_error_is_raised_where_its_step_was_asked_for_and_steps_may_follow(
    error: BaseException,
) -> None:
    perform = Performer(error, None, None)
    with pytest.raises(type(error), match="it"):
        await run_async(put_back(), perform)
    assert perform.steps == [Now(), Sleep(1), Sleep(2)]


@in_made_time
async def test_a_task_that_is_cancelled_puts_back_and_ends_cancelled() -> None:
    perform = Performer(..., None, None)
    task = asyncio.create_task(run_async(put_back(), perform))
    await ticks()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert perform.steps == [Now(), Sleep(1), Sleep(2)]
    assert task.cancelled()


@in_made_time
async def test_a_second_cancellation_strikes_the_step_that_puts_back() -> None:
    perform = Performer(..., ...)
    task = asyncio.create_task(run_async(put_back(), perform))
    for _ in range(2):
        await ticks()
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert perform.steps == [Now(), Sleep(1)]


@in_made_time
async def test_a_plan_may_catch_an_error_and_answer() -> None:
    def caught() -> Steps[str]:
        try:
            yield from Now()
        except OSError as error:
            return str(error)
        return "none"

    assert await run_async(caught(), Performer(OSError("it"))) == "it"


def paged(closed: list[str]) -> Pages[int]:
    try:
        yield Page([1, 2])
        yield from Now()
        yield Page([])
        yield Page([3])
    finally:
        closed.append("yes")


@in_made_time
async def test_items_come_a_round_trip_at_a_time() -> None:
    closed: list[str] = []
    perform = Performer(0.0)
    items = stream_async(paged(closed), perform)
    assert [await anext(items), await anext(items)] == [1, 2]
    assert perform.steps == []
    assert [item async for item in items] == [3]
    assert (perform.steps, closed) == ([Now()], ["yes"])


@in_made_time
async def test_an_iterator_that_is_closed_early_closes_its_pages() -> None:
    closed: list[str] = []
    items = stream_async(paged(closed), Performer())
    assert await anext(items) == 1
    await items.aclose()
    assert closed == ["yes"]
    with pytest.raises(StopAsyncIteration):
        await anext(items)


@in_made_time
async def test_an_error_or_a_cancellation_closes_the_pages() -> None:
    closed: list[str] = []
    with pytest.raises(OSError, match="it"):
        async for _ in stream_async(paged(closed), Performer(OSError("it"))):
            pass
    items = stream_async(paged(closed), Performer(...))
    await anext(items)
    await anext(items)
    task = asyncio.ensure_future(anext(items))
    await ticks()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == ["yes", "yes"]


@in_made_time
async def test_pages_may_catch_an_error_and_go_on() -> None:
    def stubborn() -> Pages[int]:
        try:
            yield from Now()
        except OSError:
            yield Page([7])

    assert [item async for item in stream_async(stubborn(), Performer(OSError()))] == [7]
