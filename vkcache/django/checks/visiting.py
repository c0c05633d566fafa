"""All servers of one alias are found and asked.

What may enter: which servers an alias has, and which keys are tried there. What one of them is asked stands
in `asking`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from attrs import frozen

from vkcache.core.keyspace import Keyspace, on_wire
from vkcache.django.checks.asking import Names, asked, bounded, remedy
from vkcache.django.checks.findings import Finding, error
from vkcache.django.checks.servers import Server
from vkcache.django.checks.witnesses import told_by_cluster, told_by_sentinels
from vkcache.errors import CacheError
from vkcache.shell import urls
from vkcache.shell.nodes.choosing import choose
from vkcache.shell.nodes.layout import Group
from vkcache.shell.nodes.several import Several
from vkcache.shell.options import Settings

_NAMES_TRIED: Final = 500
"""How many names are made up until one belongs to each server."""


@frozen
class Visit:
    """What was seen of the servers of an alias, by groups that hold the same keys."""

    groups: tuple[tuple[Server, ...], ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def servers(self) -> tuple[Server, ...]:
        return tuple(server for group in self.groups for server in group)

    @property
    def primaries(self) -> tuple[Server, ...]:
        return tuple(group[0] for group in self.groups)


def visited(settings: Settings, keyspace: Keyspace | None) -> Visit:
    """What the servers of *settings* say; one that does not answer says so in its place.

    *keyspace*: in which rights are tried; None: they are not.
    """
    if urls.split(settings.url)[0] == "memory":
        return Visit(((asked(settings, "primary", None),),))
    if settings.laid_out == "single":
        return Visit(((asked(settings, "primary", _names(keyspace, lambda _: True)),),))
    nodes = choose(bounded(settings))
    assert isinstance(nodes, Several)
    try:
        told = told_by_sentinels(settings) if settings.laid_out == "sentinel" else []
        return _several(settings, nodes, keyspace, told)
    finally:
        nodes.close()


def _several(settings: Settings, nodes: Several, keyspace: Keyspace | None, told: list[Finding]) -> Visit:
    try:
        found = nodes.servers()
    except CacheError as problem:
        return Visit((), (*told, error(f"its servers can not be found: {problem}", remedy(problem))))
    usual = "replica" if settings.laid_out == "replicas" else "primary"
    reads = (settings.read_from or usual) != "primary"
    groups = tuple(
        (
            asked(primary, "primary", _names(keyspace, _held_by(nodes, group))),
            *(asked(one, "replica", _names(keyspace, lambda _: True), reads=reads) for one in replicas),
        )
        for group, (primary, *replicas) in found
    )
    if settings.laid_out == "cluster":
        told = told_by_cluster([primary for _, (primary, *_) in found])
    return Visit(groups, tuple(told))


def _held_by(nodes: Several, group: Group) -> Callable[[bytes], bool]:
    layout = nodes.layout
    locate = layout.locate
    return lambda key: locate is None or layout.groups[locate(key)] is group


def _names(keyspace: Keyspace | None, held: Callable[[bytes], bool]) -> Names | None:
    """Keys of *keyspace* that nobody uses and that are *held*; None where no key is."""
    if keyspace is None:
        return None
    keys = (
        on_wire(keyspace.make(f"vkcache_check:{secrets.token_hex(8)}:{number}"))
        for number in range(_NAMES_TRIED)
    )
    key = next(filter(held, keys), None)
    return None if key is None else Names(key, key + b":missing")
