"""The door at which steps are performed and errors are mapped or ignored.

Fails where an error reply reaches a decoder, where an ignored failure raises anything but what a
server that holds nothing would, where one command of a batch spoils the others, or where a result
is answered that the server did not give.
"""

from __future__ import annotations

import logging
import time
from typing import Any, cast

import pytest

from tests.unit.feeding import SPACE
from tests.unit.nodes import MadeNodes, Raised
from tests.unit.rows import ROWS, Row
from vkcache.core import compound, flights, keys, server, strings
from vkcache.core.plan import Batch, Call, Command, Features, GetFeatures, Now, Sleep, Token, Transaction
from vkcache.core.replies import Fault
from vkcache.errors import (
    AccessDenied,
    CacheError,
    InvalidArgument,
    KeyNotFound,
    OutOfMemory,
    ReplyError,
    TimedOut,
    Unreachable,
    WrongType,
)
from vkcache.shell.door import Door
from vkcache.shell.run import run, stream

DOWN = Raised(Unreachable("down"))
FAILURES = [
    DOWN,
    Raised(TimedOut("late")),
    Raised(AccessDenied("no")),  # while a connection is opened
    Fault("OOM no memory"),
    Fault("NOPERM no"),
    Fault("LOADING"),
]
GET, SET = strings.get(SPACE, "k"), strings.set(SPACE, "k", 5)


def test_a_command_answers_its_decoded_reply() -> None:
    nodes = MadeNodes(b"5", None)
    door = Door(nodes)
    assert door.command(GET) == 5
    assert door.perform(GET) is None
    assert nodes.asked == [b"GET p:1:k"] * 2


@pytest.mark.parametrize(
    ("said", "error"),
    [("WRONGTYPE it is a list", WrongType), ("OOM full", OutOfMemory), ("ERR no such key", KeyNotFound)],
)
def test_an_error_reply_is_raised_as_the_error_it_is(said: str, error: type[CacheError]) -> None:
    with pytest.raises(error, match="GET 'p:1:k': "):
        Door(MadeNodes(Fault(said))).command(GET)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_raised_where_nothing_is_ignored(failure: Any) -> None:
    with pytest.raises((Unreachable, ReplyError)):
        Door(MadeNodes(failure)).command(GET)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.asked))
def test_an_ignored_failure_is_answered_as_by_a_server_that_holds_nothing(row: Row) -> None:
    command = row.asked(SPACE)
    assert isinstance(command, Command)
    answers = [_answer(command, failure) for failure in FAILURES]
    assert all(answer == answers[0] for answer in answers)
    in_batch = Door(MadeNodes(DOWN), ignore=True).perform(Batch((command,)))
    assert [_comparable(answer) for answer in in_batch] == answers[:1]


def _answer(command: Command[Any], failure: Any) -> object:
    try:
        return Door(MadeNodes(failure), ignore=True).command(command)
    except KeyNotFound as error:
        return _comparable(error)


def _comparable(answer: object) -> object:
    return type(answer) if isinstance(answer, KeyNotFound) else answer


def test_the_callers_mistake_is_never_ignored() -> None:
    with pytest.raises(WrongType):
        Door(MadeNodes(Fault("WRONGTYPE a list")), ignore=True).command(GET)
    results = Door(MadeNodes([Fault("WRONGTYPE a list")]), ignore=True).perform(Batch((GET,)))
    assert isinstance(results[0], WrongType)


def test_ignored_failures_are_logged_where_that_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    Door(MadeNodes(DOWN), ignore=True).command(GET)
    assert caplog.records == []
    Door(MadeNodes(DOWN), ignore=True, log_ignored=True).command(GET)
    assert [(record.name, record.levelno) for record in caplog.records] == [("vkcache", logging.WARNING)]
    assert caplog.records[0].getMessage() == "Ignored: down"


def test_a_batch_is_one_request_and_an_error_stands_in_its_place() -> None:
    nodes = MadeNodes([b"5", Fault("OOM full"), [b"text"]])
    count = strings.incr(SPACE, "n")
    value, full, no_counter = Door(nodes).perform(Batch((GET, SET, count)))
    assert nodes.asked[0].startswith(b"GET p:1:k; SET p:1:k 5 PX 300000; EVAL ")
    assert value == 5
    assert isinstance(full, OutOfMemory)
    assert isinstance(no_counter, CacheError)


def test_an_ignored_error_in_a_batch_spoils_no_other() -> None:
    door = Door(MadeNodes([b"5", Fault("OOM full")]), ignore=True)
    assert door.perform(Batch((GET, SET))) == [5, False]


@pytest.mark.parametrize("step", [Batch((GET, SET)), Transaction((GET, SET)), GetFeatures()])
@pytest.mark.parametrize("failure", [DOWN, Raised(AccessDenied("wrong password"))])
def test_a_server_that_can_not_be_asked_is_the_callers_or_ignored(step: Any, failure: Raised) -> None:
    with pytest.raises((Unreachable, AccessDenied)):
        Door(MadeNodes(failure)).perform(step)
    expected = Features() if isinstance(step, GetFeatures) else [None, False]
    assert Door(MadeNodes(failure), ignore=True).perform(step) == expected


def test_a_transaction_answers_all_results_and_an_error_in_its_place() -> None:
    nodes = MadeNodes([b"5", b"OK"])
    assert Door(nodes).perform(Transaction((GET, SET))) == [5, True]
    assert nodes.asked == [b"MULTI; GET p:1:k; SET p:1:k 5 PX 300000"]
    five, error = Door(MadeNodes([b"5", Fault("OOM full")])).perform(Transaction((GET, SET)))
    assert (five, type(error)) == (5, OutOfMemory)


def test_features_are_those_of_the_nodes() -> None:
    features = Features("valkey", (9, 1))
    assert Door(MadeNodes(features)).perform(GetFeatures()) is features


def test_a_callable_is_called() -> None:
    assert Door(MadeNodes()).perform(Call(lambda: 5)) == 5
    with pytest.raises(ZeroDivisionError):
        Door(MadeNodes()).perform(Call(lambda: 1 // 0))


def test_a_coroutine_function_is_refused_and_leaves_no_warning() -> None:
    async def default() -> int:
        return 5

    with pytest.raises(InvalidArgument, match="give a plain function"):
        Door(MadeNodes()).perform(Call(default))


def test_another_awaitable_is_refused_too() -> None:
    class Later:
        def __await__(self) -> Any:
            yield

    with pytest.raises(InvalidArgument, match="give a plain function"):
        Door(MadeNodes()).perform(Call(Later))


def test_time_and_chance_are_the_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    door = Door(MadeNodes())
    door.perform(Sleep(1.5))
    assert slept == [1.5]
    tokens = [door.perform(Token()) for _ in range(100)]
    assert len(set(tokens)) == 100
    assert all(len(token) == 32 and int(token, 16) >= 0 for token in tokens)


def test_the_time_is_the_servers_and_counted_on_here(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    nodes = MadeNodes([b"12", b"500000"], [b"90", b"250000"])
    door = Door(nodes)
    assert door.perform(Now()) == 12.5
    passed[0] += 30
    assert door.perform(Now()) == 42.5
    assert nodes.asked == [b"TIME"]
    passed[0] += 30
    assert door.perform(Now()) == 90.25
    assert nodes.asked == [b"TIME"] * 2


@pytest.mark.parametrize("failure", [*FAILURES, 5])
@pytest.mark.parametrize("ignore", [False, True])
def test_where_the_server_does_not_tell_the_time_it_is_this_hosts(
    failure: Any, ignore: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 12.5)
    assert Door(MadeNodes(failure), ignore=ignore).perform(Now()) == 12.5


def test_all_plans_of_a_door_count_on_the_same_answer() -> None:
    nodes = MadeNodes([b"12", b"500000"])
    door = Door(nodes, ignore=True)
    assert door.of_plan().perform(Now()) <= door.of_plan().perform(Now())
    assert nodes.asked == [b"TIME"]


class Down(MadeNodes):
    """Nodes that nobody reaches."""

    def _answer(self) -> Any:
        raise Unreachable("down")


def test_no_plan_runs_for_ever_on_a_server_that_is_down_and_ignored() -> None:
    perform = Door(Down(), ignore=True).perform
    assert run(strings.get_many(SPACE, ["a"]), perform) == {}
    assert run(strings.set_many(SPACE, {"a": 1, "b": 2}), perform) == ["a", "b"]
    assert run(strings.mset(SPACE, {"a": 1, "b": 2}), perform) is False
    assert run(flights.get_or_set(SPACE, "k", lambda: 7), perform) == 7
    assert run(keys.keys(SPACE), perform) == []
    assert list(stream(keys.iter_keys(SPACE), perform)) == []
    assert run(keys.delete_pattern(SPACE, "*"), perform) == 0
    assert run(keys.clear(SPACE), perform) is True
    assert run(compound.reinsert_keys(SPACE), perform) == 0
    assert run(server.info(SPACE), perform) == {}
    for plan in (
        compound.incr(SPACE, "k"),
        compound.incr(SPACE, "k", 0.5, ignore_key_check=True),
        compound.rename(SPACE, "a", "b"),
        compound.incr_version(SPACE, "k"),
    ):
        with pytest.raises(KeyNotFound):
            run(cast(Any, plan), perform)


def test_a_plan_waits_for_a_dead_server_once_where_errors_are_ignored() -> None:
    nodes = MadeNodes(Raised(TimedOut("no answer")))
    plan = flights.get_or_set(SPACE, "k", lambda: 5)
    assert run(plan, Door(nodes, ignore=True).of_plan().perform) == 5
    assert nodes.asked == [b"GET p:1:k"]


@pytest.mark.parametrize("reply", [b"text", [1], 5])
def test_a_reply_of_another_shape_is_the_servers_error(reply: object) -> None:
    with pytest.raises(ReplyError, match=r"SCAN: the reply has not the shape"):
        Door(MadeNodes(reply)).perform(keys.scan(SPACE))
