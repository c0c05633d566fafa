"""What an event loop has of one server: when streams are opened, shared, lent and closed.

Fails where many askers open many streams, where one asker's end is another's, where a stream is
lent again that is still owed a reply, or where something is left behind, an error that nobody was
told among it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.streams import MadeDial, answering, bulk, feed, in_made_time, silent, ticks
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell.nodes.home import Home
from vkcache.shell.wire.connection import packed
from vkcache.shell.wire.stream import Lost

UNBLOCK = packed(b"CLIENT", b"UNBLOCK", 8)
"""For the second stream that was opened."""


@in_made_time
async def test_many_askers_open_one_stream() -> None:
    dial = MadeDial(silent)
    home = Home(dial)
    streams = await asyncio.gather(*(home.connected() for _ in range(20)))
    assert {id(stream) for stream in streams} == {id(dial.opened[0][0])}
    assert await home.connected() is streams[0]
    assert streams[0].owner is home
    assert dial.asked == [False]
    await home.close()


@in_made_time
async def test_each_asker_has_an_error_of_its_own() -> None:
    problem = TimedOut("slow")
    problem.maybe_executed = True
    home = Home(MadeDial(problem))
    errors = await asyncio.gather(*(home.connected() for _ in range(5)), return_exceptions=True)
    assert len({id(error) for error in errors}) == 5
    for error in errors:
        assert isinstance(error, TimedOut)
        assert (str(error), error.maybe_executed, error.__cause__) == ("slow", True, problem)


@in_made_time
async def test_after_an_opening_that_failed_the_next_asker_tries_again() -> None:
    dial = MadeDial(Unreachable("down"), silent)
    home = Home(dial)
    with pytest.raises(Unreachable, match="down"):
        await home.connected()
    assert (await home.connected()).lost is None
    await home.close()


@in_made_time
async def test_after_a_stream_was_lost_the_next_asker_opens_another() -> None:
    dial = MadeDial(silent, silent)
    home = Home(dial)
    first = await home.connected()
    first.eof_received()
    assert await home.connected() is not first
    await home.close()


@in_made_time
async def test_an_asker_who_goes_leaves_the_opening_to_the_others() -> None:
    dial = MadeDial(silent)
    dial.gate = asyncio.Event()
    home = Home(dial)
    gone, other = (asyncio.create_task(home.connected()) for _ in range(2))
    await ticks()
    gone.cancel()
    await ticks()
    assert gone.cancelled()
    dial.gate.set()
    assert await other is dial.opened[0][0]
    await home.close()


@pytest.mark.parametrize("way", [silent, Unreachable("down")])
@in_made_time
async def test_an_opening_that_nobody_awaits_any_more_ends_quietly(way: object) -> None:
    dial = MadeDial(way)  # type: ignore[arg-type]  # one of its kinds each
    dial.gate = asyncio.Event()
    home = Home(dial)
    gone = asyncio.create_task(home.connected())
    await ticks()
    gone.cancel()
    dial.gate.set()
    await ticks(5)
    assert len(dial.asked) == 1
    await home.close()


@pytest.mark.parametrize("begun", [1, 5])
@in_made_time
async def test_who_asks_while_all_is_closed_is_told_so_and_the_next_may_ask_again(begun: int) -> None:
    dial = MadeDial(silent, silent)
    dial.gate = asyncio.Event()
    home = Home(dial)
    asker, gone = (asyncio.create_task(home.connected()) for _ in range(2))
    await ticks(begun)
    gone.cancel()
    await home.close()
    with pytest.raises(Unreachable, match="closed meanwhile"):
        await asker
    with pytest.raises(asyncio.CancelledError):
        await gone
    dial.gate.set()
    assert (await home.connected()).lost is None
    await home.close()


@in_made_time
async def test_closed_means_that_the_sockets_are() -> None:
    dial = MadeDial(silent, answering(bulk(b"1")), silent)
    home = Home(dial)
    await home.connected()
    await home.wait(b"wait")
    dial.opened[1][1]._react = silent
    asker = asyncio.create_task(home.wait(b"again"))
    await ticks()
    await home.close()
    assert all(stream.gone.done() and transport.aborted for stream, transport in dial.opened)
    with pytest.raises(Lost, match="closed meanwhile"):
        await asker


def test_a_loop_that_ends_closes_its_connections() -> None:
    dial = MadeDial(silent, silent)

    @in_made_time
    async def main() -> None:
        home = Home(dial)
        await home.connected()
        waiter = asyncio.create_task(home.wait(b"wait"))
        await ticks()
        assert not waiter.done()

    main()
    assert [(stream.gone.done(), transport.aborted) for stream, transport in dial.opened] == [
        (True, True)
    ] * 2


@in_made_time
async def test_waits_have_streams_to_themselves_which_are_used_again() -> None:
    dial = MadeDial(answering(bulk(b"1"), bulk(b"3")), silent)
    home = Home(dial)
    assert await home.wait(b"a") == b"1"
    assert await home.wait(b"b") == b"3"
    first = asyncio.create_task(home.wait(b"c"))
    dial.opened[0][1]._react = silent
    second = asyncio.create_task(home.wait(b"d"))
    await ticks(5)
    assert dial.asked == [True, True]
    assert dial.written == [b"abc", b"d"]
    feed(dial.opened[1][0], bulk(b"D"))
    feed(dial.opened[0][0], bulk(b"C"))
    assert [await first, await second] == [b"C", b"D"]
    await home.close()


@in_made_time
async def test_a_spare_that_was_lost_is_not_lent_again() -> None:
    dial = MadeDial(answering(bulk(b"1")), answering(bulk(b"2")))
    home = Home(dial)
    assert await home.wait(b"a") == b"1"
    dial.opened[0][0].eof_received()
    assert await home.wait(b"b") == b"2"
    await home.close()


@in_made_time
async def test_no_more_spares_are_kept_than_are_needed() -> None:
    dial = MadeDial(*[silent] * 20)
    home = Home(dial)
    waits = [asyncio.create_task(home.wait(b"w")) for _ in range(20)]
    await ticks(5)
    for stream, _ in dial.opened:
        feed(stream, bulk(b"1"))
    await asyncio.gather(*waits)
    assert sum(transport.aborted for _, transport in dial.opened) == 4
    await home.close()


async def _cancelled_wait(dial: MadeDial, *, shared: bool = True) -> tuple[Home, asyncio.Task[Any]]:
    """A home, and a wait that was cancelled and has not ended yet."""
    home = Home(dial)
    if shared:
        await home.connected()
    wait = asyncio.create_task(home.wait(b"wait"))
    await ticks(5)
    wait.cancel()
    await ticks(5)
    return home, wait


async def _cancelled(wait: asyncio.Task[Any]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await wait


@pytest.mark.parametrize("order", ["unblock first", "reply first"])
@in_made_time
async def test_who_goes_is_unblocked_and_the_stream_is_lent_again_after_both_answers(order: str) -> None:
    dial = MadeDial(silent, silent, silent)
    home, wait = await _cancelled_wait(dial)
    assert dial.written == [UNBLOCK, b"wait"]
    answers = [(dial.opened[0][0], b":1\r\n"), (dial.opened[1][0], b"*-1\r\n")]
    first, second = answers if order == "unblock first" else answers[::-1]
    feed(*first)
    await ticks()
    meanwhile = asyncio.create_task(home.wait(b"other"))
    await ticks(5)
    assert dial.written == [UNBLOCK, b"wait", b"other"]
    assert not wait.done()
    feed(*second)
    await _cancelled(wait)
    assert not dial.opened[1][1].aborted
    again = asyncio.create_task(home.wait(b"again"))
    await ticks(5)
    assert dial.written == [UNBLOCK, b"waitagain", b"other"]
    feed(dial.opened[1][0], bulk(b"mine"))
    feed(dial.opened[2][0], bulk(b"other's"))
    assert [await again, await meanwhile] == [b"mine", b"other's"]
    await home.close()


@in_made_time
async def test_who_goes_and_can_not_be_unblocked_takes_the_stream_along() -> None:
    dial = MadeDial(silent, silent, client=None)
    home, wait = await _cancelled_wait(dial)
    await _cancelled(wait)
    assert dial.opened[-1][1].aborted
    assert UNBLOCK not in b"".join(dial.written)
    await home.close()


@in_made_time
async def test_a_stream_to_unblock_by_is_opened_where_there_is_none() -> None:
    dial = MadeDial(silent, silent)
    home, wait = await _cancelled_wait(dial, shared=False)
    await ticks(10)
    assert b"UNBLOCK" in dial.written[1]
    feed(dial.opened[1][0], b":1\r\n")
    feed(dial.opened[0][0], b"*-1\r\n")
    await _cancelled(wait)
    assert not dial.opened[0][1].aborted
    await home.close()


@pytest.mark.parametrize("answered", ["nothing", "UNBLOCK alone", "the wait alone"])
@in_made_time
async def test_where_unblocking_takes_too_long_the_stream_ends(answered: str) -> None:
    dial = MadeDial(silent, silent)
    home, wait = await _cancelled_wait(dial)
    if answered == "UNBLOCK alone":
        feed(dial.opened[0][0], b":1\r\n")
    if answered == "the wait alone":
        feed(dial.opened[1][0], b"*-1\r\n")
    await _cancelled(wait)
    assert dial.opened[1][1].aborted
    await home.close()


@in_made_time
async def test_where_the_shared_stream_is_lost_meanwhile_the_waiting_one_ends() -> None:
    dial = MadeDial(silent, silent)
    home, wait = await _cancelled_wait(dial)
    dial.opened[0][0].eof_received()
    await _cancelled(wait)
    assert dial.opened[1][1].aborted
    await home.close()


@in_made_time
async def test_closing_amid_an_unblocking_leaves_nothing() -> None:
    dial = MadeDial(silent, silent)
    home, wait = await _cancelled_wait(dial)
    await home.close()
    await _cancelled(wait)
    assert all(transport.aborted for _, transport in dial.opened)
