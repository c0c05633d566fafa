"""Kinds of options: the field of one, with its check, its remedy and its default.

What may enter: a kind that says of a value alone whether an option may have it. Which options there are
is in `options`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import valkey
from attrs import Attribute, field

from vkcache.core.codec.naming import unknown
from vkcache.errors import Misconfigured


def option(check: Callable[[Any], bool], remedy: str, default: Any, *, secret: bool = False) -> Any:
    """A field of `Settings` whose value must pass *check*."""

    def validate(_settings: object, attribute: Attribute[Any], value: Any) -> None:
        if not check(value):
            shown = f"of type {type(value).__name__}" if secret else repr(value)
            raise Misconfigured(f"option {attribute.name}, {shown}: {remedy}")

    return field(default=default, validator=validate, repr=not secret)


DAY = 86400.0
"""In seconds: longer than that is a mistake in an option."""


def number(value: Any) -> bool:
    """A finite number; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def whole(value: Any) -> bool:
    """A whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def flag(default: bool) -> Any:
    """True or False."""
    return option(lambda value: isinstance(value, bool), "give True or False", default)


def count(default: int) -> Any:
    """A whole number above 0."""
    return option(lambda value: whole(value) and value > 0, "give a whole number above 0", default)


def text(*, secret: bool = False) -> Any:
    """A str, or None; the value of a *secret* is never shown."""
    return option(lambda value: value is None or isinstance(value, str), "give a str", None, secret=secret)


def time_out(default: float) -> Any:
    """Seconds above 0, a day at most; None: no limit."""
    remedy = "give a number of seconds above 0, a day (86400) at most, or None to wait for ever"
    return option(lambda value: value is None or (number(value) and 0 < value <= DAY), remedy, default)


def one_of(known: Collection[str], default: str | None) -> Any:
    """One of the names in *known*; None where that is the default."""
    return option(
        lambda value: value == default or (isinstance(value, str) and value in known),
        f"give one of {', '.join(known)}" + (", or leave it out" if default is None else ""),
        default,
    )


def _texts(name: str) -> Callable[[Any], tuple[str, ...] | None]:
    """What makes one str or several, as the option *name* has them, a tuple; None stays."""

    def read(value: Any) -> tuple[str, ...] | None:
        several = (value,) if isinstance(value, str) else value
        if several is None:
            return None
        if not isinstance(several, Collection) or not all(isinstance(one, str) for one in several):
            raise Misconfigured(f"option {name}, of type {type(value).__name__}: give a list of str")
        return tuple(several)

    return read


def names(name: str, known: Collection[str]) -> Any:
    """Several of the names in *known*, none where nothing is given, as the option *name* has them."""
    read = _texts(name)

    def validate(_settings: object, attribute: Attribute[Any], value: Any) -> None:
        for one in value:
            if one not in known:
                raise unknown(f"option {attribute.name}", one, known)

    return field(default=(), converter=lambda value: read(value) or (), validator=validate)


def several(name: str) -> Any:
    """Any texts, or None, as the option *name* has them."""
    return field(default=None, converter=_texts(name))


def function() -> Any:
    """A function, or None."""
    return option(lambda value: value is None or callable(value), "give a function", None)


def is_pool_class(value: Any) -> bool:
    """A class of valkey-py's pools."""
    return isinstance(value, type) and issubclass(value, valkey.ConnectionPool)


def is_provider(value: Any) -> bool:
    """What answers credentials, or None."""
    return value is None or callable(getattr(value, "get_credentials", None))


def is_secret(value: Any) -> bool:
    """One secret or several, none of them empty; or None."""
    several = not isinstance(value, (str, bytes)) and isinstance(value, Collection)
    return value is None or all(
        isinstance(one, (str, bytes)) and one for one in (value if several else (value,))
    )
