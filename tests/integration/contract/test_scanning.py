"""Many keys at once: keys, iter_keys, scan, delete_pattern, clear, flush_db.

Fails where a pattern reaches a key of another prefix or version, where a key that comes or goes
while it is scanned for makes trouble, or where a key is named twice.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Place, Raw
from vkcache.errors import InvalidArgument
from vkcache.shell import Client

MANY = 10_000
PREFIXES = ["", "a", "a:b", "a*", "a?", "[a]", "a\\", "a:1", "*", "a:1:x"]


def fill(raw: Raw, number: int, head: str = "app:1:") -> None:
    """Store *number* keys, named by their number."""
    for start in range(0, number, 1000):
        raw("MSET", *(word for i in range(start, min(start + 1000, number)) for word in (f"{head}{i}", "1")))


def test_keys_are_the_users_own_names(cache: Client) -> None:
    names = ["a", "a:b", ":", "b c", "ключ", "new\nline", "x" * 200]
    cache.set_many(dict.fromkeys((name for name in names if name.isprintable() and " " not in name), 1))
    cache.set("other", 1, version=2)
    assert sorted(cache.keys()) == sorted(name for name in names if name.isprintable() and " " not in name)
    assert cache.keys(version=2) == ["other"]
    assert cache.keys("none*") == []


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", {"ab", "ac", "b*", "a[b]"}),
        ("a?", {"ab", "ac"}),
        ("a[b]", {"ab"}),
        ("b\\*", {"b*"}),
        ("a\\[*", {"a[b]"}),
    ],
)
def test_a_pattern_is_the_servers_glob(cache: Client, pattern: str, found: set[str]) -> None:
    cache.set_many(dict.fromkeys(["ab", "ac", "b*", "a[b]"], 1))
    assert set(cache.keys(pattern)) == found
    assert set(cache.iter_keys(pattern)) == found
    assert cache.delete_pattern(pattern) == len(found)
    assert not set(cache.keys()) & found


def test_iter_keys_brings_every_key_once(cache: Client, raw: Raw) -> None:
    fill(raw, 500)
    found = list(cache.iter_keys("*", itersize=20))
    assert sorted(found, key=int) == [str(number) for number in range(500)]


def test_scan_goes_on_from_its_cursor(cache: Client, raw: Raw) -> None:
    fill(raw, 100)
    raw("RPUSH", "app:1:list", 1)
    fill(raw, 50, "app:2:")
    cursor, names = cache.scan(0, "*", 10)
    while cursor:
        cursor, more = cache.scan(cursor, pattern="*", count=10)
        names += more
    assert set(names) == {str(number) for number in range(100)} | {"list"}
    assert scanned(cache, raw, key_type="list") == ["list"]
    assert sorted(scanned(cache, raw, pattern="1?", version=2)) == [str(number) for number in range(10, 20)]


def scanned(cache: Client, raw: Raw, **options: Any) -> list[str]:
    """What pages bring that are larger than all there is: one for each server."""
    found: list[str] = []
    cursor = 0
    for _ in raw.clients:
        cursor, names = cache.scan(cursor, count=5000, **options)
        found += names
    assert cursor == 0
    return found


def test_keys_that_vanish_meanwhile_are_no_error(cache: Client, raw: Raw) -> None:
    fill(raw, 300)
    found: list[str] = []
    for name in cache.iter_keys(itersize=10):
        if not found:
            raw("FLUSHALL")
        found.append(name)
    assert len(found) == len(set(found)) < 300


def test_keys_that_are_there_throughout_come_once_while_the_table_grows_and_shrinks(
    cache: Client, raw: Raw
) -> None:
    fill(raw, 300)
    found: list[str] = []
    for number, name in enumerate(cache.iter_keys(itersize=10)):
        found.append(name)
        if number == 20:
            fill(raw, 4000, "other:1:")
        if number == 150:
            raw("UNLINK", *(f"other:1:{i}" for i in range(4000)))
    assert sorted(found, key=int) == [str(number) for number in range(300)]


def test_keys_that_come_back_while_they_are_deleted_are_no_error(cache: Client, raw: Raw) -> None:
    fill(raw, 300)
    names = cache.iter_keys(itersize=10)
    seen = [next(names)]
    assert cache.delete_pattern("*", itersize=7) == 300
    fill(raw, 300)
    seen += names
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("size", [0, -1])
def test_a_page_has_keys(cache: Client, size: int) -> None:
    with pytest.raises(InvalidArgument):
        list(cache.iter_keys(itersize=size))
    with pytest.raises(InvalidArgument):
        cache.delete_pattern("*", itersize=size)
    with pytest.raises(InvalidArgument):
        cache.scan(count=size)


def test_delete_pattern_of_ten_thousand_keys(cache: Client, raw: Raw) -> None:
    fill(raw, MANY)
    fill(raw, 5, "app:2:")
    raw("RPUSH", "app:1:1list", 1)
    ones = sum(str(number).startswith("1") for number in range(MANY)) + 1
    assert cache.delete_pattern("1*", itersize=2000) == ones
    assert cache.delete_pattern("1*") == 0
    assert cache.delete_pattern("*", itersize=1000) == MANY + 1 - ones
    assert raw("DBSIZE") == 5
    assert cache.delete_pattern("*", 2) == 5


def test_itersize_is_the_size_of_a_page(make: Make, place: Place) -> None:
    if not place.real:
        pytest.skip("an engine in this process counts no calls")
    fill(place.raw, 1000)

    def pages(cache: Client, **options: Any) -> int:
        place.raw("CONFIG", "RESETSTAT")
        cache.delete_pattern("none*", **options)
        calls: int = place.raw("INFO", "commandstats")["cmdstat_scan"]["calls"]
        return calls

    assert pages(make()) <= 2 * len(place.raw.clients)
    assert pages(make(scan_itersize=100)) >= 8
    assert pages(make(), itersize=50) >= 15


def test_clear_takes_all_versions_of_its_own_prefix_alone(make: Make, raw: Raw) -> None:
    caches = {prefix: make(prefix=prefix) for prefix in PREFIXES}
    for name, cache in caches.items():
        for version in (1, 2, -3):
            assert cache.set("x:y", name, version=version) is True
            cache.set("k", name, version=version)
    everything = set(raw("KEYS", "*"))
    # "a" at version 1 holds what "a:1" and "a:1:x" hold: its keys are theirs where a version follows.
    for prefix in PREFIXES:
        own = {key for key in everything if caches[prefix].space.keyspace.owns(key)}
        assert own >= {f"{prefix}:{version}:k".encode() for version in (1, 2, -3)}
        assert caches[prefix].clear() is True
        assert set(raw("KEYS", "*")) == everything - own
        for key in own:
            raw("SET", key, 1)
    caches["a*"].clear()
    assert caches["a"].has_key("k")
    caches["a"].clear()
    assert caches["a:b"].has_key("k")
    assert caches["a*"].has_key("k") is False


def test_clear_of_one_version_leaves_the_others(cache: Client) -> None:
    for version in (1, 2, 12):
        cache.set("k", version, version=version)
    assert cache.clear(version=2) is True
    assert [cache.get("k", version=version) for version in (1, 2, 12)] == [1, None, 12]
    assert cache.clear() is True
    assert [cache.get("k", version=version) for version in (1, 12)] == [None, None]
    assert cache.clear() is True


def test_flush_db_takes_everything(cache: Client, make: Make, raw: Raw) -> None:
    cache.set("k", 1)
    make(prefix="other").set("k", 1)
    assert cache.flush_db() is True
    assert raw("DBSIZE") == 0


def test_info_has_names_and_values(cache: Client) -> None:
    said = cache.info()
    assert isinstance(said.get("valkey_version", said.get("redis_version")), str)
    assert "used_memory" not in cache.info("server")
