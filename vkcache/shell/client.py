"""The synchronous shell: plans carried out in the caller's thread.

What may enter: how a line of a table becomes a method, and what the user of a cache needs beside
the commands. Commands come from `shell.tables`; steps are performed in `shell.door`.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from attrs import evolve

from vkcache.core.codec import Codec
from vkcache.core.expiry import DEFAULT, Timeout
from vkcache.core.keyspace import on_wire
from vkcache.core.plan import Pages, Plan
from vkcache.core.space import Space
from vkcache.errors import Misconfigured
from vkcache.shell.binding import Function, Sync, command, either, plan, stream
from vkcache.shell.door import Door
from vkcache.shell.nodes.choosing import choose
from vkcache.shell.options import Options, settings
from vkcache.shell.pipeline import Pipeline
from vkcache.shell.run import run
from vkcache.shell.run import stream as run_stream
from vkcache.shell.tables import Commands
from vkcache.shell.unreadable import Unreadable

T = TypeVar("T")


def _of_command(function: Function) -> Function:
    def method(self: Carrier, /, *args: Any, **kwargs: Any) -> Any:
        return self._door.command(function(self.space, *args, **kwargs))

    return method


def _of_plan(function: Function) -> Function:
    def method(self: Carrier, /, *args: Any, **kwargs: Any) -> Any:
        return self.execute(function(self.space, *args, **kwargs))

    return method


def _of_stream(function: Function) -> Function:
    def method(self: Carrier, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        return self._stream(function(self.space, *args, **kwargs))

    return method


class Carrier(Sync):
    """A shell that carries plans out at once, over a door that others may share."""

    forms = {command: _of_command, plan: _of_plan, either: _of_plan, stream: _of_stream}  # noqa: RUF012

    _door: Door

    def execute(self, plan: Plan[T]) -> T:
        """The result of a command or plan of the user's own: ``cache.execute(mine(cache.space, "k"))``."""
        return run(plan, self._door.of_plan().perform)

    def _stream(self, pages: Pages[T]) -> Iterator[T]:
        return run_stream(pages, self._door.of_plan().perform)

    def pipeline(self, *, transaction: bool = True, version: int | None = None) -> Pipeline:
        """A pipeline over this cache's server, with its defaults; *version*: where a call names none."""
        space = self.space
        if version is not None:
            space = evolve(space, keyspace=evolve(space.keyspace, version=version))
        return Pipeline(self._door, space, transaction=transaction)

    def make_key(self, key: str, version: int | None = None) -> str:
        """The key on the wire."""
        return self.space.keyspace.make(key, version)

    def make_pattern(self, pattern: str, version: int | None = None) -> str:
        """A glob for the keys on the wire whose names match *pattern*; prefix and version match literally."""
        return self.space.keyspace.pattern(pattern, version)

    def reverse_key(self, key: str) -> str:
        """The user's own name of a key on the wire.

        :raises InvalidKey: the key is not of this cache.
        """
        return self.space.keyspace.reverse(key)

    def encode(self, value: object) -> bytes:
        """The bytes that are stored for *value*.

        :raises Unencodable: the codec can not write it.
        """
        return self.space.encode(value)

    def decode(self, data: bytes) -> Any:
        """The value of stored bytes.

        :raises Undecodable: they can not be read.
        """
        return self.space.codec.decode(data)

    def close(self) -> None:
        """Close all connections. The next call opens new ones."""
        self._door.nodes.close()


def _check(prefix: object, version: object, timeout: object) -> None:
    if not isinstance(prefix, str):
        raise Misconfigured(f"option prefix, {prefix!r}: give a str")
    if not isinstance(version, int) or isinstance(version, bool):
        raise Misconfigured(f"option version, {version!r}: give a whole number")
    if timeout is DEFAULT:
        raise Misconfigured("option timeout: DEFAULT means this very option: give seconds, or None for ever")


class Client(Commands, Carrier):
    """A cache in plain Python: ``Client("valkey://127.0.0.1:6379/0", prefix="app")``.

    Thread-safe; one for a process is enough. After a fork, parent and child may both use it. As a
    context manager it closes its connections at the end.

    *timeout*: how long a value lives where a call says nothing, in seconds; None: for ever.
    *options* are those of Django's OPTIONS; see `shell.options.Options`.

    :raises Misconfigured: an option is unknown, or has a value that it can not have.
    """

    def __init__(
        self,
        url: str = "memory://",
        *,
        prefix: str = "",
        version: int = 1,
        timeout: Timeout = 300,
        codec: Codec | None = None,
        **options: Unpack[Options],
    ) -> None:
        _check(prefix, version, timeout)
        chosen = settings(url, options)
        self._unreadable = Unreadable(strict=chosen.strict)
        self._door = Door(
            choose(chosen), ignore=chosen.ignore_exceptions, log_ignored=chosen.log_ignored_exceptions
        )
        self.space = Space(
            keyspace=chosen.keyspace(prefix, version),
            codec=codec or chosen.codec(),
            timeout=timeout,
            unreadable=self._unreadable,
            page=chosen.scan_itersize,
        )

    @property
    def unreadable(self) -> int:
        """How many stored values could not be read so far; each counted as missing."""
        return self._unreadable.count

    def validate_key(self, key: str) -> None:
        """Nothing where *key* can be sent.

        :raises InvalidKey: it can not.
        """
        on_wire(key)

    def __contains__(self, key: str) -> bool:
        return self.has_key(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
