"""Threads that hear what sentinels announce.

What may enter: how one sentinel is listened to. What its news mean is decided in `sentinel`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

import valkey
from valkey.client import PubSub

from vkcache.core.opinions import Address
from vkcache.core.routing import reachable

_SWITCH = "+switch-master"
_CHANGES = ("+slave", "+sdown", "-sdown", "-role-change", "+role-change")

# All in seconds.
_TURN = 0.2  # after which a listener looks whether it is needed still
_LISTEN_AGAIN = (0.2, 2.0)  # before a sentinel that could not be reached is tried again: at first, at most
_SILENCE = 5.0  # after which a sentinel is asked whether it is there
_END = 10.0  # of silence after which it is held to be gone

_BROKEN = (valkey.ValkeyError, OSError, ValueError, LookupError, TypeError, AttributeError)
"""What a connection raises that is broken, or does not speak as a sentinel does."""


class Service(Protocol):
    """Whom a listener tells."""

    name: str
    stale: bool

    def due(self) -> bool: ...

    def look(self) -> None: ...

    def switched(self, primary: Address, former: Address | None = None) -> None: ...

    def deserted(self, address: Address) -> bool: ...


class Listener(threading.Thread):
    """Hears what one sentinel announces of a *service*, for as long as a cache uses it."""

    def __init__(self, service: Service, address: Address, options: Mapping[str, Any]) -> None:
        super().__init__(name=f"vkcache-sentinel-{address[1]}", daemon=True)
        self._service = service
        self._address = address
        self._client = valkey.Valkey(host=address[0], port=address[1], **options)
        self._deserted = False

    def run(self) -> None:
        pause, longest = _LISTEN_AGAIN
        while not self._over():
            with suppress(*_BROKEN), self._client.pubsub() as heard:
                heard.subscribe(_SWITCH, *_CHANGES)
                self._service.stale = True  # what was announced before is not told again
                pause = _LISTEN_AGAIN[0]
                self._listen(heard)
            self._rest(pause)
            pause = min(2 * pause, longest)
        self._client.close()

    def _over(self) -> bool:
        self._deserted = self._deserted or self._service.deserted(self._address)
        return self._deserted

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._over() and time.monotonic() < end:
            time.sleep(_TURN)

    def _listen(self, heard: PubSub) -> None:
        last, asked = time.monotonic(), False
        while not self._over():
            message = heard.get_message(timeout=_TURN)
            now = time.monotonic()
            self._hear(message)
            if message is not None:
                last, asked = now, False
            elif now > last + _END:
                return
            elif now > last + _SILENCE and not asked:
                asked = True
                heard.ping()

    def _hear(self, message: Mapping[str, Any] | None) -> None:
        if message is None:
            if self._service.stale and self._service.due():
                self._service.stale = False
                self._service.look()
            return
        if message["type"] != "message":
            return
        words = message["data"].decode("utf-8", "replace").split()
        if message["channel"] != _SWITCH.encode():
            self._service.stale |= self._service.name in words
        elif words[0] == self._service.name:
            _, former, former_port, host, port = words
            if reachable(host, int(port)):
                self._service.switched((host, int(port)), (former, int(former_port)))
