"""The asynchronous shell: the same plans, carried out by tasks.

What may enter: how a line of a table becomes a coroutine method, and what the user of a cache needs
beside the commands. Commands come from `shell.tables`; steps are performed in `shell.adoor`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, TypeVar

from vkcache.core.plan import Pages, Plan
from vkcache.shell.adoor import AsyncDoor
from vkcache.shell.binding import Async, Function, command, either, hold, plan, stream
from vkcache.shell.doors import adoor
from vkcache.shell.naming import Spaced
from vkcache.shell.options import Settings
from vkcache.shell.pipeline import AsyncPipeline
from vkcache.shell.run import run_async, stream_async
from vkcache.shell.standalone import Standalone
from vkcache.shell.tables import Commands

T = TypeVar("T")


def _of_command(function: Function) -> Function:
    async def method(self: AsyncCarrier, /, *args: Any, **kwargs: Any) -> Any:
        return await self._door.command(function(self.space, *args, **kwargs))

    return method


def _of_plan(function: Function) -> Function:
    async def method(self: AsyncCarrier, /, *args: Any, **kwargs: Any) -> Any:
        return await run_async(function(self.space, *args, **kwargs), self._door.of_plan().perform)

    return method


def _of_stream(function: Function) -> Function:
    def method(self: AsyncCarrier, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        return self._stream(function(self.space, *args, **kwargs))

    return method


def _of_hold(function: Function) -> Function:
    def method(self: AsyncCarrier, /, *args: Any, **kwargs: Any) -> Any:
        return function(self.space, *args, **kwargs)(self.execute)

    return method


class AsyncCarrier(Async, Spaced):
    """A shell whose methods are awaited, over a door that others may share."""

    forms = {command: _of_command, plan: _of_plan, either: _of_plan, stream: _of_stream, hold: _of_hold}  # noqa: RUF012  # never changed

    _door: AsyncDoor

    async def execute(self, plan: Plan[T]) -> T:
        """The result of a plan of the user's own: ``await cache.execute(mine(cache.space, "k"))``."""
        return await run_async(plan, self._door.of_plan().perform)

    def _stream(self, pages: Pages[T]) -> AsyncIterator[T]:
        return stream_async(pages, self._door.of_plan().perform)

    def pipeline(self, *, transaction: bool = True, version: int | None = None) -> AsyncPipeline:
        """A pipeline over this cache's server, with its defaults; *version*: where a call names none."""
        return AsyncPipeline(self._door, self._space_of(version), transaction=transaction)

    async def aclose(self) -> None:
        """Close all connections, those of other event loops too. The next call opens new ones."""
        await self._door.nodes.aclose()


class AsyncClient(Commands, Standalone, AsyncCarrier):
    """A cache for asyncio: ``AsyncClient("valkey://127.0.0.1:6379/0", prefix="app")``.

    All methods of `Client`, awaited; what iterates there is an asynchronous iterator here. One for a
    process is enough: every event loop that uses it has a connection of its own, which all its tasks
    share, and which ends with the loop. A blocking command has a connection to itself. After a fork,
    parent and child may both use it. ``async with`` closes all connections at the end.

    *timeout*: how long a value lives where a call says nothing, in seconds; None: for ever.
    *options* are those of Django's OPTIONS; see `shell.options.Options`.

    :raises Misconfigured: an option is unknown, or has a value that it can not have.
    """

    def _open(self, chosen: Settings) -> None:
        self._door = adoor(chosen)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
