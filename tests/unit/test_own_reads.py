"""Who wrote a moment ago, and is to see that it did.

Fails where a thread or task reads from a replica what it has just written, or where one that wrote
nothing is kept from the replicas.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.unit.layouts import Clock, follow, stopped
from tests.unit.layouts import Replicated as Rig
from vkcache.shell.nodes.layout import Node


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stopped(monkeypatch)


def test_after_a_write_reads_go_to_the_primary_for_a_time(clock: Clock) -> None:
    rig = Rig(own_reads_for=2.0)
    assert rig.read() is not rig.p
    rig.layout.wrote()
    assert [rig.read() for _ in range(3)] == [rig.p] * 3
    assert follow(rig.layout.chosen(0, reads=True)).result is rig.p
    clock.now += 2
    assert rig.read() is not rig.p


def test_unless_it_is_asked_for_a_write_changes_nothing() -> None:
    rig = Rig()
    rig.layout.wrote()
    assert rig.read() is not rig.p


def test_another_cache_another_thread_or_task_has_not_written() -> None:
    rig, other = Rig(own_reads_for=2.0), Rig(own_reads_for=2.0)
    found: list[Node | None] = []

    async def tasks() -> None:
        async def write() -> None:
            rig.layout.wrote()
            found.append(rig.read())

        await asyncio.gather(asyncio.create_task(write()))
        found.append(rig.read())

    asyncio.run(tasks())
    assert found == [rig.p, rig.a]
    rig.layout.wrote()
    assert other.read() is not other.p
    thread = threading.Thread(target=lambda: found.append(rig.read()))
    thread.start()
    thread.join()
    assert found[2] is rig.b
    assert rig.read() is rig.p


def test_a_task_knows_of_the_writes_before_it_began() -> None:
    rig = Rig(own_reads_for=2.0)

    async def tasks() -> Node | None:
        rig.layout.wrote()

        async def read() -> Node | None:
            return rig.read()

        return await asyncio.create_task(read())

    assert asyncio.run(tasks()) is rig.p
