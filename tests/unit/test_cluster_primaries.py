"""Where a request goes whose primary is gone from a cluster, and who is read from; fed by hand.

Fails where a replica that points back to a dead primary is believed, where a server that is back is
never asked again, where callers wait for one that is known to be gone, or where a write that may have
been carried out is repeated.
"""

from __future__ import annotations

import pytest

from tests.unit.charts import HOME, SLOTS_REPLY, Rig, told
from tests.unit.layouts import (
    GET,
    INCR,
    Clock,
    broken,
    follow,
    late,
    refused,
    said,
    stopped,
)
from vkcache.shell.nodes.layout import ASK_AGAIN


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stopped(monkeypatch)


# Primaries that are gone


def test_a_replica_that_answers_has_taken_over() -> None:
    rig = Rig()
    way = rig.after(refused("h:1"), [b"OK"])
    assert (way.asked, way.result) == (["h:2: SET"], [b"OK"])
    assert rig.home.primary is rig.node(2)
    assert rig.home.replicas == (rig.node(3), rig.node(1))


def test_a_replica_that_points_to_another_one_says_who_has_taken_over() -> None:
    rig = Rig()
    way = rig.after(refused("h:1"), said(f"MOVED {HOME} h:3"), [b"OK"])
    assert (way.asked, way.result) == (["h:2: SET", "h:3: SET"], [b"OK"])
    assert rig.home.primary is rig.node(3)


def test_a_replica_that_points_back_ends_it_at_once_with_the_first_error() -> None:
    rig = Rig()
    way = rig.after(error := refused("h:1"), said(f"MOVED {HOME} h:1"))
    assert (way.asked, way.error) == (["h:2: SET"], error)
    assert rig.home.primary is rig.node(1)


def test_the_next_replica_is_asked_and_then_somebody_for_the_layout(clock: Clock) -> None:
    rig = Rig()
    clock.now += ASK_AGAIN
    way = rig.after(error := refused("h:1"), refused("h:2"), refused("h:3"), SLOTS_REPLY)
    assert way.asked[:2] == ["h:2: SET", "h:3: SET"]
    assert way.asked[2].endswith("? CLUSTER SLOTS")
    assert way.error is error
    way = rig.after(refused("h:1"), refused("h:2"), refused("h:3"))
    assert len(way.asked) == 2


def test_who_has_taken_over_is_asked_where_the_layout_says_so(clock: Clock) -> None:
    rig = Rig()
    clock.now += ASK_AGAIN
    way = rig.after(refused("h:1"), refused("h:2"), refused("h:3"), told(9), [b"OK"])
    assert (way.asked[3:], way.result) == (["h:9: SET"], [b"OK"])


@pytest.mark.parametrize("error", [late("h:1"), broken("h:1")], ids=["late", "broken"])
def test_a_write_that_may_have_been_carried_out_is_not_repeated(error: Exception) -> None:
    rig = Rig()
    way = follow(rig.layout.reroute(HOME, INCR, rig.node(1), error))  # type: ignore[arg-type]  # one of two
    assert (way.asked, way.error) == ([], error)


def test_that_a_write_may_have_been_carried_out_is_told_after_later_attempts_too() -> None:
    rig = Rig()
    way = rig.after(late("h:1"), refused("h:2"), refused("h:3"))
    assert way.asked == ["h:2: SET", "h:3: SET"]
    assert way.error is not None
    assert (str(way.error), way.error.maybe_executed) == ("h:1: late", True)
    way = follow(rig.layout.reroute(HOME, INCR, rig.node(1), refused("h:1")), broken("h:2"))
    assert way.asked == ["h:2: EVAL"]
    assert way.error is not None
    assert (str(way.error), way.error.maybe_executed) == ("h:1: refused", True)


def test_the_next_caller_asks_a_primary_that_was_late_whether_it_is_there() -> None:
    rig = Rig()
    way = rig.after(error := late("h:1"), said(f"MOVED {HOME} h:1"))
    assert (way.asked, way.error) == (["h:2: SET"], error)
    assert rig.layout.choose(HOME, reads=False) is None
    assert rig.write(b"PONG", [b"OK"]).asked == ["h:1? PING", "h:1: SET"]
    assert not rig.node(1).suspect
    assert rig.home.primary is rig.node(1)


def test_while_a_primary_does_not_answer_nobody_waits_for_it(clock: Clock) -> None:
    rig = Rig()
    back = said(f"MOVED {HOME} h:1")
    rig.after(late("h:1"), back)
    way = rig.write(None, back)
    assert way.asked == ["h:1? PING", "h:2: SET"]
    way = rig.write(back)
    assert (way.asked, str(way.error)) == (["h:2: SET"], "h:1: did not answer a moment ago")
    clock.now += ASK_AGAIN
    assert rig.write(None, back).asked == ["h:1? PING", "h:2: SET"]
    clock.now += ASK_AGAIN
    assert rig.write(b"PONG", [b"OK"]).asked == ["h:1? PING", "h:1: SET"]
    assert rig.home.primary is rig.node(1)


def test_once_a_replica_has_taken_over_it_is_the_one_that_is_asked() -> None:
    rig = Rig()
    rig.node(1).suspected()
    assert rig.write([b"OK"]).asked == ["h:2: SET"]
    assert rig.layout.choose(HOME, reads=False) is rig.node(2)


def test_where_no_replica_stands_the_layout_says_who_is_primary(clock: Clock) -> None:
    rig = Rig()
    clock.now += ASK_AGAIN
    for port in (1, 2, 3):
        rig.node(port).suspected()
    way = rig.write(told(9), [b"OK"])
    assert (way.asked[1:], way.result) == (["h:9: SET"], [b"OK"])
    rig = Rig()
    for port in (1, 2, 3):
        rig.node(port).suspected()
    way = rig.write()
    assert (way.asked, str(way.error)) == ([], "h:1: did not answer a moment ago")


def test_a_suspect_that_became_a_replica_and_then_primary_again_is_asked_again() -> None:
    rig = Rig()
    rig.after(late("h:1"), [b"OK"])
    assert rig.home.primary is rig.node(2)
    assert rig.node(1).suspect
    way = rig.after(said(f"MOVED {HOME} h:1"), b"PONG", [b"OK"], port=2)
    assert (way.asked, way.result) == (["h:1? PING", "h:1: SET"], [b"OK"])
    assert rig.home.primary is rig.node(1)


def test_a_suspected_replica_is_asked_whether_it_can_take_over(clock: Clock) -> None:
    rig = Rig()
    for port in (2, 3):
        rig.node(port).suspected()
    assert rig.after(refused("h:1")).asked == []
    clock.now += ASK_AGAIN
    way = rig.after(refused("h:1"), None, b"PONG", [b"OK"])
    assert way.asked == ["h:2? PING", "h:3? PING", "h:3: SET"]
    rig.node(3).suspected()
    rig.node(1).doubted()
    clock.now += ASK_AGAIN
    way = rig.write(None, b"PONG", [b"OK"])
    assert way.asked == ["h:3? PING", "h:2? PING", "h:2: SET"]


# Reads


def test_a_read_goes_to_a_replica_by_a_connection_that_says_so() -> None:
    rig = Rig("replica")
    way = follow(rig.layout.reroute(HOME, GET, None, None), [b"5"])
    assert way.asked == ["h:2 reading: GET"]
    assert rig.home.primary is rig.node(1)


def test_a_reader_that_is_gone_is_not_the_primary_that_is() -> None:
    rig = Rig("replica")
    way = follow(rig.layout.reroute(HOME, GET, rig.node(2, reading=True), refused()), [b"5"])
    assert way.asked == ["h:3 reading: GET"]
    way = follow(rig.layout.reroute(HOME, GET, rig.node(3, reading=True), refused()), [b"5"])
    assert way.asked == ["h:1: GET"]
    assert rig.home.primary is rig.node(1)


def test_a_reader_to_which_the_slot_has_moved_is_asked_as_the_primary() -> None:
    rig = Rig("replica")
    way = follow(rig.layout.reroute(HOME, GET, rig.node(2, reading=True), said(f"MOVED {HOME} h:2")), [b"5"])
    assert way.asked == ["h:2: GET"]
    assert rig.home.primary is rig.node(2)


def test_a_call_without_keys_goes_to_any_primary_and_promotes_nobody() -> None:
    rig = Rig()
    assert rig.layout.any_group() in rig.layout.all_groups()
    rig.layout.answered(None, rig.node(2))
    assert rig.home.primary is rig.node(1)
    rig.chart.promoted(rig.home, rig.node(4))
    assert rig.home.primary is rig.node(1)
    assert Rig(known=False).layout.any_group() is None
