"""Leases that are renewed while a body runs: what an answer to a renewal means, and when it ends.

Fails where a lease is renewed less than three times in its length, counts from the answer and not from the
question, is given up for one error, or is renewed on after it was lost or given up, or by nobody held any
more; where each lease that is gone before it is due wakes the thread that renews; or where a lease of a
million years ends that thread.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import define, field

from tests.scripts import until
from vkcache.core.locks import Held
from vkcache.core.plan import Done, Plan
from vkcache.errors import ReplyError, Unreachable
from vkcache.shell import keeping
from vkcache.shell.holding import Hold
from vkcache.shell.keeping import given_up, keep, kept
from vkcache.shell.renewals import Renewal, Renewals

LEASE = 30.0
TOOK = 2.0
"""How long each renewal takes."""


@define
class Scene:
    """A clock, a hold whose lease began at 0, and the answers to its renewals."""

    answers: list[object] = field(factory=list)
    passed: float = 0.0
    asked: int = 0
    slept: list[float] = field(factory=list)
    hold: Hold = field(factory=lambda: Hold(Held(b"t", 1), LEASE))

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds
        await asyncio.sleep(0)

    def execute(self, _: Plan[Any], /) -> Any:
        self.asked += 1
        self.passed += TOOK
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def awaited(self, plan: Plan[Any], /) -> Any:
        return self.execute(plan)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    scene = Scene()
    monkeypatch.setattr(keeping, "time", scene)
    monkeypatch.setattr(keeping, "asyncio", SimpleNamespace(sleep=scene.sleep))
    return scene


@pytest.fixture
def all_of_them(monkeypatch: pytest.MonkeyPatch) -> set[Renewal]:
    """What is renewed; no thread does it."""
    made = Renewals()
    made._thread = SimpleNamespace()  # type: ignore[assignment]  # it is only asked whether it is there
    monkeypatch.setattr(keeping, "renewals", lambda: made)
    return made._all


def renew() -> Plan[bool | None]:
    return Done(True)


ROWS: list[tuple[Sequence[object], float, bool]] = [
    ([True], 10 + LEASE, False),
    ([True, True, True], 10 + 12 + 12 + LEASE, False),
    ([None], LEASE, False),
    ([Unreachable("down"), ReplyError("LOADING")], LEASE, False),
    ([Unreachable("down"), True], 10 + 12 + LEASE, False),
    ([True, False], 10 + LEASE, True),
    ([False], LEASE, True),
]


@pytest.mark.parametrize(("answers", "until", "lost"), ROWS)
def test_what_answers_mean_to_threads(
    answers: Sequence[object], until: float, lost: bool, scene: Scene, all_of_them: set[Renewal]
) -> None:
    scene.answers = list(answers)
    renewal = kept(scene.execute, renew, scene.hold, LEASE)
    assert (renewal.every, all_of_them) == (LEASE / 3, {renewal})
    going_on = []
    for _ in answers:
        scene.passed += renewal.every
        going_on.append(renewal.renew())
    assert (scene.hold.until, scene.hold.lost, scene.asked) == (until, lost, len(answers))
    assert going_on == [*[True] * (len(answers) - 1), not lost]


@pytest.mark.parametrize(("answers", "until", "lost"), ROWS)
def test_what_answers_mean_to_tasks(
    answers: Sequence[object], until: float, lost: bool, scene: Scene
) -> None:
    scene.answers = list(answers)

    async def main() -> None:
        keeping_on = asyncio.create_task(keep(scene.awaited, renew, scene.hold, LEASE))
        if lost:
            await keeping_on
            return
        while scene.answers:
            await asyncio.sleep(0)
        keeping_on.cancel()
        await asyncio.wait([keeping_on])

    asyncio.run(main())
    assert (scene.hold.until, scene.hold.lost, scene.asked) == (until, lost, len(answers))
    assert set(scene.slept) == {LEASE / 3}


def test_what_was_extended_further_is_not_shortened(scene: Scene, all_of_them: set[Renewal]) -> None:
    scene.answers, scene.hold.until = [True], 500.0
    assert kept(scene.execute, renew, scene.hold, LEASE).renew() is True
    assert scene.hold.until == 500.0
    assert len(all_of_them) == 1


def test_what_is_given_up_is_renewed_no_more(scene: Scene, all_of_them: set[Renewal]) -> None:
    given_up(scene.hold)  # nothing renews it
    scene.hold.renewal = kept(scene.execute, renew, scene.hold, LEASE)
    other = kept(scene.execute, renew, Hold(Held(b"o", 2), LEASE), LEASE)
    for _ in range(2):
        given_up(scene.hold)
        assert all_of_them == {other}


def test_what_a_task_gives_up_is_renewed_no_more(scene: Scene) -> None:
    async def main() -> None:
        scene.hold.renewal = made = asyncio.create_task(keep(scene.awaited, renew, scene.hold, LEASE))
        given_up(scene.hold)
        await asyncio.wait([made])
        assert made.cancelled()

    asyncio.run(main())
    assert scene.asked == 0


class Looking(threading.Condition):
    """Counts how often the thread is woken, and has it look at once what there is."""

    def __init__(self, made: Renewals) -> None:
        super().__init__()
        self.made, self.woken = made, 0

    def notify(self, n: int = 1) -> None:  # noqa: ARG002  # as it is called
        self.woken += 1
        with pytest.raises(TimeoutError):
            self.made._awaited()

    def wait(self, timeout: float | None = None) -> bool:
        raise TimeoutError(timeout)


def test_leases_that_come_and_go_wake_the_thread_once() -> None:
    made = Renewals()
    made._thread = threading.current_thread()
    made._changed = looking = Looking(made)
    for _ in range(5):
        renewal = Renewal(LEASE / 3, lambda: True)
        made.add(renewal)
        made.discard(renewal)
        with pytest.raises(TimeoutError):
            made._awaited()  # whatever else wakes it
    assert looking.woken == 1
    made.add(Renewal(LEASE / 6, lambda: True))
    assert looking.woken == 2


def test_a_lease_longer_than_a_system_can_wait_keeps_nobody_from_renewing() -> None:
    made, renewed = Renewals(), threading.Event()

    def renew() -> bool:
        renewed.set()
        return False

    made.add(Renewal(1e15, lambda: False))
    until(lambda: 1e14 < made._next < float("inf"), "the thread waits for it")
    made.add(Renewal(0.001, renew))
    assert renewed.wait(10)


@pytest.mark.usefixtures("all_of_them")
def test_what_nobody_holds_any_more_is_renewed_no_more() -> None:
    """As where a signal comes between the acquire and the body."""
    scene = Scene()
    renewal = kept(scene.execute, renew, scene.hold, LEASE)
    scene.hold = Hold(Held(b"other", 2), LEASE)
    gc.collect()
    assert (renewal.renew(), scene.asked) == (False, 0)
