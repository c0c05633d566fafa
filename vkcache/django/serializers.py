"""Serializers for sites that come from other backends: theirs by another name, and the sites' own.

What may enter: a serializer that carries what one of theirs carried, or how one that was written for
them is made and called.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
from django.core.serializers.json import DjangoJSONEncoder

from vkcache.shell.options import load


class DjangoJSON:
    """JSON by Django's encoder: a datetime, a Decimal or a UUID is written, and comes back as its text."""

    name = "django-json"
    safe = True

    def dumps(self, value: object) -> bytes:
        return json.dumps(value, cls=DjangoJSONEncoder, separators=(",", ":")).encode()

    def loads(self, body: bytes) -> Any:
        return json.loads(body)


class LooseMsgpack:
    """msgpack as it is by itself: a tuple is written too, and comes back as a list."""

    name = "loose-msgpack"
    safe = True

    def dumps(self, value: object) -> bytes:
        body: bytes = msgpack.packb(value)
        return body

    def loads(self, body: bytes) -> Any:
        return msgpack.unpackb(body, strict_map_key=False)


class Serializing:
    """*given*, which has serialize() and deserialize(), with the names by which they are called here."""

    def __init__(self, given: Any) -> None:
        self.name = getattr(given, "name", None) or path_of(given)
        self.safe = getattr(given, "safe", False) is True
        self.dumps: Callable[[object], bytes] = given.serialize
        self.loads: Callable[[bytes], Any] = given.deserialize


def path_of(given: object) -> str:
    """The dotted path that *given* is, or that its class has."""
    if isinstance(given, str):
        return given
    kind = given if isinstance(given, type) else type(given)
    return f"{kind.__module__}.{kind.__qualname__}"


def made(option: str, given: Any, options: Mapping[str, Any], kwargs: Mapping[str, Any]) -> Any:
    """A serializer or compressor of the site's own, as the codec takes it.

    It is made here where its constructor takes *options*, all of the row's, or *kwargs*, which the row
    gives beside it.

    :raises Misconfigured: *given* is a path to nothing.
    """
    kind = load(option, given) if isinstance(given, str) and "." in given else given
    if isinstance(kind, type) and (kwargs or _takes_options(kind)):
        given = kind = kind(**({"options": dict(options)} if _takes_options(kind) else {}), **kwargs)
    if option == "serializer" and hasattr(kind, "serialize") and not hasattr(kind, "dumps"):
        return Serializing(kind() if isinstance(kind, type) else kind)
    return given


def _takes_options(kind: type) -> bool:
    """Whether the constructor takes ``options``, by itself or by a base's that it hands all keywords to."""
    for one in kind.__mro__:
        if "__init__" in vars(one):
            parameters = inspect.signature(vars(one)["__init__"]).parameters
            if "options" in parameters:
                return True
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
                return False
    return False
