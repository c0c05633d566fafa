"""Nodes and connections made by hand: what a server would have answered, without one.

What may enter: an answer that a test prepares, and a record of what was asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.unit.feeding import words
from vkcache.core.plan import Command, Features, Reply
from vkcache.shell.wire.connection import Seat


class MadeNodes:
    """Answers every request with the next of *answers*; an exception that is not a reply is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []
        self.closed = 0

    def ask(self, command: Command[Any]) -> Reply:
        self.asked.append(words(command))
        return self._answer()

    def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        self.asked.append(b"; ".join(words(command) for command in commands))
        replies: list[Reply] = self._answer()
        return replies

    def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> list[Reply]:  # noqa: ARG002
        self.asked.append(b"MULTI; " + b"; ".join(words(command) for command in commands))
        replies: list[Reply] = self._answer()
        return replies

    def features(self) -> Features:
        features: Features = self._answer()
        return features

    def close(self) -> None:
        self.closed += 1

    def _answer(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Raised):
            raise answer.error
        return answer


class AsyncMadeNodes:
    """`MadeNodes` for tasks: each answer comes a tick later."""

    def __init__(self, *answers: Any) -> None:
        self.made = MadeNodes(*answers)

    @property
    def asked(self) -> list[bytes]:
        return self.made.asked

    async def ask(self, command: Command[Any]) -> Reply:
        await asyncio.sleep(0)
        return self.made.ask(command)

    async def ask_all(self, commands: Sequence[Command[Any]]) -> list[Reply]:
        await asyncio.sleep(0)
        return self.made.ask_all(commands)

    async def transact(self, commands: Sequence[Command[Any]], *, whole: bool = True) -> list[Reply]:
        await asyncio.sleep(0)
        return self.made.transact(commands, whole=whole)

    async def features(self) -> Features:
        await asyncio.sleep(0)
        return self.made.features()

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        self.made.close()


class Raised:
    """An answer that is no reply: *error* is raised instead."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class MadeConnection:
    """A connection whose *exchange* answers, or fails, as it is told to."""

    def __init__(self, exchange: Callable[[bytes, int], list[Reply]] | None = None) -> None:
        self.features = Features("valkey", (9, 1, 0))
        self.used = time.monotonic()
        self.generation = 0
        self.seat = Seat()
        self.sent = True
        self.stands = True
        self.closed = False
        self.asked: list[bytes] = []
        self.polled = 0
        self._exchange = exchange

    def exchange(self, payload: bytes, count: int) -> list[Reply]:
        assert not self.closed
        self.asked.append(payload)
        return [b"PONG"] * count if self._exchange is None else self._exchange(payload, count)

    def send(self, payload: bytes) -> None:
        self.asked.append(payload)

    def receive(self, count: int) -> list[Reply]:
        return [b"PONG"] * count if self._exchange is None else self._exchange(self.asked[-1], count)

    def within(self, seconds: float | None) -> None:
        self.longest = seconds

    def alive(self) -> bool:
        self.polled += 1
        return self.stands

    def interrupt(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True


class Dialler:
    """Opens one connection after the other, and keeps them to be looked at."""

    def __init__(self, make: Callable[[], MadeConnection] = MadeConnection) -> None:
        self.opened: list[MadeConnection] = []
        self._make = make

    def __call__(self) -> MadeConnection:
        self.opened.append(self._make())
        return self.opened[-1]
