"""Layouts fed by hand: what the way of a request asks for, one line a step, without a server or a clock.

What may enter: what tests of several kinds of layouts are fed with, and how they read what was asked.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest
from attrs import frozen

from tests.unit.feeding import SPACE, words
from vkcache.core import strings
from vkcache.core.plan import Command, Plan, Sleep, Step
from vkcache.core.replies import Fault
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell.nodes import cluster, course, layout, sentinel
from vkcache.shell.nodes.layout import Aside, Ask, Inquire, Node, ReadFrom, Request
from vkcache.shell.nodes.static import replicated

T = TypeVar("T")

GET = Request((strings.get(SPACE, "k"),))
SET = Request((strings.set(SPACE, "k", 5),))
INCR = Request((strings.incr(SPACE, "k"),))
BOTH = Request((*GET.commands, *INCR.commands), together=True)


class Clock:
    """The monotonic clock of all layouts; it stands still unless a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def stopped(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which all layouts go from now on."""
    clock = Clock()
    for module in (layout, cluster, course, sentinel):
        monkeypatch.setattr(module, "time", clock)
    return clock


@frozen
class Way(Generic[T]):
    """What a plan asked for, and what it answered: a result, or the error that it ended with."""

    asked: list[str]
    result: T | None = None
    error: Unreachable | None = None


def follow(plan: Plan[T], *answers: object) -> Way[T]:
    """Drive *plan* to its end with one answer a step.

    An exception is raised where the step was asked for; a function that is to be called aside is answered
    with what is called in its place.
    """
    steps, asked, rest = iter(plan), [], list(answers)
    try:
        step = next(steps)
        while True:
            asked.append(told(step))
            assert rest, f"a step more than there are answers: {asked}"
            answer = rest.pop(0)
            if isinstance(step, Aside) and callable(answer):
                answer = answer()
            step = steps.throw(answer) if isinstance(answer, Unreachable) else steps.send(answer)
    except StopIteration as end:
        assert not rest, f"answers that no step asked for: {rest}, after {asked}"
        return Way(asked, end.value)
    except Unreachable as error:
        assert not rest, f"answers that no step asked for: {rest}, after {asked}"
        return Way(asked, error=error)


def told(step: Step[Any]) -> str:
    """*step* in words: who is asked for what."""
    if isinstance(step, Ask):
        verbs = b" ".join(command.verb.name for command in step.request.commands).decode()
        marks = ("ASKING " if step.asking else "") + ("MULTI " if step.request.together else "")
        return f"{step.node.address}{' reading' if step.node.reading else ''}: {marks}{verbs}"
    if isinstance(step, Inquire):
        return f"{step.node.address}? {words(step.command).decode()}"
    if isinstance(step, Sleep):
        return f"sleep {step.seconds}"
    assert isinstance(step, Aside)
    return f"aside {step.function.__name__}"


def refused(name: str = "a") -> Unreachable:
    """What a server was not sent."""
    return Unreachable(f"{name}: refused")


def broken(name: str = "a") -> Unreachable:
    """What a server may have carried out."""
    error = Unreachable(f"{name}: broke")
    error.maybe_executed = True
    return error


def late(name: str = "a") -> TimedOut:
    """The same, after the caller has waited."""
    error = TimedOut(f"{name}: late")
    error.maybe_executed = True
    return error


def said(text: str) -> list[Fault]:
    """The replies of a server that refuses."""
    return [Fault(text)]


def made(*commands: Command[Any]) -> Request:
    return Request(commands)


class Replicated:
    """A primary p with replicas a and b; where reads rotate, a is first."""

    def __init__(self, read_from: ReadFrom = "replica", own_reads_for: float = 0.0) -> None:
        self.p, self.a, self.b = Node("p"), Node("a"), Node("b")
        self.layout = replicated((self.p, self.a, self.b), read_from, own_reads_for, 1.0)

    def read(self) -> Node | None:
        return self.layout.choose(0, reads=True)
