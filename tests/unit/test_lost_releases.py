"""Fails where a release whose answer was lost can not be asked for again, or where the second one, which
finds nothing held any more, is taken for a stranger's; or where a stranger's is taken for such a one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from tests.unit.feeding import SPACE
from vkcache.core import locks, semaphores
from vkcache.core.locks import Held
from vkcache.errors import LockNotOwned, Unreachable
from vkcache.shell import AsyncLock, AsyncSemaphore, Lock, Semaphore

Made: TypeAlias = Callable[[Callable[[], Any]], Callable[[str], None]]
"""From what answers each plan to what calls a method of something held."""


def lock(answer: Callable[[], Any]) -> Callable[[str], None]:
    held = Lock(lambda _: answer(), locks.terms(SPACE, "k"))
    return lambda name: getattr(held, name)()


def semaphore(answer: Callable[[], Any]) -> Callable[[str], None]:
    held = Semaphore(lambda _: answer(), semaphores.terms(SPACE, "k", 1))
    return lambda name: getattr(held, name)()


def async_lock(answer: Callable[[], Any]) -> Callable[[str], None]:
    async def execute(_: object) -> Any:
        return answer()

    held = AsyncLock(execute, locks.terms(SPACE, "k", thread_local=False))
    return lambda name: asyncio.run(getattr(held, name)())


def async_semaphore(answer: Callable[[], Any]) -> Callable[[str], None]:
    async def execute(_: object) -> Any:
        return answer()

    held = AsyncSemaphore(execute, semaphores.terms(SPACE, "k", 1))
    return lambda name: asyncio.run(getattr(held, name)())


def answering(*answers: object) -> Callable[[], Any]:
    rest = iter(answers)

    def answer() -> Any:
        found = next(rest)
        if isinstance(found, Exception):
            raise found
        return found

    return answer


ALL = pytest.mark.parametrize("made", [lock, semaphore, async_lock, async_semaphore])


@ALL
def test_who_lost_the_answer_to_a_release_releases_again(made: Made) -> None:
    lost = Unreachable("no answer")
    lost.maybe_executed = True
    call = made(answering(Held(b"t", 1), lost, lost, False))
    call("acquire")
    for _ in range(2):
        with pytest.raises(Unreachable):
            call("release")
    call("release")
    with pytest.raises(LockNotOwned):
        call("release")


@ALL
def test_a_release_that_was_never_sent_explains_nothing(made: Made) -> None:
    call = made(answering(Held(b"t", 1), Unreachable("no connection"), False))
    call("acquire")
    with pytest.raises(Unreachable):
        call("release")
    with pytest.raises(LockNotOwned):
        call("release")
