"""From a user's key to the key on the wire, and back.

What may enter: rules about the text of keys and patterns. Which node a key lives on is
`core.routing`'s question.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from attrs import field, frozen

from vkcache.errors import InvalidKey, Misconfigured

KeyFunction: TypeAlias = Callable[[str, str, int], str]
"""Django's KEY_FUNCTION: (key, prefix, version) -> the key on the wire."""


class CacheKey(str):
    """A key that is ready made: no keyspace adds anything to it."""

    __slots__ = ()


_GLOB = re.compile(r"([*?\[\]^\\])")


def escape_glob(text: str) -> str:
    r"""*text* as a glob pattern that matches it alone: ``a*b`` -> ``a\*b``."""
    return _GLOB.sub(r"\\\1", text)


def unchanged(key: str, _prefix: str = "", _version: int = 1) -> str:
    """The key function of a keyspace whose keys are ready made; its reverse too."""
    return key


def on_wire(key: str) -> bytes:
    """*key* in UTF-8. Bytes that were no UTF-8 when the key was read come back as they were.

    :raises InvalidKey: the text has a lone surrogate, which no encoding carries.
    """
    try:
        return key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidKey(f"key {key!r} has a lone surrogate; use text that UTF-8 can carry") from None


def as_text(wire: bytes) -> str:
    """The text of a key that a server sent, whatever its bytes are."""
    return wire.decode("utf-8", "surrogateescape")


@frozen
class Keyspace:
    """The keys of one cache: ``prefix:version:key``, or what its key function says.

    *check* is called with every made key before anything is sent; it warns or raises.
    """

    prefix: str = ""
    version: int = 1
    function: KeyFunction | None = None
    reverse_function: Callable[[str], str] | None = None
    check: Callable[[str], None] | None = None
    _head: str = field(init=False)
    _own: re.Pattern[str] = field(init=False, eq=False)

    @_head.default
    def _default_head(self) -> str:
        return f"{self.prefix}:{self.version}:"

    @_own.default
    def _default_own(self) -> re.Pattern[str]:
        # Another cache's prefix may begin with ours and a colon ("a" and "a:b"): a version is a number.
        versions = rf"-?[0-9]+|{re.escape(str(self.version))}"
        return re.compile(rf"{re.escape(self.prefix)}:(?:{versions}):", re.DOTALL)

    def make(self, name: str, version: int | None = None) -> str:
        """The key on the wire, as text."""
        if isinstance(name, CacheKey):
            return name
        if self.function is not None:
            return self.function(name, self.prefix, self.version if version is None else version)
        if version is None:
            return f"{self._head}{name}"
        return f"{self.prefix}:{version}:{name}"

    def wire(self, name: str, version: int | None = None) -> bytes:
        """The key on the wire.

        :raises InvalidKey: the key can not be sent.
        """
        plain = version is None and self.function is None and type(name) is str
        key = f"{self._head}{name}" if plain else self.make(name, version)
        if self.check is not None:
            self.check(key)
        try:
            return key.encode()
        except UnicodeEncodeError:
            return on_wire(key)

    def pattern(self, pattern: str, version: int | None = None) -> str:
        """A glob that matches the keys of *version* whose names match the glob *pattern*.

        Prefix and version match literally, whatever characters they hold.
        """
        return self._pattern(pattern, escape_glob(str(self.version if version is None else version)))

    def pattern_of_all_versions(self) -> str:
        """A glob that matches every key of this cache, and perhaps others: see `owns`."""
        return self._pattern("*", "*")

    def _pattern(self, pattern: str, version: str) -> str:
        prefix = escape_glob(self.prefix)
        if self.function is None:
            return f"{prefix}:{version}:{pattern}"
        return self.function(pattern, prefix, version)  # type: ignore[arg-type]  # a glob stands for the number

    def owns(self, wire: bytes) -> bool:
        """Whether a key found by `pattern_of_all_versions` is this cache's own."""
        return self.function is not None or self._own.match(as_text(wire)) is not None

    def reverse(self, key: str) -> str:
        """The user's name of the key *key* on the wire, of any version.

        :raises InvalidKey: the key is not of this cache.
        :raises Misconfigured: the cache has a key function and no reverse of it.
        """
        if self.reverse_function is not None:
            return self.reverse_function(key)
        if self.function is not None:
            raise Misconfigured("KEY_FUNCTION has no known reverse: set REVERSE_KEY_FUNCTION as well")
        own = self._own.match(key)
        if own is None:
            raise InvalidKey(f"key {key!r} does not begin with {self.prefix!r}, a colon and a version")
        return key[own.end() :]

    def names(self, wires: list[bytes], version: int | None = None) -> list[str]:
        """The user's names of keys that were found by `pattern` with the same *version*."""
        if self.function is not None or self.reverse_function is not None:
            return [self.reverse(as_text(wire)) for wire in wires]
        head = len(on_wire(self.make("", version)))
        return [as_text(wire[head:]) for wire in wires]


RAW = Keyspace(function=unchanged, reverse_function=unchanged)
"""The keyspace of keys that are ready made."""
