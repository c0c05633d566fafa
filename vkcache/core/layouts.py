"""How a hash is laid out: whether its key and its fields' names bear the cache's prefix and version.

Backends differ, and a field under another name is a field that is lost.

What may enter: a layout that a backend has stored hashes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen


@frozen
class HashLayout:
    """*key_made*: the hash stands under ``prefix:version:key``, else under the bare key.
    *fields_made*: a field is called ``prefix:version:field``, else as it is."""

    key_made: bool = True
    fields_made: bool = False


NATIVE: Final = HashLayout()
_ON_FIELDS = HashLayout(key_made=False, fields_made=True)

HASH_LAYOUTS: Final[Mapping[str, HashLayout]] = {
    "native": NATIVE,
    "django-valkey": _ON_FIELDS,
    "django-valkey-hash": HashLayout(key_made=True, fields_made=True),
    "django-cachex": NATIVE,
    "django-redis": _ON_FIELDS,
    "django-redis-7": NATIVE,
}
"""By the backend that wrote them: django-valkey-hash is its HashClient, django-redis its version 6."""
