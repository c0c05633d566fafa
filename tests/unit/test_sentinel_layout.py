"""What the layout of a service makes of announcements, and of a primary that is gone; fed by hand.

Fails where a cache keeps its connections to a primary that is none any more, where a new primary is not
asked, where the sentinels are asked more than once a second, or where a write that may have been carried
out is sent to the next primary as well.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from tests.unit.layouts import GET, INCR, SET, Clock, broken, follow, late, refused, said, stopped
from vkcache.errors import TimedOut
from vkcache.shell.nodes.layout import ASK_AGAIN, Group, Node, ReadFrom
from vkcache.shell.nodes.listening import _BROKEN as BROKEN
from vkcache.shell.nodes.listening import Listener
from vkcache.shell.nodes.sentinel import Service, Watched, service

SENTINELS = [("s", 1), ("s", 2)]
ONE, TWO, THREE = ("h", 1), ("h", 2), ("h", 3)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stopped(monkeypatch)


class User:
    """A cache that keeps connections, and what it left."""

    def __init__(self) -> None:
        self.left: list[str] = []

    def leave(self, node: Node) -> None:
        self.left.append(node.address)


class Rig:
    """A service of three servers, of which h:1 was primary when they were looked up a moment ago."""

    def __init__(self, read_from: ReadFrom = "primary", *, known: bool = True) -> None:
        self.service, self.user = Service("main", SENTINELS, {}), User()
        self.layout = Watched.over(self.service, read_from, 0.0, 1.0)
        self.layout.tell(self.user)
        if known:
            assert self.service.due()
            self.service.learned(ONE, [TWO, THREE])

    @property
    def group(self) -> Group:
        group = self.layout.groups[0]
        assert group is not None
        return group

    def said_by_sentinels(self, primary: tuple[str, int], *replicas: tuple[str, int]) -> Any:
        return partial(self.service.learned, primary, replicas)


def addresses(group: Group) -> tuple[str, list[str]]:
    assert group.readers == group.replicas
    return group.primary.address, [node.address for node in group.replicas]


# What is known


def test_what_the_sentinels_say_is_taken_over() -> None:
    rig = Rig()
    assert addresses(rig.group) == ("h:1", ["h:2", "h:3"])
    first = rig.group.primary
    rig.service.learned(TWO, [ONE, TWO, THREE])
    assert addresses(rig.group) == ("h:2", ["h:1", "h:3"])
    assert rig.group.replicas[0] is first
    assert rig.layout.all_groups() == [rig.group]


def test_whoever_uses_the_service_leaves_a_primary_that_is_none_any_more() -> None:
    rig, late_comer = Rig(), User()
    rig.service.use(late_comer)
    rig.service.switched(TWO)
    assert (rig.user.left, late_comer.left) == (["h:1"], ["h:1"])
    rig.service.switched(TWO)
    rig.service.learned(TWO, [THREE])
    assert rig.user.left == ["h:1"]
    rig.service.learned(THREE, [TWO])
    assert rig.user.left == ["h:1", "h:2"]


def test_the_new_primary_is_asked_from_then_on_and_the_old_one_no_more() -> None:
    rig = Rig("replica")
    rig.service.learned(ONE, [TWO, THREE])
    new = rig.group.replicas[0]
    new.suspected()
    rig.service.switched(TWO)
    assert addresses(rig.group) == ("h:2", ["h:3"])
    assert rig.layout.choose(0, reads=False) is new
    assert not new.suspect


def test_servers_that_are_gone_are_forgotten() -> None:
    rig = Rig()
    for number in range(10, 20):
        rig.service.learned(("h", number), [("r", number)])
    gc.collect()
    assert sorted(rig.service._nodes) == [("h", 19), ("r", 19)]


def test_an_announcement_before_anything_is_known_is_known() -> None:
    rig = Rig(known=False)
    rig.service.switched(TWO)
    assert addresses(rig.group) == ("h:2", [])
    assert rig.user.left == []


def test_a_service_is_used_while_somebody_lives_who_uses_it() -> None:
    rig = Rig()
    assert rig.service.used
    del rig.user
    assert not rig.service.used


def test_a_child_of_a_fork_knows_nothing() -> None:
    rig = Rig()
    rig.service.leave_to_parent()
    assert rig.layout.groups == [None]
    assert rig.service.due()


def test_all_caches_of_a_process_share_what_is_known_of_a_service() -> None:
    assert service("a", SENTINELS, {"x": 1}) is service("a", SENTINELS[::-1], {"x": 1})
    assert service("a", SENTINELS, {"x": 1}) is not service("a", SENTINELS, {"x": 2})
    assert service("a", SENTINELS, {}) is not service("b", SENTINELS, {})


# What sentinels announce


def message(channel: str, text: str) -> dict[str, Any]:
    return {"type": "message", "channel": channel.encode(), "data": text.encode()}


def test_a_switch_of_this_service_is_heard_and_none_of_another() -> None:
    rig = Rig()
    listener = Listener(rig.service, SENTINELS[0], {})
    listener._hear(message("+switch-master", "other h 1 h 3"))
    listener._hear({"type": "subscribe", "channel": b"+switch-master", "data": 1})
    assert addresses(rig.group)[0] == "h:1"
    listener._hear(message("+switch-master", "main h 1 h 2"))
    assert addresses(rig.group)[0] == "h:2"


@pytest.mark.parametrize(
    "words", ["main h 1 h 0", "main h 1 h 70000", "main h 1 a?db=3 2", "main h 1 \ufffd 2"]
)
def test_a_switch_to_where_no_server_can_be_is_none(words: str) -> None:
    rig = Rig()
    Listener(rig.service, SENTINELS[0], {})._hear(message("+switch-master", words))
    assert addresses(rig.group) == ("h:1", ["h:2", "h:3"])


@pytest.mark.parametrize(
    "data", [b"", b"main", b"main h", b"main h 1 h", b"main h 1 h x", 5, None, [b"main"]]
)
def test_news_that_are_none_only_break_the_connection(data: Any) -> None:
    rig = Rig()
    listener = Listener(rig.service, SENTINELS[0], {})
    with suppress(*BROKEN):
        listener._hear({"type": "message", "channel": b"+switch-master", "data": data})
    assert addresses(rig.group) == ("h:1", ["h:2", "h:3"])


def test_a_change_of_its_replicas_has_them_looked_up_at_most_once_a_second(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, looks = Rig(), list[float]()
    monkeypatch.setattr(rig.service, "look", lambda: looks.append(clock.now))
    listener = Listener(rig.service, SENTINELS[0], {})
    listener._hear(None)
    listener._hear(message("+slave", "slave h:9 h 9 @ other h 8"))
    clock.now += ASK_AGAIN
    listener._hear(None)
    assert looks == []
    assert rig.service.due()
    listener._hear(message("+slave", "slave h:4 h 4 @ main h 1"))
    listener._hear(None)
    assert looks == []
    clock.now += ASK_AGAIN
    listener._hear(None)
    clock.now += ASK_AGAIN
    listener._hear(None)
    assert looks == [clock.now - ASK_AGAIN]


# Where a request goes


def test_before_anything_is_known_the_sentinels_are_asked() -> None:
    rig = Rig(known=False)
    assert rig.layout.choose(0, reads=False) is None
    way = follow(rig.layout.reroute(0, SET, None, None), rig.said_by_sentinels(ONE), [b"OK"])
    assert (way.asked, way.result) == (["aside look", "h:1: SET"], [b"OK"])
    rig = Rig(known=False)
    way = follow(rig.layout.reroute(0, SET, None, None), None)
    assert way.asked == ["aside look"]
    assert "no sentinel names a primary of 'main' (asked: s:1, s:2)" in str(way.error)


def test_they_are_asked_at_most_once_a_second(clock: Clock) -> None:
    rig = Rig()
    assert follow(rig.layout.learned()).asked == []
    clock.now += ASK_AGAIN
    assert follow(rig.layout.learned(), None).asked == ["aside look"]
    assert follow(rig.layout.learned()).asked == []


def test_where_the_primary_is_gone_the_next_one_is_asked(clock: Clock) -> None:
    rig = Rig()
    clock.now += ASK_AGAIN
    node = rig.group.primary
    way = follow(rig.layout.reroute(0, INCR, node, refused("h:1")), rig.said_by_sentinels(TWO, THREE), [6])
    assert (way.asked, way.result) == (["aside look", "h:2: EVAL"], [6])
    assert rig.user.left == ["h:1"]


def test_where_it_was_announced_already_nobody_has_to_be_asked() -> None:
    rig = Rig()
    node = rig.group.primary
    rig.service.switched(TWO)
    assert follow(rig.layout.reroute(0, INCR, node, refused("h:1")), [6]).asked == ["h:2: EVAL"]
    assert follow(rig.layout.reroute(0, SET, node, late("h:1")), [b"OK"]).asked == ["h:2: SET"]


def test_where_nobody_has_taken_over_the_first_error_is_told(clock: Clock) -> None:
    rig = Rig()
    error = refused("h:1")
    way = follow(rig.layout.reroute(0, SET, rig.group.primary, error))
    assert (way.asked, way.error) == ([], error)
    clock.now += ASK_AGAIN
    way = follow(rig.layout.reroute(0, SET, rig.group.primary, error), rig.said_by_sentinels(ONE, TWO))
    assert (way.asked, way.error) == (["aside look"], error)


def test_who_has_waited_does_not_wait_for_the_sentinels_too(clock: Clock) -> None:
    rig = Rig()
    clock.now += ASK_AGAIN
    way = follow(rig.layout.reroute(0, SET, rig.group.primary, error := late("h:1")))
    assert (way.asked, way.error) == ([], error)
    assert isinstance(error, TimedOut)


@pytest.mark.parametrize("error", [late("h:1"), broken("h:1")], ids=["late", "broken"])
def test_a_write_that_may_have_been_carried_out_is_not_sent_to_the_next_primary(error: TimedOut) -> None:
    rig = Rig()
    node = rig.group.primary
    rig.service.switched(TWO)
    way = follow(rig.layout.reroute(0, INCR, node, error))
    assert (way.asked, way.error) == ([], error)


def test_while_the_primary_does_not_answer_the_sentinels_are_asked_who_is(clock: Clock) -> None:
    rig = Rig()
    follow(rig.layout.reroute(0, SET, rig.group.primary, late("h:1")))
    way = follow(rig.layout.reroute(0, SET, None, None), None)
    assert (way.asked, str(way.error)) == (
        ["h:1? PING"],
        "h:1: did not answer a moment ago, and no other is primary yet",
    )
    clock.now += ASK_AGAIN
    way = follow(rig.layout.reroute(0, SET, None, None), None, rig.said_by_sentinels(TWO, THREE), [b"OK"])
    assert (way.asked, way.result) == (["h:1? PING", "aside look", "h:2: SET"], [b"OK"])


def test_one_that_was_slow_once_stays_primary() -> None:
    rig = Rig()
    follow(rig.layout.reroute(0, SET, rig.group.primary, late("h:1")))
    way = follow(rig.layout.reroute(0, SET, None, None), b"PONG", [b"OK"])
    assert way.asked == ["h:1? PING", "h:1: SET"]
    assert not rig.group.primary.suspect


def test_a_primary_that_has_become_a_replica_says_so(clock: Clock) -> None:
    rig, readonly = Rig(), said("READONLY You can't write against a read only replica.")
    way = follow(rig.layout.reroute(0, SET, rig.group.primary, readonly), None, [b"OK"])
    assert (way.asked, way.result) == (["sleep 0.02", "h:1: SET"], [b"OK"])
    clock.now += ASK_AGAIN
    way = follow(
        rig.layout.reroute(0, INCR, rig.group.primary, readonly), rig.said_by_sentinels(TWO, ONE), [6]
    )
    assert (way.asked, way.result) == (["aside look", "h:2: EVAL"], [6])


def test_what_a_replica_refuses_goes_on_as_in_every_layout() -> None:
    rig = Rig("replica")
    node = rig.group.replicas[0]
    way = follow(rig.layout.reroute(0, GET, node, said("MASTERDOWN x")), [b"5"])
    assert (way.asked, way.result) == (["h:3: GET"], [b"5"])
