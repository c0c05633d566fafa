"""Steps that go to several servers, over connections made by hand: for threads and for tasks.

Fails where a request goes to another server than its layout says, where one server waits for another's
reply before it is asked, where an interrupted call leaves a connection whose reply is still to come, or
where what some servers could not do fails the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.layouts import stopped
from tests.unit.nodes import MadeConnection
from tests.unit.shards import made, requests, serving, shards, shelf
from vkcache.core import keys, strings
from vkcache.core.plan import NO_KEYS, Command, Features, Reply, Sleep, Verb
from vkcache.core.replies import Fault
from vkcache.errors import CrossNode, Incomplete, InvalidArgument, TimedOut, Unreachable
from vkcache.shell.nodes.layout import Aside, Group, Layout, Node
from vkcache.shell.nodes.several import Several
from vkcache.shell.nodes.single import Single
from vkcache.shell.nodes.static import replicated
from vkcache.shell.options import settings
from vkcache.shell.wire.pool import AllBusy

KEYS = (b"0a", b"1b", b"2c", b"3d")
MGET = made(strings.MGET_SPREAD, *KEYS)
PING = made(Verb(b"PING", NO_KEYS, readonly=True))


class Server:
    """A server by hand: what it holds, what it was asked, and the connections to it."""

    def __init__(self, name: str, journal: list[str]) -> None:
        self.name = name
        self.stored: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.down: Exception | None = None
        self.features = Features("valkey", (9, 1, 0))
        self.answer: Callable[[bytes, int], list[Reply]] = serving(self.stored, self.asked)
        self.connections: list[MadeConnection] = []
        self._journal = journal

    def connect(self) -> MadeConnection:
        if self.down is not None:
            raise self.down
        connection = _Heard(self, self._journal)
        connection.features = self.features
        self.connections.append(connection)
        return connection

    def single(self) -> Single:
        return Single(self.connect, waiting=self.connect, limit=3, patience=0, place=self.name)

    def dies(self, error: Exception | None = None) -> None:
        """Nobody can connect to it any more, and whoever is connected is not answered."""
        self.down = error or Unreachable(f"{self.name}: refused")
        self.answer = _raising(ConnectionResetError("it broke"))


class _Heard(MadeConnection):
    def __init__(self, server: Server, journal: list[str]) -> None:
        super().__init__(lambda payload, count: server.answer(payload, count))
        self.server, self.journal = server, journal

    def send(self, payload: bytes) -> None:
        self.journal.append(f"{self.server.name} sent")
        super().send(payload)

    def receive(self, count: int) -> list[Reply]:
        self.journal.append(f"{self.server.name} read")
        return super().receive(count)


def _raising(error: BaseException) -> Callable[[bytes, int], list[Reply]]:
    def exchange(_payload: bytes, _count: int) -> list[Reply]:
        raise error

    return exchange


class Rig:
    """Several servers by hand, which hold the keys of the places that *layout* gives them."""

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout or shards()
        self.journal: list[str] = []
        self.servers: dict[str, Server] = {}
        self.briefly: list[str] = []
        self.nodes = Several(self.layout, self._make, self._brief)
        if layout is None:
            for key in KEYS:
                self["abca"[shelf(key)]].stored[key.decode()] = key.upper()

    def __getitem__(self, name: str) -> Server:
        known = self.servers.get(name)
        return known or self.servers.setdefault(name, Server(name, self.journal))

    def _make(self, node: Node) -> Single:
        return self[node.address].single()

    def _brief(self, node: Node) -> Single:
        self.briefly.append(node.address)
        return self[node.address].single()


def replicas() -> Rig:
    """A primary p with replicas a and b, that hold the same."""
    rig = Rig(replicated((Node("p"), Node("a"), Node("b")), "replica", 60.0, 1.0))
    for name in "pab":
        rig[name].stored["k"] = b"5"
    return rig


GET, SET = made(strings.GET, b"k"), made(strings.SET, b"k", b"6")


# Where it goes


def test_a_request_goes_to_the_server_of_its_key() -> None:
    rig = Rig()
    assert [rig.nodes.ask(made(strings.GET, key)) for key in KEYS] == [b"0A", b"1B", b"2C", b"3D"]
    assert {name: server.asked for name, server in rig.servers.items()} == {
        "a": ["GET 0a", "GET 3d"],
        "b": ["GET 1b"],
        "c": ["GET 2c"],
    }
    assert [len(server.connections) for server in rig.servers.values()] == [1, 1, 1]
    assert rig.nodes.ask(PING) == b"PONG"


def test_of_a_call_over_several_all_are_sent_before_any_is_read() -> None:
    rig = Rig()
    assert rig.nodes.ask(MGET) == [b"0A", b"1B", b"2C", b"3D"]
    assert rig.journal == ["a sent", "b sent", "c sent", "a read", "b read", "c read"]
    assert rig.nodes.ask(MGET) == [b"0A", b"1B", b"2C", b"3D"]
    assert [len(server.connections) for server in rig.servers.values()] == [1, 1, 1]


def test_independent_commands_are_answered_in_their_order() -> None:
    rig = Rig()
    unlink = made(keys.UNLINK, *KEYS)
    commands = [made(strings.GET, b"1b"), unlink, MGET, made(strings.SET, b"2c", b"5")]
    assert rig.nodes.ask_all(commands) == [b"1B", 4, [None] * 4, b"OK"]


def test_a_transaction_is_of_one_place_unless_each_may_have_its_own() -> None:
    rig = Rig()
    commands = [made(strings.SET, b"0a", b"1"), made(strings.SET, b"0b", b"2"), made(strings.GET, b"1b")]
    with pytest.raises(CrossNode, match="'0a', '1b'"):
        rig.nodes.transact(commands)
    assert rig.servers["a"].asked == []
    assert rig.nodes.transact(commands, whole=False) == [b"OK", b"OK", b"1B"]
    assert rig["a"].asked == ["MULTI", "SET 0a 1", "SET 0b 2", "EXEC"]
    assert rig["b"].asked == ["GET 1b"]
    assert rig.nodes.transact(commands[:2]) == [b"OK", b"OK"]
    with pytest.raises(CrossNode):
        rig.nodes.ask(made(strings.MGET, b"0a", b"1b"))


def test_a_key_says_whose_settings_are_meant() -> None:
    named = {name: settings(f"valkey://{name}", {}) for name in "abc"}
    nodes = Several(
        shards(),
        lambda _: Server("x", []).single(),
        lambda _: Server("x", []).single(),
        lambda node: named[node.address],
    )
    assert nodes.server(b"1b", write=True) is named["b"]
    assert nodes.server(b"3d", write=False) is named["a"]
    with pytest.raises(InvalidArgument, match="give key="):
        nodes.server(None, write=True)
    group = Group(Node("a"), (), (Node("b", reading=True),))
    nodes = Several(
        Layout((group,), read_from="replica"),
        lambda _: Server("x", []).single(),
        lambda _: Server("x", []).single(),
        lambda node: named[node.address],
    )
    assert nodes.server(None, write=False) is named["a"]


def test_what_all_can_do_is_what_the_least_of_them_can() -> None:
    rig = Rig()
    rig["b"].features = Features("valkey", (8, 0))
    assert rig.nodes.features() == Features("valkey", (8, 0))
    rig["c"].dies()
    assert rig.nodes.features() == Features("valkey", (8, 0))
    rig = Rig()
    for name in "abc":
        rig[name].dies()
    with pytest.raises(Unreachable, match="a: refused"):
        rig.nodes.features()


def test_a_primary_that_was_suspected_is_asked_again_what_it_can_do() -> None:
    rig = replicas()
    rig.layout.all_groups()[0].primary.suspected()
    with pytest.raises(Unreachable, match="p: did not answer a moment ago"):
        rig.nodes.features()
    rig.layout.all_groups()[0].primary.again = 0.0  # a second has passed
    rig["p"].answer = lambda _payload, _count: [b"PONG"]
    assert rig.nodes.features() == Features("valkey", (9, 1, 0))
    assert rig.briefly == ["p"]


def test_to_find_no_connection_free_says_nothing_of_what_a_server_can_do() -> None:
    rig = replicas()
    rig["p"].down = AllBusy("all are busy")
    with pytest.raises(AllBusy):
        rig.nodes.features()
    assert rig.layout.choose(0, reads=False) is not None


# Who is gone


def test_where_one_is_gone_the_others_answer_and_what_is_missing_is_told() -> None:
    rig = Rig()
    rig["b"].dies()
    with pytest.raises(Incomplete) as caught:
        rig.nodes.ask(MGET)
    assert caught.value.reply == [b"0A", None, b"2C", b"3D"]
    assert caught.value.missing == (b"1b",)
    first, second = rig.nodes.ask_all([made(strings.GET, b"0a"), made(strings.GET, b"1b")])
    assert (first, type(second), str(second)) == (b"0A", Unreachable, "b: refused")
    with pytest.raises(Unreachable, match="b: refused"):
        rig.nodes.ask(made(strings.GET, b"1b"))
    with pytest.raises(Unreachable, match="b: refused"):
        rig.nodes.ask_all([made(strings.GET, b"1b"), made(strings.SET, b"1b", b"5")])


def test_a_shard_that_let_a_caller_wait_is_asked_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rig = stopped(monkeypatch), Rig()
    rig.nodes.ask(MGET)
    rig["b"].answer = _raising(TimeoutError("late"))
    with pytest.raises(TimedOut):
        rig.nodes.ask(made(strings.GET, b"1b"))
    with pytest.raises(Incomplete, match="b: did not answer a moment ago"):
        rig.nodes.ask(MGET)
    assert rig.briefly == ["b"]
    with pytest.raises(Incomplete, match="b: did not answer a moment ago"):
        rig.nodes.ask(MGET)
    assert rig.briefly == ["b"]
    rig["b"].answer = serving(rig["b"].stored)
    clock.now += 1.0
    assert rig.nodes.ask(MGET) == [b"0A", b"1B", b"2C", b"3D"]
    assert rig.briefly == ["b", "b"]
    assert [connection.closed for connection in rig["b"].connections[-3:-1]] == [True, True]


def test_a_short_question_that_is_refused_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(monkeypatch)
    rig = Rig()
    node = rig.layout.all_groups()[1].primary
    node.doubted()
    rig["b"].answer = lambda _payload, _count: [Fault("LOADING x")]
    with pytest.raises(Unreachable, match="did not answer a moment ago"):
        rig.nodes.ask(made(strings.GET, b"1b"))


def test_reads_go_to_replicas_and_past_one_that_is_gone() -> None:
    rig = replicas()
    rig["a"].dies()
    assert [rig.nodes.ask(GET) for _ in range(6)] == [b"5"] * 6
    assert rig["p"].asked == []
    assert rig.nodes.ask_all([GET, GET]) == [b"5", b"5"]
    rig["b"].dies()
    assert rig.nodes.ask_all([GET, GET]) == [b"5", b"5"]
    assert rig.nodes.ask(GET) == b"5"
    assert set(rig["p"].asked) == {"GET k"}


@pytest.mark.parametrize("way", ["ask", "ask_all", "transact", "fails"])
def test_after_a_write_of_any_kind_its_thread_reads_from_the_primary(way: str) -> None:
    rig = replicas()
    if way == "fails":
        rig["p"].answer = lambda _payload, _count: [Fault("OOM")]
        rig.nodes.ask(SET)
        rig["p"].answer = serving(rig["p"].stored, rig["p"].asked)
    else:
        nodes: dict[str, Callable[[], object]] = {
            "ask": lambda: rig.nodes.ask(SET),
            "ask_all": lambda: rig.nodes.ask_all([SET, GET]),
            "transact": lambda: rig.nodes.transact([SET]),
        }
        nodes[way]()
        assert rig.nodes.ask(GET) == b"6"
    rig.nodes.ask(GET)
    assert rig["p"].asked[-1] == "GET k"
    assert rig["a"].asked == rig["b"].asked == []


def test_after_a_read_nothing_is_different() -> None:
    rig = replicas()
    rig.nodes.ask(GET)
    rig.nodes.ask_all([GET])
    assert rig["p"].asked == []


# Who is sent elsewhere


class Moved(Layout):
    """A layout in which whatever b refuses goes to a."""

    def elsewhere(self, course: Any, node: Node, fault: Fault) -> Any:  # noqa: ARG002  # the same for all
        yield from ()
        first = self.groups[0]
        assert first is not None
        return first.primary, str(fault).startswith("ASK ")


@pytest.mark.parametrize("said", ["MOVED 1 a:1", "ASK 1 a:1"])
def test_what_is_sent_elsewhere_is_asked_for_there(said: str) -> None:
    rig = Rig(Moved((Group(Node("a")), Group(Node("b"))), shelf))
    rig["b"].answer = lambda _payload, count: [Fault(said)] * count
    heard: list[str] = []

    def there(payload: bytes, count: int) -> list[Reply]:
        heard.extend(requests(payload))
        if "MULTI" in heard:
            return [b"OK"] * (count - 2) + [b"QUEUED", [b"B"]]
        return [b"OK"] * (count - 1) + [b"B"]

    rig["a"].answer = there
    asking = ["ASKING"] if said.startswith("ASK ") else []
    assert rig.nodes.ask(made(strings.GET, b"1b")) == b"B"
    assert heard == [*asking, "GET 1b"]
    heard.clear()
    assert rig.nodes.ask_all([made(strings.GET, b"1b")]) == [b"B"]
    assert heard == [*asking, "GET 1b"]
    heard.clear()
    rig["b"].answer = lambda _payload, count: [b"OK", Fault(said), Fault("EXECABORT")][:count]
    assert rig.nodes.transact([made(strings.GET, b"1b")]) == [b"B"]
    assert heard == [*asking, "MULTI", "GET 1b", "EXEC"]


# Interruptions


@pytest.mark.parametrize("name", ["a", "b", "c"])
@pytest.mark.parametrize("moment", ["send", "receive"])
def test_an_interrupted_call_leaves_no_connection_whose_reply_is_to_come(
    name: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig()
    rig.nodes.ask(MGET)
    first = {one: server.connections[0] for one, server in rig.servers.items()}
    with monkeypatch.context() as patch:

        def interrupt(_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(first[name], moment, interrupt)
        with pytest.raises(KeyboardInterrupt):
            rig.nodes.ask(MGET)
    read = {"a": 0, "b": 1, "c": 2}[name]
    closed = [first[one].closed for one in "abc"]
    if moment == "receive":
        assert closed == [number >= read for number in range(3)]
    else:
        assert closed == [number <= read for number in range(3)]
    assert rig.nodes.ask(MGET) == [b"0A", b"1B", b"2C", b"3D"]


def test_what_can_not_be_sent_leaves_the_connections_as_they_are() -> None:
    rig = Rig()
    with pytest.raises(InvalidArgument):
        rig.nodes.ask_all([made(strings.GET, b"0a"), made(strings.SET, b"1b", object())])  # type: ignore[arg-type]  # on purpose
    assert rig.servers["a"].connections == []


def test_closing_closes_all_and_leaving_one_closes_it() -> None:
    rig = Rig()
    rig.nodes.ask(MGET)
    rig.nodes.leave(Node("never asked"))
    rig.nodes.leave(rig.layout.all_groups()[1].primary)
    assert [rig[name].connections[0].closed for name in "abc"] == [False, True, False]
    rig.nodes.close()
    assert all(rig[name].connections[0].closed for name in "abc")
    assert rig.nodes.ask(MGET) == [b"0A", b"1B", b"2C", b"3D"]


def test_connections_to_servers_that_are_replaced_again_and_again_do_not_pile_up() -> None:
    rig = Rig(Layout([None]))
    assert isinstance(rig.layout.groups, list)
    for number in range(20):
        rig.layout.groups[0] = Group(Node(f"a{number}"))
        rig[f"a{number}"].stored["k"] = b"5"
        assert rig.nodes.ask(GET) == b"5"
    assert len(rig.nodes._leaves) <= 2


def test_a_layout_that_knows_nothing_is_asked_to_find_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unknown(Layout):
        def learned(self) -> Any:
            yield Sleep(0.5)
            found = yield Aside(shards)
            self.groups = found.groups

    slept: list[float] = []
    monkeypatch.setattr("vkcache.shell.nodes.several.time.sleep", slept.append)
    rig = Rig(Unknown((None,) * 4, shelf))
    rig["b"].stored["1b"] = b"B"
    commands: list[Command[Any]] = [made(strings.GET, b"1b"), made(strings.GET, b"2c")]
    assert rig.nodes.ask_all(commands) == [b"B", None]
    assert slept == [0.5]
