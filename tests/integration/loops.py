"""The event loops that tests run on, and what can be seen of their connections from outside.

What may enter: what several files of tests ask of a loop, a process or a server. No test, no fixture.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from tests.servers import Server

T = TypeVar("T")

FACTORIES: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if sys.platform != "win32":
    import uvloop

    FACTORIES["uvloop"] = uvloop.new_event_loop


@frozen
class Loops:
    """Event loops of one kind."""

    make: Callable[[], asyncio.AbstractEventLoop]

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=self.make) as runner:
            return runner.run(main)


def descriptors() -> int:
    """How many files and sockets this process has open (counted on Linux)."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


def ids(server: Server) -> set[str]:
    """The numbers of the clients that are connected, those left out that ask for them."""
    listed = server.execute("CLIENT", "LIST")
    assert isinstance(listed, bytes)
    return {line.split()[0] for line in listed.decode().splitlines() if "cmd=client" not in line}
