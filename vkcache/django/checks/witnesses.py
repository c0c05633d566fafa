"""What those who tell of servers say: sentinels, and the nodes of a cluster.

What may enter: a question to one of them, and what follows from all answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import valkey
from attrs import frozen

from vkcache.core.keyspace import as_text
from vkcache.core.replies import Fault, info
from vkcache.django.checks.asking import alone, command
from vkcache.django.checks.findings import Finding, error, note, warning
from vkcache.errors import CacheError
from vkcache.shell import urls
from vkcache.shell.nodes.choosing import choose
from vkcache.shell.options import Settings

_SECONDS: Final = 1.0
"""How long a sentinel may take to answer, where sentinel_kwargs do not say."""


def told_by_cluster(primaries: Sequence[Settings]) -> list[Finding]:
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
        return [*of_cluster({} if isinstance(state, Fault) else info(state), known)]
    return []


def of_cluster(state: Mapping[str, int | float | str], known: Sequence[str]) -> Iterator[Finding]:
    """What is to be said of CLUSTER INFO and of the lines of CLUSTER NODES."""
    if state.get("cluster_state", "ok") != "ok":
        slots = f"{state.get('cluster_slots_assigned')} of 16384 slots are assigned"
        yield error(
            f"the cluster's state is {state['cluster_state']!r}, {slots}",
            "start the servers that are gone, or valkey-cli --cluster fix",
        )
    for line in known:
        _, address, flags, *_ = line.split(" ")
        if {"fail", "fail?"} & set(flags.split(",")):
            said = "the others of the cluster do not hear from it"
            yield warning(said, "start it, or CLUSTER FORGET it", address.partition("@")[0])


def told_by_sentinels(settings: Settings) -> list[Finding]:
    """What is to be said of the sentinels of *settings*, each asked by itself."""
    name = unquote(urls.host(settings.url))
    told = [_sentinel(name, address, settings.sentinel_kwargs) for address in settings.sentinels]
    return [*of_sentinels(name, told)]


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
    down: tuple[str, ...] = ()
    deaf: str = ""


def of_sentinels(name: str, told: Sequence[Sentinel]) -> Iterator[Finding]:
    """What is to be said of the sentinels of the service *name*, beside each other."""
    awake = [one for one in told if not one.trouble]
    for one in told:
        yield from _of_sentinel(name, one, alone=not awake)
    if len({one.primary for one in awake}) > 1:
        named = ", ".join(f"{one.place} {one.primary}" for one in awake)
        remedy = f"SENTINEL RESET {name} where it is wrong"
        yield warning(f"sentinels name different primaries: {named}", remedy)
    for place in dict.fromkeys(place for one in awake for place in one.down):
        yield warning("the sentinels do not reach this replica", "start it", place)
    count = max((one.others for one in awake), default=2) + 1
    if count < 3:
        said = f"the number of sentinels that watch {name!r} is {count}: the loss of one leaves no majority"
        yield note(f"{said} that chooses another primary", "run three")


def _of_sentinel(name: str, one: Sentinel, *, alone: bool) -> Iterator[Finding]:
    """What is to be said of *one*; *alone*: no other answers either."""
    if one.trouble:
        said = f"it can not be asked: {one.trouble}"
        remedy = f"start it, let it watch {name!r}, and see sentinels and sentinel_kwargs"
        yield error(said, remedy, one.place) if alone else warning(said, remedy, one.place)
    if one.deaf:
        said = f"it refuses to be listened to ({one.deaf}): a new primary is known late"
        yield warning(said, "let the user of sentinel_kwargs listen: +subscribe &+switch-master", one.place)


def _sentinel(name: str, address: tuple[str, int], options: Mapping[str, Any]) -> Sentinel:
    host, port = address
    patience = {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS}
    known: dict[str, Any] = {**patience, **options, "decode_responses": True, "protocol": 2}
    place = f"sentinel {host}:{port}"
    try:
        with valkey.Valkey(host=host, port=port, single_connection_client=True, **known) as client:
            state = client.sentinel_master(name)
            copies = client.sentinel_slaves(name)
        return Sentinel(
            place,
            primary=f"{state['ip']}:{state['port']}",
            others=int(state["num-other-sentinels"]),
            down=tuple(f"{one['ip']}:{one['port']}" for one in copies if one["is_sdown"]),
            deaf=_deaf(host, port, known),
        )
    except (valkey.ValkeyError, OSError, TypeError, ValueError, LookupError) as problem:
        return Sentinel(place, str(problem).rstrip("."))


def _deaf(host: str, port: int, options: Mapping[str, Any]) -> str:
    with (
        valkey.Valkey(host=host, port=port, **options) as client,
        contextlib.closing(client.pubsub()) as listener,
    ):
        try:
            listener.subscribe("+switch-master")
            listener.get_message(timeout=_SECONDS)
        except valkey.ResponseError as problem:
            return str(problem)
    return ""
