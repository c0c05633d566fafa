"""Serializers: msgpack, pickle, JSON, and how one of the user's own becomes one of them.

What may enter: a serializer with a code of its own in the envelope. A serializer is *safe* where
reading hostile bytes can not run code; one that is not is signed.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any, Protocol

import msgpack
from attrs import evolve, frozen

from vkcache.core.codec.envelope import NAMED_SERIALIZER
from vkcache.core.codec.naming import given_name
from vkcache.errors import Misconfigured


class CustomSerializer(Protocol):
    """What the user may give: an object, a module or a class with these two.

    With an attribute ``safe = True`` it is neither signed nor has to be; ``name`` is what the stored
    value calls it, and its dotted path where it has none.
    """

    def dumps(self, value: Any, /) -> bytes: ...

    def loads(self, body: bytes, /) -> Any: ...


@frozen
class Serializer:
    """One way to write any value as bytes; *dumps* raises where it can not."""

    name: str
    code: int
    safe: bool
    dumps: Callable[[Any], bytes]
    loads: Callable[[bytes], Any]


_IDLE: list[msgpack.Packer] = []
"""Packers that no call is using: making one costs as much as packing a small dict. Taking from and
adding to a list is atomic, so a packer is in the hands of one thread at a time."""
_IDLE_MOST = 8
_KEPT_SIZE = 1 << 18  # a packer keeps the buffer of the largest value that it wrote

_EXACT = frozenset({dict, list, str, bytes, bool, int, float, type(None)})
_flat = chain.from_iterable


def pack(value: object) -> bytes:
    """*value* in msgpack, which reads back as equal values of the very same types.

    Equal values give equal bytes where their dicts are in the same order; see `canonical`.

    :raises Exception: msgpack can not carry it exactly.
    """
    try:
        packer = _IDLE.pop()
    except IndexError:
        packer = msgpack.Packer(strict_types=True)
    body: bytes = packer.pack(value)
    if len(_IDLE) < _IDLE_MOST and len(body) <= _KEPT_SIZE:
        _IDLE.append(packer)
    # Strict as it is, msgpack writes bytearray and memoryview as bytes. Only where one of the
    # three marks of bytes occurs can there be one, and only then the value is walked.
    if (0xC4 in body or 0xC5 in body or 0xC6 in body) and not _exact(value):
        raise TypeError("msgpack would read another type back")
    return body


def _exact(value: object) -> bool:
    """Whether *value*, which msgpack took, holds nothing that reads back as another type."""
    level: list[Any] = [value]
    while level:
        kinds = set(map(type, level))
        if not kinds <= _EXACT:
            return False
        lists = [item for item in level if type(item) is list] if list in kinds else []
        dicts = [item for item in level if type(item) is dict] if dict in kinds else []
        # A level at a time, since all of this runs in C but the number of levels.
        level = [*_flat(lists), *_flat(dicts), *_flat(map(dict.values, dicts))]
    return True


def unpack(body: bytes) -> Any:
    return msgpack.unpackb(body, strict_map_key=False)


def _pickle(value: object, protocol: int = 5) -> bytes:
    return pickle.dumps(value, protocol)


def _json(value: object) -> bytes:
    # A lone surrogate is legal in a str and in JSON's escapes; loads() reads it back this way.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _spaced_json(value: object) -> bytes:
    return json.dumps(value).encode("ascii")


MSGPACK = Serializer("msgpack", 0, True, pack, unpack)
PICKLE = Serializer("pickle", 1, False, _pickle, pickle.loads)
JSON = Serializer("json", 2, True, _json, json.loads)
"""As lossy as JSON is: a tuple comes back as a list, the key 1 as "1"."""
SPACED_JSON = evolve(JSON, dumps=_spaced_json)
"""The same with the spaces and escapes of Python's default: who compares members compares their bytes."""


def pickle_of(protocol: int) -> Serializer:
    """`PICKLE`, for who reads no later *protocol*."""
    return evolve(PICKLE, dumps=partial(_pickle, protocol=protocol))


SERIALIZERS = {serializer.name: serializer for serializer in (MSGPACK, PICKLE, JSON)}
BY_CODE = {serializer.code: serializer for serializer in SERIALIZERS.values()}


def custom_serializer(given: CustomSerializer) -> Serializer:
    """*given* as a serializer whose name stands in the envelope.

    :raises Misconfigured: it lacks dumps() or loads().
    """
    dumps, loads = getattr(given, "dumps", None), getattr(given, "loads", None)
    if not (callable(dumps) and callable(loads)):
        raise Misconfigured(f"serializer: {type(given).__name__} object has no dumps() and loads()")
    safe = getattr(given, "safe", False) is True
    return Serializer(given_name(given, "serializer"), NAMED_SERIALIZER, safe, dumps, loads)
