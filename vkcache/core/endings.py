"""What a plan does yet when an exception ends it: a server's, an interrupted thread's, a cancelled task's.

One that nobody carries out any more, which GeneratorExit tells, asks for nothing.

What may enter: a rule about the steps that follow an exception, whatever they send.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from vkcache.core.plan import Plan, Steps
from vkcache.errors import CacheError

T = TypeVar("T")


def undone(plan: Plan[T], undo: Callable[[], Plan[object]]) -> Steps[T]:
    """What *plan* answers. Where any exception ends it, *undo* is carried out before that is raised."""
    try:
        return (yield from plan)
    except GeneratorExit:
        raise
    except BaseException:
        with suppress(CacheError):  # what can not be reached is ended by its lease
            yield from undo()
        raise


def insisted(ask: Callable[[], Plan[T]]) -> Steps[T]:
    """What *ask* answers, asked twice where its caller is cancelled: perhaps it was not sent yet.

    So twice has to do no harm. An error of the server's is raised at once.
    """
    try:
        return (yield from ask())
    except (CacheError, GeneratorExit):
        raise
    except BaseException:
        with suppress(CacheError):
            yield from ask()
        raise
