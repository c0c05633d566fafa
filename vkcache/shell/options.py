"""What a cache is built from: options as users write them, checked and frozen.

What may enter: an option that `Client` and Django's OPTIONS both take, with its check and default.
An error names the option and the remedy, and the value unless it may be secret.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlencode

import valkey
from attrs import evolve, field, fields, frozen

from vkcache.core.codec import Codec, codec
from vkcache.core.codec.dialects import DIALECTS
from vkcache.core.codec.naming import nearest  # Django's settings are told of it too
from vkcache.core.conventions import CONVENTIONS
from vkcache.core.expiry import Timeout
from vkcache.core.keyspace import KeyFunction, Keyspace
from vkcache.core.layouts import HASH_LAYOUTS
from vkcache.core.rings import RINGS
from vkcache.core.space import Space
from vkcache.errors import Misconfigured, Undecodable
from vkcache.shell import urls
from vkcache.shell.keywords import TLS
from vkcache.shell.kinds import (
    DAY,
    count,
    flag,
    function,
    is_pool_class,
    is_provider,
    is_secret,
    names,
    number,
    one_of,
    option,
    several,
    text,
    time_out,
    whole,
)
from vkcache.shell.topologies import TOPOLOGIES, Topology, check_topology, read_sentinels


class UnsignedPickles(UserWarning):
    """Whoever can write to the cache server can run code in this process."""


SIGNED_AGAIN: Final = (
    "leave out signing='off', format='bare' and reads_allow='*', or choose serializer='msgpack' or 'json'"
)
"""What to do about `UnsignedPickles`."""
_UNSIGNED: Final = (
    "this cache unpickles what is not signed: whoever can write to its server can run code here; "
    + SIGNED_AGAIN
)


@frozen(kw_only=True)
class Settings:
    """Everything that a cache is built from. Two caches with equal settings may share connections."""

    url: str = field(default="memory://", repr=False)
    # values; None: what the format has as its default
    serializer: Any = None
    compressor: Any = None
    format: Literal["native", "bare"] = "native"
    signing: Literal["pickles", "all", "off"] = "pickles"
    signing_salt: str | bytes = option(
        lambda value: isinstance(value, (str, bytes)) and bool(value),
        "give a str or bytes, not empty",
        "vkcache",
    )
    secret: Any = option(is_secret, "give a str or bytes, or several, none of them empty", None, secret=True)
    max_value_size: int = count(64 * 2**20)
    jitter: float = option(
        lambda value: number(value) and 0 <= value < 1,
        "give the part of each time-out to spread, 0 or more, below 1",
        0,
    )
    strict: bool = flag(False)
    # other backends
    reads: tuple[str, ...] = names("reads", DIALECTS)
    reads_allow: tuple[str, ...] | None = several("reads_allow")
    writes: str | None = one_of(DIALECTS, None)
    conventions: str = one_of(CONVENTIONS, "native")
    hash_layout: str = one_of(HASH_LAYOUTS, "native")
    compat: str | None = one_of(DIALECTS, None)
    stale_cache_timeout: float | None = option(
        lambda value: value is None or (number(value) and value >= 0),
        "give for how many seconds get_or_set() keeps a stale value, or leave it out",
        None,
    )
    # keys
    key_function: KeyFunction | None = function()
    reverse_key_function: Callable[[str], str] | None = function()
    scan_itersize: int = count(1000)
    # connections
    topology: Topology | None = option(
        lambda value: value in (None, *TOPOLOGIES),
        f"give one of {', '.join(TOPOLOGIES)}, or leave it out",
        None,
    )
    read_from: Literal["replica", "primary", "any"] | None = option(
        lambda value: value in (None, "replica", "primary", "any"), 'give "replica", "primary" or "any"', None
    )
    read_your_writes: bool | float = option(
        lambda value: isinstance(value, bool) or (number(value) and 0 <= value <= DAY),
        "give True, or for how many seconds after a write its thread or task reads from the primary",
        False,
    )
    ring: str = option(lambda value: value in RINGS, f"give one of {', '.join(RINGS)}", RINGS[0])
    sentinels: tuple[tuple[str, int], ...] = field(default=(), converter=read_sentinels)
    sentinel_kwargs: Mapping[str, Any] = option(
        lambda value: isinstance(value, Mapping), "give a dict", MappingProxyType({}), secret=True
    )
    nodes: tuple[Settings, ...] = field(default=(), repr=False)
    written: str = field(default="", repr=False)
    username: str | None = text()
    password: str | None = text(secret=True)
    credential_provider: Any = option(is_provider, "give an object with get_credentials()", None, secret=True)
    db: int | None = option(
        lambda value: value is None or (whole(value) and value >= 0), "give a whole number, 0 or more", None
    )
    client_name: str | None = text()
    socket_timeout: float | None = time_out(1.0)
    socket_connect_timeout: float | None = time_out(1.0)
    socket_keepalive: bool = flag(False)
    max_connections: int = count(50)
    health_check_interval: float = option(
        lambda value: number(value) and value >= 0, "give a number of seconds, 0 for never", 0
    )
    pool_class: type[valkey.ConnectionPool] = option(
        is_pool_class, "give a subclass of valkey.ConnectionPool", valkey.ConnectionPool
    )
    pool_kwargs: Mapping[str, Any] = option(
        lambda value: isinstance(value, Mapping), "give a dict", MappingProxyType({}), secret=True
    )
    tls: Mapping[str, Any] = field(factory=dict, repr=False)
    close_connection: bool = flag(False)
    # failures
    ignore_exceptions: bool = flag(False)
    log_ignored_exceptions: bool = flag(False)
    # the embedded server
    maxmemory: str | int = "256mb"
    maxmemory_policy: str = "allkeys-lru"

    @property
    def laid_out(self) -> Topology:
        """The topology, where none was given too."""
        if self.topology is not None:
            return self.topology
        return "sentinel" if self.sentinels else "replicas" if self.nodes else "single"

    @property
    def own_reads_for(self) -> float:
        """For how many seconds a thread or task reads from the primary after it wrote."""
        return float(self.read_your_writes)

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
            secrets=self.secret or (),
            signing_salt=self.signing_salt,
            max_value_size=self.max_value_size,
            reads=self.reads,
            reads_allow=self.reads_allow,
            writes=self.writes,
            **given,
        )
        if made.runs_unsigned:
            warnings.warn(_UNSIGNED, UnsignedPickles, stacklevel=2)
        return made

    def space(
        self,
        keyspace: Keyspace,
        codec: Codec,
        timeout: Timeout,
        unreadable: Callable[[Undecodable], None],
        default_marks: tuple[object, ...] = (),
    ) -> Space:
        """What the commands of a cache with these settings share."""
        return Space(
            keyspace=keyspace,
            codec=codec,
            timeout=timeout,
            unreadable=unreadable,
            page=self.scan_itersize,
            default_marks=default_marks,
            jitter=self.jitter,
            stale=(self.stale_cache_timeout or None) if codec.dated else None,
            conventions=CONVENTIONS[self.conventions],
            hashes=HASH_LAYOUTS[self.hash_layout],
        )

    def pooling(self) -> dict[str, Any]:
        """What a pool of valkey-py's own is to know beside."""
        return {
            "max_connections": self.max_connections,
            "health_check_interval": self.health_check_interval,
        }

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


_KNOWN = frozenset(attribute.name for attribute in fields(Settings)) - {"url", "tls", "nodes", "written"}
_UNSET = frozenset(attribute.name for attribute in fields(Settings) if attribute.default is None)


def settings(url: str | Sequence[str], options: Mapping[str, Any]) -> Settings:
    """*options* and those inside *url*, or several, and pool_kwargs, checked.

    :raises Misconfigured: one is unknown (the message names the nearest known one), or its value is;
        the URL can not be read; or two of them contradict.
    """
    locations, options = urls.listed(url), _compatible(options)
    each = tuple(_settings(location, options) for location in locations)
    chosen = each[0] if len(each) == 1 else evolve(each[0], nodes=each)
    check_topology(chosen, frozenset(options))
    return chosen


def _compatible(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """*options*, and what ``compat`` stands for where they do not say it themselves."""
    name = options.get("compat")
    if not isinstance(name, str) or name not in DIALECTS:  # its own check refuses it, by its own name
        return options
    told = (("conventions", CONVENTIONS), ("hash_layout", HASH_LAYOUTS))
    return {"reads": (name,), **{option: name for option, known in told if name in known}, **options}


def _settings(url: str, options: Mapping[str, Any]) -> Settings:
    place = urls.read(url)
    inside, query = _known_inside(place.query)
    beside, pool_kwargs = _known_inside(options.get("pool_kwargs"))
    _check_names((*options, *(name for name in query if name.startswith("ssl_"))))
    given = _agreed(place.login, inside, beside, {**options, "pool_kwargs": pool_kwargs})
    if isinstance(given.get("pool_class"), str):
        given["pool_class"] = load("pool_class", given["pool_class"])
    tls = {name: given.pop(name) for name in [*given] if name in TLS}
    _check_place(place.scheme, given, tls)
    return Settings(
        url=f"{place.address}?{urlencode(query)}" if query else place.address,
        written=url,
        tls=_with_host_names(tls) if place.scheme in urls.ENCRYPTED else tls,
        **given,
    )


def _known_inside(mixed: Any) -> tuple[dict[str, Any], Any]:
    """What *mixed* (pool_kwargs, or a URL's query) says of our own options; and the rest, for valkey-py."""
    if mixed is None or not isinstance(mixed, Mapping):
        return {}, MappingProxyType({}) if mixed is None else mixed
    if str(mixed.get("protocol", 2)) != "2":
        raise Misconfigured("option protocol: replies are read as RESP2: give 2, or leave it out")
    ours = {name: value for name, value in mixed.items() if name in urls.INSIDE or name in TLS}
    left_out = {"protocol", "decode_responses", *ours}  # replies are bytes, whatever is asked for
    return ours, {name: value for name, value in mixed.items() if name not in left_out}


def _check_names(names: Collection[str]) -> None:
    for name in names:
        if name not in _KNOWN and name not in TLS:
            raise Misconfigured(f"option {name!r} is not known{nearest(name, _KNOWN | TLS)}")


def _agreed(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """What all *sources* say; None is no value where that is the default."""
    agreed: dict[str, Any] = {}
    for source in sources:
        for name, value in source.items():
            if value is None and name in _UNSET:
                continue
            if name in agreed and agreed[name] != value:
                raise Misconfigured(
                    f"option {name} has two values: give one, in the URL, in pool_kwargs or as an option"
                )
            agreed[name] = value
    return agreed


def _check_place(scheme: str, given: Mapping[str, Any], tls: Mapping[str, Any]) -> None:
    """That no option would be without effect at a URL of this *scheme*."""
    for name in tls:
        if scheme not in urls.ENCRYPTED:
            raise Misconfigured(f"option {name} needs a URL that begins with valkeys:// or rediss://")
    for name in ("maxmemory", "maxmemory_policy"):
        if name in given and scheme != "embedded":
            raise Misconfigured(f"option {name} is for embedded://: other servers have their own settings")
    if "credential_provider" in given and ("username" in given or "password" in given):
        raise Misconfigured("option credential_provider: leave out username and password beside it")


def _with_host_names(tls: Mapping[str, Any]) -> dict[str, Any]:
    """*tls*, where the server's certificate has to be for its host unless no certificate is asked for.

    :raises Misconfigured: ssl_cert_reqs is none that is known, or contradicts ssl_check_hostname.
    """
    wanted = tls.get("ssl_cert_reqs", "required")
    if wanted not in ("none", "optional", "required", None, 0, 1, 2):  # the numbers are the module ssl's
        raise Misconfigured('option ssl_cert_reqs: give "required", "optional" or "none"')
    unasked = wanted in ("none", None, 0)
    if unasked and tls.get("ssl_check_hostname"):
        raise Misconfigured('option ssl_check_hostname: leave it out where ssl_cert_reqs is "none"')
    return {"ssl_check_hostname": not unasked, **tls}


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
