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
from vkcache.core import compound, flights, keys, locks, server, strings
from vkcache.core.plan import Command
from vkcache.shell import AsyncClient, tables
from vkcache.shell.binding import (
    Function,
    Line,
    Queue,
    Shell,
    Slot,
    Sync,
    awaited,
    awaited_handle,
    awaited_stream,
    command,
    either,
    handle,
    plan,
    stream,
)
from vkcache.shell.client import Carrier, Client
from vkcache.shell.locks import AsyncLock, Lock
from vkcache.shell.tables import values


def lines_of(table: type) -> dict[str, Line]:
    """The lines of *table* and of those it is made of."""
    found: dict[str, Line] = {}
    for part in reversed(table.__mro__):
        found.update({name: line for name, line in vars(part).items() if isinstance(line, Line)})
    return found


LINES = lines_of(tables.Commands)
AWAITED = lines_of(tables.AwaitedCommands)


@pytest.mark.parametrize("name", LINES)
def test_every_line_is_a_plain_function_of_the_client(name: str) -> None:
    method, function = inspect.getattr_static(Client, name), LINES[name].function
    assert type(method) is FunctionType
    assert (method.__name__, method.__qualname__) == (name, f"Client.{name}")
    assert (method.__code__.co_name, method.__code__.co_qualname) == (name, f"Client.{name}")
    assert method.__doc__ == function.__doc__
    assert method.__doc__
    assert method.__module__ == Client.__module__
    carried = method.__dict__["__wrapped__"]
    assert (carried if type(LINES[name]) is not handle else carried.__wrapped__) is function
    shown, given = inspect.signature(method), inspect.signature(carried)
    assert list(shown.parameters) == ["self", *list(given.parameters)[1:]]
    assert list(shown.parameters.values())[1:] == list(given.parameters.values())[1:]
    assert shown.return_annotation in given.return_annotation
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
    siblings: dict[type[Line], type[Line]] = {stream: awaited_stream, handle: awaited_handle}
    assert type(AWAITED[f"a{name}"]) is siblings.get(type(LINES[name]), awaited)


@pytest.mark.parametrize("name", [name for name, line in LINES.items() if type(line) is handle])
def test_a_handle_answers_its_object_for_threads_and_its_sibling_that_for_tasks(name: str) -> None:
    line, sibling = LINES[name], AWAITED[f"a{name}"]
    assert isinstance(line, handle)
    assert isinstance(sibling, awaited_handle)
    assert sibling.async_held is line.async_held
    for shell, kind in ((Client, line.held), (AsyncClient, line.async_held)):
        assert inspect.signature(inspect.getattr_static(shell, name)).return_annotation == kind.__name__


def test_a_line_is_on_the_line_below_in_the_same_order() -> None:
    for table, siblings in (
        (values.Strings, values.AwaitedStrings),
        (values.Keys, values.AwaitedKeys),
        (values.Locks, values.AwaitedLocks),
        (values.Whole, values.AwaitedWhole),
    ):
        assert [f"a{name}" for name in lines_of(table)] == list(lines_of(siblings))


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
        handle(locks.terms, Lock, AsyncLock),
        awaited_handle(locks.terms, AsyncLock),
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
