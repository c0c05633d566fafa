"""What a cache is built from: options as users write them, checked and frozen.

What may enter: an option that `Client` and Django's OPTIONS both take, with its check and default.
An error names the option and the remedy, and the value unless it may be secret.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import math
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypedDict

import valkey
from attrs import Attribute, field, fields, frozen

from vkcache.core.codec import Codec, codec
from vkcache.core.keyspace import KeyFunction, Keyspace
from vkcache.errors import Misconfigured


class UnsignedPickles(UserWarning):
    """Whoever can write to the cache server can run code in this process."""


_UNSIGNED = (
    "this cache unpickles what is not signed: whoever can write to its server can run code here; "
    "leave out signing='off' and format='bare', or choose serializer='msgpack' or 'json'"
)


def option(check: Callable[[Any], bool], remedy: str, default: Any, *, secret: bool = False) -> Any:
    """A field of `Settings` whose value must pass *check*."""

    def validate(_settings: Settings, attribute: Attribute[Any], value: Any) -> None:
        if not check(value):
            shown = f"of type {type(value).__name__}" if secret else repr(value)
            raise Misconfigured(f"option {attribute.name}, {shown}: {remedy}")

    return field(default=default, validator=validate, repr=not secret)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _flag(default: bool) -> Any:
    return option(lambda value: isinstance(value, bool), "give True or False", default)


def _count(default: int) -> Any:
    return option(lambda value: _whole(value) and value > 0, "give a whole number above 0", default)


def _text(*, secret: bool = False) -> Any:
    return option(lambda value: value is None or isinstance(value, str), "give a str", None, secret=secret)


def _timeout(default: float) -> Any:
    remedy = "give a number of seconds above 0, or None to wait for ever"
    return option(lambda value: value is None or (_number(value) and value > 0), remedy, default)


def _function() -> Any:
    return option(lambda value: value is None or callable(value), "give a function", None)


def _is_pool_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, valkey.ConnectionPool)


def _is_secret(value: Any) -> bool:
    several = not isinstance(value, (str, bytes)) and isinstance(value, Collection)
    return value is None or all(
        isinstance(one, (str, bytes)) and one for one in (value if several else (value,))
    )


@frozen(kw_only=True)
class Settings:
    """Everything that a cache is built from. Two caches with equal settings may share connections."""

    url: str = option(lambda value: isinstance(value, str), "give one URL as a str", "memory://", secret=True)
    # values; None: what the format has as its default
    serializer: Any = None
    compressor: Any = None
    format: Literal["native", "bare"] = "native"
    signing: Literal["pickles", "all", "off"] = "pickles"
    signing_salt: str = "vkcache"
    secret: Any = option(_is_secret, "give a str or bytes, or several, none of them empty", None, secret=True)
    max_value_size: int = _count(64 * 2**20)
    strict: bool = _flag(False)
    # keys
    key_function: KeyFunction | None = _function()
    reverse_key_function: Callable[[str], str] | None = _function()
    scan_itersize: int = _count(1000)
    # connections
    topology: str | None = option(
        lambda value: value in (None, "single"), 'give "single" or leave it out: there is one server', None
    )
    username: str | None = _text()
    password: str | None = _text(secret=True)
    credential_provider: Any = field(default=None, repr=False)
    db: int | None = option(
        lambda value: value is None or (_whole(value) and value >= 0), "give a whole number, 0 or more", None
    )
    client_name: str | None = _text()
    socket_timeout: float | None = _timeout(1.0)
    socket_connect_timeout: float | None = _timeout(1.0)
    socket_keepalive: bool = _flag(False)
    max_connections: int = _count(50)
    health_check_interval: float = option(
        lambda value: _number(value) and value >= 0, "give a number of seconds, 0 for never", 0
    )
    pool_class: type[valkey.ConnectionPool] = option(
        _is_pool_class, "give a subclass of valkey.ConnectionPool", valkey.ConnectionPool
    )
    pool_kwargs: Mapping[str, Any] = option(
        lambda value: isinstance(value, Mapping), "give a dict", MappingProxyType({}), secret=True
    )
    tls: Mapping[str, Any] = field(factory=dict, repr=False)
    close_connection: bool = _flag(False)
    # failures
    ignore_exceptions: bool = _flag(False)
    log_ignored_exceptions: bool = _flag(False)
    # the embedded server
    maxmemory: str | int = "256mb"
    maxmemory_policy: str = "allkeys-lru"

    def keyspace(self, prefix: str, version: int) -> Keyspace:
        return Keyspace(prefix, version, self.key_function, self.reverse_key_function)

    def codec(self) -> Codec:
        """How values travel.

        :raises Misconfigured: an option of the codec's is unknown or lacks its package.
        """
        given = {
            name: _resolved(name, getattr(self, name))
            for name in ("serializer", "compressor")
            if getattr(self, name) is not None
        }
        made = codec(
            format=self.format,
            signing=self.signing,
            secrets=_several(self.secret),
            signing_salt=self.signing_salt,
            max_value_size=self.max_value_size,
            **given,
        )
        if made.runs_unsigned:
            warnings.warn(_UNSIGNED, UnsignedPickles, stacklevel=2)
        return made

    def dialling(self) -> dict[str, Any]:
        """The keyword arguments with which valkey-py opens a connection."""
        named = ("username", "password", "credential_provider", "db", "client_name")
        return {
            **{name: getattr(self, name) for name in named if getattr(self, name) is not None},
            **({"socket_keepalive": True} if self.socket_keepalive else {}),
            "socket_timeout": self.socket_timeout,
            "socket_connect_timeout": self.socket_connect_timeout,
            "lib_name": "vkcache",
            "lib_version": None,
            **self.tls,
            **self.pool_kwargs,
        }


class Options(TypedDict, total=False):
    """The keyword options of a cache: the fields of `Settings`, and ``ssl_*`` as valkey-py has them."""

    serializer: Any
    compressor: Any
    format: Literal["native", "bare"]
    signing: Literal["pickles", "all", "off"]
    signing_salt: str
    secret: str | bytes | Sequence[str | bytes] | None
    max_value_size: int
    strict: bool
    key_function: KeyFunction | None
    reverse_key_function: Callable[[str], str] | None
    scan_itersize: int
    topology: str | None
    username: str | None
    password: str | None
    credential_provider: Any
    db: int | None
    client_name: str | None
    socket_timeout: float | None
    socket_connect_timeout: float | None
    socket_keepalive: bool
    max_connections: int
    health_check_interval: float
    pool_class: type[valkey.ConnectionPool]
    pool_kwargs: Mapping[str, Any]
    ssl_keyfile: str | None
    ssl_certfile: str | None
    ssl_cert_reqs: Any
    ssl_ca_certs: str | None
    ssl_ca_data: str | None
    ssl_ca_path: str | None
    ssl_check_hostname: bool
    ssl_password: str | None
    ssl_min_version: Any
    ssl_ciphers: str | None
    close_connection: bool
    ignore_exceptions: bool
    log_ignored_exceptions: bool
    maxmemory: str | int
    maxmemory_policy: str


_TLS = frozenset(
    name for name in inspect.signature(valkey.SSLConnection).parameters if name.startswith("ssl_")
)
_KNOWN = frozenset(attribute.name for attribute in fields(Settings)) - {"url", "tls"}


def settings(url: str, options: Mapping[str, Any]) -> Settings:
    """*options*, checked.

    :raises Misconfigured: one is unknown (the message names the nearest known one), or its value is.
    """
    for name in options:
        if name not in _KNOWN and name not in _TLS:
            raise Misconfigured(f"option {name!r} is not known{nearest(name, _KNOWN | _TLS)}")
    tls = {name: value for name, value in options.items() if name in _TLS}
    return Settings(url=url, tls=tls, **{name: value for name, value in options.items() if name in _KNOWN})


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of *name*, which is none of *known*: the nearest of them, or nothing."""
    close = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _several(secret: Any) -> tuple[str | bytes, ...]:
    if secret is None:
        return ()
    return (secret,) if isinstance(secret, (str, bytes)) else tuple(secret)


def _resolved(name: str, value: Any) -> Any:
    """A serializer or compressor as the codec takes it, from a path, a class, an instance, or several."""
    if isinstance(value, (list, tuple)):
        return [_resolved(name, one) for one in value]
    if isinstance(value, str) and "." in value:
        value = load(name, value)
    return value() if isinstance(value, type) else value


def load(name: str, path: str) -> Any:
    """What the dotted *path* of the option *name* names.

    :raises Misconfigured: nothing is there.
    """
    module, _, attribute = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # the last two: no path at all
        raise Misconfigured(f"option {name}, {path!r}: {error}") from None
