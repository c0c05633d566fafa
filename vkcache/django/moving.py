"""A row of CACHES that was written for another backend, as options of this one.

What may enter: what a row means that says it in another backend's words, without IO; the words themselves
are in `spellings` and `unused`. What was legal there is never an error here: it is understood, or it is in
the one list of what has no meaning. No message shows a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define, field, frozen

from vkcache.django import addresses, classes
from vkcache.django.given import made, path_of
from vkcache.django.spellings import (
    CLIENTS,
    COMPRESSORS,
    FACTORIES,
    HERD_SETTING,
    OF_OTHERS,
    OF_REDIS_CACHE,
    PREFIXES,
    RENAMED,
    SERIALIZERS,
    SITE_OPTIONS,
    SITE_UNUSED,
)
from vkcache.django.unused import PASSED, UNUSED, changes_nothing
from vkcache.errors import Misconfigured
from vkcache.shell import urls
from vkcache.shell.keywords import TLS

Site: TypeAlias = Callable[[str], Any]
"""What answers a setting of the whole site by its name, and None where there is none."""

_OURS_IN_POOLS = frozenset((*urls.INSIDE, *TLS, "credential_provider"))
_FLAGS = ("ignore_exceptions", "log_ignored_exceptions", "close_connection", "socket_keepalive")
_NOTHING_AS_LEFT_OUT = ("username", "password", "db", "sentinel_kwargs", "max_connections", *_FLAGS)
_TIMES = ("socket_timeout", "socket_connect_timeout")
_REPLACE = "subclass vkcache.django.ValkeyCache, or give its topology as the option topology"


class UnusedSettings(UserWarning):
    """Settings that another backend knew have no meaning here; each is named with what to use instead."""


@frozen
class Moved:
    """What a row means: *location* as URLs, *written* as the row names them, *options* under our names.

    *unused*: what has no meaning, as it is spelled there, and what to use instead.
    """

    location: tuple[str, ...] = field(repr=False)
    written: tuple[str, ...] = field(repr=False)
    options: dict[str, Any] = field(repr=False)
    unused: Mapping[str, str]

    @property
    def warning(self) -> str:
        """What to say of all that is unused; "" where nothing is."""
        said = "; ".join(f"{name}: {instead}" for name, instead in self.unused.items())
        return f"CACHES: what has no meaning for this backend is not used. {said}" if said else ""


def moved(location: str | Sequence[str], params: Mapping[str, Any], site: Site) -> Moved:
    """What the row of *location* and *params* means, on a site with the settings that *site* answers.

    :raises Misconfigured: an option is given twice, or a path leads to nothing.
    """
    row = _Row(addresses.listed(location), params.get("OPTIONS", {}), site)
    row.beside(params)
    row.servers()
    row.connections()
    row.values()
    row.site_wide()
    row.rest()
    return row.located()


@define
class _Row:
    """A row while it is read: *options* come to be ours, and what can not goes to *unused*.

    *spelled*: how the row names our options.
    """

    location: tuple[str, ...]
    written: Mapping[str, Any]
    site: Site
    options: dict[str, Any] = field(factory=dict)
    spelled: dict[str, str] = field(factory=dict)
    unused: dict[str, str] = field(factory=dict)
    others: bool = False
    """Whether the row was written for another backend, so far as that can be seen."""

    def __attrs_post_init__(self) -> None:
        for name, value in self.written.items():
            lower = name.lower()
            ours = RENAMED.get(lower, lower)
            if ours in self.options:
                how = "in capitals and not" if self.spelled[ours].lower() == lower else "under two names"
                raise Misconfigured(f"option {ours!r} is given twice, {how}; give it once")
            self.options[ours], self.spelled[ours] = value, name
        known = any(name.lower() in OF_OTHERS for name in self.written)
        self.others = known or "compat" in self.options or self.of_redis_cache

    @property
    def of_redis_cache(self) -> bool:
        """Whether the row is one of django-redis-cache."""
        named = any(name.lower() in OF_REDIS_CACHE for name in self.written)
        compat = self.options.get("compat")
        return compat == "django-redis-cache" or named or any(map(addresses.bare, self.location))

    def beside(self, params: Mapping[str, Any]) -> None:
        """django-redis-cache has two options that may stand beside OPTIONS, and win there."""
        for name in ("db", "password"):
            if name in params:
                self.options[name], self.spelled[name] = params[name], name

    # Servers ------------------------------------------------------------------------------------------

    def servers(self) -> None:
        """How the servers are laid out."""
        self._stands_for("client_class", CLIENTS, self.options.pop("client_class", None))
        self._stands_for("connection_factory", FACTORIES, self.options.pop("connection_factory", None))
        for prefix in self._prefixes():
            name = f"{prefix}CONNECTION_FACTORY"
            factory = path_of(self.site(name) or "")
            if "sentinels" in self.options or FACTORIES.get(factory, {}).get("topology") != "sentinel":
                self._stands_for(name, FACTORIES, factory)
        if "sentinels" in self.options and self.options.get("compat") == "django-cachex":
            self.options.setdefault("read_from", "replica")
        if self.options.pop("read_from_replicas", None):
            self.options.setdefault("read_from", "replica")
        if self.of_redis_cache and self.options.get("topology") == "shard":
            self.options.setdefault("ring", "django-redis-cache")

    def _stands_for(self, name: str, known: Mapping[str, Mapping[str, Any]], value: Any) -> None:
        if not value:
            return
        if (path := path_of(value)) not in known:
            self._unused(name, f"it names a class of another backend's: {_REPLACE}")
            return
        for option, meant in known[path].items():
            herd = self.site(HERD_SETTING) if option == "stale_cache_timeout" else None
            self.options.setdefault(option, meant if herd is None else herd)

    # Connections --------------------------------------------------------------------------------------

    def connections(self) -> None:
        """How connections are opened and kept."""
        self._pool_class()
        if self.spelled.get("pool_kwargs", "pool_kwargs").lower() != "pool_kwargs":
            self._opened(self.spelled["pool_kwargs"], self.options.pop("pool_kwargs"))
        if self.options.get("topology") == "cluster":  # whose client makes its pools itself
            for name in ("base_client_kwargs", "redis_client_kwargs"):
                self._opened(self.spelled.get(name, name), self.options.pop(name, None))
        if (milliseconds := self.options.pop("request_timeout", None)) is not None:
            if not isinstance(milliseconds, int) or milliseconds < 1:
                raise Misconfigured("option request_timeout: give a whole number of milliseconds above 0")
            self.options.setdefault("socket_timeout", milliseconds / 1000)
        self._passed({name: self.options.pop(name) for name in PASSED if name in self.options})

    def _opened(self, spelled: str, kwargs: Any) -> None:
        """Of a pool's keywords, those that are options of ours overrule these; the rest is valkey-py's."""
        if not isinstance(kwargs, Mapping):
            if kwargs:
                self.options["pool_kwargs"] = kwargs
            return
        rest = dict(kwargs)
        for name, value in kwargs.items():
            if name in _OURS_IN_POOLS:
                if self.options.get(name, value) != value:
                    self._unused(name, f"leave it out: {spelled} has another value, which is used")
                self.options[name] = rest.pop(name)
            elif name in UNUSED or name == "read_from_replicas":
                self._in_pool(spelled, name, rest.pop(name))
        self._passed(rest)

    def _passed(self, kwargs: Mapping[str, Any]) -> None:
        """*kwargs* too are for valkey-py."""
        there = self.options.get("pool_kwargs", {})
        if kwargs and isinstance(there, Mapping):  # else what is wrong with it is told where it is read
            self.options["pool_kwargs"] = {**there, **kwargs}

    def _in_pool(self, spelled: str, name: str, value: Any) -> None:
        if name == "read_from_replicas":
            if value:
                self.options.setdefault("read_from", "replica")
        elif name == "connection_class" and classes.encrypts(value):
            self.options["ssl"] = True
        elif not changes_nothing(name, value):
            self.unused[f"{spelled}[{name!r}]"] = UNUSED[name]

    def _pool_class(self) -> None:
        given = self.options.pop("pool_class", None)
        if given is None or (classes.is_known_pool(given) and self._is_others(given)):
            return
        if self._is_others(given) and not classes.is_pool_of_ours(given):
            self._unused("pool_class", "give a subclass of valkey.ConnectionPool, or leave it out")
        else:
            self.options["pool_class"] = given

    def _is_others(self, pool: Any) -> bool:
        return self.others or path_of(pool).startswith("redis.") or classes.is_of_redis(pool)

    # Values -------------------------------------------------------------------------------------------

    def values(self) -> None:
        """How values are written."""
        for option, known in (("serializer", SERIALIZERS), ("compressor", COMPRESSORS)):
            if option not in self.options:
                continue
            kwargs = self.options.pop(f"{option}_class_kwargs", None) or {}
            given = self.options.pop(option)
            several = given if isinstance(given, (list, tuple)) else [given]
            read = [self._value(option, known, one, kwargs) for one in several if one is not None]
            ours = [one for at, one in enumerate(read) if one is not None and one not in read[:at]]
            if ours:
                self.options[option] = ours if len(ours) > 1 else ours[0]

    def _value(self, option: str, known: Mapping[str, str | None], given: Any, kwargs: Any) -> Any:
        path = path_of(given)
        if path not in known:
            return made(option, given, self.written, kwargs)
        if known[path] is None:
            self._unused(option, f"leave it out: {path.rpartition('.')[2]} has no counterpart")
        if kwargs and option == "compressor":
            name = f"{option}_class_kwargs"
            self._unused(name, UNUSED[name])
        return known[path]

    # The whole site -----------------------------------------------------------------------------------

    def site_wide(self) -> None:
        """What the settings of the whole site say where the row does not."""
        if "scan_itersize" not in self.options:
            for prefix in ("VKCACHE_", *self._prefixes()):
                self._default(f"{prefix}SCAN_ITERSIZE", "scan_itersize", _page)
        for prefix in self._prefixes():
            for name, option in SITE_OPTIONS.items():
                self._default(prefix + name, option, lambda _name, value: value)
        for name, instead in SITE_UNUSED.items():
            if self.site(name) is not None and self._concerns(name):
                self.unused[name] = instead

    def _default(self, name: str, option: str, check: Callable[[str, Any], Any]) -> None:
        if option not in self.options and (value := self.site(name)) is not None:
            self.options[option] = check(name, value)

    def _concerns(self, name: str) -> bool:
        if name.startswith((*PREFIXES.values(),)):
            return name.startswith(self._prefixes()) and bool(self.options.get("log_ignored_exceptions"))
        return "compressor" in self.options and self.options.get("compat", "django-valkey") == "django-valkey"

    def _prefixes(self) -> tuple[str, ...]:
        """Of the settings of other backends that concern this row: those of its own, else all."""
        compat = self.options.get("compat")
        return tuple(prefix for name, prefix in PREFIXES.items() if compat in (None, name))

    # The rest -----------------------------------------------------------------------------------------

    def rest(self) -> None:
        """What is left: other types of values, and what means nothing."""
        for name in _NOTHING_AS_LEFT_OUT:
            if name in self.options and self.options[name] in (None, ""):
                del self.options[name]
        for name in _TIMES:
            if self.options.get(name) == 0:
                del self.options[name]
        for name in _FLAGS:
            if type(self.options.get(name)) is int and self.options[name] in (0, 1):
                self.options[name] = bool(self.options[name])
        if isinstance(db := self.options.get("db"), str) and db.isdecimal():
            self.options["db"] = int(db)
        self._stampedes(self.options.pop("stampede_prevention", None))
        for name in [name for name in self.options if name in UNUSED]:
            value = self.options.pop(name)
            if name == "connection_class" and classes.encrypts(value):
                self.options["ssl"] = True
            elif not changes_nothing(name, value):
                self._unused(name, UNUSED[name])

    def _stampedes(self, told: Any) -> None:
        if not told:
            return
        terms = told if isinstance(told, Mapping) else {}
        self.options.setdefault("stale_cache_timeout", terms.get("buffer", 60))
        if terms.keys() - {"buffer"}:
            self._unused("stampede_prevention", "give early= to get_or_set() instead of beta and delta")

    def _unused(self, name: str, instead: str) -> None:
        self.unused[self.spelled.get(name, name)] = instead

    # LOCATION -----------------------------------------------------------------------------------------

    def located(self) -> Moved:
        """What the row means, its servers included."""
        told = [self.options.pop(name, False) for name in ("ssl", "use_tls")]
        encrypted = any(told)
        places = [addresses.url(text, encrypted=encrypted) for text in self.location]
        written = [*self.location]
        if (
            self.others
            and self.options.get("topology", "sentinel") == "sentinel"
            and "sentinels" in self.options
        ):
            places = written = self._services(places)
        if self.of_redis_cache:
            self._master(places, written)
        if self.others:
            for name in urls.INSIDE.keys() & self.options.keys():
                places = self._said_inside(name, places)
        return Moved((*places,), (*written,), self.options, self.unused)

    def _services(self, places: list[str]) -> list[str]:
        """The service that sentinels watch, once, however many URLs name it."""
        named = [addresses.service(place) for place in places]
        if any(replicas for _, replicas in named):
            self.options.setdefault("read_from", "replica")
        return [*dict.fromkeys(place for place, _ in named)]

    def _master(self, places: list[str], written: list[str]) -> None:
        """django-redis-cache's own: database 1, reads from all servers, writes to MASTER_CACHE."""
        db = self.options.setdefault("db", 1)
        master = self.options.pop("master_cache", None)
        if self.options.get("topology", "replicas") != "replicas" or len(places) == 1:
            return
        self.options.setdefault("read_from", "any")
        at = addresses.first(master, places, db) if master else 0
        for texts in (places, written):
            texts.insert(0, texts.pop(at))

    def _said_inside(self, name: str, places: list[str]) -> list[str]:
        """*places*, where some say of the option *name* what the row says otherwise: the URL's counts."""
        said = [addresses.said(place) for place in places]
        if not any(name in one for one in said):
            return places
        value = self.options.pop(name)
        if any(name in one and one[name] != value for one in said) and name in self.spelled:
            self._unused(name, "leave it out: LOCATION has another value, which is used")
        return [
            place if name in one else addresses.adding(place, name, value)
            for place, one in zip(places, said, strict=True)
        ]


def _page(name: str, value: Any) -> int:
    """How many keys one SCAN asks for, as the setting *name* of the whole site says.

    :raises Misconfigured: it says no such number.
    """
    if not isinstance(value, int) or value < 1:
        raise Misconfigured(f"setting {name}, {value!r}: give a whole number above 0")
    return value
