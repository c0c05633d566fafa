"""Where a request goes that a primary or one of its replicas did not answer, fed by hand.

Fails where a server that is gone makes a read fail, or is asked by more than one caller a second; where
a write that may have been carried out is sent again; or where a server that was slow once counts as gone.
"""

from __future__ import annotations

import pytest

from tests.unit.layouts import (
    BOTH,
    GET,
    INCR,
    SET,
    Clock,
    Way,
    broken,
    follow,
    late,
    made,
    refused,
    said,
    stopped,
    told,
)
from tests.unit.layouts import (
    Replicated as Rig,
)
from vkcache.core.plan import NO_KEYS, Command, Features, Sleep, Verb
from vkcache.core.rings import by_location
from vkcache.core.routing import misplaced, oldest
from vkcache.core.scripts import EVALSHA
from vkcache.errors import InvalidArgument, TimedOut, Unreachable
from vkcache.shell.nodes.course import Course
from vkcache.shell.nodes.layout import (
    ASK_AGAIN,
    PING,
    Group,
    Layout,
    Node,
    ReadFrom,
    Request,
)
from vkcache.shell.nodes.static import replicated, sharded
from vkcache.shell.wire.pool import AllBusy


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stopped(monkeypatch)


# Who is asked


def test_writes_go_to_the_primary_and_reads_to_the_replicas_in_turn() -> None:
    rig = Rig()
    assert [rig.layout.choose(0, reads=False) for _ in range(3)] == [rig.p] * 3
    assert [rig.read() for _ in range(4)] == [rig.a, rig.b, rig.a, rig.b]


@pytest.mark.parametrize(("read_from", "asked"), [("primary", "pppp"), ("replica", "abab"), ("any", "abpa")])
def test_reads_go_where_the_option_says(read_from: ReadFrom, asked: str) -> None:
    rig = Rig(read_from)
    assert "".join(node.address for _ in range(4) if (node := rig.read())) == asked


def test_without_replicas_the_primary_answers_reads() -> None:
    layout = Layout((Group(p := Node("p")),), read_from="replica")
    assert layout.choose(0, reads=True) is p
    assert layout.choose(None, reads=True) is p


def test_one_replica_is_the_one_that_is_asked() -> None:
    p, a = Node("p"), Node("a")
    assert replicated((p, a), "replica", 0, None).choose(0, reads=True) is a


def test_a_read_of_a_transaction_or_with_a_write_goes_to_the_primary() -> None:
    assert GET.reads
    assert not Request(GET.commands, together=True).reads
    assert not made(*GET.commands, *SET.commands).reads
    assert GET.repeatable
    assert SET.repeatable
    assert not INCR.repeatable
    assert not BOTH.repeatable


def test_what_is_not_known_has_to_be_found_out() -> None:
    layout = Layout((None,))
    assert layout.choose(0, reads=True) is None
    assert layout.all_groups() == []
    assert "no server is known" in str(follow(layout.found(0)).error)
    assert "no server is known" in str(follow(layout.reroute(None, GET, None, None)).error)


def test_each_shard_is_a_group_and_counted_once() -> None:
    nodes = (Node("a"), Node("b"))
    layout = sharded(nodes, ring := by_location(["a", "b"]), None)
    keys = [b"k%d" % number for number in range(20)]
    assert layout.holders(keys) == [layout.groups[ring.locate(key)] for key in keys]
    assert layout.combinable(keys)
    assert [group.primary for group in layout.all_groups()] == [*nodes]
    assert layout.place_of(b"k0") == ring.locate(b"k0")
    with pytest.raises(InvalidArgument, match="give key="):
        layout.place_of(None)
    one = Layout((Group(nodes[0]),))
    assert (one.holders(keys), one.place_of(None)) == ([one.groups[0]] * 20, 0)
    assert len(Layout((same := Group(nodes[0]), same)).all_groups()) == 1


# Replicas that are gone


def test_where_a_replica_is_gone_the_next_one_answers() -> None:
    rig = Rig()
    way = follow(rig.layout.reroute(0, GET, rig.a, refused()), [b"5"])
    assert (way.asked, way.result) == (["b: GET"], [b"5"])
    assert rig.a.suspect
    assert not rig.b.suspect


def test_where_all_replicas_are_gone_the_primary_answers() -> None:
    rig = Rig()
    way = follow(rig.layout.reroute(0, GET, rig.a, refused()), refused("b"), [b"5"])
    assert (way.asked, way.result) == (["b: GET", "p: GET"], [b"5"])


def test_where_all_are_gone_the_first_error_is_told() -> None:
    rig = Rig()
    way = follow(rig.layout.reroute(0, GET, rig.a, refused()), refused("b"), refused("p"))
    assert (way.asked, str(way.error)) == (["b: GET", "p: GET"], "a: refused")


def test_after_a_time_out_the_primary_answers_at_once() -> None:
    rig = Rig()
    way = follow(rig.layout.reroute(0, GET, rig.a, late()), [b"5"])
    assert (way.asked, way.result) == (["p: GET"], [b"5"])
    assert rig.a.suspect


def test_a_replica_that_is_gone_is_left_alone_for_a_second(clock: Clock) -> None:
    rig = Rig()
    rig.a.suspected()
    assert [rig.read() for _ in range(4)] == [rig.b] * 4
    clock.now += ASK_AGAIN - 0.01
    assert [rig.read() for _ in range(4)] == [rig.b] * 4
    assert follow(rig.layout.chosen(0, reads=True)).asked == []


def test_it_is_asked_again_by_one_caller_a_second(clock: Clock) -> None:
    rig = Rig()
    rig.a.suspected()
    clock.now += ASK_AGAIN
    found = [rig.read(), rig.read()]
    assert found == [None, rig.b]
    first = follow(rig.layout.chosen(0, reads=True), None)
    assert (first.asked, first.result) == (["a? PING"], rig.b)
    assert [follow(rig.layout.chosen(0, reads=True)).asked for _ in range(4)] == [[]] * 4
    clock.now += ASK_AGAIN
    assert follow(rig.layout.chosen(0, reads=True), b"PONG") == Way(["a? PING"], rig.a)
    assert not rig.a.suspect
    assert {rig.read(), rig.read()} == {rig.a, rig.b}


@pytest.mark.parametrize("turns", [0, 1])
def test_callers_who_come_one_after_the_other_ask_it_again_too(clock: Clock, turns: int) -> None:
    rig = Rig()
    rig.a.suspected()
    clock.now += ASK_AGAIN
    for _ in range(turns):
        assert rig.read() in (None, rig.b)
    while rig.read() is not None:
        pass
    assert follow(rig.layout.chosen(0, reads=True), b"PONG") == Way(["a? PING"], rig.a)


def test_while_the_suspect_is_asked_nobody_else_asks_it(clock: Clock) -> None:
    rig = Rig()
    rig.a.suspected()
    clock.now += ASK_AGAIN
    asking = iter(rig.layout.chosen(0, reads=True))
    next(asking)
    for _ in range(4):
        assert follow(rig.layout.chosen(0, reads=True)).result is rig.b
    asking.close()


def test_with_all_replicas_suspected_the_primary_answers() -> None:
    rig = Rig()
    rig.a.suspected()
    rig.b.suspected()
    assert rig.read() is rig.p
    assert follow(rig.layout.chosen(0, reads=True)).result is rig.p


def test_with_any_a_read_that_the_primary_did_not_answer_goes_to_a_replica() -> None:
    rig = Rig("any")
    way = follow(rig.layout.reroute(0, GET, rig.p, refused("p")), [b"5"])
    assert (way.asked, way.result) == (["a: GET"], [b"5"])
    way = follow(rig.layout.reroute(0, GET, rig.p, refused("p")), refused(), refused("b"))
    assert (way.asked, str(way.error)) == (["a: GET", "b: GET"], "p: refused")


@pytest.mark.parametrize("fault", ["LOADING the dataset", "MASTERDOWN Link with MASTER is down"])
def test_a_replica_that_holds_no_data_yet_is_left_alone(fault: str) -> None:
    rig = Rig()
    way = follow(rig.layout.reroute(0, GET, rig.a, said(fault)), [b"5"])
    assert (way.asked, way.result) == (["b: GET"], [b"5"])
    assert rig.a.suspect


@pytest.mark.parametrize("fault", ["LOADING the dataset", "READONLY You can't write", "CLUSTERDOWN x"])
def test_where_the_primary_refuses_there_is_nobody_else(fault: str) -> None:
    rig = Rig()
    outcome = said(fault)
    way = follow(rig.layout.reroute(0, SET, rig.p, outcome))
    assert (way.asked, way.result) == ([], outcome)
    assert not rig.p.suspect


# Primaries that are gone


def test_a_write_that_was_not_sent_is_refused_with_the_error() -> None:
    rig = Rig()
    way = follow(rig.layout.reroute(0, INCR, rig.p, error := refused("p")))
    assert (way.asked, way.error) == ([], error)
    assert not rig.p.suspect


@pytest.mark.parametrize("error", [late("p"), broken("p")], ids=["late", "broken"])
@pytest.mark.parametrize("request_", [INCR, BOTH], ids=["incr", "transaction"])
def test_a_write_that_may_have_been_carried_out_is_not_repeated(
    error: Unreachable, request_: Request
) -> None:
    rig = Rig("any")
    way = follow(rig.layout.reroute(0, request_, rig.p, error))
    assert (way.asked, way.error) == ([], error)
    assert error.maybe_executed


def test_that_it_may_have_been_carried_out_stays_true_over_later_attempts() -> None:
    course = Course(0, GET, float("inf"))
    course.failed(Node("a"), first := refused())
    course.failed(Node("b"), broken("b"))
    course.failed(Node("p"), refused("p"))
    told = course.error(refused("p"))
    assert told is first
    assert told.maybe_executed
    writing = Course(0, INCR, float("inf"))
    writing.failed(Node("a"), refused())
    with pytest.raises(Unreachable, match="a: refused") as caught:
        writing.failed(Node("b"), broken("b"))
    assert caught.value.maybe_executed


def test_a_course_ends_with_its_time(clock: Clock) -> None:
    course = Course(0, GET, clock.now + 1)
    course.failed(Node("a"), refused())
    clock.now += 1
    assert course.late()
    with pytest.raises(Unreachable, match="a: refused"):
        course.failed(Node("b"), refused("b"))
    one = Course(0, GET, clock.now)
    one.failed(Node("a"), refused())  # one other server is asked, however late it is


def test_a_primary_that_was_late_is_asked_whether_it_is_there_by_the_next_caller() -> None:
    rig = Rig()
    assert isinstance(follow(rig.layout.reroute(0, SET, rig.p, late("p"))).error, TimedOut)
    assert rig.layout.choose(0, reads=False) is None
    way = follow(rig.layout.reroute(0, SET, None, None), b"PONG", [b"OK"])
    assert (way.asked, way.result) == (["p? PING", "p: SET"], [b"OK"])
    assert not rig.p.suspect
    assert rig.layout.choose(0, reads=False) is rig.p


def test_one_that_does_not_answer_makes_nobody_else_wait(clock: Clock) -> None:
    rig = Rig()
    follow(rig.layout.reroute(0, SET, rig.p, late("p")))
    way = follow(rig.layout.reroute(0, SET, None, None), None)
    assert (way.asked, str(way.error)) == (["p? PING"], "p: did not answer a moment ago")
    way = follow(rig.layout.reroute(0, SET, None, None))
    assert (way.asked, str(way.error)) == ([], "p: did not answer a moment ago")
    assert way.error is not None
    assert not way.error.maybe_executed
    clock.now += ASK_AGAIN
    assert follow(rig.layout.reroute(0, SET, None, None), b"PONG", [b"OK"]).result == [b"OK"]


def test_where_the_one_who_asks_gives_up_another_asks() -> None:
    rig = Rig()
    rig.p.doubted()
    asking, waiting = (iter(rig.layout.chosen(0, reads=False)) for _ in range(2))
    next(asking)
    assert isinstance(next(waiting), Sleep)
    with pytest.raises(KeyboardInterrupt):
        asking.throw(KeyboardInterrupt())
    assert told(waiting.send(None)) == "p? PING"
    with pytest.raises(StopIteration) as chosen:
        waiting.send(b"PONG")
    assert chosen.value.value is rig.p


def test_a_refusal_does_not_hide_that_an_attempt_before_may_have_been_carried_out() -> None:
    course = Course(0, SET, 2000.0)
    refusal = said("READONLY")
    assert course.refused(refusal) is refusal
    course.failed(Node("a"), broken("a"))
    with pytest.raises(Unreachable, match="a: broke") as raised:
        course.refused(said("READONLY"))
    assert raised.value.maybe_executed


def test_a_caller_who_got_no_connection_says_nothing_of_the_server() -> None:
    rig = Rig("primary")
    way = follow(rig.layout.reroute(0, GET, rig.p, AllBusy("all are busy")))
    assert isinstance(way.error, AllBusy)
    assert not rig.p.suspect
    way = follow(rig.layout.reroute(0, GET, rig.a, AllBusy("all are busy")), [b"5"])
    assert (way.asked, rig.a.suspect) == (["p: GET"], False)


def test_what_is_put_off_for_too_long_is_answered_as_it_is(clock: Clock) -> None:
    rig = Rig()
    plan = iter(rig.layout.reroute(0, GET, rig.a, said("LOADING x")))
    assert next(plan)
    clock.now += 1
    fault = said("LOADING y")
    with pytest.raises(StopIteration) as end:
        plan.send(fault)
    assert end.value.value is fault


def test_what_is_asked_is_safe_to_repeat_and_needs_no_key() -> None:
    assert PING.verb.readonly
    assert PING.keys == ()
    assert PING.decode(b"OK")


# What all can do


def test_all_can_do_what_the_least_of_them_can() -> None:
    new, old = Features("valkey", (9, 1, 0)), Features("valkey", (9, 0, 4))
    redis = Features("redis", (8, 4))
    assert oldest([new, old]) is old
    assert oldest([new, redis]) is redis
    assert oldest([redis, old]) is old
    assert oldest([refused(), new]) is new
    assert oldest([]) == Features()
    with pytest.raises(Unreachable, match="a: refused"):
        oldest([refused(), refused("b")])
    assert follow(Layout((None,)).features()).result is None


def test_the_first_reply_counts_that_says_to_go_elsewhere() -> None:
    first, second = said("MOVED 1 a:1")[0], said("TRYAGAIN")[0]
    assert misplaced([first, second]) is first
    assert misplaced([said("EXECABORT x")[0], second]) is second
    assert misplaced([b"MOVED 1 a:1", said("ERR no")[0]]) is None


def test_a_transaction_that_was_carried_out_goes_nowhere_whatever_its_scripts_say() -> None:
    assert misplaced([b"OK", *said("MOVED 1 a:1")]) is None


@pytest.mark.parametrize(
    ("text", "by_script"),
    [
        ("TRYAGAIN later", True),
        ("READONLY for now", True),
        ("CLUSTERDOWN", True),
        ("LOADING a page", True),
        ("TRYAGAIN Multiple keys request during rehashing of slot", False),
        ("CLUSTERDOWN Hash slot not served", False),
        ("CLUSTERDOWN The cluster is down and only accepts read commands", False),
        ("LOADING Valkey is loading the dataset in memory", False),
        ("READONLY You can't write against a read only replica. script: 5f, on @user_script:1.", False),
    ],
)
def test_a_script_is_not_run_again_for_what_it_says_itself(text: str, by_script: bool) -> None:
    fault, evaluated = said(text), Command(EVALSHA, ("5f", 1, b"k"), list)
    assert (misplaced(fault, [evaluated]) is None) == by_script
    assert misplaced(fault, GET.commands) is fault[0]


def test_a_command_without_keys_goes_to_the_primary_of_the_first() -> None:
    layout = Layout((Group(Node("a")), Group(Node("b"))), lambda key: key[0] % 2)
    time = Request((Command(Verb(b"TIME", NO_KEYS), (), list),))
    assert follow(layout.reroute(None, time, None, None), [[b"1", b"2"]]).asked == ["a: TIME"]
