"""Classes of client libraries that a row of CACHES may name: of pools and of connections.

What may enter: what is seen of such a class. None is imported that the site did not write itself.
"""

from __future__ import annotations

import re
from typing import Any

from valkey.sentinel import SentinelConnectionPool

from vkcache.django.given import path_of
from vkcache.errors import Misconfigured
from vkcache.shell.kinds import is_pool_class
from vkcache.shell.options import load

_pool_of_a_library = re.compile(r"(redis|valkey)(\.\w+)*\.(Blocking|Sentinel)?ConnectionPool").fullmatch


def is_known_pool(given: object) -> bool:
    """Whether it is a pool that comes with a client library."""
    return _pool_of_a_library(path_of(given)) is not None


def is_pool_of_ours(given: object) -> bool:
    """Whether it is a pool of the site's own over valkey-py's, which can be used as it is."""
    kind = _loaded(given)
    usable = is_pool_class(kind) and not issubclass(kind, SentinelConnectionPool)
    return usable and not is_known_pool(kind)


def is_of_redis(given: object) -> bool:
    """Whether it is a class of the site's own over one of redis-py's."""
    return any(base.__module__.startswith("redis.") for base in getattr(_loaded(given), "__mro__", ()))


def encrypts(connection: object) -> bool:
    """Whether connections of this class are encrypted."""
    return any(base.__name__ == "SSLConnection" for base in getattr(connection, "__mro__", ()))


def _loaded(given: object) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return load("pool_class", given)
    except Misconfigured:  # it may stand on a library that is no longer there
        return None
