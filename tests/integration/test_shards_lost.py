"""Fails where a shard that is dead or stopped takes live keys with it, lets anybody wait for it again and
again, or is not used when it is back; or where an error does not tell what may have been carried out."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from tests.integration.contract.ways import Build, build_async, build_client
from tests.integration.sharding import (
    KEYS,
    PATIENT,
    filled,
    living,
    making,
    numbers,
    one_each,
    stored,
)
from tests.servers import Server, await_that
from tests.topologies import Sharded
from vkcache.errors import CacheError, Incomplete, TimedOut, Unreachable
from vkcache.shell import Client

LITTLE = 0.35  # seconds for one short question to it, and for a loaded machine
ENDS = pytest.mark.parametrize("end_of", [Server.kill, Server.freeze])
BUILDS = pytest.mark.parametrize("build", [build_client, build_async])


@pytest.fixture
def fleet() -> Iterator[Sharded]:
    with Sharded() as running:
        yield running


@pytest.fixture
def made(fleet: Sharded, build: Build) -> Iterator[Callable[..., Client]]:
    with making(fleet, build) as make:
        yield make


def pushed(cache: Client, names: tuple[str, ...]) -> list[object]:
    pipe = cache.pipeline()
    for name in names:
        pipe.incr(name, ignore_key_check=True)
    return pipe.execute()


def took(call: Callable[[], object]) -> float:
    """How long *call* takes, whether or not it finds its server."""
    began = time.monotonic()
    with suppress(Unreachable):
        call()
    return time.monotonic() - began


@BUILDS
@ENDS
def test_a_lost_shard_takes_no_live_key_with_it(
    fleet: Sharded,
    made: Callable[..., Client],
    end_of: Callable[[Server], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = filled(made())
    lost = fleet.servers[1]
    alive = living(fleet, lost)
    end_of(lost)
    with caplog.at_level(logging.WARNING, "vkcache"):
        assert cache.get_many(numbers()) == alive
    assert f"MGET: {KEYS - len(alive)} of {KEYS} keys" in caplog.text
    assert set(cache.set_many(numbers())) == numbers().keys() - alive.keys()
    with pytest.raises(Incomplete) as raised:
        cache.delete_many(numbers())
    assert raised.value.partial == len(alive)
    assert set(raised.value.missing) == {f":1:{key}".encode() for key in numbers().keys() - alive.keys()}
    for key in numbers().keys() - alive.keys():
        with pytest.raises(Unreachable):
            cache.get(key)


@BUILDS
def test_what_concerns_all_shards_tells_that_one_is_dead(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = filled(made())
    fleet.servers[1].kill()
    calls: list[Callable[[], object]] = [
        lambda: cache.keys("k*"),
        lambda: list(cache.iter_keys("k*")),
        lambda: cache.delete_pattern("k*"),
        cache.clear,
        cache.flush_db,
    ]
    for call in calls:
        with pytest.raises(Unreachable, match=str(fleet.servers[1].port)):
            call()
    assert [stored(server) for server in fleet.servers if server.awake] == [set()] * 2


@BUILDS
@ENDS
def test_strict_tells_of_a_lost_shard_by_an_error(
    fleet: Sharded, made: Callable[..., Client], end_of: Callable[[Server], None]
) -> None:
    cache = filled(made(strict=True))
    alive = living(fleet, fleet.servers[0])
    end_of(fleet.servers[0])
    with pytest.raises(Incomplete) as raised:
        cache.get_many(numbers())
    assert raised.value.partial == alive
    with pytest.raises(Unreachable):
        cache.get_many(numbers().keys() - alive.keys())


@BUILDS
@ENDS
def test_where_errors_are_ignored_a_lost_shard_holds_nothing(
    fleet: Sharded, made: Callable[..., Client], end_of: Callable[[Server], None]
) -> None:
    cache = filled(made(ignore_exceptions=True))
    alive = living(fleet, fleet.servers[0])
    end_of(fleet.servers[0])
    assert cache.get_many(numbers()) == alive
    assert {key: value for key in numbers() if (value := cache.get(key)) is not None} == alive
    assert set(cache.keys("k*")) == alive.keys()
    assert set(cache.set_many(numbers())) == numbers().keys() - alive.keys()
    assert cache.delete_many(numbers()) == len(alive)
    assert cache.keys("k*") == []
    assert cache.flush_db() is False


@BUILDS
def test_a_pipeline_tells_each_command_what_became_of_it(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = filled(made())
    alive = living(fleet, fleet.servers[1])
    fleet.servers[1].kill()
    for transaction in (True, False):
        pipe = cache.pipeline(transaction=transaction)
        for key in numbers():
            pipe.get(key)
        told = dict(zip(numbers(), pipe.execute(raise_on_error=False), strict=True))
        assert {key: value for key, value in told.items() if not isinstance(value, Unreachable)} == alive


@BUILDS
def test_a_stopped_shard_costs_one_call_its_time_and_is_used_when_it_is_back(
    fleet: Sharded, made: Callable[..., Client]
) -> None:
    cache = filled(made())
    lost = fleet.servers[0]
    alive = living(fleet, lost)
    gone = next(key for key in numbers() if key not in alive)
    lost.freeze()
    assert took(lambda: cache.get_many(numbers())) < PATIENT + LITTLE
    began = time.monotonic()
    calls: list[Callable[[], object]] = [
        lambda: cache.get_many(numbers()),
        lambda: cache.set_many(numbers()),
        lambda: cache.get(gone),
        lambda: cache.incr(gone),
        lambda: pushed(cache, (*alive, gone)),
        lambda: cache.delete_many([gone]),
    ]
    for call in calls:
        took(call)
    assert time.monotonic() - began < LITTLE
    lost.thaw()
    await_that(lambda: cache.set_many(numbers()) == [], "the shard is used again")
    assert cache.get_many(numbers()) == numbers()


@BUILDS
def test_many_callers_lose_one_time_out_to_a_stopped_shard(
    fleet: Sharded, made: Callable[..., Client]
) -> None:
    cache = filled(made())
    lost = fleet.servers[2]
    gone = [key for key in numbers() if key not in living(fleet, lost)][:60]
    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(cache.get, gone)) == [numbers()[key] for key in gone]
        lost.freeze()
        began = time.monotonic()
        assert len(list(threads.map(took, [partial(cache.incr, key) for key in gone]))) == len(gone)
        assert time.monotonic() - began < 2 * (PATIENT + LITTLE)
    lost.thaw()


@BUILDS
@pytest.mark.parametrize("write", ["set_many", "incr", "pipeline"])
def test_a_write_to_a_stopped_shard_is_doubted_once(
    fleet: Sharded, made: Callable[..., Client], write: str
) -> None:
    cache = filled(made())
    lost = fleet.servers[0]
    gone = tuple(key for key in numbers() if key not in living(fleet, lost))
    writes: dict[str, Callable[[], object]] = {
        "set_many": lambda: cache.set_many(dict.fromkeys(gone, 1)),
        "incr": lambda: cache.incr(gone[0]),
        "pipeline": lambda: pushed(cache, gone),
    }
    lost.freeze()
    began = time.monotonic()
    with pytest.raises(TimedOut) as raised:
        writes[write]()
    assert raised.value.maybe_executed
    assert time.monotonic() - began < PATIENT + LITTLE
    with pytest.raises(Unreachable) as again:
        writes[write]()
    assert not again.value.maybe_executed
    assert time.monotonic() - began < PATIENT + 2 * LITTLE
    lost.thaw()


@BUILDS
def test_a_dead_shard_that_is_back_is_used_at_once(fleet: Sharded, made: Callable[..., Client]) -> None:
    cache = filled(made())
    lost = fleet.servers[1]
    lost.kill()
    assert cache.set_many(numbers())
    lost.restart()
    assert cache.set_many(numbers()) == []
    assert cache.get_many(numbers()) == numbers()


@BUILDS
@pytest.mark.parametrize("transaction", [None, True, False])
def test_no_increment_is_lost_or_doubled_unless_its_error_says_it_may_have_been(
    fleet: Sharded, made: Callable[..., Client], transaction: bool | None
) -> None:
    cache = filled(made())
    names = one_each(fleet)
    cache.set_many(dict.fromkeys(names, 0))
    over = threading.Event()
    counts = [Counter[str]() for _ in range(8)]

    def count(seen: Counter[str]) -> None:
        while not over.is_set():
            for name, told in incremented(cache, names, transaction).items():
                maybe = isinstance(told, Unreachable) and told.maybe_executed
                seen[f"{name} {'maybe' if maybe else 'done'}"] += maybe or not isinstance(told, CacheError)

    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(count, seen) for seen in counts]
        for _ in range(3):
            fleet.servers[0].execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            fleet.servers[1].freeze()
            time.sleep(PATIENT * 1.5)  # so that some calls have waited in vain
            fleet.servers[1].thaw()
            fleet.servers[2].execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await_that(lambda: not isinstance(took_part(cache), Unreachable), "all shards answer")
        over.set()
        for future in futures:
            future.result()
    total = sum(counts, Counter[str]())
    for name in names:
        done = cache.get(name)
        assert total[f"{name} done"] <= done <= total[f"{name} done"] + total[f"{name} maybe"]


def took_part(cache: Client) -> object:
    """What became of a call to all shards."""
    try:
        return cache.keys("none*")
    except Unreachable as error:
        return error


def incremented(cache: Client, names: tuple[str, ...], transaction: bool | None) -> dict[str, object]:
    """What became of an increment of each of *names*, each alone (None) or all in a pipeline."""
    if transaction is None:
        return {name: outcome(partial(cache.incr, name)) for name in names}
    pipe = cache.pipeline(transaction=transaction)
    for name in names:
        pipe.incr(name)
    told = outcome(partial(pipe.execute, raise_on_error=False))
    return dict(zip(names, told if isinstance(told, list) else [told] * len(names), strict=True))


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except CacheError as error:
        return error
