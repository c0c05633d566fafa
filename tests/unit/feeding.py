"""Plans fed by hand: a shell without a server, a clock or a thread.

What may enter: what a plan's steps are answered with, and what was asked. A command is answered
with a raw reply, so that its own decoder takes part.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Generic, TypeVar

import pytest
from attrs import frozen

from vkcache.core.codec import codec
from vkcache.core.keyspace import Keyspace
from vkcache.core.plan import Arg, Batch, Command, Page, Pages, Plan, Reply, Step, Transaction
from vkcache.core.space import Space
from vkcache.errors import CacheError

T = TypeVar("T")


class Mark:
    """The type of `MARK`."""

    def __repr__(self) -> str:
        return "MARK"


MARK = Mark()
"""What a framework may pass for "the default"."""

SPACE = Space(Keyspace("p", 1), codec(secrets=("a secret",)), timeout=300, default_marks=(MARK,))
"""Keys begin with ``p:1:``, integers are stored as they are, the default time-out is 300,000 ms."""

SIGNED = Space(Keyspace("p", 1), codec(signing="all", secrets=("a secret",)))
"""The same, where every value but integers is signed for its key."""


@frozen
class Fed(Generic[T]):
    """What a plan asked, step by step, and what it answered."""

    steps: list[Step[Any]]
    result: T

    @property
    def sent(self) -> list[bytes]:
        """The commands of all steps, as `words` shows them."""
        return [words(command) for step in self.steps for command in commands(step)]


def feed(plan: Plan[T], *answers: object) -> Fed[T]:
    """Drive *plan* to its end with one answer a step.

    The answer to a command is its raw reply, to a batch or transaction a list of them, to any other
    step its result. An exception is raised where the step was asked for; in a batch it stands in its place.
    """
    generator = iter(plan)
    steps: list[Step[Any]] = []
    rest = list(answers)
    try:
        step = next(generator)
        while True:
            steps.append(step)
            assert rest, f"a step more than there are answers: {step}"
            step = _next(generator, step, rest.pop(0))
    except StopIteration as end:
        assert not rest, f"answers that no step asked for: {rest}"
        return Fed(steps, end.value)


def ended(plan: Plan[Any], error: BaseException, *answers: object) -> list[Step[Any]]:
    """The steps after *error*, in which it ends, was raised where *plan* waited for the next answer."""
    generator = iter(plan)
    step = next(generator)
    for answer in answers:
        step = _next(generator, step, answer)
    after: list[Step[Any]] = []

    def to_its_end() -> None:
        after.append(generator.throw(error))
        while True:
            after.append(generator.send(1))

    with pytest.raises(type(error)) as raised:
        to_its_end()
    assert raised.value is error
    return after


def feed_pages(pages: Pages[T], *answers: object) -> Fed[list[list[T]]]:
    """The same for an iteration: its result is the list of its pages."""
    found: list[list[T]] = []

    def collected() -> Generator[Step[Any], Any, list[list[T]]]:
        try:
            step = next(pages)
            while True:
                if isinstance(step, Page):
                    found.append(list(step.items))
                    step = next(pages)
                    continue
                try:
                    answer = yield step
                except Exception as error:
                    step = pages.throw(error)
                else:
                    step = pages.send(answer)
        except StopIteration:
            return found

    return feed(collected(), *answers)


def _next(generator: Generator[Step[Any], Any, T], step: Step[Any], answer: object) -> Step[Any]:
    try:
        result = _result(step, answer)
    except Exception as error:
        return generator.throw(error)
    return generator.send(result)


def _result(step: Step[Any], answer: Any) -> object:
    if isinstance(answer, Exception):
        raise answer
    if isinstance(step, Command):
        return step.decode(answer)
    if isinstance(step, (Batch, Transaction)):
        assert len(step.commands) == len(answer), "one answer a command"
        return [_in_place(*pair) for pair in zip(step.commands, answer, strict=True)]
    return answer


def _in_place(command: Command[T], reply: Reply) -> T | CacheError:
    return reply if isinstance(reply, CacheError) else command.decode(reply)


def commands(step: Step[Any]) -> Sequence[Command[Any]]:
    """The commands that *step* sends."""
    if isinstance(step, Command):
        return (step,)
    return step.commands if isinstance(step, (Batch, Transaction)) else ()


def words(command: Command[Any]) -> bytes:
    """The command's name and arguments with a space between them."""
    return b" ".join([command.verb.name, *map(octets, command.args)])


def octets(arg: Arg) -> bytes:
    """An argument as it is sent."""
    if isinstance(arg, int):
        return b"%d" % arg
    return arg.encode() if isinstance(arg, str) else arg
