"""The commands of the core: what a call sends, and what it makes of the reply. One row a behaviour.

What may enter: a row. A new command needs nothing else here: whoever walks the rows
(`test_commands`, `test_door`) finds it. The space of all rows is `feeding.SPACE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import Any, Concatenate, ParamSpec, cast

from attrs import frozen

from tests.unit.feeding import MARK, SPACE
from tests.unit.shown import shown
from vkcache.core import flights, keys, lua, server, strings
from vkcache.core.expiry import DEFAULT, Timeout
from vkcache.core.keyspace import CacheKey
from vkcache.core.plan import Plan, Reply
from vkcache.core.space import Space
from vkcache.errors import CacheError, InvalidArgument, InvalidKey, KeyNotFound, NotCounter, Unencodable

P = ParamSpec("P")


@frozen
class Asked:
    """A call of a core function, short of its space."""

    function: Callable[..., Plan[Any]]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self, space: Space) -> Plan[Any]:
        return self.function(space, *self.args, **self.kwargs)

    def __str__(self) -> str:
        given = [*map(shown, self.args), *(f"{name}={shown(value)}" for name, value in self.kwargs.items())]
        return f"{self.function.__name__}({', '.join(given)})"


def call(function: Callable[Concatenate[Space, P], Plan[Any]], *args: P.args, **kwargs: P.kwargs) -> Asked:
    """*function* with these arguments, which a type checker compares with its signature."""
    return Asked(function, args, kwargs)


@frozen
class Row:
    """*sent*: the command's words; *reply* reads as *result*, or raises it where that is an error class."""

    asked: Asked
    sent: bytes
    reply: Reply
    result: object


@frozen
class Refusal:
    """A call that raises *error*, whose message holds *remedy*, before anything is sent."""

    asked: Asked
    error: type[CacheError]
    remedy: str


class Floor(IntEnum):
    """An int that is more than an int."""

    THIRD = 3


class Engine:
    """What no serializer carries."""

    def __reduce__(self) -> str:
        raise TypeError("it runs")

    def __repr__(self) -> str:
        return "Engine()"


TEXT = SPACE.encode("text")
GONE = b"\xc1\xff never written by this codec"
NOON = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=1)))
NOON_MS = 1_893_495_600_000
MARKED = cast(Timeout, MARK)  # a framework's own mark for "the default"

INCR = b"EVAL " + lua.INCR + b" 1 "
PERSIST = b"EVAL " + lua.PERSIST + b" 1 "
SWAP = b"EVAL " + lua.SWAP + b" 1 "
REMOVE = b"EVAL " + lua.REMOVE + b" 2 "


def rows() -> Iterator[Row]:
    yield from of_get()
    yield from of_getex()
    yield from of_set()
    yield from of_set_with_flags()
    yield from of_several()
    yield from of_counters()
    yield from of_deletion()
    yield from of_time_outs()
    yield from of_moments()
    yield from of_time_left()
    yield from of_moving()
    yield from of_scan()
    yield from of_server()


def of_get() -> Iterator[Row]:
    get = strings.get
    yield Row(call(get, "k"), b"GET p:1:k", b"5", 5)
    yield Row(call(get, "k"), b"GET p:1:k", TEXT, "text")
    yield Row(call(get, "k"), b"GET p:1:k", SPACE.encode(None), None)
    yield Row(call(get, "k", 7), b"GET p:1:k", SPACE.encode(None), None)  # a stored None is a hit
    yield Row(call(get, "k"), b"GET p:1:k", None, None)
    yield Row(call(get, "k", 7), b"GET p:1:k", None, 7)
    yield Row(call(get, "k", 7), b"GET p:1:k", GONE, 7)  # unreadable is missing
    yield Row(call(get, "k", version=2), b"GET p:2:k", b"-5", -5)
    yield Row(call(get, "k", None, 0), b"GET p:0:k", b"0", 0)
    yield Row(call(get, "a b\r\n:*"), b"GET p:1:a b\r\n:*", b"5", 5)
    yield Row(call(get, "é"), b"GET p:1:\xc3\xa9", b"5", 5)
    yield Row(call(get, "\udcff"), b"GET p:1:\xff", b"5", 5)
    yield Row(call(get, CacheKey("made")), b"GET made", b"5", 5)
    yield Row(call(strings.stored, "k"), b"GET p:1:k", b"raw", b"raw")
    yield Row(call(strings.stored, "k", version=2), b"GET p:2:k", None, None)


def of_getex() -> Iterator[Row]:
    getex = strings.getex
    yield Row(call(getex, "k"), b"GETEX p:1:k PX 300000", TEXT, "text")
    yield Row(call(getex, "k", 1.5, version=2), b"GETEX p:2:k PX 1500", None, None)
    yield Row(call(getex, "k", None), b"GETEX p:1:k PERSIST", b"5", 5)
    yield Row(call(getex, "k", 0), b"GETDEL p:1:k", b"5", 5)


def of_set() -> Iterator[Row]:
    set = strings.set
    yield Row(call(set, "k", 5), b"SET p:1:k 5 PX 300000", b"OK", True)
    yield Row(call(set, "k", "text"), b"SET p:1:k " + TEXT + b" PX 300000", b"OK", True)
    yield Row(call(set, "k", 5), b"SET p:1:k 5 PX 300000", None, False)
    yield Row(call(set, "k", 5, DEFAULT), b"SET p:1:k 5 PX 300000", b"OK", True)
    yield Row(call(set, "k", 5, MARKED), b"SET p:1:k 5 PX 300000", b"OK", True)
    yield Row(call(set, "k", 5, 1), b"SET p:1:k 5 PX 1000", b"OK", True)
    yield Row(call(set, "k", 5, 1.5), b"SET p:1:k 5 PX 1500", b"OK", True)
    yield Row(call(set, "k", 5, 0.0004), b"SET p:1:k 5 PX 1", b"OK", True)
    yield Row(call(set, "k", 5, timedelta(seconds=2, microseconds=1500)), b"SET p:1:k 5 PX 2002", b"OK", True)
    yield Row(call(set, "k", 5, None), b"SET p:1:k 5", b"OK", True)
    yield Row(call(set, "k", 5, 0), b"UNLINK p:1:k", 0, True)
    yield Row(call(set, "k", 5, -1), b"UNLINK p:1:k", 1, True)
    yield Row(call(set, "k", 5, timedelta(seconds=-1)), b"UNLINK p:1:k", 1, True)
    yield Row(call(set, "k", 5, 1, 2), b"SET p:2:k 5 PX 1000", b"OK", True)
    yield Row(call(strings.add, "k", 5), b"SET p:1:k 5 NX PX 300000", b"OK", True)
    yield Row(call(strings.add, "k", 5, None, 2), b"SET p:2:k 5 NX", None, False)
    yield Row(call(strings.add, "k", 5, 0), b"EXISTS p:1:k", 0, True)
    yield Row(call(strings.add, "k", 5, 0), b"EXISTS p:1:k", 1, False)
    yield Row(call(strings.swap, "k", b"old", b"new"), SWAP + b"p:1:k old new", 1, True)
    yield Row(call(strings.swap, "k", b"old", b"new", 2), SWAP + b"p:2:k old new", 0, False)
    yield Row(call(strings.swap, "k", b"old", b"new"), SWAP + b"p:1:k old new", None, KeyNotFound)


def of_set_with_flags() -> Iterator[Row]:
    set = strings.set
    yield Row(call(set, "k", 5, nx=True), b"SET p:1:k 5 NX PX 300000", b"OK", True)
    yield Row(call(set, "k", 5, nx=True), b"SET p:1:k 5 NX PX 300000", None, False)
    yield Row(call(set, "k", 5, nx=True, timeout=0), b"EXISTS p:1:k", 1, False)
    yield Row(call(set, "k", 5, xx=True, timeout=1.5), b"SET p:1:k 5 XX PX 1500", None, False)
    yield Row(call(set, "k", 5, None, xx=True), b"SET p:1:k 5 XX", b"OK", True)
    yield Row(call(set, "k", 5, xx=True, timeout=0), b"UNLINK p:1:k", 1, True)
    yield Row(call(set, "k", 5, xx=True, timeout=0), b"UNLINK p:1:k", 0, False)
    yield Row(call(set, "k", 5, get=True), b"SET p:1:k 5 GET PX 300000", b"4", 4)
    yield Row(call(set, "k", 5, get=True), b"SET p:1:k 5 GET PX 300000", None, None)
    yield Row(call(set, "k", 5, get=True), b"SET p:1:k 5 GET PX 300000", GONE, None)
    yield Row(call(set, "k", 5, get=True, nx=True), b"SET p:1:k 5 NX GET PX 300000", b"4", 4)
    yield Row(call(set, "k", 5, get=True, timeout=0), b"GETDEL p:1:k", b"4", 4)
    yield Row(call(set, "k", 5, get=True, xx=True, timeout=0), b"GETDEL p:1:k", None, None)
    yield Row(call(set, "k", 5, get=True, nx=True, timeout=0), b"GET p:1:k", b"4", 4)
    yield Row(call(set, "k", 5, keepttl=True), b"SET p:1:k 5 KEEPTTL", b"OK", True)
    yield Row(call(set, "k", 5, MARKED, keepttl=True), b"SET p:1:k 5 KEEPTTL", b"OK", True)
    yield Row(call(set, "k", 5, keepttl=True, xx=True), b"SET p:1:k 5 XX KEEPTTL", None, False)


def of_several() -> Iterator[Row]:
    get_many = strings.get_many
    yield Row(call(get_many, ["a", "b"]), b"MGET p:1:a p:1:b", [b"1", TEXT], {"a": 1, "b": "text"})
    yield Row(call(get_many, ("b", "a", "b")), b"MGET p:1:b p:1:a", [b"1", None], {"b": 1})
    yield Row(call(get_many, ("a", "b"), 2), b"MGET p:2:a p:2:b", [GONE, b"2"], {"b": 2})
    yield Row(call(get_many, ["a"]), b"MGET p:1:a", [SPACE.encode(None)], {"a": None})
    yield Row(call(strings.mget, ["a", "b"], 2), b"MGET p:2:a p:2:b", [b"1", b"2"], {"a": 1, "b": 2})


def of_counters() -> Iterator[Row]:
    incr, decr = strings.incr, strings.decr
    yield Row(call(incr, "k"), INCR + b"p:1:k 1 0", b"6", 6)
    yield Row(call(incr, "k", 2, 3), INCR + b"p:3:k 2 0", b"7", 7)
    yield Row(call(incr, "k", -2, ignore_key_check=True), INCR + b"p:1:k -2 1", b"-2", -2)
    yield Row(call(incr, "k", True), INCR + b"p:1:k 1 0", b"6", 6)
    yield Row(call(incr, "k", Floor.THIRD), INCR + b"p:1:k 3 0", b"6", 6)
    yield Row(call(incr, "k", 2**63 - 1), INCR + b"p:1:k %d 0" % (2**63 - 1), b"%d" % 2**62, 2**62)
    yield Row(call(incr, "k"), INCR + b"p:1:k 1 0", None, KeyNotFound)
    yield Row(call(incr, "k"), INCR + b"p:1:k 1 0", [TEXT], NotCounter)
    yield Row(call(decr, "k"), INCR + b"p:1:k -1 0", b"4", 4)
    yield Row(call(decr, "k", -2, 3, ignore_key_check=True), INCR + b"p:3:k 2 1", b"2", 2)
    yield Row(call(decr, "k"), INCR + b"p:1:k -1 0", None, KeyNotFound)


def of_deletion() -> Iterator[Row]:
    delete, flight = flights.delete_alone, b" \xffvkcache:flight:"
    yield Row(call(delete, "k"), REMOVE + b"p:1:k" + flight + b"{p:1:k}", 1, True)
    yield Row(call(delete, "k", version=2), REMOVE + b"p:2:k" + flight + b"{p:2:k}", 0, False)
    yield Row(call(delete, "{u}:k", 2), REMOVE + b"p:2:{u}:k" + flight + b":p:2:{u}:k", 1, True)
    yield Row(call(keys.has_key, "k"), b"EXISTS p:1:k", 1, True)
    yield Row(call(keys.has_key, "k", 2), b"EXISTS p:2:k", 0, False)


def of_time_outs() -> Iterator[Row]:
    expire, pexpire = keys.expire, keys.pexpire
    yield Row(call(expire, "k"), b"PEXPIRE p:1:k 300000", 1, True)
    yield Row(call(expire, "k", MARKED), b"PEXPIRE p:1:k 300000", 1, True)
    yield Row(call(expire, "k", 1.5, 2), b"PEXPIRE p:2:k 1500", 0, False)
    yield Row(call(expire, "k", 0.0004), b"PEXPIRE p:1:k 1", 1, True)
    yield Row(call(expire, "k", timedelta(minutes=1)), b"PEXPIRE p:1:k 60000", 1, True)
    yield Row(call(expire, "k", 0), b"PEXPIRE p:1:k 0", 1, True)
    yield Row(call(expire, "k", -0.5), b"PEXPIRE p:1:k -500", 1, True)
    yield Row(call(expire, "k", None), PERSIST + b"p:1:k", 1, True)
    yield Row(call(expire, "k", None, 2), PERSIST + b"p:2:k", 0, False)
    yield Row(call(keys.touch, "k"), b"PEXPIRE p:1:k 300000", 1, True)
    yield Row(call(keys.touch, "k", None, 2), PERSIST + b"p:2:k", 0, False)
    yield Row(call(pexpire, "k"), b"PEXPIRE p:1:k 300000", 1, True)
    yield Row(call(pexpire, "k", MARKED), b"PEXPIRE p:1:k 300000", 1, True)
    yield Row(call(pexpire, "k", 1500, 2), b"PEXPIRE p:2:k 1500", 0, False)
    yield Row(call(pexpire, "k", 0.4), b"PEXPIRE p:1:k 1", 1, True)
    yield Row(call(pexpire, "k", -1), b"PEXPIRE p:1:k -1", 1, True)
    yield Row(call(pexpire, "k", timedelta(seconds=1)), b"PEXPIRE p:1:k 1000", 1, True)
    yield Row(call(pexpire, "k", None), PERSIST + b"p:1:k", 1, True)
    yield Row(call(keys.persist, "k"), b"PERSIST p:1:k", 1, True)
    yield Row(call(keys.persist, "k", 2), b"PERSIST p:2:k", 0, False)


def of_moments() -> Iterator[Row]:
    at = b"PEXPIREAT p:1:k %d"
    yield Row(call(keys.expire_at, "k", NOON), at % NOON_MS, 1, True)
    yield Row(call(keys.expire_at, "k", NOON.astimezone().replace(tzinfo=None)), at % NOON_MS, 1, True)
    yield Row(call(keys.expire_at, "k", 12), at % 12000, 1, True)
    yield Row(call(keys.expire_at, "k", 0.0004), at % 1, 1, True)
    yield Row(call(keys.expire_at, "k", -1, 2), b"PEXPIREAT p:2:k -1000", 0, False)
    yield Row(call(keys.pexpire_at, "k", NOON), at % NOON_MS, 1, True)
    yield Row(call(keys.pexpire_at, "k", 12), at % 12, 1, True)
    yield Row(call(keys.pexpire_at, "k", 0, 2), b"PEXPIREAT p:2:k 0", 0, False)


def of_time_left() -> Iterator[Row]:
    for function, sent in ((keys.ttl, b"PTTL p:1:k"), (keys.pttl, b"PTTL p:1:k")):
        yield Row(call(function, "k"), sent, -2, 0)
        yield Row(call(function, "k"), sent, -1, None)
        yield Row(call(function, "k"), sent, 0, 0)
    yield Row(call(keys.ttl, "k"), b"PTTL p:1:k", 1001, 2)
    yield Row(call(keys.ttl, "k", 2), b"PTTL p:2:k", 1, 1)
    yield Row(call(keys.pttl, "k", 2), b"PTTL p:2:k", 1001, 1001)
    yield Row(call(keys.expiretime, "k"), b"EXPIRETIME p:1:k", 1_900_000_000, 1_900_000_000)
    yield Row(call(keys.expiretime, "k"), b"EXPIRETIME p:1:k", -1, None)
    yield Row(call(keys.expiretime, "k", 2), b"EXPIRETIME p:2:k", -2, 0)


def of_moving() -> Iterator[Row]:
    yield Row(call(keys.type, "k"), b"TYPE p:1:k", b"string", "string")
    yield Row(call(keys.type, "k", 2), b"TYPE p:2:k", b"none", None)
    yield Row(call(keys.rename, "a", "b"), b"RENAME p:1:a p:1:b", b"OK", True)
    yield Row(call(keys.rename, "a", "b", 2), b"RENAME p:2:a p:2:b", b"OK", True)
    yield Row(call(keys.rename, "a", "b", version_src=2), b"RENAME p:2:a p:1:b", b"OK", True)
    yield Row(call(keys.rename, "a", "b", 3, version_dst=2), b"RENAME p:3:a p:2:b", b"OK", True)
    yield Row(call(keys.rename, "a", "b"), b"RENAME p:1:a p:1:b", None, KeyNotFound)
    yield Row(call(keys.renamenx, "a", "b"), b"RENAMENX p:1:a p:1:b", 1, True)
    yield Row(call(keys.renamenx, "a", "b", 3, version_src=0), b"RENAMENX p:0:a p:3:b", 0, False)
    yield Row(call(keys.renamenx, "a", "b"), b"RENAMENX p:1:a p:1:b", None, KeyNotFound)
    yield Row(call(keys.incr_version, "k"), b"RENAME p:1:k p:2:k", b"OK", 2)
    yield Row(call(keys.incr_version, "k", 3, 4), b"RENAME p:4:k p:7:k", b"OK", 7)
    yield Row(call(keys.incr_version, "k"), b"RENAME p:1:k p:2:k", None, KeyNotFound)
    yield Row(call(keys.decr_version, "k"), b"RENAME p:1:k p:0:k", b"OK", 0)
    yield Row(call(keys.decr_version, "k", version=3), b"RENAME p:3:k p:2:k", b"OK", 2)


def of_scan() -> Iterator[Row]:
    scan = keys.scan
    yield Row(call(scan), b"SCAN 0 MATCH p:1:* COUNT 1000", [b"0", []], (0, []))
    yield Row(call(scan, 7, "a*", 10), b"SCAN 7 MATCH p:1:a* COUNT 10", [b"9", [b"p:1:a:b"]], (9, ["a:b"]))
    yield Row(call(scan, key_type="list"), b"SCAN 0 MATCH p:1:* COUNT 1000 TYPE list", [b"0", []], (0, []))
    yield Row(
        call(scan, version=12),
        b"SCAN 0 MATCH p:12:* COUNT 1000",
        [b"0", [b"p:12:\xff", b"p:12:"]],
        (0, ["\udcff", ""]),
    )


def of_server() -> Iterator[Row]:
    said = b"# Server\r\nserver_name:valkey\r\nuptime_in_seconds:12\r\nratio:1.5\r\npath:/a:b\r\n\r\nodd\r\n"
    read = {"server_name": "valkey", "uptime_in_seconds": 12, "ratio": 1.5, "path": "/a:b"}
    yield Row(call(server.info), b"INFO", said, read)
    yield Row(call(server.info, "memory"), b"INFO memory", b"", {})
    yield Row(call(server.flush_db), b"FLUSHDB", b"OK", True)
    yield Row(call(server.slowlog_len), b"SLOWLOG LEN", 2, 2)
    yield Row(call(server.slowlog_get, 5), b"SLOWLOG GET 5", None, [])
    slow = [7, 1700000000, 12000, [b"GET", b"k"], b"127.0.0.1:6", b""]
    told = {"id": 7, "start_time": 1700000000, "duration": 12000, "command": b"GET k"}
    told |= {"client_address": "127.0.0.1:6", "client_name": ""}
    yield Row(call(server.slowlog_get), b"SLOWLOG GET 10", [slow], [told])


WRONG = cast(Any, "soon")
LONE = "\ud800"

REFUSALS = (
    Refusal(call(strings.get, LONE), InvalidKey, "UTF-8"),
    Refusal(call(strings.get_many, ["a", LONE]), InvalidKey, "UTF-8"),
    Refusal(call(strings.set, LONE, 5), InvalidKey, "UTF-8"),
    Refusal(call(strings.set, "k", Engine()), Unencodable, "Engine"),
    Refusal(call(strings.set, "k", 5, WRONG), InvalidArgument, "timeout of type str"),
    Refusal(call(strings.set, "k", 5, cast(Any, Decimal(1))), InvalidArgument, "timeout of type Decimal"),
    Refusal(call(strings.set, "k", 5, float("nan")), InvalidArgument, "None means for ever"),
    Refusal(call(strings.set, "k", 5, float("inf")), InvalidArgument, "None means for ever"),
    Refusal(call(strings.set, "k", 5, 10**400), InvalidArgument, "None means for ever"),
    Refusal(call(strings.set, "k", 5, 2.0**53), InvalidArgument, "None means for ever"),
    Refusal(call(strings.set, "k", 5, nx=True, xx=True), InvalidArgument, "give one"),
    Refusal(call(strings.set, "k", 5, 1, keepttl=True), InvalidArgument, "no timeout= with it"),
    Refusal(call(strings.set, "k", 5, None, keepttl=True), InvalidArgument, "no timeout= with it"),
    Refusal(call(strings.incr, "k", 2**63), NotCounter, "'k'"),
    Refusal(call(strings.incr, "k", cast(Any, 1.0)), NotCounter, "no integer"),
    Refusal(call(strings.decr, "k", -(2**63)), NotCounter, "64 bits"),
    Refusal(call(strings.decr, "k", cast(Any, "5")), NotCounter, "no integer"),
    Refusal(call(keys.expire, "k", WRONG), InvalidArgument, "timeout of type str"),
    Refusal(call(keys.pexpire, "k", WRONG), InvalidArgument, "timeout of type str"),
    Refusal(call(keys.pexpire, "k", 2**63), InvalidArgument, "None means for ever"),
    Refusal(call(keys.expire_at, "k", WRONG), InvalidArgument, "when of type str"),
    Refusal(call(keys.expire_at, "k", 10**30), InvalidArgument, "when is longer"),
    Refusal(call(flights.delete, LONE), InvalidKey, "UTF-8"),
    Refusal(call(flights.delete_alone, LONE), InvalidKey, "UTF-8"),
    Refusal(call(flights.delete_many, [LONE]), InvalidKey, "UTF-8"),
    Refusal(call(keys.rename, "a", LONE), InvalidKey, "UTF-8"),
    Refusal(call(keys.scan, pattern=LONE), InvalidKey, "UTF-8"),
    Refusal(call(keys.scan, count=0), InvalidArgument, "1 or more"),
)

ROWS = tuple(rows())
