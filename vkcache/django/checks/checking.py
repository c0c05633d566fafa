"""The check itself: aliases are read, their servers asked, and all findings put in order.

What may enter: from which facts the findings of an alias come.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from attrs import evolve, frozen
from django.conf import settings as django_settings
from django.core.cache import caches
from django.core.cache.backends.base import InvalidCacheBackendError, get_key_func
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from vkcache.core.conventions import CONVENTIONS
from vkcache.core.keyspace import owner
from vkcache.django.cache import ValkeyCache
from vkcache.django.checks.asking import alone, asked, command
from vkcache.django.checks.findings import Finding, error, note
from vkcache.django.checks.options import Chosen, of_options
from vkcache.django.checks.rights import of_rights
from vkcache.django.checks.servers import Use, of_group, of_server, of_shards
from vkcache.django.checks.tenants import FLUSHING, OTHERS, Tenant, of_strangers, of_tenants
from vkcache.django.checks.visiting import Visit, visited
from vkcache.django.options import read
from vkcache.errors import CacheError
from vkcache.shell.nodes.choosing import choose
from vkcache.shell.options import Settings, UnsignedPickles, settings

_PROBE: Final = "vkcache_check"
_LOOKED_AT: Final = b"200"


@frozen
class Opened:
    """An alias whose settings can be read, and what was seen of its servers."""

    alias: str
    cache: ValkeyCache
    visit: Visit

    @property
    def settings(self) -> Settings:
        return self.cache._site.settings

    @property
    def tenant(self) -> Tenant:
        """What it is beside others.

        :raises Exception: what a KEY_FUNCTION raises.
        """
        keyspace, chosen = self.cache.space.keyspace, self.settings
        return Tenant(
            self.alias,
            frozenset((server.data, server.db) for server in self.visit.servers if not server.trouble),
            self.cache.key_prefix,
            self.cache.version,
            keyspace.make(_PROBE),
            keyspace.make(_PROBE, 7),
            plain=keyspace.function is None,
            writes=chosen.writes or chosen.format,
            reads=frozenset(chosen.reads),
            flushes=CONVENTIONS[chosen.conventions].cleared == "database",
        )


def vkcache_aliases() -> list[str]:
    """The aliases of CACHES whose BACKEND is vkcache's."""
    return [alias for alias in django_settings.CACHES if is_vkcache(alias)]


def is_vkcache(alias: str) -> bool:
    """Whether the BACKEND of *alias* is vkcache's, or one that is made of it; or names it in vain."""
    path = str(django_settings.CACHES[alias].get("BACKEND", ""))
    try:
        backend = import_string(path)
    except ImportError:
        return path.startswith("vkcache.")
    return isinstance(backend, type) and issubclass(backend, ValkeyCache)


def checked(aliases: Sequence[str]) -> list[Finding]:
    """All that is to be said of *aliases*, in their order."""
    found: dict[str, list[Finding]] = {alias: [] for alias in aliases}
    opened: list[Opened] = []
    for alias in django_settings.CACHES:
        if alias in found or is_vkcache(alias):
            one = _opened(alias, found.get(alias, []))
            if one is not None:
                opened.append(_visited(one, quietly=alias not in found))
    for one in opened:
        if one.alias in found:
            found[one.alias] += _of_alias(one)
    for alias, told in _of_neighbours(opened).items():
        found.get(alias, []).extend(told)
    return [
        evolve(finding, alias=alias)
        for alias in aliases
        for finding in sorted(found[alias], key=lambda finding: finding.level)
    ]


def _opened(alias: str, found: list[Finding]) -> Opened | None:
    """The cache *alias*; None where its settings can not be read, which is *found* then."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            cache = caches.create_connection(alias)
            assert isinstance(cache, ValkeyCache)
            caught.clear()  # whoever opened this alias before has heard all of it, so it is read once more
            read(cache._site.location, cache._site.params)
        except (ImproperlyConfigured, InvalidCacheBackendError, CacheError) as problem:
            found.append(error(str(problem).removeprefix("CACHES: ")))
            return None
    found += [note(str(one.message).removeprefix("CACHES: ")) for one in caught]
    return Opened(alias, cache, Visit())


def _visited(one: Opened, *, quietly: bool) -> Opened:
    keyspace = one.cache.space.keyspace
    try:
        keyspace.make(_PROBE)
    except Exception as problem:  # the user's function may raise anything
        said = f"KEY_FUNCTION, or make_key, raised {type(problem).__name__}"
        return evolve(one, visit=Visit((), (error(said, "let it answer a str for every name"),)))
    return evolve(one, visit=visited(one.settings, None if quietly else keyspace))


def _of_alias(one: Opened) -> list[Finding]:
    site, visit = one.cache._site, one.visit
    use = Use(one.settings.laid_out, site.timeout is None, one.settings.max_connections)
    found = [*visit.findings]
    for server in visit.servers:
        found += of_server(server, use)
        found += of_rights(server.trials, server.user, server.place)
    for group in visit.groups:
        found += of_group(group)
    if use.topology == "shard":
        found += of_shards(visit.primaries)
    own = {name.lower() for name in site.params.get("OPTIONS", {})}
    return [*found, *of_options(Chosen(one.settings, _unsigned(one.settings), "secret" not in own))]


def _unsigned(settings: Settings) -> bool:
    """Whether a cache of these *settings* warns that it unpickles what nobody has signed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        settings.codec()
    return any(issubclass(one.category, UnsignedPickles) for one in caught)


def _of_neighbours(opened: Sequence[Opened]) -> dict[str, list[Finding]]:
    tenants = [one.tenant for one in opened if one.visit.groups]
    others = [other for alias in django_settings.CACHES if (other := _other(alias)) is not None]
    found = of_tenants([*tenants, *others])
    for one, tenant in zip((one for one in opened if one.visit.groups), tenants, strict=True):
        if tenant.flushes or (tenant.plain and not tenant.prefix):
            found.setdefault(one.alias, []).extend(_strangers(one, tenant, opened, others))
    return found


def _strangers(
    one: Opened, tenant: Tenant, opened: Sequence[Opened], others: Collection[Tenant]
) -> list[Finding]:
    """What is to be said of the first keys of *one*'s first server."""
    server = one.visit.primaries[0]
    if server.trouble or any(other.databases & tenant.databases for other in others):
        return []  # it is told of these neighbours already, or nothing can be seen
    try:
        wires = _first_keys(one)
        spaces = [known.cache.space.keyspace for known in opened]
        strange = [wire for wire in wires if not any(space.owns(owner(wire)) for space in spaces)]
    except CacheError:  # of some key functions nothing can tell which keys are theirs
        return []
    return [*of_strangers(tenant, len(strange), len(wires))]


def _first_keys(one: Opened) -> list[bytes]:
    nodes = choose(alone((one.settings.nodes or (one.settings,))[0]))
    try:
        answer = nodes.ask(command(b"SCAN", b"0", b"COUNT", _LOOKED_AT))
        return [*answer[1]] if isinstance(answer, list) and isinstance(answer[1], list) else []
    finally:
        nodes.close()


def _other(alias: str) -> Tenant | None:
    """Another backend's alias on servers that vkcache can reach too; None where it is none, or can not be."""
    row: Mapping[str, Any] = django_settings.CACHES[alias]
    backend = str(row.get("BACKEND", ""))
    known = next((name for start, name in OTHERS.items() if backend.startswith(start)), None)
    try:
        return None if known is None else _tenant(alias, row, known)
    except Exception:  # it is another backend's affair how its settings are read
        return None


def _tenant(alias: str, row: Mapping[str, Any], known: str) -> Tenant:
    prefix, version = str(row.get("KEY_PREFIX", "")), int(row.get("VERSION", 1))
    function = get_key_func(row.get("KEY_FUNCTION"))
    chosen = settings(row["LOCATION"], _login(row.get("OPTIONS") or {}))
    servers = [asked(each, "primary", None) for each in chosen.nodes or (chosen,)]
    return Tenant(
        alias,
        frozenset((server.data, server.db) for server in servers if not server.trouble),
        prefix,
        version,
        function(_PROBE, prefix, version),
        function(_PROBE, prefix, 7),
        plain=row.get("KEY_FUNCTION") is None,
        writes=known,
        flushes=known in FLUSHING.values(),
        ours=False,
    )


def _login(options: Mapping[str, Any]) -> dict[str, Any]:
    """What another backend's options say of reaching its servers."""
    lower = {str(name).lower(): value for name, value in options.items()}
    return {name: lower[name] for name in ("username", "password", "db") if name in lower}
