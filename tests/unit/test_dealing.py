"""The commands of one call, dealt out to the servers they concern, and their replies put together.

Fails where a command goes to a server that does not hold its key, where a reply or an error stands in
another command's place, where commands of one place are not one transaction, or where what one server
could not do is lost.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.layouts import broken, late, refused
from tests.unit.shards import answered, lines, made, node, requests, sent, shards, shelf
from vkcache.core import flights, keys, server, strings
from vkcache.core.plan import NO_KEYS, KeySpec, Verb
from vkcache.core.replies import Fault
from vkcache.errors import CrossNode, Incomplete, InvalidArgument, TimedOut, Unreachable
from vkcache.shell.nodes.dealing import Deal, dealt
from vkcache.shell.nodes.gathering import Gathering
from vkcache.shell.nodes.layout import Group, Layout, Node, Request

GET_A, GET_B, GET_C = (made(strings.GET, key) for key in (b"0a", b"1b", b"2c"))
SET_A, SET_B = made(strings.SET, b"0a", b"A"), made(strings.SET, b"1b", b"B")
INCR_A = made(Verb(b"INCR"), b"0a")
PING = made(Verb(b"PING", NO_KEYS, readonly=True))
MGET = made(strings.MGET_SPREAD, b"0a", b"1b", b"3a", b"1c")


def deal(*commands: Any, layout: Layout | None = None, together: bool = False) -> tuple[Layout, Deal]:
    chosen = layout or shards()
    return chosen, Deal(chosen, commands, together=together)


# What is sent


def test_each_server_is_sent_the_commands_of_its_keys_in_their_order() -> None:
    _, made_deal = deal(GET_A, SET_B, made(strings.GET, b"3d"), GET_B)
    assert lines(sent(made_deal)) == ["GET 0a; GET 3d", "SET 1b B; GET 1b"]
    assert [load.place for load in made_deal.loads] == [0, 1]
    assert [load.count for load in made_deal.loads] == [2, 2]
    assert [load.whole for load in made_deal.loads] == [False, False]
    assert [load.whole for load in deal(GET_A, GET_B)[1].loads] == [True, True]


def test_servers_have_their_turn_in_one_order_whatever_that_of_the_keys() -> None:
    _, made_deal = deal(*(made(strings.SET, key, b"5") for key in (b"2c", b"1b", b"0a")))
    assert [load.place for load in made_deal.loads] == [0, 1, 2]


def test_a_load_may_be_read_or_repeated_where_all_of_it_may() -> None:
    _, mixed = deal(GET_A, GET_B, SET_B, GET_C, made(Verb(b"INCR"), b"2c"))
    assert [(load.reads, load.repeatable) for load in mixed.loads] == [
        (True, True),
        (False, True),
        (False, False),
    ]
    assert mixed.writes
    assert not deal(GET_A)[1].writes


def test_a_command_that_can_be_is_cut_up() -> None:
    unlink = made(keys.UNLINK, b"0a", b"1b", b"3d")
    _, made_deal = deal(unlink, GET_A)
    assert lines(sent(made_deal)) == ["UNLINK 0a; UNLINK 3d; GET 0a", "UNLINK 1b"]


def test_where_keys_of_one_command_live_apart_nothing_is_sent() -> None:
    rename = made(Verb(b"RENAME", KeySpec(1, 2)), b"0a", b"1b")
    with pytest.raises(CrossNode, match="RENAME '0a', '1b'"):
        deal(GET_A, rename)


def test_a_command_without_keys_goes_to_any_or_to_all_as_its_verb_says() -> None:
    assert lines(sent(deal(PING)[1])) == ["PING"]
    flush = made(server.FLUSHDB)
    assert lines(sent(deal(flush)[1])) == ["FLUSHDB"] * 3
    layout = Layout((Group(Node("a")),), None)
    assert lines(sent(deal(flush, MGET, layout=layout)[1])) == ["FLUSHDB; MGET 0a 1b 3a 1c"]


def test_a_transaction_is_one_for_each_place() -> None:
    in_d = made(strings.GET, b"3d")
    _, made_deal = deal(SET_A, SET_B, INCR_A, in_d, together=True)
    assert lines(sent(made_deal)) == ["MULTI; SET 0a A; INCR 0a; EXEC; GET 3d", "SET 1b B"]
    assert [load.count for load in made_deal.loads] == [5, 1]
    assert [(load.reads, load.repeatable) for load in made_deal.loads] == [(False, False), (False, True)]


@pytest.mark.parametrize("arg", [None, True, object()])
def test_what_can_not_be_sent_is_named_and_nothing_is_sent(arg: Any) -> None:
    with pytest.raises(InvalidArgument, match="SET: an argument of type"):
        deal(GET_A, made(strings.SET, b"1b", arg))
    with pytest.raises(InvalidArgument, match="lone surrogate"):
        deal(made(strings.SET, b"1b", "\ud800"))


@pytest.mark.parametrize("command", [GET_B, made(keys.UNLINK, b"0a", b"1b")])
def test_a_place_that_nobody_is_known_to_serve_is_told(command: Any) -> None:
    layout = Layout((Group(Node("a")), None), shelf)
    _, made_deal = deal(GET_A, command, layout=layout)
    assert made_deal.unknown == 1
    assert made_deal.loads == []


def test_without_any_server_known_that_is_told_too() -> None:
    layout = Layout((None, None), shelf)
    assert deal(made(server.FLUSHDB), layout=layout)[1].unknown == 0
    assert deal(PING, layout=layout)[1].unknown is None
    assert deal(PING, layout=layout)[1].loads == []
    assert shards().groups
    assert deal(GET_A)[1].unknown is False


def test_many_keys_of_one_call_have_a_way_of_their_own() -> None:
    for command in (MGET, made(keys.UNLINK, b"0a", b"1b")):
        assert isinstance(dealt(shards(), [command], together=False), Gathering)
    for commands in ([MGET, GET_A], [GET_A], [PING]):
        assert isinstance(dealt(shards(), commands, together=False), Deal)
    one = Layout((Group(Node("a")),), None)
    assert isinstance(dealt(one, [MGET], together=False), Deal)


# What is answered


def test_every_reply_stands_in_the_place_of_its_command() -> None:
    layout, made_deal = deal(GET_A, GET_B, MGET, SET_A)
    fault = Fault("WRONGTYPE")
    assert answered(layout, made_deal, [b"A", [b"A"], [b"D"], b"OK"], [fault, [b"B", None]]) == []
    assert made_deal.replies() == [b"A", fault, [b"A", b"B", b"D", None], b"OK"]


def test_nothing_asked_is_nothing_answered() -> None:
    assert deal()[1].replies() == []


def test_the_replies_of_a_transaction_are_those_of_its_exec() -> None:
    layout, made_deal = deal(SET_A, SET_B, INCR_A, together=True)
    outcomes: list[Any] = [[b"OK", b"QUEUED", b"QUEUED", [b"OK", 7]], [b"OK"]]
    assert answered(layout, made_deal, *outcomes) == []
    assert made_deal.replies() == [b"OK", b"OK", 7]


def test_a_transaction_that_is_refused_is_refused_for_all_of_its_place() -> None:
    layout, made_deal = deal(SET_A, INCR_A, SET_B, together=True)
    wrong, abort = Fault("ERR wrong number"), Fault("EXECABORT")
    answered(layout, made_deal, [b"OK", b"QUEUED", wrong, abort], [b"OK"])
    assert made_deal.replies() == [abort, wrong, b"OK"]


def test_what_one_server_could_not_do_stands_in_its_place() -> None:
    layout, made_deal = deal(GET_A, GET_B, MGET)
    a, b = made_deal.loads
    made_deal.take(a, node(layout, a), [b"A", [b"A"], [b"D"]])
    made_deal.lose(b, refused("b"))
    first, second, third = made_deal.replies()
    assert first == b"A"
    assert (type(second), str(second)) == (Unreachable, "b: refused")
    assert isinstance(third, Incomplete)
    assert (third.reply, third.missing) == ([b"A", None, b"D", None], (b"1b", b"1c"))


def test_where_no_server_answered_the_first_error_is_raised() -> None:
    _, made_deal = deal(GET_A, GET_B)
    for load, error in zip(made_deal.loads, (late("a"), refused("b")), strict=True):
        made_deal.lose(load, error)
    with pytest.raises(TimedOut, match="a: late"):
        made_deal.replies()


def test_a_flush_that_not_all_servers_carried_out_says_so() -> None:
    layout, made_deal = deal(made(server.FLUSHDB))
    a, b, c = made_deal.loads
    made_deal.take(a, node(layout, a), [b"OK"])
    made_deal.lose(b, refused("b"))
    made_deal.take(c, node(layout, c), [b"OK"])
    (reply,) = made_deal.replies()
    assert isinstance(reply, Incomplete)
    assert str(reply) == "FLUSHDB: 1 node: b: refused"


# What goes astray


def test_what_is_to_follow_goes_once_more_behind_what_goes_astray() -> None:
    """Its first answer counts, but an error."""
    follower = made(flights.UNLINK_AFTER, b"0a")
    for outcome, reply in (([0], 1), (refused("a"), Incomplete)):
        layout, made_deal = deal(GET_A, follower, GET_B, made(flights.UNLINK_AFTER, b"3a"))
        ask = Fault("ASK 0 127.0.0.1:1")
        first, again = answered(layout, made_deal, [ask, 1, 1], [b"B"])
        assert [row[1].commands for row in (first, again)] == [(GET_A,), (follower,)]
        assert (again[0], again[3]) == (0, [ask])
        made_deal.settle(first[4], [b"A"])
        made_deal.settle(again[4], outcome)
        one, two, *others = made_deal.replies()
        assert (one, others) == (b"A", [b"B", 1])
        assert two == reply or type(two) is reply


def test_a_load_that_got_no_replies_goes_astray_command_by_command() -> None:
    layout, made_deal = deal(GET_A, INCR_A, GET_B)
    error = broken("a")
    one, two = answered(layout, made_deal, error, [b"B"])
    assert [row[0] for row in (one, two)] == [0, 0]
    assert [(row[1].commands[0].verb.name, row[1].together) for row in (one, two)] == [
        (b"GET", False),
        (b"INCR", False),
    ]
    assert one[2] is node(layout, made_deal.loads[0])
    assert (one[3] is not two[3], one[3].maybe_executed, str(one[3])) == (True, True, "a: broke")
    made_deal.settle(two[4], refused("a"))
    made_deal.settle(one[4], [b"A"])
    a, incr, b = made_deal.replies()
    assert (a, type(incr), b) == (b"A", Unreachable, b"B")


@pytest.mark.parametrize("said", ["MOVED 1 h:1", "ASK 1 h:1", "TRYAGAIN", "CLUSTERDOWN", "LOADING"])
def test_a_command_that_is_sent_elsewhere_goes_astray_alone(said: str) -> None:
    layout, made_deal = deal(GET_A, SET_A)
    fault = Fault(said)
    (row,) = answered(layout, made_deal, [fault, b"OK"])
    assert (row[0], row[1].commands[0].args, row[3]) == (0, (b"0a",), [fault])
    made_deal.settle(row[4], [b"A"])
    assert made_deal.replies() == [b"A", b"OK"]


def test_a_piece_that_is_sent_elsewhere_is_asked_for_its_own_keys() -> None:
    unlink = made(keys.UNLINK, b"0a", b"1b", b"3d")
    layout, made_deal = deal(unlink)
    (row,) = answered(layout, made_deal, [1, Fault("MOVED 3 h:1")], [1])
    request: Request = row[1]
    assert (row[0], request.commands[0].args) == (3, (b"3d",))
    made_deal.settle(row[4], [1])
    assert made_deal.replies() == [3]


def test_a_transaction_that_was_carried_out_goes_not_astray_for_what_a_script_in_it_says() -> None:
    layout, made_deal = deal(SET_A, INCR_A, together=True)
    fault = Fault("MOVED 0 h:1")
    assert answered(layout, made_deal, [b"OK", b"QUEUED", b"QUEUED", [b"OK", fault]]) == []
    assert made_deal.replies() == [b"OK", fault]


def test_a_transaction_that_is_sent_elsewhere_goes_astray_as_a_whole() -> None:
    layout, made_deal = deal(SET_A, INCR_A, together=True)
    moved = Fault("MOVED 0 h:1")
    (row,) = answered(layout, made_deal, [b"OK", moved, moved, Fault("EXECABORT")])
    request: Request = row[1]
    assert (request.together, [command.verb.name for command in request.commands]) == (
        True,
        [b"SET", b"INCR"],
    )
    made_deal.settle(row[4], [b"OK", 7])
    assert made_deal.replies() == [b"OK", 7]


def test_a_server_has_answered_where_it_sent_nothing_elsewhere() -> None:
    heard: list[tuple[int | None, str]] = []

    class Told(Layout):
        def answered(self, place: int | None, node: Node) -> None:
            heard.append((place, node.address))

    a, b = Group(Node("a")), Group(Node("b"))
    layout = Told((a, b), shelf)
    for commands, outcomes in (
        ([GET_A, GET_B], [[b"A"], [Fault("MOVED 1 h:1")]]),
        ([GET_A, SET_A], [[Fault("WRONGTYPE"), b"OK"]]),
        ([GET_A], [refused()]),
    ):
        made_deal = Deal(layout, commands)
        answered(layout, made_deal, *outcomes)
    assert heard == [(0, "a"), (0, "a")]


# Walks


def scan(cursor: int) -> Any:
    return made(keys.SCAN, cursor, b"COUNT", 10)


def test_a_walk_asks_one_server_after_the_other() -> None:
    layout, cursor, seen = shards(), 0, []
    for theirs in (7, 0, 0, 0):
        _, made_deal = deal(scan(cursor), layout=layout)
        (load,) = made_deal.loads
        seen.append(node(layout, load).address + " " + requests(load.payload)[0])
        answered(layout, made_deal, [[b"%d" % theirs, [b"k"]]])
        reply: Any = made_deal.replies()[0]
        told, found = reply
        assert found == [b"k"]
        cursor = int(told)
    assert seen == ["a SCAN 0 COUNT 10", "a SCAN 7 COUNT 10", "b SCAN 0 COUNT 10", "c SCAN 0 COUNT 10"]
    assert cursor == 0


def test_a_walk_at_a_server_that_has_gone_is_at_its_end() -> None:
    _, made_deal = deal(scan(3))
    assert made_deal.loads == []
    assert made_deal.replies() == [[b"0", []]]


def test_a_server_all_of_whose_places_have_moved_is_left_out() -> None:
    class Moved(Layout):
        def all_groups(self) -> list[Group]:
            return [gone, *super().all_groups()]

    gone = Group(Node("gone"))
    layout = Moved((Group(Node("a")), Group(Node("b"))), shelf)
    _, flush = deal(made(server.FLUSHDB), layout=layout)
    assert [node(layout, load).address for load in flush.loads] == ["a", "b"]
    _, walk = deal(scan(0), layout=layout)
    assert (walk.loads, walk.replies()) == ([], [[b"1", []]])


def test_a_walk_ends_with_the_error_of_the_server_where_it_is() -> None:
    layout, made_deal = deal(scan(1), GET_A)
    fault = Fault("NOPERM")
    answered(layout, made_deal, [b"A"], [fault])
    assert made_deal.replies() == [fault, b"A"]
    _, made_deal = deal(scan(1))
    made_deal.lose(made_deal.loads[0], refused("b"))
    (told,) = made_deal.replies()
    assert isinstance(told, Incomplete)
    assert (str(told), told.reply) == ("SCAN: 1 node: b: refused", [b"2", []])


def test_before_anything_is_known_a_walk_finds_that_out() -> None:
    assert deal(scan(0), layout=Layout((None,), shelf))[1].unknown == 0
