"""What was really sent: the server itself tells which commands a call made it run.

So a result can be judged: who sends one command and who a hundred, whether every value got its expiry, and
whether the floor sends the same bytes as vkcache.

What may enter: a fact about a call that is read from the server.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import groupby
from typing import NamedTuple

from floor import BareSocket
from libvalkey import pack_command
from suite import Address

MARK = "between two calls"


class Monitor:
    """A connection to a server in MONITOR mode, another one to mark where a call ended."""

    def __init__(self, address: Address) -> None:
        self._marker = BareSocket(address)
        self._watcher = socket.create_connection(address)
        self._watcher.sendall(pack_command(("MONITOR",)))
        self._lines = self._watcher.makefile("r", encoding="utf-8")
        self._lines.readline()

    def close(self) -> None:
        self._marker.close()
        self._lines.close()
        self._watcher.close()

    def until_mark(self) -> list[str]:
        """The commands that ran since this was last asked, as text, unprintable bytes escaped."""
        self._marker.ask(pack_command(("ECHO", MARK)))
        commands = []
        while MARK not in (line := self._lines.readline()):
            commands.append(line.split("] ", 1)[1].strip())
        return commands


def during(monitors: Sequence[Monitor], call: Callable[[], object]) -> tuple[object, list[str]]:
    """The call's result, and the commands that ran meanwhile, one server's after the other's."""
    for monitor in monitors:
        monitor.until_mark()
    result = call()
    return result, [command for monitor in monitors for command in monitor.until_mark()]


def names(commands: Sequence[str]) -> list[str]:
    """The names alone, those that a script called after the script's."""
    return [command.split(" ", 1)[0].strip('"').upper() for command in commands]


def summary(commands: Sequence[str]) -> str:
    """The names in order, repeated ones counted: ``MULTI, 100 x SET, EXEC``, ``25 x (SET, GET)``."""
    called = names(commands)
    for length in range(2, len(called) // 2 + 1):
        if called == called[:length] * (len(called) // length) and len(set(called)) > 1:
            return f"{len(called) // length} x ({', '.join(called[:length])})"
    counted = [(name, len(list(group))) for name, group in groupby(called)]
    return ", ".join(name if times == 1 else f"{times} x {name}" for name, times in counted)


def without_prefix(commands: Sequence[str], prefix: str) -> list[str]:
    """The same commands for comparison, names of commands in one case and keys without the prefix."""
    bare = [command.replace(f'"{prefix}:', '":') for command in commands]
    return [f"{name.upper()} {rest}" for name, _, rest in (command.partition(" ") for command in bare)]


def never_expiring(address: Address) -> list[str]:
    """The values on the server that have no expiry; a fair run leaves none. (HSET gives none to a hash.)"""
    with closing(BareSocket(address)) as wire:
        keys: list[bytes] = wire.ask(pack_command(("KEYS", "*")))
        values = [key for key in keys if wire.ask(pack_command(("TYPE", key))) == b"string"]
        return [key.decode() for key in values if wire.ask(pack_command(("PTTL", key))) == -1]


class ServerFacts(NamedTuple):
    """*version* is the server's name and version: ``Valkey 9.1.2``."""

    version: str
    pid: int


def server_facts(address: Address) -> ServerFacts:
    """What the server says about itself."""
    with closing(BareSocket(address)) as wire:
        told: bytes = wire.ask(pack_command(("INFO", "server")))
    facts = dict(line.partition(":")[::2] for line in told.decode().splitlines())
    name = "valkey" if "valkey_version" in facts else "redis"
    return ServerFacts(f"{name.title()} {facts[f'{name}_version']}", int(facts["process_id"]))
