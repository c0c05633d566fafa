"""Nodes that are not asked again once they could not be reached: for one plan, where errors are ignored.

What may enter: what keeps a plan of several steps from waiting for a dead server at each of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from vkcache.core.plan import Command, Features, Reply
from vkcache.errors import Incomplete, Unreachable
from vkcache.shell.nodes.base import AsyncNodes, Nodes

T = TypeVar("T")


class Fuse:
    """*nodes*, until they could not be reached: from then on that same error is raised at once."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._blown: Unreachable | None = None

    def ask(self, command: Command[Any]) -> Reply:
        return self._guarded(lambda: self._nodes.ask(command))

    def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        return self._guarded(lambda: self._nodes.ask_all(commands))

    def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> list[Reply]:
        return self._guarded(lambda: self._nodes.transact(commands, whole=whole))

    def features(self) -> Features:
        return self._guarded(self._nodes.features)

    def close(self) -> None:
        self._nodes.close()

    def _guarded(self, work: Callable[[], T]) -> T:
        if self._blown is not None:
            raise self._blown
        try:
            return work()
        except Incomplete:
            raise
        except Unreachable as error:
            self._blown = error
            raise


class AsyncFuse:
    """The same for tasks."""

    def __init__(self, nodes: AsyncNodes) -> None:
        self._nodes = nodes
        self._blown: Unreachable | None = None

    def ask(self, command: Command[Any]) -> Awaitable[Reply]:
        return self._guarded(lambda: self._nodes.ask(command))

    def ask_all(self, commands: Sequence[Command[Any]]) -> Awaitable[list[Reply]]:
        return self._guarded(lambda: self._nodes.ask_all(commands))

    def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> Awaitable[list[Reply]]:
        return self._guarded(lambda: self._nodes.transact(commands, whole=whole))

    def features(self) -> Awaitable[Features]:
        return self._guarded(self._nodes.features)

    async def aclose(self) -> None:
        await self._nodes.aclose()

    def close(self) -> None:
        self._nodes.close()

    async def _guarded(self, work: Callable[[], Awaitable[T]]) -> T:
        if self._blown is not None:
            raise self._blown
        try:
            return await work()
        except Incomplete:
            raise
        except Unreachable as error:
            self._blown = error
            raise
