"""Steps of tasks that go to several servers, over streams made by hand.

Fails where a request goes to another server than its layout says, where one server waits for another's
reply before it is asked, where a cancelled call shifts the replies of the next one, or where what some
servers could not do fails the rest.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.layouts import stopped
from tests.unit.shards import made, requests, serving, shards, shelf
from tests.unit.streams import Reaction, feed, in_made_time, silent, ticks
from tests.unit.streams import made as made_stream
from vkcache.core import keys, strings
from vkcache.core.plan import Features, Reply, Sleep
from vkcache.core.replies import Fault
from vkcache.errors import CrossNode, Incomplete, InvalidArgument, TimedOut, Unreachable
from vkcache.shell.nodes.aseveral import AsyncSeveral
from vkcache.shell.nodes.asingle import AsyncSingle
from vkcache.shell.nodes.layout import Aside, Group, Layout, Node
from vkcache.shell.nodes.static import replicated
from vkcache.shell.options import settings
from vkcache.shell.wire.stream import Stream

KEYS = (b"0a", b"1b", b"2c", b"3d")
MGET = made(strings.MGET_SPREAD, *KEYS)
GET, SET = made(strings.GET, b"k"), made(strings.SET, b"k", b"6")


def encoded(reply: Reply) -> bytes:
    """A reply as a server sends it."""
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(encoded, reply))
    if isinstance(reply, Fault):
        return b"-%b\r\n" % str(reply).encode()
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    return b"$-1\r\n" if reply is None else b"$%d\r\n%b\r\n" % (len(reply), reply)


class Server:
    """A server by hand: what it holds, what it was asked, and how it reacts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stored: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.down: Exception | None = None
        self.opened: list[Stream] = []
        self.react: Reaction = self.serve

    def serve(self, stream: Stream, payload: bytes) -> None:
        exchange = serving(self.stored, self.asked)
        feed(stream, b"".join(map(encoded, exchange(payload, len(requests(payload))))))

    def answers(self, *replies: Reply) -> None:
        """From now on it answers so, whatever it is asked; what is left over is not sent."""

        def react(stream: Stream, payload: bytes) -> None:
            self.asked.extend(asked := requests(payload))
            feed(stream, b"".join(map(encoded, replies[: len(asked)])))

        self.react = react

    async def dial(self, waiting: bool) -> Stream:  # noqa: ARG002  # nothing waits here
        if self.down is not None:
            raise self.down
        stream, _ = made_stream(lambda stream, payload: self.react(stream, payload))
        self.opened.append(stream)
        return stream

    def dies(self) -> None:
        self.down = Unreachable(f"{self.name}: refused")


class Rig:
    """Several servers by hand, which hold the keys of the places that *layout* gives them."""

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout or shards()
        self.servers: dict[str, Server] = {}
        self.briefly: list[str] = []
        named = settings("valkey://one", {})
        self.nodes = AsyncSeveral(self.layout, self._make, self._brief, lambda _: named)
        self.named = named
        if layout is None:
            for key in KEYS:
                self["abca"[shelf(key)]].stored[key.decode()] = key.upper()

    def __getitem__(self, name: str) -> Server:
        return self.servers.setdefault(name, self.servers.get(name) or Server(name))

    def _make(self, node: Node) -> AsyncSingle:
        return AsyncSingle(self[node.address].dial, node.address)

    def _brief(self, node: Node) -> AsyncSingle:
        self.briefly.append(node.address)
        return self._make(node)


def replicas() -> Rig:
    """A primary p with replicas a and b, that hold the same."""
    rig = Rig(replicated((Node("p"), Node("a"), Node("b")), "replica", 60.0, 1.0))
    for name in "pab":
        rig[name].stored["k"] = b"5"
    return rig


@in_made_time
async def test_a_request_goes_to_the_server_of_its_key() -> None:
    rig = Rig()
    for key in KEYS:
        assert await rig.nodes.ask(made(strings.GET, key)) == key.upper()
    assert {name: server.asked for name, server in rig.servers.items()} == {
        "a": ["GET 0a", "GET 3d"],
        "b": ["GET 1b"],
        "c": ["GET 2c"],
    }
    await rig.nodes.aclose()


@in_made_time
async def test_of_a_call_over_several_all_are_asked_before_any_has_answered() -> None:
    rig = Rig()
    held: list[Callable[[], None]] = []
    for server in (rig[name] for name in "abc"):
        server.react = lambda stream, payload, server=server: held.append(  # type: ignore[misc]  # a default
            lambda: server.serve(stream, payload)
        )
    call = asyncio.create_task(rig.nodes.ask(MGET))
    await ticks(9)
    assert len(held) == 3
    for answer in held[::-1]:
        answer()
    assert await call == [b"0A", b"1B", b"2C", b"3D"]
    await rig.nodes.aclose()


@in_made_time
async def test_independent_commands_are_answered_in_their_order() -> None:
    rig = Rig()
    commands = [made(strings.GET, b"1b"), made(keys.UNLINK, *KEYS), MGET, made(strings.SET, b"2c", b"5")]
    assert await rig.nodes.ask_all(commands) == [b"1B", 4, [None] * 4, b"OK"]
    assert await rig.nodes.ask_all(commands[:1]) == [None]
    await rig.nodes.aclose()


@in_made_time
async def test_a_transaction_is_of_one_place_unless_each_may_have_its_own() -> None:
    rig = Rig()
    commands = [made(strings.SET, b"0a", b"1"), made(strings.SET, b"0b", b"2"), made(strings.GET, b"1b")]
    with pytest.raises(CrossNode, match="'0a', '1b'"):
        await rig.nodes.transact(commands)
    assert await rig.nodes.transact(commands, whole=False) == [b"OK", b"OK", b"1B"]
    assert rig["a"].asked == ["MULTI", "SET 0a 1", "SET 0b 2", "EXEC"]
    assert await rig.nodes.transact(commands[:2]) == [b"OK", b"OK"]
    await rig.nodes.aclose()


@in_made_time
async def test_a_key_says_whose_settings_are_meant() -> None:
    rig = Rig()
    assert await rig.nodes.server(b"1b", write=True) is rig.named
    with pytest.raises(InvalidArgument, match="give key="):
        await rig.nodes.server(None, write=True)
    group = Group(Node("a"), (), (Node("b", reading=True),))
    reading = Rig(Layout((group,), read_from="replica"))
    assert await reading.nodes.server(None, write=False) is reading.named


@in_made_time
async def test_what_all_can_do_is_what_those_can_that_answer() -> None:
    rig = Rig()
    rig["c"].dies()
    assert await rig.nodes.features() == Features("valkey", (9, 1, 0))
    for name in "ab":
        rig[name].dies()
    rig.nodes.close()
    await ticks()
    with pytest.raises(Unreachable, match="a: refused"):
        await rig.nodes.features()


@in_made_time
async def test_a_primary_that_was_suspected_is_asked_again_what_it_can_do() -> None:
    rig = Rig()
    for group in rig.nodes.layout.all_groups():
        group.primary.doubted()
    for name in "abc":
        rig[name].answers(b"PONG")
    assert await rig.nodes.features() == Features("valkey", (9, 1, 0))


@in_made_time
async def test_where_one_is_gone_the_others_answer_and_what_is_missing_is_told() -> None:
    rig = Rig()
    rig["b"].dies()
    with pytest.raises(Incomplete) as caught:
        await rig.nodes.ask(MGET)
    assert (caught.value.reply, caught.value.missing) == ([b"0A", None, b"2C", b"3D"], (b"1b",))
    first, second = await rig.nodes.ask_all([made(strings.GET, b"0a"), made(strings.GET, b"1b")])
    assert (first, str(second)) == (b"0A", "b: refused")
    with pytest.raises(Unreachable, match="b: refused"):
        await rig.nodes.ask(made(strings.GET, b"1b"))
    await rig.nodes.aclose()


async def late(call: Any) -> None:
    with pytest.raises(TimedOut):
        await call


def test_a_shard_that_let_a_caller_wait_is_asked_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = stopped(monkeypatch)

    @in_made_time
    async def tasks() -> None:
        rig = Rig()
        rig["b"].react = silent
        await late(rig.nodes.ask(made(strings.GET, b"1b")))
        for _ in range(2):
            with pytest.raises(Incomplete, match="b: did not answer a moment ago"):
                await rig.nodes.ask(MGET)
            assert rig.briefly == ["b"]
        rig["b"].react = rig["b"].serve
        clock.now += 1.0
        assert await rig.nodes.ask(MGET) == [b"0A", b"1B", b"2C", b"3D"]
        assert rig.briefly == ["b", "b"]
        await rig.nodes.aclose()

    tasks()


@in_made_time
async def test_a_short_question_that_is_refused_has_no_answer() -> None:
    rig = Rig()
    rig.layout.all_groups()[1].primary.doubted()
    rig["b"].answers(Fault("LOADING x"))
    with pytest.raises(Unreachable, match="did not answer a moment ago"):
        await rig.nodes.ask(made(strings.GET, b"1b"))
    await rig.nodes.aclose()


@in_made_time
async def test_reads_go_to_replicas_and_past_one_that_is_gone() -> None:
    rig = replicas()
    rig["a"].dies()
    assert [await rig.nodes.ask(GET) for _ in range(6)] == [b"5"] * 6
    assert await rig.nodes.ask_all([GET, GET]) == [b"5", b"5"]
    assert rig["p"].asked == []
    rig["b"].down = rig["a"].down
    rig.nodes.leave(rig.layout.all_groups()[0].replicas[1])
    rig.nodes.leave(Node("never asked"))
    await ticks()
    assert await rig.nodes.ask(GET) == b"5"
    assert rig["p"].asked == ["GET k"]
    await rig.nodes.aclose()


@pytest.mark.parametrize("way", ["ask", "ask_all", "transact"])
def test_after_a_write_of_any_kind_its_task_reads_from_the_primary(way: str) -> None:
    @in_made_time
    async def tasks() -> None:
        rig = replicas()
        if way == "ask":
            await rig.nodes.ask(SET)
        else:
            await getattr(rig.nodes, way)([SET])
        assert await rig.nodes.ask(GET) == b"6"
        assert rig["a"].asked == rig["b"].asked == []
        await rig.nodes.aclose()

    tasks()


@in_made_time
async def test_connections_to_servers_that_are_replaced_again_and_again_do_not_pile_up() -> None:
    rig = Rig(Layout([None]))
    assert isinstance(rig.layout.groups, list)
    for number in range(20):
        rig.layout.groups[0] = Group(Node(f"a{number}"))
        rig[f"a{number}"].stored["k"] = b"5"
        assert await rig.nodes.ask(made(strings.GET, b"k")) == b"5"
    assert len(rig.nodes._leaves) <= 2
    await rig.nodes.aclose()


class Moved(Layout):
    """A layout in which whatever b refuses goes to a."""

    def elsewhere(self, course: Any, node: Node, fault: Fault) -> Any:  # noqa: ARG002  # the same for all
        yield from ()
        first = self.groups[0]
        assert first is not None
        return first.primary, str(fault).startswith("ASK ")


@pytest.mark.parametrize("said", ["MOVED 1 a:1", "ASK 1 a:1"])
def test_what_is_sent_elsewhere_is_asked_for_there(said: str) -> None:
    @in_made_time
    async def tasks() -> None:
        rig, get = Rig(Moved((Group(Node("a")), Group(Node("b"))), shelf)), made(strings.GET, b"1b")
        asking = ["ASKING"] if said.startswith("ASK ") else []
        rig["b"].answers(Fault(said))
        rig["a"].answers(*[b"OK"] * len(asking), b"B")
        assert await rig.nodes.ask(get) == b"B"
        assert await rig.nodes.ask_all([get]) == [b"B"]
        assert rig["a"].asked == [*asking, "GET 1b"] * 2
        rig["b"].answers(b"OK", Fault(said), Fault("EXECABORT"))
        rig["a"].answers(*[b"OK"] * len(asking), b"OK", b"QUEUED", [b"B"])
        assert await rig.nodes.transact([get]) == [b"B"]
        assert rig["a"].asked == [*[*asking, "GET 1b"] * 2, *asking, "MULTI", "GET 1b", "EXEC"]
        await rig.nodes.aclose()

    tasks()


@in_made_time
async def test_a_cancelled_call_shifts_no_replies() -> None:
    rig = Rig()
    assert await rig.nodes.ask(MGET) == [b"0A", b"1B", b"2C", b"3D"]
    for pauses in range(8):
        call = asyncio.create_task(rig.nodes.ask(MGET))
        await ticks(pauses)
        call.cancel()
        other = asyncio.create_task(rig.nodes.ask(made(strings.GET, b"1b")))
        assert await other == b"1B"
        assert [await rig.nodes.ask(made(strings.GET, key)) for key in KEYS] == [b"0A", b"1B", b"2C", b"3D"]
        await asyncio.gather(call, return_exceptions=True)
    assert [len(server.opened) for server in rig.servers.values()] == [1, 1, 1]
    await rig.nodes.aclose()


@in_made_time
async def test_a_layout_pauses_without_holding_up_the_loop() -> None:
    class Pausing(Layout):
        def learned(self) -> Any:
            yield Sleep(0.5)

    rig, loop = Rig(Pausing((None,), None)), asyncio.get_running_loop()
    before = loop.time()
    with pytest.raises(Unreachable, match="no server is known"):
        await rig.nodes.ask(GET)
    assert loop.time() == before + 0.5


def test_what_may_block_is_done_by_another_thread() -> None:
    done_by: list[threading.Thread] = []

    def look() -> Layout:
        done_by.append(threading.current_thread())
        return shards()

    class Unknown(Layout):
        def learned(self) -> Any:
            found = yield Aside(look)
            self.groups = found.groups

    async def tasks() -> None:
        rig = Rig(Unknown((None,) * 4, shelf))
        rig["b"].stored["1b"] = b"B"
        get_both = [made(strings.GET, b"1b"), made(strings.GET, b"2c")]
        assert await rig.nodes.ask_all(get_both) == [b"B", None]
        await rig.nodes.aclose()

    asyncio.run(tasks())
    assert threading.current_thread() not in done_by
    assert len(done_by) == 1
