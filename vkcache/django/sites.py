"""What the instances of a cache share: Django makes one a thread, and they must share connections.

What may enter: what is made once for a row of CACHES and process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from django.core.signals import setting_changed

from vkcache.core.codec import Codec
from vkcache.core.expiry import Timeout
from vkcache.django.options import as_django_says_it, read, read_timeout
from vkcache.shell.door import Door
from vkcache.shell.nodes.choosing import choose
from vkcache.shell.options import Settings
from vkcache.shell.unreadable import Unreadable


@frozen(eq=False)
class Site:
    """The shared part of a cache."""

    location: str | Sequence[str]
    params: Mapping[str, Any]
    settings: Settings
    timeout: Timeout
    codec: Codec
    door: Door
    unreadable: Unreadable


_sites: list[Site] = []
_lock = threading.Lock()


def site(location: str | Sequence[str], params: Mapping[str, Any]) -> Site:
    """The site of this row of CACHES; rows share one only where every setting is equal.

    :raises ImproperlyConfigured: a setting is unknown, or has a value that it can not have.
    """
    with _lock:
        for known in _sites:
            if known.location == location and known.params == params:
                return known
        with as_django_says_it():
            _sites.append(_new(location, params))
        return _sites[-1]


def _new(location: str | Sequence[str], params: Mapping[str, Any]) -> Site:
    settings = read(location, params)
    door = Door(
        choose(settings), ignore=settings.ignore_exceptions, log_ignored=settings.log_ignored_exceptions
    )
    unreadable = Unreadable(strict=settings.strict)
    return Site(location, dict(params), settings, read_timeout(params), settings.codec(), door, unreadable)


def _forget(*, setting: str, **_: Any) -> None:
    """Tests change settings: what was built from the old ones is closed."""
    if setting in {"CACHES", "SECRET_KEY", "SECRET_KEY_FALLBACKS"}:
        with _lock:
            forgotten = _sites[:]
            _sites.clear()
        for known in forgotten:
            known.door.nodes.close()


def _renew_lock() -> None:
    global _lock  # in a child after fork, whoever held the parent's lock is gone
    _lock = threading.Lock()


setting_changed.connect(_forget, dispatch_uid="vkcache.django.sites")
os.register_at_fork(after_in_child=_renew_lock)
