"""From a row of Django's CACHES to frozen settings.

What may enter: how Django spells what `shell.options` knows. An error names the setting, the value
and the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings as django_settings
from django.core.cache.backends.base import default_key_func, get_key_func
from django.core.exceptions import ImproperlyConfigured

from vkcache.core.expiry import Timeout, milliseconds
from vkcache.errors import CallError, Misconfigured
from vkcache.shell.options import Settings, load, nearest, settings

_TOP_LEVEL = frozenset(
    {
        "BACKEND",
        "LOCATION",
        "OPTIONS",
        "TIMEOUT",
        "KEY_PREFIX",
        "VERSION",
        "KEY_FUNCTION",
        "REVERSE_KEY_FUNCTION",
    }
)


@contextmanager
def as_django_says_it() -> Iterator[None]:
    """A wrong setting is an `ImproperlyConfigured`, as everywhere in Django."""
    try:
        yield
    except Misconfigured as error:
        raise ImproperlyConfigured(f"CACHES: {error}") from error


def read(location: str | Sequence[str], params: Mapping[str, Any]) -> Settings:
    """The settings of a cache.

    :raises Misconfigured: one of them is unknown, or has a value that it can not have.
    """
    for name in params:
        if name.upper() not in _TOP_LEVEL:
            raise Misconfigured(f"setting {name!r} is not known{nearest(name.upper(), _TOP_LEVEL)}")
    options = _lower(params.get("OPTIONS") or {})
    options.setdefault("secret", _secrets())
    options.setdefault("key_function", _key_function(params.get("KEY_FUNCTION")))
    options.setdefault("reverse_key_function", _reverse(params.get("REVERSE_KEY_FUNCTION")))
    return settings(_one_url(location), options)


def read_timeout(params: Mapping[str, Any]) -> Timeout:
    """TIMEOUT: seconds, a timedelta, or None for ever; 300 where it is not given.

    :raises Misconfigured: it is none of these.
    """
    timeout = params.get("TIMEOUT", params.get("timeout", 300))
    if isinstance(timeout, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", timeout):
        timeout = float(timeout)
    try:
        milliseconds(timeout)
    except CallError as error:
        raise Misconfigured(f"TIMEOUT: {error}") from error
    known: Timeout = timeout
    return known


def _lower(options: Mapping[str, Any]) -> dict[str, Any]:
    """*options* under their lower-case names; the older backends spell them in capitals."""
    lower: dict[str, Any] = {}
    for name, value in options.items():
        if name.lower() in lower:
            raise Misconfigured(f"option {name.lower()!r} is given twice, in capitals and not; give it once")
        lower[name.lower()] = value
    return lower


def _one_url(location: str | Sequence[str]) -> str:
    parts = re.split(r"[;,]", location) if isinstance(location, str) else list(location)
    urls = [part.strip() for part in parts if part.strip()]
    if len(urls) != 1:
        raise Misconfigured(f"LOCATION holds {len(urls)} URLs; give one, such as 'valkey://127.0.0.1:6379/0'")
    return urls[0]


def _secrets() -> tuple[str | bytes, ...] | None:
    """SECRET_KEY, which signs, and SECRET_KEY_FALLBACKS, which still verify; None where there is none."""
    try:
        current = django_settings.SECRET_KEY
    except ImproperlyConfigured:
        return None
    return (current, *django_settings.SECRET_KEY_FALLBACKS)


def _key_function(setting: str | Callable[..., str] | None) -> Callable[..., str] | None:
    """None for Django's own default, which the core makes faster."""
    function: Callable[..., str] = get_key_func(setting)
    return None if function is default_key_func else function


def _reverse(setting: str | Callable[..., str] | None) -> Callable[..., str] | None:
    if isinstance(setting, str):
        loaded: Callable[..., str] = load("REVERSE_KEY_FUNCTION", setting)
        return loaded
    return setting
