"""Fails where the sentinel is believed that was cut off or has not heard of a switch, where a silent one
holds up the others, where what each of them said is not told, or where the news of a switch are undone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import valkey

from tests.unit.layouts import Clock
from vkcache.core.opinions import Address, Opinion
from vkcache.errors import Unreachable
from vkcache.shell.nodes import opinions, sentinel
from vkcache.shell.nodes.opinions import believed
from vkcache.shell.nodes.sentinel import Service

SENTINELS = [("s", 1), ("s", 2), ("s", 3)]
ONE, TWO, THREE = ("h", 1), ("h", 2), ("h", 3)
SILENT = object()


@contextmanager
def saying(monkeypatch: pytest.MonkeyPatch, *answers: object) -> Iterator[None]:
    """The sentinels answer so, one after the other; one that is `SILENT` does at the end."""
    over = threading.Event()

    def asked(_name: str, address: Address, _options: Mapping[str, Any]) -> object:
        answer = answers[SENTINELS.index(address)]
        if answer is SILENT:
            over.wait()
        return answer

    monkeypatch.setattr(opinions, "_asked", asked)
    try:
        yield
    finally:
        over.set()


def opinion(primary: Address, epoch: int) -> Opinion:
    return Opinion(primary, tuple(one for one in (ONE, TWO, THREE) if one != primary), epoch)


OLD, NEW = opinion(ONE, 4), opinion(TWO, 5)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((OLD, OLD, OLD), OLD),
        ((OLD, NEW, NEW), NEW),
        ((OLD, "refused", NEW), NEW),
        ((NEW, "refused", "refused"), NEW),
    ],
)
def test_what_most_say_or_the_newest_is_believed(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[object, ...], expected: Opinion
) -> None:
    with saying(monkeypatch, *answers):
        assert believed("main", SENTINELS, {}) == expected


def test_who_is_silent_is_not_waited_for_where_most_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    with saying(monkeypatch, SILENT, NEW, NEW):
        assert believed("main", SENTINELS, {"socket_timeout": 3600}) == NEW


def test_who_is_silent_is_waited_for_no_longer_than_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with saying(monkeypatch, SILENT, OLD, NEW):
        assert believed("main", SENTINELS, {"socket_timeout": 0.2}) == NEW


def test_what_each_said_is_told_where_none_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    with saying(monkeypatch, "refused", SILENT, "No such master"), pytest.raises(Unreachable) as raised:
        believed("main", SENTINELS, {"socket_timeout": 0.01})
    assert str(raised.value) == "s:1: refused; s:2: did not answer in time; s:3: No such master"


class Watcher:
    """A sentinel, as valkey-py sees it; *leads*: the switch to `TWO` that is under way."""

    closed = 0

    def __init__(self, *, leads: bool = False, down: bool = False) -> None:
        self._leads, self._down = leads, down

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        Watcher.closed += 1

    def sentinel_master(self, name: str) -> dict[str, Any]:
        if name != "main":
            raise valkey.ResponseError("No such master with that name")
        flags = {"is_master": True, "is_sdown": self._down, "is_odown": False, "num-other-sentinels": 2}
        return {"ip": "h", "port": 1, "config-epoch": 7, **flags}

    def sentinel_get_master_addr_by_name(self, _name: str) -> tuple[bytes, bytes]:
        return b"h", b"2" if self._leads else b"1"

    def sentinel_slaves(self, _name: str) -> list[dict[str, Any]]:
        up = {"is_odown": False, "is_sdown": False}
        return [{"ip": "h", "port": 2, **up}, {"ip": "h", "port": 3, "is_odown": False, "is_sdown": True}]


@pytest.mark.parametrize(
    ("name", "watcher", "expected"),
    [
        ("main", Watcher(), Opinion(ONE, (TWO,), 7)),
        ("main", Watcher(leads=True, down=True), Opinion(TWO, (TWO,), 7)),
        ("main", Watcher(down=True), "the primary is down, and there is no other yet"),
        ("other", Watcher(), "No such master with that name"),
    ],
)
def test_a_sentinel_is_asked_and_left(
    monkeypatch: pytest.MonkeyPatch, name: str, watcher: Watcher, expected: object
) -> None:
    monkeypatch.setattr("valkey.sentinel.Valkey", lambda *_, **__: watcher)
    before = Watcher.closed
    assert opinions._asked(name, ("s", 1), {}) == expected
    assert Watcher.closed == before + 1


def test_a_sentinel_that_is_still_answering_is_not_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over, options = list[Address](), threading.Event(), {"socket_timeout": 0.01}

    def slowly(_name: str, address: Address, _options: Mapping[str, Any]) -> str:
        asked.append(address)
        over.wait(10)
        return "at last"

    monkeypatch.setattr(opinions, "_asked", slowly)
    for _ in range(5):
        with pytest.raises(Unreachable, match="did not answer in time"):
            opinions.believed("main", [("s", 1)], options)
    over.set()
    assert asked == [("s", 1)]


# What a service makes of it


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(sentinel, "time", made)
    return made


def looked(service: Service, monkeypatch: pytest.MonkeyPatch, said: Opinion | Unreachable) -> str:
    """The primary, after the sentinels were asked."""

    def answer(*_: object) -> Opinion:
        if isinstance(said, Unreachable):
            raise said
        return said

    monkeypatch.setattr(sentinel, "believed", answer)
    monkeypatch.setattr(service, "_listen", lambda: None)
    service.look()
    return primary(service)


def primary(service: Service) -> str:
    group = service.groups[0]
    return "" if group is None else group.primary.address


def test_a_look_does_not_undo_a_switch_that_others_have_not_heard_of(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    service = Service("main", SENTINELS, {})
    assert looked(service, monkeypatch, OLD) == "h:1"
    service.switched(TWO, ONE)
    assert looked(service, monkeypatch, OLD) == "h:2"
    assert service.stale
    assert looked(service, monkeypatch, NEW) == "h:2"
    assert looked(service, monkeypatch, opinion(THREE, 6)) == "h:3"
    clock.now += 3
    assert looked(service, monkeypatch, opinion(ONE, 0)) == "h:1"  # watched anew, its epochs begin at 0


def test_late_news_of_the_switch_before_are_no_switch(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    service = Service("main", SENTINELS, {})
    looked(service, monkeypatch, OLD)
    service.switched(TWO, ONE)
    service.switched(THREE, TWO)
    service.switched(TWO, ONE)
    assert primary(service) == "h:3"
    clock.now += 3
    service.switched(ONE, TWO)  # what came between was not heard
    assert primary(service) == "h:1"


def test_silent_sentinels_change_nothing_and_are_told_of(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    service = Service("main", SENTINELS, {})
    assert looked(service, monkeypatch, Unreachable("s:1: refused")) == ""
    assert service.unknown.endswith("; s:1: refused")
    assert looked(service, monkeypatch, OLD) == "h:1"
    clock.now += 1
    assert looked(service, monkeypatch, Unreachable("s:1: refused")) == "h:1"


def test_one_asks_for_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service("main", SENTINELS, {})
    seen = service.looks
    assert looked(service, monkeypatch, OLD) == "h:1"
    monkeypatch.setattr(sentinel, "believed", lambda *_: NEW)
    service.look(seen)
    assert primary(service) == "h:1"
    service.look(service.looks)
    assert primary(service) == "h:2"
