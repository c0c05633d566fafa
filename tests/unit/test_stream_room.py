"""How much of what is asked may leave a stream at once.

Fails where more bytes are on their way than WINDOW, where one request of more than that is never
sent, where what waits its turn is overtaken, or where something that waited is told that it was sent.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.streams import bulk, feed, in_made_time, loop, lost, made, ticks
from vkcache.shell.wire.stream import WINDOW

HALF = b"h" * (WINDOW // 2 + 1)


@in_made_time
async def test_what_goes_beyond_the_window_waits_for_replies() -> None:
    stream, transport = made()
    asked = [stream.send(HALF) for _ in range(5)]
    await ticks()
    assert sum(map(len, transport.written)) == 2 * len(HALF)
    feed(stream, bulk(b"0"))
    await ticks()
    assert sum(map(len, transport.written)) == 3 * len(HALF)
    feed(stream, bulk(b"1", b"2"))
    await ticks()
    feed(stream, bulk(b"3", b"4"))
    assert [reply.result() for reply in asked] == [b"0", b"1", b"2", b"3", b"4"]
    assert sum(map(len, transport.written)) == 5 * len(HALF)


@in_made_time
async def test_a_request_larger_than_the_window_goes_alone() -> None:
    stream, transport = made()
    large, small = stream.send(b"l" * (3 * WINDOW)), stream.send(b"s")
    await ticks()
    assert list(map(len, transport.written)) == [3 * WINDOW]
    feed(stream, bulk(b"L"))
    await ticks()
    assert transport.written[1:] == [b"s"]
    feed(stream, bulk(b"S"))
    assert [large.result(), small.result()] == [b"L", b"S"]


@in_made_time
async def test_what_waits_is_not_overtaken_by_what_is_smaller() -> None:
    stream, transport = made()
    first, second = stream.send(HALF + HALF), stream.send(b"2")
    await ticks()
    feed(stream, bulk(b"one"))
    third = stream.send(b"3")
    await ticks()
    assert transport.written[1:] == [b"23"]
    feed(stream, bulk(b"two", b"three"))
    assert [first.result(), second.result(), third.result()] == [b"one", b"two", b"three"]


@pytest.mark.parametrize("paused", [True, False])
@in_made_time
async def test_what_was_cancelled_while_it_waited_is_never_sent(paused: bool) -> None:
    stream, transport = made()
    first = stream.send(b"1" if paused else HALF + HALF)
    await ticks()
    if paused:
        stream.pause_writing()
    gone, last = stream.send(b"2"), stream.send(b"3")
    gone.cancel()
    if paused:
        stream.resume_writing()
    feed(stream, bulk(b"one"))
    await ticks()
    feed(stream, bulk(b"three"))
    assert transport.written[1:] == [b"3"]
    assert [first.result(), last.result()] == [b"one", b"three"]


@in_made_time
async def test_callers_who_have_gone_give_their_room_back_when_their_replies_came() -> None:
    stream, transport = made()
    for _ in range(4):
        gone, other = stream.send(HALF + HALF), stream.send(b"o")
        await ticks()
        gone.cancel()
        assert transport.written[-1] == HALF + HALF
        feed(stream, bulk(b"gone"))
        await ticks()
        feed(stream, bulk(b"other"))
        assert other.result() == b"other"


@in_made_time
async def test_while_the_transport_is_full_nothing_is_written() -> None:
    stream, transport = made()
    first = stream.send(b"1")
    await ticks()
    stream.pause_writing()
    second = stream.send(b"2")
    await ticks()
    feed(stream, bulk(b"one"))
    third = stream.send(b"3")
    await ticks()
    assert transport.written == [b"1"]
    stream.resume_writing()
    await ticks()
    assert transport.written == [b"1", b"23"]
    feed(stream, bulk(b"two", b"three"))
    assert [first.result(), second.result(), third.result()] == [b"one", b"two", b"three"]
    fourth = stream.send(b"4")
    await ticks()
    assert transport.written == [b"1", b"23", b"4"]
    feed(stream, bulk(b"four"))
    assert await fourth == b"four"


@in_made_time
async def test_what_waited_is_told_that_it_was_not_sent() -> None:
    stream, _ = made()
    written, held = stream.send(HALF + HALF), stream.send(b"2")
    await ticks()
    later = stream.send(b"3")
    stream.eof_received()
    assert [lost(reply).sent for reply in (written, held, later)] == [True, False, False]
    stream, _ = made()
    written = stream.send(b"1")
    await ticks()
    stream.pause_writing()
    held = stream.send(b"2")
    await ticks()
    stream.abort(TimeoutError())
    stream.resume_writing()
    await ticks()
    assert [lost(reply).sent for reply in (written, held, stream.send(b"3"))] == [True, False, False]


@in_made_time
async def test_what_was_let_go_and_not_yet_written_was_not_sent() -> None:
    stream, transport = made()
    stream.send(HALF + HALF)
    held = stream.send(b"2")
    await ticks()
    feed(stream, bulk(b"one"))
    stream.eof_received()
    assert not lost(held).sent
    await ticks()
    assert transport.written[1:] == []


@pytest.mark.parametrize("first", ["pong", "room"])
@in_made_time
async def test_a_stream_that_is_full_and_asked_whether_it_lives_waits_for_both(first: str) -> None:
    stream, transport = made(check_after=2.0)
    loop().now += 5
    asked = stream.send(b"1")
    await ticks()
    stream.pause_writing()
    steps = {"pong": lambda: feed(stream, b"+PONG\r\n"), "room": stream.resume_writing}
    steps.pop(first)()
    await ticks()
    assert len(transport.written) == 1
    steps.popitem()[1]()
    await ticks()
    assert transport.written[1:] == [b"1"]
    feed(stream, bulk(b"one"))
    assert await asyncio.wait_for(asked, 1) == b"one"
