"""Threads and tasks that all use one cluster, in a process of their own, while a test changes the cluster.

``python -m tests.integration.cluster_load URL ...`` says "ready" once every worker has had an answer, goes
on until a line comes in, and prints what it has seen as JSON. `Load` is how a test starts and ends it.

What may enter: what a worker does, and what of it is counted.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self, TypeAlias

from attrs import asdict, define, field

from vkcache.core.slots import slot
from vkcache.errors import CacheError, Unreachable
from vkcache.shell import AsyncClient, Client

TIMEOUT = 0.5  # seconds: a node is called dead after one
THREADS = 4
TASKS = 50
TAGS = tuple(f"{{{number}}}" for number in range(80))
NAMES = tuple(f"{tag} {number}" for tag in TAGS for number in range(3))
COUNTERS = tuple(f"{tag} counter" for tag in TAGS)
SLOTS = tuple(slot(tag.encode()) for tag in TAGS)
PAUSE = 0.002  # after an error: 54 callers that fail at once would be most of the machine's work
OPTIONS: dict[str, Any] = {
    "topology": "cluster",
    "socket_timeout": TIMEOUT,
    "socket_connect_timeout": TIMEOUT,
    "strict": True,
}


@define
class Failed:
    """A call that failed, with its two moments of ``time.monotonic()``."""

    begun: float
    ended: float
    error: str


@define
class Seen:
    """What the workers saw.

    *acknowledged*: increments that were answered; *maybe*: those that failed and may have been carried out.
    """

    calls: int = 0
    wrong: int = 0
    longest: float = 0.0
    acknowledged: int = 0
    maybe: int = 0
    failed: list[Failed] = field(factory=list)

    def answered(self, begun: float, answers: Mapping[str, Any]) -> None:
        self._took(begun)
        self.wrong += any(value != name for name, value in answers.items())

    def refused(self, begun: float, error: CacheError) -> None:
        ended = self._took(begun)
        self.failed.append(Failed(begun, ended, f"{type(error).__name__}: {error}"))

    def counted(self, outcomes: Iterable[Any]) -> None:
        """The *outcomes* of increments; what is to be raised of them is raised.

        :raises CacheError: one of them failed.
        """
        errors = []
        for outcome in outcomes:
            if isinstance(outcome, CacheError):
                errors.append(outcome)
                self.maybe += isinstance(outcome, Unreachable) and outcome.maybe_executed
            else:
                self.acknowledged += 1
        if errors:
            raise errors[0]

    def _took(self, begun: float) -> float:
        ended = time.monotonic()
        self.calls += 1
        self.longest = max(self.longest, ended - begun)
        return ended


Answers: TypeAlias = Mapping[str, Any]


def some(chance: Random) -> Sequence[str]:
    """Names of all nodes, or of one slot."""
    if chance.random() < 0.5:
        return chance.sample(NAMES, 6)
    first = 3 * chance.randrange(len(TAGS))
    return NAMES[first : first + 3]


def one(client: Client, chance: Random, _: Seen) -> Answers:
    name = chance.choice(NAMES)
    return {name: client.get(name)}


def stored(client: Client, chance: Random, _: Seen) -> Answers:
    name = chance.choice(NAMES)
    client.set(name, name, timeout=None)
    return {}


def many(client: Client, chance: Random, _: Seen) -> Answers:
    names = some(chance)
    found = client.get_many(names)
    return {name: found.get(name) for name in names}


def queued(client: Client, chance: Random, _: Seen) -> Answers:
    names = some(chance)
    with client.pipeline(transaction=chance.random() < 0.5) as pipe:
        for name in names:
            pipe.set(name, name, timeout=None)
            pipe.get(name)
        return dict(zip(names, pipe.execute()[1::2], strict=True))


def counted(client: Client, chance: Random, seen: Seen) -> Answers:
    try:
        outcome: Any = client.incr(chance.choice(COUNTERS))
    except CacheError as error:
        outcome = error
    seen.counted([outcome])
    return {}


def counted_together(client: Client, chance: Random, seen: Seen) -> Answers:
    names = chance.sample(COUNTERS, 3)
    with client.pipeline(transaction=chance.random() < 0.5) as pipe:
        for name in names:
            pipe.incr(name, ignore_key_check=True)
        try:
            outcomes = pipe.execute(raise_on_error=False)
        except CacheError as error:
            outcomes = [error] * len(names)
    seen.counted(outcomes)
    return {}


async def aone(client: AsyncClient, chance: Random, _: Seen) -> Answers:
    name = chance.choice(NAMES)
    return {name: await client.get(name)}


async def astored(client: AsyncClient, chance: Random, _: Seen) -> Answers:
    name = chance.choice(NAMES)
    await client.set(name, name, timeout=None)
    return {}


async def amany(client: AsyncClient, chance: Random, _: Seen) -> Answers:
    names = some(chance)
    found = await client.get_many(names)
    return {name: found.get(name) for name in names}


async def aqueued(client: AsyncClient, chance: Random, _: Seen) -> Answers:
    names = some(chance)
    async with client.pipeline(transaction=chance.random() < 0.5) as pipe:
        for name in names:
            pipe.set(name, name, timeout=None)
            pipe.get(name)
        return dict(zip(names, (await pipe.execute())[1::2], strict=True))


async def acounted(client: AsyncClient, chance: Random, seen: Seen) -> Answers:
    try:
        outcome: Any = await client.incr(chance.choice(COUNTERS))
    except CacheError as error:
        outcome = error
    seen.counted([outcome])
    return {}


async def acounted_together(client: AsyncClient, chance: Random, seen: Seen) -> Answers:
    names = chance.sample(COUNTERS, 3)
    async with client.pipeline(transaction=chance.random() < 0.5) as pipe:
        for name in names:
            pipe.incr(name, ignore_key_check=True)
        try:
            outcomes = await pipe.execute(raise_on_error=False)
        except CacheError as error:
            outcomes = [error] * len(names)
    seen.counted(outcomes)
    return {}


WORK: tuple[Callable[[Client, Random, Seen], Answers], ...]
WORK = (one, one, stored, many, queued, counted, counted_together)
AWORK: tuple[Callable[[AsyncClient, Random, Seen], Awaitable[Answers]], ...]
AWORK = (aone, aone, astored, amany, aqueued, acounted, acounted_together)


def work(client: Client, seed: int, seen: Seen, over: threading.Event) -> None:
    chance = Random(seed)
    while not over.is_set():
        begun = time.monotonic()
        try:
            seen.answered(begun, chance.choice(WORK)(client, chance, seen))
        except CacheError as error:
            seen.refused(begun, error)
            time.sleep(PAUSE)


async def awork(client: AsyncClient, seed: int, seen: Seen, over: threading.Event) -> None:
    chance = Random(seed)
    while not over.is_set():
        begun = time.monotonic()
        try:
            seen.answered(begun, await chance.choice(AWORK)(client, chance, seen))
        except CacheError as error:
            seen.refused(begun, error)
            await asyncio.sleep(PAUSE)


def tasks(urls: Sequence[str], all_seen: Sequence[Seen], over: threading.Event) -> None:
    async def all_at_once() -> None:
        async with AsyncClient(urls, **OPTIONS) as client:
            await asyncio.gather(
                *(awork(client, 100 + number, seen, over) for number, seen in enumerate(all_seen))
            )

    asyncio.run(all_at_once())


def main(urls: Sequence[str]) -> None:
    over = threading.Event()
    sys.setswitchinterval(0.0005)  # threads take turns as on a machine that has a core for each
    all_seen = [Seen() for _ in range(THREADS + TASKS)]
    with Client(urls, **OPTIONS) as client:
        client.set_many({name: name for name in NAMES}, timeout=None)
        client.set_many(dict.fromkeys(COUNTERS, 0), timeout=None)
        workers = [
            threading.Thread(target=work, args=(client, seed, all_seen[seed], over))
            for seed in range(THREADS)
        ]
        workers.append(threading.Thread(target=tasks, args=(urls, all_seen[THREADS:], over)))
        for worker in workers:
            worker.start()
        while not all(seen.calls for seen in all_seen):
            time.sleep(PAUSE)
        print("ready", flush=True)
        sys.stdin.readline()
        over.set()
        for worker in workers:
            worker.join()
    print(json.dumps([asdict(seen) for seen in all_seen]), flush=True)


class Load:
    """The workers' process, over the cluster at *urls*; at its end *seen* is what all of them saw."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.seen = Seen()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.cluster_load", *urls],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        out, _ = self._process.communicate("\n", timeout=30)
        for row in json.loads(out):
            one = Seen(**{**row, "failed": [Failed(**failed) for failed in row["failed"]]})
            self.seen = _together(self.seen, one)


def _together(one: Seen, other: Seen) -> Seen:
    return Seen(
        calls=one.calls + other.calls,
        wrong=one.wrong + other.wrong,
        longest=max(one.longest, other.longest),
        acknowledged=one.acknowledged + other.acknowledged,
        maybe=one.maybe + other.maybe,
        failed=one.failed + other.failed,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
