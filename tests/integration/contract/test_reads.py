"""Where reads are answered.

Fails where a cache that is to read from replicas asks its primary all the same, where one that is not asks
a replica, where a layout of several servers would be served by one of them alone, or where a node of a
cluster has to say that a key is not its own.
"""

from __future__ import annotations

import pytest

from tests.integration.contract.places import Place
from tests.integration.contract.ways import Way
from vkcache.shell import Client

KEYS = [f"k{number}" for number in range(60)]


def test_replicas_answer_reads_where_they_are_to(cache: Client, way: Way, place: Place) -> None:
    for key in KEYS:
        place.raw("SET", f"app:1:{key}", 1)
    before = place.settle.reads() if place.settle else 0
    assert [cache.get(key) for key in KEYS] == [1] * len(KEYS)
    share = (place.settle.reads() if place.settle else 0) - before
    expected = {"replica": [len(KEYS)], "any": range(1, len(KEYS))}
    assert share in expected.get(way.options.get("read_from", "primary"), [0])


def test_keys_live_on_every_server(cache: Client, place: Place) -> None:
    assert cache.set_many(dict.fromkeys(KEYS, 1)) == []
    sizes = [client.dbsize() for client in place.raw.clients]
    assert sum(sizes) == len(KEYS)
    assert min(sizes) > 5
    assert all(place.raw("GET", f"app:1:{key}") == b"1" for key in KEYS)


def test_nobody_is_asked_for_what_another_has(cache: Client, place: Place) -> None:
    if not place.real:
        pytest.skip("an engine in this process counts no errors")
    cache.set("k", 1)  # from now on the layout is known
    before = redirections(place)
    cache.set_many(dict.fromkeys(KEYS, 1))
    assert cache.get_many(KEYS) == dict.fromkeys(KEYS, 1)
    assert [cache.incr(key) for key in KEYS] == [2] * len(KEYS)
    assert redirections(place) == before


def redirections(place: Place) -> int:
    """How often the servers have answered MOVED."""
    told = [client.info("errorstats") for client in place.raw.clients]
    return sum(one.get("errorstat_MOVED", {"count": 0})["count"] for one in told)
