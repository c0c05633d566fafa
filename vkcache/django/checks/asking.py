"""One server is asked what it is, how fast it answers, and what its user may do there.

What may enter: a question to one server. What the answer means is said by the modules of findings.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from vkcache.core.keyspace import as_text, beside
from vkcache.core.plan import NO_KEYS, Command, Features, Reply, Verb
from vkcache.core.replies import Fault, info
from vkcache.core.replies import as_sent as unread
from vkcache.django.checks.rights import READING, RIGHTS, Right, Trial, refused
from vkcache.django.checks.servers import Role, Server, Told
from vkcache.errors import AccessDenied, CacheError, Misconfigured, TimedOut
from vkcache.shell import urls
from vkcache.shell.nodes.base import Nodes
from vkcache.shell.nodes.choosing import choose
from vkcache.shell.nodes.layout import PING
from vkcache.shell.options import Settings

_TIMES: Final = 10
"""How many round trips are measured."""

_PATIENCE: Final = 5.0
"""In seconds."""

_LOOPBACK: Final = frozenset(("", "localhost", "::1", "[::1]"))


@frozen
class Names:
    """The keys on the wire that are tried: one that is stored for it, and one that never is."""

    value: bytes
    missing: bytes

    def of(self, right: Right) -> bytes:
        """The key on which *right* is tried."""
        if right.where == "value":
            return self.value
        return beside(b"check", self.value) if right.where == "beside" else self.missing


def bounded(settings: Settings) -> Settings:
    """*settings*, with which no question takes for ever, even where the cache would wait so long."""
    return evolve(
        settings,
        socket_timeout=min(settings.socket_timeout or _PATIENCE, _PATIENCE),
        socket_connect_timeout=min(settings.socket_connect_timeout or _PATIENCE, _PATIENCE),
    )


def alone(settings: Settings) -> Settings:
    """*settings* of one of several servers as those of a cache that has it alone."""
    return evolve(bounded(settings), topology="single", nodes=(), sentinels=(), ignore_exceptions=False)


def asked(settings: Settings, role: Role, names: Names | None, *, reads: bool = False) -> Server:
    """What is known of the server of *settings*.

    *names*: the keys on which rights are tried; None: none is. *reads*: as a replica it answers reads.
    """
    place = urls.shown(settings.url)
    known = Server(place, role, in_clear=in_clear(settings), db=settings.db or 0)
    try:
        nodes = choose(alone(settings))
        try:
            return _told(nodes, evolve(known, user=_user(nodes, settings)), names, reads=reads)
        finally:
            nodes.close()
    except CacheError as error:
        return evolve(known, trouble=without_place(error, place), remedy=remedy(error))


def without_place(error: Exception, place: str) -> str:
    """What *error* says, without the *place* that stands before it anyway."""
    return str(error).removeprefix(f"{place}: ").rstrip(".")


def remedy(error: Exception) -> str:
    """What to do about *error*, where it does not say so itself."""
    if isinstance(error, (AccessDenied, Misconfigured)):
        return ""
    if isinstance(error, TimedOut):
        return "see that it runs, that no firewall drops what is sent to it, and socket_timeout"
    return "start it, or correct its URL in LOCATION"


def in_clear(settings: Settings) -> bool:
    """Whether a password goes over a network as it is."""
    scheme = urls.split(settings.url)[0]
    host = urls.host(settings.url)
    if scheme not in ("valkey", "redis") or host in _LOOPBACK or re.fullmatch(r"127(\.[0-9]+){3}", host):
        return False
    return settings.password is not None or settings.credential_provider is not None


def command(*words: bytes) -> Command[Reply]:
    """The command of these *words*, to one server."""
    return Command(Verb(words[0], NO_KEYS), words[1:], unread)


def _told(nodes: Nodes, known: Server, names: Names | None, *, reads: bool) -> Server:
    features, told = nodes.features(), nodes.ask(command(b"INFO"))
    said = {} if isinstance(told, Fault) else info(told)
    name, version = _version(features, said)
    known = evolve(
        known, name=name, version=version, told=said, round_trip=_round_trip(nodes), address=_address(nodes)
    )
    if names is None or (known.role == "primary" and said.get("role") == "slave"):
        return known
    if known.role == "replica":
        return evolve(known, trials=(_tried(nodes, READING, names),) if reads else ())
    return evolve(known, trials=_all_tried(nodes, names, features))


def _version(features: Features, said: Told) -> tuple[str, tuple[int, ...]]:
    """The server's name and version, by its handshake, or by INFO where that is refused."""
    if any(features.version):
        return features.server, tuple(features.version)
    name = "valkey" if "valkey_version" in said or "redis_version" not in said else "redis"
    numbers = str(said.get(f"{name}_version", "")).split(".")
    return name, tuple(int(number) for number in numbers if number.isdecimal())


def _user(nodes: Nodes, settings: Settings) -> str:
    answer = nodes.ask(command(b"ACL", b"WHOAMI"))
    return settings.username or "default" if not isinstance(answer, bytes) else as_text(answer)


def _address(nodes: Nodes) -> str:
    """Where the server is by its own account: the same for all who reach it by different names."""
    answer = nodes.ask(command(b"CLIENT", b"INFO"))
    words = as_text(answer).split() if isinstance(answer, bytes) else []
    return next((word.removeprefix("laddr=") for word in words if word.startswith("laddr=")), "")


def _round_trip(nodes: Nodes) -> float:
    nodes.ask(PING)
    return statistics.median(_seconds(lambda: nodes.ask(PING)) for _ in range(_TIMES))


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _all_tried(nodes: Nodes, names: Names, features: Features) -> tuple[Trial, ...]:
    trials: list[Trial] = []
    stored = True
    try:
        for right in RIGHTS:
            if (features.msetex or not right.newer) and (stored or right.where != "value"):
                trials.append(_tried(nodes, right, names))
                stored = stored and not trials[-1].unstored
                if trials[-1].said:  # it takes no writes, whoever sends them
                    break
        return tuple(trials)
    finally:
        nodes.ask_all([command(b"UNLINK", key) for key in (names.value, beside(b"check", names.value))])


def _tried(nodes: Nodes, right: Right, names: Names) -> Trial:
    sent = right.sent(names.of(right))
    if right.stores:  # what follows counts on it
        answer = nodes.ask(command(*sent[0]))
        if isinstance(answer, Fault):
            refusals = refused(sent[:1], [answer])
            return Trial(right, refusals, said="" if refusals else str(answer), unstored=True)
    refusals = refused(sent, nodes.ask_all([command(*words) for words in sent]))
    if refusals:
        nodes.close()  # a MULTI whose EXEC is refused would last
    return Trial(right, refusals)
