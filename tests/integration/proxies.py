"""A TCP proxy that stands between a cache and its server and misbehaves on request.

What may enter: a way in which a network fails. It knows bytes, no commands.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

from tests.servers import HOST

Behaviour: TypeAlias = Callable[["Link", bytes], None]
"""What becomes of some bytes that the server sent."""


class Link:
    """One connection through the proxy.

    :ivar ended: is set when the client has gone, so that whatever waits can end.
    """

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client = client
        self.server = server
        self.ended = threading.Event()

    def close(self) -> None:
        self.ended.set()
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def passed(link: Link, chunk: bytes) -> None:
    link.client.sendall(chunk)


def in_pieces(link: Link, chunk: bytes) -> None:
    """Byte by byte, each in a segment of its own."""
    for byte in chunk:
        link.client.sendall(bytes((byte,)))


def swallowed(_link: Link, _chunk: bytes) -> None:
    """Nothing, and the connection stays."""


def cut(link: Link, _chunk: bytes) -> None:
    """Nothing, and the connection ends."""
    link.close()


def garbled(link: Link, _chunk: bytes) -> None:
    """Something that is no reply."""
    link.client.sendall(b"?what is this\r\n")


def dripping(seconds: float) -> Behaviour:
    """A byte every so many seconds."""

    def drip(link: Link, chunk: bytes) -> None:
        for byte in chunk:
            link.client.sendall(bytes((byte,)))
            if link.ended.wait(seconds):
                return

    return drip


class Proxy:
    """Forwards to the server at *port*; as a context manager it ends all it has started.

    :ivar behaviour: what becomes of the replies from now on.
    :ivar opened: how many connections there were.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.behaviour: Behaviour = passed
        self.opened = 0
        self._links: list[Link] = []
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"valkey://{HOST}:{self.port}/0"

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            link.close()
        for thread in self._threads:
            thread.join()
        for link in self._links:
            link.client.close()
            link.server.close()

    def _run(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            link = Link(client, socket.create_connection((HOST, self._to)))
            self.opened += 1
            self._links.append(link)
            self._run(lambda link=link: self._requests(link))  # type: ignore[misc]  # binds this link
            self._run(lambda link=link: self._replies(link))  # type: ignore[misc]  # binds this link

    def _requests(self, link: Link) -> None:
        with contextlib.suppress(OSError):
            while chunk := link.client.recv(65536):
                link.server.sendall(chunk)
        link.close()

    def _replies(self, link: Link) -> None:
        with contextlib.suppress(OSError):
            while chunk := link.server.recv(65536):
                self.behaviour(link, chunk)
        link.close()
