"""Carrying plans out. The functions here are the only ones that drive a plan's steps.

What may enter: nothing but drivers. What a step means is its shell's business, which passes it in
as *perform*.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

from vkcache.core.plan import Page, Pages, Plan, Step

T = TypeVar("T")


def run(plan: Plan[T], perform: Callable[[Step[Any]], Any]) -> T:
    """The result of *plan*, whose steps are carried out one after the other by *perform*.

    An error of a step is raised inside the plan, at the ``yield`` that asked for it.
    """
    steps = iter(plan)
    try:
        step = next(steps)
        while True:
            try:
                answer = perform(step)
            except BaseException as error:  # an interruption too: the plan may have something to put back
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def stream(pages: Pages[T], perform: Callable[[Step[Any]], Any]) -> Iterator[T]:
    """The items of *pages*, a round trip at a time, as they are asked for."""
    try:
        step = next(pages)
        while True:
            if isinstance(step, Page):
                yield from step.items
                step = next(pages)
                continue
            try:
                answer = perform(step)
            except BaseException as error:
                step = pages.throw(error)
            else:
                step = pages.send(answer)
    except StopIteration:
        return
    finally:
        pages.close()


async def run_async(plan: Plan[T], perform: Callable[[Step[Any]], Awaitable[Any]]) -> T:
    """`run` in a task. A cancellation is raised inside the plan too, which may have steps yet."""
    steps = iter(plan)
    try:
        step = next(steps)
        while True:
            try:
                answer = await perform(step)
            except GeneratorExit:  # nobody is there any more to carry a step out
                steps.close()
                raise
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def stream_async(
    pages: Pages[T], perform: Callable[[Step[Any]], Awaitable[Any]]
) -> AsyncGenerator[T, None]:
    """`stream` in a task."""
    try:
        step = next(pages)
        while True:
            if isinstance(step, Page):
                for item in step.items:
                    yield item
                step = next(pages)
                continue
            try:
                answer = await perform(step)
            except GeneratorExit:
                raise
            except BaseException as error:
                step = pages.throw(error)
            else:
                step = pages.send(answer)
    except StopIteration:
        return
    finally:
        pages.close()
