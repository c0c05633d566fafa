"""The drivers of plans.

Fails where a step's result or error does not reach the plan at the place that asked, where a plan's
own clean-up is skipped, or where an iteration asks for a page before its items are wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vkcache.core.plan import Done, Now, Page, Pages, Sleep, Step, Steps
from vkcache.shell.run import run, stream


class Performer:
    """Answers each step with the next of *answers*; an exception is raised."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.steps: list[Step[Any]] = []

    def __call__(self, step: Step[Any]) -> Any:
        self.steps.append(step)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def add_times() -> Steps[float]:
    first = yield from Now()
    second = yield from Now()
    return first + second


def test_a_plan_gets_the_results_of_its_steps_in_their_order() -> None:
    perform = Performer(1.0, 2.5)
    assert run(add_times(), perform) == 3.5
    assert perform.steps == [Now(), Now()]


def test_a_step_alone_is_a_plan() -> None:
    assert run(Now(), Performer(5.0)) == 5.0


def test_a_plan_without_steps_performs_none() -> None:
    perform = Performer()
    assert run(Done(5), perform) == 5
    assert perform.steps == []


def test_an_error_is_raised_where_its_step_was_asked_for() -> None:
    def caught() -> Steps[str]:
        try:
            yield from Now()
        except OSError as error:
            yield from Sleep(1)
            return f"caught {error}"
        return "nothing to catch"

    perform = Performer(OSError("it"), None)
    assert run(caught(), perform) == "caught it"
    assert perform.steps == [Now(), Sleep(1)]


def test_an_error_that_a_plan_does_not_catch_is_the_callers() -> None:
    cleaned = []

    def cleaning() -> Steps[None]:
        try:
            yield from Now()
        finally:
            yield from Sleep(1)
            cleaned.append(True)

    failure = OSError("it")
    with pytest.raises(OSError, match="it") as caught:
        run(cleaning(), Performer(failure, None))
    assert caught.value is failure
    assert cleaned == [True]


def test_a_plan_may_end_on_an_error() -> None:
    def given_up() -> Steps[int]:
        try:
            return int((yield from Now()))
        except OSError:
            return 7

    assert run(given_up(), Performer(OSError())) == 7


def paged(cleaned: Callable[[], object] = lambda: None) -> Pages[int]:
    try:
        yield from Now()
        yield Page([1, 2])
        yield Page([])
        yield from Sleep(1)
        yield Page([3])
    finally:
        cleaned()


def test_pages_answer_their_items() -> None:
    assert list(stream(paged(), Performer(0.0, None))) == [1, 2, 3]


def test_a_page_is_asked_for_when_the_one_before_is_used_up() -> None:
    perform = Performer(0.0, None)
    items = stream(paged(), perform)
    assert perform.steps == []
    assert [next(items), next(items)] == [1, 2]
    assert perform.steps == [Now()]
    assert next(items) == 3
    assert perform.steps == [Now(), Sleep(1)]
    with pytest.raises(StopIteration):
        next(items)


def test_pages_that_nobody_wants_any_more_are_closed() -> None:
    closed: list[str] = []
    items = stream(paged(lambda: closed.append("yes")), Performer(0.0))
    assert next(items) == 1
    items.close()  # type: ignore[attr-defined]  # a generator, though its type says less
    assert closed == ["yes"]


def test_an_error_of_a_page_is_the_callers_and_closes_the_pages() -> None:
    closed: list[str] = []
    items = stream(paged(lambda: closed.append("yes")), Performer(0.0, OSError("it")))
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(OSError, match="it"):
        next(items)
    assert closed == ["yes"]


def test_pages_may_catch_an_error_and_go_on() -> None:
    def stubborn() -> Pages[int]:
        try:
            yield from Now()
        except OSError:
            yield Page([7])

    assert list(stream(stubborn(), Performer(OSError()))) == [7]


def test_pages_without_any() -> None:
    def none() -> Pages[int]:
        yield from ()

    assert list(stream(none(), Performer())) == []
