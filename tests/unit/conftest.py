"""Unit tests open no connection: one that tries fails with its address.

What may enter: what holds for every unit test.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

_PATIENCE = 5.0


@pytest.fixture(autouse=True, scope="module")
def no_connections() -> Iterator[None]:
    """Within tests/unit a socket neither connects nor listens; pairs of sockets (asyncio's own) work."""

    for thread in threading.enumerate():  # of a cache that an integration test has just closed
        if thread.name.startswith("vkcache-sentinel"):
            thread.join(_PATIENCE)

    def refuse(_: socket.socket, address: object) -> None:
        raise AssertionError(f"a unit test opened a socket to {address}: it belongs to tests/integration")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "bind"):
            patch.setattr(socket.socket, name, refuse)
        yield
