"""Which node a call concerns, how a call over several is cut up, and how their replies become one.

A *place* is where a key lives, as a number: a slot of a cluster, or a shard of a ring. Which server
holds a place, and what to do where it does not answer, is the business of `shell.nodes`.

What may enter: what follows from keys, replies and the names of nodes alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv6Address
from typing import Any, TypeAlias

from attrs import frozen

from vkcache.core.keyspace import as_text, on_wire
from vkcache.core.plan import FIRST, Arg, Command, Features, Reply, Spread
from vkcache.core.replies import Fault
from vkcache.core.slots import SLOTS
from vkcache.errors import CrossNode, Incomplete, Unreachable

Locate: TypeAlias = Callable[[bytes], int]
"""The place of a key on the wire."""

Piece: TypeAlias = tuple[int | None, tuple[Arg, ...], list[int]]
"""A part of a call: its place (None: it has no keys), its arguments, the numbers of its keys in the call."""


def place(command: Command[Any], locate: Locate | None) -> int | None:
    """Where all keys of *command* live; None where it has none. *locate*: None where there is one place, 0.

    :raises CrossNode: they live in several places.
    """
    if locate is not None and command.verb.keys is FIRST:
        key = command.args[0]
        return locate(key if type(key) is bytes else as_wire(key))
    return common_place((command,), locate)


def common_place(commands: Iterable[Command[Any]], locate: Locate | None) -> int | None:
    """Where all keys of all *commands* live; None where they have none.

    :raises CrossNode: they live in several places.
    """
    if locate is None:
        return 0
    homes: dict[int, Arg] = {}
    name = b""
    for command in commands:
        name = name or command.verb.name
        for key in command.keys:
            homes.setdefault(locate(as_wire(key)), key)
    if len(homes) > 1:
        named = ", ".join(repr(as_text(as_wire(key))) for key in [*homes.values()][:3])
        raise CrossNode(
            f"{name.decode()} {named}: these keys do not live together (on one shard, or in one slot of a "
            "cluster): give them a common part in braces, as in '{user:1}:name', or call it for each"
        )
    return next(iter(homes), None)


def as_wire(key: Arg) -> bytes:
    """A key as it is sent."""
    if isinstance(key, bytes):
        return key
    return on_wire(key if isinstance(key, str) else str(key))


def cut(command: Command[Any], locate: Locate) -> list[Piece]:
    """*command*, whose verb has a spread, in as many pieces as its keys have places."""
    keys = command.keys
    places: dict[int, list[int]] = {}
    for number, key in enumerate(keys):
        home = locate(key if type(key) is bytes else as_wire(key))
        if home in places:
            places[home].append(number)
        else:
            places[home] = [number]
    if len(places) == 1:
        return [(home, command.args, numbers) for home, numbers in places.items()]
    if len(keys) == len(command.args):
        return [(home, tuple([keys[i] for i in numbers]), numbers) for home, numbers in places.items()]
    return [(home, _only(command, numbers), numbers) for home, numbers in places.items()]


def _only(command: Command[Any], numbers: Sequence[int]) -> tuple[Arg, ...]:
    """The arguments of *command* with those of its keys alone that have these numbers."""
    args, spec = command.args, command.verb.keys
    at = spec.positions(args)
    head: tuple[Arg, ...] = (len(numbers),) if spec.counted else args[: at.start]
    rows = [args[at[number] : at[number] + at.step] for number in numbers]
    return (*head, *(arg for row in rows for arg in row), *args[at.start + len(at) * at.step :])


def joined(command: Command[Any], answers: Sequence[tuple[list[int], Reply | Unreachable]]) -> Reply:
    """The reply to *command*, made of those to its pieces; an error where a piece has one.

    Where some pieces could not be carried out because their nodes are unreachable, it is an `Incomplete`
    with the rest; where none could, the first of these errors.
    """
    lost = [(numbers, reply) for numbers, reply in answers if isinstance(reply, Unreachable)]
    if len(lost) == len(answers):
        first = lost[0][1]
        first.maybe_executed = any(error.maybe_executed for _, error in lost)
        return first
    refused = next((reply for _, reply in answers if isinstance(reply, Fault)), None)
    if refused is not None:
        return refused
    whole = _JOIN[command.verb.spread](
        len(command.keys),
        [(numbers, reply) for numbers, reply in answers if not isinstance(reply, Unreachable)],
    )
    return incomplete(command, lost, whole) if lost else whole


def incomplete(
    command: Command[Any], lost: Sequence[tuple[list[int], Unreachable]], whole: Reply
) -> Incomplete:
    """*whole*, which is the reply to *command* but for the keys with the numbers that are *lost*."""
    keys = command.keys
    missing = tuple(as_wire(keys[number]) for numbers, _ in lost for number in numbers if keys)
    nodes = "1 node" if len(lost) == 1 else f"{len(lost)} nodes"
    of = f"{len(missing)} of {len(keys)} keys" if keys else nodes
    problem = Incomplete(f"{command.verb.name.decode()}: {of}: {lost[0][1]}", reply=whole, missing=missing)
    problem.maybe_executed = any(error.maybe_executed for _, error in lost)
    problem.__cause__ = lost[0][1]
    return problem


_Answers: TypeAlias = Sequence[tuple[list[int], Reply]]


def _gathered(count: int, answers: _Answers) -> Reply:
    whole: list[Reply] = [None] * count
    for numbers, reply in answers:
        if len(reply) != len(numbers):
            return Fault(f"ERR {len(reply)} values came for {len(numbers)} keys")
        for number, item in zip(numbers, reply, strict=True):
            whole[number] = item
    return whole


def _added(_count: int, answers: _Answers) -> Reply:
    return sum(reply for _, reply in answers)


def _all_ok(_count: int, answers: _Answers) -> Reply:
    replies = [reply for _, reply in answers]
    return next((reply for reply in replies if reply not in (b"OK", 1)), replies[0])


_JOIN: dict[Spread | None, Callable[[int, _Answers], Reply]] = {
    Spread.GATHER: _gathered,
    Spread.SUM: _added,
    Spread.ALL_OK: _all_ok,
}


def oldest(answers: Sequence[Features | Unreachable]) -> Features:
    """What all can do that answered.

    :raises Unreachable: none did.
    """
    known = [answer for answer in answers if isinstance(answer, Features)]
    for answer in answers:
        if isinstance(answer, Unreachable) and not known:
            raise answer
    return min(known, key=lambda features: (features.msetex, features.version), default=Features())


_WALKED = 1 << 16  # more nodes than that no cluster has: it has 16,384 slots


def walking(command: Command[Any]) -> tuple[int, Command[Any]]:
    """The number of the node that a cursor over all nodes points to, and *command* with its own cursor."""
    theirs, number = divmod(int(command.args[0]), _WALKED)
    return number, Command(command.verb, (theirs, *command.args[1:]), command.decode)


def walked(reply: Reply, number: int, count: int) -> Reply:
    """The *reply* of node *number* out of *count*, with a cursor over all of them."""
    theirs, rest = reply
    cursor = int(theirs)
    if cursor == 0:
        number = number + 1 if number + 1 < count else 0
    return [b"%d" % (cursor * _WALKED + number), rest]


def begun_again(cursor: int) -> int:
    """A cursor over all nodes that points to the beginning of the node of *cursor*."""
    return cursor % _WALKED


@frozen
class Redirect:
    """Where a server of a cluster says that a slot is: from now on, or for the keys it has moved *once*."""

    slot: int
    host: str
    """Empty: the host that said so."""
    port: int
    once: bool


def redirect(fault: Fault) -> Redirect | None:
    """What a MOVED or ASK says; None where *fault* is neither."""
    word, _, rest = str(fault).partition(" ")
    if word not in ("MOVED", "ASK"):
        return None
    number, _, address = rest.partition(" ")
    host, _, port = address.rpartition(":")
    try:
        told = Redirect(int(number), host.strip("?"), int(port), once=word == "ASK")
    except ValueError:
        return None
    return told if 0 <= told.slot < SLOTS and reachable(told.host or "localhost", told.port) else None


_NAME = re.compile(r"(?=.{1,253}\Z)(?:[0-9A-Za-z_-]{1,63}\.)*[0-9A-Za-z_-]{1,63}\.?")


def reachable(host: str, port: object) -> bool:
    """Whether a server may be there, as another server says: a name or address, and the number of a port.

    Whatever else stands in *host* would be read as a part of a URL: a path, a user, an option.
    """
    if type(port) is not int or not 0 < port < 65536:
        return False
    return _NAME.fullmatch(host) is not None or (":" in host and _is_ipv6(host))


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


ELSEWHERE = ("MOVED ", "ASK ", "TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY")
"""How the errors begin of a server that can not carry a call out, where another or it itself soon can."""


_OF_SERVERS = re.compile(
    "MOVED |ASK |TRYAGAIN Multiple keys request|CLUSTERDOWN (Hash slot not served|The cluster is down)"
    r"|LOADING \w+ is loading the dataset|MASTERDOWN Link with|READONLY You can't write against"
)
"""How these errors go on where it is a server that says so, and not a script of somebody's own."""


def misplaced(replies: Sequence[Reply], commands: Sequence[Command[Any]] = ()) -> Fault | None:
    """What of *replies* says that *commands*, of one place, are to go elsewhere, or again; None: nothing.

    Where one of a transaction was carried out all were, whatever the others say.
    """
    faults = [reply for reply in replies if isinstance(reply, Fault)]
    if len(faults) < len(replies):
        return None
    for fault in faults:
        said = str(fault)
        if said.startswith(ELSEWHERE) and (_OF_SERVERS.match(said) or not _scripted(commands)):
            return fault
    return None


def _scripted(commands: Sequence[Command[Any]]) -> bool:
    """Whether one of *commands* answers what its author likes, after it has done what it does."""
    return any(command.verb.name.startswith((b"EVAL", b"FCALL")) for command in commands)
