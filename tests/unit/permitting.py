"""A server of semaphores, by hand: what their plans ask is answered without a wait.

What may enter: what such a server answers, and what tests look at.
"""

from __future__ import annotations

from typing import Any, TypeVar

from attrs import Factory, define

from tests.unit.scripted import script
from vkcache.core.plan import Command, Plan, Step, Token
from vkcache.shell.run import run, run_async

T = TypeVar("T")


@define
class Server:
    """Answers the scripts of a semaphore as a server does that has room for all, or for nobody.

    :ivar failing: what every script ends with.
    :ivar holders: the tokens of those who hold permits.
    :ivar sent: each script's name, and the token of its caller: ``t1``, ``t2`` ...
    """

    full: bool = False
    failing: Exception | None = None
    holders: list[str] = Factory(list)
    sent: list[str] = Factory(list)
    tokens: int = 0
    fences: int = 100

    def perform(self, step: Step[Any]) -> Any:
        if isinstance(step, Token):
            self.tokens += 1
            return b"t%d" % self.tokens
        assert isinstance(step, Command), "nothing else is asked for without a wait"
        name, *words = script(step).split(" ")
        token = words[5]
        self.sent.append(f"{name} {token}")
        if self.failing is not None:
            raise self.failing
        return step.decode(self.answer(name, token))

    def answer(self, name: str, token: str) -> Any:
        held = token in self.holders
        if name == "KEEP":
            return int(held)
        if name == "GIVE":
            self.holders = [one for one in self.holders if one != token]
            return [int(held), b""]
        assert name == "TAKE"
        if self.full:
            return [0, b""]
        self.holders.append(token)
        self.fences += 1
        return [self.fences, b""]

    def __call__(self, plan: Plan[T], /) -> T:
        return run(plan, self.perform)

    async def awaited(self, plan: Plan[T], /) -> T:
        async def perform(step: Step[Any]) -> Any:
            return self.perform(step)

        return await run_async(plan, perform)
