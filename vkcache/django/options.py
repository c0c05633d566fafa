"""From a row of Django's CACHES to frozen settings.

What may enter: how Django spells what `shell.options` knows. An error names the setting, the value
and the remedy.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import evolve
from django.conf import settings as django_settings
from django.core.cache.backends.base import default_key_func, get_key_func
from django.core.exceptions import ImproperlyConfigured

from vkcache.core.codec.naming import nearest
from vkcache.core.expiry import Timeout, milliseconds
from vkcache.django.moving import UnusedSettings, moved
from vkcache.django.spellings import REVERSE_KEY_FUNCTIONS, SITE_SETTINGS
from vkcache.errors import CallError, Misconfigured
from vkcache.shell.options import Settings, load, settings

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
        "timeout",  # Django's BaseCache reads these three in lower case
        "max_entries",
        "cull_frequency",
        "db",  # and django-redis-cache these two
        "password",
    }
)
SITE_WIDE = frozenset({"SECRET_KEY", "SECRET_KEY_FALLBACKS", *SITE_SETTINGS})
"""The settings beside CACHES that a cache is built from."""


@contextmanager
def as_django_says_it() -> Iterator[None]:
    """A wrong setting is an `ImproperlyConfigured`, as everywhere in Django."""
    try:
        yield
    except Misconfigured as error:
        raise ImproperlyConfigured(f"CACHES: {error}") from error


def check(location: object, params: Mapping[str, Any]) -> None:
    """Nothing, where each setting of a row of CACHES is known and of its type.

    :raises Misconfigured: one is not.
    """
    for name in params:
        if name not in _TOP_LEVEL:
            raise Misconfigured(f"setting {name!r} is not known{nearest(str(name), _TOP_LEVEL)}")
    several = location if isinstance(location, (list, tuple)) else [location]
    if not all(isinstance(one, str) for one in several):  # its value may hold a password
        raise Misconfigured(f"LOCATION, of type {type(location).__name__}: give a URL as a str")
    options, prefix, version = (
        params.get(name, absent) for name, absent in (("OPTIONS", {}), ("KEY_PREFIX", ""), ("VERSION", 1))
    )
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise Misconfigured("OPTIONS: give a dict whose keys are the names of options")
    if not isinstance(prefix, str):
        raise Misconfigured(f"KEY_PREFIX, {prefix!r}: give a str")
    if not isinstance(version, int) or isinstance(version, bool):
        raise Misconfigured(f"VERSION, {version!r}: give a whole number")


def read(location: str | Sequence[str], params: Mapping[str, Any]) -> Settings:
    """The settings of a cache whose row passed `check`.

    :raises Misconfigured: an option is unknown, or a setting has a value that it can not have.
    """
    means = moved(location, params, _of_site)
    if means.unused:
        warnings.warn(means.warning, UnusedSettings, stacklevel=2)
    options = means.options
    options.setdefault("secret", _secrets())
    options["key_function"] = _key_function(options.get("key_function") or params.get("KEY_FUNCTION"))
    reverse = options.get("reverse_key_function") or params.get("REVERSE_KEY_FUNCTION")
    options["reverse_key_function"] = _reverse(reverse)
    return _as_written(settings(means.location, options), means.written)


def _as_written(chosen: Settings, written: Sequence[str]) -> Settings:
    """*chosen*, whose servers are called as the row calls them: rings know them by that."""
    each = zip(chosen.nodes, written, strict=False)  # there are none where there is one server
    nodes = tuple(evolve(node, written=name) for node, name in each)
    return evolve(chosen, written=written[0], nodes=nodes)


def _of_site(name: str) -> Any:
    return getattr(django_settings, name, None)


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


def _secrets() -> tuple[str | bytes, ...] | None:
    """SECRET_KEY, which signs, and SECRET_KEY_FALLBACKS, which still verify; None where there is none."""
    try:
        current = django_settings.SECRET_KEY
    except ImproperlyConfigured:
        return None
    return (current, *django_settings.SECRET_KEY_FALLBACKS)


def _key_function(setting: str | Callable[..., str] | None) -> Callable[..., str] | None:
    """None for Django's own default, which the core makes faster."""
    try:
        function: Callable[..., str] = get_key_func(setting)
    except (ImportError, AttributeError, TypeError) as error:  # the last two: neither a path nor a function
        raise Misconfigured(f"KEY_FUNCTION, {setting!r}: {error}") from None
    return None if function is default_key_func else function


def _reverse(setting: str | Callable[..., str] | None) -> Callable[..., str] | None:
    if isinstance(setting, str):
        if setting in REVERSE_KEY_FUNCTIONS:
            return None
        loaded: Callable[..., str] = load("REVERSE_KEY_FUNCTION", setting)
        return loaded
    return setting
