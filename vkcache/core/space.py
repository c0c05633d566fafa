"""What every command of one cache shares: its first argument.

What may enter: a choice that is made once for a cache and asked by more than one command.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from attrs import evolve, field, frozen

from vkcache.core.codec import Codec, Fields
from vkcache.core.codec.envelope import PLAIN
from vkcache.core.conventions import NATIVE, Conventions
from vkcache.core.expiry import DEFAULT, Timeout, milliseconds
from vkcache.core.freshness import share, spread
from vkcache.core.keyspace import RAW, Keyspace, as_text, on_wire
from vkcache.core.layouts import NATIVE as PLAIN_HASHES
from vkcache.core.layouts import FieldNames, HashLayout
from vkcache.core.plan import Reply
from vkcache.errors import InvalidArgument, Undecodable, Unencodable


class Missing:
    """The type of `MISSING`."""


_EVERYDAY = 10**9  # seconds; below it a whole number needs no further check

MISSING: Final = Missing()
"""What a decoder answers where nothing readable is stored and the caller must know."""


@frozen
class Sight:
    """What is stored, and its value: `MISSING` where that can not be read, or nothing is there.

    :ivar fields: those that travel with the value.
    """

    value: Any = MISSING
    stored: bytes | None = None
    fields: Fields = ()


NOTHING: Final = Sight()


def ignore(_error: Undecodable) -> None:
    """What a space does about an unreadable value where no shell counts them: nothing."""


@frozen
class Space:
    """A cache's keys, values, and the defaults of its commands.

    *unreadable* is told of every stored value that can not be read; it counts, or raises.
    *default_marks*: further objects that mean `DEFAULT` as a time-out (Django has one of its own).
    *page*: how many keys one SCAN asks for. *jitter*: the part of each time-out by which keys that are
    written together expire apart. *stale*: for how many seconds longer than its time-out ``get_or_set()``
    keeps a value, where a call says nothing; None where the codec has no place for a value's age.
    *hash_keys* makes the keys of hashes, *hash_fields* the names of their fields, as *hashes* says.
    """

    keyspace: Keyspace
    codec: Codec
    timeout: Timeout = 300
    unreadable: Callable[[Undecodable], None] = ignore
    page: int = 1000
    default_marks: tuple[object, ...] = ()
    jitter: float = 0
    stale: float | None = None
    conventions: Conventions = NATIVE
    hashes: HashLayout = PLAIN_HASHES
    hash_keys: Keyspace = field(init=False, eq=False, repr=False)
    hash_fields: FieldNames = field(init=False, eq=False, repr=False)
    _default_ms: int | None = field(init=False)

    @hash_keys.default
    def _default_hash_keys(self) -> Keyspace:
        return self.hashes.keys(self.keyspace)

    @hash_fields.default
    def _default_hash_fields(self) -> FieldNames:
        return self.hashes.names(self.keyspace)

    @_default_ms.default
    def _default_milliseconds(self) -> int | None:
        return None if self.timeout is DEFAULT else milliseconds(self.timeout)

    def key(self, name: str, version: int | None = None) -> bytes:
        """The key on the wire.

        :raises InvalidKey: the key can not be sent.
        """
        return self.keyspace.wire(name, version)

    def lock_key(self, name: str, version: int | None = None) -> bytes:
        """The key on the wire to which the lock *name* belongs.

        :raises InvalidKey: the key can not be sent.
        """
        return self.key(name, version) if self.conventions.locks_prefixed else RAW.wire(name)

    def keys(self, names: tuple[str, ...], version: int | None = None) -> tuple[bytes, ...]:
        wire = self.keyspace.wire
        return tuple([wire(name, version) for name in names])

    def pattern(self, pattern: str, version: int | None = None) -> bytes:
        return on_wire(self.keyspace.pattern(pattern, version))

    def under(self, prefix: str | None) -> Space:
        """This space with *prefix* in the place of its own; itself where that is None or empty.

        :raises InvalidArgument: the prefix is no str.
        """
        if not prefix:
            return self
        if not isinstance(prefix, str):
            raise InvalidArgument(f"prefix={prefix!r}: give a str; other arguments are given by their names")
        return evolve(self, keyspace=evolve(self.keyspace, prefix=prefix))

    def means_default(self, timeout: Timeout) -> bool:
        """Whether *timeout* stands for the cache's own."""
        return timeout is DEFAULT or any(timeout is mark for mark in self.default_marks)

    def lifetime(self, timeout: Timeout) -> int | None:
        """*timeout* in milliseconds; None for ever; 0 or less where it has passed already.

        :raises InvalidArgument: not a time-out.
        """
        if timeout is DEFAULT:
            return self._default_ms
        if type(timeout) is int and 0 < timeout < _EVERYDAY:
            return timeout * 1000
        return self._default_ms if self.means_default(timeout) else milliseconds(timeout)

    def spread(self, timeout: Timeout, wire: bytes, jitter: float | None = None) -> int | None:
        """`lifetime`, up to the part *jitter* of it shorter, or the cache's own part; it depends on the key.

        :raises InvalidArgument: not a time-out, or not a part.
        """
        lifetime = self.lifetime(timeout)
        if jitter is None and not self.jitter:
            return lifetime
        return spread(lifetime, wire, self.share(jitter))

    def share(self, jitter: float | None = None) -> float:
        """By which part of their time-outs keys expire apart: *jitter*, or the cache's own.

        :raises InvalidArgument: it is no part.
        """
        return self.jitter if jitter is None else share("jitter", jitter)

    def encode(self, value: object, key: bytes = b"") -> bytes:
        """The bytes to store under *key*.

        :raises Unencodable: the codec can not write the value.
        """
        try:
            return self.codec.encode(value, key)
        except Unencodable as error:
            raise Unencodable(f"{as_text(key)!r}: {error}") from error

    def encode_dated(self, value: object, fields: Fields, key: bytes) -> bytes:
        """The bytes to store under *key*, with *fields*.

        :raises Unencodable: the codec can not write the value.
        """
        try:
            return self.codec.encode_fields(value, fields, key)
        except Unencodable as error:
            raise Unencodable(f"{as_text(key)!r}: {error}") from error

    def look(self, key: bytes, reply: Reply) -> Any:
        """The value that *reply* holds; its `Sight` where it has an age, is unreadable, or there is none."""
        if reply is not None and (reply[:2] == PLAIN or not self.codec.aged(reply)):
            try:
                return self.codec.decode(reply, key)
            except Undecodable as error:
                self.unreadable(error)
                return Sight(stored=reply)
        return self.sight(key, reply)

    def sight(self, key: bytes, reply: Reply) -> Sight:
        """What *reply* holds, with all that travels with it."""
        if reply is None:
            return NOTHING
        try:
            stored = self.codec.decode_fields(reply, key)
        except Undecodable as error:
            self.unreadable(error)
            return Sight(stored=reply)
        return Sight(stored.value, reply, stored.fields)

    def read(self, key: bytes, default: Any, reply: Reply) -> Any:
        """The value that *reply* holds; *default* where it is nil or can not be read."""
        if reply is None:
            return default
        try:
            return self.codec.decode(reply, key)
        except Undecodable as error:
            self.unreadable(error)
            return default

    def ranked(self, value: object) -> bytes:
        """The bytes of a member of a sorted set: equal values give equal bytes.

        :raises Unencodable: the codec can not write the value.
        """
        return self.codec.encode_ranked(value)

    def member(self, value: object) -> bytes:
        """The bytes of a member of a set: equal values give equal bytes.

        :raises Unencodable: the codec can not write the value.
        """
        return self.codec.encode_part(value, ordered=True, compressed=False)

    def item(self, value: object) -> bytes:
        """The bytes of an item of a list, which LREM and LPOS compare.

        :raises Unencodable: the codec can not write the value.
        """
        return self.codec.encode_part(value, ordered=True)

    def content(self, value: object) -> bytes:
        """The bytes of what a field of a hash or a stream's entry holds.

        :raises Unencodable: the codec can not write the value.
        """
        return self.codec.encode_part(value)

    def read_part(self, key: bytes, default: Any, reply: Reply) -> Any:
        """The member, item or content that *reply* holds; *default* where it is nil or can not be read."""
        if reply is None:
            return default
        try:
            return self.codec.decode_part(reply, key)
        except Undecodable as error:
            self.unreadable(error)
            return default

    def part(self, key: bytes, default: Any = None) -> Callable[[Reply], Any]:
        """The decoder of a reply that is one member, item or content."""
        return partial(self.read_part, key, default)

    def read_parts(self, key: bytes, replies: Reply) -> list[Any]:
        """The members, items or contents in *replies*, in their order; what can not be read is left out."""
        read = [self.read_part(key, MISSING, reply) for reply in replies]
        return [value for value in read if value is not MISSING]

    def parts(self, key: bytes) -> Callable[[Reply], list[Any]]:
        """The decoder of a reply that is an array of members, items or contents."""
        return partial(self.read_parts, key)

    def value(self, key: bytes, default: Any = None) -> Callable[[Reply], Any]:
        """The decoder of a reply that is one value."""
        return partial(self.read, key, default)
