"""What type checkers see of the sync shell: exact results, keywords and defaults.

Checked by mypy (and pyright), never run. A row fails when a method loses its result type, its
parameter names or their defaults on the way from the core function to the shell.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, assert_type

from vkcache.core import strings
from vkcache.core.plan import Command
from vkcache.core.space import Space
from vkcache.core.streamgroups import Pending
from vkcache.core.streams import Entry
from vkcache.shell import Client, full_encode_pre
from vkcache.shell.binding import Slot


def results(cache: Client) -> None:
    assert_type(cache.get_many(["a"]), dict[str, Any])
    assert_type(cache.mget({"a"}, version=2), dict[str, Any])
    assert_type(cache.add("a", 1, 60), bool)
    assert_type(cache.set("a", 1, timedelta(hours=1), nx=True), bool | Any)
    assert_type(cache.set_many({"a": 1}, timeout=None), list[str])
    assert_type(cache.mset({"a": 1}), bool)
    assert_type(cache.incr("a", 2, version=3), int | float)
    assert_type(cache.incr_version("a"), int)
    assert_type(cache.delete("a"), bool)
    assert_type(cache.delete_many(("a", "b")), int | None)
    assert_type(cache.ttl("a"), int | None)
    assert_type(cache.type("a"), str | None)
    assert_type(cache.keys("*"), list[str])
    assert_type(cache.iter_keys("*", itersize=10), Iterator[str])
    assert_type(cache.scan(0, pattern="*", count=10), tuple[int, list[str]])
    assert_type(cache.delete_pattern("*", itersize=10), int)
    assert_type(cache.clear(), bool)
    assert_type(cache.info("server"), dict[str, int | float | str])
    assert_type("a" in cache, bool)


def further_results(cache: Client) -> None:
    assert_type(cache.xadd("s", {"a": 1}, nomkstream=True), str | None)
    assert_type(cache.xread({"s": "0"}, block=10), dict[str, list[Entry]])
    assert_type(cache.xpending("s", "g"), Pending)
    assert_type(cache.xautoclaim("s", "g", "c", 0), tuple[str, list[Entry]])
    assert_type(cache.xinfo_groups("s"), list[dict[str, str | int | None]])
    assert_type(cache.setbit("b", 7, True), int)
    assert_type(cache.bitop("AND", "d", "a", "b", version=2), int)
    assert_type(cache.pfadd("h", 1), bool)
    assert_type(cache.geopos("g", "a"), list[tuple[float, float] | None])
    assert_type(cache.geosearch("g", member="a", radius=1, unit="km"), list[Any])
    assert_type(cache.geosearch_with("g", member="a", radius=1), list[tuple[Any, float, tuple[float, float]]])
    assert_type(cache.eval_script("return 1", keys=["k"], pre_hook=full_encode_pre), Any)
    assert_type(cache.pipeline().xlen("s"), Slot[int])


def length(space: Space, key: str) -> Command[int]:
    """A command of a user's own."""
    return Command(strings.GET, (space.key(key),), len)


def own_command(cache: Client) -> None:
    assert_type(cache.execute(length(cache.space, "k")), int)
    assert_type(cache.execute(strings.get_many(cache.space, ["k"])), dict[str, Any])


def refused(cache: Client) -> None:
    cache.get()  # type: ignore[call-arg]  # the key is needed
    cache.bitop("NAND", "d", "a")  # type: ignore[arg-type]  # no such operation
    cache.geodist("g", "a", "b", "yd")  # type: ignore[arg-type]  # no such unit
    cache.get(1)  # type: ignore[arg-type]  # a key is a str
    cache.set("a", 1, "60")  # type: ignore[arg-type]  # a time-out is a number
    cache.ttl("a", versoin=1)  # type: ignore[call-arg]  # a keyword that is not there
    cache.touch("a", None).upper()  # type: ignore[attr-defined]  # a bool
    Client("memory://", socket_timout=1)  # type: ignore[call-arg]  # an option that is not there
