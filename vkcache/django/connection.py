"""Raw access: valkey-py's own client for the server of a cache.

What may enter: ways around the cache, for commands that it does not have.
"""

from __future__ import annotations

import valkey
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured

from vkcache.django.cache import ValkeyCache


def get_valkey_connection(
    alias: str = "default", write: bool = True, key: str | None = None
) -> valkey.Valkey:
    """valkey-py's client for the server of the cache *alias*; with a *key*, for the server of that key.

    :raises ImproperlyConfigured: the alias is another kind of cache.
    """
    cache = caches[alias]
    if not isinstance(cache, ValkeyCache):
        raise ImproperlyConfigured(
            f"CACHES[{alias!r}] is a {type(cache).__name__}; set its BACKEND to 'vkcache.django.ValkeyCache'"
        )
    return cache.get_client(key, write=write)
