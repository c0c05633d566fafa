"""Those who compute a value and are held at it until a test lets them go on, and those who wait for it.

What may enter: a caller of get_or_set, whether a thread, a task or a process, and what can be seen of all
of them from outside. No test.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, cast

import valkey

from tests.integration.contract.places import Place
from tests.scripts import started
from vkcache.shell import AsyncClient, Client

THREADS = TASKS = 50
CLOCKS = (0, 0, 3600, -3600)
"""By how many seconds each process's own clock is wrong."""

ALL = THREADS + TASKS + len(CLOCKS)
PATIENCE = 60


class Desk:
    """Where those who compute sign in, and wait for a pass. It is on a server: one for all processes."""

    def __init__(self, url: str) -> None:
        self._raw = valkey.Valkey.from_url(url)

    def sign(self) -> str:
        """A value that nobody else computes."""
        return f"value {self._raw.incr('desk:signed')}"

    def compute(self) -> str:
        """The same, once there is a pass."""
        value = self.sign()
        assert self._raw.blpop(["desk:passes"], PATIENCE) is not None, "nobody let it go on"
        return value

    async def acompute(self) -> str:
        return await asyncio.to_thread(self.compute)

    @property
    def signed(self) -> int:
        """How many have begun to compute."""
        return int(cast(bytes, self._raw.get("desk:signed") or b"0"))

    def let(self, count: int = 1) -> None:
        """Let so many go on."""
        self._raw.rpush("desk:passes", *range(count))

    def close(self) -> None:
        self._raw.close()


_HOST = """
import json, sys, time
skew, module_alone, place, desk_url = json.loads(sys.stdin.readline())
real = time.time
if module_alone:
    from types import SimpleNamespace
    import vkcache.shell.clock as clock
    clock.time = SimpleNamespace(time=lambda: real() + skew, monotonic=time.monotonic)
else:
    time.time = lambda: real() + skew
from tests.integration.flying import Desk
from vkcache.shell import Client
cache, desk = Client(place[0], **place[1]), Desk(desk_url)
functions = {"sign": desk.sign, "compute": desk.compute}
cache.get("other")
print("ready", flush=True)
for line in sys.stdin:
    shell, (name, args, kwargs) = cache, json.loads(line)
    if name.startswith("pipeline."):
        shell, name = cache.pipeline(), name.removeprefix("pipeline.")
    args = [functions.get(arg, arg) if isinstance(arg, str) else arg for arg in args]
    answer = getattr(shell, name)(*args, **kwargs)
    print(json.dumps(answer if shell is cache else shell.execute()), flush=True)
"""


class Host:
    """A process with a cache of its own, which calls what it is told to.

    *skew*: by how many seconds its clock is wrong; *module_alone*: for the shell's clock alone.
    """

    def __init__(self, place: Place, desk_url: str, skew: float = 0, *, module_alone: bool = False) -> None:
        self._process: subprocess.Popen[str] = started(_HOST, prelude="")
        self._send([skew, module_alone, [place.url, options(place)], desk_url])

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_ready(self) -> None:
        assert self._line() == "ready"

    def begin(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Let it call; the functions of its `Desk` are given by their names."""
        self._send([name, args, kwargs])

    def answer(self) -> Any:
        """What the call answered that was begun."""
        return json.loads(self._line())

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.begin(name, *args, **kwargs)
        return self.answer()

    def kill(self) -> None:
        """As it stands (SIGKILL)."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Host:
        self.await_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _send(self, words: list[Any]) -> None:
        assert self._process.stdin is not None
        print(json.dumps(words), file=self._process.stdin, flush=True)

    def _line(self) -> str:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline().strip()
        assert line, self._process.stderr.read()
        return line


def options(place: Place) -> dict[str, Any]:
    """Those of a cache there; nobody is to time out because the machine is busy."""
    return {**place.options, "prefix": "app", "socket_timeout": PATIENCE}


def cache_at(place: Place) -> Client:
    return Client(place.url, **options(place))


class Crowd:
    """50 threads, 50 tasks and 4 processes that all call get_or_set("k", ...) when they are told to.

    *terms*: those of their calls.
    """

    def __init__(self, place: Place, desk: Desk, desk_url: str, **terms: Any) -> None:
        self._place, self._desk, self._desk_url, self._terms = place, desk, desk_url, terms
        self._go = threading.Event()
        self._ready = threading.Barrier(THREADS + 2)
        self._opened = ExitStack()
        self._futures: list[Future[Any]] = []

    def __enter__(self) -> Crowd:
        with ExitStack() as opened:
            cache = opened.enter_context(cache_at(self._place))
            pool = opened.enter_context(ThreadPoolExecutor(THREADS + 1))
            opened.callback(self._go.set)
            self._hosts = [opened.enter_context(host) for host in self._new_hosts()]
            self._futures = [pool.submit(self._thread, cache) for _ in range(THREADS)]
            self._tasks = pool.submit(asyncio.run, self._all_tasks())
            self._opened = opened.pop_all()
        self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def start(self) -> None:
        """Let all of them call, at once."""
        for host in self._hosts:
            host.begin("get_or_set", "k", "compute", 60, **self._terms)
        self._go.set()

    def answers(self) -> list[Any]:
        """What each of them was answered; an error in its place."""
        threads = [future.exception(PATIENCE) or future.result() for future in self._futures]
        return [*threads, *self._tasks.result(PATIENCE), *[host.answer() for host in self._hosts]]

    def _new_hosts(self) -> Iterable[Host]:
        # All are begun before the first one is awaited.
        return [Host(self._place, self._desk_url, skew) for skew in CLOCKS]

    def _thread(self, cache: Client) -> Any:
        self._ready.wait(PATIENCE)
        self._go.wait(PATIENCE)
        return cache.get_or_set("k", self._desk.compute, 60, **self._terms)

    async def _all_tasks(self) -> list[Any]:
        async with AsyncClient(self._place.url, **options(self._place)) as cache:
            await cache.get("other")
            await asyncio.to_thread(self._ready.wait, PATIENCE)
            await asyncio.to_thread(self._go.wait, PATIENCE)
            calls = [cache.get_or_set("k", self._desk.acompute, 60, **self._terms) for _ in range(TASKS)]
            return await gathered(calls)


async def gathered(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    """What each of *calls* answers; an error in its place."""
    return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), PATIENCE)


def waiting(place: Place) -> int:
    """How many callers wait for what another computes."""
    clients = [one for raw in place.raw.clients for one in raw.client_list()]
    return sum(one["cmd"] == "blmove" and "b" in one["flags"] for one in clients)


def calls_of(place: Place, name: str) -> int:
    """How often *name* was sent since the counts were reset."""
    told: list[Any] = [raw.info("commandstats").get(f"cmdstat_{name}") for raw in place.raw.clients]
    return sum(one["calls"] for one in told if one)


def reset_counts(place: Place) -> None:
    for raw in place.raw.clients:
        raw.config_resetstat()


def beside_values(place: Place) -> dict[bytes, int]:
    """The keys of flights and of their news, with the ms that each has left; -1: for ever."""
    return {
        key: raw.pttl(key) for raw in place.raw.clients for key in raw.scan_iter(b"\xffvkcache:*", count=1000)
    }


def flights(place: Place) -> list[bytes]:
    return [key for key in beside_values(place) if key.startswith(b"\xffvkcache:flight:")]


def in_thread(call: Callable[[], Any]) -> Future[Any]:
    """What *call* answers, in a thread of its own."""
    future: Future[Any] = Future()

    def body() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=body, daemon=True).start()
    return future
