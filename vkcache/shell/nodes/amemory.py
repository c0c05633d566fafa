"""The engine in this process, for tasks: it answers at once, so nothing is awaited.

What may enter: what a task needs in place of a thread that may wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vkcache.core.plan import Command, Features, Reply
from vkcache.shell.nodes.base import Nodes
from vkcache.shell.nodes.requests import packed, unreachable
from vkcache.shell.wire.connection import Connection, Interrupted


class AsyncMemory:
    """*nodes* over an engine, whose blocking commands wait on a connection of their own in another thread."""

    def __init__(self, nodes: Nodes, connect: Callable[[], Connection]) -> None:
        self._nodes = nodes
        self._connect = connect
        self._waiting: set[Connection] = set()

    async def ask(self, command: Command[Any]) -> Reply:
        return await self._waited(command) if command.verb.blocking else self._nodes.ask(command)

    async def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        return self._nodes.ask_all(commands)

    async def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> list[Reply]:
        return self._nodes.transact(commands, whole=whole)

    async def features(self) -> Features:
        return self._nodes.features()

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        self._nodes.close()
        for connection in list(self._waiting):
            connection.interrupt()

    async def _waited(self, command: Command[Any]) -> Reply:
        payload, connection = packed((command,)), self._connect()
        own = ThreadPoolExecutor(1, "vkcache-waits")
        self._waiting.add(connection)
        try:
            replies = await asyncio.get_running_loop().run_in_executor(own, connection.exchange, payload, 1)
        except Interrupted as error:
            raise unreachable("memory://", error, maybe_executed=False) from error
        finally:
            self._waiting.discard(connection)
            connection.interrupt()  # it may be waiting still, where the caller was cancelled
            own.shutdown()
            connection.close()
        return replies[0]
