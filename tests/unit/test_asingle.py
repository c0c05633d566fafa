"""The life of a request to one server as a task sees it, over streams made by hand.

Fails where a request that may have been carried out is sent twice, where one that is safe to repeat
is given up after a restart of the server, or where a caller is told that nothing can have happened
and it can.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from tests.unit.feeding import SPACE
from tests.unit.streams import MadeDial, answering, bulk, busy, cutting, in_made_time, silent, ticks
from vkcache.core import lists, strings
from vkcache.core.plan import Command, Features
from vkcache.core.replies import Fault
from vkcache.errors import InvalidArgument, TimedOut, Unreachable
from vkcache.shell.nodes.asingle import AsyncSingle

GET, SET, INCR = strings.get(SPACE, "k"), strings.set(SPACE, "k", 5), strings.incr(SPACE, "k")
BLPOP = lists.blpop(SPACE, "k", timeout=0)
GOT = b"*2\r\n$3\r\nGET\r\n$5\r\np:1:k\r\n"
RESET = ConnectionResetError("it broke")


def single(*ways: object) -> tuple[AsyncSingle, MadeDial]:
    dial = MadeDial(*ways)  # type: ignore[arg-type]  # ways of several kinds
    return AsyncSingle(dial, "valkey://host"), dial


@in_made_time
async def test_a_request_is_packed_and_its_stream_used_again() -> None:
    nodes, dial = single(answering(bulk(b"5"), bulk(b"6")))
    assert [await nodes.ask(GET), await nodes.ask(GET)] == [b"5", b"6"]
    assert dial.written == [GOT * 2]
    assert dial.asked == [False]


@in_made_time
async def test_a_batch_is_one_request_and_an_error_stands_in_its_place() -> None:
    nodes, dial = single(answering(bulk(b"5") + b"-ERR no\r\n"))
    five, fault = await nodes.ask_all([GET, GET])
    assert (five, type(fault)) == (b"5", Fault)
    assert dial.written == [GOT * 2]


@in_made_time
async def test_a_transaction_is_one_request_between_multi_and_exec() -> None:
    replies = b"+OK\r\n+QUEUED\r\n*1\r\n" + bulk(b"5")
    nodes, dial = single(answering(replies, b"+OK\r\n-ERR no\r\n-EXECABORT x\r\n"))
    assert await nodes.transact([GET]) == [b"5"]
    assert dial.written == [b"*1\r\n$5\r\nMULTI\r\n" + GOT + b"*1\r\n$4\r\nEXEC\r\n"]
    assert [str(reply) for reply in await nodes.transact([GET])] == ["ERR no"]


@pytest.mark.parametrize("command", [GET, SET])
@in_made_time
async def test_what_is_safe_to_repeat_is_repeated_once(command: Command[object]) -> None:
    nodes, dial = single(cutting(), answering(bulk(b"OK")))
    assert await nodes.ask(command) == b"OK"
    assert dial.written[0] == dial.written[1]
    nodes, dial = single(cutting(), cutting(RESET))
    with pytest.raises(Unreachable, match="valkey://host: it broke") as caught:
        await nodes.ask(command)
    assert caught.value.maybe_executed
    assert caught.value.__cause__ is RESET
    assert len(dial.opened) == 2


@in_made_time
async def test_what_is_not_safe_to_repeat_is_not_repeated_once_it_was_sent() -> None:
    nodes, dial = single(cutting(RESET))
    with pytest.raises(Unreachable, match="it broke") as caught:
        await nodes.ask(INCR)
    assert caught.value.maybe_executed
    nodes, dial = single(cutting(RESET))
    with pytest.raises(Unreachable) as caught:
        await nodes.ask_all([GET, INCR])
    assert caught.value.maybe_executed
    nodes, dial = single(cutting(RESET))
    with pytest.raises(Unreachable):
        await nodes.transact([GET, INCR])
    assert len(dial.opened) == 1


@pytest.mark.parametrize("commands", [[INCR], [GET, INCR]])
@in_made_time
async def test_what_never_left_is_repeated(commands: list[Command[object]]) -> None:
    nodes, dial = single(answering(bulk(b"5")), answering(b":6\r\n" * len(commands)))
    assert await nodes.ask(GET) == b"5"
    busy()
    asked = asyncio.ensure_future(nodes.ask_all(commands))
    await _begun(asked)
    dial.opened[0][0].eof_received()
    assert await asked == [6] * len(commands)
    assert dial.written[0] == GOT


async def _begun(task: asyncio.Future[Any]) -> None:
    """Let *task* begin, and no more: what it sends is not written yet."""
    busy()
    await asyncio.sleep(0)
    assert not task.done()


@in_made_time
async def test_a_request_whose_time_ran_out_is_not_repeated() -> None:
    nodes, dial = single(silent)
    with pytest.raises(TimedOut, match="valkey://host: no answer within socket_timeout") as caught:
        await nodes.ask(GET)
    assert caught.value.maybe_executed
    assert len(dial.opened) == 1


@in_made_time
async def test_what_is_no_reply_is_an_error_of_the_network_and_not_repeated() -> None:
    nodes, dial = single(answering(b"?what\r\n"))
    with pytest.raises(Unreachable, match="valkey://host: ") as caught:
        await nodes.ask(GET)
    assert caught.value.maybe_executed
    assert len(dial.opened) == 1


@in_made_time
async def test_what_was_sent_may_be_executed_though_the_second_opening_fails() -> None:
    nodes, _ = single(cutting(RESET), Unreachable("refused"))
    with pytest.raises(Unreachable, match="refused") as caught:
        await nodes.ask(SET)
    assert caught.value.maybe_executed


@in_made_time
async def test_where_nothing_was_ever_sent_nothing_can_be_executed() -> None:
    nodes, _ = single(Unreachable("refused"))
    with pytest.raises(Unreachable, match="refused") as caught:
        await nodes.ask(INCR)
    assert not caught.value.maybe_executed


@in_made_time
async def test_what_waits_has_a_stream_to_itself() -> None:
    nodes, dial = single(silent, answering(bulk(b"5")))
    wait = asyncio.ensure_future(nodes.ask(BLPOP))
    await ticks(5)
    assert await nodes.ask(GET) == b"5"
    assert dial.asked == [True, False]
    await nodes.aclose()
    with pytest.raises(Unreachable, match="closed meanwhile"):
        await wait


@in_made_time
async def test_what_waits_is_repeated_only_where_it_never_left() -> None:
    nodes, dial = single(cutting(RESET))
    with pytest.raises(Unreachable) as caught:
        await nodes.ask(BLPOP)
    assert caught.value.maybe_executed
    nodes, dial = single(answering(b"*-1\r\n"), answering(b"*-1\r\n"))
    await nodes.ask(BLPOP)
    wait = asyncio.ensure_future(nodes.ask(BLPOP))
    await _begun(wait)
    dial.opened[0][0].eof_received()
    assert await wait is None
    assert len(dial.opened) == 2


@in_made_time
async def test_what_can_not_be_sent_is_refused_before_anything_is_opened() -> None:
    nodes, dial = single()
    wrong = Command(GET.verb, ("\ud800",), lambda reply: reply)
    with pytest.raises(InvalidArgument):
        await nodes.ask(wrong)
    with pytest.raises(InvalidArgument):
        await nodes.ask_all([wrong])
    assert dial.asked == []


@in_made_time
async def test_features_are_known_once_connected() -> None:
    nodes, dial = single(silent)
    assert await nodes.features() == await nodes.features() == Features("valkey", (9, 1, 0))
    assert dial.written == [b""]
    await nodes.aclose()


@in_made_time
async def test_after_a_close_the_next_call_opens_anew_and_what_was_under_way_is_not_repeated() -> None:
    nodes, dial = single(silent, answering(bulk(b"5")))
    asked = asyncio.ensure_future(nodes.ask(GET))
    await ticks(5)
    await nodes.aclose()
    with pytest.raises(Unreachable, match="closed meanwhile"):
        await asked
    assert await nodes.ask(GET) == b"5"
    assert [transport.aborted for _, transport in dial.opened] == [True, False]


def test_each_loop_has_its_own_and_leaves_nothing() -> None:
    nodes, dial = single(*[answering(bulk(b"5"))] * 3)
    dial._ways = [answering(bulk(b"5")) for _ in range(3)]
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        assert await nodes.ask(GET) == b"5"

    for _ in range(3):
        in_made_time(main)()
    assert all(stream.gone.done() for stream, _ in dial.opened)
    dial.opened.clear()
    gc.collect()
    assert [known() for known in loops] == [None] * 3
