"""What callers get while the server is gone, and with ignore_exceptions.

Fails where ignore_exceptions lets an error through or answers other than an empty cache that
stores nothing, where errors of the caller are swallowed with it, or where without it a call on a
dead server does not raise Unreachable.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.contract.ways import BUILDERS, SECRET, Build
from tests.servers import Server
from vkcache.core.scripts import decode_list_post
from vkcache.core.streamgroups import Pending
from vkcache.errors import InvalidArgument, KeyNotFound, Unencodable, Unreachable, WrongType
from vkcache.shell import Client
from vkcache.shell.binding import Line, hold
from vkcache.shell.tables import Commands

Ask = Callable[[Client], Any]

# Every method with the answer of a cache that holds nothing and stores nothing.
EMPTY: dict[str, tuple[Ask, Any]] = {
    "get": (lambda cache: cache.get("k"), None),
    "getex": (lambda cache: cache.getex("k"), None),
    "get default": (lambda cache: cache.get("k", "d"), "d"),
    "set": (lambda cache: cache.set("k", 1), False),
    "set for ever": (lambda cache: cache.set("k", 1, None), False),
    "set nx": (lambda cache: cache.set("k", 1, nx=True), False),
    "set xx": (lambda cache: cache.set("k", 1, xx=True), False),
    "set get": (lambda cache: cache.set("k", 1, get=True), None),
    "set keepttl": (lambda cache: cache.set("k", 1, keepttl=True), False),
    "add": (lambda cache: cache.add("k", 1), False),
    "delete": (lambda cache: cache.delete("k"), False),
    "delete_many": (lambda cache: cache.delete_many(["k", "l"]), 0),
    "delete_many nothing": (lambda cache: cache.delete_many([]), None),
    "touch": (lambda cache: cache.touch("k"), False),
    "touch for ever": (lambda cache: cache.touch("k", None), False),
    "expire": (lambda cache: cache.expire("k", 5), False),
    "pexpire": (lambda cache: cache.pexpire("k", 5), False),
    "expire_at": (lambda cache: cache.expire_at("k", 5), False),
    "expireat": (lambda cache: cache.expireat("k", 5), False),
    "pexpire_at": (lambda cache: cache.pexpire_at("k", 5), False),
    "pexpireat": (lambda cache: cache.pexpireat("k", 5), False),
    "expiretime": (lambda cache: cache.expiretime("k"), 0),
    "persist": (lambda cache: cache.persist("k"), False),
    "ttl": (lambda cache: cache.ttl("k"), 0),
    "pttl": (lambda cache: cache.pttl("k"), 0),
    "type": (lambda cache: cache.type("k"), None),
    "get_many": (lambda cache: cache.get_many(["k", "l"]), {}),
    "mget": (lambda cache: cache.mget(["k", "l"]), {}),
    "set_many": (lambda cache: cache.set_many({"k": 1, "l": 2}), ["k", "l"]),
    "set_many for ever": (lambda cache: cache.set_many({"k": 1, "l": 2}, None), ["k", "l"]),
    "mset": (lambda cache: cache.mset({"k": 1, "l": 2}), False),
    "mset for ever": (lambda cache: cache.mset({"k": 1, "l": 2}, None), False),
    "get_or_set": (lambda cache: cache.get_or_set("k", "computed"), "computed"),
    "get_or_set call": (lambda cache: cache.get_or_set("k", lambda: "computed"), "computed"),
    "has_key": (lambda cache: cache.has_key("k"), False),
    "in": (lambda cache: "k" in cache, False),
    "clear": (lambda cache: cache.clear(), True),
    "clear version": (lambda cache: cache.clear(3), True),
    "keys": (lambda cache: cache.keys(), []),
    "iter_keys": (lambda cache: list(cache.iter_keys()), []),
    "scan": (lambda cache: cache.scan(), (0, [])),
    "delete_pattern": (lambda cache: cache.delete_pattern("*"), 0),
    "reinsert_keys": (lambda cache: cache.reinsert_keys(), 0),
    "hset": (lambda cache: cache.hset("k", "f", 1), 0),
    "hmset": (lambda cache: cache.hmset("k", {"f": 1}), False),
    "hsetnx": (lambda cache: cache.hsetnx("k", "f", 1), False),
    "hdel": (lambda cache: cache.hdel("k", "f"), 0),
    "hexists": (lambda cache: cache.hexists("k", "f"), False),
    "hget": (lambda cache: cache.hget("k", "f"), None),
    "hmget": (lambda cache: cache.hmget("k", "f", "g"), [None, None]),
    "hgetall": (lambda cache: cache.hgetall("k"), {}),
    "hkeys": (lambda cache: cache.hkeys("k"), []),
    "hvals": (lambda cache: cache.hvals("k"), []),
    "hlen": (lambda cache: cache.hlen("k"), 0),
    "hincrby": (lambda cache: cache.hincrby("k", "f"), 0),
    "hincrbyfloat": (lambda cache: cache.hincrbyfloat("k", "f"), 0.0),
    "hrandfield": (lambda cache: cache.hrandfield("k"), None),
    "hrandfield count": (lambda cache: cache.hrandfield("k", 2), []),
    "hscan": (lambda cache: cache.hscan("k"), (0, {})),
    "hscan_iter": (lambda cache: list(cache.hscan_iter("k")), []),
    "llen": (lambda cache: cache.llen("k"), 0),
    "lpush": (lambda cache: cache.lpush("k", 1), 0),
    "rpush": (lambda cache: cache.rpush("k", 1), 0),
    "lpop": (lambda cache: cache.lpop("k"), None),
    "lpop count": (lambda cache: cache.lpop("k", 2), []),
    "rpop": (lambda cache: cache.rpop("k"), None),
    "rpop count": (lambda cache: cache.rpop("k", 2), []),
    "lindex": (lambda cache: cache.lindex("k", 0), None),
    "lrange": (lambda cache: cache.lrange("k", 0, -1), []),
    "ltrim": (lambda cache: cache.ltrim("k", 0, 1), False),
    "lrem": (lambda cache: cache.lrem("k", 0, 1), 0),
    "lpos": (lambda cache: cache.lpos("k", 1), None),
    "lpos count": (lambda cache: cache.lpos("k", 1, count=0), []),
    "linsert": (lambda cache: cache.linsert("k", "BEFORE", 1, 2), 0),
    "lmove": (lambda cache: cache.lmove("k", "l"), None),
    "blpop": (lambda cache: cache.blpop("k"), None),
    "brpop": (lambda cache: cache.brpop("k"), None),
    "blmove": (lambda cache: cache.blmove("k", "l", 0), None),
    "clear_all_versions": (lambda cache: cache.clear_all_versions(), 0),
    "flush_db": (lambda cache: cache.flush_db(), False),
    "info": (lambda cache: cache.info(), {}),
    "slowlog_get": (lambda cache: cache.slowlog_get(), []),
    "slowlog_len": (lambda cache: cache.slowlog_len(), 0),
}

# The same of sets and sorted sets.
EMPTY_SETS: dict[str, tuple[Ask, Any]] = {
    "sadd": (lambda cache: cache.sadd("k", 1), 0),
    "srem": (lambda cache: cache.srem("k", 1), 0),
    "smembers": (lambda cache: cache.smembers("k"), set()),
    "sismember": (lambda cache: cache.sismember("k", 1), False),
    "smismember": (lambda cache: cache.smismember("k", 1, 2), [False, False]),
    "scard": (lambda cache: cache.scard("k"), 0),
    "spop": (lambda cache: cache.spop("k"), None),
    "spop count": (lambda cache: cache.spop("k", 2), []),
    "srandmember": (lambda cache: cache.srandmember("k"), None),
    "srandmember count": (lambda cache: cache.srandmember("k", 2), []),
    "smove": (lambda cache: cache.smove("k", "l", 1), False),
    "sdiff": (lambda cache: cache.sdiff("k", "l"), set()),
    "sinter": (lambda cache: cache.sinter("k", "l"), set()),
    "sunion": (lambda cache: cache.sunion("k", "l"), set()),
    "sdiffstore": (lambda cache: cache.sdiffstore("k", "l"), 0),
    "sinterstore": (lambda cache: cache.sinterstore("k", "l"), 0),
    "sunionstore": (lambda cache: cache.sunionstore("k", "l"), 0),
    "sscan": (lambda cache: cache.sscan("k"), (0, set())),
    "sscan_iter": (lambda cache: list(cache.sscan_iter("k")), []),
    "zadd": (lambda cache: cache.zadd("k", {1: 1}), 0),
    "zadd nx": (lambda cache: cache.zadd("k", {1: 1}, nx=True), 0),
    "zadd incr": (lambda cache: cache.zadd("k", {1: 1}, incr=True), None),
    "zcard": (lambda cache: cache.zcard("k"), 0),
    "zcount": (lambda cache: cache.zcount("k", "-inf", "+inf"), 0),
    "zincrby": (lambda cache: cache.zincrby("k", 1, 1), 1.0),
    "zrange": (lambda cache: cache.zrange("k", 0, -1), []),
    "zrange withscores": (lambda cache: cache.zrange("k", 0, -1, withscores=True), []),
    "zrange_withscores": (lambda cache: cache.zrange_withscores("k", 0, -1), []),
    "zrevrange": (lambda cache: cache.zrevrange("k", 0, -1), []),
    "zrangebyscore": (lambda cache: cache.zrangebyscore("k", 0, 5), []),
    "zrangebyscore_withscores": (lambda cache: cache.zrangebyscore_withscores("k", 0, 5), []),
    "zrevrangebyscore": (lambda cache: cache.zrevrangebyscore("k", 5, 0), []),
    "zrank": (lambda cache: cache.zrank("k", 1), None),
    "zrevrank": (lambda cache: cache.zrevrank("k", 1), None),
    "zrem": (lambda cache: cache.zrem("k", 1), 0),
    "zremrangebyrank": (lambda cache: cache.zremrangebyrank("k", 0, -1), 0),
    "zremrangebyscore": (lambda cache: cache.zremrangebyscore("k", 0, 5), 0),
    "zscore": (lambda cache: cache.zscore("k", 1), None),
    "zmscore": (lambda cache: cache.zmscore("k", 1, 2), [None, None]),
    "zpopmin": (lambda cache: cache.zpopmin("k"), []),
    "zpopmax": (lambda cache: cache.zpopmax("k", 2), []),
    "zscan": (lambda cache: cache.zscan("k"), (0, [])),
    "zscan_iter": (lambda cache: list(cache.zscan_iter("k")), []),
}

# The same of streams, bits, estimates, places and scripts.
EMPTY_OTHERS: dict[str, tuple[Ask, Any]] = {
    "xadd": (lambda cache: cache.xadd("k", {"f": 1}), None),
    "xlen": (lambda cache: cache.xlen("k"), 0),
    "xrange": (lambda cache: cache.xrange("k"), []),
    "xrevrange": (lambda cache: cache.xrevrange("k"), []),
    "xread": (lambda cache: cache.xread({"k": "0"}), {}),
    "xread block": (lambda cache: cache.xread({"k": "0"}, block=0), {}),
    "xdel": (lambda cache: cache.xdel("k", "1-1"), 0),
    "xtrim": (lambda cache: cache.xtrim("k", maxlen=1), 0),
    "xinfo_stream": (lambda cache: cache.xinfo_stream("k"), {}),
    "xinfo_groups": (lambda cache: cache.xinfo_groups("k"), []),
    "xinfo_consumers": (lambda cache: cache.xinfo_consumers("k", "g"), []),
    "xgroup_create": (lambda cache: cache.xgroup_create("k", "g"), False),
    "xgroup_destroy": (lambda cache: cache.xgroup_destroy("k", "g"), False),
    "xgroup_delconsumer": (lambda cache: cache.xgroup_delconsumer("k", "g", "c"), 0),
    "xgroup_setid": (lambda cache: cache.xgroup_setid("k", "g", "0"), False),
    "xreadgroup": (lambda cache: cache.xreadgroup("g", "c", {"k": ">"}), {}),
    "xreadgroup block": (lambda cache: cache.xreadgroup("g", "c", {"k": ">"}, block=0), {}),
    "xack": (lambda cache: cache.xack("k", "g", "1-1"), 0),
    "xpending": (lambda cache: cache.xpending("k", "g"), Pending(0, None, None, {})),
    "xpending_range": (lambda cache: cache.xpending_range("k", "g", count=5), []),
    "xclaim": (lambda cache: cache.xclaim("k", "g", "c", 0, "1-1"), []),
    "xautoclaim": (lambda cache: cache.xautoclaim("k", "g", "c", 0), ("0-0", [])),
    "setbit": (lambda cache: cache.setbit("k", 7, 1), 0),
    "getbit": (lambda cache: cache.getbit("k", 7), 0),
    "bitcount": (lambda cache: cache.bitcount("k"), 0),
    "bitop": (lambda cache: cache.bitop("AND", "k", "l"), 0),
    "pfadd": (lambda cache: cache.pfadd("k", 1), False),
    "pfcount": (lambda cache: cache.pfcount("k", "l"), 0),
    "pfmerge": (lambda cache: cache.pfmerge("k", "l"), False),
    "geoadd": (lambda cache: cache.geoadd("k", {1: (0, 0)}), 0),
    "geodist": (lambda cache: cache.geodist("k", 1, 2), None),
    "geopos": (lambda cache: cache.geopos("k", 1, 2), [None, None]),
    "geosearch": (lambda cache: cache.geosearch("k", member=1, radius=5), []),
    "geosearch_with": (lambda cache: cache.geosearch_with("k", member=1, radius=5), []),
    "eval_script": (lambda cache: cache.eval_script("return 1"), None),
    "eval_script list": (lambda cache: cache.eval_script("return {}", post_hook=decode_list_post), []),
}
EMPTY |= EMPTY_SETS | EMPTY_OTHERS

# Of a key that is not there they raise on an empty cache too.
MISSING: dict[str, Ask] = {
    "incr": lambda cache: cache.incr("k"),
    "incr float": lambda cache: cache.incr("k", 0.5),
    "decr": lambda cache: cache.decr("k"),
    "rename": lambda cache: cache.rename("k", "l"),
    "renamenx": lambda cache: cache.renamenx("k", "l"),
    "incr_version": lambda cache: cache.incr_version("k"),
    "decr_version": lambda cache: cache.decr_version("k"),
    "lset": lambda cache: cache.lset("k", 0, 1),
}


@pytest.fixture(scope="module")
def stopped() -> Iterator[Server]:
    """A server that is known, and gone."""
    with Server() as server:
        server.kill()
        yield server


def opened(build: Build, server: Server, **options: Any) -> Iterator[Client]:
    cache = build(server.url, **{"prefix": "app", "secret": SECRET, **options})
    yield cache
    cache._door.nodes.close()


@pytest.fixture(params=["pickles", "all"])
def ignoring(request: pytest.FixtureRequest, build: Build, stopped: Server) -> Iterator[Client]:
    yield from opened(build, stopped, ignore_exceptions=True, signing=request.param)


@pytest.fixture
def raising(build: Build, stopped: Server) -> Iterator[Client]:
    yield from opened(build, stopped)


def test_every_method_has_its_row() -> None:
    lines = inspect.getmembers_static(Commands, lambda line: isinstance(line, Line))
    methods = {name for name, line in lines if not isinstance(line, hold)}  # those: `test_failures_held`
    assert methods <= {row.split()[0] for row in (*EMPTY, *MISSING)}


@pytest.mark.parametrize("row", EMPTY)
def test_ignoring_answers_as_an_empty_cache(ignoring: Client, row: str) -> None:
    ask, answer = EMPTY[row]
    assert ask(ignoring) == answer


@pytest.mark.parametrize("row", MISSING)
def test_ignoring_a_missing_key_is_missing(ignoring: Client, row: str) -> None:
    with pytest.raises(KeyNotFound):
        MISSING[row](ignoring)


@pytest.mark.parametrize("row", [*EMPTY, *MISSING])
def test_without_it_a_dead_server_is_unreachable(raising: Client, row: str) -> None:
    if row == "delete_many nothing":
        assert raising.delete_many([]) is None
        return
    ask = MISSING[row] if row in MISSING else EMPTY[row][0]
    with pytest.raises(Unreachable) as raised:
        ask(raising)
    assert raised.value.maybe_executed is False
    assert isinstance(raised.value, ConnectionError)


def test_the_callers_own_mistakes_are_never_ignored(ignoring: Client) -> None:
    with pytest.raises(InvalidArgument):
        ignoring.set("k", 1, nx=True, xx=True)
    with pytest.raises(Unencodable):
        ignoring.set("k", lambda: None)
    with pytest.raises(ZeroDivisionError):
        ignoring.get_or_set("k", lambda: 1 / 0)


def test_a_wrong_type_is_never_ignored(build: Build, server: Server) -> None:
    server.flush()
    server.execute("RPUSH", "app:1:list", 1)
    for cache in opened(build, server, ignore_exceptions=True):
        with pytest.raises(WrongType):
            cache.get("list")


def test_what_is_ignored_is_logged_on_request(
    build: Build, stopped: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for log_ignored in (False, True):
        for cache in opened(build, stopped, ignore_exceptions=True, log_ignored_exceptions=log_ignored):
            with caplog.at_level(logging.WARNING, "vkcache"):
                cache.get("k")
        assert len(caplog.records) == log_ignored


def test_a_server_that_goes_and_comes_back(build: Build) -> None:
    with Server() as server:
        for cache in opened(build, server, ignore_exceptions=True):
            cache.set("k", 1)
            server.kill()
            assert cache.get("k", "default") == "default"
            assert cache.set("k", 2) is False
            server.restart()
            assert cache.get("k") is None
            assert cache.set("k", 3) is True
            assert cache.get("k") == 3


def test_a_server_out_of_memory(build: Build) -> None:
    with Server(extra=("--maxmemory", "1", "--maxmemory-policy", "noeviction")) as server:
        for cache in opened(build, server):
            assert cache.get("k") is None
            assert cache.set_many({"k": 1, "l": 2}) == ["k", "l"]
            with pytest.raises(Exception, match="OOM"):
                cache.set("k", 1)
            with pytest.raises(Exception, match="OOM"):
                cache.mset({"k": 1, "l": 2})
        for cache in opened(build, server, ignore_exceptions=True):
            assert cache.set("k", 1) is False
            assert cache.set_many({"k": 1, "l": 2}) == ["k", "l"]
            assert cache.mset({"k": 1, "l": 2}) is False


@pytest.fixture(scope="module")
def read_only() -> Iterator[Server]:
    """A server that answers reads and refuses all else, as a replica does."""
    with Server() as server:
        for signing in ("pickles", "all"):
            for cache in opened(BUILDERS["client"], server, signing=signing, prefix=signing):
                cache.set_many({"float": 1.5, "big": 10**30, "text": ("x",)})
        server.execute("ACL", "SETUSER", "default", "-@write", "-eval")
        yield server


REFUSED: dict[str, Ask] = {
    "incr float": lambda cache: cache.incr("float"),
    "incr by float": lambda cache: cache.incr("float", 0.5),
    "incr big": lambda cache: cache.incr("big", 2**64),
    "incr missing": lambda cache: cache.incr("missing", 0.5, ignore_key_check=True),
    "rename": lambda cache: cache.rename("text", "l"),
    "incr_version": lambda cache: cache.incr_version("text"),
}


@pytest.mark.parametrize("signing", ["pickles", "all"])
@pytest.mark.parametrize("row", REFUSED)
def test_ignoring_ends_where_reads_work_and_writes_are_refused(
    build: Build, read_only: Server, signing: str, row: str
) -> None:
    """What is added or moved by compare-and-set is not tried for ever."""
    for cache in opened(build, read_only, ignore_exceptions=True, signing=signing, prefix=signing):
        asked = threading.Thread(target=_asked, args=(REFUSED[row], cache), daemon=True)
        asked.start()
        asked.join(10)
        assert not asked.is_alive()


def _asked(ask: Ask, cache: Client) -> None:
    with pytest.raises(KeyNotFound):
        ask(cache)
