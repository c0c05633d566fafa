"""Who holds which permits, as `AsyncSemaphore` knows it. What is sent is answered by hand.

Fails where it differs from `Semaphore`: where a task takes another's permits for its own, or frees them
though it holds some itself; where those whose release failed can not be released again, or change hands;
where ``async with`` renews nothing, or goes on renewing; or where a cancelled release does not release.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from tests.unit.feeding import SPACE, commands
from tests.unit.permitting import Server
from vkcache.core.plan import Plan, Step
from vkcache.core.semaphores import terms
from vkcache.errors import LockNotAcquired, LockNotOwned, Unreachable
from vkcache.shell.run import run_async
from vkcache.shell.semaphores import AsyncSemaphore

T = TypeVar("T")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def apermits(server: Server) -> AsyncSemaphore:
    return AsyncSemaphore(server.awaited, terms(SPACE, "k", 5, timeout=0))


async def in_task(work: Coroutine[Any, Any, T]) -> T:
    return await asyncio.create_task(work)


async def seen(apermits: AsyncSemaphore) -> tuple[int | None, bool]:
    return apermits.token, apermits.lost


def test_a_task_holds_what_it_has_taken_and_another_may_give_it_back(
    apermits: AsyncSemaphore, server: Server
) -> None:
    async def main() -> None:
        assert await apermits is apermits
        assert await apermits.acquire()
        assert await in_task(apermits.acquire())
        assert apermits.token == 101
        assert await in_task(seen(apermits)) == (None, False)
        await in_task(apermits.release())  # of all that others hold, what came last
        apermits.check()
        await apermits.release()
        with pytest.raises(LockNotOwned):
            await apermits.release()

    asyncio.run(main())
    assert server.sent == ["TAKE t1", "TAKE t2", "GIVE t2", "GIVE t1"]


def test_outside_of_tasks_nothing_is_held(apermits: AsyncSemaphore) -> None:
    asyncio.run(apermits.acquire())
    assert (apermits.token, apermits.lost) == (None, False)
    with pytest.raises(LockNotOwned):
        apermits.check()


def test_a_tasks_failed_release_leaves_it_what_it_holds(apermits: AsyncSemaphore, server: Server) -> None:
    async def main() -> None:
        await apermits.acquire()
        server.failing = Unreachable("down")
        for release in (apermits.release(), in_task(apermits.release())):
            with pytest.raises(Unreachable):
                await release
            assert apermits.token == 101
        server.failing = None
        await apermits.release()

    asyncio.run(main())
    assert server.holders == []


def test_a_task_of_its_own_renews_while_a_body_runs(apermits: AsyncSemaphore, server: Server) -> None:
    async def main() -> None:
        async with apermits as held:
            assert held is apermits
            (renewing,) = asyncio.all_tasks() - {asyncio.current_task()}
            assert renewing.get_name() == "renews semaphore k"
        await asyncio.wait([renewing])
        assert renewing.cancelled()
        server.full = True
        with pytest.raises(LockNotAcquired):
            await apermits.__aenter__()

    asyncio.run(main())
    assert server.sent == ["TAKE t1", "GIVE t1", "TAKE t2"]


def test_a_tasks_body_is_told_of_its_loss_and_gives_back_its_own_alone(
    apermits: AsyncSemaphore, server: Server
) -> None:
    async def lost(error: Exception | None) -> None:
        async with apermits:
            server.holders.clear()
            if error is not None:
                raise error

    async def given_back() -> None:
        async with apermits:
            await apermits.release()

    async def main() -> None:
        with pytest.raises(LockNotOwned):
            await lost(None)
        with pytest.raises(ValueError, match="mine"):
            await lost(ValueError("mine"))
        await apermits.acquire()
        with pytest.raises(LockNotOwned):
            await in_task(given_back())
        assert apermits.token == 103

    asyncio.run(main())
    assert server.holders == ["t3"]


def test_a_release_that_is_cancelled_has_released(server: Server) -> None:
    """It is sent again, as nobody knows whether it was; then it is over for this object too."""
    gate = asyncio.Event()

    async def execute(plan: Plan[T], /) -> T:
        async def perform(step: Step[Any]) -> Any:
            if commands(step) and server.holders and not gate.is_set():
                gate.set()
                await asyncio.Event().wait()
            return server.perform(step)

        return await run_async(plan, perform)

    async def main() -> None:
        apermits = AsyncSemaphore(execute, terms(SPACE, "k", 5, timeout=0))
        await apermits.acquire()
        releasing = asyncio.create_task(apermits.release())
        await gate.wait()
        releasing.cancel()
        await asyncio.wait([releasing])
        assert releasing.cancelled()
        assert apermits.token is None

    asyncio.run(main())
    assert server.holders == []
