"""Serializers and compressors of the site's own, which were written for another backend.

What may enter: how such a class is called, made, and asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from vkcache.errors import Misconfigured
from vkcache.shell.options import load


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


def made(option: str, given: Any, options: Mapping[str, Any], kwargs: Any) -> Any:
    """A serializer or compressor of the site's own, as the codec takes it.

    It is made here where its constructor takes *options*, all of the row's, or *kwargs*, which the row
    gives beside it.

    :raises Misconfigured: *given* is a path to nothing, or *kwargs* is no dict.
    """
    if not isinstance(kwargs, Mapping):
        raise Misconfigured(f"option {option}_class_kwargs, of type {type(kwargs).__name__}: give a dict")
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
