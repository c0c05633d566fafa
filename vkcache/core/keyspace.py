"""From a user's key to the key on the wire, and back.

What may enter: rules about the text of keys and patterns. Which node a key lives on is
`core.routing`'s question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from attrs import field, frozen

from vkcache.core.slots import slot, tag, tag_of
from vkcache.errors import InvalidArgument, InvalidKey, Misconfigured

KeyFunction: TypeAlias = Callable[[str, str, int], str]
"""Django's KEY_FUNCTION: (key, prefix, version) -> the key on the wire."""


class CacheKey(str):
    """A key that is ready made: no keyspace adds anything to it."""

    __slots__ = ()


_GLOB = re.compile(r"([*?\[\]^\\])")


def escape_glob(text: str) -> str:
    r"""*text* as a glob pattern that matches it alone: ``a*b`` -> ``a\*b``."""
    return _GLOB.sub(r"\\\1", text)


_PROBES = (
    ("4180273965", 90217364),
    ("73096182540417", 3815066927),
    ("960518374", 804259316),
    ("5172936480551", 61739208457),
)
"""Names and versions that no cache has. Digits, as functions may fold case or want a number; several, of
several lengths, as they may pad, cut, or hash."""

_NAME, _VERSION = "name", "version"
_Part: TypeAlias = tuple[str, str]
"""What stands there, `_NAME`, `_VERSION` or nothing, and the text that does where it is neither."""

_GLOB_MARKS = re.compile(r"[*?\[\]^\\]")
_NOT_AS_IT_IS = (
    "KEY_FUNCTION, or make_key, makes keys that do not hold each name and version as it is, so no pattern "
    "finds them: delete by name, change the function, or empty the whole database with flush_db()"
)
_LIKE_ANY = (
    "nothing tells these keys from those of other caches (no prefix, and no KEY_FUNCTION that adds text): "
    "take some with delete_pattern(), or empty the whole database with flush_db()"
)


RESERVED = b"\xffvkcache:"
"""How every key begins that vkcache makes beside those of values. Its first byte stands in no UTF-8, so
no name, prefix or KEY_FUNCTION makes such a key; nor does an iteration over keys show one."""


def beside(kind: bytes, wire: bytes) -> bytes:
    """The key of this *kind* that belongs to *wire* and shares its hash slot: one for every kind and key."""
    if (decides := tag(wire)) is not wire:
        return b"%b%b::%b" % (RESERVED, kind, wire)
    if wire and b"}" not in wire:
        return b"%b%b:{%b}" % (RESERVED, kind, wire)
    return b"%b%b:;{%b}%b" % (RESERVED, kind, tag_of(slot(decides)), wire)


def owner(key: bytes) -> bytes:
    """The key that *key* stands `beside`; any other is its own."""
    if not key.startswith(RESERVED):
        return key
    rest = key[len(RESERVED) :].partition(b":")[2]
    if rest.startswith(b";"):
        return rest.partition(b"}")[2]
    return rest[1:] if rest.startswith(b":") else rest[1:-1]


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


def _not_reserved(key: str, wire: bytes) -> bytes:
    if wire.startswith(RESERVED):
        raise InvalidKey(f"key {key!r} is one of vkcache's own, beside those of values: use text")
    return wire


def field_name(field: str, _version: int | None = None) -> bytes:
    """The name of a field as it is sent, of whatever version.

    :raises InvalidArgument: it is no str.
    """
    if not isinstance(field, str):
        raise InvalidArgument(f"a field of type {type(field).__name__}: give its name as a str")
    return on_wire(field)


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
        return re.compile(rf"{re.escape(self.prefix)}:{self._versions}:", re.DOTALL)

    @property
    def _versions(self) -> str:
        # Another cache's prefix may begin with ours and a colon ("a" and "a:b"): a version is a number.
        return rf"(?:-?[0-9]+|{re.escape(str(self.version))})"

    def make(self, name: str, version: int | None = None) -> str:
        """The key on the wire, as text."""
        if isinstance(name, CacheKey):
            return name
        if self.function is not None:
            return self._made(name, self.version if version is None else version)
        if version is None:
            return f"{self._head}{name}"
        return f"{self.prefix}:{version}:{name}"

    def _made(self, name: str, version: int) -> str:
        made: object = None if self.function is None else self.function(name, self.prefix, version)
        if not isinstance(made, str):
            raise Misconfigured(f"KEY_FUNCTION answers {type(made).__name__}: let it answer a str")
        return made

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
            return _not_reserved(key, on_wire(key))

    def pattern(self, pattern: str, version: int | None = None) -> str:
        """A glob that matches the keys of *version* whose names match the glob *pattern*.

        Prefix and version match literally, whatever characters they hold.

        :raises Misconfigured: the key function's keys do not hold such names as they are.
        """
        at = self.version if version is None else version
        if self.function is None:
            return f"{escape_glob(self.prefix)}:{escape_glob(str(at))}:{pattern}"
        return _glob(self._shape(_GLOB_MARKS.sub("", pattern), at), pattern)

    def pattern_of_version(self, version: int) -> str:
        """A glob that matches every key of *version* of this cache.

        :raises Misconfigured: as `pattern`; or nothing tells its keys from other caches'.
        """
        if self.function is not None:
            _told_apart(self._shape("", version))
        return self.pattern("*", version)

    def pattern_of_all_versions(self) -> str:
        """A glob that matches every key of this cache, and perhaps others: see `owned`.

        :raises Misconfigured: as `pattern_of_version`.
        """
        if self.function is None:
            return f"{escape_glob(self.prefix)}:*:*"
        return _glob(_told_apart(self._shape("", None)), "*")

    def owned(self, wires: Iterable[bytes]) -> list[bytes]:
        """Those of *wires*, keys found by `pattern_of_all_versions`, that are this cache's own."""
        own = self._own.match
        if self.function is not None:
            own = _exactly(self._shape("", None), self._versions).fullmatch
        return [wire for wire in wires if own(as_text(wire))]

    def owns(self, wire: bytes) -> bool:
        """Whether a key found by `pattern_of_all_versions` is this cache's own."""
        return bool(self.owned([wire]))

    def _shape(self, text: str, version: int | None) -> tuple[_Part, ...]:
        """The parts of what the function makes of names that hold *text*: of *version*, or of any."""
        try:
            first, *others = (
                self._parts(f"{probe}{text}{probe[::-1]}", number, version) for probe, number in _PROBES
            )
        except Misconfigured:
            raise
        except Exception as error:  # the user's function may raise anything
            raise Misconfigured(f"{_NOT_AS_IT_IS} (it raised {type(error).__name__})") from error
        if any(other != first for other in others) or first.count((_NAME, "")) != 1:
            raise Misconfigured(_NOT_AS_IT_IS)
        return first

    def _parts(self, name: str, number: int, version: int | None) -> tuple[_Part, ...]:
        made = self._made(name, number if version is None else version)
        marks = {name: _NAME} if version is not None else {name: _NAME, str(number): _VERSION}
        found = re.split(f"({'|'.join(map(re.escape, marks))})", made)
        return tuple((marks[part], "") if part in marks else ("", part) for part in found if part)

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


def _glob(shape: tuple[_Part, ...], pattern: str) -> str:
    stands = {_NAME: pattern, _VERSION: "*"}
    return "".join(stands[kind] if kind else escape_glob(text) for kind, text in shape)


def _exactly(shape: tuple[_Part, ...], versions: str) -> re.Pattern[str]:
    stands = {_NAME: ".*", _VERSION: versions}
    return re.compile("".join(stands[kind] if kind else re.escape(text) for kind, text in shape), re.DOTALL)


def _told_apart(shape: tuple[_Part, ...]) -> tuple[_Part, ...]:
    if not any(text for _, text in shape):
        raise Misconfigured(_LIKE_ANY)
    return shape


RAW = Keyspace(function=unchanged, reverse_function=unchanged)
"""The keyspace of keys that are ready made."""
