"""The server's time as a process knows it, under a clock that the test moves.

Fails where a look asks the server again within a minute, where several ask at once though something is
known, where a server that does not answer is asked at every look, or where the host's own clock counts
once the server has told its time.
"""

from __future__ import annotations

import pytest
from attrs import define

from vkcache.core import server
from vkcache.shell import clock
from vkcache.shell.clock import AGAIN, EVERY, Clock

SERVER = 1_800_000_000.0
"""The server's Unix time when this process's monotonic clock begins."""


@define
class Times:
    """What the module `time` tells of this host."""

    passed: float = 5.0
    ahead: float = 1_700_000_000.0

    def monotonic(self) -> float:
        return self.passed

    def time(self) -> float:
        return self.ahead + self.passed


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Times:
    times = Times()
    monkeypatch.setattr(clock, "time", times)
    return times


def asked(one: Clock, host: Times, *, silent: bool = False, took: float = 0.0) -> float:
    """What *one* tells who had to ask; the server looks at its clock half way."""
    assert one.now() is None, "nobody was to ask"
    begun = host.passed
    host.passed += took
    return one.told(begun, None if silent else SERVER + begun + took / 2)


def test_the_first_look_asks_and_what_was_told_is_counted_on(host: Times) -> None:
    one = Clock()
    assert asked(one, host) == SERVER + 5
    for _ in range(59):
        host.passed += 1
        assert one.now() == SERVER + host.passed


def test_the_way_there_and_back_is_half_of_what_asking_took(host: Times) -> None:
    one = Clock()
    assert asked(one, host, took=3.0) == SERVER + 8
    assert one.now() == SERVER + 8


def test_until_it_is_told_everybody_asks(host: Times) -> None:
    one = Clock()
    assert [one.now(), one.now()] == [None, None]
    one.told(host.passed, SERVER + host.passed)
    assert one.now() == SERVER + 5


def test_after_a_minute_one_asks_and_the_others_count_on(host: Times) -> None:
    one = Clock()
    asked(one, host)
    host.passed += EVERY
    assert one.now() is None
    assert [one.now(), one.now()] == [SERVER + 65, SERVER + 65]
    host.passed += 0.5
    assert one.told(65, SERVER + 65.25 + 2) == SERVER + 65.5 + 2  # it had drifted by 2 s
    assert one.now() == SERVER + 67.5
    host.passed += EVERY - 0.5
    assert one.now() == SERVER + host.passed + 2
    host.passed += 0.5
    assert one.now() is None


def test_who_asked_and_never_told_is_followed_by_another_a_minute_later(host: Times) -> None:
    one = Clock()
    asked(one, host)
    for _ in range(3):
        host.passed += EVERY
        assert one.now() is None
        assert one.now() == SERVER + host.passed


def test_a_server_that_never_told_is_asked_again_after_a_second_and_meanwhile_the_host_tells(
    host: Times,
) -> None:
    one = Clock()
    assert asked(one, host, silent=True) == host.time()
    host.passed += AGAIN / 2
    assert one.now() == host.time()
    host.passed += AGAIN / 2
    assert asked(one, host, silent=True) == host.time()
    assert one.now() == host.time()
    host.passed += AGAIN
    assert asked(one, host) == SERVER + 7
    assert one.now() == SERVER + 7


def test_a_server_that_tells_no_more_is_counted_on_and_asked_again_after_a_second(host: Times) -> None:
    one = Clock()
    asked(one, host)
    host.passed += EVERY
    assert asked(one, host, silent=True) == SERVER + 65
    host.passed += AGAIN / 2
    assert one.now() == SERVER + 65.5
    host.passed += AGAIN / 2
    assert asked(one, host) == SERVER + 66


def test_a_host_whose_clock_jumps_by_an_hour_changes_nothing(host: Times) -> None:
    one = Clock()
    asked(one, host)
    for jump in (3600, -7200):
        host.ahead += jump
        assert one.now() == SERVER + host.passed
        host.passed += EVERY
        assert asked(one, host, silent=True) == SERVER + host.passed
        host.passed += AGAIN
        assert asked(one, host) == SERVER + host.passed


def test_what_one_was_told_stays_where_another_was_not(host: Times) -> None:
    one = Clock()
    assert [one.now(), one.now()] == [None, None]
    one.told(host.passed, SERVER + host.passed)
    assert one.told(host.passed, None) == SERVER + 5
    assert one.now() == SERVER + 5


@pytest.mark.parametrize(
    "reply", [[b"-1", b"0"], [b"9" * 20, b"0"], [b"9" * 400, b"0"], [b"1", b"-1"], [b"1", b"9" * 400]]
)
def test_what_is_no_time_is_not_taken_for_one(reply: list[bytes]) -> None:
    """Nobody can count on it; and a value's age has 8 bytes."""
    with pytest.raises(ValueError, match="no Unix time"):
        server.CLOCK.decode(reply)
    assert server.CLOCK.decode([b"100", b"500000"]) == 100.5
