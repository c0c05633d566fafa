"""What a stream does as time passes.

Fails where a request waits for longer than its time-out or is given up before, where a loop that was
held up takes it out on the server, where there is more than one timer, or where something is written
to a connection that has died in silence and its caller is told that it may have been carried out.
"""

from __future__ import annotations

import asyncio
import math

import pytest

from tests.unit.streams import bulk, feed, in_made_time, loop, lost, made, ticks
from vkcache.shell.wire.connection import packed
from vkcache.shell.wire.stream import Lost

PING = packed(b"PING")


@in_made_time
async def test_a_request_is_given_up_when_its_time_is_over_and_all_others_with_it() -> None:
    stream, transport = made(timeout=1.0)
    first = stream.send(b"1")
    await asyncio.sleep(0.6)
    second = stream.send(b"2")
    await asyncio.sleep(0.399)
    assert not first.done()
    await asyncio.sleep(0.002)
    third = stream.send(b"3")
    errors = [lost(reply) for reply in (first, second, third)]
    assert [isinstance(error.cause, TimeoutError) for error in errors] == [True] * 3
    assert [error.sent for error in errors] == [True, True, False]
    assert transport.aborted


@in_made_time
async def test_one_timer_is_enough_and_watches_the_oldest() -> None:
    stream, _ = made(timeout=1.0)
    for number in range(20):
        stream.send(b"x")
        await ticks()
        assert len(loop().timers) == 1
        if number:
            feed(stream, bulk(b"answered"))
        loop().now += 0.01
    stream.send(b"last").cancel()
    assert loop().pending() == [1001.0]
    feed(stream, bulk(b"a"))
    last = loop().now
    loop().now = 1001.0
    await ticks()
    assert len(loop().timers) == 2
    assert math.isclose(loop().pending()[0], last + 1.0)
    with pytest.raises(TimeoutError, match="no answer"):
        await _cause(stream.send(b"beyond"))


async def _cause(reply: asyncio.Future[object]) -> None:
    try:
        await reply
    except Lost as error:
        raise error.cause from None


@in_made_time
async def test_where_nothing_is_owed_no_timer_is_set_again() -> None:
    stream, _ = made(timeout=1.0)
    for _ in range(3):
        asked = stream.send(b"1")
        await ticks()
        feed(stream, bulk(b"one"))
        assert asked.result() == b"one"
        await asyncio.sleep(50)
        assert loop().pending() == []
        assert stream.lost is None


@in_made_time
async def test_without_a_time_out_there_is_no_timer() -> None:
    stream, _ = made(timeout=None)
    asked = stream.send(b"1")
    await asyncio.sleep(10**6)
    feed(stream, bulk(b"one"))
    assert await asked == b"one"


@in_made_time
async def test_bytes_that_come_one_by_one_win_no_time() -> None:
    stream, _ = made(timeout=1.0)
    asked = stream.send(b"1")
    for byte in bulk(b"a long reply"):
        await asyncio.sleep(0.1)
        if stream.lost is not None:
            break
        feed(stream, bytes([byte]))
    assert isinstance(lost(asked).cause, TimeoutError)
    assert loop().now < 1001.2


@in_made_time
async def test_what_a_caller_who_has_gone_is_owed_is_still_watched() -> None:
    stream, _ = made(timeout=1.0)
    stream.send(b"1").cancel()
    await asyncio.sleep(1.1)
    assert isinstance(stream.lost, TimeoutError)


@in_made_time
async def test_after_a_loop_was_held_up_what_has_come_is_read_first() -> None:
    stream, _ = made(timeout=1.0)
    first, second = stream.send(b"1"), stream.send(b"2")
    await ticks()
    loop().now += 3
    await ticks()
    assert stream.lost is None
    feed(stream, bulk(b"one", b"two"))
    assert [await first, await second] == [b"one", b"two"]
    await asyncio.sleep(5)
    assert stream.lost is None


@in_made_time
async def test_a_request_is_spared_for_the_loops_sake_once() -> None:
    stream, _ = made(timeout=1.0)
    asked = stream.send(b"1")
    await ticks()
    loop().now += 3
    await ticks()
    assert not asked.done()
    loop().now += 3
    await ticks()
    assert isinstance(lost(asked).cause, TimeoutError)


@in_made_time
async def test_a_timer_that_is_hardly_late_spares_nobody() -> None:
    stream, _ = made(timeout=1.0)
    asked = stream.send(b"1")
    await ticks()
    loop().now += 1.04
    await ticks()
    assert isinstance(lost(asked).cause, TimeoutError)


@in_made_time
async def test_after_a_silence_a_ping_goes_first_and_nothing_else_until_it_is_answered() -> None:
    stream, transport = made(check_after=2.0)
    await asyncio.sleep(2.5)
    first = stream.send(b"1")
    await ticks()
    second = stream.send(b"2", 1)
    await ticks()
    assert transport.written == [PING]
    feed(stream, b"+PONG\r\n")
    await ticks()
    assert transport.written == [PING, b"12"]
    feed(stream, bulk(b"one", b"two"))
    assert [first.result(), second.result()] == [b"one", [b"two"]]
    await asyncio.sleep(1.5)
    stream.send(b"3")
    await ticks()
    assert transport.written == [PING, b"12", b"3"]


@in_made_time
async def test_an_error_is_an_answer_to_a_ping_too() -> None:
    stream, transport = made(check_after=2.0)
    await asyncio.sleep(2.5)
    stream.send(b"1")
    await ticks()
    feed(stream, b"-NOPERM no\r\n")
    await ticks()
    assert transport.written == [PING, b"1"]


@in_made_time
async def test_where_something_is_owed_nothing_is_asked_beside_it() -> None:
    stream, transport = made(check_after=2.0, timeout=None)
    stream.send(b"1")
    await asyncio.sleep(5)
    stream.send(b"2")
    await ticks()
    assert transport.written == [b"1", b"2"]


@pytest.mark.parametrize("how", ["no answer", "eof"])
@in_made_time
async def test_what_waits_for_a_ping_that_fails_was_not_sent_and_may_be_tried_again(how: str) -> None:
    stream, transport = made(check_after=2.0, timeout=1.0)
    await asyncio.sleep(2.5)
    asked = stream.send(b"1")
    await ticks()
    if how == "eof":
        stream.eof_received()
    else:
        await asyncio.sleep(1.01)
    error = lost(asked)
    assert isinstance(error.cause, ConnectionError)
    assert not error.sent
    await ticks()
    assert transport.written == [PING]


@in_made_time
async def test_what_a_ping_let_go_is_watched_even_if_the_timer_fell_in_between() -> None:
    stream, transport = made(check_after=2.0, timeout=1.0)
    await asyncio.sleep(2.5)
    asked = stream.send(b"1")
    await ticks()
    due = loop().now + 1.0
    loop().call_at(due - 0.001, feed, stream, b"+PONG\r\n")
    loop().now = due  # both in one tick: the answer is read, then the timer is due
    await ticks(5)
    assert transport.written == [PING, b"1"] or stream.lost is not None
    await asyncio.sleep(5)
    assert isinstance(lost(asked).cause, (TimeoutError, ConnectionError))


@pytest.mark.parametrize(("silence", "sent"), [(0.5, True), (1.5, False)])
@in_made_time
async def test_after_a_silence_what_has_come_meanwhile_is_read_first(silence: float, sent: bool) -> None:
    stream, transport = made()
    stream.send(b"0")
    await ticks()
    feed(stream, bulk(b"zero"))
    await asyncio.sleep(silence)
    asked = stream.send(b"1")
    loop().call_soon(stream.eof_received)  # as the selector would, which finds it in the next round
    await ticks()
    assert lost(asked).sent is sent
    assert transport.written[1:] == ([b"1"] if sent else [])
