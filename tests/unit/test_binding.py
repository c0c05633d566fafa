"""Lines of a table as methods of shells.

Fails where a descriptor is left between a caller and the core, where a method does not show its
name, text or signature to tools and tracebacks, where a pipeline gets a method that takes several
steps, or where a method and its a-prefixed sibling are not the same core function.
"""

from __future__ import annotations

import inspect
import re
import traceback
import typing
from types import FunctionType
from typing import Any, cast

import pytest

from tests.unit.feeding import SPACE, words
from vkcache.core import compound, flights, keys, locks, semaphores, server, strings
from vkcache.core.plan import Command
from vkcache.django import ValkeyCache
from vkcache.errors import InvalidArgument
from vkcache.shell import AsyncClient, AsyncPipeline, Pipeline, tables
from vkcache.shell.binding import (
    Function,
    Line,
    Queue,
    Shell,
    Slot,
    Sync,
    awaited,
    awaited_hold,
    awaited_stream,
    command,
    either,
    hold,
    plan,
    stream,
)
from vkcache.shell.client import Carrier, Client
from vkcache.shell.locks import AsyncLock, Lock
from vkcache.shell.semaphores import AsyncSemaphore, Semaphore
from vkcache.shell.tables import values


def lines_of(table: type) -> dict[str, Line]:
    """The lines of *table* and of those it is made of."""
    found: dict[str, Line] = {}
    for part in reversed(table.__mro__):
        found.update({name: line for name, line in vars(part).items() if isinstance(line, Line)})
    return found


def carried(shell: type[Shell], line: Line) -> Function:
    """The function of *line* that *shell* carries out, which of a hold is made anew each time."""
    function = shell.carried(line)
    assert function is not None
    if isinstance(line, (hold, awaited_hold)):
        made: Function = inspect.getattr_static(shell, line.name).__wrapped__
        assert made.__wrapped__ is line.function  # type: ignore[attr-defined]  # a function at run time
        assert inspect.signature(made) == inspect.signature(function)
        return made
    return function


LINES = lines_of(tables.Commands)
AWAITED = lines_of(tables.AwaitedCommands)
HOLDS: dict[str, tuple[Function, type, type]] = {
    "lock": (locks.terms, Lock, AsyncLock),
    "get_lock": (locks.terms, Lock, AsyncLock),
    "semaphore": (semaphores.terms, Semaphore, AsyncSemaphore),
}


@pytest.mark.parametrize("name", LINES)
def test_every_line_is_a_plain_function_of_the_client(name: str) -> None:
    method, function = inspect.getattr_static(Client, name), carried(Client, LINES[name])
    assert type(method) is FunctionType
    assert (method.__name__, method.__qualname__) == (name, f"Client.{name}")
    assert (method.__code__.co_name, method.__code__.co_qualname) == (name, f"Client.{name}")
    assert method.__doc__ == function.__doc__
    assert method.__doc__
    assert method.__module__ == Client.__module__
    assert method.__dict__["__wrapped__"] is function
    shown, given = inspect.signature(method), inspect.signature(function)
    assert list(shown.parameters) == ["self", *list(given.parameters)[1:]]
    assert list(shown.parameters.values())[1:] == list(given.parameters.values())[1:]
    assert str(shown.return_annotation) in str(given.return_annotation)
    assert not re.match("Command|Plan|Steps", str(shown.return_annotation))
    assert set(method.__annotations__) <= {*shown.parameters, "return"}
    assert typing.get_type_hints(method)


def test_no_line_is_left_on_a_shell() -> None:
    left = [name for name in dir(Client) if isinstance(inspect.getattr_static(Client, name), Line)]
    assert left == []
    assert not hasattr(Client, "__getattr__")


def test_a_subclass_keeps_the_methods_and_may_override_them() -> None:
    class Own(Client):
        def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
            return super().get(key, default, version)

    assert inspect.getattr_static(Own, "get").__qualname__.endswith("Own.get")
    assert inspect.getattr_static(Own, "set") is inspect.getattr_static(Client, "set")


def test_a_traceback_shows_the_methods_name() -> None:
    class Broken(tables.Commands, Carrier):
        space = SPACE

    with pytest.raises(AttributeError, match="_door") as caught:
        Broken().get("k")
    assert [frame.name for frame in traceback.extract_tb(caught.tb)][-1] == "get"


def test_every_method_has_its_sibling_and_no_sibling_is_alone() -> None:
    assert {f"a{name}": line.function for name, line in LINES.items()} == {
        name: line.function for name, line in AWAITED.items()
    }


@pytest.mark.parametrize("name", LINES)
def test_a_sibling_is_of_the_same_kind(name: str) -> None:
    siblings: dict[type, type] = {stream: awaited_stream, hold: awaited_hold}
    assert type(AWAITED[f"a{name}"]) is siblings.get(type(LINES[name]), awaited)


def test_a_line_is_on_the_line_below_in_the_same_order() -> None:
    for table, siblings in (
        (values.Strings, values.AwaitedStrings),
        (values.Keys, values.AwaitedKeys),
        (values.Locks, values.AwaitedLocks),
        (values.Whole, values.AwaitedWhole),
    ):
        assert [f"a{name}" for name in lines_of(table)] == list(lines_of(siblings))


def test_these_lines_are_holds() -> None:
    made = {
        name: (inspect.unwrap(line.function), line.kind, line.async_kind)
        for name, line in LINES.items()
        if isinstance(line, hold)
    }
    assert made == HOLDS


@pytest.mark.parametrize("shell", [Client, AsyncClient, ValkeyCache], ids=lambda shell: shell.__name__)
@pytest.mark.parametrize("name", HOLDS)
def test_a_hold_shows_the_terms_that_it_takes_and_what_it_answers(name: str, shell: type[Shell]) -> None:
    terms, held, async_held = HOLDS[name]
    answered = {name: async_held if shell is AsyncClient else held}
    if shell is ValkeyCache:
        answered[f"a{name}"] = async_held
    for shown_as, kind in answered.items():
        method = inspect.getattr_static(shell, shown_as)
        assert type(method) is FunctionType
        assert (method.__name__, method.__qualname__) == (shown_as, f"{shell.__name__}.{shown_as}")
        assert (method.__doc__, method.__module__) == (terms.__doc__, shell.__module__)
        given, shown = inspect.signature(terms), inspect.signature(method)
        assert list(shown.parameters.values())[1:] == list(given.parameters.values())[1:]
        assert shown.return_annotation is kind
        assert typing.get_type_hints(method)["return"] is kind


@pytest.mark.parametrize("name", HOLDS)
@pytest.mark.parametrize("shell", [Client, AsyncClient])
def test_a_hold_answers_its_object_and_refuses_what_can_not_be(name: str, shell: type) -> None:
    _, held, async_held = HOLDS[name]
    method = getattr(shell("memory://binding"), name)
    made = method("k", *([5] if name == "semaphore" else []), version=2)
    assert made.name == "k"
    assert type(made) is (held if shell is Client else async_held)
    with pytest.raises(TypeError, match="argument"):
        method()
    with pytest.raises(InvalidArgument):
        method("k", *([0] if name == "semaphore" else [None, 0]))


@pytest.mark.parametrize("pipeline", [Pipeline, AsyncPipeline], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", HOLDS)
def test_a_pipeline_holds_nothing(name: str, pipeline: type[Queue]) -> None:
    assert pipeline.carried(LINES[name]) is None
    assert not hasattr(pipeline, f"a{name}")
    shell = AsyncClient if pipeline is AsyncPipeline else Client
    queue = cast(Any, shell("memory://binding")).pipeline()
    with pytest.raises(
        AttributeError, match=rf"{pipeline.__name__} has no {name}\(\): .* call it on the cache"
    ):
        getattr(queue, name)


def _queued(function: Function) -> Function:
    def method(self: Recorder, /, *args: Any, **kwargs: Any) -> Slot[Any]:
        self.commands.append(function(self.space, *args, **kwargs))
        self.slots.append(Slot())
        return self.slots[-1]

    return method


class Recorder(Queue):
    """A shell that keeps commands for later."""

    forms = {command: _queued, either: _queued}  # noqa: RUF012  # as `Shell` declares it
    space = SPACE

    def __init__(self) -> None:
        self.commands: list[Command[Any]] = []
        self.slots: list[Slot[Any]] = []


class Made(tables.Commands, Recorder):
    """A made-up pipeline."""


def test_a_queue_answers_slots_for_commands() -> None:
    made = Made()
    slot = made.get("k")
    assert slot is made.slots[0]
    made.set("k", 5, timeout=None)
    assert [words(one) for one in made.commands] == [b"GET p:1:k", b"SET p:1:k 5"]
    slot.fill(7)
    assert made.slots[0].value == 7


def test_a_queue_takes_the_one_command_of_an_either_line() -> None:
    made = Made()
    assert isinstance(made.incr("k"), Slot)
    assert isinstance(made.rename("a", "b"), Slot)
    assert [one.verb.name for one in made.commands] == [b"EVAL", b"RENAME"]
    assert Made.incr.__wrapped__ is strings.incr  # type: ignore[attr-defined]  # a function at run time


@pytest.mark.parametrize("name", [name for name, line in LINES.items() if line.queued() is None])
def test_what_takes_several_steps_is_not_on_a_queue_and_says_so(name: str) -> None:
    made = Made()
    assert not hasattr(made, name)
    with pytest.raises(AttributeError, match=rf"Made has no {name}\(\): .* call it on the cache"):
        getattr(made, name)


@pytest.mark.parametrize(
    "line",
    [
        command(strings.get),
        plan(flights.get_or_set),
        either(compound.incr, strings.incr),
        stream(keys.iter_keys),
        awaited(strings.get),
        awaited_stream(keys.iter_keys),
        hold(locks.terms, Lock, AsyncLock),
        awaited_hold(locks.terms, AsyncLock),
    ],
    ids=lambda line: type(line).__name__,
)
def test_a_shell_without_a_form_for_a_line_refuses_it_by_name(line: Line) -> None:
    class Bare(Sync):
        method = line

    with pytest.raises(AttributeError, match=r"Bare has no method\(\)"):
        cast(Any, Bare()).method()
    assert not hasattr(Bare, "method")


def test_a_sync_shell_carries_the_line_itself_and_a_queue_what_it_can_queue() -> None:
    line, several = either(compound.incr, strings.incr), plan(flights.get_or_set)
    assert Shell.carried(line) is compound.incr
    assert Queue.carried(line) is strings.incr
    assert Queue.carried(several) is None
    assert command(server.info).queued() is server.info
