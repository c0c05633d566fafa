"""How requests leave a stream, and how replies find their callers.

Fails where a reply reaches another caller than its own, however it arrives and whoever has gone
meanwhile; where a tick makes more than one write; or where a caller is told that its request never
left, and it did.
"""

from __future__ import annotations

import asyncio

import libvalkey
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.streams import MadeLoop, bulk, busy, feed, in_made_time, loop, lost, made, ticks
from vkcache.core.replies import Fault
from vkcache.shell.wire.stream import Stream

PIECES = [1, 2, 3, 7, 65536]


@in_made_time
async def test_what_is_sent_within_a_tick_leaves_in_one_write() -> None:
    stream, transport = made()
    busy()
    stream.send(b"a")
    stream.send(b"b")
    assert transport.written == []
    await ticks(1)
    assert transport.written == [b"ab"]
    stream.send(b"c")
    await ticks()
    assert transport.written == [b"ab", b"c"]


@in_made_time
async def test_where_nothing_can_join_it_a_request_leaves_at_once() -> None:
    stream, transport = made()
    first = stream.send(b"a")
    assert transport.written == [b"a"]
    busy()
    second = stream.send(b"b")
    assert transport.written == [b"a"]
    await ticks()
    third = stream.send(b"c")
    assert transport.written == [b"a", b"b", b"c"]
    feed(stream, bulk(b"A", b"B", b"C"))
    assert [first.result(), second.result(), third.result()] == [b"A", b"B", b"C"]


@in_made_time
async def test_a_loop_that_does_not_tell_what_it_has_to_do_writes_at_the_end_of_the_tick() -> None:
    ready, loop().__dict__["_ready"] = loop().__dict__["_ready"], None
    stream, transport = made()
    loop().__dict__["_ready"] = ready
    stream.send(b"a")
    stream.send(b"b")
    assert transport.written == []
    await ticks()
    assert transport.written == [b"ab"]


@in_made_time
async def test_what_several_tasks_send_within_a_tick_leaves_in_one_write() -> None:
    stream, transport = made()

    async def ask(payload: bytes) -> object:
        return await stream.send(payload)

    tasks = [asyncio.create_task(ask(payload)) for payload in (b"a", b"b", b"c")]
    await ticks(2)
    assert transport.written == [b"abc"]
    feed(stream, bulk(b"A", b"B", b"C"))
    assert await asyncio.gather(*tasks) == [b"A", b"B", b"C"]


@pytest.mark.parametrize("piece", PIECES)
@in_made_time
async def test_replies_are_handed_out_in_order_however_they_arrive(piece: int) -> None:
    stream, _ = made()
    asked = [stream.send(b"x") for _ in range(6)]
    await ticks()
    long = bytes(range(256)) * 600
    feed(stream, bulk(b"one", long) + b":5\r\n$-1\r\n*2\r\n:1\r\n*1\r\n+two\r\n-ERR no\r\n", piece)
    *values, fault = [reply.result() for reply in asked]
    assert values == [b"one", long, 5, None, [1, [b"two"]]]
    assert isinstance(fault, Fault)
    assert str(fault) == "ERR no"


@pytest.mark.parametrize("piece", PIECES)
@in_made_time
async def test_with_a_count_the_reply_is_a_list_of_so_many(piece: int) -> None:
    stream, _ = made()
    first, many, one, last = stream.send(b"a"), stream.send(b"b", 3), stream.send(b"c", 1), stream.send(b"d")
    await ticks()
    feed(stream, bulk(b"1", b"2") + b"-ERR no\r\n" + bulk(b"3", b"4", b"5"), piece)
    assert [first.result(), one.result(), last.result()] == [b"1", [b"4"], b"5"]
    two, fault, three = many.result()
    assert (two, type(fault), three) == (b"2", Fault, b"3")


@in_made_time
async def test_a_list_is_handed_out_when_it_is_whole() -> None:
    stream, _ = made()
    many = stream.send(b"b", 2)
    await ticks()
    feed(stream, bulk(b"1"))
    assert not many.done()
    feed(stream, bulk(b"2"))
    assert many.result() == [b"1", b"2"]


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("when", ["before the write", "after it", "amid the reply"])
@in_made_time
async def test_the_reply_of_a_caller_who_has_gone_is_thrown_away(count: int, when: str) -> None:
    stream, transport = made()
    busy()
    gone, other = stream.send(b"a", count), stream.send(b"b")
    replies = bulk(*[b"not yours"] * max(count, 1), b"yours")
    if when != "before the write":
        await ticks()
    begun = 5 if when == "amid the reply" else 0
    await ticks(begun)
    feed(stream, replies[:begun])
    gone.cancel()
    await ticks()
    feed(stream, replies[begun:])
    assert other.result() == b"yours"
    assert transport.written == [b"ab"]
    assert stream.lost is None


@pytest.mark.parametrize("piece", PIECES)
@in_made_time
async def test_more_than_was_asked_for_ends_the_stream(piece: int) -> None:
    stream, transport = made()
    asked = stream.send(b"a")
    await ticks()
    feed(stream, bulk(b"mine", b"nobody's"), piece)
    assert asked.result() == b"mine"
    assert isinstance(stream.lost, libvalkey.ProtocolError)
    assert transport.aborted


@pytest.mark.parametrize("silence", [0.0, 5.0])
@in_made_time
async def test_what_comes_before_a_request_was_written_is_not_its_reply(silence: float) -> None:
    stream, transport = made()
    loop().now += silence
    busy()
    asked = stream.send(b"a")
    feed(stream, bulk(b"of somebody else"))
    assert isinstance(stream.lost, libvalkey.ProtocolError)
    assert not lost(asked).sent
    await ticks()
    assert transport.written == []


@in_made_time
async def test_what_comes_beyond_the_written_is_not_the_reply_of_the_next() -> None:
    stream, _ = made()
    first = stream.send(b"a")
    await ticks()
    busy()
    second = stream.send(b"b")
    feed(stream, bulk(b"A", b"nobody's"))
    assert first.result() == b"A"
    assert not lost(second).sent


@in_made_time
async def test_what_is_no_reply_ends_the_stream_and_replies_before_it_count() -> None:
    stream, transport = made()
    first, second = stream.send(b"a"), stream.send(b"b")
    await ticks()
    feed(stream, bulk(b"A") + b"?what\r\n")
    assert first.result() == b"A"
    error = lost(second)
    assert isinstance(error.cause, libvalkey.ProtocolError)
    assert error.sent
    assert transport.aborted


def _eof(stream: Stream) -> None:
    stream.eof_received()


def _cut(stream: Stream) -> None:
    stream.connection_lost(None)


def _reset(stream: Stream) -> None:
    stream.connection_lost(ConnectionResetError("it broke"))


@pytest.mark.parametrize(("end", "said"), [(_eof, "closed"), (_cut, "closed"), (_reset, "it broke")])
@in_made_time
async def test_all_are_told_of_the_end_and_whether_they_were_sent(end: object, said: str) -> None:
    stream, transport = made()
    busy()
    answered, written, part = stream.send(b"a"), stream.send(b"b"), stream.send(b"c", 2)
    await ticks()
    feed(stream, bulk(b"A"))
    busy()
    waiting = stream.send(b"d")
    assert callable(end)
    end(stream)
    assert answered.result() == b"A"
    assert [lost(reply).sent for reply in (written, part, waiting)] == [True, True, False]
    assert said in str(lost(written))
    assert all(isinstance(lost(reply).cause, ConnectionError) for reply in (written, part, waiting))
    await ticks()
    assert transport.written == [b"abc"]


@in_made_time
async def test_the_first_cause_is_the_one_that_is_told() -> None:
    stream, transport = made()
    stream.abort(TimeoutError("first"))
    stream.eof_received()
    assert str(stream.lost) == "first"
    assert not stream.gone.done()
    await ticks()
    assert transport.aborted
    assert stream.gone.done()


@pytest.mark.parametrize("check_after", [0, 2.0])
@in_made_time
async def test_through_a_lost_stream_nothing_leaves_and_no_timer_is_set(check_after: float) -> None:
    stream, transport = made(check_after=check_after)
    stream.abort(ConnectionResetError("gone"))
    for _ in range(2):
        loop().now += 5
        error = lost(stream.send(b"a"))
        assert (str(error), error.sent) == ("gone", False)
        await ticks()
    assert transport.written == []
    assert loop().pending() == []


@in_made_time
async def test_nobody_need_be_there_to_be_told() -> None:
    stream, _ = made()
    stream.send(b"a").cancel()
    await ticks()
    stream.send(b"b").cancel()
    stream.eof_received()
    stream.send(b"c").cancel()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_happens_each_caller_gets_its_own(data: st.DataObject) -> None:
    """The other side answers every line with the line itself."""

    async def main() -> None:
        stream, transport = made()
        asked: dict[bytes, asyncio.Future[object]] = {}
        answered = taken = 0
        for number in range(data.draw(st.integers(1, 30))):
            action = data.draw(st.sampled_from(["send", "send many", "cancel", "tick", "answer", "answer"]))
            name, line = b"%d" % number, b"".join(transport.written)
            if data.draw(st.booleans()):
                busy()
            if action == "send":
                asked[name] = stream.send(name + b"\n")
            elif action == "send many":
                asked[name] = stream.send((name + b"\n") * 3, 3)
            elif action == "cancel" and asked:
                data.draw(st.sampled_from(list(asked.values()))).cancel()
            elif action == "tick":
                await ticks()
            else:
                replies = bulk(*line.split(b"\n")[:-1])
                taken = data.draw(st.integers(answered, len(replies)))
                feed(stream, replies[answered:taken], data.draw(st.integers(1, 40)))
                answered = taken
        await ticks()
        feed(stream, bulk(*b"".join(transport.written).split(b"\n")[:-1])[answered:])
        for name, reply in asked.items():
            assert reply.cancelled() or reply.result() in (name, [name] * 3)
        assert stream.lost is None

    made_loop = MadeLoop()
    with asyncio.Runner(loop_factory=lambda: made_loop) as runner:
        runner.run(main())
