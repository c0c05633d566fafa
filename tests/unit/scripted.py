"""What plans of scripts ask, by the scripts' names, and what they ask after they were ended.

What may enter: how the steps of such a plan are shown, or brought about.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from tests.unit.feeding import Fed, commands, words
from vkcache.core import lua
from vkcache.core.plan import Command, Plan, Step
from vkcache.core.scripts import answered


def _named() -> dict[str, str]:
    found = {}
    for name, text in vars(lua).items():
        if name.isupper() and isinstance(text, bytes):
            first = next(answered(text, (), ()))
            assert isinstance(first, Command)
            found[str(first.args[0])] = name
    return found


NAMES = _named()
"""The scripts' names by their digests."""


def script(command: Any) -> str:
    """Which script a step calls, or the name of its command, with its arguments."""
    verb, _, rest = words(command).decode("latin-1").partition(" ")
    digest, _, args = rest.partition(" ")
    return f"{NAMES[digest]} {args}" if verb == "EVALSHA" else f"{verb} {rest}"


def said(fed: Fed[Any]) -> list[str]:
    """All steps: commands as `script` shows them, others by the names of their types."""
    return [script(step) if commands(step) else type(step).__name__ for step in fed.steps]


def ended(plan: Plan[Any], error: BaseException, *answers: object, then: object = 1) -> list[Step[Any]]:
    """The steps after *error* was thrown in where the plan waited for the answer after *answers*.

    Each of them is answered with *then*.
    """
    steps: Generator[Step[Any], Any, Any] = iter(plan)
    next(steps)
    for answer in answers:
        steps.send(answer)
    after: list[Step[Any]] = []

    def to_its_end() -> None:
        after.append(steps.throw(error))
        while True:
            after.append(steps.send(then))

    with pytest.raises(type(error)) as raised:
        to_its_end()
    assert raised.value is error
    return after
