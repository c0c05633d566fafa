"""Who else keeps keys in the same database: aliases that take each other's keys for their own.

Databases are told apart by what the servers say of themselves, not by URLs: a name, an address and a
replica may all be one.

What may enter: a check of two aliases beside each other, or of an alias beside what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from typing import Final, TypeAlias

from attrs import frozen

from vkcache.django.checks.findings import Finding, error, note, warning

Database: TypeAlias = tuple[str, int]
"""What tells a server's data from others', and the number of the database there."""

FLUSHING: Final = {
    "django.core.cache.backends.redis": "django",
    "django_valkey": "django-valkey",
    "django_redis": "django-redis",
    "redis_cache": "django-redis-cache",
}
"""By the beginning of BACKEND: other backends on such servers whose clear() empties the database."""

OTHERS: Final = {**FLUSHING, "django_cachex": "django-cachex"}
"""All other backends that keep values on such servers, under the names that `reads` has for them."""

_OWN_KEYS: Final = "leave out conventions (compat), and it removes its own keys alone"
_OWN_DATABASE: Final = "give one of them a database of its own, such as valkey://host:6379/1"


@frozen
class Tenant:
    """An alias that keeps keys in databases.

    :ivar key: the key on the wire of a probe, in its own version.
    :ivar key_of_7: the same in version 7, whatever its own is.
    :ivar plain: its keys are ``prefix:version:name``.
    :ivar writes: how its values are written, as a name: two with different ones misread each other.
    :ivar reads: in which other ways written values it reads.
    :ivar flushes: its ``clear()`` empties the whole database.
    """

    alias: str
    databases: frozenset[Database]
    prefix: str = ""
    version: int = 1
    key: str = ""
    key_of_7: str = ""
    plain: bool = True
    writes: str = "native"
    reads: frozenset[str] = frozenset()
    flushes: bool = False
    ours: bool = True


def of_tenants(tenants: Sequence[Tenant]) -> dict[str, list[Finding]]:
    """What is to be said of *tenants* who share a database, by the alias whose setting mends it."""
    found: dict[str, list[Finding]] = {}
    for one, other in combinations(tenants, 2):
        if one.databases & other.databases and (one.ours or other.ours) and one.key_of_7 == other.key_of_7:
            found.setdefault((one if one.ours else other).alias, []).append(_same_keys(one, other))
    for one, other in permutations(tenants, 2):
        if one.databases & other.databases and (one.ours or other.ours):
            found.setdefault((one if one.ours else other).alias, []).extend(_within(one, other))
    return found


def _same_keys(one: Tenant, other: Tenant) -> Finding:
    pair = f"CACHES[{one.alias!r}] and CACHES[{other.alias!r}] have the same keys"
    remedy = f"give one of them a KEY_PREFIX of its own, such as {other.alias!r}"
    if one.key != other.key:
        versions = f"{one.version} and {other.version}"
        return warning(f"{pair} but for VERSION ({versions}): clear() of one removes the other's", remedy)
    if one.writes == other.writes:
        return warning(f"{pair}: each reads, replaces and clears the other's", remedy)
    ways = f"{one.writes} and {other.writes}"
    if other.writes in one.reads or one.writes in other.reads:
        return note(f"{pair}, written in two ways ({ways})", "fine while a site moves; then drop one of them")
    return error(f"{pair}, and write values differently ({ways}): neither reads the other's", remedy)


def _within(one: Tenant, other: Tenant) -> Iterator[Finding]:
    """What *one* does to the keys of *other*."""
    theirs = f"CACHES[{other.alias!r}]"
    if one.flushes:
        remedy = f"{_OWN_KEYS}; or {_OWN_DATABASE}" if one.ours else _OWN_DATABASE
        said = f"clear() of CACHES[{one.alias!r}] empties the whole database, the keys of {theirs} too"
        yield warning(said, remedy)
    if not (one.plain and other.plain) or one.prefix == other.prefix:
        return
    if not one.prefix:
        said = f"KEY_PREFIX of CACHES[{one.alias!r}] is empty, and {theirs} has keys in the same database"
        yield note(said, "give it a KEY_PREFIX")
    elif other.prefix.startswith(f"{one.prefix}:"):
        yield _inside(one, other)


def _inside(one: Tenant, other: Tenant) -> Finding:
    theirs = f"KEY_PREFIX of CACHES[{other.alias!r}], {other.prefix!r}"
    begins = f"{theirs}, begins with {one.prefix + ':'!r}"
    remedy = f"use '-' for ':' there, as in {other.prefix.replace(':', '-')!r}"
    if other.prefix[len(one.prefix) + 1 :].partition(":")[0].lstrip("-").isdecimal():
        return warning(f"{begins} and a number: its keys pass for keys of this cache", remedy)
    return note(f"{begins}: what works by a pattern such as {one.prefix + ':*'!r} reaches both", remedy)


def of_strangers(tenant: Tenant, strange: int, looked_at: int) -> Iterator[Finding]:
    """What is to be said of keys in *tenant*'s database that no alias knows: *strange* of *looked_at*."""
    if not strange:
        return
    if tenant.flushes:
        yield warning(
            f"clear() empties the whole database, and {strange} of {looked_at} keys looked at there are "
            "of no alias of CACHES",
            f"{_OWN_KEYS}; or {_OWN_DATABASE}",
        )
    elif not tenant.prefix and tenant.plain:
        yield note(
            f"KEY_PREFIX is empty, and {strange} of {looked_at} keys looked at in the database are of no "
            "alias of CACHES",
            "give it a KEY_PREFIX",
        )
