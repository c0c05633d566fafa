"""What a cluster's layout is told of its slots, and what it makes of redirections; fed by hand.

Fails where a redirection is not followed or not learned from, where a server is known by a wrong
address, or where the layout is looked up more than once a second, or never.
"""

from __future__ import annotations

import gc
from typing import Any

import pytest

from tests.unit.charts import HALF, HOME, SLOTS_REPLY, Rig, told
from tests.unit.feeding import SPACE
from tests.unit.layouts import (
    BOTH,
    GET,
    INCR,
    SET,
    Clock,
    follow,
    made,
    said,
    stopped,
)
from vkcache.core import lists, server
from vkcache.core.plan import Features, Reply, Sleep
from vkcache.core.slots import SLOTS
from vkcache.errors import AccessDenied, Unreachable
from vkcache.shell.nodes.cluster import Chart, chart
from vkcache.shell.nodes.layout import ASK_AGAIN, Inquire, Node


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stopped(monkeypatch)


def test_the_key_of_these_tests_lives_where_they_say() -> None:
    assert HOME < HALF
    assert Rig().home.primary.address == "h:1"


# What CLUSTER SLOTS says


def test_what_a_server_says_of_all_slots_is_taken_over() -> None:
    rig = Rig()
    assert [group.primary.address for group in rig.layout.all_groups()] == ["h:1", "h:4"]
    assert [node.address for node in rig.home.replicas] == ["h:2", "h:3"]
    assert [(node.address, node.reading) for node in rig.home.readers] == [("h:2", True), ("h:3", True)]
    assert rig.layout.groups[HALF - 1] is rig.home
    assert rig.layout.groups[HALF] is not rig.home
    assert rig.layout.holders([b"p:1:k", b"{p:1:k}2"]) == [rig.home, rig.home]
    assert rig.layout.combinable([b"p:1:k", b"{p:1:k}2"])
    assert not rig.layout.combinable([b"p:1:k", b"p:1:k2"])
    assert follow(rig.layout.features()).result == Features()


@pytest.mark.parametrize("host", ["", None, "?", b"", b"?"])
def test_a_server_that_does_not_know_its_name_is_the_one_that_was_asked(host: object) -> None:
    known = Chart(["seed:1"])
    assert known.read([[0, SLOTS - 1, [host, 7], [b"other", 8]]], Node("10.0.0.1:7001"))
    group = known.groups[0]
    assert (group.primary.address, group.replicas[0].address) == ("10.0.0.1:7", "other:8")


def test_a_server_that_nobody_can_reach_is_left_out() -> None:
    known = Chart(["seed:1"])
    odd: list[Any] = [b"h/x", 9]
    assert known.read([[0, 7, [b"h", 7], odd, [b"h", 8]], [8, 9, odd]], known.seeds[0])
    assert [node.address for node in known.groups[0].replicas] == ["h:8"]
    assert known.slots[8] is None


def test_servers_that_are_gone_are_forgotten() -> None:
    known = Chart(["seed:1"])
    for number in range(1, 9):
        assert known.read([[0, SLOTS - 1, [b"h", number], [b"r", number]]], known.seeds[0])
    gc.collect()
    assert {address for address, _ in known._nodes} == {"h:8", "r:8"}


def test_a_server_of_ipv6_is_known_by_its_address() -> None:
    known = Chart(["::1:7001"])
    assert known.read([[0, SLOTS - 1, [b"", 7], [b"fe80::2", 8]]], known.seeds[0])
    assert (known.groups[0].primary.address, known.groups[0].replicas[0].address) == ("::1:7", "fe80::2:8")


@pytest.mark.parametrize(
    "reply",
    [
        None,
        [],
        b"OK",
        5,
        [[]],
        [[0, 1]],
        [None],
        [[b"0", b"16383", [b"h", 7]]],
        [[-5, 16383, [b"h", 7]]],
        [[0, 10**9, [b"h", 7]]],
        [[9, 8, [b"h", 7]]],
        [[0, 16383, [b"h", 0]]],
        [[0, 16383, [b"h", b"7"]]],
        [[0, 16383, [b"h?db=3", 7]]],
        [[0, 16383, [b"valkey://user:word@h", 7]]],
        [[0, 16383, [b"/run/server.sock", 7]]],
        [[0, 16383, [[b"h"], 7]]],
    ],
)
def test_what_can_not_be_read_changes_nothing(reply: Reply) -> None:
    rig = Rig()
    assert not rig.chart.read(reply, rig.chart.seeds[0])
    assert rig.home.primary.address == "h:1"


def test_slots_that_nobody_serves_are_not_known() -> None:
    known = Chart(["seed:1"])
    assert known.read([[0, 5, [b"h", 1]], [7, 7, [b"h", 1]]], known.seeds[0])
    assert [number for number in range(10) if known.slots[number] is not None] == [0, 1, 2, 3, 4, 5, 7]
    assert len(known.groups) == 1


def test_a_server_stays_the_same_node_and_the_list_of_slots_the_same_list() -> None:
    rig = Rig()
    one, slots = rig.node(1), rig.layout.groups
    rig.chart.read(told(2, 1, 3), rig.node(2))
    assert rig.home.primary is rig.node(2)
    assert rig.home.replicas == (one, rig.node(3))
    assert rig.layout.groups is slots is rig.chart.slots


def test_a_replica_that_goes_to_another_primary_does_not_change_the_order_of_walks() -> None:
    known = Chart(["seed:1"])
    for reply in (
        [[0, 9, [b"h", 1], [b"h", 3]], [10, 19, [b"h", 2]]],
        [[0, 8, [b"h", 2], [b"h", 3]], [9, 9, [b"h", 1]], [10, 19, [b"h", 2], [b"h", 3]]],
    ):
        assert known.read(reply, known.seeds[0])
        assert [group.primary.address for group in known.groups] == ["h:1", "h:2"]
    assert known.read([[0, 8, [b"h", 3]], [9, 9, [b"h", 1]]], known.seeds[0])
    assert [group.primary.address for group in known.groups] == ["h:1", "h:3"]


def test_all_caches_of_a_process_share_what_is_known_of_a_cluster() -> None:
    assert chart(["a:1", "b:1"]) is chart(("b:1", "a:1", "b:1"))
    assert chart(["a:1"]) is not chart(["b:1"])
    assert chart(["a:1"], "in haste") is not chart(["a:1"])


# Whom to ask


def test_what_is_not_known_is_asked_of_the_seeds_in_turn() -> None:
    rig = Rig(known=False)
    way = rig.write(None, SLOTS_REPLY, [b"OK"])
    assert sorted(way.asked[:2]) == ["seed:1? CLUSTER SLOTS", "seed:2? CLUSTER SLOTS"]
    assert way.asked[2:] == ["h:1: SET"]
    assert way.result == [b"OK"]


def test_where_no_seed_answers_it_is_said_and_the_next_caller_asks_again(clock: Clock) -> None:
    rig = Rig(known=False)
    for _ in range(2):
        way = rig.write(None, b"no slots")
        assert sorted(way.asked) == ["seed:1? CLUSTER SLOTS", "seed:2? CLUSTER SLOTS"]
        assert "no server tells how the cluster is laid out (asked: seed:1, seed:2)" in str(way.error)
        clock.now += ASK_AGAIN


def test_a_seed_that_refuses_the_password_is_there_and_says_so_each_time() -> None:
    rig = Rig(known=False)
    for _ in range(2):
        with pytest.raises(AccessDenied):
            follow(rig.layout._look(rig.chart.known()), AccessDenied("no"), AccessDenied("no"))


def test_of_a_slot_that_nobody_is_known_to_serve_any_server_is_asked(clock: Clock) -> None:
    rig = Rig()
    rig.chart.slots[HOME] = None
    clock.now += ASK_AGAIN
    nobody = said("CLUSTERDOWN Hash slot not served")
    way = rig.write(nobody, [SLOTS_REPLY[1]], nobody)
    assert [line.partition(" ")[2] for line in way.asked] == ["SET", "CLUSTER SLOTS", "SET"]
    assert "CLUSTERDOWN Hash slot not served" in str(way.error)


def test_who_reads_from_replicas_looks_now_and_then_whether_there_are_more(clock: Clock) -> None:
    rig = Rig("replica")
    assert rig.layout.choose(HOME, reads=True) is not None
    clock.now += 11.0
    assert rig.layout.choose(HOME, reads=True) is None
    assert rig.layout.choose(HOME, reads=False) is rig.node(1)
    way = follow(rig.layout.chosen(HOME, reads=True), [[0, SLOTS - 1, [b"h", 1], [b"h", 9]]])
    assert [line.partition("? ")[2] for line in way.asked] == ["CLUSTER SLOTS"]
    assert way.result is rig.node(9, reading=True)
    assert rig.layout.choose(HOME, reads=True) is way.result


def test_who_comes_while_another_looks_waits_for_what_that_one_finds(clock: Clock) -> None:
    rig = Rig(known=False)
    looking, waiting = (iter(rig.layout.reroute(HOME, SET, None, None)) for _ in range(2))
    next(looking)
    assert [repr(next(waiting)), repr(waiting.send(None))] == ["Sleep(seconds=0.002)"] * 2
    looking.send(SLOTS_REPLY)
    assert "h:1" in repr(waiting.send(None).node)  # type: ignore[attr-defined]  # an Ask
    looking.close()
    waiting.close()
    rig = Rig(known=False)
    assert rig.chart.due()
    in_vain = iter(rig.layout.learned())
    next(in_vain)
    clock.now += 1.0
    with pytest.raises(StopIteration):
        next(in_vain)


def test_where_the_one_who_looks_gives_up_another_looks(clock: Clock) -> None:
    rig = Rig(known=False)
    looking, waiting = (iter(rig.layout.reroute(HOME, SET, None, None)) for _ in range(2))
    next(looking)
    assert isinstance(next(waiting), Sleep)
    with pytest.raises(KeyboardInterrupt):
        looking.throw(KeyboardInterrupt())
    clock.now += 0.05
    assert isinstance(waiting.send(None), Inquire)
    waiting.close()


def test_the_layout_is_looked_up_at_most_once_a_second(clock: Clock) -> None:
    rig = Rig()
    assert follow(rig.layout.learned()).asked == []
    clock.now += ASK_AGAIN
    assert len(follow(rig.layout.learned(), SLOTS_REPLY).asked) == 1
    assert follow(rig.layout.learned()).asked == []
    assert follow(rig.layout.learned()).asked == []


def test_some_known_servers_are_asked_before_the_seeds_and_suspects_last(clock: Clock) -> None:
    rig = Rig()
    rig.node(1).suspected()
    rig.node(4).suspected()
    clock.now += ASK_AGAIN
    asked = follow(rig.layout.learned(), *[None] * 7).asked
    ports = [line.partition("?")[0] for line in asked]
    assert sorted(ports[:3]) == ["h:2", "h:3", "h:5"]
    assert sorted(ports[3:5]) == ["seed:1", "seed:2"]
    assert sorted(ports[5:]) == ["h:1", "h:4"]


def test_a_suspect_is_not_asked_for_the_layout_within_its_second(clock: Clock) -> None:
    rig = Rig()
    clock.now += ASK_AGAIN
    for port in range(1, 6):
        rig.node(port).suspected()
    asked = follow(rig.layout.learned(), SLOTS_REPLY).asked
    assert asked in (["seed:1? CLUSTER SLOTS"], ["seed:2? CLUSTER SLOTS"])


def test_of_a_large_cluster_a_few_servers_are_asked() -> None:
    known = Chart(["seed:1"])
    known.read([[number, number, [b"h", number + 1]] for number in range(300)], known.seeds[0])
    assert len(known.known()) == 9
    assert known.known()[3] is known.seeds[0]


def test_many_callers_who_doubt_a_server_wait_for_the_one_who_asks_it() -> None:
    rig = Rig()
    rig.node(1).doubted()
    asking, waiting = (iter(rig.layout.chosen(HOME, reads=False)) for _ in range(2))
    assert "Inquire" in repr(next(asking))
    assert repr(next(waiting)) == "Sleep(seconds=0.002)"
    for caller, answer in ((asking, b"PONG"), (waiting, None)):
        with pytest.raises(StopIteration) as chosen:
            caller.send(answer)
        assert chosen.value.value is rig.node(1)


def test_a_replica_that_answers_what_names_no_key_has_not_taken_over() -> None:
    for request, primary in ((made(server.flush_db(SPACE)), 1), (SET, 2)):
        rig = Rig()
        rig.node(1).suspected()
        way = follow(rig.layout.reroute(HOME, request, None, None), [b"OK"])
        assert way.result == [b"OK"]
        assert rig.home.primary is rig.node(primary)


# Redirections


def test_a_slot_that_has_moved_to_a_known_primary_is_there_from_now_on() -> None:
    rig = Rig()
    way = rig.after(said(f"MOVED {HOME} h:4"), [b"OK"])
    assert (way.asked, way.result) == (["h:4: SET"], [b"OK"])
    assert rig.layout.groups[HOME] is rig.layout.groups[HALF]
    assert rig.layout.groups[HOME + 1] is not rig.layout.groups[HALF]
    assert rig.layout.choose(HOME, reads=False) is rig.node(4)


def test_a_replica_to_which_slots_have_moved_is_their_primary() -> None:
    rig = Rig("replica")
    way = rig.after(said(f"MOVED {HOME} h:3"), [b"OK"])
    assert (way.asked, way.result) == (["h:3: SET"], [b"OK"])
    assert rig.layout.groups[0] is rig.home
    assert rig.home.primary is rig.node(3)
    assert rig.home.replicas == (rig.node(2), rig.node(1))
    assert rig.home.readers == (rig.node(2, reading=True), rig.node(1, reading=True))


def test_a_server_that_nobody_knew_is_asked_and_remembered() -> None:
    rig = Rig()
    way = rig.after(said(f"MOVED {HOME} new:9"), [b"OK"])
    assert (way.asked, way.result) == (["new:9: SET"], [b"OK"])
    assert rig.home.primary.address == "new:9"
    assert rig.home in rig.layout.all_groups()
    assert rig.layout.groups[HOME + 1] is not rig.home


@pytest.mark.parametrize("host", ["", "?"])
def test_a_redirection_without_a_host_is_to_the_host_that_said_so(host: str) -> None:
    way = Rig().after(said(f"MOVED {HOME} {host}:4"), [b"OK"])
    assert way.asked == ["h:4: SET"]


def test_with_a_redirection_the_layout_is_looked_up_where_the_slot_is_now(clock: Clock) -> None:
    rig = Rig()
    clock.now += ASK_AGAIN
    way = rig.after(said(f"MOVED {HOME} h:3"), told(3, 1, 2), [b"OK"])
    assert way.asked == ["h:3? CLUSTER SLOTS", "h:3: SET"]
    assert rig.home.replicas == (rig.node(1), rig.node(2))
    way = rig.after(said(f"MOVED {HOME} h:2"), [b"OK"], port=3)
    assert way.asked == ["h:2: SET"]


def test_a_slot_that_nobody_served_is_where_a_server_says() -> None:
    rig = Rig()
    rig.chart.slots[HOME] = None
    node = rig.chart.moved(HOME, "h:4")
    assert rig.home.primary is node is rig.node(4)
    assert rig.chart.moved(HOME, "h:4") is node


def test_a_key_that_is_just_being_moved_is_asked_for_there_once() -> None:
    rig = Rig()
    way = rig.after(said(f"ASK {HOME} h:4"), [b"OK"])
    assert (way.asked, way.result) == (["h:4: ASKING SET"], [b"OK"])
    assert rig.layout.choose(HOME, reads=False) is rig.node(1)
    way = follow(rig.layout.reroute(HOME, BOTH, rig.node(1), said(f"ASK {HOME} h:4")), [None, 1])
    assert way.asked == ["h:4: ASKING MULTI GET EVAL"]


@pytest.mark.parametrize("word", ["MOVED", "ASK"])
def test_a_script_that_speaks_of_another_slot_is_not_run_again(word: str) -> None:
    rig, fault = Rig(), said(f"{word} {HOME + 1} h:4")
    way = follow(rig.layout.reroute(HOME, INCR, rig.node(1), fault))
    assert (way.asked, way.result) == ([], fault)
    assert rig.chart.slots[HOME + 1] is rig.home


def test_the_asking_is_not_repeated_after_the_move() -> None:
    rig = Rig()
    way = rig.after(said(f"ASK {HOME} h:4"), said(f"MOVED {HOME} h:4"), [b"OK"])
    assert way.asked == ["h:4: ASKING SET", "h:4: SET"]


def test_a_call_that_waits_waits_where_its_key_is_being_moved() -> None:
    rig, blpop = Rig(), made(lists.blpop(SPACE, "k", timeout=0))
    way = follow(rig.layout.reroute(HOME, blpop, rig.node(1), said(f"ASK {HOME} h:4")), [None])
    assert way.asked == ["h:4: ASKING BLPOP"]


def test_keys_that_are_half_moved_are_asked_for_again() -> None:
    rig = Rig()
    again = "TRYAGAIN Multiple keys request during rehashing of slot"
    way = rig.after(said(again), None, said(again), None, [b"OK"])
    assert way.asked == ["sleep 0.005", "h:1: SET"] * 2
    assert way.result == [b"OK"]


def test_who_is_sent_to_and_fro_pauses_and_gives_up_in_time(clock: Clock) -> None:
    rig = Rig()
    to, fro = said(f"MOVED {HOME} h:4"), said(f"MOVED {HOME} h:1")
    way = rig.after(to, fro, to, fro, to, None, [b"OK"])
    assert way.asked == ["h:4: SET", "h:1: SET"] * 2 + ["sleep 0.01", "h:4: SET"]
    steps = iter(rig.layout.reroute(HOME, SET, rig.node(1), to))
    next(steps)
    clock.now += 1.0
    with pytest.raises(StopIteration) as end:
        steps.send(fro)
    assert end.value.value is fro


def test_where_the_cluster_is_down_the_layout_is_looked_up_once(clock: Clock) -> None:
    rig = Rig()
    clock.now += ASK_AGAIN
    down = said("CLUSTERDOWN The cluster is down")
    steps = iter(rig.layout.reroute(HOME, SET, rig.node(1), down))
    assert type(next(steps)).__name__ == "Inquire"
    asked: Any = steps.send(told(2, 1, 3))
    assert asked.node is rig.node(2)
    with pytest.raises(Unreachable, match="h:2: CLUSTERDOWN The cluster is down") as told_caller:
        steps.send(down)
    assert not told_caller.value.maybe_executed


@pytest.mark.parametrize("fault", ["LOADING x", "MASTERDOWN x", "CLUSTERDOWN x"])
def test_a_replica_that_can_not_answer_is_left_for_another(fault: str) -> None:
    rig = Rig("replica")
    reader = rig.node(2, reading=True)
    way = follow(rig.layout.reroute(HOME, GET, reader, said(fault)), [b"5"])
    assert way.result == [b"5"]
    assert reader.suspect == (fault != "CLUSTERDOWN x")
