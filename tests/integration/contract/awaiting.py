"""A shell for tasks, seen as the `Client` that the contract suite calls.

Each call runs to its end on an event loop in a thread of its own, so that threads of a test which
share a cache are tasks that share its connection. Whatever goes wrong on that loop without a caller
to tell it to (a task's error that nobody awaits, a failure while the loop shuts down) is an error of
the test too.

What may enter: what stands between a caller who waits and a shell that is awaited. No way to build one.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Self, TypeAlias, TypeVar

from vkcache.shell import AsyncLock, AsyncPipeline, AsyncSemaphore
from vkcache.shell.binding import Line
from vkcache.shell.tables import Commands

T = TypeVar("T")

Run: TypeAlias = Callable[[Awaitable[Any]], Any]
"""Answers what an awaitable answers, to a caller who waits."""

PATIENCE = 20.0  # seconds in which a loop that was told to end has ended
_END = object()

_WITH_SIBLING = {name for name, line in inspect.getmembers_static(Commands) if isinstance(line, Line)} | {
    "close",
    "execute",
    "pipeline",
}


def own_name(name: str) -> str:
    """What an `AsyncClient` calls the method *name* of a `Client`."""
    return "aclose" if name == "close" else name


def sibling(name: str) -> str:
    """What Django's backend calls the awaited sibling of *name*; *name* itself where nothing is awaited."""
    return f"a{name}" if name in _WITH_SIBLING else name


class Loop:
    """An event loop in a thread of its own, from the first call until `end`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._unseen: list[str] = []
        self._tasks: list[Future[None]] = []

    def run(self, awaitable: Awaitable[T]) -> T:
        """The result of *awaitable*; a caller who is interrupted cancels it."""
        loop = self._started()
        if self._thread is threading.current_thread():  # a test's own function, called by a plan
            return _elsewhere(_result(awaitable))
        future = asyncio.run_coroutine_threadsafe(_result(awaitable), loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def pulled(self, items: AsyncIterator[T]) -> Iterator[T]:
        """*items*, each when it is asked for. Where that ends early, the loop closes them by itself."""
        while (item := self.run(_next(items))) is not _END:
            yield item

    def task(self) -> Run:
        """`run` in one task, which lives until the loop ends."""
        given: asyncio.Queue[tuple[Awaitable[Any], Future[Any]]] = asyncio.Queue()
        loop = self._started()
        self._tasks.append(asyncio.run_coroutine_threadsafe(_serve(given), loop))

        def run(awaitable: Awaitable[Any]) -> Any:
            answer: Future[Any] = Future()
            loop.call_soon_threadsafe(given.put_nowait, (awaitable, answer))
            return answer.result()

        return run

    def end(self, last: Callable[[], Awaitable[None]]) -> None:
        """Await *last* and end the loop in order, as ``asyncio.run`` does."""
        if self._thread is None:
            return
        self.run(last())
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the loop has not ended"
        assert not self._unseen, f"the loop was told of {self._unseen}"

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)
                self._thread.start()
        self._ready.wait()
        return self._loop

    async def _live(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda _, said: self._unseen.append(repr(said)))
        self._ready.set()
        await self._over.wait()


async def _result(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def _serve(given: asyncio.Queue[tuple[Awaitable[Any], Future[Any]]]) -> None:
    while True:
        awaitable, answer = await given.get()
        try:
            answer.set_result(await awaitable)
        except Exception as error:
            answer.set_exception(error)


async def _next(items: AsyncIterator[T]) -> Any:
    return await anext(items, _END)  # here, not in the caller's thread: now the loop gets to know *items*


def _elsewhere(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of *coroutine* on one more loop; the thread that asks must not wait for its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


class Awaited:
    """*cache* with the methods of a `Client`, each under the name that *naming* answers there."""

    def __init__(self, cache: Any, naming: Callable[[str], str]) -> None:
        self._cache = cache
        self._naming = naming
        self._loop = Loop()

    def __contains__(self, key: str) -> bool:
        found: bool = self.has_key(key)
        return found

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cache, self._naming(name))
        if not inspect.ismethod(found):
            return found

        def called(*args: Any, **kwargs: Any) -> Any:
            return self._answer(found(*args, **kwargs))

        vars(called)["__wrapped__"] = found  # whoever asks for the signature sees the method's own
        return called

    def end(self) -> None:
        """Close the cache and its loop; a second call, or one after nothing was awaited, does nothing."""
        self._loop.end(self._cache.aclose)

    def _answer(self, answer: Any) -> Any:
        if inspect.isawaitable(answer):
            answer = self._loop.run(answer)
        if isinstance(answer, AsyncPipeline):
            return AwaitedPipeline(answer, self._loop)
        if isinstance(answer, AsyncLock):
            return AwaitedLock(answer, self._loop.run)
        if isinstance(answer, AsyncSemaphore):
            return AwaitedSemaphore(answer, self._loop)
        return self._loop.pulled(answer) if isinstance(answer, AsyncIterator) else answer


class AwaitedPipeline:
    """*pipe* with the methods of a `Pipeline`."""

    def __init__(self, pipe: AsyncPipeline, loop: Loop) -> None:
        self._pipe = pipe
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)

    def __len__(self) -> int:
        return len(self._pipe)

    def execute(self, *, raise_on_error: bool = True) -> list[Any]:
        return self._loop.run(self._pipe.execute(raise_on_error=raise_on_error))

    def __enter__(self) -> Self:
        assert self._loop.run(self._pipe.__aenter__()) is self._pipe
        return self

    def __exit__(self, *raised: Any) -> None:
        self._loop.run(self._pipe.__aexit__(*raised))


class AwaitedLock:
    """*lock* with the methods of a `Lock`; what it knows is asked where *run* runs what is awaited."""

    def __init__(self, lock: AsyncLock | AsyncSemaphore, run: Run) -> None:
        self._lock = lock
        self._run = run

    def __getattr__(self, name: str) -> Any:
        async def asked() -> Any:
            return getattr(self._lock, name)

        found = self._run(asked())
        return partial(self._called, found) if inspect.ismethod(found) else found

    def _called(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def called() -> Any:
            answer = method(*args, **kwargs)
            return await answer if inspect.isawaitable(answer) else answer

        return self._run(called())

    def __enter__(self) -> Self:
        assert self._run(self._lock.__aenter__()) is self._lock
        return self

    def __exit__(self, *raised: Any) -> None:
        self._run(self._lock.__aexit__(*raised))


class AwaitedSemaphore(AwaitedLock):
    """*semaphore* with the methods of a `Semaphore`: each thread is one task, whose permits are its own."""

    def __init__(self, semaphore: AsyncSemaphore, loop: Loop) -> None:
        tasks = threading.local()

        def run(awaitable: Awaitable[Any]) -> Any:
            if not hasattr(tasks, "own"):
                tasks.own = loop.task()
            return tasks.own(awaitable)

        super().__init__(semaphore, run)
