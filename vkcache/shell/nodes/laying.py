"""From settings that name several servers to their layout, and to the settings of each of them.

What may enter: one branch a topology, whose module is imported when it is first named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from attrs import evolve

from vkcache.core.rings import address_name, by_address, by_location
from vkcache.shell import urls
from vkcache.shell.nodes import static
from vkcache.shell.nodes.layout import Layout, Node

if TYPE_CHECKING:
    from vkcache.shell.options import Settings

Of: TypeAlias = "Callable[[Node], Settings]"
"""The settings of one server."""

_OF_NO_MATTER = ("db", "client_name")  # of what a connection is opened with, to whether it can be
_BRIEF = 0.25  # of a time-out is what a short question may take; of a second, where there is none


def lay_out(settings: Settings) -> tuple[Layout, Of]:
    """The layout that *settings* name."""
    if settings.laid_out == "cluster":
        return _cluster(settings)
    if settings.laid_out == "sentinel":
        return _sentinel(settings)
    each = settings.nodes or (settings,)
    nodes = {Node(urls.shown(one.url)): one for one in each}
    if settings.laid_out == "shard":
        ring = by_location([one.written for one in each])
        if settings.ring == "django-redis-cache":
            ring = by_address([_as_address(one) for one in each])
        return static.sharded((*nodes,), ring, settings.socket_timeout), nodes.__getitem__
    read_from, own_reads_for = settings.read_from or "replica", settings.own_reads_for
    layout = static.replicated((*nodes,), read_from, own_reads_for, settings.socket_timeout)
    return layout, nodes.__getitem__


def _cluster(settings: Settings) -> tuple[Layout, Of]:
    from vkcache.shell.nodes import cluster

    seeds = [urls.address(seed.url) for seed in settings.nodes or (settings,)]
    chart = cluster.chart(seeds, _reached(settings))
    reads = (settings.read_from or "primary", settings.own_reads_for, settings.socket_timeout)
    return cluster.Cluster.over(chart, *reads), lambda node: at(settings, node)


def _sentinel(settings: Settings) -> tuple[Layout, Of]:
    from vkcache.shell.nodes import sentinel

    seconds = _briefly(settings)
    options = {"socket_timeout": seconds, "socket_connect_timeout": seconds, **settings.sentinel_kwargs}
    name = unquote(urls.host(settings.url))
    service = sentinel.service(name, settings.sentinels, options, _reached(settings))
    reads = (settings.read_from or "primary", settings.own_reads_for, settings.socket_timeout)
    return sentinel.Watched.over(service, *reads), lambda node: at(settings, node)


def _reached(settings: Settings) -> str:
    """What decides whether servers answer: caches for which it differs judge them each for itself."""
    how = {name: told for name, told in settings.dialling().items() if name not in _OF_NO_MATTER}
    return repr((urls.split(settings.url)[0] in urls.ENCRYPTED, sorted(how.items())))


def at(settings: Settings, node: Node) -> Settings:
    """*settings* for the server *node*, which others have named."""
    scheme, rest = urls.split(settings.url)
    host, _, port = node.address.rpartition(":")
    named = f"[{host}]" if ":" in host else host
    behind = rest.rpartition("@")[2][len(urls.host(settings.url, port=True)) :]
    return evolve(settings, url=f"{scheme}://{named}:{port}{behind}", nodes=(), sentinels=())


def brief(settings: Settings) -> Settings:
    """*settings* for one short question, to whoever may not answer."""
    seconds = _briefly(settings)
    return evolve(settings, socket_timeout=seconds, socket_connect_timeout=seconds)


def _briefly(settings: Settings) -> float:
    return (settings.socket_timeout or 1.0) * _BRIEF


def _as_address(settings: Settings) -> str:
    """The name that django-redis-cache's ring has for a server, which tells how its LOCATION was written."""
    scheme, rest = urls.split(settings.url)
    as_url = "://" in (settings.written or settings.url)
    db = settings.db or 0
    if scheme == "unix":
        host, port = ("127.0.0.1", 6379) if as_url else (None, None)
        path = rest.partition("?")[0].rpartition("@")[2]
        return address_name(host, port, db, path if as_url else unquote(path))
    named, _, number = urls.address(settings.url).rpartition(":")
    return address_name(named, int(number), db, "" if as_url and scheme not in urls.ENCRYPTED else None)
