"""What the instances of a cache share: Django makes one a thread, and they must share connections.

What may enter: what is made once for a row of CACHES and process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import valkey
import valkey.asyncio
from attrs import define, field
from django.core.signals import setting_changed

from vkcache.core.codec import Codec
from vkcache.core.expiry import Timeout
from vkcache.django.options import SITE_WIDE, as_django_says_it, check, read, read_timeout
from vkcache.shell.adoor import AsyncDoor
from vkcache.shell.door import Door
from vkcache.shell.doors import adoor, door
from vkcache.shell.nodes.choosing import async_server, raw_async_client, raw_client, server
from vkcache.shell.options import Settings
from vkcache.shell.unreadable import Unreadable


@define(eq=False)
class Site:
    """The shared part of a cache."""

    location: str | Sequence[str]
    params: Mapping[str, Any]
    settings: Settings
    timeout: Timeout
    codec: Codec
    door: Door
    unreadable: Unreadable
    _adoor: AsyncDoor | None = field(default=None, init=False)
    _raw: dict[str, valkey.Valkey] = field(factory=dict, init=False)

    def raw(self, key: bytes | None = None, *, write: bool = False) -> valkey.Valkey:
        """valkey-py's client for the server of *key*; callers share it, and it outlives their ``close()``."""
        settings = server(self.door.nodes, self.settings, key, write=write)
        with _lock:
            if settings.url not in self._raw:
                client = self._raw[settings.url] = raw_client(settings)
                client.auto_close_connection_pool = False
            return self._raw[settings.url]

    async def async_raw(self, key: bytes | None, *, write: bool) -> valkey.asyncio.Valkey:
        """The same for asyncio, for one caller."""
        return raw_async_client(await async_server(self.adoor().nodes, self.settings, key, write=write))

    def adoor(self) -> AsyncDoor:
        """The door for tasks, made when it is first asked for."""
        if self._adoor is None:
            made = adoor(self.settings)
            with _lock:
                self._adoor = self._adoor or made
        return self._adoor

    def close(self) -> None:
        """Close all connections."""
        self.door.nodes.close()
        if self._adoor is not None:
            self._adoor.nodes.close()
        for client in self._raw.values():
            client.connection_pool.disconnect()


_sites: list[Site] = []
_lock = threading.Lock()


def site(location: str | Sequence[str], params: Mapping[str, Any]) -> Site:
    """The site of this row of CACHES; rows share one only where every setting is equal.

    :raises ImproperlyConfigured: a setting is unknown, or has a value that it can not have.
    """
    with as_django_says_it():
        check(location, params)
    with _lock:
        for known in _sites:
            if known.location == location and known.params == params:
                return known
        with as_django_says_it():
            _sites.append(_new(location, params))
        return _sites[-1]


def _new(location: str | Sequence[str], params: Mapping[str, Any]) -> Site:
    settings = read(location, params)
    unreadable = Unreadable(strict=settings.strict)
    timeout, codec = read_timeout(params), settings.codec()
    return Site(location, dict(params), settings, timeout, codec, door(settings), unreadable)


def _forget(*, setting: str, **_: Any) -> None:
    """Tests change settings: what was built from the old ones is closed."""
    if setting == "CACHES" or setting in SITE_WIDE:
        with _lock:
            forgotten = _sites[:]
            _sites.clear()
        for known in forgotten:
            known.close()


def _renew_lock() -> None:
    global _lock  # in a child after fork, whoever held the parent's lock is gone
    _lock = threading.Lock()


setting_changed.connect(_forget, dispatch_uid="vkcache.django.sites")
os.register_at_fork(after_in_child=_renew_lock)
