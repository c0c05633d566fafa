"""No server: an engine in this process (fakeredis in its Valkey flavour) answers the same bytes.

For tests, demos and programs of one process: nothing is shared with another process, and a fork
takes a copy along.

What may enter: what makes the engine look like a connection, and the one command that it lacks.
"""

from __future__ import annotations

import functools
import os
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vkcache.core.plan import Features, Reply
from vkcache.core.replies import Fault
from vkcache.errors import Misconfigured, Unreachable
from vkcache.shell.wire.connection import Seat

if TYPE_CHECKING:
    import valkey
    import valkey.asyncio
    from fakeredis import FakeServer

# A glob's class that holds no character, "[]" or "[" at the end, matches nothing on a server; the
# engine lets it match a newline. Group 1 is what has to be read past: escapes, and other classes.
_EMPTY_CLASS = re.compile(rb"(\\.|\[\^?(?:\\.|[^\]]-.|[^\]])+(?:\]|\Z))|\[\]|\[\Z", re.DOTALL)

_VERSION = (9, 1)


_lock = threading.Lock()
_engines: dict[str, FakeServer] = {}


def engine(name: str) -> FakeServer:
    """The engine *name* of this process; whoever names it shares it.

    :raises Misconfigured: fakeredis is not installed.
    """
    try:
        from fakeredis import FakeServer
    except ImportError:
        raise Misconfigured("memory:// needs fakeredis: pip install vkcache[memory]") from None
    with _lock:
        if name not in _engines:
            _engines[name] = FakeServer(version=_VERSION, server_type="valkey")
        return _engines[name]


def _hold_all() -> None:
    """A fork waits until no thread is inside an engine, else the child would find it locked for ever."""
    _lock.acquire()
    for server in _engines.values():
        server.lock.acquire()


def _let_go_all() -> None:
    for server in _engines.values():
        server.lock.release()
    _lock.release()


os.register_at_fork(before=_hold_all, after_in_parent=_let_go_all, after_in_child=_let_go_all)


def opener(name: str) -> Callable[[], MemoryConnection]:
    """The function that opens one more connection to the engine *name*."""
    server = engine(name)
    return lambda: MemoryConnection(server)


class MemoryConnection:
    """A connection to an engine; see `shell.wire.connection.Connection`."""

    def __init__(self, server: FakeServer) -> None:
        self.features = Features("valkey", _VERSION)
        self.used = time.monotonic()
        self.generation = 0
        self.seat = Seat()
        self.sent = True
        self._socket = _socket_class()(server)

    def exchange(self, payload: bytes, count: int) -> list[Reply]:
        self.send(payload)
        return self.receive(count)

    def send(self, payload: bytes) -> None:
        self._socket.sendall(payload)

    def receive(self, count: int) -> list[Reply]:
        replies = self._socket.responses
        if replies.qsize() != count:
            raise Unreachable(f"the engine answered {replies.qsize()} of {count} requests")
        return [replies.get_nowait() for _ in range(count)]

    def within(self, seconds: float | None) -> None:
        """Nothing: an engine in this process is never silent."""

    def alive(self) -> bool:
        return True

    def interrupt(self) -> None:
        self._socket.interrupt()

    def close(self) -> None:
        self._socket.close()


@functools.cache
def _socket_class() -> Callable[[FakeServer], Any]:
    import valkey
    from fakeredis._commands import command

    from vkcache.shell.nodes.engine import Faithful

    class Socket(Faithful):
        """The engine's end of a connection, whose errors keep the text that a server would send."""

        def __init__(self, server: FakeServer) -> None:
            super().__init__(server, 0, None, valkey.Valkey)

        def _decode_error(self, error: Any) -> Fault:  # type: ignore[override]  # read by us alone
            return Fault(error.value.replace("ERR BUSYGROUP", "BUSYGROUP"))

        def _scan(self, keys: Any, cursor: int, *args: bytes, **known: Any) -> list[Any]:
            page: list[Any] = super()._scan(
                keys, cursor, *(_EMPTY_CLASS.sub(_nothing, arg) for arg in args), **known
            )
            return page

        @command(name="INFO", fixed=(), repeat=(bytes,))
        def info(self, *_sections: bytes) -> bytes:
            version = ".".join(str(part) for part in (*_VERSION, 0))
            return f"# Server\r\nserver_name:memory\r\nvalkey_version:{version}\r\n".encode()

    return Socket


def _nothing(found: re.Match[bytes]) -> bytes:
    return found[1] or b"[^\0-\xff]"


def raw_client(name: str) -> valkey.Valkey:
    """A client of valkey-py's over the engine *name*."""
    from fakeredis import FakeValkey

    client: valkey.Valkey = FakeValkey(server=engine(name))
    return client


def raw_async_client(name: str) -> valkey.asyncio.Valkey:
    """The same for asyncio."""
    from fakeredis import FakeAsyncValkey

    client: valkey.asyncio.Valkey = FakeAsyncValkey(server=engine(name))
    return client
