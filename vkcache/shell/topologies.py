"""How servers may be laid out, and what the options of that mean beside each other.

What may enter: the check of an option that names servers, or says which of them is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import valkey
from valkey.sentinel import SentinelConnectionPool

from vkcache.core.routing import reachable
from vkcache.errors import Misconfigured
from vkcache.shell import urls

if TYPE_CHECKING:
    from vkcache.shell.options import Settings

Topology: TypeAlias = Literal["single", "replicas", "shard", "sentinel", "cluster"]
TOPOLOGIES: Final[tuple[str, ...]] = get_args(Topology)

_DAY: Final = 86400.0

_IN_PROCESS: Final = (frozenset(("memory", "embedded", "unix")), frozenset(("memory",)))
"""The schemes that name no server among several, and those that name no shard."""

_MEANT_FOR: Final = {
    "read_from": ("replicas", "sentinel", "cluster"),
    "read_your_writes": ("replicas", "sentinel", "cluster"),
    "ring": ("shard",),
    "sentinels": ("sentinel",),
    "sentinel_kwargs": ("sentinel",),
}

_AS_WELL: Final = {"sentinel_kwargs": "give sentinels=[(host, port), ...] too, or leave it out"}
"""The remedies that are other than to leave an option out."""


def read_sentinels(value: Any) -> tuple[tuple[str, int], ...]:
    """Addresses of sentinels, from pairs or from "host:port".

    :raises Misconfigured: one is neither.
    """
    if value is None or isinstance(value, str) or not isinstance(value, Sequence):
        raise Misconfigured("option sentinels: give a list of (host, port)")
    return tuple(_address(one) for one in value)


def _address(one: Any) -> tuple[str, int]:
    pair = one.rpartition(":")[::2] if isinstance(one, str) else one
    try:
        host, port = pair
        named = str(host or "").strip("[]"), int(port)  # an IPv6 address may stand in brackets
        if reachable(*named):
            return named
    except (TypeError, ValueError, OverflowError):
        pass
    raise Misconfigured("option sentinels: give each as (host, port), such as ('127.0.0.1', 26379)")


def check_topology(settings: Settings, given: Collection[str]) -> None:
    """Nothing, where the options *given* that concern several servers fit each other.

    :raises Misconfigured: they do not.
    """
    topology = settings.laid_out
    if "sentinels" in given and not settings.sentinels:
        raise Misconfigured("option sentinels: give a list of (host, port), one at least")
    for name, meant_for in _MEANT_FOR.items():
        if name in given and topology not in meant_for:
            raise Misconfigured(
                f"option {name} is for topology={' or '.join(map(repr, meant_for))}, and this one is "
                f"{topology!r}: {_AS_WELL.get(name, 'leave it out')}"
            )
    count = len(settings.nodes) or 1
    if topology == "single" and count > 1:
        raise Misconfigured(
            f"option topology, 'single': {count} URLs are given; give one, or another topology"
        )
    if topology == "replicas" and count == 1:
        raise Misconfigured("option topology, 'replicas': give several URLs, the primary's first")
    if topology == "sentinel":
        _check_service(settings, count)
    schemes = {urls.split(node.url)[0] for node in settings.nodes or (settings,)}
    if topology != "single" and schemes & _IN_PROCESS[topology == "shard"]:
        raise Misconfigured(f"option topology, {topology!r}: give URLs of hosts, valkey://host:port")
    if len({node.written for node in settings.nodes}) != len(settings.nodes):
        raise Misconfigured("a URL is given twice: give each server once")


def _check_service(settings: Settings, count: int) -> None:
    """Nothing, where the URL names a service and sentinels can be asked for it."""
    if not settings.sentinels:
        raise Misconfigured("option topology, 'sentinel': give sentinels=[(host, port), ...] too")
    if count > 1:
        raise Misconfigured(
            f"option sentinels: {count} URLs are given; give one, valkey://service/db, and "
            'read_from="replica" to read from the replicas of the service'
        )
    name = urls.host(settings.url)
    if not name or name != urls.host(settings.url, port=True).rpartition("@")[2]:
        raise Misconfigured(
            "option sentinels: give a URL that names the service they watch, without a port: "
            "valkey://service/db"
        )
    if issubclass(settings.pool_class, SentinelConnectionPool):
        raise Misconfigured("option pool_class: leave it out: sentinels= is enough to find the servers")
    if not _fits(settings.sentinel_kwargs):
        raise Misconfigured(f"option sentinel_kwargs: {_blame(settings.sentinel_kwargs)}")


def _fits(options: Mapping[str, Any]) -> bool:
    """Whether valkey-py's client can be made with *options*; nothing is opened."""
    if not all(_is_timeout(options.get(name)) for name in ("socket_timeout", "socket_connect_timeout")):
        return False
    try:
        valkey.Valkey(host="localhost", port=1, **options).connection_pool.make_connection()
    except (TypeError, ValueError, AttributeError, NameError, valkey.ValkeyError):
        return False
    return True


def _is_timeout(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 < value <= _DAY)


def _blame(options: Mapping[str, Any]) -> str:
    """What to say of *options* that do not fit, without their values."""
    for name in options:
        if _fits({known: value for known, value in options.items() if known != name}):
            return f"{name!r} can not be used: leave it out, or correct its name or value"
    return "give options of valkey-py's client, such as password or ssl"
