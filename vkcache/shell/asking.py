"""When a lease began, as far as whoever took it can know: before it asked.

The server may have given it at once and its answer may have come late; counted from the answer, a holder
that was stopped in between would take itself for one when others hold already.

What may enter: how that moment is noted.
"""

from __future__ import annotations

import time
from typing import Generic, TypeVar

from vkcache.core.plan import Command, Plan, Steps

T = TypeVar("T")


class Asking(Generic[T]):
    """A plan with the steps of another one.

    :ivar at: when the last of its commands on *key* was to be sent, on the monotonic clock.
    """

    __slots__ = ("_key", "_plan", "at")

    def __init__(self, plan: Plan[T], key: bytes) -> None:
        self._plan = plan
        self._key = key
        self.at = time.monotonic()

    def __iter__(self) -> Steps[T]:
        steps = iter(self._plan)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Command) and self._key in step.args:
                    self.at = time.monotonic()
                try:
                    answer = yield step
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
