"""For every `Verb` of the core: calls of it that do something, in keys named a, b and c.

What may enter: a call that `test_verbs` can carry out on any server, in which no other word is a, b or c.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final, TypeAlias

from vkcache.core import (
    bitmaps,
    flights,
    geo,
    hashes,
    hyperloglog,
    keys,
    lists,
    locks,
    lua,
    scripts,
    server,
    sets,
    sortedsets,
    streamgroups,
    streams,
    strings,
)
from vkcache.core.plan import Arg, Verb

Calls: TypeAlias = tuple[tuple[Arg, ...], ...]

FAR: Final = 4_000_000_000_000

KNOWN: Final = (lua.LAND, lua.LEAVE)
"""The scripts that a server has to know."""


def digest(script: bytes) -> bytes:
    return sha1(script, usedforsecurity=False).hexdigest().encode()


_ONE_OR_TWO: Calls = ((b"a",), (b"a", b"b"))
_BOTH: Calls = ((b"a", b"b"),)
_ALONE: Calls = ((b"a",),)
_SEVERAL: Calls = ((b"a",), (b"a", b"b", b"c"))
_PAIRS: Calls = ((b"a", b"1"), (b"a", b"1", b"b", b"2"))
_TIMED: Calls = ((1, b"a", b"1", b"PX", 60_000), (2, b"a", b"1", b"b", b"2", b"PX", 60_000))
_MEMBER: Calls = ((b"a", b"m"),)
_TWO_MEMBERS: Calls = ((b"a", b"m"), (b"a", b"m", b"n"))
_COUNT: Calls = ((b"a", 2),)
_FIELD: Calls = ((b"a", b"f"),)
_STORE: Calls = ((b"a", b"b"), (b"a", b"b", b"c"), (b"b", b"a", b"b"))
_POPPED: Calls = ((b"a",), (b"a", 2))
_BLOCKED: Calls = ((b"a", b"0.001"), (b"a", b"b", b"0.001"))
_PAGE: Calls = ((b"a", 0, b"COUNT", 10),)

OF_KEYS: dict[Verb, Calls] = {
    keys.EXISTS: _ONE_OR_TWO,
    keys.UNLINK: _ONE_OR_TWO,
    keys.UNLINK_WHOLE: _ONE_OR_TWO,
    flights.UNLINK_AFTER: _ONE_OR_TWO,
    keys.PEXPIRE: ((b"a", 60_000),),
    keys.PEXPIREAT: ((b"a", FAR),),
    keys.PERSIST: _ALONE,
    keys.TOUCH_FOR_EVER: ((lua.PERSIST, 1, b"a"), (lua.REMOVE, 2, b"a", b"b")),  # flights.REMOVE is its like
    keys.PTTL: _ALONE,
    keys.EXPIRETIME: _ALONE,
    keys.TYPE: _ALONE,
    keys.TYPE_FRESH: _ALONE,
    keys.RENAME: _BOTH,
    keys.RENAMENX: _BOTH,
    keys.SCAN: ((0, b"MATCH", b"*", b"COUNT", 10),),
    server.FLUSHDB: ((),),
    server.DBSIZE: ((),),
    server.INFO: ((), (b"server",)),
    server.INFO_FRESH: ((b"server",),),
    server.SLOWLOG: ((b"LEN",), (b"GET", 1)),
    server.TIME: ((),),
}

OF_STRINGS: dict[Verb, Calls] = {
    strings.GET: _ALONE,
    strings.GET_FRESH: _ALONE,
    strings.GETDEL: _ALONE,
    strings.GETEX: ((b"a", b"PX", 60_000), (b"a", b"PERSIST")),
    strings.SET: ((b"a", b"1"), (b"a", b"1", b"PX", 60_000), (b"a", b"1", b"KEEPTTL")),
    strings.SET_IF: ((b"a", b"1", b"NX", b"GET"), (b"a", b"1", b"XX")),
    strings.MGET: _SEVERAL,
    strings.MGET_SPREAD: _SEVERAL,
    strings.MGET_FRESH: _SEVERAL,
    strings.STRLEN: _ALONE,
    strings.MSET: _PAIRS,
    strings.MSET_SPREAD: _PAIRS,
    strings.MSETEX: _TIMED,
    strings.MSETEX_SPREAD: _TIMED,
}

_LANDED: tuple[Arg, ...] = (3, b"b", b"a", b"c", b"t", b"", b"1", b"", 60_000)
_LEFT: tuple[Arg, ...] = (2, b"a", b"b", b"t", 60_000)

_SWAPPED: tuple[Arg, ...] = (b"f", b"1", b"2", b"g", b"3", b"4")

# One verb: what is not safe to repeat, and a script of the user's own where it is sent whole.
OF_SCRIPTS: dict[Verb, Calls] = {
    strings.EVAL: (
        (lua.INCR, 1, b"a", b"1", b"1"),
        (lua.SWAP, 1, b"a", b"1", b"2"),
        (lua.SWAP_LARGE, 1, b"a", digest(b"1"), b"2"),
        (lua.MOVE, 2, b"a", b"b", b"1", b"2", b"0"),
        *[(script, 1, b"a", *_SWAPPED) for script in (lua.SWAP_FIELDS, lua.SWAP_MEMBERS, lua.SWAP_RANKED)],
        (lua.SWAP_ITEMS, 1, b"a", 0, b"1", b"2"),
        (b"return 1", 2, b"a", b"b", b"x"),
        (b"return 1", 0),
    ),
    hashes.ADD_FLOAT: ((lua.ADD_FLOAT, 1, b"a", b"f", b"1", b"1", b"1"),),
    scripts.EVALSHA: ((b"f" * 40, 1, b"a", b"x"), (b"f" * 40, 0, b"x")),
    scripts.EVAL_AGAIN: ((lua.LAND, *_LANDED), (lua.LEAVE, *_LEFT)),
    scripts.EVALSHA_AGAIN: ((digest(lua.LAND), *_LANDED), (digest(lua.LEAVE), *_LEFT)),
}

OF_HASHES: dict[Verb, Calls] = {
    hashes.HSET: ((b"a", b"f", b"7"), (b"a", b"f", b"7", b"g", b"8")),
    hashes.HMSET: ((b"a", b"f", b"7"),),
    hashes.HSETNX: ((b"a", b"f", b"7"),),
    hashes.HDEL: ((b"a", b"f", b"g"),),
    hashes.HEXISTS: _FIELD,
    hashes.HGET: _FIELD,
    hashes.HGET_FRESH: _FIELD,
    hashes.HMGET: ((b"a", b"f"), (b"a", b"f", b"g")),
    hashes.HGETALL: _ALONE,
    hashes.HKEYS: _ALONE,
    hashes.HVALS: _ALONE,
    hashes.HLEN: _ALONE,
    hashes.HINCRBY: ((b"a", b"f", 1),),
    hashes.HINCRBYFLOAT: ((b"a", b"f", b"1.5"),),
    hashes.HRANDFIELD: _ALONE,
    hashes.HRANDFIELD_SEVERAL: _COUNT,
    hashes.HSCAN: _PAGE,
}

OF_LISTS: dict[Verb, Calls] = {
    lists.LLEN: _ALONE,
    lists.LPUSH: ((b"a", b"1"),),
    lists.RPUSH: ((b"a", b"1"),),
    lists.LPOP: _POPPED,
    lists.RPOP: _POPPED,
    lists.LINDEX: ((b"a", 0),),
    lists.LRANGE: ((b"a", 0, -1),),
    lists.LRANGE_FRESH: ((b"a", 0, -1),),
    lists.LSET: ((b"a", 0, b"1"),),
    lists.LTRIM: ((b"a", 0, 1),),
    lists.LREM: ((b"a", 0, b"1"), (b"a", 1, b"1")),
    lists.LPOS: ((b"a", b"1"),),
    lists.LPOS_SEVERAL: ((b"a", b"1", b"COUNT", 0),),
    lists.LINSERT: ((b"a", b"BEFORE", b"1", b"2"),),
    lists.LMOVE: ((b"a", b"b", b"LEFT", b"RIGHT"),),
    lists.BLPOP: _BLOCKED,
    lists.BRPOP: _BLOCKED,
    locks.WAIT: _BLOCKED,
    lists.BLMOVE: ((b"a", b"b", b"LEFT", b"RIGHT", b"0.001"),),
    flights.TURN: ((b"a", b"a", b"LEFT", b"LEFT", b"0.001"), (b"a", b"b", b"LEFT", b"LEFT", b"0.001")),
}

OF_SETS: dict[Verb, Calls] = {
    sets.SADD: ((b"a", b"x"), (b"a", b"x", b"y")),
    sets.SREM: _TWO_MEMBERS,
    sets.SMEMBERS: _ALONE,
    sets.SISMEMBER: _MEMBER,
    sets.SMISMEMBER: _TWO_MEMBERS,
    sets.SCARD: _ALONE,
    sets.SPOP: _ALONE,
    sets.SPOP_SEVERAL: _COUNT,
    sets.SRANDMEMBER: _ALONE,
    sets.SRANDMEMBER_SEVERAL: ((b"a", 2), (b"a", -2)),
    sets.SMOVE: ((b"a", b"b", b"m"),),
    sets.SDIFF: _SEVERAL,
    sets.SINTER: _SEVERAL,
    sets.SUNION: _SEVERAL,
    sets.SDIFFSTORE: _STORE,
    sets.SINTERSTORE: _STORE,
    sets.SUNIONSTORE: _STORE,
    sets.SSCAN: _PAGE,
}

OF_SORTED_SETS: dict[Verb, Calls] = {
    sortedsets.ZADD: (
        (b"a", 7, b"m"),
        (b"a", b"XX", b"GT", b"CH", 7, b"m", 7, b"n"),
        (b"a", b"LT", 0, b"m"),
    ),
    sortedsets.ZADD_NEW: ((b"a", b"NX", 7, b"x"),),
    sortedsets.ZADD_INCR: ((b"a", b"INCR", 7, b"m"),),
    sortedsets.ZCARD: _ALONE,
    sortedsets.ZCOUNT: ((b"a", b"-inf", b"+inf"),),
    sortedsets.ZINCRBY: ((b"a", 1, b"m"),),
    sortedsets.ZRANGE: (
        (b"a", 0, -1),
        (b"a", 0, -1, b"REV", b"WITHSCORES"),
        (b"a", b"-inf", b"(5", b"BYSCORE", b"LIMIT", 0, 2),
    ),
    sortedsets.ZRANK: _MEMBER,
    sortedsets.ZREVRANK: _MEMBER,
    sortedsets.ZREM: _TWO_MEMBERS,
    sortedsets.ZREMRANGEBYRANK: ((b"a", 0, 0),),
    sortedsets.ZREMRANGEBYSCORE: ((b"a", 0, 1),),
    sortedsets.ZSCORE: _MEMBER,
    sortedsets.ZMSCORE: _TWO_MEMBERS,
    sortedsets.ZPOPMIN: _POPPED,
    sortedsets.ZPOPMAX: _POPPED,
    sortedsets.ZSCAN: _PAGE,
}

OF_STREAMS: dict[Verb, Calls] = {
    streams.XADD: ((b"a", b"*", b"f", b"v"), (b"a", b"NOMKSTREAM", b"MAXLEN", b"~", 5, b"*", b"f", b"v")),
    streams.XLEN: _ALONE,
    streams.XRANGE: ((b"a", b"-", b"+"),),
    streams.XREVRANGE: ((b"a", b"+", b"-", b"COUNT", 1),),
    streams.XREAD: ((b"STREAMS", b"a", b"0"), (b"COUNT", 2, b"STREAMS", b"a", b"b", b"0", b"$")),
    streams.XREAD_BLOCKING: ((b"COUNT", 2, b"BLOCK", 1, b"STREAMS", b"a", b"b", b"0", b"$"),),
    streams.XDEL: ((b"a", b"1-1"), (b"a", b"1-1", b"2-1")),
    streams.XTRIM: ((b"a", b"MAXLEN", b"=", 1), (b"a", b"MINID", b"=", b"2-1")),
    streams.XINFO: ((b"STREAM", b"a"), (b"GROUPS", b"a"), (b"CONSUMERS", b"a", b"g")),
    streamgroups.XGROUP_CREATE: ((b"CREATE", b"a", b"new", b"$"),),
    streamgroups.XGROUP_REMOVE: ((b"DESTROY", b"a", b"g"), (b"DELCONSUMER", b"a", b"g", b"x")),
    streamgroups.XGROUP_SETID: ((b"SETID", b"a", b"g", b"0"),),
    streamgroups.XREADGROUP: (
        (b"GROUP", b"g", b"x", b"STREAMS", b"a", b">"),
        (b"GROUP", b"STREAMS", b"STREAMS", b"COUNT", 2, b"NOACK", b"STREAMS", b"a", b"b", b">", b"0"),
    ),
    streamgroups.XREADGROUP_BLOCKING: (
        (b"GROUP", b"g", b"x", b"COUNT", 2, b"BLOCK", 1, b"STREAMS", b"a", b"b", b">", b">"),
    ),
    streamgroups.XACK: ((b"a", b"g", b"1-1"), (b"a", b"g", b"1-1", b"2-1")),
    streamgroups.XPENDING: ((b"a", b"g"),),
    streamgroups.XPENDING_RANGE: ((b"a", b"g", b"-", b"+", 5), (b"a", b"g", b"IDLE", 1, b"-", b"+", 5, b"x")),
    streamgroups.XCLAIM: ((b"a", b"g", b"x", 0, b"1-1"),),
    streamgroups.XAUTOCLAIM: ((b"a", b"g", b"x", 0, b"0-0", b"COUNT", 2),),
}

OF_COUNTING: dict[Verb, Calls] = {
    bitmaps.SETBIT: ((b"a", 1, 1),),
    bitmaps.GETBIT: ((b"a", 1),),
    bitmaps.BITCOUNT: ((b"a", 0, -1), (b"a", 0, -1, b"BIT")),
    bitmaps.BITOP: ((b"AND", b"a", b"b", b"c"), (b"NOT", b"a", b"b")),
    hyperloglog.PFADD: ((b"a", b"x"), (b"a", b"x", b"y")),
    hyperloglog.PFCOUNT: _ONE_OR_TWO,
    hyperloglog.PFMERGE: _STORE,
    geo.GEOADD: ((b"a", b"1", b"1", b"m"), (b"a", b"NX", b"CH", b"1", b"1", b"new")),
    geo.GEODIST: ((b"a", b"m", b"n", b"km"),),
    geo.GEOPOS: _TWO_MEMBERS,
    geo.GEOSEARCH: (
        (b"a", b"FROMLONLAT", b"1", b"1", b"BYRADIUS", b"1", b"m", b"WITHDIST", b"WITHCOORD"),
        (b"a", b"FROMMEMBER", b"m", b"BYBOX", b"1", b"1", b"m", b"ASC", b"COUNT", 2, b"ANY"),
    ),
}

CALLS: dict[Verb, Calls] = {
    **OF_KEYS,
    **OF_STRINGS,
    **OF_SCRIPTS,
    **OF_HASHES,
    **OF_LISTS,
    **OF_SETS,
    **OF_SORTED_SETS,
    **OF_STREAMS,
    **OF_COUNTING,
}

# What a key of each kind is made with; "?" is the key's own name, so that no two keys hold the same.
MADE: dict[str, Calls] = {
    "string": ((b"SET", b"?", b"1"),),
    "hash": ((b"HSET", b"?", b"f", b"1", b"g", b"2", b"?", b"3"),),
    "list": ((b"RPUSH", b"?", b"1", b"2", b"1", b"?"),),
    "set": ((b"SADD", b"?", b"m", b"n", b"?"),),
    "sorted set": ((b"ZADD", b"?", 1, b"m", 2, b"n", 3, b"?"),),
    "stream": (
        (b"XADD", b"?", b"1-1", b"f", b"v"),
        (b"XADD", b"?", b"2-1", b"f", b"v"),
        (b"XGROUP", b"CREATE", b"?", b"g", b"0"),
        (b"XREADGROUP", b"GROUP", b"g", b"x", b"STREAMS", b"?", b">"),
    ),
    "hyperloglog": ((b"PFADD", b"?", b"1", b"?"),),
    "flight": ((b"HSET", b"?", b"epoch", b"t", b"holder", b"t", b"until", b"1", b"waited", b"1"),),
}
