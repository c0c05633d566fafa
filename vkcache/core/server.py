"""Commands on a whole server: FLUSHDB, DBSIZE, INFO, SLOWLOG, TIME (https://valkey.io/commands/#server).

What may enter: one function a command of valkey's server group.
"""

from __future__ import annotations

from typing import Any, Final

from vkcache.core.keyspace import as_text
from vkcache.core.plan import NO_KEYS, Command, Reply, Spread, Verb
from vkcache.core.replies import info as read_info
from vkcache.core.replies import number, ok
from vkcache.core.space import Space

FLUSHDB = Verb(b"FLUSHDB", NO_KEYS, idempotent=True, spread=Spread.ALL_OK)
DBSIZE = Verb(b"DBSIZE", NO_KEYS, readonly=True, primary=True, spread=Spread.SUM, empty=0)
INFO = Verb(b"INFO", NO_KEYS, readonly=True)
INFO_FRESH = Verb(b"INFO", NO_KEYS, readonly=True, primary=True)
SLOWLOG = Verb(b"SLOWLOG", NO_KEYS, readonly=True, primary=True)
TIME = Verb(b"TIME", NO_KEYS, readonly=True, primary=True)

_END: Final = 2**40
"""The Unix time by which no server of today tells the time."""


def flush_db(_space: Space) -> Command[bool]:
    """True: the whole database is empty, the keys of other caches and programs included."""
    return Command(FLUSHDB, (), ok)


def info(_space: Space, section: str | None = None) -> Command[dict[str, int | float | str]]:
    """What the server says of itself, of one *section* or of the usual ones, a name and a value a row.

    https://valkey.io/commands/info/
    """
    return Command(INFO, () if section is None else (section,), read_info)


def dbsize(_space: Space) -> Command[int]:
    """How many keys there are on all servers, of other caches and programs too."""
    return Command(DBSIZE, (), number)


def run_id(_space: Space) -> Command[str]:
    """What the server that is written to calls itself since it was started; "" where it does not say.

    A cursor of SCAN means nothing to a server that calls itself otherwise.
    """
    return Command(INFO_FRESH, (b"server",), lambda reply: str(read_info(reply).get("run_id", "")))


def slowlog_get(_space: Space, count: int = 10) -> Command[list[dict[str, Any]]]:
    """The last *count* commands that took the server long, the newest first; -1 for all that it remembers.

    Of each "id", "start_time" (Unix seconds), "duration" (microseconds), "command" (its words, joined by
    blanks, in bytes), "client_address" and "client_name". https://valkey.io/commands/slowlog-get/
    """
    return Command(SLOWLOG, (b"GET", count), _slow)


def _slow(replies: Reply) -> list[dict[str, Any]]:
    names = ("id", "start_time", "duration", "command", "client_address", "client_name")
    rows = [[*row[:3], b" ".join(row[3]), *map(as_text, row[4:])] for row in replies or ()]
    return [dict(zip(names, row, strict=False)) for row in rows]


def slowlog_len(_space: Space) -> Command[int]:
    """How many commands `slowlog_get` would answer at most."""
    return Command(SLOWLOG, (b"LEN",), lambda reply: int(reply or 0))


def _seconds(reply: Reply) -> float | None:
    if reply is None:
        return None
    seconds, micros = int(reply[0]), int(reply[1])
    if not (0 <= seconds < _END and 0 <= micros < 1_000_000):
        raise ValueError("no Unix time")
    return seconds + micros / 1e6


CLOCK = Command(TIME, (), _seconds)
"""The server's Unix time in seconds; None where errors are ignored and it was not told."""
