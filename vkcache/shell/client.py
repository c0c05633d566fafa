"""The synchronous shell: plans carried out in the caller's thread.

What may enter: how a line of a table becomes a method, and what the user of a cache needs beside
the commands. Commands come from `shell.tables`; steps are performed in `shell.door`.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from vkcache.core.plan import Pages, Plan
from vkcache.shell.binding import Function, Sync, command, either, hold, plan, stream
from vkcache.shell.door import Door
from vkcache.shell.doors import door
from vkcache.shell.naming import Spaced
from vkcache.shell.options import Settings
from vkcache.shell.pipeline import Pipeline
from vkcache.shell.run import run
from vkcache.shell.run import stream as run_stream
from vkcache.shell.standalone import Standalone
from vkcache.shell.tables import Commands

T = TypeVar("T")


def _of_command(function: Function) -> Function:
    def method(self: Carrier, /, *args: Any, **kwargs: Any) -> Any:
        return self._door.command(function(self.space, *args, **kwargs))

    return method


def _of_plan(function: Function) -> Function:
    def method(self: Carrier, /, *args: Any, **kwargs: Any) -> Any:
        return run(function(self.space, *args, **kwargs), self._door.of_plan().perform)

    return method


def _of_stream(function: Function) -> Function:
    def method(self: Carrier, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        return self._stream(function(self.space, *args, **kwargs))

    return method


def _of_hold(function: Function) -> Function:
    def method(self: Carrier, /, *args: Any, **kwargs: Any) -> Any:
        return function(self.space, *args, **kwargs)(self.execute)

    return method


class Carrier(Sync, Spaced):
    """A shell that carries plans out at once, over a door that others may share."""

    forms = {command: _of_command, plan: _of_plan, either: _of_plan, stream: _of_stream, hold: _of_hold}  # noqa: RUF012  # never changed

    _door: Door

    def execute(self, plan: Plan[T]) -> T:
        """The result of a command or plan of the user's own: ``cache.execute(mine(cache.space, "k"))``."""
        return run(plan, self._door.of_plan().perform)

    def _stream(self, pages: Pages[T]) -> Iterator[T]:
        return run_stream(pages, self._door.of_plan().perform)

    def pipeline(self, *, transaction: bool = True, version: int | None = None) -> Pipeline:
        """A pipeline over this cache's server, with its defaults; *version*: where a call names none."""
        return Pipeline(self._door, self._space_of(version), transaction=transaction)

    def close(self) -> None:
        """Close all connections. The next call opens new ones."""
        self._door.nodes.close()


class Client(Commands, Standalone, Carrier):
    """A cache in plain Python: ``Client("valkey://127.0.0.1:6379/0", prefix="app")``.

    Thread-safe; one for a process is enough. After a fork, parent and child may both use it. As a
    context manager it closes its connections at the end.

    *timeout*: how long a value lives where a call says nothing, in seconds; None: for ever.
    *options* are those of Django's OPTIONS; see `shell.options.Options`.

    :raises Misconfigured: an option is unknown, or has a value that it can not have.
    """

    def _open(self, chosen: Settings) -> None:
        self._door = door(chosen)

    def __contains__(self, key: str) -> bool:
        return self.has_key(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
