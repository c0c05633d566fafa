"""The words in which the core speaks to a shell.

Fails where the wrong arguments of a command are taken for keys, where a step is no plan of its own
that answers its result, or where a step can be changed after it was made.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

from vkcache.core.plan import (
    ALL,
    COUNTED,
    COUNTED_PAIRS,
    FIRST,
    FIRST_TWO,
    NO_KEYS,
    PAIRS,
    Arg,
    Batch,
    Call,
    Command,
    Done,
    Features,
    GetFeatures,
    KeySpec,
    Now,
    Sleep,
    Step,
    Token,
    Transaction,
    Verb,
)
from vkcache.core.replies import ok


@pytest.mark.parametrize(
    ("spec", "args", "keys"),
    [
        (NO_KEYS, (b"0", b"MATCH", b"*"), ()),
        (NO_KEYS, (), ()),
        (FIRST, (b"k", b"v"), (b"k",)),
        (FIRST_TWO, (b"a", b"b", b"c"), (b"a", b"b")),
        (ALL, (b"a", b"b", b"c"), (b"a", b"b", b"c")),
        (PAIRS, (b"a", b"1", b"b", b"2"), (b"a", b"b")),
        (KeySpec(1, -2), (b"a", b"b", b"0"), (b"a", b"b")),  # BLPOP: a time-out stands last
        (KeySpec(2, 2), (b"ENCODING", b"k"), (b"k",)),  # OBJECT ENCODING
        (COUNTED, (b"script", 2, b"a", b"b", b"arg"), (b"a", b"b")),
        (COUNTED, (b"script", b"0", b"arg"), ()),
        (KeySpec(1, 0, 0, word=b"STREAMS"), (b"COUNT", 5, b"STREAMS", b"a", b"b", "0", "$"), (b"a", b"b")),
        (KeySpec(4, 0, 0, word=b"STREAMS"), (b"GROUP", b"STREAMS", b"c", b"STREAMS", b"a", "0"), (b"a",)),
        (COUNTED_PAIRS, (2, b"a", b"1", b"b", b"2", b"PX", 5), (b"a", b"b")),
    ],
)
def test_the_keys_of_a_command(spec: KeySpec, args: tuple[Arg, ...], keys: tuple[Arg, ...]) -> None:
    command = Command(Verb(b"ANY", spec), args, ok)
    assert command.keys == keys
    assert [args[position] for position in spec.positions(args)] == list(keys)


COMMAND = Command(Verb(b"GET"), (b"k",), ok)
STEPS: list[Step[Any]] = [
    COMMAND,
    Batch((COMMAND,)),
    Transaction((COMMAND,)),
    Call(dict),
    Sleep(1.5),
    Now(),
    Token(),
    GetFeatures(),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_step_is_a_plan_of_itself(step: Step[Any]) -> None:
    plan = iter(step)
    assert next(plan) is step
    with pytest.raises(StopIteration) as end:
        plan.send("its result")
    assert end.value.value == "its result"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_step_stays_as_it_was_made(step: Step[Any]) -> None:
    with pytest.raises((FrozenInstanceError, AttributeError)):
        step.anything = 1  # type: ignore[attr-defined]  # that it can not is the point


def test_commands_are_equal_where_they_send_the_same() -> None:
    assert Command(Verb(b"GET"), (b"k",), ok) == Command(Verb(b"GET"), (b"k",), bool)
    assert Command(Verb(b"GET"), (b"k",), ok) != Command(Verb(b"GET"), (b"l",), ok)


def test_what_is_known_needs_no_step() -> None:
    with pytest.raises(StopIteration) as end:
        next(iter(Done(5)))
    assert end.value.value == 5


def test_what_is_safe_to_repeat() -> None:
    assert Verb(b"GET", readonly=True).repeatable
    assert Verb(b"SET", idempotent=True).repeatable
    assert not Verb(b"INCR").repeatable


@pytest.mark.parametrize(
    ("server", "version", "msetex"),
    [
        ("valkey", (9, 1, 0), True),
        ("valkey", (9, 0, 9), False),
        ("valkey", (10,), True),
        ("redis", (8, 4), True),
        ("redis", (8, 3, 9), False),
        ("redis", (9, 0), True),
        ("valkey", (8, 4), False),
    ],
)
def test_which_servers_have_msetex(server: str, version: tuple[int, ...], msetex: bool) -> None:
    assert Features(server, version).msetex is msetex


def test_of_an_unknown_server_nothing_newer_is_assumed() -> None:
    assert not Features().msetex
