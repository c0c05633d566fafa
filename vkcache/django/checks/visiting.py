"""All servers of one alias are found and asked, and those who tell of them: sentinels, a cluster.

What may enter: which servers an alias has. What one of them is asked stands in `asking`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import valkey
from attrs import frozen

from vkcache.core.keyspace import Keyspace, as_text, on_wire
from vkcache.core.replies import Fault, info
from vkcache.django.checks.asking import Names, alone, asked, command, remedy
from vkcache.django.checks.findings import Finding, error, note, warning
from vkcache.django.checks.servers import Server
from vkcache.errors import CacheError
from vkcache.shell import urls
from vkcache.shell.nodes.choosing import choose
from vkcache.shell.nodes.layout import Group
from vkcache.shell.nodes.several import Several
from vkcache.shell.options import Settings

_NAMES_TRIED: Final = 500
"""How many names are made up until one belongs to each server."""

_SENTINEL_SECONDS: Final = 1.0


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
    nodes = choose(settings)
    assert isinstance(nodes, Several)
    try:
        told = _sentinels(settings) if settings.laid_out == "sentinel" else []
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
        told = _cluster([primary for _, (primary, *_) in found])
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


def _cluster(primaries: Sequence[Settings]) -> list[Finding]:
    """What the first of *primaries* that answers says of the whole cluster."""
    for settings in primaries:
        nodes = choose(alone(settings))
        try:
            state, nodes_known = nodes.ask_all([command(b"CLUSTER", b"INFO"), command(b"CLUSTER", b"NODES")])
        except CacheError:
            continue
        finally:
            nodes.close()
        known = [] if isinstance(nodes_known, Fault) else as_text(nodes_known).splitlines()
        return of_cluster({} if isinstance(state, Fault) else info(state), known)
    return []


def of_cluster(state: Mapping[str, int | float | str], known: Sequence[str]) -> list[Finding]:
    """What is to be said of CLUSTER INFO and of the lines of CLUSTER NODES."""
    found = []
    if state.get("cluster_state", "ok") != "ok":
        found.append(
            error(
                f"the cluster's state is {state['cluster_state']!r}, "
                f"{state.get('cluster_slots_assigned')} of 16384 slots are assigned",
                "valkey-cli --cluster fix, or start the servers that are gone",
            )
        )
    for line in known:
        _, address, flags, *_ = line.split(" ")
        if {"fail", "fail?"} & set(flags.split(",")):
            found.append(
                warning(
                    "the others of the cluster do not hear from it",
                    "start it, or CLUSTER FORGET it",
                    address.partition("@")[0],
                )
            )
    return found


def _sentinels(settings: Settings) -> list[Finding]:
    """What is to be said of the sentinels of *settings*, each asked by itself."""
    name = unquote(urls.host(settings.url))
    told = [_sentinel(name, address, settings.sentinel_kwargs) for address in settings.sentinels]
    return of_sentinels(name, told)


@frozen
class Sentinel:
    """What one sentinel says.

    :ivar trouble: why it says nothing; "" where it does.
    :ivar primary: "host:port".
    :ivar others: how many sentinels it knows beside itself.
    :ivar down: the replicas that do not answer it.
    :ivar deaf: what it said to whoever wants to listen; "" where it lets one.
    """

    place: str
    trouble: str = ""
    primary: str = ""
    others: int = 0
    quorum: int = 0
    down: tuple[str, ...] = ()
    deaf: str = ""


def of_sentinels(name: str, told: Sequence[Sentinel]) -> list[Finding]:
    """What is to be said of the sentinels of the service *name*, beside each other."""
    found: list[Finding] = []
    awake = [one for one in told if not one.trouble]
    for one in told:
        if one.trouble:
            remedy = f"start it, let it watch {name!r}, and see sentinels and sentinel_kwargs"
            found.append(
                warning(f"sentinel does not answer: {one.trouble}", remedy, one.place)
                if awake
                else error(f"sentinel does not answer: {one.trouble}", remedy, one.place)
            )
        if one.deaf:
            found.append(
                warning(
                    f"sentinel refuses to be listened to ({one.deaf}): a new primary is known late",
                    "let the user of sentinel_kwargs listen: +subscribe &+switch-master",
                    one.place,
                )
            )
    if len({one.primary for one in awake}) > 1:
        named = ", ".join(f"{one.place} {one.primary}" for one in awake)
        found.append(
            warning(
                f"sentinels name different primaries: {named}", f"SENTINEL RESET {name} where it is wrong"
            )
        )
    down = dict.fromkeys(place for one in awake for place in one.down)
    found += [warning("the sentinels do not reach this replica", "start it", place) for place in down]
    if awake and max(one.others for one in awake) < 2:
        found.append(
            note(
                f"{1 + max(one.others for one in awake)} sentinels watch {name!r}: with fewer than three, "
                "the loss of one leaves no majority that chooses another primary",
                "run three",
            )
        )
    return found


def _sentinel(name: str, address: tuple[str, int], options: Mapping[str, Any]) -> Sentinel:
    host, port = address
    known: dict[str, Any] = {
        "socket_timeout": _SENTINEL_SECONDS,
        "socket_connect_timeout": _SENTINEL_SECONDS,
        **options,
        "decode_responses": True,
        "protocol": 2,
    }
    place = f"sentinel {host}:{port}"
    try:
        with valkey.Valkey(host=host, port=port, single_connection_client=True, **known) as client:
            state = client.sentinel_master(name)
            copies = client.sentinel_slaves(name)
            return Sentinel(
                place,
                primary=f"{state['ip']}:{state['port']}",
                others=int(state["num-other-sentinels"]),
                quorum=int(state["quorum"]),
                down=tuple(f"{one['ip']}:{one['port']}" for one in copies if one["is_sdown"]),
                deaf=_deaf(host, port, known),
            )
    except (valkey.ValkeyError, OSError, TypeError, ValueError, LookupError) as problem:
        return Sentinel(place, str(problem))


def _deaf(host: str, port: int, options: Mapping[str, Any]) -> str:
    with (
        valkey.Valkey(host=host, port=port, **options) as client,
        contextlib.closing(client.pubsub()) as listener,
    ):
        try:
            listener.subscribe("+switch-master")
            listener.get_message(timeout=_SENTINEL_SECONDS)
        except valkey.ResponseError as problem:
            return str(problem)
    return ""
