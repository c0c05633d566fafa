"""How a hash is laid out: whether its key and its fields' names bear the cache's prefix and version.

Backends differ, and a field under another name is a field that is lost.

What may enter: a layout that a backend has stored hashes in, and how its keys and names are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from attrs import evolve, frozen

from vkcache.core.keyspace import RAW, Keyspace, as_text, field_name, on_wire
from vkcache.errors import Misconfigured


@frozen
class FieldNames:
    """How fields are called on the wire.

    :ivar wire: a field's name as it is sent, and where names bear a version of that, or the keyspace's.
    :ivar text: the user's name of a field that the server sent.
    :ivar pattern: the glob for the fields whose names the user's glob matches, of a version as in *wire*.
    """

    wire: Callable[[str, int | None], bytes]
    text: Callable[[bytes], str]
    pattern: Callable[[str, int | None], bytes]


AS_THEY_ARE: Final = FieldNames(field_name, as_text, field_name)


def made_by(keyspace: Keyspace) -> FieldNames:
    """The names of fields that are made as the keys of *keyspace* are."""
    return FieldNames(partial(_made, keyspace), partial(_text, keyspace), partial(_pattern, keyspace))


def _made(keyspace: Keyspace, field: str, version: int | None) -> bytes:
    field_name(field)  # it refuses what is no text
    return keyspace.wire(field, version)


def _text(keyspace: Keyspace, wire: bytes) -> str:
    """The name without prefix and version, whichever that is; a field that bears none is called as it is."""
    text = as_text(wire)
    try:
        return keyspace.reverse(text)
    except Misconfigured:
        raise
    except Exception:  # the user's function may raise anything where it did not make the name
        return text


def _pattern(keyspace: Keyspace, match: str, version: int | None) -> bytes:
    field_name(match)
    return on_wire(keyspace.pattern(match, version))


@frozen
class HashLayout:
    """*key_made*: the hash stands under ``prefix:version:key``, else under the bare key.
    *fields_made*: a field is called ``prefix:version:field``, else as it is.

    Only commands on hashes know of it: one under a bare key is deleted by ``delete(CacheKey(key))``."""

    key_made: bool = True
    fields_made: bool = False

    def keys(self, keyspace: Keyspace) -> Keyspace:
        """The keyspace of the hashes of a cache with this one."""
        return keyspace if self.key_made else evolve(RAW, check=keyspace.check)

    def names(self, keyspace: Keyspace) -> FieldNames:
        """How the fields of these hashes are called."""
        return made_by(evolve(keyspace, check=None)) if self.fields_made else AS_THEY_ARE


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
