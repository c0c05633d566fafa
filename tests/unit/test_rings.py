"""Which shard holds a key, as the backends decided it that stored data by these rings.

Fails where a key of any kind is looked for on another shard than the one that the other backend stored
it on, or where the keys that belong to one lock live on several shards.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import md5, sha256
from random import Random

import pytest

from tests.unit.feeding import SPACE
from vkcache.core import locks
from vkcache.core.keyspace import RESERVED, beside
from vkcache.core.rings import RINGS, Ring, address_name, by_address, by_location

LOCATIONS = ["valkey://127.0.0.1:7001/0", "valkey://:quoted@10.0.0.2:7002/1?db=1", "redis://h:1"]
NAMES = [
    address_name("127.0.0.1", 7001, 0, None),
    address_name("10.0.0.2", 7002, 1, None),
    address_name(None, None, 0, "/tmp/s"),
]


def keys(count: int = 10_000) -> list[bytes]:
    """Keys of all kinds, always the same ones."""
    random = Random(5)
    pieces = [b"{", b"}", b"{a}", b"{}", b"\n", b":", b"user", b"1", b"\xff\x00", "\u00fc".encode(), b" "]
    plain = [b"p:1:key%d" % number for number in range(count // 2)]
    odd = [b"".join(random.choices(pieces, k=random.randrange(9))) for _ in range(count - len(plain))]
    return plain + odd


Home = Callable[[bytes], int]


def stored_by_location(locations: Sequence[str]) -> Home:
    """The facts of the one ring: 128 points a location, as text; the text in a key's last braces decides."""
    points = [(f"{node}:{x}", number) for number, node in enumerate(locations) for x in range(128)]
    ring = sorted((sha256(text.encode()).hexdigest(), number) for text, number in points)
    heads = [point for point, _ in ring]

    def home(key: bytes) -> int:
        line = key.partition(b"\n")[0]  # a tag is looked for in the first line
        closed = line.rfind(b"}")
        opened = line.rfind(b"{", 0, closed) if closed >= 0 else -1
        hashed = key[opened + 1 : closed] if opened >= 0 else key
        return ring[bisect_right(heads, sha256(hashed).hexdigest()) - 1][1]

    return home


def stored_by_address(nodes: Sequence[str]) -> Home:
    """The facts of the other: 16 points a node, as numbers; braces mean nothing."""

    def position(text: bytes) -> int:
        return int.from_bytes(md5(text, usedforsecurity=False).digest()[-4:], "big")

    ring = sorted(
        (position(f"{x}:{node}".encode()), number) for number, node in enumerate(nodes) for x in range(16)
    )
    heads = [point for point, _ in ring]
    return lambda key: ring[bisect_right(heads, position(key)) - 1][1]


BOTH: dict[str, tuple[Ring, Home]] = {
    "django-valkey": (by_location(LOCATIONS), stored_by_location(LOCATIONS)),
    "django-redis-cache": (by_address(NAMES), stored_by_address(NAMES)),
}


def test_the_rings_are_those_that_the_option_names() -> None:
    assert set(BOTH) == set(RINGS)


@pytest.mark.parametrize("name", BOTH)
def test_every_key_is_where_the_other_backend_stored_it(name: str) -> None:
    ring, stored = BOTH[name]
    some = keys()
    assert len(some) == 10_000
    assert len({key for key in some if b"{" in key and b"}" in key and b"\n" in key}) > 300
    assert [key for key in some if ring.locate(key) != stored(key)] == []


@pytest.mark.parametrize("name", BOTH)
def test_every_shard_holds_keys(name: str) -> None:
    held = Counter(map(BOTH[name][0].locate, keys()))
    assert set(held) == {0, 1, 2}


@pytest.mark.parametrize(
    ("key", "decides"),
    [
        (b"p:1:{user:7}:name", b"user:7"),
        (b"{a}{b}", b"b"),
        (b"{a}{b", b"a"),
        (b"{a{b}c", b"b"),
        (b"{a}b}", b"a}b"),
        (b"a{}", b""),
        (b"}a{", b"}a{"),
        (b"a\n{b}", b"a\n{b}"),
        (b"{a\nb}", b"{a\nb}"),
        (b"{a}\n{b}", b"a"),
        (b"{\xff}", b"\xff"),
    ],
)
def test_the_text_in_the_last_braces_decides(key: bytes, decides: bytes) -> None:
    ring, points = by_location(LOCATIONS), by_location(LOCATIONS).points
    at = bisect_right(points, sha256(decides).hexdigest()) - 1
    assert ring.locate(key) == ring.owners[at]


def test_a_key_before_all_points_belongs_to_the_last_of_them() -> None:
    ring = Ring((10, 20, 30), (0, 1, 2), len)
    assert [ring.locate(b"x" * length) for length in (0, 9, 10, 19, 20, 30, 31)] == [2, 2, 0, 0, 1, 2, 2]


def test_the_order_of_the_locations_says_only_their_numbers() -> None:
    forth, back = by_location(LOCATIONS), by_location(LOCATIONS[::-1])
    assert all(forth.locate(key) == 2 - back.locate(key) for key in keys(300))


def test_a_location_is_known_by_how_it_is_written() -> None:
    other = by_location([LOCATIONS[0].removesuffix("/0"), *LOCATIONS[1:]])
    assert any(other.locate(key) != BOTH["django-valkey"][0].locate(key) for key in keys(300))


def test_an_address_is_named_as_the_other_backend_names_it() -> None:
    assert NAMES == [
        "('127.0.0.1', 7001, 0, None)",
        "('10.0.0.2', 7002, 1, None)",
        "(None, None, 0, '/tmp/s')",
    ]


@pytest.mark.parametrize("name", BOTH)
def test_the_keys_beside_one_key_live_on_one_shard(name: str) -> None:
    ring = BOTH[name][0]
    for wire in keys(4_000):
        homes = {ring.locate(beside(kind, wire)) for kind in (b"lock", b"wake", b"semaphore", b"k")}
        assert homes == {ring.locate(wire)}, wire


@pytest.mark.parametrize("name", BOTH)
def test_the_keys_of_one_lock_live_on_one_shard_and_locks_on_all(name: str) -> None:
    ring, space = BOTH[name][0], SPACE
    made = [locks.lock(space, key) for key in ("k", "{k}", "a{b", "a}b", "{}", "", *map(str, range(50)))]
    homes = [{ring.locate(lock.held), ring.locate(lock.wake)} for lock in made]
    assert all(len(home) == 1 for home in homes)
    assert set.union(*homes) == {0, 1, 2}


def test_a_tag_keeps_a_lock_with_the_keys_that_it_guards() -> None:
    ring = by_location(LOCATIONS)
    for number in range(100):
        wire = b"p:1:{user:%d}:name" % number
        assert ring.locate(beside(b"lock", wire)) == ring.locate(wire)
        assert beside(b"lock", wire).startswith(RESERVED)
