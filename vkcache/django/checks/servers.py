"""What follows from what one server says of itself, and from how it is reached.

What may enter: a check of one server, or of those of one alias beside each other. Rights stand in
`rights`, what other aliases keep there in `tenants`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from attrs import field, frozen

from vkcache.django.checks.findings import Finding, error, note, ok, warning
from vkcache.django.checks.rights import Trial

Role: TypeAlias = Literal["primary", "replica"]
Told: TypeAlias = Mapping[str, int | float | str]

SLOW: Final = 0.01
"""Seconds; a round trip that takes longer is no neighbour's."""

_NEEDS: Final = (
    ((6, 2), "GETEX, GETDEL, LMOVE, BLMOVE, SMISMEMBER, ZMSCORE, GEOSEARCH, XAUTOCLAIM"),
    ((7, 0), "SET with NX and GET (locks), EXPIRETIME, and flags of PEXPIRE"),
)
"""From which version of Redis on a server knows what vkcache sends; every Valkey knows it all."""


@frozen
class Server:
    """What is known of one server.

    :ivar role: what the settings, or those who tell of it, take it for.
    :ivar trouble: why it does not answer; "" where it does.
    :ivar told: what INFO says; empty where it is refused.
    :ivar round_trip: seconds; None where it was not measured.
    :ivar in_clear: a password goes to it over a network, and is not encrypted.
    :ivar db: the number of the database in use.
    :ivar trials: what became of each right that was tried.
    :ivar address: where it is by its own account; "" where it does not say.
    """

    place: str
    role: Role = "primary"
    trouble: str = ""
    remedy: str = ""
    name: str = "valkey"
    version: tuple[int, ...] = ()
    told: Told = field(factory=dict)
    round_trip: float | None = None
    in_clear: bool = False
    db: int = 0
    trials: tuple[Trial, ...] = ()
    user: str = "default"
    address: str = ""

    @property
    def data(self) -> str:
        """What tells its data from those of other servers; its replicas have the same."""
        told = self.told
        return str(told.get("master_replid") or told.get("run_id") or self.address or self.place)


@frozen
class Use:
    """How an alias uses its servers.

    :ivar lasting: it stores values without a time-out unless a call says otherwise.
    :ivar connections: how many a process opens to one server at most.
    """

    topology: str = "single"
    lasting: bool = False
    connections: int = 50


def of_server(server: Server, use: Use) -> list[Finding]:
    """What is to be said of *server* alone."""
    if server.trouble:
        return [error(f"{server.role} can not be asked: {server.trouble}", server.remedy, server.place)]
    found = [
        *_version(server),
        *_role(server, use),
        *_memory(server, use),
        *_connections(server, use),
        *_way(server),
    ]
    if not server.told:
        found.append(
            note(
                "INFO is refused, so its memory, eviction and role are not checked",
                f"ACL SETUSER {server.user} +info, for a check with more to see",
                server.place,
            )
        )
    return [ok(_summary(server), server.place), *found]


def of_group(servers: Sequence[Server]) -> list[Finding]:
    """What is to be said of a primary and replicas, which are to have the same data."""
    primary, *replicas = servers
    if not primary.told:
        return []
    return [
        error(
            f"it is no replica of {primary.place}: reads answer other data",
            f"REPLICAOF that primary at {replica.place}, or take its URL out of LOCATION",
            replica.place,
        )
        for replica in replicas
        if replica.told and (replica.told.get("role") == "master" or replica.data != primary.data)
    ]


def of_shards(primaries: Iterable[Server]) -> list[Finding]:
    """What is to be said of shards, each of which is to be a server of its own."""
    known: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for server in primaries:
        if server.told:
            known[server.data, server.db].append(server.place)
    return [
        error(f"{' and '.join(places)} are one database", "name each server once in LOCATION", places[0])
        for places in known.values()
        if len(places) > 1
    ]


def _summary(server: Server) -> str:
    version = ".".join(map(str, server.version)) or "of unknown version"
    said = [f"{server.name} {version}", server.role]
    if server.round_trip is not None:
        said.append(f"{server.round_trip * 1000:.2f} ms a round trip")
    if server.told.get("maxmemory"):
        said.append(
            f"{_size(server.told['maxmemory'])} at most, {server.told.get('maxmemory_policy', 'unknown')}"
        )
    return ", ".join(said)


def _version(server: Server) -> list[Finding]:
    if server.name == "valkey" or not server.version:
        return []
    refused = [names for since, names in _NEEDS if server.version < since]
    if not refused:
        return []
    return [
        error(
            f"it is too old: it refuses {'; '.join(refused)}",
            "run Valkey 7.2 or later, or Redis 7",
            server.place,
        )
    ]


def _role(server: Server, use: Use) -> Iterator[Finding]:
    told, place = server.told, server.place
    if server.role == "primary" and told.get("role") == "slave":
        name = "the primary's URL first" if use.topology == "replicas" else "the primary"
        at = f"{told.get('master_host')}:{told.get('master_port')}"
        remedy = f"name {name} in LOCATION; by its own account that is at {at}"
        yield error("it is a replica: writes are refused", remedy, place)
    if told.get("role") == "slave" and told.get("master_link_status", "up") != "up":
        remedy = "see INFO replication there, and masterauth where the primary wants a password"
        yield warning("it has lost its primary, and its values grow old", remedy, place)
    if told.get("loading"):
        yield warning("it is still loading its data", "wait until it has", place)


def _memory(server: Server, use: Use) -> list[Finding]:
    limit, policy = server.told.get("maxmemory"), str(server.told.get("maxmemory_policy", ""))
    if limit is None or server.role == "replica":
        return []
    if not limit:
        return [
            note(
                "maxmemory is not set: it grows until the host has no memory left",
                "CONFIG SET maxmemory 1gb (your size) and maxmemory-policy allkeys-lru, and the same in its "
                "configuration file",
                server.place,
            )
        ]
    return _policy(policy, use, server.place)


def _policy(policy: str, use: Use, place: str) -> list[Finding]:
    remedy = "CONFIG SET maxmemory-policy allkeys-lru, and the same in its configuration file"
    if policy == "noeviction":
        return [warning("maxmemory-policy is noeviction: when it is full, writes fail", remedy, place)]
    if policy.startswith("volatile-") and use.lasting:
        return [
            warning(
                f"maxmemory-policy is {policy} and TIMEOUT is None: when it is full of values that never "
                "expire, writes fail",
                f"{remedy}; or give a TIMEOUT",
                place,
            )
        ]
    return []


def _connections(server: Server, use: Use) -> list[Finding]:
    limit = server.told.get("maxclients")
    if not isinstance(limit, int) or use.connections <= limit:
        return []
    return [
        warning(
            f"it takes {limit} connections (maxclients), and one process may open {use.connections}",
            "lower OPTIONS['max_connections'], or CONFIG SET maxclients",
            server.place,
        )
    ]


def _way(server: Server) -> list[Finding]:
    found = []
    if server.in_clear:
        found.append(
            note(
                "its password and all values go over the network in clear",
                "let the server speak TLS (tls-port), and begin LOCATION with valkeys://",
                server.place,
            )
        )
    if server.round_trip is not None and server.round_trip > SLOW:
        found.append(
            note(
                f"a round trip takes {server.round_trip * 1000:.0f} ms",
                "run it nearer, or look what keeps it busy: SLOWLOG GET, LATENCY DOCTOR",
                server.place,
            )
        )
    return found


def _size(number: int | float | str) -> str:
    size, units = float(number), ["TiB", "GiB", "MiB", "KiB", "B"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop()
    return f"{size:.4g} {units[-1]}"
